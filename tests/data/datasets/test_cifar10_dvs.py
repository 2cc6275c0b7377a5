"""CIFAR10-DVS as its users packed it: counts kept, exactly made smaller, and every refusal."""

import shutil

import numpy as np
import pytest
import standins
import torch
from scipy.io import loadmat, savemat

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.datasets.cifar10_dvs import edges, events


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar10-dvs")
    standins.cifar10_dvs(folder)
    return folder


@pytest.fixture
def folder(source, tmp_path):
    return shutil.copytree(source, tmp_path / "cifar10-dvs")


def rewrite(path, **change):
    stored = {
        name: value for name, value in loadmat(path).items() if not name.startswith("__")
    } | change
    savemat(path, {name: value for name, value in stored.items() if value is not None})


def test_the_parts(source):
    data = events(source)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [15, 3, 6]
    for part, n in ((data.train, 5), (data.valid, 1), (data.test, 2)):
        assert (
            part.classes == ("airplane", "automobile", "bird")
            and part.labels.bincount().tolist() == [n] * 3
        )
        assert all(
            int(path.stem) % 3 == label
            for path, label in zip(part.samples, part.labels, strict=True)
        )
    assert {path.parent.name for path in (*data.train.samples, *data.valid.samples)} == {"train"}
    assert len({*data.train.samples, *data.valid.samples}) == 18
    assert {path.parent.name for path in data.test.samples} == {"test"}


def test_what_systems_leave_in_folders_is_no_sample(source, folder, litter):
    litter(folder)
    data = events(folder)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [15, 3, 6]


def test_labels_are_read_once_unless_a_file_changes(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "snnlab.data.datasets.cifar10_dvs.loadmat",
        lambda path, **more: opened.append(path) or loadmat(path, **more),
    )
    before = events(folder).train.labels
    assert len(opened) == 24
    assert torch.equal(edges(folder).train.labels, before) and len(opened) == 24
    rewrite(folder / "test/0.mat", label=np.array([[1.0]]), frame_Data=np.ones((2, 8, 128, 128)))
    assert events(folder).test.labels.tolist()[0] == 1 and len(opened) == 24 + 6


def test_the_counts_are_kept(folder):
    counts = np.random.default_rng(0).integers(0, 7, (2, 9, 128, 128))
    rewrite(folder / "test/0.mat", frame_Data=counts.astype(float), label=np.array([[0.0]]))
    x, y = events(folder, steps=7).test.batch(torch.tensor([0, 1]))
    assert x.shape == (7, 2, 2, 128, 128) and x.dtype == torch.float32 and y.tolist() == [0, 1]
    np.testing.assert_array_equal(x[:, 0], counts[:, :7].swapaxes(0, 1))


