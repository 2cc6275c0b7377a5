"""Sets fetched from a server on this machine, unpacked, and read by our readers and tonic's; and
ImageNet from archives by hand."""

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import serving
import standins
import torch
from click.testing import CliRunner
from PIL import Image
from recordings import recordings
from scipy.io import savemat

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.data.datasets import cifar10_dvs, imagenet, shd
from snnlab.data.datasets.catalogue import DATASETS, WORDS
from snnlab.data.entry import leftovers
from snnlab.data.fetch import download as downloading
from snnlab.data.fetch import obtain, unpack
from snnlab.data.io.events import write_events
from snnlab.data.registry import load_dataset
from snnlab.runs.papers.published import data_mismatch

WNIDS = ("n01440764", "n02123045", "n04285008")


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SNNLAB_OFFLINE", raising=False)
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving.serving() as server:
        yield server


def call(*arguments):
    return CliRunner().invoke(main.app, ["data", *arguments])


@pytest.fixture
def snnlab(monkeypatch):
    """Without the look at what came, for what comes here is small."""
    monkeypatch.setattr("snnlab.data.fetch.check.check", lambda data, **options: [])
    return call


def publish(monkeypatch, server, name, files):
    """Serve other archives in place of those of a set; {name of the archive: bytes}."""
    archives = []
    for archive, (file, content) in zip(DATASETS[name].archives, files.items(), strict=True):
        assert archive.file == file
        server.files[file] = content
        archives.append(
            replace(archive, urls=(server.url(file),), md5=hashlib.md5(content).hexdigest())
        )
    monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], archives=tuple(archives)))
    return DATASETS[name].folder


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in files.items():
            content.writestr(name, data)
    return stream.getvalue()


