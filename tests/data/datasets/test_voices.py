"""Speech: the same every time, and as its settings say."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.spoken_digits import CLASSES, VARIANTS, take
from snnlab.data.datasets.voices import (
    ENGINE_RATE,
    ENGLISH,
    GERMAN,
    RATE,
    Espeak,
    _in_room,
    _noise,
    record,
)


def say(word, voice, **settings):
    with Espeak() as engine:
        return engine.say(
            word, voice, **{"speed": 140, "pitch": 50, "pitch_range": 50, "seed": 1, **settings}
        )


def fundamental(sound, rate):
    """Hz, from the autocorrelation of the loudest 60 ms."""
    size = round(0.06 * rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(float), size)[:: size // 4]
    frame = frames[np.argmax((frames**2).sum(1))]
    correlation = np.correlate(frame, frame, "full")[size - 1 :]
    shortest = round(rate / 400)
    return rate / (shortest + np.argmax(correlation[shortest : round(rate / 60)]))


@pytest.mark.parametrize("voice", ["en-us+f2", "en+Reed", "en+grandpa"])  # echo; breath; flutter
def test_a_word_does_not_depend_on_those_before_it(voice):
    alone = say("seven", voice)
    say("acht", "de+f4", seed=9)
    assert np.array_equal(say("seven", voice), alone)


def test_every_voice_is_there_and_differs_from_the_others():
    variants = [name for split in VARIANTS.values() for group in split for name in group]
    voices = [f"en-us+{name}" for name in variants] + [
        f"{accent}+m2" for accent in (*ENGLISH[1:], GERMAN)
    ]
    sounds = {say("four", voice).tobytes() for voice in voices}
    assert len(sounds) == len(voices)


def test_no_variant_is_in_two_splits():
    variants = [name for split in VARIANTS.values() for group in split for name in group]
    assert len(variants) == len(set(variants))


def test_pitch_and_speed_are_obeyed():
    low, high = say("nine", "en+m3", pitch=40), say("nine", "en+m3", pitch=70)
    assert fundamental(high, ENGINE_RATE) > 1.2 * fundamental(low, ENGINE_RATE)
    assert len(say("nine", "en+m3", speed=120)) > 1.4 * len(say("nine", "en+m3", speed=200))


def test_an_unknown_voice_or_variant_is_refused():
    with pytest.raises(SnnlabError, match="'xx'"):
        say("one", "xx")
    with pytest.raises(SnnlabError, match=r"en-us\+nobody"):
        say("one", "en-us+nobody")  # espeak-ng itself would take its usual voice


def test_a_word_without_sound_is_refused():
    with pytest.raises(SnnlabError, match="no sound"):
        say(" ", "en")


def test_without_the_wheel_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SnnlabError, match=r'pip install "snnlab\[speech\]"'):
        record(take(0, "train", 0))


def test_a_wheel_without_its_data_is_refused_and_does_not_end_the_process(monkeypatch, tmp_path):
    monkeypatch.setattr("espeakng_loader.get_data_path", lambda: str(tmp_path / "espeak-ng-data"))
    with pytest.raises(SnnlabError, match="espeak-ng-data: espeak-ng does not start"):
        say("one", "en")


@pytest.fixture(scope="module")
def dry():
    """A take without room or noise: what the other tests change."""
    return replace(take(0, "train", 1), snr=300.0, directness=300.0, lead=0.0, tail=0.0)


def test_the_same_take_is_the_same_sound():
    job = take(3, "test", 17)
    sound = record(job)
    assert sound.dtype == np.float32
    assert np.array_equal(record(job), sound)
    assert not np.array_equal(record(replace(job, seed=job.seed + 1))[: len(sound)], sound)


def test_noise_has_the_stated_power(dry):
    clean, noisy = record(dry), record(replace(dry, snr=25.0))
    power = np.mean((noisy - clean) ** 2) / np.mean(clean.astype(float) ** 2)
    assert 10 * np.log10(power) == pytest.approx(-25, abs=0.01)


def test_lead_and_tail_are_added_around_the_word(dry):
    word, padded = record(dry), record(replace(dry, lead=0.02, tail=0.03))
    assert len(padded) == len(word) + 0.05 * RATE
    assert np.allclose(padded[960 : 960 + len(word)], word, atol=1e-6)
    assert np.abs(padded[:960]).max() < 1e-6


def test_a_shorter_tract_raises_the_voice_and_keeps_the_duration(dry):
    voice = replace(dry.voice, variant="m3", tract=1.0)
    long, short = (record(replace(dry, voice=replace(voice, tract=tract))) for tract in (0.9, 1.15))
    assert fundamental(short, RATE) / fundamental(long, RATE) == pytest.approx(1.15 / 0.9, rel=0.06)
    assert len(short) == pytest.approx(len(long), rel=0.12)


def test_tilt_brightens(dry):
    def share_above_4_khz(tilt):
        power = np.abs(np.fft.rfft(record(replace(dry, voice=replace(dry.voice, tilt=tilt))))) ** 2
        return power[np.fft.rfftfreq(2 * len(power) - 2, 1 / RATE) > 4000].sum() / power.sum()

    assert share_above_4_khz(0.9) > 2 * share_above_4_khz(0.3)


def test_the_room_echoes_as_stated():
    click = np.zeros(RATE)
    click[0] = 1
    heard = _in_room(click, 0.2, 6.0, np.random.default_rng(0))
    assert heard[0] == pytest.approx(1)
    assert np.abs(heard[1:96]).max() < 1e-9  # 2 ms
    echo = heard[96:] ** 2
    assert 10 * np.log10(echo.sum()) == pytest.approx(-6)
    early, late = echo[: RATE // 100].mean(), echo[RATE // 10 : RATE // 10 + RATE // 100].mean()
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=2)  # 60 dB in 0.2 s


@pytest.mark.parametrize(("slope", "octave"), [(0.0, 0.0), (1.0, 3.01)])
def test_noise_falls_as_stated(slope, octave):
    noise = _noise(8 * RATE, slope, np.random.default_rng(0))
    power, frequency = np.abs(np.fft.rfft(noise)) ** 2, np.fft.rfftfreq(noise.size, 1 / RATE)
    low, high = (power[(frequency > f) & (frequency < 1.1 * f)].mean() for f in (1000, 2000))
    assert 10 * np.log10(low / high) == pytest.approx(octave, abs=0.3)


def test_a_speaker_keeps_accent_and_variant_over_all_words():
    takes = [take(0, "train", 40 + i) for i in range(len(CLASSES))]
    assert len({(job.voice.accent, job.voice.variant) for job in takes}) == 1
    assert len({job.voice.tract for job in takes}) == len(CLASSES)
    assert [job.german for job in takes] == [False] * 10 + [True] * 10
