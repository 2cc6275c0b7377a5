"""Google Speech Commands: its layout, its split, what is kept, and every way in which a folder can
be wrong.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import standins
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import gsc
from snnlab.data.datasets.gsc import load
from snnlab.data.datasets.gsc_folder import find_clips, which_set
from snnlab.data.encoding.mel import PAPER, SANE, log_mel
from snnlab.nn.delay_net import DelayNet

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gsc") / "speech"
    return folder, standins.gsc(folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SNNLAB_CACHE_GB", raising=False)
    return tmp_path / "cache" / "gsc"


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original[0], tmp_path / "speech")


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are read in this process."""
    names = []

    def counting(file, read=gsc.read_clip):
        names.append(f"{file.parent.name}/{file.name}")
        return read(file)

    monkeypatch.setattr(gsc, "read_clip", counting)
    return names


def quick(folder, **options):
    return load(folder, **{"features": "sane", "workers": 1, **options})


def test_the_rule_is_the_published_one():
    """Of three names, computed by hand from SHA-1: the last 27 bits as a share of 2**27 - 1."""
    import hashlib

    for name in ("0a7c2a8d", "bbd0bbd0", "5170b77f", "0ff728b5", "c1d39ce8"):
        share = (int.from_bytes(hashlib.sha1(name.encode()).digest()[-4:], "big") & (2**27 - 1)) / (
            2**27 - 1
        )
        expected = "valid" if share < 0.1 else "test" if share < 0.2 else "train"
        assert (
            which_set(f"cat/{name}_nohash_0.wav") == which_set(f"{name}_nohash_17.wav") == expected
        )
    drawn = Counter(which_set(f"{i:08x}_nohash_0.wav") for i in range(20_000))
    assert drawn["valid"] / 20_000 == pytest.approx(0.1, abs=0.01) and drawn[
        "test"
    ] / 20_000 == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("features", "mel"), [("paper", PAPER), ("sane", SANE)])
