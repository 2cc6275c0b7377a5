"""Sets compared with what is published: small ones laid out alike, with counts to match, and then
damaged."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
import standins
from click.testing import CliRunner
from recordings import recordings

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.data.datasets.catalogue import DATASETS, WORDS
from snnlab.data.datasets.event_camera import CameraSet
from snnlab.data.entry import provenance
from snnlab.data.fetch import check, check_cameras, check_commands
from snnlab.data.io.events import write_events


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    return tmp_path


def publish(monkeypatch, name, *counts, classes, **more):
    """Other counts in place of those of a set."""
    monkeypatch.setitem(
        DATASETS, name, replace(DATASETS[name], counts=counts, classes=classes, **more)
    )
    return DATASETS[name].folder


def look(name, *options):
    """What the command says, and whether it found nothing wrong."""
    done = CliRunner().invoke(main.app, ["data", "check", name, "--workers", "1", *options])
    assert done.exit_code in (0, 1), done.output + repr(done.exception)
    assert (done.exit_code == 1) == any(
        line.startswith("error") for line in done.stdout.splitlines()
    ), done.output
    return done.exit_code == 0, done.stdout


def digits(folder, name="shd", classes=20, sizes=None, wide=1.0, late=1.0):
    """SHD in small: speakers 0 to 9 for training, 0 to 11 in the test set, words of about a
    second."""
    sizes = sizes or {"train": 60, "test": 24}
    folder.mkdir(exist_ok=True)
    for k, (split, n) in enumerate(sizes.items()):
        who = np.arange(n) % (10 if split == "train" else 12)
        keys = tuple(f"word {i}" for i in range(classes))
        events = recordings(np.arange(n) % classes, speakers=who, keys=keys, seed=k)
        events.times[:] *= 3 * late
        events.units[:] = (events.units * wide).astype(np.uint16)
        write_events(folder / f"{name}_{split}.h5", events)


@pytest.fixture
def shd(monkeypatch):
    folder = publish(
        monkeypatch, "shd", {"train": 60, "test": 24}, {"train": 64, "test": 20}, classes=20
    )
    digits(folder)
    return folder


def test_the_published_numbers():
    """Written once more, by hand, from the sets' own pages and papers."""
    counts = {
        name: [tuple(one.values()) for one in data.counts]
        for name, data in DATASETS.items()
        if data.counts
    }
    assert counts == {
        "shd": [(8156, 2264), (8332, 2088)],
        "ssc": [(75466, 9981, 20382)],
        "gsc": [(84843, 9981, 11005)],
        "speech-commands-test": [(4074, 408, 408)],
        "imagenet": [(1281167, 50000)],
        "es-imagenet": [(1257035, 49881)],
        "cifar10-dvs": [(9000, 1000)],
        "mnist": [(60000, 10000), (0, 10000)],
        "n-mnist": [(60000, 10000), (0, 10000)],
        "dvs-gesture": [(1077, 264)],
        "n-caltech101": [(8709,)],
        "poker-dvs": [(48, 20)],
        "cifar10-dvs-recordings": [(10000,)],
        "ucf101": [(13320,)],
        "es-ucf101": [(13320,)],
    }
    assert [data.classes for data in DATASETS.values() if data.counts] == [
        20,
        35,
        35,
        10,
        1000,
        1000,
        10,
        *(10, 10, 11, 101, 4, 10),
        101,
        101,
    ]
    assert sum(counts["speech-commands-test"][0]) == 4890
    assert len(set(WORDS)) == 35 and sum(counts["gsc"][0]) == 105829
    assert len({sum(one) for one in counts["shd"]}) == 1  # two ways to part the same recordings


