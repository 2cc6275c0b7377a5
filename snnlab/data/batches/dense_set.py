"""Samples of one size in one tensor, and the three parts of a task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from snnlab.data.batches.base import BatchedDataset
from snnlab.data.batches.file_dataset import FileDataset


@dataclass(frozen=True)
class DenseSet(BatchedDataset):
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C,
            H, W)`.
        labels: `(n,)`, whole numbers from 0.
    """

    x: Tensor
    labels: Tensor

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Samples `index` (B,), `(T, B, ...)` float32, and their labels `(B,)`."""
        return self.x[:, index].float(), self.labels[index]


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
