"""What a run writes down of its data: where it came from, what was done to it, and what a batch of it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from snnlab.data.batches.dense_set import DataSplits, DenseSet
from snnlab.data.batches.file_dataset import FileDataset, name_of
from snnlab.data.entry import provenance


def record(name: str, note: str, data: DataSplits, folder: Path | None = None) -> dict[str, Any]:
    """The `data` of a `result.json`, for samples in tensors or files.

    `sha256` is over the content of samples that were made here, and over the labels and names of
    those that are files: what is in a hundred gigabytes of them was checked when they were fetched,
    which `origin` tells (`snnlab data get`, `snnlab data check`).

    Args:
        name, note: which data, and one sentence on it.
        data: its three parts.
        folder: where the files lie, for those that are files.

    Raises:
        SnnlabError: the first sample cannot be read.
    """
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    digest = hashlib.sha256()
    for part in parts.values():
        for piece in _pieces(part, folder):
            digest.update(piece)
    return {
        "name": name,
        "note": note,
        "path": "" if folder is None else str(folder),
        "sha256": digest.hexdigest(),
        **described(parts, data.unit),
        "preprocessing": dict(data.preprocessing),
        "origin": {} if folder is None else provenance(folder),
    }


def described(parts: Mapping[str, Any], unit: str) -> dict[str, Any]:
    """What a batch of these sets is: its shape, as that of the first sample, its unit, and how many samples there are.

    T is a number only where all samples are of one length.
    """
    train = parts["train"]
    shape: list[Any] = list(train.batch(torch.arange(1))[0].shape)
    shape[1] = "B"
    if len(getattr(train, "lengths", torch.zeros(1)).unique()) > 1:
        shape[0] = "T"
    return {
        "batch": shape,
        "unit": unit,
        "samples": {name: len(part) for name, part in parts.items()},
    }


def _pieces(part: DenseSet | FileDataset, folder: Path | None) -> Iterator[bytes]:
    if isinstance(part, DenseSet):
        yield from _bytes((part.x, part.labels))
        return
    above = f"{folder}/"
    for sample, label in zip(part.samples, part.labels.tolist(), strict=True):
        yield f"{label} {name_of(sample).removeprefix(above)}\n".encode("utf-8", "surrogateescape")


def _bytes(tensors: Iterable[Tensor]) -> Iterator[bytes]:
    for tensor in tensors:
        yield f"{tensor.dtype} {tuple(tensor.shape)}\n".encode()
        yield tensor.contiguous().numpy().tobytes()
