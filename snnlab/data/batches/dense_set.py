"""Samples of equal size in one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnlab._utils.arrays import check_dt
from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.fields import known
from snnlab.data.batches.base import BatchedDataset, by_speakers, joined_speakers
from snnlab.data.io.folders import check_names
from snnlab.data.io.npz import read_arrays, write_arrays
from snnlab.data.paths import data_path

PARTS = ("all", "train", "valid", "test")


@dataclass(frozen=True)
class DenseSet(BatchedDataset):
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C,
            H, W)`. Real numbers; no gradient flows back to them.
        labels: `(n,)`, whole numbers from 0 of any type; kept as int64.
        classes: the class names, if they have any.
        speakers: `(n,)`, whole numbers of any type: who or what each sample is from, if that is
            known; kept as int64.
        dt_ms: length of a time step, ms; None where that is not known.

    Raises:
        SnnlabError: they are no tensors of such numbers, there is not one label or speaker for each
            sample, or `dt_ms` is not above 0.

    Example:
        >>> import torch
        >>> data = DenseSet(torch.rand(20, 6, 70), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> [x.shape[1] for x, y in data.batches(4)]
        [4, 2]
    """

    x: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()
    speakers: Tensor | None = None
    dt_ms: float | None = None

    def __post_init__(self) -> None:
        """Check that samples, labels and speakers belong together, and the type of each."""
        for name in ("x", "labels", "speakers"):
            value = getattr(self, name)
            if not (isinstance(value, Tensor) or (name == "speakers" and value is None)):
                raise SnnlabError(
                    f"DenseSet: {name} is of the type {type(value).__name__}; expected a tensor of "
                    "numbers. Number texts from 0, and give torch.as_tensor(...)."
                )
            if value is not None and value.layout != torch.strided:
                raise SnnlabError(
                    f"DenseSet: {name} has the layout {value.layout}; expected a dense tensor; "
                    f"give {name}.to_dense()."
                )
        x, labels = tuple(self.x.shape), tuple(self.labels.shape)
        if len(x) < 3 or labels != x[1:2]:
            first = len(x) > 2 and labels == x[:1]
            cure = "give x.transpose(0, 1)" if first else "make them agree in n"
            raise SnnlabError(
                f"DenseSet: x has the shape {x} and labels {labels}; expected (T, n, ...), time "
                f"first, and (n,); {cure}."
            )
        if self.speakers is not None and self.speakers.shape != self.labels.shape:
            raise SnnlabError(
                f"DenseSet: speakers has the shape {tuple(self.speakers.shape)}; expected "
                f"{labels}, one for each sample; leave it out where they are not known."
            )
        if self.x.is_complex():
            raise SnnlabError(
                f"DenseSet: x is of the type {self.x.dtype}; expected real numbers; give x.abs()."
            )
        for name, expected in (
            ("labels", "from 0, a class each; give labels.long()"),
            ("speakers", "one for each speaker; give speakers.unique(return_inverse=True)[1]"),
        ):
            numbers = getattr(self, name)
            if numbers is None:
                continue
            kind = numbers.dtype
            if kind.is_floating_point or kind.is_complex or kind == torch.bool:
                raise SnnlabError(
                    f"DenseSet: {name} are of the type {kind}; expected whole numbers {expected}."
                )
            object.__setattr__(self, name, numbers.long())
        if self.x.requires_grad:
            object.__setattr__(self, "x", self.x.detach())
        classes = () if self.classes is None else self.classes
        object.__setattr__(self, "classes", tuple(map(str, classes)))
        if self.dt_ms is not None:
            object.__setattr__(self, "dt_ms", check_dt(self.dt_ms))

    def __repr__(self) -> str:
        steps, n, *shape = self.x.shape
        size = " x ".join(map(str, shape))
        length = f" of {self.dt_ms:g} ms" if self.dt_ms else ""
        return f"<{n} samples{by_speakers(self.speakers)}, {steps} steps{length}, {size} inputs>"

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, ...)` float32, and their labels `(B,)`."""
        return self.x[:, index].float(), self.labels[index]

    def subset(self, index: Tensor) -> DenseSet:
        """Return the samples `index` (m,), in that order, as a set of their own."""
        speakers = None if self.speakers is None else self.speakers[index]
        return replace(self, x=self.x[:, index], labels=self.labels[index], speakers=speakers)

    @staticmethod
    def joined(parts: Sequence[DenseSet]) -> DenseSet:
        """Return the samples of sets of one size, one set after the other, as one set.

        Raises:
            SnnlabError: their sizes differ.
        """
        shapes = {(len(part.x), *part.x.shape[2:]) for part in parts}
        if len(shapes) > 1:
            raise SnnlabError(
                f"samples have the shapes {' and '.join(map(str, sorted(shapes)))}; one number of "
                "steps and one of inputs were expected. Make the files of a set agree."
            )
        return replace(
            parts[0],
            x=torch.cat([part.x for part in parts], 1),
            labels=torch.cat([part.labels for part in parts]),
            speakers=joined_speakers([part.speakers for part in parts]),
        )

    def save(self, data: str | Path, part: str = "all") -> Path:
        """Write the samples to a file that `load_dataset` and the notebooks read.

        Args:
            data: the name of the set, below the data folder, or the path of a folder.
            part: "train", "valid" or "test" of a set that is divided already; "all" to have it
                divided where it is read: by speakers if they are known, else at random.

        Returns:
            The file.

        Raises:
            SnnlabError: there is no such part, labels or class names do not fit, or the file cannot
                be written.

        Example:
            >>> import tempfile, torch, snnlab as sl
            >>> spikes, labels = (torch.rand(20, 60, 8) < 0.1).byte(), torch.arange(60) % 3
            >>> folder = tempfile.mkdtemp()
            >>> sl.DenseSet(spikes, labels, dt_ms=5.0).save(folder).name
            'all.npz'
            >>> data = sl.load_dataset(folder)
            >>> len(data.train), len(data.valid), len(data.test)
            (42, 6, 12)
        """
        path = data_path(data) / f"{known(part, PARTS, 'part')}.npz"
        _check(self, path)
        x = self.x.float() if self.x.dtype == torch.bfloat16 else self.x  # which NumPy lacks
        arrays = {"x": x.cpu().numpy(), "labels": self.labels.cpu().numpy()}
        if self.speakers is not None:
            arrays["speakers"] = self.speakers.cpu().numpy()
        if self.classes:
            arrays["classes"] = np.array(self.classes)
        if self.dt_ms is not None:
            arrays["dt_ms"] = np.array(self.dt_ms)
        write_arrays(path, **arrays)
        return path

    @staticmethod
    def read(path: str | Path) -> DenseSet:
        """Read a file that `save` wrote, or `numpy.savez` with x, labels and what else it has.

        Raises:
            SnnlabError: the file is missing or damaged, or the arrays do not fit.
        """
        x, labels, speakers, classes, dt_ms = read_arrays(
            path, ("x", "labels"), ("speakers", "classes", "dt_ms")
        )
        if x.dtype.kind not in "buif" or labels.dtype.kind not in "ui":
            raise SnnlabError(
                f"{path}: x is of type {x.dtype}, labels of {labels.dtype}; numbers, and whole "
                "numbers, were expected."
            )
        if speakers is not None and speakers.dtype.kind not in "ui":
            raise SnnlabError(
                f"{path}: speakers are of type {speakers.dtype}; whole numbers were expected. "
                "Number them by numpy.unique(speakers, return_inverse=True)[1]."
            )
        if dt_ms is not None:
            dt_ms = dt_ms.item() if dt_ms.size == 1 else dt_ms.tolist()
        with errors_at(path):
            data = DenseSet(
                torch.from_numpy(x),
                torch.from_numpy(labels.astype(np.int64)),
                () if classes is None else tuple(map(str, np.atleast_1d(classes))),
                None if speakers is None else torch.from_numpy(speakers.astype(np.int64)),
                dt_ms,
            )
        _check(data, path)
        return data


def _check(data: DenseSet, path: str | Path) -> None:
    """Refuse samples that no network can learn from, and names that do not fit."""
    check_names(data.classes, path)
    if not len(data):
        raise SnnlabError(f"{path}: there is no sample; at least one was expected.")
    most = len(data.classes) - 1 if data.classes else int(data.labels.max())
    if data.labels.min() < 0 or data.labels.max() > most:
        raise SnnlabError(
            f"{path}: labels are {data.labels.min()} to {data.labels.max()}; whole numbers from 0 "
            f"to {most}, one for each class, were expected."
        )
    if data.x.is_floating_point() and not bool(data.x.isfinite().all()):
        raise SnnlabError(f"{path}: x has numbers that are not finite; take these samples out.")
