"""Samples that are files, read when they are needed, by processes of their own if wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.data.batches.base import BatchedDataset
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.prefetch import prefetch
from snnlab.data.batches.samplers import shuffled_shards
from snnlab.data.holdout import hold_out_recordings
from snnlab.data.io.folders import read_names

Reader = Callable[[Any, int | None], Tensor]
Named = TypeVar("Named", DenseSet, "FileDataset")
# 16 shards of 110 MB fit the page cache, and a batch is mixed well out of their 16,000 pictures
WINDOW = 16
CLASSES = "classes.txt"
_Job = tuple[Reader, list[Any], list[int | None]]  # samples of a batch and the seed of each


@dataclass(frozen=True)
class FileDataset(BatchedDataset):
    """Samples that are files.

    A batch does not depend on the number of processes. With a generator, that is in training, each
    sample gets a seed for its augmentation, drawn from the generator after the order; without one
    there is none.

    Args:
        samples: n of what `read` takes: a path, or whatever says where a sample is.
        labels: `(n,)`, whole numbers from 0.
        classes: the name of each class, in the order of their numbers.
        read: gives a sample `(T, C, H, W)`, of any type, from one of `samples` and a seed, which is
            None where nothing is to be augmented. It goes to other processes, so it is a function
            of a module, or a `partial` of one.
        loaders: processes that read; 0 reads in this one. They end with each call of `batches`,
            except within `persistent_workers`.
        shards: `(n,)`, the number of the large file in which each sample lies; None if each has a
            file of its own.
        window: how many of these are mixed at a time in training, see `shuffled_shards`. More
            shards mix better and need more memory.

    Raises:
        SnnlabError: `loaders` is no whole number from 0, or `window` none from 1.
    """

    samples: Sequence[Any]
    labels: Tensor
    classes: tuple[str, ...]
    read: Reader
    loaders: int = 0
    shards: Tensor | None = None
    window: int = WINDOW

    def __post_init__(self) -> None:
        whole_number("loaders", self.loaders, 0)
        whole_number("window", self.window, 1)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, C, H, W)` float32, not augmented, and labels.

        Raises:
            SnnlabError: a file cannot be read, or two samples differ in size.
        """
        return _read_batch(self._job(index, None)), self.labels[index]

    def index_batches(
        self, batch_size: int, *, generator: torch.Generator | None = None
    ) -> Sequence[Tensor]:
        """Return the index of every sample once; a generator mixes `window` shards at a time."""
        if generator is None or self.shards is None:
            return super().index_batches(batch_size, generator=generator)
        return shuffled_shards(self.shards, self.window, batch_size, generator)

    def subset(self, index: Tensor) -> FileDataset:
        """Return the samples `index` (m,), in that order, as a set of their own."""
        shards = None if self.shards is None else self.shards[index]
        return replace(
            self,
            samples=[self.samples[i] for i in index.tolist()],
            labels=self.labels[index],
            shards=shards,
        )

    def _read_batches(
        self, indices: Iterator[Tensor], generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        seeds = (
            None
            if generator is None
            else torch.randint(2**63 - 1, (len(self),), generator=generator)
        )
        own = list(indices)
        jobs = (self._job(index, seeds) for index in own)
        return zip(
            prefetch(_read_batch, jobs, self.loaders),
            (self.labels[index] for index in own),
            strict=True,
        )

    def _job(self, index: Tensor, seeds: Tensor | None) -> _Job:
        samples = [self.samples[i] for i in index.tolist()]
        return self.read, samples, [None] * len(samples) if seeds is None else seeds[index].tolist()


def hold_out(dataset: FileDataset, share: float) -> tuple[FileDataset, FileDataset]:
    """Split a set into training and validation, always in the same way.

    Held out is this share of every class, at least one sample of it. A class with a single sample
    stays in training.

    Raises:
        SnnlabError: every class has a single sample.
    """
    held = torch.from_numpy(hold_out_recordings(dataset.labels.numpy(), share=share))
    if not held.any():
        raise SnnlabError(
            f"every class has one sample for training, such as {name_of(dataset.samples[0])}; at "
            "least two of some class were expected, for validation. Add samples."
        )
    return dataset.subset((~held).nonzero().flatten()), dataset.subset(held.nonzero().flatten())


def check_classes(part: Named, where: object) -> Named:
    """Return `part` if each class has a sample and each sample has a class.

    Raises:
        SnnlabError: one has none.
    """
    if len(part) and (highest := int(part.labels.max())) >= len(part.classes):
        raise SnnlabError(
            f"{where} has a sample of class {highest}; classes 0 to {len(part.classes) - 1} were "
            "expected, as in the rest of the data. Put together what belongs together."
        )
    counts = torch.bincount(part.labels, minlength=len(part.classes))
    for name, count in zip(part.classes, counts.tolist(), strict=True):
        if not count:
            raise SnnlabError(
                f"{where} has no sample of the class {name}; at least one of each of the "
                f"{len(part.classes)} classes was expected. Fetch what is missing, take the class "
                "away everywhere, or choose another split."
            )
    return part


def class_names(
    folder: Path, labels: Tensor | np.ndarray, where: object, prefix: str = ""
) -> tuple[str, ...]:
    """Return the names in the file classes.txt of a folder, or prefix and number without that file.

    Args:
        folder: where the file may be.
        labels: `(n,)`, of all samples; they tell how many classes there are without a file.
        where: the place of the samples, for the sentence.
        prefix: of a class without a name, before its number.

    Raises:
        SnnlabError: the file cannot be read, or there are more classes than samples without it, so
            that a number was left out.
    """
    file = folder / CLASSES
    if file.exists():
        return read_names(file)
    count = int(labels.max()) + 1
    if count > len(labels):
        raise SnnlabError(
            f"{where} has {len(labels)} samples, one of them of class {count - 1}; classes "
            "numbered 0, 1, 2 and so on, each with a sample, were expected. Number them so."
        )
    return tuple(f"{prefix}{number}" for number in range(count))


def _read_batch(job: _Job) -> Tensor:
    """Read a batch `(T, B, C, H, W)` float32."""
    read, samples, seeds = job
    arrays = [read(sample, seed) for sample, seed in zip(samples, seeds, strict=True)]
    for sample, x in zip(samples, arrays, strict=True):
        if x.shape != arrays[0].shape:
            raise SnnlabError(
                f"{name_of(sample)} gives {tuple(x.shape)}, {name_of(samples[0])} "
                f"{tuple(arrays[0].shape)}; samples of one size were expected. Convert them "
                "alike, or leave one out."
            )
    return torch.stack(arrays, 1).float()


def name_of(sample: Any) -> str:
    """Return the path of a sample as text."""
    return str(getattr(sample, "path", sample))
