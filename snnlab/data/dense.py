"""Samples of one size in one tensor, and the three parts of a task."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DenseSet:
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C, H, W)`.
        labels: `(n,)`, whole numbers from 0.
    """

    x: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, batch_size: int, *, generator: torch.Generator | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches `(T, B, ...)` and their labels `(B,)`; shuffled if there is a generator."""
        order = torch.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator)
        for index in order.split(batch_size):
            yield self.x[:, index].float(), self.labels[index]


@dataclass(frozen=True)
class Three:
    """A task with its three parts, the `Data` of `snnlab.training`."""

    train: DenseSet
    valid: DenseSet
    test: DenseSet
