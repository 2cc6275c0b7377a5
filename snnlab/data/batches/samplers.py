"""Samplers: the order in which samples are visited, and this rank's share of each batch."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from snnlab._utils.fields import whole_number

RankInfo = tuple[int, int]  # number of this process, and how many there are
SINGLE: RankInfo = (0, 1)


def shuffled(n: int, batch_size: int, generator: torch.Generator | None) -> tuple[Tensor, ...]:
    """Split the indices 0 to n - 1 into batches `(B,)`, in random order if there is a generator.

    Raises:
        SnnlabError: `batch_size` is no whole number from 1.
    """
    batch_size = whole_number("batch_size", batch_size, 1)
    order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
    return order.split(batch_size)


def shuffled_shards(
    shards: Tensor, window: int, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Shuffle the shards, then the samples of `window` shards at a time: each is read once.

    Args:
        shards: `(n,)`, the number of the shard of each sample.
        window: how many shards are mixed at a time.
        batch_size: samples of a batch.
        generator: decides the order alone.

    Returns:
        The indices of the samples in batches `(B,)`.
    """
    _, shard = shards.unique(return_inverse=True)
    window_of_sample = torch.randperm(int(shard.max()) + 1, generator=generator)[shard] // window
    order = torch.randperm(len(shards), generator=generator)
    return order[window_of_sample[order].argsort(stable=True)].split(batch_size)


def shard_batches(
    batches: Iterable[Tensor], part: RankInfo, *, training: bool, skip_batches: int = 0
) -> Iterator[Tensor]:
    """Yield this rank's share of each batch: every `part[1]`-th sample.

    Args:
        batches: the indices `(B,)` of the samples of each batch.
        part: the rank and the number of ranks.
        training: leave out a batch with fewer samples than ranks, since every rank has to take
            every step.
        skip_batches: leave out so many of this rank's batches at the beginning.
    """
    rank, ranks = part
    shares = (
        index[rank::ranks]
        for index in batches
        if len(index) > rank and not (training and len(index) < ranks)
    )
    return islice(shares, skip_batches, None)