def test_every_clip_lies_in_its_split_with_its_word_its_speaker_and_its_features(
    original, features, mel
):
    folder, lists = original
    data = load(folder, features=features, workers=1)
    assert (
        data.classes == ("cat", "dog", "yes") and data.name == "speech" and data.path == str(folder)
    )
    speaker = {}
    for part in ("train", "valid", "test"):
        own, names = getattr(data, part), sorted(lists[part])
        x, labels = own.batch(torch.arange(len(own)))
        assert [data.classes[label] for label in labels] == [name.split("/")[0] for name in names]
        assert x.shape == (101, len(names), mel.n_mels) and own.dt_ms == 10
        for name, number in zip(names, own.speakers.tolist(), strict=True):
            assert speaker.setdefault(name.split("/")[1][:8], number) == number
        for b in (0, len(names) // 2, len(names) - 1):
            sound, _ = soundfile.read(folder / names[b], dtype="float32")
            wave = torch.zeros(1, 16_000)
            wave[0, : len(sound)] = torch.from_numpy(sound)
            expected = log_mel(wave, mel)[:, 0]
            if features == "sane":
                expected = (expected - data.train.scale[0]) / data.train.scale[1]
            assert torch.allclose(x[:, b], expected, atol=1e-3)
    assert len(set(speaker.values())) == len(speaker) == 10


def test_sane_features_are_standardised_over_the_training_set(original):
    data = quick(original[0])
    x, _ = data.train.batch(torch.arange(len(data.train)))
    assert x.mean((0, 1)).abs().max() < 1e-4 and (x.std((0, 1)) - 1).abs().max() < 1e-3
    assert torch.equal(data.valid.scale, data.train.scale) and torch.equal(
        data.test.scale, data.train.scale
    )


def test_paper_features_are_in_db_as_they_come(original):
    data = load(original[0], workers=1)
    x, _ = data.train.batch(torch.arange(len(data.train)))
    assert data.train.scale is None and ((x == -100).all(1).all(0)).sum() == 53


def test_the_note_says_who_is_shared_and_whether_the_rule_agrees(folder):
    assert quick(folder).note.endswith(
        "by its own lists, no speaker of which is in training, as Google's rule has it"
    )
    valid = folder / "validation_list.txt"
    # So that one goes to training
    valid.write_text("".join(valid.read_text().splitlines(keepends=True)[1:]))
    note = quick(folder).note
    assert (
        "11 of their clips by" not in note
        and "5 of their clips by speakers of the training set" in note
    )
    assert note.endswith("differ on 1 clips")


def test_background_noise_and_hidden_files_are_no_words(folder):
    before = quick(folder)
    (folder / "cat" / "._0a7c2a8d_nohash_0.wav").write_bytes(b"of a Mac")
    (folder / ".git").mkdir()
    shutil.copy(next((folder / "cat").glob("*_0.wav")), folder / ".git" / "x_nohash_0.wav")
    after = quick(folder)
    assert (
        after.classes == before.classes
        and len(after.train) == len(before.train)
        and after.sha256 == before.sha256
    )


def test_longer_clips_are_cut_at_a_second(folder, original):
    name = min(original[1]["test"])
    sound, _ = soundfile.read(folder / name)
    whole = np.pad(sound, (0, 16_000 - len(sound)))
    soundfile.write(
        folder / name, np.concatenate([whole, np.ones(4_000) * 0.5]), 16_000, subtype="PCM_16"
    )
    before, after = load(original[0], workers=1).test, load(folder, workers=1).test
    assert torch.equal(before.batch(torch.tensor([0]))[0], after.batch(torch.tensor([0]))[0])


def test_a_limit_takes_of_each_word_as_many_and_leaves_the_test_set_whole(original, read):
    data = quick(original[0], limit=9)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [9, 2, 12]
    assert torch.bincount(data.train.labels).tolist() == [3, 3, 3]
    assert len(read) == 9 + 2 + 12  # what is left out is not read
    places = {
        seed: quick(original[0], limit=9, seed=seed).train.speakers.tolist() for seed in (0, 1)
    }
    assert places[0] == data.train.speakers.tolist() != places[1]
    assert len(quick(original[0], limit=10_000).train) == 36


def test_a_second_call_reads_nothing(original, read, capsys):
    first = quick(original[0])
    assert len(read) == 60 and "60/60" in capsys.readouterr().err
    read.clear()
    second = quick(original[0])
    assert not read and "clip" not in capsys.readouterr().err
    assert torch.equal(
        first.train.batch(torch.arange(36))[0], second.train.batch(torch.arange(36))[0]
    )
    load(original[0], workers=1)
    assert len(read) == 60  # other features


def test_a_clip_that_changes_comes_or_goes_costs_its_own_word_only(folder, original, read):
    quick(folder)
    dogs = [name for name in original[1]["train"] if name.startswith("dog")]
    read.clear()
    soundfile.write(folder / dogs[0], np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    changed = quick(folder)
    assert sorted(read) == sorted(dogs)
    read.clear()
    (folder / dogs[0]).unlink()
    fewer = quick(folder)
    assert sorted(read) == sorted(dogs[1:])
    assert len(changed.train) == 36 and len(fewer.train) == 35


def test_large_words_are_made_in_parts(original, monkeypatch, cache):
    whole = quick(original[0])
    monkeypatch.setattr(gsc, "CHUNK", 5)
    parts = quick(original[0])
    assert [len(chunk) for chunk in parts.train.chunks[:9]] == 3 * [5, 5, 2]
    for a, b in zip(whole.train.batches(7), parts.train.batches(7), strict=True):
        assert torch.allclose(a[0], b[0], atol=1e-4) and torch.equal(a[1], b[1])


def test_any_number_of_workers_gives_the_same(original, monkeypatch, tmp_path):
    one = quick(original[0], limit=6)
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "other"))
    two = quick(original[0], limit=6, workers=2)
    for part in ("train", "valid", "test"):
        a, b = getattr(one, part), getattr(two, part)
        assert torch.allclose(
            a.batch(torch.arange(len(a)))[0], b.batch(torch.arange(len(b)))[0], atol=1e-4
        )
        assert torch.equal(a.labels, b.labels)


def test_a_cache_that_is_too_small_still_gives_everything(original, monkeypatch):
    whole = quick(original[0]).train.batch(torch.arange(36))[0]
    monkeypatch.setenv("SNNLAB_CACHE_GB", "0")
    assert torch.equal(quick(original[0]).train.batch(torch.arange(36))[0], whole)


def test_what_another_process_removes_meanwhile_is_made_again(original, monkeypatch, read):
    monkeypatch.setattr(gsc, "_prepare", lambda chunk: [])  # made, and gone again
    assert len(quick(original[0]).train.batch(torch.arange(36))[1]) == 36 and len(read) == 60


