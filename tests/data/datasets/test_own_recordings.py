"""Recordings of one's own: saved tensors, files in SHD's layout, names and paths, and folds."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.course.config import resolve
from snnlab.course.data_check import check_data
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.holdout import divide
from snnlab.data.io.events import write_events
from snnlab.data.registry import load_dataset

PARTS = ("train", "valid", "test")
DELAYS, EXPLORING = "04_learning_delays", "05_exploring_delays"


@pytest.fixture(autouse=True)
def below(tmp_path, monkeypatch):
    """The folder of names, and another one to work in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))


def samples(n=60, channels=8, classes=3, **more):
    """Samples that say their own number in the first step."""
    x = torch.zeros(5, n, channels)
    x[0] = torch.arange(n)[:, None]
    return DenseSet(x, torch.arange(n) % classes, **more)


def numbers(part):
    x, labels = part.batch(torch.arange(len(part)))
    assert torch.equal(labels, x[0, :, 0].long() % 3)
    return set(x[0, :, 0].long().tolist())


def test_samples_that_are_changed_in_place_are_those_of_the_file_when_they_are_loaded_again():
    for part in PARTS:
        samples().save("mine", part)
    data = load_dataset("mine")
    data.train.x.mul_(2)
    data.test.labels.zero_()
    again = load_dataset("mine")
    assert torch.equal(again.train.x, samples().x)
    assert torch.equal(again.test.labels, samples().labels)


def test_what_is_saved_under_a_name_is_divided_at_random_and_comes_back(tmp_path):
    """Every sample is in one part, whatever the fold; each is tested on once."""
    assert samples(dt_ms=5.0).save("mine") == tmp_path / "data/mine/all.npz"
    tested = []
    for fold in range(5):
        data = load_dataset("mine", fold=fold)
        train, valid, test = (numbers(getattr(data, part)) for part in PARTS)
        assert train | valid | test == set(range(60)) and len(test) == 12
        assert not (train & valid or train & test or valid & test)
        assert data.note.endswith(
            f"; test: fold {fold} of 5, drawn at random with seed 0; validation: 6 training "
            "recordings, drawn at random with seed 0"
        )
        tested += test
    assert sorted(tested) == list(range(60))
    assert data.classes == ("0", "1", "2") and data.train.dt_ms == 5.0
    assert data.source["preprocessing"]["fold"] == 4 and data.name == "mine"
    assert len(data.source["sha256"]) == 64


