"""Sound in, spikes of 700 auditory channels out: the cochlea that made the Heidelberg spiking data sets.

The model, its parameters and its order of stages are those of Cramer et al. 2020 (arXiv:1910.07407)
and of the authors' program ``lauscher``; the code here is written anew from the equations:

1. the sound at 48 kHz, scaled to an RMS of 0.3, faded in and out by Hann ramps;
2. a hydrodynamic basilar membrane (Sieroka, Dosch & Rupp 2006), one linear filter a channel;
3. an inner hair cell with three transmitter pools (Meddis 1986, 1988), which gives the probability
   that a nerve fibre fires within a step;
4. 40 such fibres a channel, each with a dead time of 1 ms, converging on one leaky
   integrate-and-fire bushy cell, whose spikes are the output.

Channel 0 has the highest frequency (about 22.5 kHz), channel 699 the lowest (about 110 Hz).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, gcd

import numpy as np
import scipy.fft
from numba import njit
from scipy.signal import resample_poly
from scipy.special import hankel1, j0, j1, y0, y1

from snnlab.errors import SnnlabError

N_CHANNELS = 700
AUDIO_RATE = 48_000  # Hz; lauscher's explicit hair-cell step is unstable below 18 kHz and drifts below 48 kHz
STEP_RATE = AUDIO_RATE // 2  # Hz; the membrane, and all behind it, runs at half the audio rate
RMS = 0.3
RAMP = 0.030  # s

_BLOCK = 16_384  # steps of one FFT; also fixes the frequencies at which the membrane is evaluated
_BEFORE, _AFTER = 4_000, 1_400  # steps by which a membrane's response reaches ahead of and behind its input
_LANES = 14  # channels worked on together, so that their signals stay in the processor's cache
_CUTOFF = 2.0  # in centre frequencies; above it the membrane's response is 100 dB below its peak


@dataclass(frozen=True)
class Membrane:
    """Constants of the basilar membrane (Sieroka et al. 2006), in lauscher's values; CGS units."""

    stiffness: float = 1e9
    stiffness_offset: float = 3500.0
    stiffness_decay: float = 3.0
    mass: float = 0.05
    damping: float = 0.15
    height: float = 0.1
    density: float = 1.0
    length: float = 3.5

    @property
    def friction(self) -> float:
        return self.damping * (self.stiffness * self.mass) ** 0.5

    def places(self, n_channels: int = N_CHANNELS) -> np.ndarray:
        """Distance of each channel from the oval window, shape ``(n_channels,)``."""
        return np.linspace(0.0, self.length, n_channels)


@dataclass(frozen=True)
class HairCell:
    """Rates of the inner hair cell's transmitter pools (Meddis 1988), per second, in lauscher's values."""

    replenish: float = 5.05
    release: float = 2000.0
    loss: float = 2500.0
    reuptake: float = 6580.0
    reprocess: float = 66.3
    a: float = 5.0
    b: float = 300.0
    firing: float = 50_000.0


@dataclass(frozen=True)
class BushyCell:
    """The fibres of a channel and the neuron that they converge on; times in seconds, threshold 1."""

    fibres: int = 40
    tau_mem: float = 1e-3
    tau_syn: float = 5e-4
    refractory: float = 1e-3
    weight: float = 13e3


MEMBRANE, HAIR_CELL, BUSHY_CELL = Membrane(), HairCell(), BushyCell()


def centre_frequencies(n: int = N_CHANNELS) -> np.ndarray:
    """Resonance frequency of each of ``n`` channels in Hz, highest first, shape ``(n,)``.

    ``f = sqrt((S0 exp(-alpha x) - a) / m) / 2 pi`` with ``x`` from 0 to 3.5.
    """
    m = MEMBRANE
    stiffness = m.stiffness * np.exp(-m.stiffness_decay * m.places(n)) - m.stiffness_offset
    return np.sqrt(stiffness / m.mass) / (2 * np.pi)