def tarred(files, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def digits(monkeypatch, server, tmp_path):
    files = {}
    for split, n in (("train", 60), ("test", 20)):
        events = recordings(
            np.arange(n) % 20, speakers=np.arange(n) % 3, keys=tuple(f"word {i}" for i in range(20))
        )
        write_events(tmp_path / "made.h5", events)
        files[f"shd_{split}.h5.zip"] = zipped(
            {f"shd_{split}.h5": (tmp_path / "made.h5").read_bytes()}
        )
    return publish(monkeypatch, server, "shd", files)


def test_shd_is_fetched_and_read(snnlab, server, digits):
    done = snnlab("get", "shd")
    assert done.exit_code == 0, done.output
    assert str(digits) in done.output and "snnlab data check shd" in done.output
    splits = shd.load("shd", dt_ms=10, n_in=140)
    assert len(splits.train) + len(splits.valid) == 60 and len(splits.test) == 20
    assert {path.name for path in digits.iterdir()} - {".get.lock"} == {
        "shd_train.h5",
        "shd_test.h5",
        "provenance.json",
    }
    written = json.loads((digits / "provenance.json").read_text())
    content = server.files["shd_train.h5.zip"]
    assert written["archives"][0] == {
        "file": "shd_train.h5.zip",
        "url": server.url("shd_train.h5.zip"),
        "bytes": len(content),
        "md5": hashlib.md5(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert written["name"] == "shd" and written["snnlab"] and written["date"].endswith("+00:00")
    assert len(written["archives"]) == 2
    server.asked = []
    done = snnlab("get", "shd")
    assert done.exit_code == 0 and "nothing was fetched" in done.output and server.asked == []


@pytest.fixture
def handwriting(monkeypatch, server, tmp_path):
    """The archives of mnist and n-mnist; return the folders of both."""
    standins.mnist(tmp_path / "a", parts=("train", "t10k"), packed=True)
    standins.n_mnist(tmp_path / "b", train=2, test=4)
    files = {
        archive.file: (tmp_path / "a" / archive.file) for archive in DATASETS["mnist"].archives
    }
    pictures = {name: path.read_bytes() for name, path in files.items()}
    recordings_of = {
        f"{part.lower()}.zip": zipped(
            {
                path.relative_to(tmp_path / "b").as_posix(): path.read_bytes()
                for path in (tmp_path / "b" / part).glob("*/*.bin")
            }
        )
        for part in ("Train", "Test")
    }
    return (
        publish(monkeypatch, server, "mnist", pictures),
        publish(monkeypatch, server, "n-mnist", recordings_of),
    )


def test_mnist_and_its_recordings_are_fetched_and_read(snnlab, server, handwriting):
    for name in ("mnist", "n-mnist"):
        done = snnlab("get", name)
        assert done.exit_code == 0 and DATASETS[name].state()[0], done.output
    assert not any(path.suffix in (".gz", ".zip") for path in handwriting[0].parent.glob("*/*"))
    assert len(load_dataset("mnist").test) == 330
    assert len(load_dataset("n-mnist").test) == 40
    assert load_dataset("n-mnist").source["origin"]["licence"] == "CC BY-SA 4.0"


def test_a_part_of_a_set_is_fetched(snnlab, server, handwriting):
    done = snnlab("get", "n-mnist", "--only", "test")
    assert done.exit_code == 0 and not any("train" in path for path in server.asked), done.output
    assert not (handwriting[1] / "Train").exists()
    assert len(load_dataset("n-mnist", folds=4).test) == 10
    done = snnlab("get", "mnist", "--only", "t10k")
    assert done.exit_code == 0 and len(list(handwriting[0].glob("*-ubyte"))) == 2
    done = snnlab("get", "n-mnist", "--only", "valid")
    assert done.exit_code != 0
    assert "valid is in the name of no archive of n-mnist" in done.output
    assert "train.zip, test.zip" in done.output
    done = snnlab("get", "n-mnist")  # the rest
    assert done.exit_code == 0 and (handwriting[1] / "Train").is_dir(), done.output


def test_an_archive_of_another_version_is_refused(snnlab, server, handwriting):
    server.files["test.zip"] = zipped({"Test/0/00001.bin": b"other"})
    server.files["t10k-labels-idx1-ubyte.gz"] = b"\x1f\x8b of another day"
    for name, file in (("n-mnist", "test.zip"), ("mnist", "t10k-labels-idx1-ubyte.gz")):
        done = snnlab("get", name)
        assert done.exit_code == 1 and file in done.output and "MD5" in done.output, done.output
        assert not DATASETS[name].state()[0]


def test_what_came_is_compared_with_what_is_published(server, digits, monkeypatch):
    done = call("get", "shd", "--workers", "1")
    assert done.exit_code == 1 and "error  " in done.output and "8,156" in done.output
    # But there it is
    assert {"shd_train.h5", "shd_test.h5"} <= {path.name for path in digits.iterdir()}
    monkeypatch.setitem(
        DATASETS, "shd", replace(DATASETS["shd"], counts=({"train": 60, "test": 20},))
    )
    done = call("get", "shd", "--workers", "1")
    assert (
        done.exit_code == 0 and "nothing was fetched" in done.output and "0 errors" in done.output
    ), done.output
    assert (
        "ok" in done.output
        and json.loads((digits / "provenance.json").read_text())["checked"]["counts"]["train"] == 60
    )
    assert "ok" not in call("get", "shd").output  # not again


def test_with_keep_tonic_takes_it(snnlab, server, digits):
    tonic = pytest.importorskip("tonic")
    assert snnlab("get", "shd", "--keep").exit_code == 0
    digits.rename(digits.with_name("SHD"))
    server.asked = []
    data = tonic.datasets.SHD(str(digits.parent), train=False)
    events, label = data[3]
    assert len(data) == 20 and label == 3 and len(events) and server.asked == []


def test_of_two_addresses_the_one_that_gave_the_file_is_written_down(
    snnlab, server, digits, monkeypatch
):
    one, other = DATASETS["shd"].archives
    server.files["mirror.zip"] = server.files.pop(one.file)
    urls = (server.url(one.file), server.url("mirror.zip"))
    monkeypatch.setitem(
        DATASETS, "shd", replace(DATASETS["shd"], archives=(replace(one, urls=urls), other))
    )
    assert snnlab("get", "shd").exit_code == 0
    written = json.loads((digits / "provenance.json").read_text())["archives"]
    assert [entry["url"] for entry in written] == [urls[1], *other.urls]


def test_a_server_that_wants_a_browser_is_one_sentence(snnlab, server, digits):
    server.answers = [202] * 9
    done = snnlab("get", "shd")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert "202 Accepted). Check the connection. By hand: fetch it" in done.stderr
    assert (
        f"put it there as {digits / 'shd_train.h5.zip'}, run the same command again" in done.stderr
    )


def test_a_call_after_a_broken_one_goes_on(snnlab, server, digits):
    size = len(server.files["shd_test.h5.zip"])
    cut = 1 << 10
    # Two look at sizes, one fetches, then it breaks
    server.cuts = [None, None, None, cut, *[0] * 99]
    done = snnlab("get", "shd")
    assert (
        done.exit_code == 1
        and "run the same command again to resume" in done.stderr
        and done.stderr.count("Traceback") == 0
    )
    assert leftovers(digits) and DATASETS["shd"].state() == (False, "unfinished")
    assert {path.name for path in leftovers(digits)} == {
        "shd_test.h5.zip.part",
        "shd_test.h5.zip.part.json",
    }
    server.cuts, server.asked = [], []
    assert snnlab("get", "shd").exit_code == 0 and size > cut
    assert "shd_train.h5.zip" not in [name for name, *_ in server.asked]
    assert DATASETS["shd"].state() == (True, "complete") and not leftovers(digits)


def test_killed_between_download_and_unpacking(snnlab, server, digits, monkeypatch):
    real = obtain.unpack
    monkeypatch.setattr(
        obtain, "unpack", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert snnlab("get", "shd").exit_code == 130
    assert not DATASETS["shd"].state()[0]
    monkeypatch.setattr(obtain, "unpack", real)
    server.asked = []
    assert snnlab("get", "shd").exit_code == 0 and server.asked == []
    assert DATASETS["shd"].state() == (True, "complete") and (digits / "provenance.json").exists()


def test_killed_after_moving_in_place(snnlab, server, digits, monkeypatch):
    remove = unpack._remove

    def killed(folder):
        if folder.name.startswith(".unpacked-shd_test"):
            raise KeyboardInterrupt
        remove(folder)

    monkeypatch.setattr(unpack, "_remove", killed)
    assert snnlab("get", "shd").exit_code == 130 and DATASETS["shd"].state() == (
        False,
        "unfinished",
    )
    monkeypatch.setattr(unpack, "_remove", remove)
    assert snnlab("get", "shd").exit_code == 0 and DATASETS["shd"].state() == (True, "complete")


def test_what_was_fetched_is_the_published_set_and_what_replaced_it_is_not(
    snnlab, digits, monkeypatch, tmp_path
):
    monkeypatch.setitem(
        DATASETS, "shd", replace(DATASETS["shd"], counts=({"train": 60, "test": 20},))
    )
    assert snnlab("get", "shd").exit_code == 0
    assert data_mismatch("shd", shd.load("shd", dt_ms=10, n_in=140).source) == ""
    others = recordings(np.arange(60) % 20, speakers=np.arange(60) % 3, seed=1)
    assert others.keys == tuple(f"word {i}" for i in range(20))
    write_events(digits / "shd_train.h5", others)
    assert (
        data_mismatch("shd", shd.load("shd", dt_ms=10, n_in=140).source)
        == "on other files than those that came as shd"
    )
    (digits / "shd_train.h5").unlink()
    assert snnlab("get", "shd").exit_code == 0
    assert data_mismatch("shd", shd.load("shd", dt_ms=10, n_in=140).source) == ""
    (digits / "provenance.json").unlink()
    assert "without the checksums" in data_mismatch(
        "shd", shd.load("shd", dt_ms=10, n_in=140).source
    )


def test_killed_before_its_origin_was_written_down(snnlab, server, digits, monkeypatch):
    write = obtain.write_provenance
    monkeypatch.setattr(
        obtain, "write_provenance", lambda *a, **b: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert snnlab("get", "shd").exit_code == 130
    monkeypatch.setattr(obtain, "write_provenance", write)
    server.asked = []
    assert snnlab("get", "shd").exit_code == 0 and server.asked == []
    assert len(json.loads((digits / "provenance.json").read_text())["archives"]) == 2
    assert not list(digits.glob("*.zip"))


def test_an_archive_that_lies_there_and_is_another(snnlab, server, digits):
    digits.mkdir(parents=True)
    (digits / "shd_train.h5.zip").write_bytes(b"PK, as far as it came")
    done = snnlab("get", "shd")
    assert (
        done.exit_code == 1
        and "shd_train.h5.zip has the MD5 sum" in done.stderr
        and "remove it" in done.stderr
    )
    assert (digits / "shd_train.h5.zip").exists()
    server.files["shd_train.h5.zip"] = b"changed"
    (digits / "shd_train.h5.zip").unlink()
    done = snnlab("get", "shd")
    assert (
        done.exit_code == 1
        and "7 bytes with the MD5 sum" in done.stderr
        and not list(digits.glob("*.zip*"))
    )


def test_two_at_once_fetch_it_once(server, digits):
    server.pause = 0.5  # so that the first is still at work when the second begins
    script = f"""if True:
        from dataclasses import replace
        from snnlab.data import entry
        from snnlab.data.fetch import obtain
        data = {DATASETS["shd"]!r}
        assert obtain.get(data, agree=None)
    """
    script = (
        script.replace("DatasetEntry(", "entry.DatasetEntry(", 1)
        .replace("(Archive(", "(entry.Archive(")
        .replace(", Archive(", ", entry.Archive(")
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(server.parts("shd_train.h5.zip")) == 2  # one asks for the size
    assert sorted("nothing was fetched" in text for text in said) == [False, True]


def test_asks_before_much_is_fetched(snnlab, server, digits, monkeypatch):
    monkeypatch.setattr(obtain, "ASK_FROM", 100)
    done = snnlab("get", "shd")
    assert (
        done.exit_code == 2
        and "--yes" in done.stderr
        and "0.0 GB" in done.stderr
        and not list(digits.glob("*.h5*"))
    )
    told = []
    assert not obtain.get(DATASETS["shd"], agree=lambda question: told.append(question) or False)
    assert told == [f"Fetch 0.0 GB to {digits}?"] and not list(digits.glob("*.h5*"))
    (digits / "shd_train.h5.zip.part").write_bytes(
        server.files["shd_train.h5.zip"]
    )  # what is there need not be fetched
    (digits / "shd_test.h5.zip.part").write_bytes(server.files["shd_test.h5.zip"][:-50])
    assert obtain.get(DATASETS["shd"], agree=None)
    for path in digits.glob("shd*"):
        path.unlink()
    assert snnlab("get", "shd", "--yes").exit_code == 0


def test_an_unknown_amount_is_asked_for_too(server, digits):
    server.length = False
    told = []
    assert not obtain.get(DATASETS["shd"], agree=lambda question: told.append(question) or False)
    assert "an unknown amount" in told[0]


def test_no_room_and_no_network(snnlab, server, digits, monkeypatch):
    monkeypatch.setattr(obtain, "remote_size", lambda url, path: 10**15)
    done = snnlab("get", "shd", "--yes")
    assert (
        done.exit_code == 1
        and "4000000.0 GB was expected, for shd_train.h5.zip, shd_test.h5.zip" in done.stderr
    )
    monkeypatch.undo()


def test_offline(snnlab, server, digits, monkeypatch):
    monkeypatch.setenv("SNNLAB_OFFLINE", "1")
    done = snnlab("get", "shd")
    assert done.exit_code == 1 and "SNNLAB_OFFLINE is set" in done.stderr and server.asked == []


def test_a_damaged_archive_of_the_right_checksum(snnlab, server, monkeypatch):
    folder = publish(
        monkeypatch,
        server,
        "shd",
        {"shd_train.h5.zip": b"PK nonsense", "shd_test.h5.zip": b"PK nonsense"},
    )
    done = snnlab("get", "shd")
    assert done.exit_code == 1 and "shd_train.h5.zip cannot be unpacked" in done.stderr
    assert not list(folder.glob(".unpack*"))


def test_speech_commands(snnlab, server, monkeypatch):
    files = {f"./{word}/a_nohash_0.wav": word.encode() for word in WORDS}
    files |= {
        "./_background_noise_/pink.wav": b"noise",
        "./validation_list.txt": b"bed/a",
        "./testing_list.txt": b"cat/a",
    }
    files |= {"./README.md": b"read me", "./.DS_Store": b"x"}
    folder = publish(
        monkeypatch, server, "gsc", {"speech_commands_v0.02.tar.gz": tarred(files, "w:gz")}
    )
    done = snnlab("get", "gsc")
    assert done.exit_code == 0, done.output
    found = {f"./{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()}
    assert found - {"./provenance.json", "./.get.lock"} == set(files) - {"./.DS_Store"}
    assert DATASETS["gsc"].state() == (True, "complete")
    shutil.rmtree(folder / "cat")
    assert DATASETS["gsc"].state() == (False, "incomplete: no cat")


def test_the_speech_commands_test_archive(snnlab, server, monkeypatch, tmp_path):
    made = tmp_path / "made"
    standins.speech_commands_test(made)
    files = {f"./{path.relative_to(made)}": path.read_bytes() for path in made.rglob("*.*")}
    name = "speech_commands_test_set_v0.02.tar.gz"
    publish(monkeypatch, server, "speech-commands-test", {name: tarred(files, "w:gz")})
    done = snnlab("get", "speech-commands-test")
    assert done.exit_code == 0, done.output
    assert DATASETS["speech-commands-test"].state() == (True, "complete")
    data = load_dataset("speech-commands-test", features="sane", workers=1)
    assert len(data.train) + len(data.valid) + len(data.test) == 90
    assert data.source["origin"]["archives"][0]["file"] == name


def recordings_zip(name="airplane/{i}.aedat4", classes=cifar10_dvs.CLASSES):
    square = (Path(__file__).parents[1] / "recordings/square.aedat4").read_bytes()
    return zipped(
        {
            f"{one}.zip": zipped(
                {name.replace("airplane", one).format(i=i): square for i in range(3)}
            )
            for one in classes
        }
    )


@pytest.mark.parametrize("name", ["airplane/{i}.aedat4", "{i}.aedat4"])
def test_cifar10_dvs_is_converted(snnlab, server, monkeypatch, name):
    folder = publish(monkeypatch, server, "cifar10-dvs", {"CIFAR10DVS.zip": recordings_zip(name)})
    done = snnlab("get", "cifar10-dvs", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert {path.name for path in folder.iterdir()} - {".get.lock"} == {
        "train",
        "test",
        "conversion.json",
        "provenance.json",
    }
    three = cifar10_dvs.events(folder)
    assert (len(three.train), len(three.valid), len(three.test)) == (10, 10, 10)
    x, y = three.test.batch(torch.tensor([0]))
    # See test_from_aedat4
    assert x.shape == (8, 1, 2, 128, 128) and x[0, 0, 0, 60, 40] == 1 and y == 0


def test_cifar10_dvs_killed_in_the_middle_of_its_conversion(snnlab, server, monkeypatch):
    from snnlab.data.convert import from_aedat4

    folder = publish(monkeypatch, server, "cifar10-dvs", {"CIFAR10DVS.zip": recordings_zip()})
    counts, calls = from_aedat4._counts, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return counts(*arguments)

    monkeypatch.setattr(from_aedat4, "_counts", killed)
    assert snnlab("get", "cifar10-dvs", "--workers", "1").exit_code == 130
    assert (
        DATASETS["cifar10-dvs"].state() == (False, "unfinished") and not (folder / "train").exists()
    )
    server.asked = []
    assert snnlab("get", "cifar10-dvs", "--workers", "1", "--keep").exit_code == 0
    assert len(calls) == 12 + 30 - 11 and server.asked == []  # what was converted is kept
    assert (folder / "CIFAR10DVS.zip").exists() and len(
        list(folder.glob("recordings/*/*.aedat4"))
    ) == 30


def test_a_bad_recording_is_named_and_nothing_is_taken_for_whole(snnlab, server, monkeypatch):
    square = (Path(__file__).parents[1] / "recordings/square.aedat4").read_bytes()
    files = {
        f"{one}.zip": zipped({f"{i}.aedat4": square for i in range(2)})
        for one in cifar10_dvs.CLASSES[:9]
    }
    files["truck.zip"] = zipped({"0.aedat4": square, "1.aedat4": square[:300]})
    folder = publish(monkeypatch, server, "cifar10-dvs", {"CIFAR10DVS.zip": zipped(files)})
    done = snnlab("get", "cifar10-dvs", "--workers", "1")
    assert done.exit_code == 1 and "truck/1.aedat4 cannot be read" in done.stderr
    assert not (folder / "train").exists() and not DATASETS["cifar10-dvs"].state()[0]


def test_without_aedat_nothing_is_fetched(snnlab, server, monkeypatch):
    publish(
        monkeypatch,
        server,
        "cifar10-dvs",
        {"CIFAR10DVS.zip": recordings_zip(classes=("airplane",))},
    )
    monkeypatch.setitem(sys.modules, "aedat", None)
    done = snnlab("get", "cifar10-dvs")
    assert (
        done.exit_code == 1 and 'pip install "snnlab[aedat]"' in done.stderr and server.asked == []
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "imagenet",
            [
                "ILSVRC2012_devkit_t12.tar.gz",
                "https://image-net.org",
                "train/<class>/*.JPEG",
                "check imagenet",
            ],
        ),
        (
            "es-imagenet",
            ["94873ab4ec2a4eb497b3", "trainlabel.txt", "events-from-images", "check es-imagenet"],
        ),
        ("ucf101", ["crcv.ucf.edu", "frame%06d.jpg", "check ucf101"]),
        ("es-ucf101", ["crcv.ucf.edu", "events-from-video", "Groups 1 to 7", "check es-ucf101"]),
    ],
)
def test_what_has_to_be_done_by_hand_is_said(snnlab, server, tmp_path, name, words):
    done = snnlab("get", name)
    assert done.exit_code == 1 and all(
        word in done.output for word in (*words, str(tmp_path / "data" / name))
    )
    assert not (tmp_path / "data").exists() and "{" not in done.output.replace("{}", "")


def picture(colour):
    stream = io.BytesIO()
    Image.new("RGB", (20, 16), colour).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def photographs(monkeypatch, server):
    """ImageNet's three archives: three classes, ILSVRC's numbers of which are not in the order of
    their names."""
    numbers = {3: WNIDS[0], 1: WNIDS[1], 2: WNIDS[2]}
    train = {
        f"{wnid}.tar": tarred({f"{wnid}_{i}.JPEG": picture((80 * k, 10 * i, 0)) for i in range(4)})
        for k, wnid in enumerate(WNIDS)
    }
    truth = [2, 3, 1, 1, 3, 2]
    val = {f"ILSVRC2012_val_{i:08}.JPEG": picture((0, 0, 30 * i)) for i in (4, 2, 6, 1, 5, 3)}
    fields = [
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    ]
    rows = [(number, wnid, "a, b", "gloss", 0, 0, 0, 4) for number, wnid in sorted(numbers.items())]
    # What the classes are kinds of
    rows.append((4, "n00001740", "entity", "gloss", 3, [1, 2, 3], 9, 0))
    synsets = np.array([tuple(row) for row in rows], dtype=[(field, object) for field in fields])
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets.reshape(-1, 1)})
    devkit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": stream.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{n}\n" for n in truth
        ).encode(),
        "ILSVRC2012_devkit_t12/readme.txt": b"",
    }
    files = {
        "ILSVRC2012_img_train.tar": tarred(train),
        "ILSVRC2012_img_val.tar": tarred(val),
        "ILSVRC2012_devkit_t12.tar.gz": tarred(devkit, "w:gz"),
    }
    folder = publish(monkeypatch, server, "imagenet", files)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder, [numbers[n] for n in truth]


def test_imagenet_from_archives_fetched_by_hand(snnlab, server, photographs):
    folder, classes = photographs
    done = snnlab("get", "imagenet")
    assert done.exit_code == 0, done.output
    train = {str(path.relative_to(folder / "train")) for path in folder.glob("train/*/*")}
    assert train == {f"{wnid}/{wnid}_{i}.JPEG" for wnid in WNIDS for i in range(4)}
    for i, wnid in enumerate(classes, 1):
        assert (folder / f"val/{wnid}/ILSVRC2012_val_{i:08}.JPEG").read_bytes() == picture(
            (0, 0, 30 * i)
        )
    assert len(list(folder.glob("val/*/*"))) == 6
    assert imagenet.pictures(folder, size=16).test.classes == WNIDS
    assert (
        not list(folder.glob("*.tar*"))
        and len(json.loads((folder / "provenance.json").read_text())["archives"]) == 3
    )
    assert server.asked == [] and DATASETS["imagenet"].state() == (True, "complete")


@pytest.mark.parametrize("name", ["ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"])
def test_imagenet_with_an_archive_that_is_missing_or_another(snnlab, photographs, name):
    folder, _ = photographs
    (folder / name).write_bytes(b"half")
    done = snnlab("get", "imagenet")
    assert done.exit_code == 1 and f"{name} has the MD5 sum" in done.stderr
    (folder / name).unlink()
    done = snnlab("get", "imagenet")
    assert (
        done.exit_code == 1
        and f"{name} is not there" in done.stderr
        and not (folder / "train").exists()
    )


@pytest.mark.parametrize(
    ("which", "old", "new", "words"),
    [
        (
            "ILSVRC2012_img_val.tar",
            "ILSVRC2012_val_00000005.JPEG",
            None,
            "holds 5 pictures; 6 were expected",
        ),
        (
            "ILSVRC2012_img_val.tar",
            "ILSVRC2012_val_00000005.JPEG",
            "ILSVRC2012_val_00000007.JPEG",
            "00000007.JPEG; a name",
        ),
        (
            "ILSVRC2012_img_train.tar",
            "n02123045.tar",
            "n02123045.txt",
            "holds n02123045.txt; <class>.tar was expected",
        ),
        # 4 is no class
        ("ILSVRC2012_devkit_t12.tar.gz", b"3\n1\n", b"4\n1\n", "cannot be understood"),
    ],
)
def test_imagenet_with_an_archive_of_something_else(
    snnlab, photographs, monkeypatch, which, old, new, words
):
    folder, _ = photographs
    with tarfile.open(folder / which) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    if isinstance(old, bytes):
        files = {name: content.replace(old, new) for name, content in files.items()}
    else:
        content = files.pop(old)
        files |= {} if new is None else {new: content}
    changed = tarred(files, "w:gz" if which.endswith("gz") else "w")
    (folder / which).write_bytes(changed)
    data = DATASETS["imagenet"]
    archives = [
        replace(one, md5=hashlib.md5(changed).hexdigest()) if one.file == which else one
        for one in data.archives
    ]
    monkeypatch.setitem(DATASETS, "imagenet", replace(data, archives=tuple(archives)))
    done = snnlab("get", "imagenet")
    assert done.exit_code == 1 and words in done.stderr, done.stderr
    assert not (folder / "val").exists() and not list(folder.glob(".unpack*"))


def test_imagenet_with_a_devkit_that_does_not_belong_to_it(snnlab, photographs, monkeypatch):
    folder, _ = photographs
    for content, words in (
        (tarred({"x": b""}, "w:gz"), "are not both there"),
        (b"no tar", "cannot be unpacked"),
    ):
        (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(content)
        data = DATASETS["imagenet"]
        other = (
            *data.archives[:2],
            replace(data.archives[2], md5=hashlib.md5(content).hexdigest()),
        )
        monkeypatch.setitem(DATASETS, "imagenet", replace(data, archives=other))
        done = snnlab("get", "imagenet")
        assert done.exit_code == 1 and words in done.stderr and not (folder / "val").exists()


def test_what_ships_need_not_be_got(snnlab, server):
    done = snnlab("get", "spoken-digits")
    assert done.exit_code == 0 and "ships with snnlab" in done.output


def test_the_list_opens_nothing_and_asks_nobody(snnlab, server, digits, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(Path, "open", None)
    assert snnlab("get", "nonsense").exit_code == 2
    digits.mkdir(parents=True)
    (digits / "shd_train.h5").touch()
    (tmp_path / "data/es-ucf101/Archery").mkdir(parents=True)
    (tmp_path / "data/es-ucf101/Archery/v_Archery_g01_c01.npz").touch()
    done = snnlab("list")
    assert done.exit_code == 0, done.output
    assert all(name in done.output for name in DATASETS) and server.asked == []
    assert "incomplete: no shd_test.h5" in done.output and str(digits) in done.output.replace(
        "\n", ""
    )
    assert (
        "incomplete: 1 of 13,320 clips" in done.output
        and "absent" in done.output
        and "CC BY 4.0" in done.output
    )


def test_sigkill_in_the_middle_of_moving_is_repaired(server, digits):
    """The first file of two is in place, the second not, and nothing is written down."""
    script = f"""if True:
        import os, signal
        from snnlab.data import entry
        from snnlab.data.fetch import obtain, unpack
        rename = os.rename
        def dying(source, target):
            if str(target).endswith("shd_test.h5"):
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)
        unpack.os.rename = dying
        obtain.get({DATASETS["shd"]!r}, agree=None)
    """
    script = script.replace("DatasetEntry(", "entry.DatasetEntry(", 1).replace(
        "Archive(", "entry.Archive("
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert run.returncode == -signal.SIGKILL
    assert (digits / "shd_train.h5").exists() and not (digits / "shd_test.h5").exists()
    server.asked = []
    assert obtain.get(DATASETS["shd"], agree=None) and server.asked == []
    assert (
        DATASETS["shd"].state() == (True, "complete")
        and len(shd.load("shd", dt_ms=10, n_in=140).test) == 20
    )


def test_not_a_folder_to_write_to(server, digits, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SnnlabError, match="cannot be made"):
        obtain.get(DATASETS["shd"], agree=None)