SCRIPT = """
import os, pathlib, signal, sys, time
from snnlab.data.datasets import gsc
read, calls, log = gsc.read_clip, 0, pathlib.Path(sys.argv[2])
def ours(file):
    global calls
    calls += 1
    {each}
    return read(file)
gsc.read_clip = ours
{before}
gsc.load(sys.argv[1], features="sane", workers=1)
log.write_text(str(calls))
"""


def started(folder, log, each, before="pass"):
    script = SCRIPT.format(root=str(ROOT), each=each, before=before)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(log)], stderr=subprocess.DEVNULL
    )


def test_after_a_kill_only_the_chunk_in_work_is_read_again(original, tmp_path, read):
    each = "if calls == 30: os.kill(os.getpid(), signal.SIGKILL)"
    assert started(original[0], tmp_path / "log", each).wait(timeout=300) == -signal.SIGKILL
    killed = quick(original[0])  # two of the three words of 12 training clips were done
    assert len(read) == 60 - 24 and not any(name.startswith("cat") for name in read[:12])
    assert killed.train.batch(torch.arange(36))[0].isfinite().all()


def test_two_processes_at_once_read_each_file_once(original, tmp_path, read):
    logs = [tmp_path / "0", tmp_path / "1"]
    runs = []
    for me, other in (logs, logs[::-1]):
        before = (
            f"pathlib.Path({str(me) + '.ready'!r}).touch()\n"
            f"while not pathlib.Path({str(other) + '.ready'!r}).exists(): time.sleep(0.001)"
        )
        runs.append(started(original[0], me, "time.sleep(0.01)", before))
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert sum(int(log.read_text()) for log in logs) == 60
    quick(original[0])
    assert not read


def test_the_delay_network_hears_all_of_a_clip_and_nothing_of_the_others(original):
    for features in ("paper", "sane"):
        data = load(original[0], features=features, workers=1)
        torch.manual_seed(0)
        net = DelayNet(data.train.n_in, (8,), 3, max_delay=10, tau=1.5).eval()
        x, _ = data.test.batch(torch.arange(12))
        x[:, 3] = (
            (log_mel(torch.zeros(1, 16_000), SANE)[:, 0] - data.train.scale[0])
            / data.train.scale[1]
            if (features == "sane")
            else -100.0
        )  # digital silence is a recording, too
        with torch.no_grad():
            assert net.activity(x).valid.sum(0).tolist() == [101 + 10] * 12
            together = net(x)
            for b in range(12):
                assert torch.allclose(net(x[:, b : b + 1])[0], together[b], rtol=1e-3, atol=1e-3)


