"""Samples of one size in one tensor, and the three parts of a task."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.batches.samplers import SINGLE, RankInfo, shard_batches, shuffled


@dataclass(frozen=True)
class DenseSet:
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C,
            H, W)`.
        labels: `(n,)`, whole numbers from 0.
    """

    x: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Samples `index` (B,), `(T, B, ...)` float32, and their labels `(B,)`."""
        return self.x[:, index].float(), self.labels[index]

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        part: RankInfo = SINGLE,
        first: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`batch` for every sample once; shuffled if there is a generator; of each batch a part (see `shard_batches`).

        Without the first so many, which are as if they had been taken.
        """
        indices = shuffled(len(self), batch_size, generator)
        return map(
            self.batch, shard_batches(indices, part, training=generator is not None, first=first)
        )


@dataclass(frozen=True)
class DataSplits:
    """A task with its three parts, the `Data` of `snnlab.training.trainer`.

    Attributes:
        train, valid, test: the parts.
        unit: what a number of a batch is, in words.
        preprocessing: what was done to the samples, by the names of the parameters.
    """

    train: DenseSet | FileDataset
    valid: DenseSet | FileDataset
    test: DenseSet | FileDataset
    unit: str = field(default="", kw_only=True)
    preprocessing: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