def transfer_function(frequency: np.ndarray, place: float) -> np.ndarray:
    """Velocity of the membrane at ``place`` for a sound of unit pressure, complex, like ``frequency`` (Hz, > 0).

    With ``u = exp(-alpha x / 2)``, the membrane's impedance ``xi(u) = S0 u^2 - i w R u - (a + m w^2)``
    and the wave number ``k = w sqrt(rho / (h xi))``, the pressure at ``x`` is that of Sieroka et al.:

        p(x) = sqrt(G / k(x)) H0(G),    G(x) = 2 k(0) / alpha + integral of k from 0 to x,

    the integral being elementary because ``xi`` is a quadratic in ``u``. The velocity is
    ``2 w / xi(x) * p(x) / p(0) * Z(w)``, where ``Z`` is the impedance at the oval window.

    Its phase turns as in ``exp(-i w t)``. Fed to an ordinary FFT, as lauscher does, the response
    therefore runs backwards in time: a membrane rings before its input. The data sets have it so.
    """
    m = MEMBRANE
    omega = 2 * np.pi * np.asarray(frequency, dtype=float)
    root = np.sqrt(m.stiffness_offset + m.mass * omega**2)  # of minus the constant term of xi

    def impedance(u: float) -> np.ndarray:
        return m.stiffness * u**2 - root**2 - 1j * omega * m.friction * u

    def antiderivative(u: float, xi: np.ndarray) -> np.ndarray:
        return (2j * root**2 - omega * m.friction * u - 2 * root * np.sqrt(xi)) / u

    u = exp(-m.stiffness_decay * place / 2)
    xi_window, xi = impedance(1.0), impedance(u)
    wave_number = omega * np.sqrt(m.density / (m.height * xi))
    start = 2 / m.stiffness_decay * omega * np.sqrt(m.density / (m.height * xi_window))
    phase = np.log(antiderivative(1.0, xi_window) / antiderivative(u, xi))
    integral = 2j * omega * np.sqrt(m.density / m.height) / (m.stiffness_decay * root) * phase
    total = start - integral
    pressure = np.sqrt(total / wave_number) * hankel1(0, total)
    pressure_window = np.sqrt(2 / m.stiffness_decay) * hankel1(0, start)
    return 2 * omega / xi * pressure / pressure_window * _window_impedance(omega)


def _window_impedance(omega: np.ndarray) -> np.ndarray:
    """Impedance seen at the oval window: that of a membrane without mass and friction (Bessel functions)."""
    m = MEMBRANE
    x = 2 * omega / m.stiffness_decay * np.sqrt(2 / (m.height * m.stiffness))
    return np.sqrt(2 * m.stiffness / m.height) * (y0(x) + 1j * j0(x)) / (j1(x) - 1j * y1(x))


@lru_cache(maxsize=N_CHANNELS)
def _filter(channel: int) -> np.ndarray:
    """Transfer function of a channel at the frequencies of one FFT block, complex64, ``(bins,)``; the rest is 0."""
    frequency = np.arange(_BLOCK) * (STEP_RATE / _BLOCK)
    frequency = frequency[frequency <= _CUTOFF * centre_frequencies()[channel]]
    # lauscher evaluates 1 Hz too high at the low end, on the mark at the high end: no division by zero.
    frequency = 1 + frequency * (1 - 1 / STEP_RATE)
    return transfer_function(frequency, MEMBRANE.places()[channel]).astype(np.complex64)


