"""A folder of images to ES-ImageNet's layout: goes on after a bad one and after a kill, and every
refusal."""

import csv
import os
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from killing import kill_while_writing_the_third
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.cli.main import app
from snnlab.data.convert import from_images
from snnlab.data.convert.from_images import convert_folder
from snnlab.data.encoding.es_imagenet import encode, read_labels, read_sample


def picture(seed, width=60, height=40):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for seed, name in enumerate(("cat/1.jpg", "cat/more/2.PNG", "dog/a dog.JPEG", "dog/3.jpeg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed, height=30 + 10 * seed).save(folder / name)
    (folder / "cat/notes.txt").write_text("not an image")
    (folder / "list.txt").write_text("not a class")
    return folder


def test_what_comes_out(images, tmp_path):
    out = tmp_path / "out"
    outcome = convert_folder(images, out, workers=1)
    assert (outcome.written, outcome.kept, outcome.dropped, outcome.failed) == (4, 0, (), ())
    assert str(outcome) == "4 converted, 0 there already, 0 dropped, 0 failed"
    assert (out / "classes.txt").read_text() == "cat\ndog\n"
    assert (out / "trainlabel.txt").read_text().splitlines() == [
        "class0/1.npz 0 127 254",
        "class0/more_2.npz 0 169 254",
        "class1/3.npz 1 254 254",
        "class1/a_dog.npz 1 211 254",
    ]
    sources = ("cat/1.jpg", "cat/more/2.PNG", "dog/3.jpeg", "dog/a dog.JPEG")
    for label, source in zip(read_labels(out, "train"), sources, strict=True):
        read = read_sample(out / "train" / label.path, label.rows, label.columns)
        expected = encode(Image.open(images / source))
        np.testing.assert_array_equal(read.pos, expected.pos)
        np.testing.assert_array_equal(read.neg, expected.neg)
        assert (read.rows, read.columns) == (expected.rows, expected.columns)


def test_what_systems_leave_in_folders_is_no_class_and_no_image(images, tmp_path, litter):
    convert_folder(images, tmp_path / "clean", workers=1)
    litter(images)
    outcome = convert_folder(images, tmp_path / "out", workers=1)
    assert (outcome.written, outcome.failed) == (4, ())
    for name in ("classes.txt", "trainlabel.txt"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "clean" / name).read_text()


def test_names_that_are_no_utf8(images, tmp_path):
    """Real bytes: an image is converted, and reported if it is bad; a class is refused, for its
    name goes into a list."""
    odd = images / "cat" / os.fsdecode(b"caf\xe9.png")
    try:
        picture(9).save(odd)
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    (images / "dog" / os.fsdecode(b"bad\xe9.png")).write_bytes(b"no image")
    outcome = convert_folder(images, tmp_path / "out", workers=1)
    assert outcome.written == 5 and len(outcome.failed) == 1
    assert r"bad\udce9.png cannot be read" in outcome.report.read_text(encoding="utf-8")
    assert "class0/caf_.npz" in [label.path for label in read_labels(tmp_path / "out", "train")]
    done = CliRunner().invoke(
        app, ["data", "events-from-images", str(images), str(tmp_path / "out"), "--workers", "1"]
    )
    assert done.exit_code == 1 and r"bad\udce9.png cannot be read" in done.stderr
    (images / os.fsdecode(b"b\xeate")).mkdir()
    with pytest.raises(
        SnnlabError, match=r"images: the name 'b\\udceate' of a class has the character"
    ):
        convert_folder(images, tmp_path / "out", workers=1)


def test_a_set_that_was_downloaded_is_not_converted_into(images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/trainlabel.txt").write_text("class0/class0_1.npz 0 254 190\n")
    with pytest.raises(
        SnnlabError, match="trainlabel.txt: would be replaced, and was not made by such a call"
    ):
        convert_folder(images, tmp_path / "out", workers=1)
    assert (tmp_path / "out/trainlabel.txt").read_text() == "class0/class0_1.npz 0 254 190\n"


def test_two_processes_give_the_same(images, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for seed in range(20):  # more than go to a process at once
        picture(seed).save(images / f"dog/x{seed}.png")
    (images / "dog/broken.png").write_bytes(b"no")
    a, b = convert_folder(images, one, workers=1), convert_folder(images, two, workers=2)
    assert a.failed == b.failed and len(a.failed) == 1 and a.written == b.written == 24
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def damage(images):
    whole = (images / "cat/1.jpg").read_bytes()
    (images / "cat/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "cat/empty.png").write_bytes(b"")
    (images / "cat/words.jpg").write_bytes(b"no image at all" * 99)
    png = bytearray((images / "cat/more/2.PNG").read_bytes())
    png[40:60] = bytes(20)
    (images / "dog/broken.png").write_bytes(png)
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(images / "dog/deep.png")
    Image.new("RGB", (20, 20), (9, 9, 9)).save(images / "dog/flat.png")


def test_a_bad_image_does_not_stop_the_others_and_is_listed(images, tmp_path):
    damage(images)
    out = tmp_path / "out"
    outcome = convert_folder(images, out, workers=1)
    assert outcome.written == 4 and len(read_labels(out, "train")) == 4
    failed = {source.name: sentence for source, sentence in outcome.failed}
    assert set(failed) == {"cut.jpg", "empty.png", "words.jpg", "broken.png", "deep.png"}
    for name, sentence in failed.items():
        assert name in sentence and "expected" in sentence and sentence in str(outcome)
    assert "deep.png: an image has the mode I;16" in failed["deep.png"]
    assert "cannot be read as an image" in failed["cut.jpg"]
    ((source, sentence),) = outcome.dropped
    assert (
        source.name == "flat.png"
        and "has 0 events; samples of ES-ImageNet have at least 1000" in sentence
    )
    assert not (out / "train/class1/flat.npz").exists()
    with outcome.report.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["what", "source", "sentence"] and len(rows) == 7
    assert [row[0] for row in rows[1:]] == ["failed"] * 5 + ["dropped"]
    assert {row[1]: row[2] for row in rows[1:6]} == {str(s): t for s, t in outcome.failed}


def test_once_repaired_nothing_is_listed_any_more(images, tmp_path, monkeypatch):
    damage(images)
    out = tmp_path / "out"
    assert convert_folder(images, out, workers=1).report.exists()
    for name in ("cat/cut.jpg", "cat/empty.png", "cat/words.jpg", "dog/broken.png", "dog/deep.png"):
        picture(9).save(images / name)
    (images / "dog/flat.png").unlink()
    outcome = convert_folder(images, out, workers=1)
    assert (outcome.written, outcome.kept, outcome.failed) == (5, 4, ())
    assert not outcome.report.exists() and len(read_labels(out, "train")) == 9


def test_an_edited_image_is_converted_again(images, tmp_path):
    out = tmp_path / "out"
    convert_folder(images, out, workers=1)
    before = (out / "train/class0/1.npz").read_bytes()
    picture(50).save(images / "cat/1.jpg")
    later = (out / "train/class0/1.npz").stat().st_mtime_ns + 10**9
    os.utime(images / "cat/1.jpg", ns=(later, later))
    assert convert_folder(images, out, workers=1).written == 1
    assert (out / "train/class0/1.npz").read_bytes() != before
    Image.new("RGB", (60, 40)).save(images / "cat/1.jpg")  # now without events
    os.utime(images / "cat/1.jpg", ns=(later + 10**12, later + 10**12))
    assert len(convert_folder(images, out, workers=1).dropped) == 1
    assert not (out / "train/class0/1.npz").exists()


def test_a_killed_run_goes_on(images, tmp_path, monkeypatch):
    """SIGKILL in the middle of writing the third: two files are whole, no label list; the second
    run makes the rest."""
    out = tmp_path / "out"
    kill_while_writing_the_third(
        "from snnlab.data.convert.from_images import convert_folder",
        f"convert_folder({str(images)!r}, {str(out)!r}, workers=1)",
    )
    assert len(list(out.rglob("[!.]*.npz"))) == 2 and not (out / "trainlabel.txt").exists()
    encoded = []
    monkeypatch.setattr(from_images, "encode", lambda *a: encoded.append(a) or encode(*a))
    outcome = convert_folder(images, out, workers=1)
    assert (outcome.written, outcome.kept, len(encoded)) == (2, 2, 2)
    convert_folder(images, tmp_path / "again", workers=1)
    for label in read_labels(out, "train"):
        assert (out / "train" / label.path).read_bytes() == (
            tmp_path / "again/train" / label.path
        ).read_bytes()


def test_a_full_disk_stops_at_once(images, tmp_path, monkeypatch):
    calls = []

    def full(*_, **__):
        calls.append(0)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    refused(images, tmp_path / "out", r"1.npz: could not be written \(No space left on device\)")
    assert len(calls) == 1


def test_validation_has_the_classes_of_training(images, tmp_path):
    out = tmp_path / "out"
    convert_folder(images, out, workers=1)
    (images / "ant").mkdir()
    picture(7).save(images / "ant/1.png")
    refused(
        images,
        out,
        r"the class ant is in .*images but not in .*classes.txt; the same classes were expected",
        "val",
    )
    (images / "ant").rename(images / "x")
    (out / "classes.txt").write_text("x\ncat\ndog\nemu\n")
    refused(images, out, r"the class emu is in .*classes.txt but not in .*images;", "val")
    (images / "emu").mkdir()
    convert_folder(images, out, split="val", workers=1)
    assert [label.label for label in read_labels(out, "val")] == [1, 1, 2, 2, 0]


def refused(images, out, words, split="train", **settings):
    with pytest.raises(SnnlabError, match=words) as caught:
        convert_folder(images, out, split=split, workers=1, **settings)
    assert "expected" in str(caught.value) or "could not be written" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_refusals(images, tmp_path):
    out = tmp_path / "out"
    refused(
        tmp_path / "nowhere",
        out,
        "nowhere holds no folder; one folder of images a class was expected",
    )
    refused(images / "dog", out, "dog holds no folder")
    (tmp_path / "empty/a").mkdir(parents=True)
    refused(
        tmp_path / "empty",
        out,
        "empty holds no image; files .jpg, .jpeg, .png in one folder a class were expected",
    )
    refused(images, out, "theta is 1.5", theta=1.5)
    refused(images, out, "split is 'test'; train or val was expected", "test")
    with pytest.raises(SnnlabError, match="workers = 0"):
        convert_folder(images, tmp_path / "zero", workers=0)
    picture(0).save(images / "cat/1.png")
    refused(images, out, r"1.jpg and .*1.png would both become 1.npz")
    assert not out.exists()
    (images / "cat/1.png").unlink()
    (tmp_path / "file").write_text("")
    refused(images, tmp_path / "file/out", r"file/out: cannot be made")


@pytest.mark.parametrize("splits", [("train",), ("val",), ("train", "val")])
def test_folders_of_splits_are_no_classes(images, tmp_path, splits):
    source, out = tmp_path / "source", tmp_path / "out"
    for split in splits:
        shutil.copytree(images, source / split)
    refused(source, out, rf"source has the folders? {' and '.join(splits)}, .* Give {source}/.* as")
    assert not out.exists()
    (source / "bus").mkdir()  # a class may be called train
    picture(0).save(source / "bus/1.png")
    convert_folder(source, out, workers=1)
    assert (out / "classes.txt").read_text().split() == sorted(["bus", *splits])


def test_files_of_another_threshold_are_not_mixed(images, tmp_path):
    out = tmp_path / "out"
    convert_folder(images, out, workers=1)
    refused(
        images,
        out,
        r"out holds files made with \{'theta': 0.18\}; \{'theta': 0.3\} was expected",
        theta=0.3,
    )
    (out / "conversion.json").write_text("{")
    refused(images, out, "conversion.json: no readable JSON")
