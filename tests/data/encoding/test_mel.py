"""Log-mel features: the published pipeline's own code, a second one that shares no line with ours,
and what is odd about them."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.signal
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.voices import ENGINE_RATE, Espeak
from snnlab.data.encoding.mel import PAPER, RATE, SANE, Mel, filters, log_mel, resample

# torchaudio's own Python code, with a stub in the place of its C extension, which need not load
# beside this torch
PUBLISHED = """
import importlib.util, sys, types
import numpy as np, torch
folder = importlib.util.find_spec("torchaudio").submodule_search_locations[0]
package, extension = types.ModuleType("torchaudio"), types.ModuleType("torchaudio._extension")
package.__path__ = [folder]
extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
extension.fail_if_no_align = lambda function: function
sys.modules |= {"torchaudio": package, "torchaudio._extension": extension}
from torchaudio import functional
package.functional = functional
from torchaudio.transforms import _transforms as transforms
waves = torch.from_numpy(np.load(sys.argv[1]))
low = transforms.Resample(16000, 8000)(waves)
done = {"resampled": low.numpy()}
for n_mels, f_max in ((140, 14000.0), (40, 4000.0)):
    mel = transforms.MelSpectrogram(
        sample_rate=8000, n_fft=256, hop_length=80, f_min=50.0, f_max=f_max, n_mels=n_mels,
        power=2.0, norm=None, mel_scale="htk"
    )
    done[str(n_mels)] = transforms.AmplitudeToDB("power")(mel(low)).permute(2, 0, 1).numpy()
np.savez(sys.argv[2], **done)
"""


@pytest.fixture(scope="module")
def waves():
    """(12, 16000) float32: eight spoken words, three noises of 0, -40 and -80 dB, and silence."""
    rng = np.random.default_rng(0)
    rows = []
    for i, text in enumerate("yes no up down left right stop go".split()):
        with Espeak() as engine:
            sound = engine.say(
                text,
                ("en-us", "en-gb-scotland+f2")[i % 2],
                speed=150,
                pitch=40 + 4 * i,
                pitch_range=50,
                seed=i,
            )
        sound = scipy.signal.resample_poly(sound / np.abs(sound).max(), RATE, ENGINE_RATE)[:RATE]
        rows.append(0.5 * np.pad(sound, (0, RATE - len(sound))) + 1e-3 * rng.standard_normal(RATE))
    rows += [0.3 * rng.standard_normal(RATE) * level for level in (1, 1e-2, 1e-4)]
    return torch.from_numpy(np.stack([*rows, np.zeros(RATE)]).astype(np.float32))


@pytest.fixture(scope="module")
def published(waves, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    np.save(folder / "waves.npy", waves.numpy())
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        PUBLISHED,
        str(folder / "waves.npy"),
        str(folder / "out.npz"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if run.returncode:
        pytest.skip(
            f"torchaudio's Python code cannot be loaded: {run.stderr.strip().splitlines()[-1]}"
        )
    return np.load(folder / "out.npz")


def second(wave, mel):
    """(samples,) to (T, n_mels) dB, in float64, by numpy, scipy and librosa."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that channels are empty is what we want to see
        import librosa

        bank = librosa.filters.mel(
            sr=mel.rate,
            n_fft=256,
            n_mels=mel.n_mels,
            fmin=mel.f_min,
            fmax=mel.f_max,
            htk=True,
            norm=None,
            dtype=np.float64,
        )
    # Of the sinc no more than twelve samples on each side are within six zero crossings
    n = np.arange(-12, 13)
    taps = 0.495 * np.sinc(0.495 * n) * np.cos(0.495 * n * np.pi / 12) ** 2
    low = np.convolve(wave.astype(np.float64), taps)[12:-12:2]
    padded = np.pad(low, 128, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 256)[::80]
    power = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 256, fftbins=True))) ** 2
    return 10 * np.log10(np.maximum(power @ bank.T, 1e-10))


def test_it_is_what_torchaudio_gives(waves, published):
    assert np.abs(resample(waves, 8_000).numpy() - published["resampled"]).max() < 1e-6
    for mel in (PAPER, SANE):
        assert np.abs(log_mel(waves, mel).numpy() - published[str(mel.n_mels)]).max() < 1e-4


