"""ES-ImageNet's files: as the authors' loader reads them, written by the published rule, and every
refusal."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding.es_imagenet import (
    Label,
    Sample,
    encode,
    frames,
    read_frame_labels,
    read_frames,
    read_labels,
    read_sample,
    resized,
    write_labels,
    write_sample,
)
from snnlab.data.encoding.odg import odg_events


def picture(width, height, seed=0):
    """Patches of colour, with more than 1000 events."""
    pixels = np.random.default_rng(seed).integers(0, 256, (18, 24, 3)).astype(np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)


def as_their_loader(pos, neg, a, b):
    """The description of the loader, event by event: (2, 8, 224, 224)."""
    image = np.zeros((2, 8, 256, 256))
    dx, dy = (254 - a) // 2, (254 - b) // 2
    for channel, events in enumerate((pos, neg)):
        for row, column, t in events.tolist():
            image[channel, t - 1, row + dx, column + dy] = 1
    return image[:, :, 16:240, 16:240]


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((300, 200), 169, 254), ((90, 127), 254, 180), ((64, 64), 254, 254)],
)
def test_what_is_written_is_the_published_rule(tmp_path, size, rows, columns):
    image = picture(*size)
    sample = encode(image)
    assert (sample.rows, sample.columns) == (rows, columns) and len(sample) > 1000
    across, down = (
        np.arange(new) * old // new for new, old in zip((columns, rows), image.size, strict=True)
    )
    pixels = np.asarray(image)[down][:, across] / 255
    events = odg_events(torch.from_numpy(pixels).permute(2, 0, 1)[None])[:, 0].bool()
    for channel, listed in enumerate((sample.pos, sample.neg)):
        expected = [
            (r, c, t + 1)
            for t, r, c in events[:, channel].nonzero().tolist()
            if 16 < r < 240 and 16 < c < 240
        ]
        assert listed.dtype == np.uint8 and [tuple(event) for event in listed.tolist()] == expected
    write_sample(tmp_path / "a.npz", sample)
    with np.load(tmp_path / "a.npz") as stored:
        assert set(stored.files) == {"pos", "neg"}
    read = read_sample(tmp_path / "a.npz", rows, columns)
    np.testing.assert_array_equal(read.pos, sample.pos)
    np.testing.assert_array_equal(read.neg, sample.neg)
    image = frames(read)
    assert image.shape == (8, 2, 224, 224) and image.dtype == torch.uint8
    np.testing.assert_array_equal(
        image.transpose(0, 1), as_their_loader(sample.pos, sample.neg, rows, columns)
    )


def test_the_centre_of_a_centred_image_is_the_centre_of_the_frames():
    events = np.array([[2 + 50, 2 + 126, 3]], np.uint8)
    image = frames(Sample(events, events[:0], 100, 254))
    assert image.nonzero().tolist() == [[2, 0, 52 + 77 - 16, 128 - 16]]


def test_what_lies_outside_the_crop_is_not_in_the_frames():
    corners = np.array(
        [[0, 0, 1], [255, 255, 8], [16, 16, 2], [239, 239, 4], [240, 20, 5], [20, 15, 6]], np.uint8
    )
    image = frames(Sample(corners[:0], corners, 254, 254))
    assert image.nonzero().tolist() == [[1, 1, 0, 0], [3, 1, 223, 223]]
    corners = np.array([[255, 30, 1]], np.uint8)  # moved by 1, it would lie outside of 256 x 256
    assert not frames(Sample(corners, corners[:0], 252, 254)).any()


def test_a_polarity_may_be_empty(tmp_path):
    one = np.array([[20, 20, 1]], np.uint8)
    write_sample(tmp_path / "a.npz", Sample(one, one[:0], 254, 254))
    assert len(read_sample(tmp_path / "a.npz", 254, 254)) == 1


def test_grey_and_palette_images_have_events_too():
    image = picture(80, 80)
    grey = encode(image.convert("L"))
    np.testing.assert_array_equal(grey.pos, encode(image.convert("L").convert("RGB")).pos)
    assert len(encode(image.convert("P"))) > 0
    with pytest.raises(SnnlabError, match="mode I;16; 8 bits a colour were expected"):
        encode(Image.fromarray(np.zeros((9, 9), np.uint16)))
    with pytest.raises(SnnlabError, match="theta is 2"):
        encode(image, 2)


def test_the_threshold_is_used():
    assert len(encode(picture(80, 80), 0.5)) < len(encode(picture(80, 80)))


def test_sizes():
    assert resized((500, 375)) == (254, 190) and resized((375, 500)) == (190, 254)
    assert resized((600, 500)) == (254, 211)  # 211.67, rounded down
    assert resized((10, 10)) == (254, 254) and resized((5000, 1)) == (254, 1)


GOOD = np.array([[20, 20, 1], [30, 40, 8]], np.uint8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pos": GOOD.astype(np.int64)}, r"pos is int64 \(2, 3\); uint8 \(N, 3\) was expected"),
        ({"neg": GOOD[:, :2]}, r"neg is uint8 \(2, 2\); uint8 \(N, 3\)"),
        ({"neg": GOOD[0]}, r"neg is uint8 \(3,\)"),
        (
            {"pos": GOOD + np.array([0, 0, 1], np.uint8)},
            "pos has the t 9 in event 1; 1 to 8 was expected",
        ),
        ({"neg": GOOD - np.array([0, 0, 1], np.uint8)}, "neg has the t 0 in event 0"),
        (
            {"pos": GOOD + np.array([180, 0, 0], np.uint8)},
            "pos has the row 200 in event 0; 0 to 193 was expected",
        ),
        (
            {"neg": GOOD + np.array([0, 200, 0], np.uint8)},
            "neg has the column 220 in event 0; 0 to 203 was expected",
        ),
        ({"pos": GOOD[:0], "neg": GOOD[:0]}, "holds no event; at least one was expected"),
        (
            {"pos": np.array([{}])},
            "cannot be read .*a whole npz file with pos and neg was expected",
        ),
    ],
)
def test_samples_that_are_refused(tmp_path, change, words):
    arrays = {"pos": GOOD, "neg": GOOD} | change
    np.savez(tmp_path / "a.npz", **arrays)
    sides = (190, 254) if "row" in words else (254, 200)
    refused(lambda: read_sample(tmp_path / "a.npz", *sides), str(tmp_path / "a.npz") + ".*" + words)
    if arrays["pos"].dtype != object:
        refused(
            lambda: write_sample(
                tmp_path / "b.npz", Sample(**arrays, rows=sides[0], columns=sides[1])
            ),
            words,
        )
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("sides", [(0, 254), (254, 255), (100, 100)])
def test_sizes_that_are_refused(tmp_path, sides):
    np.savez(tmp_path / "a.npz", pos=GOOD, neg=GOOD)
    refused(
        lambda: read_sample(tmp_path / "a.npz", *sides),
        f"{sides[0]} rows and {sides[1]} columns; 254 of the one",
    )


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_npz(tmp_path):
    file = tmp_path / "a.npz"
    refused(
        lambda: read_sample(file, 254, 254),
        "cannot be read .No such file.*; a whole npz file with pos and neg was expected",
    )
    write_sample(file, encode(picture(80, 80)))
    whole = file.read_bytes()
    for part in (
        b"",
        whole[:50],
        whole[: len(whole) // 2],
        whole[:-1],
        b"X" + whole[1:],
        b"words" * 99,
    ):
        file.write_bytes(part)
        refused(lambda: read_sample(file, 254, 254), "a.npz cannot be read .*a whole npz file")
    file.write_bytes(whole[:300] + bytes(99) + whole[399:])  # the checksum is wrong
    refused(lambda: read_sample(file, 254, 254), "a.npz cannot be read .*a whole npz file")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("words.txt", "hello")
    file.write_bytes(buffer.getvalue())
    refused(
        lambda: read_sample(file, 254, 254),
        "has no array pos; pos and neg was expected, words.txt found",
    )
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50, 3)}
    )
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("pos.npy", "neg.npy"):
            archive.writestr(name, header.getvalue() + bytes(99))  # more than any memory holds
    refused(lambda: read_sample(file, 254, 254), "a.npz cannot be read .*a whole npz file")
    with file.open("wb") as handle:
        np.save(handle, GOOD)  # an array, not an archive
    refused(lambda: read_sample(file, 254, 254), "a.npz has no array pos")


def test_the_event_frame_variant(tmp_path):
    rng = np.random.default_rng(0)
    array = (rng.random((2, 8, 224, 224)) < 0.05).astype(np.int8)
    np.savez_compressed(tmp_path / "a.npz", array)
    image = read_frames(tmp_path / "a.npz")
    assert image.shape == (8, 2, 224, 224) and image.dtype == torch.uint8 and image.is_contiguous()
    np.testing.assert_array_equal(image.transpose(0, 1), array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.ones((8, 2, 224, 224), np.int8),
            r"arr_0 is int8 \(8, 2, 224, 224\); int8 \(2, 8, 224, 224\) was expected",
        ),
        (np.ones((2, 8, 224, 224), np.float32), "arr_0 is float32"),
        (np.full((2, 8, 224, 224), -1, np.int8), "values from -1 to -1"),
        (np.full((2, 8, 224, 224), 2, np.int8), "values from 2 to 2"),
        (
            np.zeros((2, 8, 224, 224), np.int8),
            "values from 0 to 0; 0 and, where there is an event, 1",
        ),
    ],
)
def test_event_frames_that_are_refused(tmp_path, array, words):
    np.savez_compressed(tmp_path / "a.npz", array)
    refused(lambda: read_frames(tmp_path / "a.npz"), words)


def test_a_label_list_comes_back(tmp_path):
    labels = [Label("class0/a.npz", 0, 254, 190), Label("b.npz", 12, 100, 254)]
    touch(tmp_path, "train/class0/a.npz", "train/b.npz")
    write_labels(tmp_path / "trainlabel.txt", labels)
    assert (tmp_path / "trainlabel.txt").read_text() == "class0/a.npz 0 254 190\nb.npz 12 100 254\n"
    assert read_labels(tmp_path, "train") == labels
    (tmp_path / "train/b.npz").rename(tmp_path / "b.npz")  # beside the list is not where it belongs
    refused(
        lambda: read_labels(tmp_path, "train"),
        "trainlabel.txt, sample 2: there is no file b.npz in .*train; a list",
    )


def touch(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_the_list_of_the_event_frame_variant(tmp_path):
    touch(tmp_path, "val/a.npz", "val/class7/b,c.npz")
    (tmp_path / "vallabel.csv").write_text("a.npz,12\nclass7/b,c.npz,7\n")
    assert read_frame_labels(tmp_path, "val") == [("a.npz", 12), ("class7/b,c.npz", 7)]
    for text, words in (
        ("a.npz\n", "vallabel.csv, line 1: 'a.npz'; `path,class` was expected"),
        ("a.npz,12\na.npz,x\n", "line 2: 'a.npz,x'"),
        (",3\n", "line 1: ',3'"),
        ("\n", "is empty; one line `path,class` a sample"),
        ("b.npz,3\n", "sample 1: there is no file b.npz in .*val; a list"),
    ):
        (tmp_path / "vallabel.csv").write_text(text)
        refused(lambda: read_frame_labels(tmp_path, "val"), words)
    refused(
        lambda: read_frame_labels(tmp_path, "train"), "trainlabel.csv cannot be read .No such file"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; one line"),
        ("a.npz 1 254\n", "line 1: 'a.npz 1 254'; `path class rows columns` was expected"),
        ("a.npz -1 254 254\n", "line 1: 'a.npz -1 254 254'"),
        ("a.npz 0 254 254\na.npz one 254 254\n", "line 2: 'a.npz one 254 254'"),
        ("a.npz 99999999999999999999 254 254\n", "line 1: 'a.npz 9999"),
        ("a.npz 0 200 200\n", "line 1: the image has 200 rows and 200 columns; 254 of the one"),
        ("a.npz 0 254 0\n", "line 1: the image has 254 rows and 0 columns"),
        ("a.npz 0 256 254\n", "line 1: the image has 256 rows"),
        ("nowhere/a.npz 0 254 254\n", "sample 1: there is no file nowhere/a.npz"),
    ],
)
def test_label_lists_that_are_refused(tmp_path, text, words):
    touch(tmp_path, "val/a.npz")
    (tmp_path / "vallabel.txt").write_text(text)
    refused(lambda: read_labels(tmp_path, "val"), words)


def test_label_lists_that_cannot_be_read(tmp_path):
    refused(lambda: read_labels(tmp_path, "val"), "vallabel.txt cannot be read .No such file")
    (tmp_path / "vallabel.txt").write_bytes(b"\xff\xfe\x00")
    refused(
        lambda: read_labels(tmp_path, "val"),
        "vallabel.txt cannot be read .no UTF-8 text.; a label list was expected",
    )


def test_no_space(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    refused_words = r"a.npz: could not be written \(No space left on device\)"
    with pytest.raises(SnnlabError, match=refused_words):
        write_sample(tmp_path / "a.npz", Sample(GOOD, GOOD, 254, 254))
    assert not list(tmp_path.iterdir())
