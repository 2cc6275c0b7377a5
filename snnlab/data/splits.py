"""The three parts of a data set, and what a run writes down about them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.file_dataset import FileDataset, name_of
from snnlab.data.entry import provenance
from snnlab.data.holdout import balanced
from snnlab.data.protocols import Batches

Part_co = TypeVar("Part_co", bound=Batches, covariant=True)


@dataclass(frozen=True)
class DataSplits(Generic[Part_co]):
    """A data set in three parts, ready to train on.

    Attributes:
        train, valid, test: the parts. Validation shares no speaker with training wherever possible.
        unit: the meaning of a number in a batch.
        preprocessing: how the samples became batches, by the names of the parameters.
        name: the name of the set; "recordings", "pictures" or "events" for a folder that is not
            the published set of its name.
        note: one sentence: what the data is, and where validation comes from.
        path: the folder; empty for samples that were generated.
        sha256: one checksum over the files; empty to compute it, see `source`.

    Example:
        >>> import torch
        >>> from snnlab.data.batches.dense_set import DenseSet
        >>> part = DenseSet(torch.zeros(5, 4, 3), torch.tensor([0, 1, 0, 1]))
        >>> data = DataSplits(part, part, part, unit="spikes")
        >>> data.source["batch"], data.source["samples"]["train"], data.classes
        ([5, 'B', 3], 4, ('0', '1'))
    """

    train: Part_co
    valid: Part_co
    test: Part_co
    _: KW_ONLY
    unit: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    note: str = ""
    path: str = ""
    sha256: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, the same in every part; numbers where the set names none."""
        names: tuple[str, ...] = getattr(self.train, "classes", ())
        return names or tuple(map(str, range(int(self.train.labels.max()) + 1)))

    @property
    def source(self) -> dict[str, Any]:
        """The `data` of a `result.json`.

        Without `sha256`, the checksum is computed: over the content of samples in memory, and over
        the labels and names of samples that are files. The content of files was checked by
        `snnlab data get` or `snnlab data check`, which `origin` reports. T in `batch` is a number
        only if all samples have the same length.

        Raises:
            SnnlabError: the first sample cannot be read.
        """
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        shape: list[Any] = list(self.train.batch(torch.arange(1))[0].shape)
        shape[1] = "B"
        if len(getattr(self.train, "lengths", torch.zeros(1)).unique()) > 1:
            shape[0] = "T"
        return {
            "name": self.name,
            "note": self.note,
            "path": self.path,
            "sha256": self.sha256 or _checksum(parts.values(), self.path),
            "batch": shape,
            "unit": self.unit,
            "samples": {name: len(part) for name, part in parts.items()},
            "preprocessing": dict(self.preprocessing),
            "origin": provenance(Path(self.path)) if self.path else {},
        }


def _checksum(parts: Iterable[Batches], folder: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, DenseSet):
            for tensor in (part.x, part.labels):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.contiguous().numpy().tobytes())
        elif isinstance(part, FileDataset):
            for sample, label in zip(part.samples, part.labels.tolist(), strict=True):
                name = name_of(sample).removeprefix(f"{folder}/")
                digest.update(f"{label} {name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def subsets(whole: Any, index: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the parts of a set as sets, see `each_once`."""
    return each_once(index, lambda own: whole.subset(torch.from_numpy(own)))


def each_once(parts: Mapping[str, Any], function: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what a function makes of each part; two that are one and the same stay so."""
    results = {id(part): function(part) for part in parts.values()}
    return {name: results[id(part)] for name, part in parts.items()}


def limited(parts: Mapping[str, Any], limit: int | None, seed: int) -> dict[str, Any]:
    """Draw at most `limit` recordings to train on, and a quarter of it for validation.

    Args:
        parts: the sets `train`, `valid` and `test`.
        limit: None for all.
        seed: of the choice.

    Returns:
        The same parts; test is whole, and so is validation where it is the test set.
    """
    if limit is None:
        return dict(parts)

    def some_of(part: Any, most: int) -> Any:
        return part.subset(torch.from_numpy(balanced(part.labels.numpy(), most, seed)))

    train, valid, test = (parts[name] for name in ("train", "valid", "test"))
    return {
        "train": some_of(train, limit),
        "valid": valid if valid is test else some_of(valid, max(1, limit // 4)),
        "test": test,
    }


def optional_number(name: str, number: int | None) -> int | None:
    """Return a number of samples to train on, or None for all; see `whole_number`."""
    return None if number is None else whole_number(name, number, 1)


def draw(
    name: str, number: int | None, labels: np.ndarray, seed: int, where: object, least: int = 1
) -> np.ndarray:
    """Draw samples to train on, as balanced as possible; return ascending indices.

    Args:
        name: of the parameter that gives the number.
        number: how many; None for all.
        labels: (n,), of all samples that are there to train on.
        seed: of the choice.
        where: the folder, for the error.
        least: the smallest number.

    Raises:
        SnnlabError: there are not so many samples, or the number is too small.
    """
    if number is None:
        return np.arange(len(labels))
    if not least <= number <= len(labels):
        raise SnnlabError(
            f"{name} is {number:,}; {least} to {len(labels):,} samples to train on were expected, "
            f"as {where} has so many outside validation and test. Leave {name} out for all."
        )
    return balanced(labels, number, seed)
