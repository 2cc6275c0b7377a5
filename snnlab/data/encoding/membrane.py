"""The basilar membrane: a linear filter for each place, in closed form (Sieroka et al.).

N. Sieroka, H. G. Dosch, A. Rupp, "Semirealistic models of the cochlea", J. Acoust. Soc. Am. 120
(2006) 297, with the parameters of ``lauscher`` (Cramer et al. 2020, arXiv:1910.07407), the program
that made SHD and SSC.
"""

from functools import lru_cache
from math import ceil, exp, log2

import numpy as np
import scipy.fft
from scipy.special import hankel1, j0, j1, y0, y1

from snnlab.data.io.events import N_CHANNELS

# Hz; at lower rates the explicit step of the hair cell drifts, and below 9 kHz it is unstable
AUDIO_RATE = 48_000
STEP_RATE = AUDIO_RATE // 2  # Hz; the membrane, and all behind it, runs at half the audio rate

_BLOCK = 16_384  # steps of one FFT block
# Steps that a response reaches ahead of and behind its input: to about -80 dB at 110 Hz
_BEFORE, _AFTER = 4_480, 1_408
_HOP = _BLOCK - _BEFORE - _AFTER  # steps of sound that one block carries
_CUTOFF = 2.0  # centre frequencies; above it a response is 100 dB below its peak, and is left out
_CYCLES = 30.0  # of its centre frequency, after which a response is taken to be over
_SHORTEST = 1_024  # steps of the shortest response


# Constants of the model in CGS units, in lauscher's values
STIFFNESS, STIFFNESS_OFFSET = 1e9, 3500.0  # at the oval window
STIFFNESS_DECAY = 3.0  # per cm
MASS, DAMPING, DENSITY = 0.05, 0.15, 1.0
HEIGHT, LENGTH = 0.1, 3.5  # of the duct, cm
FRICTION = DAMPING * (STIFFNESS * MASS) ** 0.5  # at the oval window
PLACES = np.linspace(0.0, LENGTH, N_CHANNELS)  # distance of each channel from the oval window, cm


def centre_frequencies() -> np.ndarray:
    """Return the resonance frequency of each channel in Hz, highest first, ``(700,)``.

    ``f = sqrt((S0 exp(-alpha x) - a) / m) / (2 pi)``, with ``x`` evenly spaced from 0 to 3.5 cm.
    """
    stiffness = STIFFNESS * np.exp(-STIFFNESS_DECAY * PLACES) - STIFFNESS_OFFSET
    return np.sqrt(stiffness / MASS) / (2 * np.pi)


def transfer_function(frequency: np.ndarray, place: float) -> np.ndarray:
    """Return the complex velocity of the membrane at ``place`` (cm) for a sound of unit pressure.

    ``frequency`` is in Hz, above 0; the result has its shape.

    With ``u = exp(-alpha x / 2)``, the membrane's impedance ``xi(u) = S0 u^2 - i w R u - (a + m
    w^2)`` and the wave number ``k = w sqrt(rho / (h xi))``, the pressure at ``x`` is

        p(x) = sqrt(G / k(x)) H0(G),    G(x) = 2 k(0) / alpha + integral of k from 0 to x,

    where ``H0`` is the Hankel function of the first kind. The integral is elementary, because
    ``xi`` is a quadratic in ``u``. The velocity is ``2 w / xi(x) * p(x) / p(0) * Z(w)``, with ``Z``
    the impedance at the oval window.

    Phases turn as in ``exp(-i w t)``. An ordinary FFT, which lauscher uses and the data sets were
    made with, turns the other way: through it, a membrane rings ahead of its input, not behind it.
    """
    omega = 2 * np.pi * np.asarray(frequency, dtype=float)
    root = np.sqrt(STIFFNESS_OFFSET + MASS * omega**2)

    def impedance(u: float) -> np.ndarray:
        return STIFFNESS * u**2 - root**2 - 1j * omega * FRICTION * u

    # The integral of k is the logarithm of this
    def logarithm_of(u: float, xi: np.ndarray) -> np.ndarray:
        return (2j * root**2 - omega * FRICTION * u - 2 * root * np.sqrt(xi)) / u

    u = exp(-STIFFNESS_DECAY * place / 2)
    xi_window, xi = impedance(1.0), impedance(u)
    wave_number = omega * np.sqrt(DENSITY / (HEIGHT * xi))
    start = 2 / STIFFNESS_DECAY * omega * np.sqrt(DENSITY / (HEIGHT * xi_window))
    angle = np.log(logarithm_of(1.0, xi_window) / logarithm_of(u, xi))
    path = start - 2j * omega * np.sqrt(DENSITY / HEIGHT) / (STIFFNESS_DECAY * root) * angle
    pressure = np.sqrt(path / wave_number) * hankel1(0, path)
    pressure_window = np.sqrt(2 / STIFFNESS_DECAY) * hankel1(0, start)
    return 2 * omega / xi * pressure / pressure_window * _window_impedance(omega)


