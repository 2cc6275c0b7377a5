"""MNIST: handwritten digits as pictures, and as pictures of their edges.

    train-images-idx3-ubyte    train-labels-idx1-ubyte
    t10k-images-idx3-ubyte     t10k-labels-idx1-ubyte

Each file may end in `.gz`. The two of the training pictures may be missing.

The pictures serve to pretrain on for N-MNIST, whose recordings are of MNIST's pictures. The first
1,000 training and 100 test pictures are never used: a small part of N-MNIST, with the same numbers,
is enough to test on.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.datasets.catalogue import described
from snnlab.data.encoding.odg import edge_integral, odg_events
from snnlab.data.holdout import stratified
from snnlab.data.io.idx import read_idx
from snnlab.data.splits import DataSplits, draw, optional_number

SIDE = 28  # px of a picture
RECORDED = {"train": 1000, "t10k": 100}  # pictures from the first on that are left out
SHARE = 10  # one in so many is for validation, and for test where the training pictures are missing
CLASSES = tuple("0123456789")
_TOGETHER = 1000  # pictures of which events are made at a time


@memory_errors("reading the pictures", "a smaller size or fewer pictures")
def pictures(
    folder: str | Path,
    *,
    size: int = SIDE,
    pictures: int | None = None,
    seed: int = 0,
    edges: bool = False,
) -> DataSplits[DenseSet]:
    """Load pictures `(1, n, 1, size, size)`, 0 to 1, with an empty border around them.

    `test` are the test pictures from 100 on, `valid` a tenth of the training pictures from 1,000
    on, `train` the others. Without the training files, the test pictures from 100 on are dealt out
    to train, valid and test, 8 : 1 : 1. The parts are always the same ones.

    Args:
        folder: with the idx files.
        size: side length, px, at least 28.
        pictures: how many to train on, as many of each class as possible; None for all.
        seed: of the choice of these.
        edges: load the same pictures as their edges, ON minus OFF, -1 to 1, instead. The events of
            each picture are made by ODG and averaged over their steps, see `edge_integral`.

    Raises:
        SnnlabError: a file is missing or damaged, pictures and labels differ in number, or a number
            is out of its range.
    """
    size, seed = whole_number("size", size, SIDE), whole_number("seed", seed, 0)
    folder, pictures = given_path(folder), optional_number("pictures", pictures)
    parts, origin = _parts(folder)
    images, labels = parts[0]
    chosen = draw("pictures", pictures, labels, seed, folder)
    parts[0] = images[chosen], labels[chosen]
    border = [(size - SIDE) // 2, (size - SIDE + 1) // 2] * 2
    convert = _edges if edges else _brightness
    train, valid, test = (
        DenseSet(
            F.pad(convert(torch.from_numpy(images)), border)[None, :, None],
            torch.from_numpy(labels.astype(np.int64)),
            CLASSES,
        )
        for images, labels in parts
    )
    about = described("mnist", folder)
    return DataSplits(
        train,
        valid,
        test,
        unit="ON minus OFF, mean of the steps" if edges else "brightness, 0 to 1",
        preprocessing={
            "size": size,
            "pictures": pictures,
            "seed": seed,
            "left_out": dict(RECORDED),
        },
        **about | {"note": f"{about['note']}; {origin}"},
    )


edges = partial(pictures, edges=True)


def _parts(folder: Path) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Return images (n, 28, 28) and labels (n,) of train, valid and test, and their origin."""
    images, labels = _unrecorded(folder, "t10k")
    first = f"the first {RECORDED['t10k']} test pictures are left out"
    if not any(_files(folder, "train", kind) for kind in ("images", "labels")):
        part = stratified(labels, SHARE)
        masks = (part > 1, part == 0, part == 1)
        origin = f"train, valid and test are parts of the test pictures; {first}"
        return [(images[mask], labels[mask]) for mask in masks], origin
    test, (images, labels) = (images, labels), _unrecorded(folder, "train")
    held = stratified(labels, SHARE) == 0
    origin = f"validation is a tenth of the training pictures; {first}, "
    origin += f"as are the first {RECORDED['train']:,} training pictures"
    return [(images[~held], labels[~held]), (images[held], labels[held]), test], origin


def read_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read all images (n, 28, 28) and labels (n,) of a part, "train" or "t10k", uint8.

    Raises:
        SnnlabError: a file is missing or damaged, or images and labels do not go together.
    """
    files = []
    for kind, ndim in (("images", 3), ("labels", 1)):
        if not (matching := _files(folder, part, kind)):
            raise SnnlabError(
                f"{folder} does not hold {part}-{kind}-idx{ndim}-ubyte; pictures and labels of "
                "MNIST were expected as idx files. Get them with `snnlab data get mnist`, or check "
                "the path."
            )
        files.append((matching[0], read_idx(matching[0], ndim)))
    (path, images), (_, labels) = files
    if images.shape != (len(labels), SIDE, SIDE):
        raise SnnlabError(
            f"{path} holds pictures {images.shape}; {(len(labels), SIDE, SIDE)} was expected, one "
            f"for each of the {len(labels):,} labels beside it. Fetch both files again."
        )
    return images, labels


def _unrecorded(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels of a part without the first ones, which n-mnist is tested on."""
    images, labels = (array[RECORDED[part] :] for array in read_part(folder, part))
    counts = np.bincount(labels, minlength=len(CLASSES))
    if len(counts) > len(CLASSES) or counts.min() < SHARE:
        raise SnnlabError(
            f"{folder}: the {part} labels go up to {labels.max(initial=0)}, and of a digit there "
            f"are {counts.min()} pictures after the first {RECORDED[part]:,}; 0 to 9 and at least "
            f"{SHARE} of each were expected. Fetch both files again."
        )
    return images, labels


def _files(folder: Path, part: str, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{part}-{kind}*"))


def _brightness(images: Tensor) -> Tensor:
    return images / 255


def _edges(images: Tensor) -> Tensor:
    """Return the edge images (n, 28, 28) of images of bytes."""
    return torch.cat(
        [edge_integral(odg_events(part, dtype=torch.uint8)) for part in images.split(_TOGETHER)]
    )
