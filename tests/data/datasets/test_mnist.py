"""MNIST: which pictures are left out, the three parts, edges by hand, and every refusal."""

import numpy as np
import pytest
import standins
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import mnist
from snnlab.data.encoding.odg import edge_integral, odg_events
from snnlab.data.registry import find, load_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist")
    standins.mnist(folder)
    return folder


def numbered(folder, part, n):
    """Pictures that say their number in the first two pixels."""
    numbers = np.arange(n)
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = numbers // 256, numbers % 256
    for kind, array in (("images", images), ("labels", (numbers % 10).astype(np.uint8))):
        head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
        (folder / f"{part}-{kind}-idx{array.ndim}-ubyte").write_bytes(head + array.tobytes())


def numbers_of(part):
    x = (255 * part.x[0, :, 0]).round().int()
    return (256 * x[:, 0, 0] + x[:, 0, 1]).tolist()


def test_the_first_hundred_test_pictures_are_in_no_part(tmp_path):
    numbered(tmp_path, "t10k", 400)
    data = mnist.pictures(tmp_path)
    parts = [numbers_of(part) for part in (data.train, data.valid, data.test)]
    assert [len(part) for part in parts] == [240, 30, 30]
    assert sorted(number for part in parts for number in part) == list(range(100, 400))
    for part in (data.train, data.valid, data.test):
        assert part.labels.bincount().tolist() == [len(part) // 10] * 10
        assert [number % 10 for number in numbers_of(part)] == part.labels.tolist()


def test_the_first_thousand_training_pictures_are_in_no_part(tmp_path):
    numbered(tmp_path, "t10k", 300)
    numbered(tmp_path, "train", 1300)
    data = mnist.pictures(tmp_path)
    assert numbers_of(data.test) == list(range(100, 300))
    assert sorted(numbers_of(data.train) + numbers_of(data.valid)) == list(range(1000, 1300))
    assert len(data.valid) == 30 and "1,000 training" in data.note


def test_pictures_are_padded_and_scaled(folder):
    small, large = (mnist.pictures(folder, size=size).test for size in (28, 35))
    assert small.x.shape == (1, 33, 1, 28, 28) and large.x.shape == (1, 33, 1, 35, 35)
    assert torch.equal(large.x[..., 3:31, 3:31], small.x) and large.x.sum() == small.x.sum()
    assert 0.7 < small.x.max() <= 1 and small.x.min() == 0


def test_edges_are_those_of_odg(folder):
    pictures, edges = (load(folder, size=34).train for load in (mnist.pictures, mnist.edges))
    assert torch.equal(pictures.labels, edges.labels)
    inner = pictures.x[0, :5, 0, 3:31, 3:31]
    torch.testing.assert_close(edges.x[0, :5, 0, 3:31, 3:31], edge_integral(odg_events(inner)))
    assert edges.x.min() < 0 < edges.x.max() and edges.x[..., :3, :].abs().sum() == 0


def test_so_many_pictures_balanced_and_by_the_seed(folder):
    a, b, c = (mnist.pictures(folder, pictures=50, seed=seed) for seed in (0, 0, 1))
    assert a.train.labels.bincount().tolist() == [5] * 10
    assert torch.equal(a.train.x, b.train.x) and not torch.equal(a.train.x, c.train.x)
    assert torch.equal(a.test.x, c.test.x)


def test_packed_files_and_the_registry(folder, tmp_path):
    standins.mnist(tmp_path, packed=True)
    assert find(str(tmp_path))[0].name == "mnist"
    data = load_dataset(tmp_path, size=34)
    assert torch.equal(data.train.x, mnist.pictures(folder, size=34).train.x)
    assert data.name == "pictures" and data.classes == tuple("0123456789")


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_that_are_refused(folder):
    refused(lambda: mnist.pictures(folder, size=27), "size = 27: expected a whole number from 28")
    refused(lambda: mnist.edges(folder, pictures=265), "pictures is 265; 1 to 264 samples")
    refused(lambda: mnist.pictures(folder, pictures=0), "pictures = 0")
    for wrong in (
        {"size": "34"},
        {"size": 34.5},
        {"pictures": True},
        {"pictures": 20.5},
        {"seed": -1},
    ):
        name, value = next(iter(wrong.items()))
        refused(lambda wrong=wrong: mnist.pictures(folder, **wrong), f"{name} = {value!r}: ")


def test_a_size_for_which_memory_does_not_suffice(folder):
    with pytest.raises(SnnlabError, match="memory of this machine .* choose a smaller size"):
        mnist.pictures(folder, size=10**15)


def test_files_that_are_refused(tmp_path):
    refused(lambda: mnist.pictures(tmp_path), "does not hold t10k-images-idx3-ubyte")
    standins.mnist(tmp_path)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    stored = labels.read_bytes()
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 1, 0]) + stored[8 : 8 + 256])
    refused(lambda: mnist.pictures(tmp_path), r"pictures \(430, 28, 28\); \(256, 28, 28\)")
    labels.write_bytes(stored[:8] + bytes([11]) * 430)
    refused(lambda: mnist.pictures(tmp_path), "labels go up to 11")
    labels.write_bytes(stored[:8] + bytes(430))
    refused(lambda: mnist.pictures(tmp_path), "of a digit there are 0 pictures")
    labels.unlink()
    refused(lambda: mnist.pictures(tmp_path), "does not hold t10k-labels-idx1-ubyte")


@pytest.mark.real
def test_the_ten_thousand_test_pictures(real_data, real_nmnist):
    pictures, edges = (load(real_data / "mnist", size=34) for load in (mnist.pictures, mnist.edges))
    for data in (pictures, edges):
        assert [len(part) for part in (data.train, data.valid, data.test)] == [7920, 990, 990]
    assert 0.08 < pictures.train.x.mean() < 0.1  # 0.13 without the border
    images, labels = mnist.read_part(real_data / "mnist", "t10k")
    everyone = torch.cat([part.x for part in (pictures.train, pictures.valid, pictures.test)], 1)
    used = {
        image.numpy().tobytes() for image in (everyone[0, :, 0, 3:31, 3:31] * 255).round().byte()
    }
    assert len(used) == 9900 and used == {image.tobytes() for image in images[100:]}
    # the recordings with the numbers 1 to 100 are of the pictures that are left out
    recorded = {int(path.stem): int(path.parent.name) for path in real_nmnist.glob("Test/*/*.bin")}
    assert [recorded[number] for number in range(1, 101)] == labels[:100].tolist()