def test_mnist_and_recordings_of_it(monkeypatch):
    folder = publish(monkeypatch, "mnist", {"train": 0, "test": 430}, classes=10)
    standins.mnist(folder)
    good, said = look("mnist")
    assert good and "test: 10 classes" in said and "samples: train 0, test 430" in said, said
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"no labels")
    good, said = look("mnist")
    assert not good and "t10k-labels-idx1-ubyte begins with" in said, said

    counts = ({"train": 30, "test": 10}, {"train": 0, "test": 10})
    folder = publish(monkeypatch, "n-mnist", *counts, classes=10)
    standins.n_mnist(folder, train=3, test=1)
    good, said = look("n-mnist")
    assert good and "train 30, test 10\n" in said and "all 40 files can be read" in said, said
    (folder / "Train/0/00001.bin").write_bytes(b"1234")
    good, said = look("n-mnist")
    assert not good and "1 of 40 files that were read are bad" in said, said
    shutil.rmtree(folder / "Train")
    assert look("n-mnist")[0]  # the test archive alone
    shutil.rmtree(folder / "Test/7")
    good, said = look("n-mnist")
    assert not good and "9 classes" in said and "test 9; train 30, test 10, or train 0" in said


def test_a_camera_set_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    standins.n_mnist(tmp_path / "mine", train=3, test=1)
    camera = CameraSet("mine", "NMNIST", (34, 34), tuple("0123456789"), ("Train", "Test"))
    entry = replace(
        DATASETS["n-mnist"], name="mine", load=camera.load, counts=({"train": 30, "test": 10},)
    )
    findings = list(check_cameras.check_recordings(check._Check(entry, False, 1)))
    assert [finding.status for finding in findings] == ["ok"] * 4, findings
    other = check._Check(replace(entry, load=lambda folder: None), False, 1)
    with pytest.raises(SnnlabError, match="mine: check_recordings needs the method load"):
        list(check_cameras.check_recordings(other))


def test_a_good_shd_and_what_is_written_down(shd):
    good, said = look("shd")
    assert good and "0 errors, 0 infos" in said, said
    for words in (
        "train 60, test 24 (the most quoted count)",
        "shd_train.h5: 20 classes",
        "12 speakers, 2 of them only in test",
    ):
        assert words in said
    written = json.loads((shd / "provenance.json").read_text())["checked"]
    assert (
        written["counts"] == {"train": 60, "test": 24}
        and written["thorough"] is False
        and "T" in written["date"]
    )
    assert DATASETS["shd"].state() == (True, "complete, checked")


def test_the_other_count_of_shd_is_accepted_and_a_mixture_is_not(shd):
    digits(shd, sizes={"train": 64, "test": 20})
    good, said = look("shd")
    assert good and "samples: train 64, test 20\n" in said
    digits(shd, sizes={"train": 61, "test": 24})
    good, said = look("shd")
    assert not good and f"error  {shd}: samples: train 61, test 24;" in said
    digits(shd, sizes={"train": 64, "test": 24})
    good, said = look("shd")
    assert (
        not good
        and "train 64, test 24; train 60, test 24, or train 64, test 20 is published" in said
    )
    assert "snnlab data get shd" in said


def test_what_rests_on_no_sure_source_is_only_said(shd):
    with h5py.File(shd / "shd_test.h5", "r+") as file:
        file["extra/speaker"][:] = 0
    digits(shd, sizes={"train": 60}, wide=0.4)
    good, said = look("shd")
    assert good and "info   10 speakers, 0 of them only in test; 12 and 2 are published" in said
    assert "info   shd_train.h5: channels 0 to 27" in said, said


def test_what_is_wrong_with_shd(shd, monkeypatch):
    digits(shd, sizes={"train": 60}, late=0.1)
    good, said = look("shd")
    assert (
        not good
        and "s to the last spike on average" in said
        and "0.2 to 1.5 s on average were expected" in said
    )
    digits(shd, classes=19)
    good, said = look("shd")
    assert not good and "has samples of 19 classes and names 19; 20 were expected" in said
    digits(shd)
    with h5py.File(shd / "shd_train.h5", "r+") as file:
        file["labels"][7] = 20
    (shd / "shd_test.h5").write_bytes((shd / "shd_test.h5").read_bytes()[:2000])
    good, said = look("shd")
    assert not good and "2 errors" in said  # it goes on after the first
    assert "labels of recording 7 is 20" in said and "shd_test.h5: cannot be read as HDF5" in said
    assert "checked" not in provenance(shd)


