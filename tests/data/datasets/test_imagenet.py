"""Pictures in ImageNet's folders: which are for what, how they are cut, and every refusal."""

import math
import os
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest
import standins
import torch
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import imagenet
from snnlab.data.datasets.imagenet import pictures, random_box, write_shards


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imagenet")
    standins.imagenet(folder)
    return folder


@pytest.fixture
def folder(source, tmp_path):
    return shutil.copytree(source, tmp_path / "imagenet")


def as_picture(x):
    """The values from 0 to 255 of a normalised picture (3, H, W)."""
    mean, std = (
        torch.tensor(c)[:, None, None] for c in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return (x * std + mean) * 255


def test_the_parts(source):
    data = pictures(source, size=32)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [15, 3, 6]
    for part, n in ((data.train, 5), (data.valid, 1), (data.test, 2)):
        assert part.classes == standins.WORDNET and part.labels.bincount().tolist() == [n] * 3
        assert all(
            Path(path).parent.name == part.classes[y]
            for path, y in zip(part.samples, part.labels, strict=True)
        )
    assert {Path(path).parts[-3] for path in (*data.train.samples, *data.valid.samples)} == {
        "train"
    }
    assert len({*data.train.samples, *data.valid.samples}) == 18
    assert {Path(path).parts[-3] for path in data.test.samples} == {"val"}
    assert list(pictures(source).valid.samples) == list(data.valid.samples)


def test_what_systems_leave_in_folders_is_no_class_and_no_picture(source, folder, litter):
    litter(folder)
    names = [
        [str(path).removeprefix(str(root)) for path in pictures(root).train.samples]
        for root in (source, folder)
    ]
    assert names[0] == names[1] and pictures(folder).train.classes == standins.WORDNET


def test_a_picture_whose_name_is_no_utf8(folder):
    some = min((folder / "train").glob("*/*"))
    try:
        some.rename(some.with_name(os.fsdecode(b"caf\xe9.JPEG")))
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    data = pictures(folder, size=32)
    assert sum(len(x[0]) for x, _ in data.train.batches(4)) == 15
    assert len(data.source["sha256"]) == 64
    write_shards(folder, folder / "shards", samples=8)
    assert len(pictures(folder / "shards", size=32).train) == 15


def test_validation_is_a_fiftieth(tmp_path):
    for name, n in (("train/a", 100), ("train/b", 30), ("val/a", 1), ("val/b", 1)):
        (tmp_path / name).mkdir(parents=True)
        for i in range(n):
            (tmp_path / name / f"{i}.JPEG").touch()  # not opened before they are needed
    data = pictures(tmp_path)
    assert data.valid.labels.bincount().tolist() == [
        2,
        1,
    ] and data.train.labels.bincount().tolist() == [98, 29]


def test_without_a_seed_it_is_the_middle(tmp_path, monkeypatch):
    """A picture of 256 x 512 px needs no resizing; the middle 224 px of both sides stay."""
    ramp = np.zeros((256, 512, 3), np.uint8)
    ramp[..., 0] = np.arange(256)[:, None]
    ramp[..., 1] = np.arange(512) // 2
    for part in ("train", "val"):
        for i in range(2):
            (tmp_path / part / "a").mkdir(parents=True, exist_ok=True)
            Image.fromarray(ramp).save(tmp_path / part / "a" / f"{i}.png")
    data = pictures(tmp_path)
    x, y = data.test.batch(torch.tensor([0, 1]))
    assert x.shape == (1, 2, 3, 224, 224) and x.dtype == torch.float32 and y.tolist() == [0, 0]
    expected = torch.from_numpy(ramp[16:240, 144:368]).permute(2, 0, 1).float()
    torch.testing.assert_close(as_picture(x[0, 1]), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(next(data.valid.batches(8))[0], x[:, :1])
    # Short side 128
    halved = as_picture(pictures(tmp_path, size=112).test.batch(torch.tensor([0]))[0][0, 0])
    inner = expected.view(3, 112, 2, 112, 2).mean((2, 4))
    assert halved.shape == (3, 112, 112) and (halved - inner).abs()[:, 2:-2, 2:-2].max() <= 1.01


def test_training_cuts_anew_in_every_epoch(source):
    train = pictures(source, size=32).train
    generator = torch.Generator().manual_seed(0)
    epochs = []
    for _ in range(2):
        batches = list(train.batches(4, generator=generator))
        order = torch.cat([y for _, y in batches])
        epochs.append((torch.cat([x for x, _ in batches], 1), order))
        assert epochs[-1][0].shape == (1, 15, 3, 32, 32)
        shown = as_picture(epochs[-1][0][0]).mean((2, 3)).argmax(1)
        # The colour of the bar, unless the crop has none of it
        assert (shown == order).float().mean() > 0.8
    assert not torch.equal(
        epochs[0][0].mean((0, 2, 3, 4)).sort()[0], epochs[1][0].mean((0, 2, 3, 4)).sort()[0]
    )
    again = next(train.batches(4, generator=torch.Generator().manual_seed(0)))[0]
    assert torch.equal(again, epochs[0][0][:, :4])


def test_what_is_cut_is_resized_without_its_surroundings_and_never_mirrored(tmp_path, monkeypatch):
    """Left of column 60 a picture is black. Of what is cut, the left side is never brighter than
    the right.
    """
    pixels = np.zeros((90, 90, 3), np.uint8)
    pixels[:, 60:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(imagenet, "random_box", lambda size, rng: (60, 10, 90, 40))
    x = imagenet._read(str(tmp_path / "a.png"), 5, size=10)
    torch.testing.assert_close(as_picture(x[0]), torch.full((3, 10, 10), 255.0), atol=1e-3, rtol=0)
    monkeypatch.undo()
    for seed in range(30):
        columns = imagenet._read(str(tmp_path / "a.png"), seed, size=16)[0, 0].mean(0)
        assert (columns.diff() >= -1e-6).all()


def test_the_boxes_are_those_of_the_rule():
    rng = Random(1)
    boxes = np.array([random_box((400, 300), rng) for _ in range(4000)])
    left, top, right, bottom = boxes.T
    width, height = right - left, bottom - top
    assert (left >= 0).all() and (top >= 0).all() and (right <= 400).all() and (bottom <= 300).all()
    area, ratio = width * height / (400 * 300), width / height
    assert 0.078 < area.min() < 0.09 and area.max() > 0.95
    assert 0.74 < ratio.min() < 0.76 and 1.32 < ratio.max() < 1.35
    small = area < 0.45  # these always fit, so nothing is drawn again
    assert (
        abs(area[small].mean() - (0.08 + 0.45) / 2) < 0.01
        and abs(np.log(ratio[small]).mean()) < 0.02
    )
    place = left / np.maximum(400 - width, 1)
    assert abs(place.mean() - 0.5) < 0.02 and place.max() > 0.99 and (left == 400 - width).any()
    assert abs((top / np.maximum(300 - height, 1)).mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("size", "box"), [((1000, 30), (480, 0, 520, 30)), ((30, 1000), (0, 480, 30, 520))]
)
def test_what_never_fits_is_the_middle(size, box, monkeypatch):
    monkeypatch.setattr(imagenet, "AREA", (1.0, 1.0))
    assert random_box(size, Random(0)) == box
    monkeypatch.setattr(imagenet, "RATIO", (math.exp(-9), math.exp(9)))
    assert random_box((1, 1), Random(0)) == (0, 0, 1, 1)


def test_grey_pictures_have_three_colours(folder):
    path = next((folder / "val" / standins.WORDNET[0]).iterdir())
    Image.open(path).convert("L").save(path)
    x = as_picture(pictures(folder, size=16).test.batch(torch.tensor([0, 1]))[0][0])
    grey = [torch.allclose(one[0], one[2], atol=1e-3) for one in x]
    assert sorted(grey) == [False, True]


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_folders_that_are_refused(folder, tmp_path):
    refused(
        lambda: pictures(tmp_path / "nowhere"),
        "nowhere/train holds no folder; one folder of images a class",
    )
    first, _, last = standins.WORDNET
    refused(lambda: pictures(folder, size=0), "size = 0: expected a whole number from 1")
    refused(lambda: pictures(folder, loaders=-1), "loaders = -1")
    (folder / "train" / "n99").mkdir()
    refused(
        lambda: pictures(folder),
        "the class n99 is in .*train but not in .*val; the same folders were expected",
    )
    (folder / "val" / "n99").mkdir()
    refused(lambda: pictures(folder), "train has no sample of the class n99")
    for part in ("train", "val"):
        (folder / part / "n99").rmdir()
    shutil.rmtree(folder / "train" / last)
    refused(lambda: pictures(folder), f"the class {last} is in .*val but not in .*train")
    shutil.copytree(folder / "val" / last, folder / "train" / last)
    for path in (folder / "val" / first).iterdir():
        path.unlink()
    (folder / "val" / first / "notes.txt").touch()
    refused(lambda: pictures(folder), f"val has no sample of the class {first}")
    shutil.rmtree(folder / "val")
    refused(lambda: pictures(folder), "val holds no folder")


@pytest.mark.parametrize("loaders", [0, 2])
def test_one_bad_picture_is_named(folder, loaders):
    path = folder / "val" / standins.WORDNET[1] / f"{standins.WORDNET[1]}_1.JPEG"
    path.write_bytes(path.read_bytes()[:400])
    test = pictures(folder, size=16, loaders=loaders).test
    refused(
        lambda: list(test.batches(2)),
        f"{path.name} cannot be read as an image .*; a whole JPEG or PNG file was",
    )
