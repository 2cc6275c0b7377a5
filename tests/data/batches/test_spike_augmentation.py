"""Random changes of recordings in training, against counts by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.spike_augmentation import SpikeAugmentation
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.io.events import Events


@pytest.fixture(scope="module")
def words():
    """Six recordings with a spike in channel 350, one in each of 20 steps."""
    n, spikes = 6, 20
    return bin_events(
        Events(
            times=np.tile(np.arange(spikes, dtype=np.float32) * 0.0201, n),
            units=np.full(n * spikes, 350, dtype=np.uint16),
            offsets=np.arange(n + 1) * spikes,
            labels=np.arange(n),
            speakers=np.zeros(n, dtype=np.int64),
            keys=tuple("abcdef"),
        ),
        dt_ms=20.0,
        n_in=70,
    )


def first_batch(part, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return next(part.batches(6, generator=generator, **options))


def augmented(words, seed=0, **changes):
    x, labels = first_batch(replace(words, augmentation=SpikeAugmentation(**changes)), seed)
    return x[:, labels.argsort()]


def test_nothing_changes_without_a_change_and_in_evaluation(words):
    plain, _ = words.batch(torch.arange(6))
    assert torch.equal(augmented(words), plain)
    strong = replace(words, augmentation=SpikeAugmentation(channels=9, stretch=0.5, drop=0.9))
    assert torch.equal(next(strong.batches(6))[0], plain)
    assert torch.equal(strong.batch(torch.arange(6))[0], plain)


def test_channels_move_together_and_not_too_far(words):
    x = augmented(words, channels=3)
    places = [x[:, i].nonzero()[:, 1].unique().tolist() for i in range(6)]
    assert all(len(place) == 1 and abs(place[0] - 35) <= 3 for place in places)
    assert len({place[0] for place in places}) > 1  # a value for each recording
    left = torch.cat([augmented(words, seed, channels=60).sum((0, 2)) for seed in range(3)])
    assert set(left.tolist()) == {0.0, 20.0}  # beyond the edge all spikes are lost


def test_a_stretched_recording_keeps_its_spikes(words):
    x = augmented(words, stretch=0.5)
    assert (x.sum((0, 2)) == 20).all() and (x[:, :, 35].sum(0) == 20).all()
    last = [int(x[:, i].nonzero()[:, 0].max()) for i in range(6)]
    assert len(set(last)) > 1 and all(9 <= step <= 28 for step in last)  # 19 times 0.5 to 1.5


def test_a_late_start_is_silence_before_the_first_spike(words):
    x = augmented(words, steps=4)
    starts = [int(x[:, i].nonzero()[0, 0]) for i in range(6)]
    assert len(set(starts)) > 1 and max(starts) <= 4 and (x.sum((0, 2)) == 20).all()


def test_cells_are_dropped_and_added(words):
    dropped = augmented(words, drop=0.5).sum((0, 2))
    assert (dropped <= 20).all() and 60 <= dropped.sum() < 120
    added = augmented(words, noise=1.0)
    assert (added.sum((0, 2)) >= 20).all() and 120 < added.sum() <= 240
    assert len(added) == 20  # none after the last spike


def test_an_epoch_can_be_resumed_and_the_next_one_differs(words):
    part = replace(words, augmentation=SpikeAugmentation(channels=9, stretch=0.5))

    def batches(seed, skip):
        generator = torch.Generator().manual_seed(seed)
        return [x for x, _ in part.batches(2, generator=generator, skip_batches=skip)]

    complete, rest, other = batches(0, 0), batches(0, 1), batches(1, 0)
    assert len(rest) == 2 and all(map(torch.equal, complete[1:], rest))
    assert not any(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(complete, other, strict=True)
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("channels", 1.5), ("channels", 2.0), ("channels", float("inf")), ("steps", -1)],
        *[("steps", True), ("stretch", 1.0), ("stretch", float("nan")), ("drop", 1)],
        *[("noise", 1.5), ("noise", "much")],
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(SnnlabError, match=f"{field} = {value!r}: expected a"):
        SpikeAugmentation(**{field: value})


def test_a_recording_without_a_spike_stays_empty(words):
    empty = replace(
        words,
        cells=words.cells[:0],
        counts=words.counts[:0],
        offsets=torch.zeros_like(words.offsets),
        augmentation=SpikeAugmentation(channels=3, stretch=0.5, steps=2, drop=0.5, noise=1.0),
    )
    x, labels = first_batch(empty)
    assert x.shape == (1, 6, 70) and not x.any() and sorted(labels.tolist()) == [0, 1, 2, 3, 4, 5]
