"""In which order a set is gone through, by one process or by several that train the same network."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

RankInfo = tuple[int, int]  # number of this process, and how many there are
SINGLE: RankInfo = (0, 1)


def shuffled(n: int, batch_size: int, generator: torch.Generator | None) -> tuple[Tensor, ...]:
    """The indices of n samples, once each, in batches `(B,)`; in order if there is no generator."""
    order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
    return order.split(batch_size)


def shuffled_shards(
    shards: Tensor, window: int, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """The same of samples that lie in shards: shards are shuffled, and the samples of `window` of them at a time.

    Only so many shards are in use at once, so that each is read once and in one go.

    Args:
        shards: (n,) number of the shard of each sample.
        window: shards whose samples are mixed.
        batch_size: samples of a batch.
        generator: what decides the order, and nothing else does.
    """
    _, shard = shards.unique(return_inverse=True)
    # Of each sample
    turn = torch.randperm(int(shard.max()) + 1, generator=generator)[shard] // window
    order = torch.randperm(len(shards), generator=generator)
    return order[turn[order].argsort(stable=True)].split(batch_size)


def shard_batches(
    batches: Iterable[Tensor], part: RankInfo, *, training: bool, first: int = 0
) -> Iterator[Tensor]:
    """Of each batch the samples of one process: every `part[1]`-th; without those of its first so many batches.

    While training, a batch with fewer samples than there are processes is left out, for each has to
    take every step.
    """
    return islice(_dealt(batches, part, training), first, None)


def _dealt(batches: Iterable[Tensor], part: RankInfo, training: bool) -> Iterator[Tensor]:
    number, processes = part
    for index in batches:
        if training and len(index) < processes:
            continue
        if number < len(index):
            yield index[number::processes]
