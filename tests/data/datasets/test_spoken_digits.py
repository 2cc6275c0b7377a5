"""Generated spoken digits: balanced, of disjoint speakers, the same whatever the workers, and not
lost by a kill.
"""

import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import snnlab.data.encoding.cochlea
from snnlab._utils.errors import SnnlabError
from snnlab._utils.processes import encode
from snnlab.data.datasets import spoken_digits
from snnlab.data.datasets.spoken_digits import (
    CLASSES,
    SPLITS,
    VARIANTS,
    hear,
    make,
    statistics,
    take,
)
from snnlab.data.datasets.voices import RATE, record
from snnlab.data.io.events import read_events, read_meta
from snnlab.data.io.many_files import writing_alone

SMALL = (20, 20, 20)


def quick_cochlea(audio, sample_rate, *, seed):
    """In place of the cochlea where only the bookkeeping is tested: a spike every 10 ms, chance
    taken from the seed.
    """
    times = np.arange(0.01, len(audio) / sample_rate, 0.01, dtype=np.float32)
    return times, np.random.default_rng(seed).integers(0, 700, len(times)).astype(np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snnlab.data.encoding.cochlea, "cochlea", quick_cochlea)
        return make(tmp_path_factory.mktemp("digits"), size=SMALL, seed=5, workers=1)


@pytest.fixture(scope="module")
def heard():
    """One speaker's words, through the cochlea in this process."""
    return [hear(take(0, "train", index)) for index in range(20)]


def test_two_processes_hear_what_one_hears(heard, tmp_path):
    jobs = [take(0, "train", index) for index in (0, 7, 13, 19)]
    times, units, offsets = encode(jobs, worker=hear, workers=2, partial=tmp_path, title="test")
    for i, index in enumerate((0, 7, 13, 19)):
        cut = slice(offsets[i], offsets[i + 1])
        assert np.array_equal(times[cut], heard[index][0])
        assert np.array_equal(units[cut], heard[index][1])


def test_the_file_holds_what_was_heard(folder):
    for split, index in (("train", 0), ("valid", 13), ("test", 19)):
        events = read_events(folder / f"{split}.h5")
        job = take(5, split, index)
        times, units = quick_cochlea(record(job), RATE, seed=job.seed)
        cut = slice(events.offsets[index], events.offsets[index + 1])
        assert np.array_equal(events.units[cut], units)
        assert np.array_equal(events.times[cut], times.astype(np.float16).astype(np.float32))


def test_words_speakers_and_names_stand_where_shd_has_them(folder):
    speakers = []
    for split in SPLITS:
        events = read_events(folder / f"{split}.h5")
        assert events.keys == CLASSES
        assert Counter(events.labels.tolist()) == dict.fromkeys(range(20), 1)
        speakers += np.unique(events.speakers).tolist()
        assert "not SHD" in read_meta(folder / f"{split}.h5")["note"]
    assert speakers == [0, 1, 2]
    assert not (folder / ".partial").exists()


def test_it_sounds_like_speech(heard):
    """As in SHD: thousands of spikes within a second, more where speech has its power than above 12
    kHz.
    """
    for times, _ in heard:
        assert 1000 < len(times) < 20_000
        assert 0.15 < times[-1] < 1.3
    rates = np.bincount(np.concatenate([units for _, units in heard]), minlength=700)
    assert rates[400:650].mean() > 5 * rates[:80].mean()


def test_speakers_of_different_splits_and_seeds_differ():
    takes = [take(seed, split, 20 * i) for seed in (0, 1) for split in SPLITS for i in range(50)]
    assert len({job.voice.tract for job in takes}) == len(takes)
    accents = {
        tuple(job.voice.accent for job in takes[start : start + 50])
        for start in range(0, len(takes), 50)
    }
    assert len(accents) == 6
    by_split = [{take(0, split, 20 * i).voice.variant for i in range(300)} for split in SPLITS]
    assert not (by_split[0] & by_split[1] or by_split[0] & by_split[2] or by_split[1] & by_split[2])


