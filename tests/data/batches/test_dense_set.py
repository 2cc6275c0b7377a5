"""Batches of a dense set: every sample once, with its own label."""

import re

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet


def samples(dtype=torch.float32):
    labels = torch.arange(11)
    # T = 2, one feature
    return DenseSet((labels * 10 + torch.tensor([[0], [1]])).to(dtype)[..., None], labels)


def test_in_order_without_a_generator():
    batches = list(samples().batches(4))
    assert [len(y) for _, y in batches] == [4, 4, 3] and len(samples()) == 11
    assert torch.cat([y for _, y in batches]).tolist() == list(range(11))
    assert torch.equal(torch.cat([x for x, _ in batches], 1), samples().x)


def test_shuffled_every_sample_comes_once_with_its_label():
    generator = torch.Generator().manual_seed(0)
    orders = []
    for _ in range(2):
        batches = list(samples().batches(4, generator=generator))
        for x, y in batches:
            assert x.shape == (2, len(y), 1) and torch.equal(x[1, :, 0], y * 10.0 + 1)
        orders.append(torch.cat([y for _, y in batches]).tolist())
        assert sorted(orders[-1]) == list(range(11)) != orders[-1]
    assert orders[0] != orders[1]
    again = samples().batches(4, generator=torch.Generator().manual_seed(0))
    assert torch.cat([y for _, y in again]).tolist() == orders[0]


def test_spikes_kept_as_bytes_come_out_as_numbers():
    x, _ = next(samples(torch.uint8).batches(3))
    assert x.dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "labels", "cure"),
    [
        (torch.zeros(9, 4, 3), torch.zeros(5).long(), "make them agree in n"),
        (torch.zeros(4, 9, 3), torch.zeros(4).long(), r"give x.transpose\(0, 1\)"),
        (torch.zeros(9, 4), torch.zeros(4).long(), "make them agree in n"),
        (torch.zeros(9, 4, 3), torch.zeros(4, 1).long(), "make them agree in n"),
    ],
)
def test_samples_and_labels_belong_together(x, labels, cure):
    shapes = re.escape(f"x has the shape {tuple(x.shape)} and labels {tuple(labels.shape)}")
    with pytest.raises(SnnlabError, match=f"^DenseSet: {shapes}; expected .*; {cure}.$"):
        DenseSet(x, labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", [[[0.0]]]), ("labels", ["a"]), ("labels", None), ("speakers", ["anna"])],
)
def test_what_is_no_tensor_is_refused_by_its_name(name, value):
    parts = {"x": torch.zeros(9, 1, 3), "labels": torch.zeros(1).long(), name: value}
    with pytest.raises(SnnlabError, match=f"^DenseSet: {name} is of the type .* a tensor of num"):
        DenseSet(**parts)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_whole_labels_of_any_type_are_trained_on(dtype):
    data = DenseSet(torch.zeros(9, 2, 3), torch.tensor([0, 1], dtype=dtype))
    assert data.labels.dtype == torch.int64 and data.labels.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.complex64])
def test_labels_that_are_no_whole_numbers_are_refused(dtype):
    with pytest.raises(SnnlabError, match=r"^DenseSet: labels are of .*give labels\.long\(\)\.$"):
        DenseSet(torch.zeros(9, 2, 3), torch.zeros(2, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_speakers_that_are_no_whole_numbers_are_refused(dtype, tmp_path):
    """Made whole, 0.1 and 0.2 would be one speaker, who is then in training and in test."""
    x, labels = torch.zeros(9, 2, 3), torch.arange(2)
    speakers = torch.tensor([0.1, 0.2]).to(dtype)
    with pytest.raises(SnnlabError, match=r"^DenseSet: speakers are of .*give speakers\.unique"):
        DenseSet(x, labels, speakers=speakers)
    numbered = speakers.unique(return_inverse=True)[1]
    assert DenseSet(x, labels, speakers=numbered.byte()).speakers.dtype == torch.int64
    np.savez(tmp_path / "all.npz", x=x.numpy(), labels=labels.numpy(), speakers=speakers.numpy())
    with pytest.raises(SnnlabError, match=r"all\.npz: speakers are of type .* numpy\.unique"):
        DenseSet.read(tmp_path / "all.npz")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"x": torch.zeros(9, 2, 3, dtype=torch.complex64)}, "^DenseSet: x .* real numbers"),
        ({"x": torch.zeros(9, 2, 3).to_sparse()}, r"^DenseSet: x .*sparse_coo; .* x\.to_dense\(\)"),
        ({"labels": torch.arange(2).to_sparse()}, r"^DenseSet: labels .* labels\.to_dense\(\)"),
        *(
            ({"dt_ms": dt_ms}, "^dt_ms = .*: expected a time step above 0 ms")
            for dt_ms in (0, -1, float("nan"), "10 ms", True)
        ),
    ],
)
def test_what_cannot_be_trained_on_or_saved_is_refused_when_the_set_is_made(part, words):
    with pytest.raises(SnnlabError, match=words):
        DenseSet(**({"x": torch.zeros(9, 2, 3), "labels": torch.arange(2)} | part))


@pytest.mark.parametrize(
    "x",
    [torch.rand(9, 2, 3, requires_grad=True), torch.rand(9, 2, 3).bfloat16(), torch.rand(9, 2, 3)],
)
def test_what_is_saved_is_read(x, tmp_path):
    data = DenseSet(x, torch.arange(2).byte(), ("a", "b"), dt_ms=np.float32(2))
    again = DenseSet.read(data.save(tmp_path))
    assert torch.equal(again.x, x.float()) and again.labels.tolist() == [0, 1]
    assert type(data.dt_ms) is float and again.dt_ms == 2 and again.classes == ("a", "b")
