"""Samples that are moved in training: by how much, and that nothing else changes."""

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.shifted_set import ShiftedSet

SIDE = 9


def points(n=40, shift=2):
    """Frames with a single event at (4, 4) in both steps, in the channel of the label."""
    x = torch.zeros(2, n, 2, SIDE, SIDE, dtype=torch.uint8)
    labels = torch.arange(n) % 2
    x[:, torch.arange(n), labels, 4, 4] = 3
    return ShiftedSet(x, labels, shift=shift)


def places(x):
    """Row and column of the event of each sample, `(B, 2)`; the same in every step."""
    assert torch.equal(x[0], x[1]) and (x[0].sum((1, 2, 3)) == 3).all()
    return x[0].amax(1).nonzero()[:, 1:]


def test_training_moves_each_sample_within_the_limit_and_evaluation_none():
    data = points()
    for x, _ in data.batches(8):
        assert (places(x) == 4).all()
    generator = torch.Generator().manual_seed(0)
    epochs = []
    for _ in range(2):
        batches = list(data.batches(8, generator=generator))
        for x, labels in batches:
            assert x.dtype == torch.float32 and torch.equal(x[0].amax((2, 3)).argmax(1), labels)
        epochs.append(torch.cat([places(x) for x, _ in batches]))
        assert set(epochs[-1].flatten().tolist()) == {2, 3, 4, 5, 6}
    assert not torch.equal(*epochs)


def test_what_leaves_the_frame_does_not_come_back_on_the_other_side():
    data = ShiftedSet(torch.ones(1, 30, 1, 3, 3), torch.zeros(30, dtype=torch.long), shift=1)
    ((x, _),) = data.batches(30, generator=torch.Generator().manual_seed(0))
    assert set(x.sum((0, 2, 3, 4)).tolist()) == {4, 6, 9}  # moved along two axes, one and none


def test_a_training_that_resumes_in_the_middle_of_an_epoch_sees_the_same():
    def batches(**options):
        return list(points().batches(8, generator=torch.Generator().manual_seed(3), **options))

    all_of_them = batches()
    for (x, y), (again, labels) in zip(all_of_them[2:], batches(skip_batches=2), strict=True):
        assert torch.equal(x, again) and torch.equal(y, labels)


def test_a_shift_of_0_is_a_dense_set_and_a_negative_one_is_refused():
    ((x, _),) = points(8, shift=0).batches(8, generator=torch.Generator().manual_seed(0))
    assert (places(x) == 4).all()
    with pytest.raises(SnnlabError, match="shift = -1: expected a whole number from 0"):
        points(shift=-1)


@pytest.mark.parametrize(
    ("shape", "n", "words"),
    [
        ((1, 4, 1, 3, 3), 3, r"labels \(3,\); expected \(T, n, ...\)"),
        ((6, 4, 70), 4, r"expected \(T, n, C, H, W\)"),
        ((4, 1, 3, 3), 1, r"expected \(T, n, C, H, W\)"),
    ],
)
def test_other_samples_and_labels_are_refused(shape, n, words):
    with pytest.raises(SnnlabError, match=words):
        ShiftedSet(torch.zeros(shape), torch.zeros(n, dtype=torch.long))
