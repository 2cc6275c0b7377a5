"""The cochlea model of the Heidelberg spiking data sets: sound to spikes of 700 channels.

The model, its parameters and the order of its stages are those of Cramer et al. 2020
(arXiv:1910.07407) and of the authors' program ``lauscher``; the code is written anew from the
equations:

1. the sound at 48 kHz, scaled to an RMS of 0.3, faded in and out by Hann ramps;
2. the basilar membrane, one linear filter a channel (``snnlab.data.encoding.membrane``);
3. an inner hair cell with three pools of transmitter (R. Meddis, J. Acoust. Soc. Am. 79, 1986,
   702, and 83, 1988, 1056), which gives the probability that a nerve fibre fires within a step;
4. 40 such fibres a channel, each deaf for 1 ms after it fired, converging on one leaky
   integrate-and-fire bushy cell, whose spikes are the output.

Channel 0 has the highest frequency (about 22.5 kHz), channel 699 the lowest (about 110 Hz).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.data.encoding import membrane
from snnlab.data.encoding.membrane import AUDIO_RATE, STEP_RATE, centre_frequencies
from snnlab.data.io.events import N_CHANNELS

__all__ = ["BushyCell", "HairCell", "centre_frequencies", "cochlea", "prepare"]

RMS = 0.3
RAMP = 0.030  # s
_LANES = 16  # channels that go through the compiled loop side by side, two vectors of the processor


class HairCell(NamedTuple):
    """Rates of the hair cell's transmitter pools (Meddis 1988) in lauscher's values, per s."""

    replenish: float = 5.05  # y
    release: float = 2000.0  # g
    loss: float = 2500.0  # l
    reuptake: float = 6580.0  # r
    reprocess: float = 66.3  # x
    a: float = 5.0
    b: float = 300.0
    firing: float = 50_000.0  # h


class BushyCell(NamedTuple):
    """The fibres of a channel and the neuron they converge on; times in seconds, threshold 1."""

    fibres: int = 40
    tau_mem: float = 1e-3
    tau_syn: float = 5e-4
    refractory: float = 1e-3  # of a fibre, and of the neuron
    weight: float = 13e3  # of all fibres together


def prepare(audio: np.ndarray, sample_rate: int, *, ramp: float = RAMP) -> np.ndarray:
    """Resample a sound to 48 kHz, scale it to RMS 0.3, and apply Hann ramps at both ends.

    Args:
        audio: mono sound (samples,).
        sample_rate: Hz.
        ramp: length of each ramp in seconds.

    Returns:
        (samples,) float64 at 48 kHz.

    Raises:
        SnnlabError: the audio is not mono, empty, silent or not finite, or the rate is not a
            positive whole number.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise SnnlabError(
            f"audio has shape {audio.shape}; expected one mono channel (samples,): mix or pick one."
        )
    if audio.dtype.kind not in "iuf":
        raise SnnlabError(f"audio has dtype {audio.dtype}; expected real numbers, such as float32.")
    if not (np.isfinite(sample_rate) and sample_rate > 0 and sample_rate == int(sample_rate)):
        raise SnnlabError(
            f"sample_rate is {sample_rate}; expected a positive whole number of samples per second."
        )
    if not ramp >= 0:
        raise SnnlabError(f"ramp is {ramp}; expected seconds, 0 or more.")
    sound = audio.astype(np.float64)
    if not np.isfinite(sound).all():
        raise SnnlabError(
            "audio holds NaN or infinite samples; expected finite numbers: check the recording."
        )
    peak = np.abs(sound).max(initial=0.0)
    if peak == 0:
        raise SnnlabError(
            f"audio is silent: {sound.size} samples, none above zero; expected a sound: leave it "
            "out."
        )
    sound /= peak
    if sample_rate != AUDIO_RATE:
        from scipy.signal import resample_poly  # here: its import takes longer than most sounds do

        sound = resample_poly(sound, AUDIO_RATE, int(sample_rate))
    sound *= RMS / np.sqrt(np.mean(sound**2))
    length = int(min(np.round(ramp * AUDIO_RATE), sound.size // 2))
    fade = np.hanning(2 * length)[:length]
    sound[:length] *= fade
    sound[sound.size - length :] *= fade[::-1]
    return sound


def _mix(word: np.ndarray) -> np.ndarray:
    """Apply the output function of splitmix64, which decorrelates words; uint64, any shape."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def _random_states(seed: int, channels: np.ndarray) -> np.ndarray:
    """Return a state of xoroshiro128+ for each channel, uint64 ``(2, channels)``."""
    first = _mix(np.array([seed], dtype=np.uint64)) + 2 * channels.astype(np.uint64)
    golden = np.uint64(0x9E3779B97F4A7C15)
    return np.stack([_mix(first * golden + golden), _mix((first + np.uint64(1)) * golden + golden)])


@njit(cache=True, nogil=True, error_model="numpy")
def _inverted(n: int, p: float, u: float) -> int:
    """Return the smallest ``k`` with ``P(K > k) <= u``: for a uniform ``u``, a binomial draw."""
    mass = (1.0 - p) ** n
    tail = 1.0 - mass
    k = 0
    while u < tail and k < n:
        mass *= (n - k) * p / ((k + 1) * (1.0 - p))
        tail -= mass
        k += 1
    return k


@njit(cache=True, nogil=True, error_model="numpy")
def _binomial(n: np.float32, p: np.float32, u: np.float32) -> np.float32:
    """Draw how many of ``n`` fibres fire with probability ``p``; ``u`` is uniform below ``n p``."""
    expected = n * p
    pair = np.float32(0.5) * expected * expected
    if pair < u < expected - pair:  # Bonferroni: P(K > 1) < pair, P(K > 0) > expected - pair
        return np.float32(1.0)
    return np.float32(_inverted(int(n), float(p), float(u)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fire(
    velocity: np.ndarray, random: np.ndarray, hair: HairCell, bushy: BushyCell, rate: float
) -> np.ndarray:
    """Return the spikes, uint8 ``(steps, _LANES)``, of ``_LANES`` channels.

    ``velocity`` (same shape) and ``random`` are overwritten.

    Meddis' pools, a step of Euler each (``q`` free, ``c`` in the cleft, ``w`` in the store, ``V``
    the velocity):

        kt = g max(V + a, 0) / (max(V + a, 0) + b)
        q += dt (y max(1 - q, 0) - kt q + x w);   c += dt (kt q - (l + r) c)
        w += dt (r c - x w);   P = h c dt

    The bushy cell, ``k`` the fibres that fired:

        s = s exp(-dt / tau_syn) + k;   v = min(v exp(-dt / tau_mem) + W s, 1)

    The loops over lanes are kept free of branches and of float64: they compile to vector
    instructions.
    """
    f32 = np.float32
    zero, one = f32(0.0), f32(1.0)
    dt = 1.0 / rate
    a, b = f32(hair.a), f32(hair.b)
    replenish, release, drain = (
        f32(hair.replenish * dt),
        f32(hair.release * dt),
        f32((hair.loss + hair.reuptake) * dt),
    )
    reuptake, reprocess, firing = (
        f32(hair.reuptake * dt),
        f32(hair.reprocess * dt),
        f32(hair.firing * dt),
    )
    dead = int(np.round(bushy.refractory * rate))
    wait_after = f32(dead - 1)
    decay_mem, decay_syn = f32(np.exp(-dt / bushy.tau_mem)), f32(np.exp(-dt / bushy.tau_syn))
    kick = f32(bushy.weight / bushy.fibres * dt)
    unit = f32(2.0**-24)

    # Each quantity of a lane is one stretch of one array: few arrays let the compiler prove that
    # none overlap.
    pools = np.empty(4 * _LANES, dtype=np.float32)  # q, c, w; then the random number
    rest = hair.release * hair.a / (hair.a + hair.b)
    cleft = (
        hair.replenish * rest / (hair.loss * rest + hair.replenish * (hair.loss + hair.reuptake))
    )
    pools[:_LANES] = cleft * (hair.loss + hair.reuptake) / rest
    pools[_LANES : 2 * _LANES] = cleft
    pools[2 * _LANES :] = cleft * hair.reuptake / hair.reprocess
    # Synapse, membrane, steps to wait, fibres ready to fire
    cell = np.zeros(4 * _LANES, dtype=np.float32)
    cell[3 * _LANES :] = bushy.fibres
    # How many fibres did, in each of the last steps
    fired = np.zeros((dead, _LANES), dtype=np.float32)
    spikes = np.zeros(velocity.shape, dtype=np.uint8)

    for t in range(velocity.shape[0]):
        chance, now, spike = velocity[t], fired[t % dead], spikes[t]
        for i in range(_LANES):
            low, high = random[i], random[_LANES + i]
            word = low + high
            high ^= low
            random[i] = (
                ((low << np.uint64(24)) | (low >> np.uint64(40))) ^ high ^ (high << np.uint64(16))
            )
            random[_LANES + i] = (high << np.uint64(37)) | (high >> np.uint64(27))
            pools[3 * _LANES + i] = (f32(np.int32(word >> np.uint64(40))) + f32(0.5)) * unit
        for i in range(_LANES):
            q, c, w = pools[i], pools[_LANES + i], pools[2 * _LANES + i]
            drive = max(chance[i] + a, zero)
            ejected = release * drive / (drive + b) * q
            recycled = reprocess * w
            left = max(c + ejected - drain * c, zero)
            pools[i] = max(q + replenish * max(one - q, zero) - ejected + recycled, zero)
            pools[_LANES + i] = left
            pools[2 * _LANES + i] = max(w + reuptake * c - recycled, zero)
            chance[i] = firing * left
        for i in range(_LANES):
            cell[3 * _LANES + i] += now[i]
            now[i] = zero
        # Fibres are exchangeable: how many may fire, and do, is all that matters
        for i in range(_LANES):
            ready, p, u = cell[3 * _LANES + i], chance[i], pools[3 * _LANES + i]
            if u < ready * p:  # P(K > 0) is no larger, so most steps end here
                now[i] = _binomial(ready, p, u)
        for i in range(_LANES):
            cell[3 * _LANES + i] -= now[i]
            synapse = cell[i] * decay_syn + now[i]
            v, wait = cell[_LANES + i], cell[2 * _LANES + i]
            over = one if v >= one else zero
            awake = (one - over) if wait <= zero else zero
            cell[i] = synapse
            cell[_LANES + i] = awake * min(v * decay_mem + synapse * kick, one)
            cell[2 * _LANES + i] = wait_after if v >= one else wait - one
            spike[i] = np.uint8(over)
    return spikes


def cochlea(
    audio: np.ndarray,
    sample_rate: int,
    *,
    seed: int,
    channels: slice | Sequence[int] | None = None,
    ramp: float = RAMP,
) -> tuple[np.ndarray, np.ndarray]:
    """Encode a sound as spikes of auditory channels.

    The same seed gives the same spikes, whatever else runs. One thread is used; encode several
    recordings in several processes.

    Args:
        audio: mono sound (samples,), of any real type and level.
        sample_rate: Hz.
        seed: of the nerve fibres, from 0.
        channels: some of the 700 channels, by default all; they spike exactly as in a run of all.
        ramp: length in seconds of the Hann ramp at either end, at most half of the sound. The data
            sets' paper has 30 ms. lauscher's packaged chain fades over the whole file, as
            ``float("inf")`` does, which costs a word a third of its spikes.

    Returns:
        times (E,), float32 seconds, ascending, and channels (E,), uint16.

    Raises:
        SnnlabError: the audio is not mono, empty, silent or not finite, or the rate, the seed or a
            channel is out of range.
    """
    sound = prepare(audio, sample_rate, ramp=ramp)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    picked = _picked(channels)
    blocks, steps = membrane.spectra(sound), sound.size // 2 + 1
    # Short of lanes, the last channel fills up: a copy costs no more than an empty lane, and is
    # dropped.
    groups = np.pad(picked, (0, -picked.size % _LANES), mode="edge").reshape(-1, _LANES)
    spikes_of = []
    for lanes in groups:
        velocity = membrane.velocity(blocks, steps, tuple(lanes.tolist()))
        spikes = _fire(
            velocity, _random_states(seed, lanes).ravel(), HairCell(), BushyCell(), float(STEP_RATE)
        )
        spikes_of.append(np.flatnonzero(spikes.view(bool)))
    group = np.repeat(np.arange(len(spikes_of)), [len(one) for one in spikes_of])
    step, lane = np.divmod(np.concatenate(spikes_of), _LANES)
    position = group * _LANES + lane
    order = np.argsort(step, kind="stable")
    order = order[position[order] < picked.size]
    # A neuron that ends a step at threshold is found there in the next: the spike belongs to the
    # earlier.
    return ((step[order] - 1) / STEP_RATE).astype(np.float32), picked[position[order]].astype(
        np.uint16
    )


def _picked(channels: slice | Sequence[int] | None) -> np.ndarray:
    """Return the numbers of the channels, ascending, each once."""
    try:
        picked = np.unique(np.arange(N_CHANNELS)[slice(None) if channels is None else channels])
    except (IndexError, TypeError):
        picked = np.empty(0, dtype=int)
    if picked.size == 0:
        raise SnnlabError(
            f"channels is {channels!r}; expected a slice or numbers from 0 to {N_CHANNELS - 1}, "
            "not none."
        )
    return picked
