"""Recordings of one length as analogue features, mapped from files and cut a batch at a time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snnlab.data.batches.base import BatchedDataset

_BLOCK = 128  # recordings that are measured at a time
_CONSTANT = 1e-3  # a standard deviation below this (in dB) is rounding


@dataclass(frozen=True, eq=False, repr=False)
class FeatureSet(BatchedDataset):
    """Recordings of T time steps and N features each.

    Every recording has all of its T steps, so that a batch has no padding.

    Attributes:
        labels: (n,) int64, index into `classes`.
        speakers: (n,) int64.
        classes: the class names.
        dt_ms: length of a step, ms.
        chunks: (n_k, T, N) float32 each, which nobody may write to.
        places: (n, 2) int64, the chunk of each recording, and its row there.
        scale: (2, N), mean and standard deviation, by which each feature is standardised; None for
            as it is.
        files: of the chunks, if each is mapped from an npy file: another process then maps it, too,
            instead of being sent it.
    """

    labels: Tensor
    speakers: Tensor
    classes: tuple[str, ...]
    dt_ms: float
    chunks: tuple[Tensor, ...]
    places: Tensor
    scale: Tensor | None = None
    files: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "chunks": ()} if self.files else dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        chunks = (
            tuple(read_only(np.load(file, mmap_mode="r")) for file in state["files"])
            or state["chunks"]
        )
        vars(self).update({**state, "chunks": chunks})

    @property
    def n_in(self) -> int:
        """Features, N."""
        return self.chunks[0].shape[2]

    def __repr__(self) -> str:
        return (
            f"<{len(self)} recordings of {len(self.classes)} classes by "
            f"{len(self.speakers.unique())} speakers, {self.chunks[0].shape[1]} steps of "
            f"{self.dt_ms:g} ms, {self.n_in} features>"
        )

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return recordings `index` (B,) as features (T, B, N) float32 and labels (B,) int64."""
        x = self._gather(self.places[index])
        if self.scale is not None:
            x.sub_(self.scale[0]).div_(self.scale[1])
        return x, self.labels[index]

    def subset(self, index: Tensor) -> FeatureSet:
        """Return the recordings `index` (m,), in that order, as a set that shares the features."""
        return replace(
            self,
            labels=self.labels[index],
            speakers=self.speakers[index],
            places=self.places[index],
        )

    def standardised(self, scale: Tensor | None = None) -> FeatureSet:
        """Return the set with every feature at mean 0 and standard deviation 1.

        Both are measured over all recordings and steps.

        Args:
            scale: (2, N), mean and standard deviation of another set, the one that is trained on;
                None to measure them here. A feature that does not vary here is not divided.
        """
        return replace(self, scale=self._measure() if scale is None else scale)

    def _measure(self) -> Tensor:
        """Return mean and standard deviation of each feature as it is stored, (2, N) float32."""
        total, squares = torch.zeros(2, self.n_in, dtype=torch.double)
        for places in self.places.split(_BLOCK):
            x = self._gather(places).flatten(0, 1).double()
            total += x.sum(0)
            squares += x.square().sum(0)
        n = len(self) * self.chunks[0].shape[1]
        mean = total / n
        deviation = (squares / n - mean**2).clamp(min=0).sqrt()
        return torch.stack([mean, torch.where(deviation < _CONSTANT, 1.0, deviation)]).float()

    def _gather(self, places: Tensor) -> Tensor:
        """Return the features at these places (B, 2), (T, B, N), as a copy."""
        # views of recordings, copied once: four times as fast as to index each chunk with the few
        # that lie in it
        return torch.stack([self.chunks[chunk][row] for chunk, row in places.tolist()], 1)


def read_only(array: np.ndarray) -> Tensor:
    """Wrap an array that is mapped from a file as a tensor; writing to it ends the process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)
