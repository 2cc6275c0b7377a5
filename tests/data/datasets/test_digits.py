"""Digits at random places: nothing leaks between the parts, every original and every place has its
turn.
"""

import subprocess
import sys

import pytest
import torch
from sklearn.datasets import load_digits

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import digits as module
from snnlab.data.datasets.digits import originals, place


def test_the_parts_are_all_originals_and_share_none():
    digits = load_digits()
    parts = originals((0.5, 0.2, 0.3))
    # 898.5, 1257.9 and 1797, rounded to even
    assert [len(images) for images, _ in parts] == [898, 360, 539]
    images, labels = torch.cat([i for i, _ in parts]), torch.cat([l for _, l in parts])
    every = torch.tensor(digits.images / 16, dtype=torch.float32)
    together = {(tuple(i.flatten().tolist()), int(l)) for i, l in zip(images, labels, strict=True)}
    expected = {
        (tuple(i.flatten().tolist()), int(l)) for i, l in zip(every, digits.target, strict=True)
    }
    # No two are equal, so none is in two parts
    assert together == expected and len(together) == 1797
    assert images.min() == 0 and images.max() == 1
    for _, part in parts:
        # Every digit, in about the same share
        assert part.bincount(minlength=10).min() > 0.06 * len(part)


def test_the_parts_are_always_the_same_and_need_not_be_everything():
    (few,), (again,) = originals((0.25,)), originals((0.25,))
    assert torch.equal(few[0], again[0]) and torch.equal(few[1], again[1]) and len(few[0]) == 449
    first = originals((0.25, 0.75))[0]
    assert torch.equal(first[0], few[0])
    assert not torch.equal(few[1], torch.tensor(load_digits().target)[:449])  # shuffled


def test_they_are_read_without_the_import_of_scikit_learn():
    code = "import sys, snnlab as sl; sl.load_dataset('digits', samples=9); print(*sys.modules)"
    shown = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "snnlab.data.datasets.digits" in shown and "sklearn" not in shown


def test_without_scikit_learn_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(SnnlabError, match=r"expected its file .*digits\.csv\.gz; install"):
        originals((0.5,))


def test_scaled_originals():
    (small, labels), *_ = originals((0.1,))
    ((large, same_labels),) = originals((0.1,), pixels=16)
    assert large.shape == (len(small), 16, 16) and torch.equal(labels, same_labels)
    assert large.min() >= 0 and large.max() <= 1
    # bilinear between centres: a pixel is 3/4 of its own cell and 1/4 of the neighbour's, each way
    a, b, c, d = (small[:, 3 + i, 4 + j] for i in (0, 1) for j in (0, 1))
    assert torch.allclose(large[:, 7, 9], (9 * a + 3 * b + 3 * c + d) / 16, atol=1e-6)


@pytest.mark.parametrize("parts", [(), (0.5, 0.0), (0.7, 0.4), (-0.1, 0.5)])
def test_shares_that_cannot_be(parts):
    with pytest.raises(SnnlabError, match="expected positive shares, together at most 1"):
        originals(parts)


def test_every_place_is_used_and_the_digit_is_whole():
    images, labels = torch.rand(3, 2, 3) + 0.5, torch.tensor([4, 5, 6])
    made = place(images, labels, 600, size=4, noise=0.0, seed=0)
    assert made.x.shape == (1, 600, 1, 4, 4) and made.labels.shape == (600,)
    found = set()
    for picture, label in zip(made.x[0, :, 0], made.labels, strict=True):
        rows, columns = picture.any(1).nonzero().flatten(), picture.any(0).nonzero().flatten()
        top, left = rows[0].item(), columns[0].item()
        expected = torch.zeros(4, 4)
        expected[top : top + 2, left : left + 3] = images[label - 4]
        assert torch.equal(picture, expected)
        found.add((top, left))
    assert found == {(top, left) for top in (0, 1, 2) for left in (0, 1)}


def test_every_original_is_used_equally_often():
    images, labels = torch.eye(7)[:, None] + 0.1, torch.arange(7)
    for n in (3, 7, 14, 17):
        counts = place(images, labels, n, size=7, noise=0.0, seed=1).labels.bincount(minlength=7)
        assert counts.sum() == n and counts.max() - counts.min() <= 1


def test_the_noise_has_the_standard_deviation_that_was_asked_for():
    images = torch.rand(5, 4, 4)
    quiet, noisy = (
        place(images, torch.arange(5), 400, size=9, noise=noise, seed=3) for noise in (0.0, 0.25)
    )
    rest = noisy.x - quiet.x  # the same places: the noise is drawn after them
    assert torch.equal(quiet.labels, noisy.labels)
    assert rest.std().item() == pytest.approx(0.25, rel=0.03) and abs(rest.mean()) < 0.006
    # Also where there is no digit
    assert rest[..., 0, 0].std().item() == pytest.approx(0.25, rel=0.15)


def test_the_seed_decides():
    images, labels = torch.rand(5, 4, 4), torch.arange(5)
    first, second, third = (
        place(images, labels, 9, size=6, noise=0.1, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.x, second.x) and torch.equal(first.labels, second.labels)
    assert not torch.equal(first.x, third.x)


def test_a_digit_has_to_fit():
    with pytest.raises(SnnlabError, match="size = 7: expected at least the 8 pixels of a digit"):
        place(torch.zeros(2, 4, 8), torch.arange(2), 5, size=7, noise=0.0, seed=0)
    assert place(torch.zeros(2, 8, 4), torch.arange(2), 5, size=8, noise=0.0, seed=0).x.shape == (
        1,
        5,
        1,
        8,
        8,
    )


@pytest.mark.parametrize("samples", [-1, 0, 5, 2.5])
def test_a_set_has_a_sample_in_each_part(samples):
    assert len(module.load(samples=6).valid) == 1
    with pytest.raises(SnnlabError, match="^samples = .*: expected a whole number from 6"):
        module.load(samples=samples)
