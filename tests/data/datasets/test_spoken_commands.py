"""The Speech Commands test archive: layout, folds by speaker, spikes, features, and bad files."""

import csv
import errno
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import standins
import torch
from click.testing import CliRunner

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.cache import cache_folder
from snnlab.data.datasets import gsc_folder, spoken_commands
from snnlab.data.datasets.catalogue import COMMANDS
from snnlab.data.datasets.spoken_commands_folder import find as find_clips
from snnlab.data.datasets.spoken_commands_folder import verify
from snnlab.data.encoding.cochlea import cochlea
from snnlab.data.encoding.mel import PAPER, log_mel
from snnlab.data.holdout import choose_validation, speaker_folds
from snnlab.data.io.events import Events
from snnlab.data.registry import find, load_dataset

PARTS = ("train", "valid", "test")
CLICK = (np.array([0.01]), np.array([3]))  # a recording of one spike, in place of encoding


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands") / "archive"
    standins.speech_commands_test(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "archive")


def load(folder, **settings):
    return spoken_commands.load(folder, **{"workers": 1, "folds": 3, "features": "sane"} | settings)


def speakers(part):
    return set(part.speakers.tolist())


def test_folds_are_greedy_by_number_of_clips():
    """By hand: a, b and c go to an empty fold each; d and e to the folds of b and c, which are
    then as large as that of a; f to the first of the three.
    """
    clips = {"f": 1, "d": 2, "a": 5, "e": 2, "c": 3, "b": 3}
    assert speaker_folds(clips, 3) == {"a": 0, "b": 1, "c": 2, "d": 1, "e": 2, "f": 0}
    assert speaker_folds({"b": 1, "a": 1}, 2) == {"a": 0, "b": 1}


def test_no_speaker_is_in_two_parts_and_every_clip_is_tested_once(original):
    """With the further word, speaker 5 comes before 2, 3 and 4: else fold 1 would have 4, not 3."""
    for fold, expected in enumerate([{0}, {1, 3}, {2, 4, 5}]):
        data = load(original, fold=fold)
        parts = [getattr(data, part) for part in PARTS]
        train, valid, test = map(speakers, parts)
        assert test == expected and not (train & test or train & valid or valid & test)
        assert train | valid | test == set(range(6)) and sum(map(len, parts)) == 90
        assert all(part.labels.unique().tolist() == list(range(10)) for part in parts)
        assert f"the {len(test)} speakers of fold {fold} of 3" in data.note
        assert "held out; 0 duplicates dropped" in data.note
    assert data.classes == COMMANDS and data.preprocessing["fold"] == 2
    assert data.name == "archive"  # not the published one


def test_a_clip_is_the_spikes_of_the_cochlea_with_the_seed_of_its_path(
    original, monkeypatch, tmp_path
):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path))  # others keep other spikes of these clips
    name = "go/00000000_nohash_1.wav"
    settings = {"features": "spikes", "dt_ms": 5, "n_in": 70}
    encode = spoken_commands._encode
    monkeypatch.setattr(
        spoken_commands, "_encode", lambda job: encode(job) if name in job.file else CLICK
    )
    data = load(original, hold_out=False, **settings)
    sound, rate = soundfile.read(original / name, dtype="float32")
    seed = int.from_bytes(hashlib.sha256(f"0:{name}".encode()).digest()[:4], "big")
    times, units = cochlea(sound, rate, seed=seed)
    zero = np.zeros(1, dtype=np.int64)
    one = Events(times.astype(np.float32), units, np.array([0, len(times)]), zero, zero, ("go",))
    expected = bin_events(one, dt_ms=5, n_in=70).batch(torch.tensor([0]))[0]
    index = ((data.test.speakers == 0) & (data.test.labels == 1)).nonzero()[1]
    assert torch.equal(data.test.batch(index)[0], expected)
    assert data.unit == "spikes a step and input"
    assert data.valid is data.test and "no validation" in data.note
    assert len(data.train) == 60
    # Another fold, step or run encodes nothing again
    monkeypatch.setattr(spoken_commands, "_encode", None)
    spoken_commands._binned.cache_clear()
    assert len(load(original, fold=1, **settings | {"dt_ms": 2}).test) == 30
    assert not [*cache_folder().rglob("*.parts")]


