"""Augmentations: by hand, by what changed where, and by what must not matter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches import augment
from snnlab.data.batches.augment import Augment, cut_mix, neuron_mask, time_mask

lengths = st.lists(st.integers(0, 12), min_size=1, max_size=6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(lengths, n_in=3, more=0):
    """(T, B, N): recording `b` holds b + 1 in each of its steps, and is followed by zeros."""
    x = torch.zeros(max(*lengths, 1, 0) + more, len(lengths), n_in)
    for b, length in enumerate(lengths):
        x[:length, b] = b + 1
    return x


@pytest.fixture
def drawn(monkeypatch):
    """Decides what is drawn: of each recording its length, its place, and whether."""

    def decide(*rows):
        monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(rows))

    return decide


def test_a_time_mask_by_hand(drawn):
    # 0.5 of 0, 1, 2, 3 is 2 steps; 0.75 of the places 0, 1, 2 is the last; the second is not done;
    # the third has no time
    drawn([0.5, 0.75, 0.2], [0.9, 0.0, 0.3], [0.9, 0.9, 0.0])
    x = time_mask(batch([4, 4, 0], n_in=1, more=1), seeded(), probability=0.3, most=3)
    assert x[..., 0].T.tolist() == [[1, 1, 0, 0, 0], [2, 2, 2, 2, 0], [0, 0, 0, 0, 0]]


def test_a_neuron_mask_by_hand(drawn):
    # 2 inputs from place 1 of 0 to 3; 4 inputs from place 0
    drawn([0.5, 0.3, 0.2], [0.99, 0.0, 0.2])
    x = neuron_mask(batch([2, 1], n_in=5), seeded(), probability=0.3, most=4)
    assert x[0].tolist() == [[1, 0, 0, 1, 1], [0, 0, 0, 0, 2]]
    assert torch.equal(x[1], torch.tensor([[1.0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]))


def test_a_mixture_by_hand(drawn):
    # 0.5 of 0 to 2 is 1 step, place 1 of 0 and 1; 0.99 is 2 steps, at place 0; 0.8 of 0 to 4 is 4
    # steps, at 0
    drawn([0.5, 0.5, 0.0], [0.99, 0.0, 0.0], [0.8, 0.0, 0.0])
    x, shares = cut_mix(
        batch([4, 2, 5], n_in=1), torch.tensor([1, 0, 2]), seeded(), probability=1.0, classes=3
    )
    assert x[..., 0].T.tolist() == [[1, 2, 1, 1, 0], [3, 3, 0, 0, 0], [1, 1, 1, 1, 3]]
    assert torch.allclose(shares, torch.tensor([[0.25, 0.75, 0], [0, 0, 1], [0, 0.8, 0.2]]))


@settings(max_examples=80, deadline=None)
@given(lengths, st.integers(0, 15), st.integers(0, 99))
def test_a_time_mask_is_one_window_inside_a_recording(lengths, most, seed):
    x = batch(lengths)
    before = x.clone()
    masked = time_mask(x, seeded(seed), probability=1.0, most=most)
    assert torch.equal(x, before)
    for b, length in enumerate(lengths):
        gone = (masked[:length, b] == 0).all(1)
        assert (gone == (masked[:length, b] == 0).any(1)).all() and gone.sum() <= min(most, length)
        assert gone.sum() < 2 or gone.int().diff().abs().sum() <= 2
        assert (
            torch.equal(masked[:length, b][~gone], before[:length, b][~gone])
            and not masked[length:, b].any()
        )


@settings(max_examples=80, deadline=None)
@given(lengths, st.integers(0, 99))
def test_the_share_of_a_label_is_the_share_of_time_that_was_replaced(lengths, seed):
    x, n = batch(lengths), len(lengths)
    before = x.clone()
    mixed, shares = cut_mix(x, torch.arange(n), seeded(seed), probability=1.0, classes=n)
    assert torch.equal(x, before) and torch.allclose(shares.sum(1), torch.ones(n))
    for b, length in enumerate(lengths):
        other = (b + 1) % n
        pasted = mixed[:, b] != before[:, b]
        assert not pasted[length:].any() and (pasted.any(1) == pasted.all(1)).all()
        assert torch.equal(mixed[:, b][pasted], before[:, other][pasted])
        assert pasted[lengths[other] :].sum() == 0  # nothing of where the other has ended
        share = pasted[:, 0].sum() / max(length, 1)
        if other != b:
            assert shares[b, other] == pytest.approx(share.item()) and shares[
                b, b
            ] == pytest.approx(1 - share.item())


def test_every_window_occurs_and_the_last_recording_is_mixed_too():
    x, y = batch([3] * 4000), torch.arange(4000) % 2
    masked = time_mask(x, seeded(), probability=1.0, most=2)
    patterns = {tuple(row) for row in (masked[..., 0] == 0).T.int().tolist()}
    assert patterns == {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1)}
    sizes = torch.bincount((masked[..., 0] == 0).sum(0)) / 4000
    assert torch.allclose(sizes, torch.full((3,), 1 / 3), atol=0.03)
    pasted = (cut_mix(x, y, seeded(), probability=1.0, classes=2)[0] != x)[..., 0].sum(0)
    assert torch.allclose(torch.bincount(pasted) / 4000, torch.full((4,), 0.25), atol=0.03)
    last = [
        cut_mix(x[:, :2], y[:2], seeded(seed), probability=1.0, classes=2)[1][1, 0]
        for seed in range(20)
    ]
    assert max(last) == 1


def test_the_probability_is_kept():
    x, y = batch([8] * 4000, n_in=8), torch.zeros(4000).long()
    for p in (0.0, 0.65, 1.0):
        # of a window of 0 to 8, eight in nine change something
        expected = pytest.approx(p * 8 / 9, abs=0.03 if p > 0 else 1e-9)
        assert (time_mask(x, seeded(), probability=p, most=8) != x).any(2).any(
            0
        ).float().mean() == expected
        assert (neuron_mask(x, seeded(), probability=p, most=8) != x).any(2).any(
            0
        ).float().mean() == expected
        assert (cut_mix(x, y, seeded(), probability=p, classes=1)[0] != x).any(2).any(
            0
        ).float().mean() == expected


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_neither_padding_nor_the_size_of_the_batch_matters(n):
    sizes = [3 + b % 9 for b in range(41)]
    everything = Augment(mask=1.0, steps=4, inputs=2, mix=1.0)
    y = torch.arange(41) % 5
    x, shares = everything(batch(sizes), y, seeded(), classes=5)
    padded, same = everything(batch(sizes, more=50), y, seeded(), classes=5)
    assert (
        torch.equal(padded[: len(x)], x)
        and not padded[len(x) :].any()
        and torch.equal(shares, same)
    )
    first = time_mask(batch(sizes), seeded(), probability=1.0, most=4)
    few = time_mask(batch(sizes[:n]), seeded(), probability=1.0, most=4)
    assert torch.equal(few, first[: len(few), :n]) and not first[len(few) :, :n].any()
    mixed, shares = cut_mix(batch(sizes), y, seeded(), probability=1.0, classes=5)
    part, of_part = cut_mix(batch(sizes[: n + 1]), y[: n + 1], seeded(), probability=1.0, classes=5)
    assert torch.equal(part[:, :n], mixed[: len(part), :n]) and torch.equal(of_part[:n], shares[:n])


def test_a_batch_of_one_stays_what_it_is():
    x = batch([5])
    mixed, shares = cut_mix(x, torch.tensor([2]), seeded(), probability=1.0, classes=4)
    assert torch.equal(mixed, x) and shares.tolist() == [[0, 0, 1, 0]]


def test_seeds_decide():
    x, y = batch([12] * 30), torch.arange(30) % 3
    one, same, other = (Augment()(x, y, seeded(seed), classes=3) for seed in (0, 0, 1))
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1])
    assert not torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])


def test_all_three_are_done():
    x, y = torch.rand(20, 64, 30, generator=seeded(3)) + 1, torch.arange(64)
    done, shares = Augment(mask=1.0, steps=6, inputs=9, mix=1.0)(x, y, seeded(), classes=64)
    empty = done == 0
    assert (
        empty.all(2).any(0).any() and empty.all(0).any(1).any() and (shares.max(1).values < 1).any()
    )
    only = Augment(mask=0.0, mix=1.0)(x, y, seeded(), classes=64)[0]
    assert (only > 0).all() and not torch.equal(only, x)
    assert (Augment(mask=1.0, mix=0.0)(x, y, seeded(), classes=64)[1].max(1).values == 1).all()


def test_the_largest_number_that_can_be_drawn_stays_inside(drawn):
    drawn([1 - 2**-24, 0.0, 0.0], [1 - 2**-24, 1 - 2**-24, 0.0])
    start, end = augment._window(torch.tensor([101, 101]), None, 1.0, seeded())
    assert start.tolist() == [0, 0] and end.tolist() == [101, 101]


@pytest.mark.parametrize(("settings", "words"), [
    ({"mask": 1.5}, "mask = 1.5: expected a probability"),
    ({"mix": -0.1}, "mix = -0.1: expected a probability"),
    ({"mask": float("nan")}, "mask = nan"),
    ({"steps": -1}, "steps = -1: expected a whole number from 0"),
    ({"inputs": 2.5}, "inputs = 2.5"),
])  # fmt: skip
def test_numbers_out_of_range(settings, words):
    with pytest.raises(SnnlabError, match=words):
        Augment(**settings)


def test_numbers_out_of_range_of_the_functions():
    x = batch([3])
    for function in (time_mask, neuron_mask):
        with pytest.raises(SnnlabError, match="probability = 2"):
            function(x, seeded(), probability=2, most=1)
        with pytest.raises(SnnlabError, match="most = -1"):
            function(x, seeded(), probability=1.0, most=-1)
    with pytest.raises(SnnlabError, match="probability = 2"):
        cut_mix(x, torch.tensor([0]), seeded(), probability=2, classes=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    x, y = batch([3 + b % 9 for b in range(40)]), torch.arange(40) % 5
    here = Augment()(x, y, seeded(), classes=5)
    there = Augment()(x.cuda(), y.cuda(), seeded(), classes=5)
    assert all(b.is_cuda and torch.allclose(a, b.cpu()) for a, b in zip(here, there, strict=True))