def prepare(audio: np.ndarray, sample_rate: int, *, ramp: float = RAMP) -> np.ndarray:
    """The sound as the membrane hears it: 48 kHz, RMS 0.3, Hann ramps of ``ramp`` seconds at both ends.

    Raises ``SnnlabError`` for audio that is not mono, empty, silent or not finite, and for a bad rate.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise SnnlabError(f"audio has shape {audio.shape}; expected one mono channel (samples,): mix or pick one.")
    if audio.dtype.kind not in "iuf":
        raise SnnlabError(f"audio has dtype {audio.dtype}; expected real numbers, such as float32.")
    if sample_rate != int(sample_rate) or sample_rate <= 0:
        raise SnnlabError(f"sample_rate is {sample_rate}; expected a positive whole number of samples per second.")
    audio = audio.astype(np.float64)
    if not np.isfinite(audio).all():
        raise SnnlabError("audio holds NaN or infinite samples; expected finite numbers: check the file.")
    divisor = gcd(int(sample_rate), AUDIO_RATE)
    if audio.any() and sample_rate != AUDIO_RATE:
        audio = resample_poly(audio, AUDIO_RATE // divisor, int(sample_rate) // divisor)
    power = np.mean(audio**2) if audio.size else 0.0
    if not power > 0:
        raise SnnlabError(f"audio is silent ({audio.size} samples, all zero); expected a sound: leave it out.")
    audio *= RMS / np.sqrt(power)
    length = min(round(ramp * AUDIO_RATE), audio.size // 2)
    fade = np.hanning(2 * length)[:length]
    audio[:length] *= fade
    audio[audio.size - length :] *= fade[::-1]
    return audio


def _blocks(sound: np.ndarray) -> np.ndarray:
    """Spectra below 24 kHz of the sound's consecutive stretches, each padded to one FFT, ``(blocks, _BLOCK)``."""
    stretch = 2 * (_BLOCK - _BEFORE - _AFTER)
    stretches = np.zeros((-(-sound.size // stretch), 2 * _BLOCK), dtype=np.float32)
    for i, row in enumerate(stretches):
        piece = sound[i * stretch : (i + 1) * stretch]
        row[: piece.size] = piece
    return scipy.fft.rfft(stretches, axis=1)[:, :_BLOCK]


def membrane_velocity(sound: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """Velocity of the membrane for a prepared sound, ``(channels, steps)`` float32 at 24 kHz.

    Keeping the positive frequencies only and transforming back on half as many points gives the
    filtered sound at half its rate, as in lauscher. The sound is taken as periodic, as there:
    what rings beyond one end comes in at the other.
    """
    spectra = _blocks(sound)
    steps = sound.size // 2 + 1
    hop = _BLOCK - _BEFORE - _AFTER
    extent = _BEFORE + hop * len(spectra) + _AFTER
    lead = -(-_BEFORE // steps) * steps
    periods = -(-(lead - _BEFORE + extent) // steps)
    velocity = np.zeros((len(channels), periods * steps), dtype=np.float32)
    filtered = np.zeros((len(channels), _BLOCK), dtype=np.complex64)
    for i, spectrum in enumerate(spectra):
        for row, channel in zip(filtered, channels, strict=True):
            response = _filter(channel)
            np.multiply(spectrum[: response.size], response, out=row[: response.size])
        # The real part of a one-sided transform is the transform of its Hermitian half.
        half = filtered[:, : _BLOCK // 2 + 1].copy()
        half[:, 1:] += filtered[:, : _BLOCK // 2 - 1 : -1].conj()
        half[:, 1:] *= 0.5
        piece = scipy.fft.irfft(half, n=_BLOCK, axis=1, overwrite_x=True)
        begin = lead + i * hop
        velocity[:, begin : begin + hop + _AFTER] += piece[:, : hop + _AFTER]
        velocity[:, begin - _BEFORE : begin] += piece[:, _BLOCK - _BEFORE :]
    return velocity.reshape(len(channels), periods, steps).sum(axis=1)


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(x):  # splitmix64's output function: one well-mixed word a counter
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True, error_model="numpy")
def _binomial(n, p, u):
    """How many of ``n`` fibres fire, each with probability ``p``: inversion of the uniform number ``u``."""
    q = 1.0 - p
    mass = q**n
    tail = 1.0 - mass
    k = 0
    while u < tail and k < n:
        mass *= (n - k) * p / ((k + 1) * q)
        tail -= mass
        k += 1
    return k


@njit(cache=True, nogil=True, error_model="numpy")
def _spikes(velocity, keys, hair, bushy, rate, steps, counts):
    replenish, release, loss, reuptake, reprocess, a, b, firing = hair
    fibres, tau_mem, tau_syn, refractory, weight = bushy
    dt = 1.0 / rate
    rest = release * a / (a + b)
    dead = int(refractory * rate)
    decay_mem, decay_syn = np.exp(-dt / tau_mem), np.exp(-dt / tau_syn)
    kick = weight / fibres * dt
    history = np.zeros(dead, dtype=np.int64)
    for channel in range(velocity.shape[0]):
        cleft = replenish * rest / (loss * rest + replenish * (loss + reuptake))
        pool = cleft * (loss + reuptake) / rest
        store = cleft * reuptake / reprocess
        state = keys[channel]
        history[:] = 0
        slot = 0
        free = fibres
        synapse = 0.0
        membrane = 0.0
        wait = 0
        found = 0
        for t in range(velocity.shape[1]):
            drive = velocity[channel, t] + a
            rate_out = release * dt * drive / (drive + b) if drive > 0 else 0.0
            refill = replenish * dt * (1.0 - pool) if pool < 1.0 else 0.0
            ejected = rate_out * pool
            returned = reprocess * dt * store
            store = max(store + reuptake * dt * cleft - returned, 0.0)
            cleft_before = cleft
            cleft = max(cleft + ejected - (loss + reuptake) * dt * cleft_before, 0.0)
            pool = max(pool + refill - ejected + returned, 0.0)
            p = cleft * firing * dt

            # A fibre that fired is deaf for `dead` steps; fibres are exchangeable, so only their number matters.
            if t >= dead:
                free += history[slot]
            state += np.uint64(0x9E3779B97F4A7C15)
            u = (_mix(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)
            k = 0
            if u < free * p:  # P(k > 0) <= free p, so most steps end here
                k = _binomial(free, p, u)
            free -= k
            history[slot] = k
            slot = slot + 1 if slot + 1 < dead else 0

            synapse = synapse * decay_syn + k
            if wait <= 0:
                if membrane >= 1.0:
                    steps[channel, found] = t - 1
                    found += 1
                    wait = dead
                    membrane = 0.0
                else:
                    membrane = min(membrane * decay_mem + synapse * kick, 1.0)
            wait -= 1
        counts[channel] = found


def cochlea(
    audio: np.ndarray,
    sample_rate: int,
    *,
    seed: int,
    channels: slice | Sequence[int] | None = None,
    ramp: float = RAMP,
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of a sound: ``(times, units)``, seconds float32 ``(E,)`` in rising order and channels uint16 ``(E,)``."""
    sound = prepare(audio, sample_rate, ramp=ramp)
    index = np.arange(N_CHANNELS)[slice(None) if channels is None else channels]
    with np.errstate(over="ignore"):
        keys = _mix_array(np.uint64(seed), index)
    hair = tuple(float(v) for v in vars(HAIR_CELL).values())
    bushy = tuple(vars(BUSHY_CELL).values())
    all_steps, all_units = [], []
    for begin in range(0, index.size, _LANES):
        lanes = index[begin : begin + _LANES]
        velocity = membrane_velocity(sound, lanes)
        steps = np.empty((lanes.size, velocity.shape[1] // 24 + 1), dtype=np.int32)
        counts = np.empty(lanes.size, dtype=np.int64)
        _spikes(velocity, keys[begin : begin + _LANES], hair, bushy, float(STEP_RATE), steps, counts)
        all_steps += [row[:n] for row, n in zip(steps, counts, strict=True)]
        all_units += [np.full(n, c, dtype=np.uint16) for c, n in zip(lanes, counts, strict=True)]
    steps, units = np.concatenate(all_steps), np.concatenate(all_units)
    order = np.argsort(steps, kind="stable")
    return (steps[order] / STEP_RATE).astype(np.float32), units[order]


def _mix_array(seed: np.uint64, index: np.ndarray) -> np.ndarray:
    return np.array([_mix(np.uint64(_mix(seed) + int(c) & 0xFFFFFFFFFFFFFFFF)) for c in index], dtype=np.uint64)
