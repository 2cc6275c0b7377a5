"""What training and evaluation need of data."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from snnlab.data.batches.samplers import SINGLE, RankInfo


class Batches(Protocol):
    """What training and evaluation need of data: its size, its labels `(n,)`, and batches `(T, B, ...)` with theirs `(B,)`."""

    @property
    def labels(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]: ...

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        part: RankInfo = SINGLE,
        skip_batches: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]: ...


class Data(Protocol):
    """A data set with its three parts."""

    @property
    def train(self) -> Batches: ...
    @property
    def valid(self) -> Batches: ...
    @property
    def test(self) -> Batches: ...
