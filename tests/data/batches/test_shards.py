"""Pictures in tar shards: the same as in folders, the same as webdataset's, and every refusal."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import standins
import torch
import webdataset
from click.testing import CliRunner
from readers import tell

from snnlab._utils.errors import SnnlabError
from snnlab.cli.main import app
from snnlab.data.batches import shards
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.batches.samplers import shuffled_shards
from snnlab.data.datasets.imagenet import pictures, write_shards
from snnlab.data.io.many_files import writing_alone


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """60 and 6 pictures, whose validation is 1 of 20 of each class, and names that tempt an order
    to be another one.
    """
    folder = tmp_path_factory.mktemp("imagenet")
    standins.imagenet(folder, train=20)
    place = folder / "train" / standins.WORDNET[0]
    first, second, third = sorted(place.iterdir())[:3]
    first.rename(place / "a.b.JPEG")
    second.rename(place / "a-1.jpeg")
    third.rename(place / "a.PNG")  # a JPEG by another name: bytes are not looked at
    return folder


@pytest.fixture(scope="module")
def sharded(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("shards")
    assert write_shards(folders, out, samples=8) == 8 + 1
    return out


@pytest.fixture
def copy(sharded, tmp_path):
    return shutil.copytree(sharded, tmp_path / "copy")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def content(sample):
    if isinstance(sample, str):
        return Path(sample).read_bytes()
    with open(sample.shard.path, "rb") as file:
        file.seek(sample.offset)
        return file.read(sample.size)


def pairs(part):
    return sorted(
        (content(sample), y) for sample, y in zip(part.samples, part.labels.tolist(), strict=True)
    )


def test_the_same_pictures_in_the_same_parts(folders, sharded):
    ours, theirs = pictures(sharded, size=16), pictures(folders, size=16)
    for part in ("train", "valid", "test"):
        a, b = getattr(ours, part), getattr(theirs, part)
        assert pairs(a) == pairs(b) and a.classes == b.classes == standins.WORDNET
    assert [len(part) for part in (ours.train, ours.valid, ours.test)] == [57, 3, 6]
    assert ours.valid.labels.bincount().tolist() == [1, 1, 1]


def test_what_is_read_is_what_folders_give(folders, sharded):
    ours, theirs = pictures(sharded, size=16).test, pictures(folders, size=16).test
    where = [
        [content(other) for other in theirs.samples].index(content(sample))
        for sample in ours.samples
    ]
    x, y = ours.batch(torch.arange(6))
    expected, labels = theirs.batch(torch.tensor(where))
    assert torch.equal(x, expected) and torch.equal(y, labels)
    # Cut out as there
    assert torch.equal(ours.read(ours.samples[2], 7), theirs.read(theirs.samples[where[2]], 7))


def test_samples_come_as_they_lie(sharded):
    data = pictures(sharded)
    for part in (data.train, data.valid, data.test):
        places = [(sample.shard.path, sample.offset) for sample in part.samples]
        assert places == sorted(places)
        assert [int(Path(path).stem[-6:]) for path, _ in places] == part.shards.tolist()


def test_shards_are_shuffled_by_the_seed_alone(folders, sharded, tmp_path):
    write_shards(folders, tmp_path / "again", samples=8)
    write_shards(folders, tmp_path / "other", samples=8, seed=1)
    names = sorted(path.name for path in sharded.glob("[!.]*"))
    assert names == [
        "classes.txt",
        *(f"train-{i:06d}.tar" for i in range(8)),
        "train-shards.json",
        "val-000000.tar",
        "val-shards.json",
    ]
    assert [(sharded / name).read_bytes() for name in names] == [
        (tmp_path / "again" / name).read_bytes() for name in names
    ]
    assert (sharded / names[1]).read_bytes() != (tmp_path / "other" / names[1]).read_bytes()
    first = [
        sample.key
        for sample in pictures(sharded).train.samples
        if sample.shard.path.endswith("-000000.tar")
    ]
    numbers = [int(key[:8]) for key in first]
    assert numbers != sorted(numbers) and max(numbers) - min(numbers) > 20  # of 60


def told(path):
    """What webdataset finds in a shard: key, picture and class of each sample."""
    found = webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    return {
        s["__key__"]: (next(v for k, v in s.items() if k in ("jpg", "jpeg", "png")), int(s["cls"]))
        for s in found
    }


# It leaves files to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_webdataset_reads_our_shards(sharded):
    data = pictures(sharded)
    for name in ("train", "val"):
        parts = (data.train, data.valid) if name == "train" else (data.test,)
        ours = {
            s.key: (content(s), y)
            for p in parts
            for s, y in zip(p.samples, p.labels.tolist(), strict=True)
        }
        theirs = {}
        for path in sorted(sharded.glob(f"{name}-*.tar")):
            theirs |= told(path)
        assert ours == theirs and len(ours) == {"train": 60, "val": 6}[name]


def test_we_read_shards_of_webdataset(folders, tmp_path):
    """Written as its users do, without names of classes, keys with a folder, and more beside the
    pictures.
    """
    read = {}
    for part in ("train", "val"):
        with webdataset.ShardWriter(
            str(tmp_path / f"{part}-%06d.tar"), maxcount=7, verbose=0
        ) as writer:
            for label, name in enumerate(standins.WORDNET):
                for number, path in enumerate(sorted((folders / part / name).iterdir())):
                    key = f"{part}/{name}/{number:03}"
                    read[key] = path.read_bytes(), label
                    sample = {
                        "__key__": key,
                        "jpg": read[key][0],
                        "cls": label,
                        "json": {"a": 1},
                        "seg.png": b"no",
                    }
                    writer.write(sample)
    data = pictures(tmp_path, size=16)
    found = {
        s.key: (content(s), y)
        for part in (data.train, data.valid, data.test)
        for s, y in zip(part.samples, part.labels.tolist(), strict=True)
    }
    assert found == read and len(found) == 66
    assert data.train.classes == ("0", "1", "2") and data.test.batch(torch.arange(2))[0].shape == (
        1,
        2,
        3,
        16,
        16,
    )


def test_a_killed_call_goes_on_at_the_next_shard(folders, sharded, tmp_path):
    script = f"""if True:
        import os, signal, webdataset
        from snnlab.data.datasets.imagenet import write_shards

        class Dying(webdataset.TarWriter):
            samples = 0
            def write(self, sample):
                Dying.samples += 1
                if Dying.samples == 3 * 8 + 5:
                    self.stream.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().write(sample)

        webdataset.TarWriter = Dying
        write_shards({str(folders)!r}, {str(tmp_path)!r}, samples=8)
    """
    run = subprocess.run(
        [sys.executable, "-c", script], check=False, stderr=subprocess.DEVNULL, timeout=300
    )
    assert run.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.glob("[tv]*.tar")) == [
        f"train-{i:06d}.tar" for i in range(3)
    ]
    refused(
        lambda: pictures(tmp_path),
        "has 3 of the shards train-.*; 8 were expected.*again, which goes on",
    )
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("train-*.tar")}
    assert write_shards(folders, tmp_path, samples=8) == 6
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    for path in sharded.glob("*.tar"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    assert write_shards(folders, tmp_path, samples=8) == 0


def test_shards_of_other_settings_are_refused(folders, copy):
    refused(
        lambda: write_shards(folders, copy, samples=9),
        "holds files made with .*'samples': 8.*'samples': 9",
    )
    refused(lambda: write_shards(folders, copy, samples=8, seed=2), "'seed': 0.*'seed': 2")
    refused(
        lambda: write_shards(folders, copy, samples=0),
        "samples = 0: expected a whole number from 1",
    )


def test_shards_of_others_are_not_written_to(folders, copy):
    (copy / "train-shards.json").unlink()
    refused(
        lambda: write_shards(folders, copy, samples=8),
        "train-000000.tar: would be replaced, and was not made by",
    )
    with writing_alone(copy):
        refused(
            lambda: write_shards(folders, copy, samples=8),
            "another call of `snnlab data` writes there",
        )


def test_an_index_is_made_once_for_a_file(copy, monkeypatch):
    asked, made = [], shards._indexed
    monkeypatch.setattr(shards, "_indexed", lambda path: asked.append(path.name) or made(path))
    pictures(copy)
    assert len(asked) == 9
    pictures(copy)
    assert len(asked) == 9
    os.utime(copy / "train-000002.tar", ns=(1, 1))
    pictures(copy)
    assert asked[9:] == ["train-000002.tar"]


def test_a_shard_that_changes_is_noticed(copy):
    data = pictures(copy, size=16)
    path = copy / "val-000000.tar"
    path.write_bytes(path.read_bytes() + bytes(512))
    refused(
        lambda: data.test.batch(torch.arange(2)), "val-000000.tar: has changed since it was indexed"
    )
    assert pictures(copy, size=16).test.batch(torch.arange(2))[0].shape == (1, 2, 3, 16, 16)
    path.unlink()
    shards._files.clear()
    refused(lambda: pictures(copy), "has 0 of the shards val-.*; 1 were expected")
    refused(lambda: data.test.batch(torch.arange(1)), "val-000000.tar cannot be read .No such file")


def test_no_more_files_are_open_than_allowed(sharded, monkeypatch):
    monkeypatch.setattr(shards, "_OPEN", 3)
    monkeypatch.setattr(shards, "_files", {})
    train = pictures(sharded, size=8).train
    train.batch(torch.arange(len(train)))
    assert len(shards._files) == 3 and [Path(shard.path).name[-5] for shard in shards._files] == [
        "5",
        "6",
        "7",
    ]
    for descriptor in shards._files.values():
        os.close(descriptor)


def rewritten(path, change):
    """The members of a shard, changed: `change` takes and gives [name, bytes] pairs."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(path, "w") as tar:
        for name, data in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


