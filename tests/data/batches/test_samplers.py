"""Who gets which sample."""

import pytest
import torch

from snnlab.data.batches.samplers import shard_batches, shuffled


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_sample_goes_to_one_process(processes):
    parts = [
        torch.cat(list(shard_batches(shuffled(11, 4, None), (i, processes), training=False)))
        for i in range(processes)
    ]
    assert sorted(torch.cat(parts).tolist()) == list(range(11))
    assert max(map(len, parts)) - min(map(len, parts)) <= 3  # at most one a batch


def test_all_processes_take_as_many_steps_of_training():
    """Batches of 4, 4 and 1 for three processes: the last one is left out, for two would have
    nothing to do.
    """
    generator = [torch.Generator().manual_seed(3) for _ in range(3)]
    parts = [
        list(shard_batches(shuffled(9, 4, generator[i]), (i, 3), training=True)) for i in range(3)
    ]
    assert [len(part) for part in parts] == [2, 2, 2]
    seen = torch.cat([index for part in parts for index in part]).tolist()
    assert len(seen) == len(set(seen)) == 8


def test_the_order_is_that_of_the_generator():
    a, b, c = (
        torch.cat(shuffled(20, 6, torch.Generator().manual_seed(seed))).tolist()
        for seed in (0, 0, 1)
    )
    assert a == b != c and sorted(a) == list(range(20))


@pytest.mark.parametrize(
    ("part", "rest"), [((0, 1), [[2, 3], [5, 6]]), ((0, 2), [[5]]), ((1, 2), [[6]])]
)
def test_the_first_batches_are_left_out_of_those_that_the_process_has(part, rest):
    """Of two processes none takes the batch of one sample, wherever it stands."""
    batches = [torch.tensor(index) for index in ([0, 1], [4], [2, 3], [5, 6])]
    assert [
        index.tolist() for index in shard_batches(batches, part, training=True, skip_batches=2)
    ] == rest