def test_a_killed_encoding_is_resumed(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    calls = []

    def killed(job):
        calls.append(job.file)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return CLICK

    monkeypatch.setattr(spoken_commands, "_encode", killed)
    monkeypatch.setattr("snnlab._utils.processes.CHUNK", 2)
    with pytest.raises(KeyboardInterrupt):
        load(folder, features="spikes")
    load(folder, features="spikes")
    assert len(calls) == 91 and len(set(calls)) == 90  # the 25th only, for 24 is whole


def test_limit_draws_as_many_of_each_word(original):
    data = load(original, limit=20)
    assert data.train.labels.bincount().tolist() == [2] * 10 and len(data.valid) == 5
    assert len(data.test) == 30
    again = load(original, limit=20)
    assert torch.equal(again.train.places, data.train.places)
    assert not torch.equal(load(original, limit=20, seed=1).train.places, data.train.places)


def test_features_are_those_of_the_gsc_module(original):
    data = load(original, fold=1)
    paper = load(original, fold=1, features="paper")
    x, y = paper.test.batch(torch.arange(30))
    sound, _ = soundfile.read(original / "down/00000001_nohash_0.wav", dtype="float32")
    wave = torch.zeros(1, 16_000)
    wave[0, :960] = torch.from_numpy(sound)
    assert torch.allclose(x[:, :1], log_mel(wave, PAPER), atol=1e-4) and y[0] == 0
    z = data.train.batch(torch.arange(len(data.train)))[0]
    assert z.shape[2] == 40 and z.mean().abs() < 1e-3
    assert data.unit.startswith("standard deviations") and paper.unit == "dB"


def test_of_clips_with_one_content_the_first_stays(folder):
    for name in ("go/00000004_nohash_1.wav", "go/00000000_nohash_9.wav"):
        shutil.copy(folder / "go/00000004_nohash_0.wav", folder / name)
    data = load(folder, fold=0)
    assert "2 duplicates dropped" in data.note
    own = [(part.labels == 1) & (part.speakers == 0) for part in (data.train, data.valid)]
    assert sum(int(mask.sum()) for mask in own) == 0
    # 00000000_nohash_9 is the first by name: the clip of speaker 4 is the copy
    assert int(((data.test.labels == 1) & (data.test.speakers == 0)).sum()) == 4


def test_one_bad_file_is_left_out_and_named(folder):
    before = load(folder)
    file = folder / "go/00000001_nohash_0.wav"
    content = file.read_bytes()
    file.write_bytes(content[:1000])
    data = load(folder)
    assert len(data.train) + len(data.valid) == len(before.train) + len(before.valid) - 1
    assert "1 clips left out: go/00000001_nohash_0.wav is cut short (1,000 of" in data.note
    assert data.sha256 != before.sha256
    file.write_bytes(content)
    assert load(folder).sha256 == before.sha256


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:1000]), "is cut short"),
        (lambda file: file.write_text("no sound"), "cannot be read"),
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: soundfile.write(file, np.ones(900), 8_000), "is at 8,000 Hz"),
        (lambda file: soundfile.write(file, np.ones((900, 2)), 16_000), "has 2 channels"),
        (lambda file: soundfile.write(file, np.zeros(900), 16_000), "is silent"),
        (lambda file: soundfile.write(file, np.ones(100), 16_000), "holds 6 ms of sound"),
        (lambda file: file.rename(file.with_name(f"{file.name[:8]}.wav")), "names no speaker"),
    ],
)
def test_too_many_bad_files_are_refused(folder, damage, words):
    for file in sorted(folder.glob("o*/*_0.wav"))[:7]:
        damage(file)
    with pytest.raises(SnnlabError, match=r"7 of 90 clips cannot be used: o.*and 2 more") as error:
        load(folder)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fold": 3}, "fold = 3: expected a whole number from 0 to 2"),
        ({"fold": -1}, "fold = -1"),
        ({"fold": 5, "folds": None}, "fold = 5: .* from 0 to 4"),
        ({"folds": 1}, "folds = 1: expected at least 2"),
        ({"folds": 7}, "folds = 7: expected 2 to 6, the number of speakers"),
        ({"features": "mel"}, "set of features"),
        ({"features": "spikes", "n_in": 13}, "n_in is 13"),
        ({"limit": 0}, "limit = 0"),
        ({"limit": 1.5}, "limit = 1.5"),
        ({"fold": 0.5}, "fold = 0.5"),
        ({"folds": "3"}, "folds = '3'"),
        ({"folds": 2.5}, "folds = 2.5"),
        ({"seed": "a"}, "seed = 'a'"),
        ({"features": "spikes", "n_in": 140.5}, "n_in is 140.5"),
        ({"features": "spikes", "n_in": "x"}, "n_in is x"),
        ({"features": "spikes", "dt_ms": "x"}, "dt_ms is x"),
    ],
)
def test_settings_that_do_not_fit(original, settings, words):
    with pytest.raises(SnnlabError, match=words):
        load(original, **settings)