KEY = r"train-000003\.tar, 000000\d\d-[\w-]+"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # Webdataset sorts: capitals before cls
        (lambda m: m[1:], f"{KEY}: has a picture and no class"),
        (lambda m: m[:1] + m[2:], f"{KEY}: has a class and no picture"),
        (lambda m: [*m, m[0]], f"{KEY}: is there twice"),
        (
            lambda m: [(n, b"x" if n.endswith("cls") else d) for n, d in m],
            f"{KEY}: its class is 'x'; a whole number from 0",
        ),
        (
            lambda m: [(n, b"-1" if n.endswith("cls") else d) for n, d in m],
            f"{KEY}: its class is '-1'",
        ),
        (lambda m: [(n, b"" if n.endswith("cls") else d) for n, d in m], f"{KEY}: its class is ''"),
        (
            lambda m: [(n, b"3" if n.endswith("cls") else d) for n, d in m],
            f"{KEY}: is of class 3; 0 to 2 .* has 3 lines",
        ),
        (lambda m: [], r"train-000003\.tar.*holds no picture"),
        (lambda m: [("notes.txt", b"")], r"train-000003\.tar: holds no picture"),
    ],
)
def test_bad_shards(copy, change, words):
    def sorted_change(members):
        return change(
            sorted(members, key=lambda pair: (pair[0].split(".")[0], not pair[0].endswith("cls")))
        )

    rewritten(copy / "train-000003.tar", sorted_change)
    refused(lambda: pictures(copy), words)