def test_names_speakers_and_a_split_of_ones_own_are_kept():
    names = ("left", "right", "up")
    for part, n in (("train", 36), ("test", 9)):
        samples(n, speakers=torch.arange(n) // 9).save("mine", part)
    data = load_dataset("mine", n_in=4)
    assert len(data.test) == 9 and set(data.test.speakers.tolist()) == {0}
    assert "1 of 1 test speakers are in training, too" in data.note
    assert "1 of 4 training speakers, held out" in data.note
    assert torch.equal(data.test.x[0], 2.0 * torch.arange(9.0)[:, None].expand(9, 4))
    samples(36).save("mine", "valid")
    assert len(load_dataset("mine").valid) == 36
    DenseSet(samples().x, samples().labels, names).save("named")
    assert load_dataset("named").classes == names


def test_a_set_of_few_speakers_has_as_many_folds_and_one_speaker_none():
    samples(60, speakers=torch.arange(60) // 20).save("few")
    data = load_dataset("few", fold=2)
    assert "test: the 1 speakers of fold 2 of 3; validation: 1 of 2" in data.note
    assert data.preprocessing["folds"] == 3
    for wrong in ({"folds": 4}, {"fold": 3}):  # before a run starts, too
        with pytest.raises(SnnlabError, match="expected (2 to 3, the number of sp|.* from 0 to 2)"):
            check_data(resolve(DELAYS, profile="tiny", data="few", n_in=8, **wrong))
    samples(60, speakers=torch.zeros(60).long()).save("one")
    assert "test: fold 0 of 5, drawn at random with seed 0; " in load_dataset("one").note


def test_leave_one_speaker_out_in_a_set_with_speakers():
    samples(60, speakers=torch.arange(60) // 10).save("mine")
    for fold in range(6):
        data = load_dataset("mine", fold=fold, folds=6)
        speakers = [set(getattr(data, part).speakers.tolist()) for part in PARTS]
        assert len(speakers[2]) == 1 and not speakers[2] & (speakers[0] | speakers[1])
        assert not speakers[0] & speakers[1] and len(data.test) == 10
        assert f"test: the 1 speakers of fold {fold} of 6; validation: 1 of 5" in data.note
    everything = load_dataset("mine", folds=6, hold_out=False)
    assert everything.valid is everything.test and len(everything.train) == 50
    with pytest.raises(SnnlabError, match="folds = 7: expected 2 to 6, the number of speakers in"):
        load_dataset("mine", folds=7)


def test_files_in_shd_layout_without_speakers_or_names_and_with_any_number_of_channels(make):
    events = replace(make(np.arange(40) % 4), speakers=None, keys=(), channels=2312)
    events = replace(events, units=(events.units * 3).astype(np.uint16))
    write_events("mine/all.h5", events)
    data = load_dataset("./mine", dt_ms=10, n_in=289)
    assert data.classes == ("0", "1", "2", "3") and data.train.channels == 2312
    assert [len(getattr(data, part)) for part in PARTS] == [28, 4, 8]
    assert data.train.batch(torch.arange(2))[0].shape[2] == 289
    assert data.train.speakers is None and "speakers" not in repr(data.train)
    assert load_dataset("./mine", dt_ms=10).train.n_in == 2312
    with pytest.raises(SnnlabError, match="n_in is 70; a divisor of the 2312 channels"):
        load_dataset("./mine", dt_ms=10, n_in=70)
    with pytest.raises(SnnlabError, match="times are seconds; a length of the time steps"):
        load_dataset("./mine")


def test_channels_that_no_file_says_are_those_of_all_files(make):
    """The largest channel of training is not in test."""
    for part, most in (("train", 900), ("test", 800)):
        events = make(np.arange(20) % 4, np.arange(20) // 5)
        events.units[0] = most - 1
        write_events(f"mine/{part}.h5", replace(events, channels=2312))
        with h5py.File(f"mine/{part}.h5", "a") as file:
            del file["extra/channels"]
    data = load_dataset("./mine", dt_ms=10)
    assert data.train.n_in == data.test.n_in == 900


@pytest.mark.parametrize("notebook", [DELAYS, EXPLORING])
def test_the_notebooks_on_delays_take_a_name_and_check_the_channels_first(notebook):
    samples(channels=64, dt_ms=20.0).save("mine")
    check_data(resolve(notebook, profile="tiny", data="mine", n_in=32))
    with pytest.raises(SnnlabError, match="n_in = 70: .* the 64 channels of mine, such as 64"):
        resolve(notebook, profile="tiny", data="mine")
    with pytest.raises(SnnlabError, match="nowhere"):
        check_data(resolve(notebook, profile="tiny", data="nowhere"))


def test_a_name_is_looked_up_in_one_place_and_says_so():
    samples().save("./mine")
    with pytest.raises(SnnlabError, match=r"no such set in .*/data, .* Give \./mine for the one"):
        load_dataset("mine")
    with pytest.raises(SnnlabError, match=r"Give \./mine for the one here"):
        resolve(DELAYS, profile="tiny", data="mine")
    assert len(load_dataset("./mine").train) == 42
    with pytest.raises(SnnlabError, match=r"^\./min: there is no such folder. Check the path"):
        load_dataset("./min")


def test_a_set_that_lacks_a_part_says_what_is_there():
    samples().save("./mine", "train")
    with pytest.raises(SnnlabError, match=r"expected there and are not \(only train.npz\); all"):
        load_dataset("./mine")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(dt_ms=10), "steps last 5 ms, and dt_ms is 10"),
        (dict(n_in=3), "n_in is 3; a divisor of the 8 channels"),
        (dict(fold=5), "fold = 5: expected a whole number from 0 to 4"),
        (dict(folds=61), "folds = 61: expected 2 to 60, the number of recordings in"),
        (dict(hold_out="x"), "hold_out = 'x': expected True .* or False"),
        (dict(hold_out=0), "hold_out = 0: expected True"),
    ],
)
def test_settings_that_do_not_fit(settings, words):
    samples(dt_ms=5.0).save("mine")
    with pytest.raises(SnnlabError, match=words):
        load_dataset("mine", **settings)


def test_arrays_that_do_not_fit(tmp_path):
    good = dict(x=np.zeros((5, 4, 3)), labels=np.array([0, 1, 0, 1]))
    for bad, words in (
        (dict(labels=np.array([0, 1, 0, -1])), "labels are -1 to 1; whole numbers from 0"),
        (dict(labels=np.array([0.0, 1, 0, 1])), "labels of float64; numbers, and whole numbers"),
        (dict(x=np.full((5, 4, 3), np.nan)), "x has numbers that are not finite"),
        (dict(dt_ms=np.array("10 ms")), r"all\.npz: dt_ms = '10 ms': expected a time step above"),
        (dict(dt_ms=np.array(-1.0)), r"all\.npz: dt_ms = -1.0: expected a time step above 0"),
        (dict(dt_ms=np.ones(2)), r"all\.npz: dt_ms = \[1.0, 1.0\]: expected a time step above 0"),
        (dict(classes=np.array(["a"])), "labels are 0 to 1; whole numbers from 0 to 0"),
        (dict(classes=np.array(["a", "a"])), "look alike"),
        (dict(speakers=np.zeros(3, int)), "speakers has the shape"),
        (dict(x=np.zeros((4, 5, 3))), "time first"),
        (dict(x=np.zeros((5, 4, 2, 3))), r"\(T, n, N\), of N inputs, was expected"),
    ):
        np.savez(tmp_path / "all.npz", **(good | bad))
        with pytest.raises(SnnlabError, match=words):
            load_dataset(tmp_path, n_in=3)
    (tmp_path / "all.npz").write_bytes(b"no")
    with pytest.raises(SnnlabError, match=r"all\.npz cannot be read"):
        load_dataset(tmp_path)


def test_folds_of_the_set_that_ships_by_hand(make):
    """Speakers of 3, 2, 2 and 1 recordings in two folds: 3 + 1 and 2 + 2."""
    speakers = np.repeat([7, 4, 9, 5], [3, 2, 2, 1])
    for fold, who in ((0, {7, 5}), (1, {4, 9})):
        parts, _ = divide(np.arange(8) % 2, speakers, fold=fold, folds=2, where="here")
        assert set(speakers[parts["test"]]) == who
        assert sorted(np.concatenate(list(parts.values()))) == list(range(8))


def test_files_that_are_divided_anew_give_each_recording_once(make):
    """Training and test files share speakers; in folds no speaker is in two parts."""
    for part, seed in (("train", 1), ("test", 2)):
        write_events(f"mine/{part}.h5", make(np.arange(40) % 4, np.arange(40) // 8, seed=seed))
    counted = Counter()
    for fold in range(5):
        data = load_dataset("./mine", dt_ms=20, n_in=70, fold=fold, folds=5, limit=20)
        parts = [getattr(data, part) for part in PARTS]
        who = [set(part.speakers.tolist()) for part in parts]
        assert not (who[0] & who[1] or who[0] & who[2] or who[1] & who[2])
        assert [len(part) for part in parts] == [20, 5, 16]
        counted.update(parts[2].counts.sum().item() for _ in range(1))
    whole = load_dataset("./mine", dt_ms=20, n_in=70, hold_out=False)
    total = int(whole.train.counts.sum() + whole.test.counts.sum())
    assert sum(value * times for value, times in counted.items()) == total


def test_the_command_checks_a_folder_of_ones_own_and_what_is_damaged_in_it():
    samples(speakers=torch.arange(60) // 10).save("mine")
    done = CliRunner().invoke(main.app, ["data", "check", "mine"])
    assert done.exit_code == 0 and "test: 20 samples of 3 of 3 classes" in done.output
    assert "test: the 2 speakers of fold 0 of 5" in done.output
    Path("mine").mkdir()
    Path("mine/all.npz").write_bytes(b"no")
    done = CliRunner().invoke(main.app, ["data", "check", "./mine"])
    assert done.exit_code == 1 and "all.npz cannot be read" in done.output
    done = CliRunner().invoke(main.app, ["data", "check", "mime"])
    assert done.exit_code == 2 and "no data set called 'mime'" in done.output


def test_a_single_recording_is_refused(tmp_path):
    samples(1).save("mine")
    with pytest.raises(SnnlabError, match="recordings in .*mine.*: 1, expected at least 2"):
        load_dataset("mine")