def test_ssc(monkeypatch):
    folder = publish(monkeypatch, "ssc", {"train": 80, "valid": 40, "test": 35}, classes=35)
    digits(folder, "ssc", 35, {"train": 80, "valid": 40, "test": 35})
    good, said = look("ssc")
    assert good and "train 80, valid 40, test 35" in said and "speakers" not in said
    (folder / "ssc_valid.h5").unlink()
    good, said = look("ssc")
    assert not good and "ssc_valid.h5: there is no such file" in said


def test_a_set_that_is_not_there():
    good, said = look("gsc")
    assert not good and "there is no such folder; get it with `snnlab data get gsc`" in said


@pytest.fixture
def words(monkeypatch):
    """Six recordings a word, of which one is for validation, one for the test; a noise of a
    minute, which is no word."""
    folder = publish(monkeypatch, "gsc", {"train": 140, "valid": 35, "test": 35}, classes=35)
    for word in (*WORDS, "_background_noise_"):
        (folder / word).mkdir(parents=True)
    for k, word in enumerate(WORDS):
        for i in range(6):
            sound = np.full(16000 - 100 * i - k, 0.1, dtype=np.float32)
            soundfile.write(folder / word / f"{i}.wav", sound, 16000, subtype="PCM_16")
    soundfile.write(folder / "_background_noise_/pink.wav", np.zeros(10**6, np.int16), 16000)
    for name, i in (("validation_list.txt", 4), ("testing_list.txt", 5)):
        (folder / name).write_text("".join(f"{word}/{i}.wav\n" for word in WORDS))
    return folder


def test_the_speech_commands_test_archive(monkeypatch):
    counts = {"words": 90, "unknown": 2, "silence": 1}
    folder = publish(monkeypatch, "speech-commands-test", counts, classes=10)
    monkeypatch.setattr(check_commands, "SPEAKERS", 6)
    monkeypatch.setattr(check_commands, "DUPLICATES", 0)
    standins.speech_commands_test(folder)
    good, said = look("speech-commands-test")
    assert good and "words 90, unknown 2, silence 1" in said and "6 speakers" in said, said
    (folder / "go/00000000_nohash_0.wav").write_bytes(b"RIFF")
    shutil.copy(folder / "no/00000000_nohash_0.wav", folder / "no/00000007_nohash_0.wav")
    (folder / "_silence_/1024.wav").unlink()
    good, said = look("speech-commands-test")
    assert not good
    for text in (
        "words 91, unknown 2, silence 0; words 90, unknown 2, silence 1 is published",
        "1 clips of words are bad\n  go/00000000_nohash_0.wav cannot be read",
        "7 speakers; 6 were expected",
        "1 duplicates, which are left out; 0 were expected",
    ):
        assert text in said, said
    for name in ("go", "_silence_"):
        shutil.rmtree(folder / name)
    good, said = look("speech-commands-test")
    assert not good and "no folder go, _silence_: `snnlab data get speech-comm" in said, said


def test_good_speech_commands(words):
    good, said = look("gsc")
    assert (
        good and "train 140, valid 35, test 35" in said and "all 210 files can be read" in said
    ), said