def _window_impedance(omega: np.ndarray) -> np.ndarray:
    """Return ``Z(w)``, the impedance at the oval window, without mass or friction (Bessel)."""
    x = 2 * omega / STIFFNESS_DECAY * np.sqrt(2 / (HEIGHT * STIFFNESS))
    return np.sqrt(2 * STIFFNESS / HEIGHT) * (y0(x) + 1j * j0(x)) / (j1(x) - 1j * y1(x))


def _filter(channel: int) -> np.ndarray:
    """Return a channel's transfer function at the ``_BLOCK + 1`` frequencies of a block.

    A response that is over after ``d`` seconds is known from its transfer function every ``1 / d``
    Hz: evaluate it on that grid, and let the response's own FFT fill in the rest.
    """
    centre = centre_frequencies()[channel]
    points = min(_BLOCK, max(_SHORTEST, 2 ** ceil(log2(_CYCLES / centre * STEP_RATE))))
    frequency = np.arange(points + 1) * (STEP_RATE / points)
    inside = frequency <= _CUTOFF * centre
    # As lauscher does: 1 Hz too high at the low end, where the model has a pole, and exact at the
    # high end.
    shifted = 1 + frequency[inside] * (1 - 1 / STEP_RATE)
    coarse = np.zeros(points + 1, dtype=complex)
    coarse[inside] = transfer_function(shifted, PLACES[channel])
    response = scipy.fft.irfft(coarse)
    after, before = min(2 * _AFTER, points // 2), min(2 * _BEFORE, 3 * points // 2)
    padded = np.zeros(2 * _BLOCK)
    padded[:after], padded[-before:] = response[:after], response[-before:]
    return scipy.fft.rfft(padded)


@lru_cache(maxsize=256)
def _filters(channels: tuple[int, ...]) -> np.ndarray:
    """Return the filters of ``channels``, complex64 ``(bins, channels)``; further bins are zero."""
    reach = _CUTOFF * centre_frequencies()[list(channels)] * (_BLOCK / STEP_RATE)
    bins = min(_BLOCK, int(reach.max()) + 1)
    filters = np.zeros((bins, len(channels)), dtype=np.complex64)
    for column, channel, last in zip(filters.T, channels, reach.astype(int), strict=True):
        column[: last + 1] = _filter(channel)[: min(bins, last + 1)]
    filters[1:] /= 2  # for the fold in `velocity`; the lowest frequency has no partner
    return filters


def spectra(sound: np.ndarray) -> np.ndarray:
    """Return the spectra of successive blocks of a sound (48 kHz), complex64 ``(blocks, bins)``."""
    stretches = np.zeros((-(-sound.size // (2 * _HOP)), 2 * _HOP), dtype=np.float32)
    stretches.flat[: sound.size] = sound
    return scipy.fft.rfft(stretches, n=2 * _BLOCK, axis=1)[:, :_BLOCK]


def velocity(blocks: np.ndarray, steps: int, channels: tuple[int, ...]) -> np.ndarray:
    """Return the membrane's velocity, float32 ``(steps, channels)`` at 24 kHz, from ``spectra``.

    As in lauscher, the positive frequencies alone go back, onto half as many points: the filtered
    sound at half its rate. And as there the sound counts as periodic in ``steps``: what rings
    beyond one end comes in at the other.
    """
    filters = _filters(channels)
    low, high = filters[: _BLOCK // 2 + 1], filters[_BLOCK // 2 :]
    lead = -(-_BEFORE // steps) * steps
    periods = -(-(lead + _HOP * len(blocks) + _AFTER) // steps)
    out = np.zeros((periods * steps, len(channels)), dtype=np.float32)
    for i, block in enumerate(blocks):
        half = np.zeros((_BLOCK // 2 + 1, len(channels)), dtype=np.complex64)
        np.multiply(block[: len(low), None], low, out=half[: len(low)])
        # The real part of a one-sided transform of a whole spectrum is that of its Hermitian half.
        mirror = block[_BLOCK // 2 : _BLOCK // 2 + len(high), None] * high
        half[_BLOCK // 2 + 1 - len(high) :] += mirror[::-1].conj()
        piece = scipy.fft.irfft(half, n=_BLOCK, axis=0, overwrite_x=True)
        begin = lead + i * _HOP
        out[begin : begin + _HOP + _AFTER] += piece[: _HOP + _AFTER]
        out[begin - _BEFORE : begin] += piece[-_BEFORE:]
    return out.reshape(periods, steps, -1).sum(axis=0)