def test_half_of_the_voices_are_high():
    for split in SPLITS:
        low, high = (
            [take(0, split, 20 * i).voice.variant for i in range(start, 100, 2)] for start in (0, 1)
        )
        assert set(low) <= set(VARIANTS[split][0])
        assert set(high) <= set(VARIANTS[split][1])


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch):
    script = f"""
import time
import snnlab.data.encoding.cochlea
from test_spoken_digits import SMALL, quick_cochlea
from snnlab.data.datasets.spoken_digits import make

def slow_cochlea(*args, **settings):
    time.sleep(0.05)  # so that the kill comes in the middle
    return quick_cochlea(*args, **settings)

snnlab.data.encoding.cochlea.cochlea = slow_cochlea
make({str(tmp_path / "killed")!r}, size=SMALL, seed=1, workers=1)
"""
    here = str(__file__).rpartition("/")[0]
    run = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{script}"]
    )
    partial = tmp_path / "killed" / ".partial"
    deadline = time.monotonic() + 300
    while not list(partial.glob("[!.]*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.kill()
    run.wait()
    kept = {file: file.stat().st_mtime_ns for file in partial.glob("[!.]*.npz")}
    assert 0 < len(kept) < 3  # chunks of 20

    said = []

    def counting_cochlea(audio, sample_rate, *, seed):
        said.append(seed)
        return quick_cochlea(audio, sample_rate, seed=seed)

    monkeypatch.setattr(snnlab.data.encoding.cochlea, "cochlea", counting_cochlea)
    make(tmp_path / "killed", size=SMALL, seed=1, workers=1)
    assert len(said) == 60 - 20 * len(kept)
    make(tmp_path / "whole", size=SMALL, seed=1, workers=1)
    for split in SPLITS:
        resumed, whole = (
            read_events(tmp_path / name / f"{split}.h5") for name in ("killed", "whole")
        )
        for field in ("times", "units", "offsets", "labels", "speakers"):
            assert np.array_equal(getattr(resumed, field), getattr(whole, field))


def test_a_folder_of_another_set_is_left_alone(folder, tmp_path):
    """Another seed, another size, somebody's own files, or a second call at the same time."""
    before = (folder / "train.h5").read_bytes()
    for options in ({"size": SMALL, "seed": 6}, {"size": (40, 20, 20), "seed": 5}):
        with pytest.raises(
            SnnlabError,
            match="holds files made with .* was expected.* Choose another folder, or these .*$",
        ):
            make(folder, **options, workers=1)
    with (
        writing_alone(folder),
        pytest.raises(SnnlabError, match=f"{folder}: another call of `snnlab data` writes there"),
    ):
        make(folder, size=SMALL, seed=5, workers=1)
    assert (folder / "train.h5").read_bytes() == before
    (tmp_path / "test.h5").write_text("mine")
    with pytest.raises(SnnlabError, match="test.h5: would be replaced"):
        make(tmp_path, size=SMALL, seed=5, workers=1)
    assert (tmp_path / "test.h5").read_text() == "mine"


def test_two_commands_at_once_do_not_mix_their_sets(tmp_path):
    """Real processes: whichever is first, one set is whole and the other call says why it is not
    there.
    """
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import snnlab.data.encoding.cochlea
from snnlab.cli.main import app
from test_spoken_digits import quick_cochlea

snnlab.data.encoding.cochlea.cochlea = quick_cochlea
made = ["data", "make", "spoken-digits", "--size", "60", "--workers", "1"]
app([*made, "--out", sys.argv[1], "--seed", sys.argv[2]])
"""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "out", str(seed)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    said = [run.communicate(timeout=300)[1] for run in both]
    codes = [run.returncode for run in both]
    assert sorted(codes) == [0, 2], said
    assert any(words in said[codes.index(2)] for words in ("writes there", "holds files made with"))
    seeds = {read_meta(tmp_path / "out" / f"{split}.h5")["seed"] for split in SPLITS}
    assert seeds == {str(1 + codes.index(0))}


def test_a_smaller_set_is_the_beginning_of_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setattr(snnlab.data.encoding.cochlea, "cochlea", quick_cochlea)
    small = read_events(make(tmp_path / "small", size=60, seed=2, workers=1) / "train.h5")
    large = read_events(make(tmp_path / "large", size=(30, 20, 20), seed=2, workers=1) / "train.h5")
    assert len(large) == 30
    assert np.array_equal(large.times[: len(small.times)], small.times)
    assert np.array_equal(large.labels[20:], np.arange(10))
    assert set(large.speakers[20:]) == {3}


def test_statistics_are_counted(folder):
    events = read_events(folder / "test.h5")
    few = replace(
        events,
        times=np.array([0.0, 0.5, 0.1, 0.2, 1.0], np.float32),
        units=np.zeros(5, np.uint16),
        offsets=np.array([0, 2, 5]),
        labels=np.array([4, 4]),
        speakers=np.array([0, 7]),
    )
    assert statistics(few) == {
        "recordings": "2",
        "speakers": "2",
        "classes": "1",
        "seconds to the last spike": "0.75 (0.50 to 1.00)",
        "spikes a recording": "2 (2 to 3)",
        # 3 / 1.0 s / 700 and 2 / 0.5 s / 700
        "spikes a second and channel": "0.005 (0.00429 to 0.00571)",
    }


def test_statistics_are_printed_beside_shd(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(snnlab.data.encoding.cochlea, "cochlea", quick_cochlea)
    monkeypatch.setenv("COLUMNS", "200")
    make(tmp_path, size=SMALL, seed=0, workers=1)
    printed = capsys.readouterr().out
    assert "8,156 train, 2,264 test" in printed
    assert "not published here" in printed


def test_a_total_is_divided(tmp_path, monkeypatch):
    monkeypatch.setattr(
        spoken_digits, "encode", lambda jobs, **settings: made.append(len(jobs)) or full(len(jobs))
    )

    def full(n):
        return np.zeros(n, np.float32), np.zeros(n, np.uint16), np.arange(n + 1)

    for size, parts in ((8500, [6000, 1000, 1500]), (60, [20, 20, 20]), (180, [128, 21, 31])):
        made = []
        make(tmp_path / str(size), size=size, seed=0, workers=1)
        assert made == parts


@pytest.mark.parametrize("size", [3, -5, 59, 10**7])
def test_a_size_of_all_recordings_says_what_is_possible(tmp_path, size):
    words = rf"^size is {size:,}; 60 recordings in all \(20 for each of .*test\) to 618,936 was"
    with pytest.raises(SnnlabError, match=words):
        make(tmp_path / "out", size=size, seed=0, workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [(19, 20, 20), (20, 19, 20), (20, 20, 500_000)])
def test_a_size_out_of_range_is_refused(tmp_path, size):
    with pytest.raises(SnnlabError, match=r"size of \w+ is"):
        make(tmp_path / "out", size=size, seed=0, workers=1)
    assert not (tmp_path / "out").exists()


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(SnnlabError, match="seed = -1: expected a whole number from 0"):
        make(tmp_path / "out", size=60, seed=-1, workers=1)
    assert not (tmp_path / "out").exists()


def test_without_espeak_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SnnlabError, match=r"snnlab\[speech\]"):
        make(tmp_path / "out", size=60, seed=0, workers=2)
    assert not (tmp_path / "out").exists()