def test_samples_that_are_no_sound(words):
    soundfile.write(words / "bed/1.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(words / "cat/2.wav", np.full(16000, 1e30), 16000, subtype="FLOAT")
    good, said = look("gsc")
    assert not good and "bed/1.wav has samples that are NaN or infinite; finite" in said
    assert "cat/2.wav has samples up to 1e+30; at most 10 was expected" in said


def test_bad_files_are_all_named_and_the_others_still_read(words):
    (words / "bed/1.wav").write_bytes(b"RIFF")
    (words / "cat/2.wav").write_bytes((words / "cat/2.wav").read_bytes()[:9000])
    soundfile.write(words / "dog/3.wav", np.zeros((16000, 2), np.int16), 16000)
    soundfile.write(words / "six/0.wav", np.zeros(16001, np.int16), 16000)
    soundfile.write(words / "yes/0.wav", np.zeros(8000, np.int16), 8000)
    soundfile.write(words / "zero/0.wav", np.zeros(0, np.int16), 16000)
    good, said = look("gsc")
    assert not good and "6 of 210 files that were read are bad" in said
    for text in (
        "bed/1.wav cannot be read (",
        "cat/2.wav is cut short (9,000 of",
        "dog/3.wav has 2 channels",
        "six/0.wav has 16,001 samples",
        "yes/0.wav is at 8,000 Hz",
        "zero/0.wav is empty",
    ):
        assert text in said, said
    with (words / "check.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + 6
    assert "checked" not in provenance(words)
    for file in said.split("\n  ")[1:]:
        Path(file.split(" ")[0]).unlink()
    look("gsc")
    assert not (words / "check.csv").exists()


def test_many_bad_files_are_cut_off_in_the_sentence_not_in_the_list(words):
    for word in WORDS:
        (words / word / "0.wav").write_bytes(b"")
    good, said = look("gsc")
    assert (
        not good
        and "35 of 210" in said
        and "and 15 more" in said
        and said.count("0.wav is empty") == 20
    )
    assert len((words / "check.csv").read_text().splitlines()) == 36


def test_missing_words_and_lists(words):
    shutil.rmtree(words / "marvin")
    good, said = look("gsc")
    assert (
        not good
        and "marvin holds no wav file" in said
        and "names 1 files that do not exist, such as marvin/4.wav" in said
    )
    (words / "testing_list.txt").write_text((words / "validation_list.txt").read_text())
    good, said = look("gsc")
    assert "backward/4.wav is in both lists" in said
    (words / "testing_list.txt").unlink()
    good, said = look("gsc")
    assert not good and "testing_list.txt cannot be read" in said


def test_a_sample_or_all_of_it(words, monkeypatch):
    monkeypatch.setattr(check, "SAMPLE", 50)
    good, said = look("gsc")
    assert good and "50 files of 210 can be read" in said
    (words / "bed/1.wav").write_bytes(b"RIFF")
    good, said = look("gsc", "--thorough")
    assert not good and "1 of 210 files" in said and "bed/1.wav" in said
    (words / "bed/1.wav").unlink()
    shutil.copy(words / "bed/2.wav", words / "bed/1.wav")
    assert look("gsc", "--thorough")[0]
    assert provenance(words)["checked"]["thorough"] is True


def test_several_processes_see_the_same(words):
    (words / "bed/1.wav").write_bytes(b"RIFF")
    assert look("gsc") == look("gsc", "--workers", "2")


def test_imagenet(monkeypatch):
    folder = publish(monkeypatch, "imagenet", {"train": 18, "val": 6}, classes=3)
    monkeypatch.setattr(check, "N_VAL", 2)
    standins.imagenet(folder)
    good, said = look("imagenet")
    assert (
        good
        and "train 18, val 6" in said
        and "all 24 files can be read" in said
        and "val: 3 classes" in said
    ), said
    name = standins.WORDNET[1]
    first, second = sorted((folder / "train" / name).iterdir())[:2]
    first.write_bytes(first.read_bytes()[:500])
    second.write_bytes(b"")
    good, said = look("imagenet")
    assert not good and "2 of 24 files" in said and first.name in said and second.name in said
    monkeypatch.setattr(check, "MAX_TRAIN", 5)
    good, said = look("imagenet")
    assert f"train/{name} holds 6 pictures; 1 to 5 were expected" in said
    next((folder / "val" / name).iterdir()).unlink()
    good, said = look("imagenet")
    assert (
        f"val/{name} holds 1 pictures; 2 were expected" in said
        and "train 18, val 5; train 18, val 6 is published" in said
    )
    shutil.rmtree(folder / "val" / name)
    good, said = look("imagenet")
    assert not good and f"the class {name} is in" in said and "but not in" in said


def test_es_imagenet(monkeypatch):
    folder = publish(monkeypatch, "es-imagenet", {"train": 19, "val": 6}, classes=3)
    standins.es_imagenet(folder)
    good, said = look("es-imagenet")
    assert (
        good
        and "info   " in said
        and "train 18, val 6; train 19, val 6 is published, but the source" in said
    )
    assert "of all pixels, steps and polarities have an event" in said
    monkeypatch.setattr(check, "RATE", 0.9)
    good, said = look("es-imagenet")
    assert good and "about 90.0 % was expected" in said
    (folder / "val/ILSVRC2012_val_00000002.npz").write_bytes(b"PK")
    good, said = look("es-imagenet")
    assert (
        not good
        and "1 of 24 files" in said
        and "ILSVRC2012_val_00000002.npz cannot be read" in said
    )
    lines = (folder / "vallabel.txt").read_text().splitlines(keepends=True)
    (folder / "vallabel.txt").write_text("".join(lines[:-1]))
    good, said = look("es-imagenet")
    # That number is not from memory
    assert not good and f"error  {folder}: samples: train 18, val 5;" in said
    (folder / "vallabel.txt").write_text("".join(lines))
    (folder / "val/ILSVRC2012_val_00000002.npz").unlink()
    good, said = look("es-imagenet")
    assert not good and "there is no file ILSVRC2012_val_00000002.npz" in said


def test_cifar10_dvs(monkeypatch):
    folder = publish(monkeypatch, "cifar10-dvs", {"train": 18, "test": 6}, classes=3)
    standins.cifar10_dvs(folder)
    good, said = look("cifar10-dvs")
    assert good and "train 18, test 6" in said and "all 24 files can be read" in said, said
    (folder / "train/17.mat").rename(folder / "test/17.mat")
    good, said = look("cifar10-dvs")
    assert not good and "train 17, test 7; train 18, test 6 is published" in said
    assert (
        "train has 5 to 6 samples of a class" in said
        and "test has 2 to 3 samples of a class" in said
    )
    (folder / "test/17.mat").write_bytes(b"")
    good, said = look("cifar10-dvs")
    assert not good and "17.mat cannot be read" in said


@pytest.mark.parametrize("name", ["ucf101", "es-ucf101"])
def test_ucf101(monkeypatch, tmp_path, name):
    standins.es_ucf101(tmp_path / "made")
    (tmp_path / "made" / ("frames" if name == "ucf101" else "events")).rename(tmp_path / name)
    folder = publish(monkeypatch, name, {"all": 33}, classes=3)
    good, said = look(name)
    assert not good and "all 33" in said and "missing or superfluous: 3, 4, 5, 6, 15, 16" in said
    assert "all 33 files can be read" in said and "3 classes" in said
    suffix = "" if name == "ucf101" else ".npz"
    for group in {*range(1, 26)} - {*standins.GROUPS}:
        source, target = (folder / f"v_YoYo_g{g:02}_c01{suffix}" for g in (1, group))
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    publish(monkeypatch, name, {"all": 47}, classes=3)
    good, said = look(name)
    assert good and "groups 1 to 25" in said, said
    bad = folder / (f"v_YoYo_g03_c01{suffix}" if suffix else "v_YoYo_g03_c01/frame000033.jpg")
    bad.write_bytes(b"PK")
    good, said = look(name, "--thorough")
    assert not good and "1 of 47 files" in said and "v_YoYo_g03_c01" in said


def test_a_set_on_a_disk_that_may_not_be_written(shd, monkeypatch):
    from snnlab._utils.errors import SnnlabError

    def refuse(*arguments, **entries):
        raise SnnlabError("read-only")

    monkeypatch.setattr(check, "write_provenance", refuse)
    assert look("shd")[0]
