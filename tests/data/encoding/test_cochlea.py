"""The cochlea beside lauscher's own stages: the membrane to rounding, the spikes by statistical
tests.

Every random number here comes from a fixed seed: the tests pass or fail for good, not by chance.
The error levels say how surprising a difference must be before it counts: 1e-4, for a right model,
over the choice of seeds.
"""

from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from lauscher.audiowaves import MonoAudioWave
from lauscher.transformations import (
    BasilarMembrane,
    BushyCell,
    HairCell,
    HanningWindow,
    RmsNormalizer,
)
from numba import njit
from scipy import stats
from scipy.signal import resample

from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding import cochlea as module
from snnlab.data.encoding import membrane
from snnlab.data.encoding.cochlea import centre_frequencies, cochlea, prepare

LEVEL = 1e-4
RATE = 48_000
CHANNELS = np.arange(12, 700, 28)  # 25 of them, from 20 kHz to 120 Hz
PEER_SEEDS, OUR_SEEDS = 80, 240


def vowel(seconds: float) -> np.ndarray:
    """A spoken-like sound at 48 kHz: two syllables of a gliding voice with two formants, and a
    hiss."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(110 + 60 * time) / RATE
    sound = 0.02 * np.random.default_rng(0).standard_normal(time.size)
    for harmonic in range(1, 60):
        loudness = (
            sum(np.exp(-(((110 * harmonic - formant) / 250) ** 2)) for formant in (600, 1800)) + 0.3
        )
        sound += loudness * np.sin(harmonic * phase)
    return sound * (0.01 + np.sin(2 * np.pi * time / seconds) ** 8)


#
# ------------------------------------------------------------------------------------------------
# the sound


@pytest.mark.parametrize("samples", [9600, 9601])
@pytest.mark.parametrize("ramp", [0.030, float("inf")])
def test_a_prepared_sound_is_lauschers(samples: int, ramp: float) -> None:
    sound = vowel(0.25)[:samples]
    window = HanningWindow() if ramp == float("inf") else HanningWindow(ramp, ramp)
    peer = MonoAudioWave(sound.copy(), RATE).transform(RmsNormalizer(0.3)).transform(window)
    np.testing.assert_allclose(
        prepare(sound, RATE, ramp=ramp), peer.samples, rtol=1e-12, atol=1e-12
    )


def test_another_sample_rate_is_the_same_sound() -> None:
    time = np.arange(22_050) / 22_050
    tone = np.sin(2 * np.pi * 1000 * time)
    expected = 0.3 * np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(prepare(tone, 22_050)[5000:-5000], expected[5000:-5000], atol=2e-3)


# -------------------------------------------------------------------------------------------------
# the membrane


def test_centre_frequencies_are_those_of_the_data_sets() -> None:
    frequency = centre_frequencies()
    assert frequency.shape == (700,)
    assert (np.diff(frequency) < 0).all()
    assert frequency[0] == pytest.approx(22507.9, abs=0.1)  # sqrt((1e9 - 3500) / 0.05) / 2 pi
    # Sqrt((1e9 exp(-10.5) - 3500) / 0.05) / 2 pi
    assert frequency[-1] == pytest.approx(110.349, abs=0.001)


@pytest.mark.parametrize("channel", [0, 7, 150, 350, 550, 699])
def test_the_transfer_function_is_lauschers_to_rounding(channel: int) -> None:
    peer = BasilarMembrane(700)
    frequency = np.linspace(1, 24_000, 5_000)
    theirs = peer._v(2 * np.pi * frequency, peer.ch[channel])
    ours = membrane.transfer_function(frequency, membrane.PLACES[channel])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


# Far shorter than a response; one FFT block; three of them. What rings beyond the end comes in
# again at the start, a step late, which shows most in a short sound; and the highest channel stops
# short at 24 kHz, in its pass band.
@pytest.mark.parametrize(("samples", "error"), [(1_200, 0.05), (12_000, 0.02), (43_210, 0.005)])
@pytest.mark.parametrize("channel", [5, 60, 200, 320, 440, 560, 699])
def test_the_membranes_velocity_is_lauschers(samples: int, error: float, channel: int) -> None:
    sound = prepare(vowel(1.0)[-samples:], RATE)
    peer = BasilarMembrane(700)
    omega = 2 * np.pi * np.linspace(1, RATE // 2, samples // 2 + 1)
    spectrum = np.fft.fft(sound)[: omega.size]
    ours = membrane.velocity(membrane.spectra(sound), samples // 2 + 1, (channel,))[:, 0]
    assert ours.shape == (samples // 2 + 1,)
    # lauscher stretches the time of n/2 steps to n/2 + 1; without that, the same sum at whole
    # steps:
    theirs = np.fft.ifft((peer._v(omega, peer.ch[channel]) * spectrum)[:-1]).real
    assert relative_error(ours[:-1], theirs) < (0.05 if channel == 5 else error)
    if channel >= 200:  # no content above half the step rate, so that the stretch can be undone
        stretched = peer.process_single_channel(peer.ch[channel], omega, spectrum)
        assert relative_error(ours[:-1], resample(stretched, samples // 2)) < 5 * error


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2)))


#
# ------------------------------------------------------------------------------------------------
# the spikes


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return vowel(0.2)


@pytest.fixture(scope="module")
def theirs(sound: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Steps and channels of the spikes of lauscher's own stages, with 30 ms ramps, for each of
    several seeds."""
    wave = (
        MonoAudioWave(sound.copy(), RATE)
        .transform(RmsNormalizer(0.3))
        .transform(HanningWindow(0.03, 0.03))
    )
    membranes, hair, bushy = BasilarMembrane(700), HairCell(), BushyCell()
    omega = 2 * np.pi * np.linspace(1, RATE // 2, wave.num_samples // 2 + 1)
    spectrum = np.fft.fft(wave.samples)[: omega.size]
    # Stage by stage: the packaged chain starts a pool of processes for each. And the bushy cell
    # compiled, its parameters in a tuple in the place of `self`: the same lines of lauscher, fast
    # enough for many seeds.
    velocity = [
        membranes.process_single_channel(membranes.ch[channel], omega, spectrum)
        for channel in CHANNELS
    ]
    chances = [hair._meddis(v, RATE // 2) for v in velocity]
    parameters = namedtuple("Parameters", vars(bushy))(**vars(bushy))
    compiled = njit(BushyCell._lif)
    runs = []
    for seed in range(PEER_SEEDS):
        np.random.seed(seed)
        fibres = [bushy._sample(chance, RATE // 2).astype(float) for chance in chances]
        channel, step = np.nonzero(np.array([compiled(parameters, f, RATE // 2) for f in fibres]))
        runs.append((step, CHANNELS[channel]))
    # The compiled lines are lauscher's: on one channel, what they give is what it gives.
    np.testing.assert_array_equal(
        compiled(parameters, fibres[12], RATE // 2), bushy._lif(fibres[12], RATE // 2)
    )
    return runs


@pytest.fixture(scope="module")
def ours(sound: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of this cochlea, for more seeds: they are cheap."""
    runs = []
    for seed in range(OUR_SEEDS):
        times, units = cochlea(sound, RATE, seed=seed, channels=CHANNELS)
        runs.append((np.rint(times * 24_000.0).astype(int), units))
    return runs


Runs = list[tuple[np.ndarray, np.ndarray]]


def counts(runs: Runs) -> np.ndarray:
    """Spikes of each run and channel, ``(runs, channels)``."""
    return np.array([[np.sum(channel == c) for c in CHANNELS] for _, channel in runs])


def test_the_parameters_are_lauschers() -> None:
    """Several of them shift the spikes by less than the tests below can see."""
    theirs, ours = HairCell(), module.HairCell()
    assert tuple(ours) == (
        theirs.y,
        theirs.g,
        theirs.l,
        theirs.r,
        theirs.x,
        theirs.a,
        theirs.b,
        theirs.h,
    )
    assert theirs.m == 1  # the size of the pool, our unit
    bushy = BushyCell()
    assert tuple(module.BushyCell()) == (
        bushy.n_convergence,
        bushy.tau_mem,
        bushy.tau_syn,
        bushy.tau_refrac,
        bushy.weight * bushy.n_convergence,
    )


def chi_square(a: np.ndarray, b: np.ndarray) -> float:
    """Squared differences of mean counts, ``(runs, cells)`` each, in units of their variance,
    summed over cells."""
    spread = (a.var(0) * len(a) + b.var(0) * len(b)) / (len(a) + len(b))
    # At least that of a spike in 100 runs
    variance = np.maximum(spread, 0.01) * (1 / len(a) + 1 / len(b))
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2 / variance))


def test_the_number_of_spikes_is_lauschers(theirs: Runs, ours: Runs) -> None:
    """Mean spikes of a recording, a z test at level 1e-4; it would find a difference of 4 %."""
    a, b = counts(theirs).sum(1), counts(ours).sum(1)
    error = b.std(ddof=1) * np.sqrt(1 / len(a) + 1 / len(b))
    limit = stats.norm.isf(LEVEL / 2) * error
    assert limit < 0.04 * b.mean()
    assert abs(a.mean() - b.mean()) < limit


def test_the_rate_of_each_channel_is_lauschers(theirs: Runs, ours: Runs) -> None:
    """Mean spikes a channel, a chi-square test over all channels at level 1e-4."""
    a, b = counts(theirs), counts(ours)
    assert b.mean(0).max() > 5 * b.mean(0).min()  # there is something to tell apart
    assert chi_square(a, b) < stats.chi2.isf(LEVEL, CHANNELS.size)


def intervals(runs: Runs) -> np.ndarray:
    """Steps between a channel's successive spikes, of all channels and runs."""
    return np.concatenate([np.diff(step[channel == c]) for step, channel in runs for c in CHANNELS])


def test_the_intervals_between_spikes_are_lauschers(theirs: Runs, ours: Runs) -> None:
    """Two-sample Kolmogorov-Smirnov test at level 1e-4; none is shorter than the dead time
    allows."""
    a, b = intervals(theirs), intervals(ours)
    assert min(a.min(), b.min()) >= 25  # 24 steps of silence, one to reach the threshold
    assert stats.ks_2samp(a, b).pvalue > LEVEL


def test_the_times_of_the_spikes_are_lauschers(theirs: Runs, ours: Runs) -> None:
    """Spikes a bin of 5 ms, a chi-square test over all bins at level 1e-4."""
    edges = np.arange(0, 4801, 120)
    a, b = (np.array([np.histogram(step, edges)[0] for step, _ in runs]) for runs in (theirs, ours))
    assert chi_square(a, b) < stats.chi2.isf(LEVEL, len(edges) - 1)


@pytest.mark.parametrize(
    ("n", "p"), [(40, 0.0027), (40, 0.02), (37, 0.11), (12, 0.4), (1, 0.3), (40, 0.45)]
)
def test_fibres_fire_binomially(n: int, p: float) -> None:
    draws = 200_000
    uniform = ((np.arange(draws) + 0.5) / draws).astype(np.float32)
    bound = np.float32(n) * np.float32(p)
    fired = [
        0 if u >= bound else int(module._binomial(np.float32(n), np.float32(p), u)) for u in uniform
    ]
    share = np.bincount(fired, minlength=n + 1) / draws
    np.testing.assert_allclose(share, stats.binom.pmf(np.arange(n + 1), n, p), atol=2 / draws)


def test_random_streams_of_channels_and_seeds_are_unrelated() -> None:
    channels = np.arange(700)
    states = np.concatenate(
        [module._random_states(seed, channels) for seed in (0, 1, 2**63)], axis=1
    )
    assert np.unique(states).size == states.size
    bits = np.unpackbits(states.view(np.uint8))
    assert abs(bits.mean() - 0.5) < 4 * 0.5 / np.sqrt(bits.size)


def test_a_tone_is_heard_where_it_belongs() -> None:
    time = np.arange(16_000) / 16_000
    for pitch in (300, 1000, 4000):
        _, units = cochlea(np.sin(2 * np.pi * pitch * time[:4000]), 16_000, seed=0)
        loudest = np.convolve(np.bincount(units, minlength=700), np.ones(21), mode="same").argmax()
        assert 0.7 < pitch / centre_frequencies()[loudest] < 1.1, pitch


# --------------------------------------------------------------------------------------------------
# the contract


def test_events_are_sorted_and_typed(sound: np.ndarray) -> None:
    times, units = cochlea(sound, RATE, seed=1)
    assert times.dtype == np.float32 and units.dtype == np.uint16
    assert times.shape == units.shape and times.size > 500
    assert (np.diff(times) >= 0).all() and times[0] >= 0 and times[-1] < 0.2
    assert units.max() < 700


def test_a_seed_gives_the_same_spikes_in_any_thread_and_another_seed_others(
    sound: np.ndarray,
) -> None:
    alone = [cochlea(sound, RATE, seed=seed, channels=CHANNELS) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda seed: cochlea(sound, RATE, seed=seed, channels=CHANNELS), range(4))
        )
    for a, b in zip(alone, together, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(alone[0][0], alone[1][0])


@pytest.mark.parametrize("channels", [[3], [699, 0, 250], slice(5, 400, 7), np.arange(100, 117)])
def test_some_channels_spike_as_in_a_run_of_all(
    sound: np.ndarray, channels: slice | list[int]
) -> None:
    times, units = cochlea(sound, RATE, seed=5)
    picked = np.isin(units, np.arange(700)[channels])
    some = cochlea(sound, RATE, seed=5, channels=channels)
    np.testing.assert_array_equal(some[0], times[picked])
    np.testing.assert_array_equal(some[1], units[picked])


def test_neither_level_nor_type_of_the_samples_matters(sound: np.ndarray) -> None:
    whole = np.round(sound / np.abs(sound).max() * 2**14)
    expected = cochlea(whole, RATE, seed=2, channels=CHANNELS)
    for same in (whole.astype(np.int16), whole / 2**14, (whole * 2**40).astype(np.float32)):
        np.testing.assert_array_equal(
            cochlea(same, RATE, seed=2, channels=CHANNELS)[0], expected[0]
        )


def test_a_sound_of_one_sample_is_a_sound() -> None:
    times, units = cochlea(np.ones(1), RATE, seed=0)
    assert times.size == units.size


@pytest.mark.parametrize(
    ("audio", "options", "words"),
    [
        (np.empty(0), {}, "silent: 0 samples"),
        (np.zeros(100), {}, "silent: 100 samples"),
        (np.array([0.1, np.nan, 0.2]), {}, "NaN"),
        (np.array([0.1, np.inf, 0.2]), {}, "infinite"),
        (np.ones((100, 2)), {}, r"shape \(100, 2\)"),
        (np.ones(100, dtype=complex), {}, "complex"),
        (np.array(["a"]), {}, "dtype"),
        (np.ones(100), {"sample_rate": 0}, "sample_rate is 0"),
        (np.ones(100), {"sample_rate": -8000}, "sample_rate is -8000"),
        (np.ones(100), {"sample_rate": 22050.5}, "whole number"),
        (np.ones(100), {"sample_rate": float("nan")}, "sample_rate is nan"),
        (np.ones(100), {"seed": -1}, "seed = -1"),
        (np.ones(100), {"seed": 1.5}, "seed = 1.5"),
        (np.ones(100), {"channels": [700]}, "channels is"),
        (np.ones(100), {"channels": []}, "channels is"),
        (np.ones(100), {"channels": [0.5]}, "channels is"),
        (np.ones(100), {"ramp": -0.1}, "ramp is -0.1"),
        (np.ones(100), {"ramp": float("nan")}, "ramp is nan"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(audio: np.ndarray, options: dict, words: str) -> None:
    arguments = {"sample_rate": RATE, "seed": 0} | options
    with pytest.raises(SnnlabError, match=words) as refusal:
        cochlea(audio, **arguments)
    assert "\n" not in str(refusal.value)