def damaged(folder, names):
    """Six bad files of six kinds, in three words and splits."""
    (folder / names[0]).write_bytes(b"")
    (folder / names[1]).write_bytes(b"this is no sound at all, but some text")
    whole = (folder / names[2]).read_bytes()
    (folder / names[2]).write_bytes(whole[: len(whole) // 2])
    soundfile.write(folder / names[3], np.zeros(8_000), 8_000)
    soundfile.write(folder / names[4], np.zeros((16_000, 2)), 16_000)
    soundfile.write(folder / names[5], np.full(16_000, np.nan), 16_000, subtype="FLOAT")


def test_bad_files_are_counted_in_one_sentence_and_the_rest_is_kept(folder, original, read):
    lists = original[1]
    cats = sorted(name for name in lists["train"] if name.startswith("cat"))
    bad = [*cats[:4], *sorted(name for name in lists["test"] if name.startswith("yes"))[:2]]
    damaged(folder, bad)
    with pytest.raises(SnnlabError) as caught:
        quick(folder)
    text = str(caught.value)
    assert (
        "6 of 60 clips cannot be used" in text
        and "and 1 more" in text
        and "Fetch them again" in text
    )
    for name, words in zip(
        bad,
        (
            "is empty",
            "cannot be read|is cut short",
            "is cut short",
            "is at 8,000 Hz",
            "has 2 channels",
        ),
        strict=False,
    ):
        assert any(f"{name} {word}" in text for word in words.split("|"))
    assert len(read) == 60
    read.clear()
    for name in bad:
        shutil.copy2(original[0] / name, folder / name)
    assert len(quick(folder).train) == 36
    assert len(read) == 12 + 4  # training's cats and the test set's yes


def test_a_sound_that_is_not_finite_or_has_no_sample(folder, original):
    names = [name for name in original[1]["train"] if name.startswith("cat")]
    soundfile.write(folder / names[0], np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    soundfile.write(folder / names[1], np.zeros(0), 16_000)
    soundfile.write(folder / names[2], np.full(16_000, 1e30), 16_000, subtype="FLOAT")
    with pytest.raises(
        SnnlabError, match=r"3 of 60 clips .*(infinite.*is empty|is empty.*infinite)"
    ) as caught:
        quick(folder)
    assert f"{names[2]} has samples up to 1e+30" in str(caught.value)


def test_a_stream_whose_length_its_writer_did_not_know_is_not_cut_short(folder, original):
    name = folder / original[1]["train"][0]
    content = name.read_bytes()
    before = quick(folder).train.batch(torch.arange(3))[0]
    name.write_bytes(content[:4] + b"\xff" * 4 + content[8:])
    assert torch.equal(quick(folder).train.batch(torch.arange(3))[0], before)


def test_there_is_no_such_folder(tmp_path):
    with pytest.raises(SnnlabError, match=r"nowhere: this folder was expected .* Fetch them with"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["validation_list.txt", "testing_list.txt"])
def test_a_list_is_missing_or_no_text(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        SnnlabError, match=f"{name} cannot be read .No such file.*Fetch all of .* with"
    ):
        quick(folder)
    (folder / name).write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SnnlabError, match=f"{name} cannot be read"):
        quick(folder)


def test_what_systems_leave_in_folders_is_no_word_and_no_clip(folder, original, litter):
    litter(folder)
    assert find_clips(folder).keys() == find_clips(original[0]).keys()


def test_a_word_that_is_tested_and_not_trained(folder, original):
    """Only of dogs in the test set is there still a clip."""
    for name in (*original[1]["train"], *original[1]["valid"]):
        if name.startswith("dog"):
            (folder / name).unlink()
    lists = folder / "validation_list.txt"
    lists.write_text(
        "".join(line for line in lists.read_text().splitlines(True) if not line.startswith("dog"))
    )
    with pytest.raises(
        SnnlabError,
        match=r"testing_list.txt has recordings of dog; only classes that occur in training",
    ):
        quick(folder)


def test_a_clip_whose_name_is_no_utf8(folder, original):
    some = folder / original[1]["train"][0]
    try:
        some.rename(some.with_name(os.fsdecode(b"caf\xe9_nohash_0.wav")))
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    data = quick(folder)
    assert len(data.train) == 36 and len(data.sha256) == 64


def test_a_list_names_what_is_not_there(folder):
    with (folder / "testing_list.txt").open("a") as file:
        file.write("cat/00000000_nohash_0.wav\nbird/00000000_nohash_0.wav\n")
    with pytest.raises(
        SnnlabError,
        match=r"testing_list.txt: names 2 files that are not there, such as bird/00000000",
    ):
        quick(folder)


def test_both_lists_name_the_same_clip(folder, original):
    with (folder / "testing_list.txt").open("a") as file:
        file.write(original[1]["valid"][0] + "\n")
    with pytest.raises(SnnlabError, match=f"both lists name {original[1]['valid'][0]}"):
        quick(folder)


def test_a_split_without_a_clip(folder, tmp_path):
    (folder / "validation_list.txt").write_text("\n")
    with pytest.raises(SnnlabError, match="no clip in its valid split"):
        quick(folder)
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(SnnlabError, match="no clip in its train split"):
        load(tmp_path)


@pytest.mark.parametrize(("options", "words"), [
    ({"features": "sain"}, r"no set of features called 'sain' \(did you mean sane\?\)"),
    ({"limit": 0}, "limit = 0"),
    ({"workers": 0}, "workers = 0"),
])  # fmt: skip
def test_arguments_out_of_range(original, options, words):
    with pytest.raises(SnnlabError, match=words):
        quick(original[0], **options)


def test_folds_are_of_speakers_whatever_the_lists_say(original):
    """No speaker is in two parts, and every clip is tested on once."""
    folder, _ = original
    plain = gsc.load(folder, features="sane", workers=1)
    clips = sum(len(getattr(plain, part)) for part in ("train", "valid", "test"))
    tested = 0
    for fold in range(3):
        data = gsc.load(folder, features="sane", workers=1, fold=fold, folds=3)
        who = [set(getattr(data, p).speakers.tolist()) for p in ("train", "valid", "test")]
        assert not (who[0] & who[1] or who[0] & who[2] or who[1] & who[2])
        assert f"fold {fold} of 3" in data.note and data.preprocessing["folds"] == 3
        tested += len(data.test)
    assert tested == clips
    with pytest.raises(SnnlabError, match="folds = 999: expected 2 to"):
        gsc.load(folder, folds=999)
