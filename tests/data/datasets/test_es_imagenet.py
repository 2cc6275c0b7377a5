"""ES-ImageNet to learn from: the samples of the lists as events and as edges, in both layouts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import standins
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.es_imagenet import edges, events
from snnlab.data.encoding.es_imagenet import frames, read_labels, read_sample

CLASSES = ("class0", "class1", "class2")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("es-imagenet")
    standins.es_imagenet(folder)
    return folder


@pytest.fixture
def folder(source, tmp_path):
    return shutil.copytree(source, tmp_path / "es-imagenet")


def test_the_stand_in_is_laid_out_as_published(source):
    """The first lines of the published vallabel.txt: ILSVRC2012_val_00040551.npz 349 194 254."""
    assert (source / "vallabel.txt").read_text().splitlines()[:2] == [
        "ILSVRC2012_val_00000001.npz 0 190 254",
        "ILSVRC2012_val_00000002.npz 1 190 254",
    ]
    assert (source / "trainlabel.txt").read_text().splitlines()[
        4
    ] == "class1/class1_2.npz 1 254 190"
    assert (source / "train/class1/class1_2.npz").exists() and (
        source / "val/ILSVRC2012_val_00000001.npz"
    ).exists()


def test_events(source):
    data = events(source)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [15, 3, 6]
    assert data.train.classes == CLASSES and data.valid.labels.bincount().tolist() == [1, 1, 1]
    assert data.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    x, y = next(data.test.batches(4))
    assert (
        x.shape == (8, 4, 2, 224, 224) and x.dtype == torch.float32 and y.tolist() == [0, 1, 2, 0]
    )
    for i, label in enumerate(read_labels(source, "val")[:4]):
        sample = read_sample(source / "val" / label.path, label.rows, label.columns)
        assert torch.equal(x[:, i], frames(sample).float()) and x[:, i].sum() > 1000
    files = [Path(sample.path) for part in (data.train, data.valid) for sample in part.samples]
    assert sorted(files) == sorted((source / "train").rglob("*.npz"))
    labels = [sample.label for part in (data.train, data.valid) for sample in part.samples]
    assert [f"class{label}" for label in labels] == [file.parent.name for file in files]


def as_the_authors(x):
    """Their reconstruction of one sample (8, 2, 224, 224), line by line: (224, 224)."""
    rows, columns = [0, 2, 1, 0, 2, 1, 1, 2], [2, 1, 0, 1, 2, 0, 1, 1]
    total = np.zeros((256, 256))
    for t, (row, column) in enumerate(zip(rows, columns, strict=True)):
        total[2 - row : 226 - row, 2 - column : 226 - column] += x[t, 0] - x[t, 1]
    return total[1:225, 1:225]


def test_edges_are_the_authors_reconstruction(source):
    data, same = edges(source), events(source)
    assert [sample.path for sample in data.valid.samples] == [
        sample.path for sample in same.valid.samples
    ]
    x, y = next(data.test.batches(6))
    assert (
        x.shape == (1, 6, 1, 224, 224)
        and x.dtype == torch.float32
        and y.tolist() == [0, 1, 2, 0, 1, 2]
    )
    for i in range(6):
        expected = as_the_authors(same.test.batch(torch.tensor([i]))[0][:, 0].numpy()) / 8
        np.testing.assert_allclose(x[0, i, 0], expected, atol=1e-6)


def test_the_classes_can_be_told_apart(source):
    """By the third of the frame with most events of the bar's edges, which cross all of it."""
    x, y = next(events(source).train.batches(15, generator=torch.Generator().manual_seed(0)))
    rows = x.sum((0, 2, 4))  # (B, H)
    assert (rows.argmax(1) // 75 == y).float().mean() > 0.8


@pytest.mark.parametrize("kind", [events, edges])
def test_the_event_frame_variant_is_the_same(source, tmp_path, kind):
    for split in ("train", "val"):
        lines = []
        for label in read_labels(source, split):
            sample = read_sample(source / split / label.path, label.rows, label.columns)
            (tmp_path / split / label.path).parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(
                tmp_path / split / label.path,
                frames(sample).transpose(0, 1).numpy().astype(np.int8),
            )
            lines.append(f"{label.path},{label.label}\n")
        (tmp_path / f"{split}label.csv").write_text("".join(lines))
    ours, theirs = kind(tmp_path), kind(source)
    for part in ("train", "valid", "test"):
        (x, y), (expected, labels) = (
            next(getattr(data, part).batches(3)) for data in (ours, theirs)
        )
        assert torch.equal(x, expected) and torch.equal(y, labels)


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_names_of_classes(folder):
    (folder / "classes.txt").write_text("tench\ncat\nsphinx\n")
    assert events(folder).test.classes == ("tench", "cat", "sphinx")
    (folder / "classes.txt").write_text("tench\ncat\nsphinx\nball\n")
    refused(
        lambda: events(folder),
        "train has no sample of the class ball; at least one of each of the 4 classes",
    )
    (folder / "classes.txt").write_text("tench\ncat\n")
    refused(lambda: events(folder), "train has a sample of class 2; classes 0 to 1 were expected")
    (folder / "classes.txt").write_text("tench\ncat\ncat\n")
    refused(lambda: events(folder), "classes.txt: the names 'cat' and 'cat' of a class look alike")
    (folder / "classes.txt").write_bytes(b"\xff")
    refused(lambda: events(folder), "classes.txt cannot be read .*; a class a line")


def rewrite(file, change):
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in map(change, lines) if line))


def test_folders_that_are_refused(folder, tmp_path):
    refused(
        lambda: events(tmp_path / "nowhere"), "nowhere/trainlabel.txt cannot be read .No such file"
    )
    refused(lambda: events(folder, loaders=-1), "loaders = -1")
    rewrite(folder / "vallabel.txt", lambda line: "" if " 1 " in line else line)
    refused(lambda: edges(folder), "val has no sample of the class class1")
    rewrite(folder / "vallabel.txt", lambda line: line.replace(" 2 ", " 3 "))
    refused(lambda: events(folder), "val has a sample of class 3; classes 0 to 2 were expected")
    rewrite(folder / "trainlabel.txt", lambda line: "" if " 0 " in line else line)
    refused(lambda: events(folder), "train has no sample of the class class0")
    lines = (folder / "trainlabel.txt").read_text()
    rewrite(folder / "trainlabel.txt", lambda line: line.replace(" 2 ", " 200000000 "))
    refused(
        lambda: events(folder),
        r"train has \d+ samples, one of them of class 200000000; classes numbered 0, 1, 2",
    )
    (folder / "trainlabel.txt").write_text(lines)
    (folder / "train/class2/class2_1.npz").unlink()
    refused(
        lambda: events(folder), "trainlabel.txt, sample 2: there is no file class2/class2_1.npz in"
    )
    (folder / "vallabel.txt").unlink()
    refused(lambda: events(folder), "no file class2|vallabel.txt cannot be read")
    (folder / "trainlabel.txt").write_text("")
    refused(lambda: events(folder), "trainlabel.txt is empty")


@pytest.mark.parametrize("loaders", [0, 2])
def test_one_bad_sample_is_named(folder, loaders):
    file = folder / "val/ILSVRC2012_val_00000004.npz"
    file.write_bytes(file.read_bytes()[:-30])
    test = events(folder, loaders=loaders).test
    refused(
        lambda: list(test.batches(3)),
        "ILSVRC2012_val_00000004.npz cannot be read .*a whole npz file with pos and neg",
    )
