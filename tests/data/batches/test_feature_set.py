"""Features on disk: batches, standardisation, and the protocol that training needs."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from snnlab.data.batches.feature_set import FeatureSet, read_only

SIZES = (5, 1, 7)  # of the chunks


def value(i):
    """What recording `i` holds: (T, N) = (4, 3), another number in each place of each recording."""
    return torch.arange(12.0).view(4, 3) + 100 * i


@pytest.fixture
def chunks(tmp_path):
    """Mapped from files, as they are in use."""
    firsts = np.cumsum([0, *SIZES])
    for k, (first, size) in enumerate(zip(firsts, SIZES, strict=False)):
        np.save(tmp_path / f"{k}.npy", torch.stack([value(first + i) for i in range(size)]).numpy())
    return tuple(
        read_only(np.load(tmp_path / f"{k}.npy", mmap_mode="r")) for k in range(len(SIZES))
    )


@pytest.fixture
def data(chunks):
    n = sum(SIZES)
    return FeatureSet(
        torch.arange(n) % 3,
        torch.arange(n) // 2,
        ("a", "b", "c"),
        10.0,
        chunks,
        torch.tensor([(k, i) for k, size in enumerate(SIZES) for i in range(size)]),
    )


def test_a_batch_is_time_first_and_in_the_order_asked_for(data):
    index = torch.tensor([12, 0, 5, 4, 6, 5])
    x, labels = data.batch(index)
    assert x.shape == (4, 6, 3) and x.dtype == torch.float32 and x.is_contiguous()
    for b, i in enumerate(index.tolist()):
        assert torch.equal(x[:, b], value(i))
    assert labels.tolist() == [0, 0, 2, 1, 0, 2]


def test_what_a_batch_is_used_for_does_not_reach_the_file(data):
    for whole in (data, data.subset(torch.arange(5))):  # the last lies in one chunk
        whole.batch(torch.arange(5))[0].zero_()
        assert torch.equal(whole.batch(torch.tensor([1]))[0][:, 0], value(1))


def test_one_chunk_is_cut_like_many(data, chunks):
    places = torch.tensor([(0, i) for i in range(sum(SIZES))])
    one = replace(data, chunks=(torch.cat(chunks),), places=places)
    index = torch.tensor([3, 11, 5])
    assert (
        torch.equal(one.batch(index)[0], data.batch(index)[0])
        and one.batch(index)[0].is_contiguous()
    )


def test_what_is_said_about_a_set(data):
    assert len(data) == 13 and data.n_in == 3 and data.dt_ms == 10
    assert repr(data) == "<13 recordings of 3 classes by 7 speakers, 4 steps of 10 ms, 3 features>"


def test_another_process_maps_the_files_and_is_not_sent_them(data, tmp_path):
    files = tuple(str(tmp_path / f"{k}.npy") for k in range(len(SIZES)))
    mapped = replace(data, files=files).subset(torch.tensor([10, 2])).standardised()
    sent = pickle.dumps(mapped)
    assert torch.equal(
        pickle.loads(sent).batch(torch.arange(2))[0], mapped.batch(torch.arange(2))[0]
    )
    (tmp_path / "0.npy").unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(sent)
    assert torch.equal(
        pickle.loads(pickle.dumps(data)).batch(torch.arange(2))[0], data.batch(torch.arange(2))[0]
    )


def test_a_subset_of_a_subset(data):
    part = data.subset(torch.tensor([10, 2, 7, 12])).subset(torch.tensor([3, 0]))
    x, labels = part.batch(torch.arange(2))
    assert torch.equal(x[:, 0], value(12)) and torch.equal(x[:, 1], value(10))
    assert labels.tolist() == [0, 1] and part.speakers.tolist() == [6, 5] and len(part) == 2


def test_batches_hold_every_recording_once(data):
    for generator in (None, torch.Generator().manual_seed(0)):
        seen = [
            int(x[0, b, 0]) // 100
            for x, _ in data.batches(4, generator=generator)
            for b in range(x.shape[1])
        ]
        assert sorted(seen) == list(range(13)) and (seen == list(range(13))) == (generator is None)
    parts = [[labels.tolist() for _, labels in data.batches(4, part=(i, 2))] for i in range(2)]
    assert parts == [[[0, 2], [1, 0], [2, 1], [0]], [[1, 0], [2, 1], [0, 2]]]


def test_batches_follow_the_generator(data):
    one, same, other = (
        torch.cat(
            [x[0, :, 0] for x, _ in data.batches(4, generator=torch.Generator().manual_seed(seed))]
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_standardised_by_itself_or_by_another(data):
    train = data.subset(torch.arange(1, 9))
    x = train.standardised().batch(torch.arange(8))[0]
    assert x.mean((0, 1)).abs().max() < 1e-5
    assert torch.allclose(x.std((0, 1), correction=0), torch.ones(3), atol=1e-5)
    valid = data.subset(torch.tensor([0, 9])).standardised(train.standardised().scale)
    raw = torch.stack([value(i) for i in range(1, 9)]).flatten(0, 1)
    expected = (value(9) - raw.mean(0)) / raw.std(0, correction=0)
    assert torch.allclose(valid.batch(torch.tensor([1]))[0][:, 0], expected, atol=1e-5)


def test_a_feature_that_never_changes_becomes_zero():
    chunk = torch.randn(200, 4, 3)
    chunk[..., 1] = -37.123
    places = torch.tensor([(0, i) for i in range(200)])
    labels = torch.zeros(200).long()
    data = FeatureSet(labels, labels, ("a",), 10.0, (chunk,), places)
    x = data.standardised().batch(torch.arange(200))[0]
    assert x[..., 1].abs().max() < 1e-5 and x[..., 0].std() > 0.9
