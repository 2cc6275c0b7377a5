"""The protocols of data for training and evaluation."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from snnlab.data.batches.samplers import SINGLE, RankInfo


class Batches(Protocol):
    """A set with labels `(n,)` that gives batches `(T, B, ...)` with labels `(B,)`."""

    @property
    def labels(self) -> Tensor:
        """The class of each sample, `(n,)`."""

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, ...)`, and their labels."""

    def index_batches(
        self, batch_size: int, *, generator: torch.Generator | None = None
    ) -> Sequence[Tensor]:
        """Return the indices of the samples of each batch of `batches`."""

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        part: RankInfo = SINGLE,
        skip_batches: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every sample once, see `snnlab.data.batches.base.BatchedDataset`."""


class Data(Protocol):
    """A data set with its three parts."""

    @property
    def train(self) -> Batches:
        """The part that is trained on."""

    @property
    def valid(self) -> Batches:
        """The part that is chosen by."""

    @property
    def test(self) -> Batches:
        """The part that is tested on."""