@pytest.mark.parametrize(
    ("size", "side", "border"), [(64, 2, 0), (42, 3, 1), (127, 1, 0), (1, 128, 0)]
)
def test_a_smaller_picture_has_the_sums_of_squares(source, size, side, border):
    whole, small = (
        events(source, steps=2, size=s).test.batch(torch.tensor([3]))[0][:, 0] for s in (128, size)
    )
    assert small.shape == (2, 2, size, size)
    for row, column in ((0, 0), (size - 1, 0), (size // 2, size - 1)):
        top, left = border + row * side, border + column * side
        assert torch.equal(
            small[..., row, column], whole[..., top : top + side, left : left + side].sum((2, 3))
        )


def test_edges_are_on_minus_off_averaged_over_the_same_steps(source):
    for size in (128, 42):
        x = events(source, steps=3, size=size).test.batch(torch.tensor([4]))[0]
        e, y = edges(source, steps=3, size=size).test.batch(torch.tensor([4]))
        assert e.shape == (1, 1, 1, size, size) and y.tolist() == [1] and e.min() < 0 < e.max()
        torch.testing.assert_close(
            e[0, :, 0], (x[0] + x[1] + x[2])[:, 0] / 3 - (x[0] + x[1] + x[2])[:, 1] / 3
        )


def test_the_classes_can_be_told_apart(source):
    x, y = next(events(source, size=32).train.batches(15))
    assert torch.equal(x.sum((0, 2, 4)).argmax(1) * 3 // 32, y)


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_that_are_refused(source):
    refused(lambda: events(source, steps=0), "steps = 0: expected a whole number from 1")
    for size in (0, -2, 48, 100, 129):
        refused(
            lambda size=size: edges(source, size=size),
            f"size is {size}; a number of px of which a multiple is 126 to",
        )
    refused(lambda: events(source, loaders=-1), "loaders = -1")


def test_folders_that_are_refused(folder, tmp_path):
    refused(lambda: events(tmp_path / "nowhere"), "nowhere/train holds no file .mat")
    for i in (1, 4):
        (folder / f"test/{i}.mat").unlink()
    refused(lambda: events(folder), "test has no sample of the class automobile")
    rewrite(folder / "test/0.mat", label=np.array([[3]]))
    refused(lambda: events(folder), "test has a sample of class 3; classes 0 to 2 were expected")
    shutil.rmtree(folder / "test")
    refused(lambda: events(folder), "test holds no file .mat")


def test_labels_that_count_from_5_are_named(folder):
    """One of the authors' packings has them; taken for 5 to 14, they would be wrong classes."""
    for path in folder.rglob("*.mat"):
        rewrite(path, label=loadmat(path)["label"] + 5)
    refused(
        lambda: events(folder),
        "train: the labels are 5, 6, 7; 0 to 9 were expected.*write label - 5 into the files",
    )
    for path in (folder / "train").iterdir():
        rewrite(path, label=np.array([[int(path.stem) % 3 * 2]]))
    refused(lambda: events(folder), "the labels are 0, 2, 4; 0 to 9 were expected")
    for path in (folder / "train").iterdir():
        rewrite(path, label=np.array([[int(path.stem) % 11]]))
    refused(
        lambda: events(folder),
        "the labels are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10; 0 to 9 were expected",
    )


@pytest.mark.parametrize(("change", "words"), [
    ({"label": None}, "has no label; frame_Data and label were expected"),
    ({"label": np.array([[1, 2]])}, r"label is \[\[1, 2\]\]; one whole number from 0"),
    ({"label": np.array([[-1]])}, r"label is \[\[-1\]\]; one whole number"),
    ({"label": np.array([[0.5]])}, r"label is \[\[0.5\]\]"),
    ({"label": np.array([[np.nan]])}, r"label is \[\[nan\]\]"),
    ({"label": np.array([[np.inf]])}, r"label is \[\[inf\]\]"),
    ({"label": "cat"}, "label holds no numbers"),
])  # fmt: skip
def test_labels_that_are_refused(folder, change, words):
    rewrite(folder / "train/7.mat", **change)
    refused(lambda: events(folder), f"train/7.mat:? {words}")


@pytest.mark.parametrize(("change", "words"), [
    ({"frame_Data": None}, "has no frame_Data"),
    ({"frame_Data": np.zeros((2, 7, 128, 128))}, r"frame_Data is \(2, 7, .* with T of at least 8"),
    ({"frame_Data": np.zeros((1, 8, 128, 128))}, r"frame_Data is \(1, 8, 128, 128\)"),
    ({"frame_Data": np.zeros((2, 8, 42, 42))}, r"frame_Data is \(2, 8, 42, 42\)"),
    ({"frame_Data": np.full((2, 8, 128, 128), -1)}, "frame_Data has the value -1; counts from 0"),
    ({"frame_Data": np.full((2, 8, 128, 128), np.nan)}, "frame_Data has the value nan"),
    ({"frame_Data": np.full((2, 8, 128, 128), np.inf)}, "frame_Data has the value inf"),
    ({"frame_Data": "text"}, "frame_Data holds no numbers"),
])  # fmt: skip
def test_one_bad_sample_is_named(folder, change, words):
    rewrite(folder / "test/4.mat", **change)
    refused(lambda: list(events(folder).test.batches(3)), f"test/4.mat:? {words}")


def test_damaged_files(folder):
    file = folder / "test/4.mat"
    whole = file.read_bytes()
    test = events(folder, loaders=2).test
    with persistent_workers():
        file.write_bytes(whole[: len(whole) // 2])
        refused(
            lambda: list(test.batches(2)),
            "test/4.mat (cannot be read .*a whole MAT file|has no frame_Data)",
        )
        file.write_bytes(whole[:300] + bytes(90) + whole[390:])  # inside the compressed counts
        refused(
            lambda: list(test.batches(2)),
            "test/4.mat cannot be read .*a whole MAT file of version 4 to 7",
        )
    for part in (b"", whole[:50], whole[:200], b"words" * 99, whole[:124] + bytes(4) + whole[128:]):
        file.write_bytes(part)
        refused(
            lambda: events(folder),
            "test/4.mat (cannot be read .*a whole MAT file of version 4 to 7|has no label)",
        )