def test_one_clip_of_each_word_leaves_none_to_hold_out():
    with pytest.raises(SnnlabError, match=r"here: every class has one .* Add recordings\.$"):
        choose_validation(np.arange(3), np.zeros(3, int), "here")


def test_0_and_none_are_the_folds_of_the_set(folder):
    for folds in (0, None):
        verify(folder, "data", {"fold": 4, "folds": folds})
        assert load(folder, fold=4, folds=folds).preprocessing["folds"] == 5


def test_a_file_that_the_system_does_not_give_is_not_remembered_as_bad(folder, monkeypatch):
    name, read_bytes = "go/00000001_nohash_0.wav", Path.read_bytes

    def read(path):
        if path.as_posix().endswith(name):
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read)
        assert f"1 clips left out: {name} cannot be read now (Input/output" in load(folder).note
    assert "left out" not in load(folder).note


def test_the_archive_of_all_speech_commands_is_refused(folder):
    shutil.rmtree(folder / "_silence_")
    with pytest.raises(SnnlabError, match="does not hold _silence_"):
        load(folder)
    shutil.rmtree(folder / "_unknown_")
    (folder / "testing_list.txt").touch()
    with pytest.raises(SnnlabError, match="testing_list.txt, so it is the archive of all Speech"):
        load(folder)


def test_a_word_without_clips_is_refused(folder):
    for file in (folder / "go").glob("*.wav"):
        if "00000000" not in file.name:
            file.unlink()
    with pytest.raises(SnnlabError, match="has recordings of go; only classes that occur in"):
        load(folder)
    for file in folder.glob("[a-z]*/*.wav"):
        file.unlink()
    with pytest.raises(SnnlabError, match="has no wav file in the folders"):
        load(folder)


def test_the_folder_is_told_by_its_content_and_read_by_the_command(folder, monkeypatch):
    assert find(str(folder), "recordings", features="spikes")[0].name == "speech-commands-test"
    assert find(str(folder), "recordings", features="sane")[0].name == "speech-commands-test"
    data = load_dataset(folder, features="sane", folds=3, workers=1)
    assert len(data.test) == 30
    verify(folder, "data", {"fold": 4})
    folder.rename(folder.with_name("speech-commands-test"))
    monkeypatch.setenv("SNNLAB_DATA", str(folder.parent))
    monkeypatch.setenv("SNNLAB_CACHE", str(folder.parent / "cache"))
    monkeypatch.setattr(spoken_commands, "_encode", lambda job: CLICK)
    done = CliRunner().invoke(
        main.app, ["data", "encode", "speech-commands-test", "--workers", "1"]
    )
    assert done.exit_code == 0 and "fold 0 of 5" in done.stdout, done.output


@pytest.mark.real
def test_the_published_archive(real_speech, real_data, tmp_path, monkeypatch):
    folder = real_speech(lambda path: True)
    clips = find_clips(folder)
    assert (len(clips.md5), clips.duplicates, clips.bad, clips.published) == (3953, 121, (), True)
    assert len(clips.spoken) == 239 and clips.spoken["893705bb"] == 127  # 117 of them of ten words
    with (real_data / "speech-commands-test-folds.csv").open() as file:
        table = {row["speaker"]: int(row["fold5"]) for row in csv.DictReader(file)}
    assert speaker_folds(clips.spoken, 5) == table
    parts = [spoken_commands._parts(clips, fold, 5, folder, True)[0] for fold in range(5)]
    assert [len(one["test"]) for one in parts] == [752, 770, 808, 826, 797]
    assert all(sum(map(len, one.values())) == 3953 for one in parts)
    names = np.array([*clips.md5])
    for one in parts:
        who = [{gsc_folder.speaker_of(name) for name in names[one[part]]} for part in PARTS]
        assert len(set.union(*who)) == sum(map(len, who)) == 239
        share = len(one["valid"]) / (len(one["valid"]) + len(one["train"]))
        assert 0.14 < share < 0.16
    (tmp_path / "speech-commands-test").symlink_to(folder)
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    done = CliRunner().invoke(main.app, ["data", "check", "speech-commands-test"])
    assert done.exit_code == 0 and "words 4,074, unknown 408, silence 408" in done.stdout


@pytest.mark.real
def test_the_spikes_of_a_published_clip(real_speech):
    name = "down/022cd682_nohash_0.wav"
    folder = real_speech(lambda path: path == name)
    job = spoken_commands._EncodingJob(str(folder / name), "", spoken_commands.seed_of(0, name))
    times, units = spoken_commands._encode(job)
    assert len(times) == pytest.approx(6245, abs=6)  # another processor rounds otherwise
    assert times[0] == pytest.approx(0.01104, abs=1e-4) and units[0] == 633
    assert times[-1] < 1