@pytest.mark.parametrize("mel", [PAPER, SANE], ids=["paper", "sane"])
def test_it_is_what_another_implementation_gives(waves, mel):
    ours = log_mel(waves, mel)
    assert ours.shape == (101, 12, mel.n_mels) and ours.dtype == torch.float32
    for i, wave in enumerate(waves.numpy()):
        away = np.abs(ours[:, i].numpy() - second(wave, mel))
        assert (
            away.max() < 0.02 and np.quantile(away, 0.99) < 1e-3
        )  # ours is float32, which quiet bins beside loud ones feel


def test_in_the_paper_53_channels_of_140_never_change(waves):
    still = (log_mel(waves, PAPER) == -100).all(0)[:11].all(0)  # not the silent one
    assert still.sum() == 53 and still[-50:].all()
    assert (filters(PAPER).sum(0) == 0).sum() == 53


def test_no_sane_channel_is_empty_or_says_what_its_neighbour_says(waves):
    assert log_mel(waves[:11], SANE).std((0, 1)).min() > 1
    bank = filters(SANE)
    assert ((bank > 0).sum(0) >= 2).all()
    alike = torch.corrcoef(log_mel(waves[8:9], SANE)[:, 0].T) - torch.eye(40)
    assert alike.max() < 0.95
    # Which is why there are not 80
    assert ((filters(Mel(n_mels=80, f_max=4_000)) > 0).sum(0) == 1).any()


def test_silence_is_100_db_below_one(waves):
    assert (log_mel(waves[11:], PAPER) == -100).all() and (log_mel(waves[11:], SANE) == -100).all()


def test_ten_times_as_loud_is_20_db_more(waves):
    quiet, loud = log_mel(waves[8:9] / 10, SANE), log_mel(waves[8:9], SANE)
    assert torch.allclose(loud - quiet, torch.tensor(20.0), atol=1e-3)


def test_a_tone_is_loudest_in_the_channel_around_it():
    t = torch.arange(RATE) / RATE
    tones = torch.stack([torch.sin(2 * torch.pi * f * t) for f in (300.0, 1000.0, 3000.0)])
    edges = torch.linspace(*(2595 * np.log10(1 + f / 700) for f in (50, 4000)), 42)
    middles = 700 * (10 ** (edges / 2595) - 1)[1:-1]
    found = log_mel(tones, SANE)[50].argmax(1)
    assert (
        (middles[found] - torch.tensor([300.0, 1000.0, 3000.0])).abs()
        < torch.tensor([40.0, 60.0, 120.0])
    ).all()


def test_frames_are_centred_on_every_tenth_millisecond():
    click = torch.zeros(1, RATE)
    click[0, 8_000] = 1  # at 500 ms
    assert log_mel(click, SANE)[:, 0].sum(1).argmax() == 50


def test_resampling_halves_and_keeps_what_is_below_the_new_nyquist():
    t = torch.arange(RATE, dtype=torch.float64) / RATE
    low, high = (torch.sin(2 * torch.pi * f * t).float()[None] for f in (1000, 6000))
    assert torch.allclose(resample(low, 8_000)[0, 50:-50], low[0, ::2][50:-50], atol=0.01)
    assert resample(high, 8_000)[0, 50:-50].abs().max() < 0.01
    assert resample(low, RATE) is low
    assert resample(low[:, :15_999], 8_000).shape == (1, 8_000) and resample(
        low[:, :15_998], 8_000
    ).shape == (1, 7_999)


def test_a_wave_does_not_depend_on_its_company(waves):
    many = waves[8:9].repeat(70, 1) * torch.linspace(0.1, 1, 70)[:, None]
    together = log_mel(many, SANE)
    alone = torch.cat([log_mel(many[i : i + 1], SANE) for i in range(70)], 1)
    assert together.shape == (101, 70, 40) and together.is_contiguous()
    assert torch.allclose(together, alone, atol=1e-3)


@pytest.mark.parametrize(
    "bad", [torch.zeros(16_000), torch.zeros(1, 511), torch.zeros(1, 16_000).double()]
)
def test_waves_that_are_none(bad):
    with pytest.raises(SnnlabError, match="waves are .* was expected"):
        log_mel(bad)


@pytest.mark.parametrize("rate", [0, -8_000, 11_025, 44_100])
def test_a_rate_that_does_not_divide_the_waves(rate):
    with pytest.raises(SnnlabError, match=f"rate is {rate}; .* Choose 16000 or 8000"):
        Mel(rate=rate)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(waves):
    there = log_mel(waves.cuda(), SANE)
    assert there.is_cuda and torch.allclose(there.cpu(), log_mel(waves, SANE), atol=1e-2)