def cuts(path):
    """Inside a header, inside the last picture, and behind it, where only the closing zeros are
    missing.
    """
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
        return [
            last.offset + 100,
            last.offset_data + 1,
            -(-(last.offset_data + last.size) // 512) * 512,
            0,
        ]


@pytest.mark.parametrize("number", range(4))
def test_a_shard_that_was_cut_off(copy, number):
    path = copy / "train-000003.tar"
    os.truncate(path, cuts(path)[number])
    refused(
        lambda: pictures(copy),
        r"train-000003\.tar cannot be read as a tar file \(.*; a whole one was expected",
    )


def test_what_is_no_tar_file(copy):
    (copy / "train-000003.tar").write_bytes(b"hello" * 1000)
    refused(lambda: pictures(copy), "train-000003.tar cannot be read as a tar file")


def test_what_is_missing(copy):
    for part in ("train", "val"):
        (copy / f"{part}-shards.json").unlink()
    pictures(copy)  # as those of others
    (copy / "classes.txt").write_text("a\nb\n")
    refused(lambda: pictures(copy), "is of class 2; 0 to 1 were expected")
    (copy / "classes.txt").write_text("a\nb\nc\nd\n")
    refused(lambda: pictures(copy), r"train-\*.tar has no sample of the class d")
    (copy / "classes.txt").write_text("a\nb\n\n")
    refused(lambda: pictures(copy), "classes.txt: a class has an empty name")
    (copy / "classes.txt").write_bytes(b"\xff\n")
    refused(lambda: pictures(copy), "classes.txt cannot be read")
    (copy / "train-000003.tar").rename(copy / "away")
    refused(lambda: pictures(copy), "has 7 of the shards train-.*; 8 were expected, without a gap")
    (copy / "away").rename(copy / "train-000003.tar")
    (copy / "train-shards.json").write_text(json.dumps({"shards": None}))
    refused(lambda: pictures(copy), "train-shards.json: holds no number of shards")


def test_a_bad_picture_is_named(copy):
    rewritten(
        copy / "val-000000.tar", lambda m: [(n, d if n.endswith("cls") else d[:200]) for n, d in m]
    )
    refused(
        lambda: pictures(copy, size=16).test.batch(torch.arange(1)),
        r"val-000000.tar, 000\d+-[\w-]+ cannot be read as an im",
    )


def test_without_webdataset(folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    refused(
        lambda: write_shards(folders, tmp_path),
        r"webdataset, which writes shards.*pip install .snnlab\[shards\]",
    )


def test_the_command(folders, sharded, tmp_path):
    call = ["data", "shards", str(folders), str(tmp_path), "--samples", "8"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0 and "9 shards written to" in done.output
    assert (tmp_path / "val-000000.tar").read_bytes() == (sharded / "val-000000.tar").read_bytes()
    done = CliRunner().invoke(app, [*call[:-1], "7"])
    assert done.exit_code == 2 and "'samples': 8" in done.output


def test_a_window_of_shards_is_mixed_and_then_the_next():
    shard = torch.arange(60) // 6  # ten of six samples
    order = torch.cat(shuffled_shards(shard, 3, 7, seeded(1)))
    assert sorted(order.tolist()) == list(range(60))
    windows = [set(shard[part].tolist()) for part in order.split(18)]
    assert [len(window) for window in windows] == [3, 3, 3, 1] and set.union(*windows) == set(
        range(10)
    )
    assert shard[order[:18]].unique_consecutive().numel() > 6  # mixed, not one after another
    assert [len(batch) for batch in shuffled_shards(shard, 3, 7, seeded(1))] == [7] * 8 + [4]
    others = [torch.cat(shuffled_shards(shard, 3, 7, seeded(seed))) for seed in (1, 2)]
    assert torch.equal(others[0], order) and not torch.equal(others[1], order)
    firsts = {
        int(shard[torch.cat(shuffled_shards(shard, 1, 7, seeded(seed)))[0]]) for seed in range(40)
    }
    assert len(firsts) > 6  # any shard may be the first one
    places = {
        int((torch.cat(shuffled_shards(shard, 10, 7, seeded(seed))) == 0).nonzero()) // 10
        for seed in range(40)
    }
    assert places == set(range(6))  # a window of all is a shuffle of all


def of_shards(**more):
    return FileDataset(
        range(40),
        torch.arange(40) % 3,
        tuple("abc"),
        tell,
        shards=torch.arange(40) // 4,
        window=3,
        **more,
    )


def test_a_set_takes_the_order_of_its_shards():
    part = of_shards()
    batches = list(part.batches(6, generator=seeded(3)))
    expected = shuffled_shards(part.shards, 3, 6, seeded(3))
    assert [x[0, :, 0, 0, 0].tolist() for x, _ in batches] == [index.tolist() for index in expected]
    assert [x[0, :, 0, 0, 0].tolist() for x, _ in part.batches(40)] == [list(range(40))]
    few = part.subset(torch.tensor([39, 0, 5]))
    assert few.shards.tolist() == [9, 0, 1] and sorted(
        torch.cat([y for _, y in few.batches(2, generator=seeded(0))]).tolist()
    ) == [0, 0, 2]
    with pytest.raises(SnnlabError, match="window = 0: expected a whole number from 1"):
        replace(part, window=0)


def seen(batches):
    return [x[0, :, 0, 0, :2].tolist() for x, _ in batches]


def test_loaders_processes_and_going_on_change_nothing():
    whole = seen(of_shards().batches(6, generator=seeded(3)))
    assert seen(of_shards(loaders=2).batches(6, generator=seeded(3))) == whole
    assert seen(of_shards().batches(6, generator=seeded(3), skip_batches=4)) == whole[4:]
    parts = [seen(of_shards().batches(6, generator=seeded(3), part=(i, 2))) for i in range(2)]
    for batch, a, b in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted(a + b)
    assert of_shards().window == 3 and FileDataset([], torch.empty(0), (), tell).window == 16
