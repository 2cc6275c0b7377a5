"""ImageNet-1K, or any pictures in its folders or in shards, to train an ordinary network on.

    train/<class>/*.JPEG    val/<class>/*.JPEG
    train-000000.tar ...    val-000000.tar ...     see `snnlab.data.batches.shards`

Pictures are prepared as the authors of pipe-S did it: a crop of random size and shape for training,
without a flip.
"""

import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path, is_hidden
from snnlab.data.batches import shard_writing, shards
from snnlab.data.batches.file_dataset import FileDataset, Reader, check_classes, hold_out
from snnlab.data.datasets.catalogue import DATASETS, described
from snnlab.data.io.images import SUFFIXES, class_folders, opened
from snnlab.data.io.many_files import writing_alone
from snnlab.data.splits import DataSplits

SIDE = 224  # px
HELD_OUT = 0.02  # of the training pictures of a class, for validation
# Of ImageNet's red, green and blue, from 0 to 1
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNIT = "brightness of red, green and blue, in standard deviations from the mean"
AREA = (0.08, 1.0)  # of a random crop, as a part of the picture
RATIO = (3 / 4, 4 / 3)  # its width over its height

Box = tuple[int, int, int, int]  # left, top, right, bottom, px


def pictures(folder: str | Path, *, size: int = SIDE, loaders: int = 0) -> DataSplits:
    """Load pictures `(1, B, 3, size, size)`, standardised by ImageNet's colours.

    `train` is the folder train, of which `random_box` is cut out anew in each epoch. `valid` are 2
    % of each class of it, at least one, always the same ones. `test` is the folder val: the authors
    chose their best epoch on it, here it is left alone. Of `valid` and `test`, the short side is
    resized to 256 / 224 of `size`, and the middle is cut out.

    Args:
        folder: with the folders train and val, and in both the same folders, one a class; a class
            is numbered by its place in the alphabet. Or with shards of them, whose samples come in
            the order in which they lie there.
        size: of a side, px.
        loaders: processes that read, see `FileDataset`.

    Raises:
        SnnlabError: a folder is missing or empty, the classes in train and val differ, shards are
            damaged, `size` or `loaders` is too small.
    """
    folder = given_path(folder)
    read = partial(_read, size=whole_number("size", size, 1))
    in_shards = shards.there(folder)
    training, test = (shards.parts if in_shards else _folders)(folder, read, loaders)
    parts = (*hold_out(training, HELD_OUT), test)
    return DataSplits(
        # held out before the order is that of the shards, so that it is the same samples as in
        # folders
        *(map(shards.as_they_lie, parts) if in_shards else parts),
        unit=UNIT,
        preprocessing={
            "size": size,
            "mean": MEAN,
            "std": STD,
            "random_crop": {"area": AREA, "ratio": RATIO},
            "held_out": HELD_OUT,
        },
        **described("imagenet", folder),
    )


def verify(folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that there are all shards, or the folders of classes.

    Raises:
        SnnlabError: a shard or a folder is missing.
    """
    folder = Path(folder)
    if shards.there(folder):
        shards.complete(folder)
        return
    DATASETS["imagenet"].check_parts(folder, parameter)
    for part in ("train", "val"):
        class_folders(folder / part)


def write_shards(
    folder: str | Path, out: str | Path, *, samples: int = shard_writing.SAMPLES, seed: int = 0
) -> int:
    """Write the pictures of class folders into shards; return how many were written.

    Raises:
        SnnlabError: as `pictures` of folders and `snnlab.data.batches.shard_writing.write`.
    """
    folder, out = given_path(folder), given_path(out)
    train, test = _folders(folder, partial(_read, size=SIDE), 0)
    with writing_alone(out):
        return sum(
            shard_writing.write(name, part, out, samples=samples, seed=seed)
            for name, part in (("train", train), ("val", test))
        )


def random_box(size: tuple[int, int], rng: Random) -> Box:
    """Draw a part of a picture of `size` (width, height) px as torchvision's RandomResizedCrop.

    Its area is uniform from 8 to 100 % of the picture's, the logarithm of width over height uniform
    from 3/4 to 4/3, its place uniform. What does not fit is drawn again; after ten times, it is the
    largest part in the middle of a shape so limited.
    """
    width, height = size
    for _ in range(10):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(*map(math.log, RATIO)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.randint(0, width - w), rng.randint(0, height - h)
            return left, top, left + w, top + h
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    w, h = min(width, max(1, round(height * ratio))), min(height, max(1, round(width / ratio)))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _folders(folder: Path, read: Reader, loaders: int) -> tuple[FileDataset, FileDataset]:
    """Training and test pictures of class folders, in order of class and name."""
    train, val = (
        {path.name: path for path in class_folders(folder / part)} for part in ("train", "val")
    )
    for name in sorted(train.keys() ^ val.keys()):
        there, missing = ("train", "val") if name in train else ("val", "train")
        raise SnnlabError(
            f"the class {name} is in {folder / there} but not in {folder / missing}; the same "
            "folders were expected. Fetch what is missing, or take the class away from both."
        )
    training, test = (
        check_classes(_picture_files(part, read, loaders), folder / name)
        for name, part in (("train", train), ("val", val))
    )
    return training, test


def _picture_files(folders: dict[str, Path], read: Reader, loaders: int) -> FileDataset:
    samples = [  # a million paths: text is smaller than objects
        (f"{folder}/{name}", label)
        for label, folder in enumerate(folders.values())
        for name in sorted(os.listdir(folder))
        if name.lower().endswith(SUFFIXES) and not is_hidden(name)
    ]
    labels = torch.tensor([label for _, label in samples], dtype=torch.long)
    return FileDataset([path for path, _ in samples], labels, tuple(folders), read, loaders)


def _read(sample: str | shards.Member, seed: int | None, *, size: int) -> Tensor:
    """Read one picture, (1, 3, size, size), from its file or its shard."""
    with opened(sample) if isinstance(sample, str) else shards.opened_member(sample) as image:
        colour = image.convert("RGB")
    part = (
        _middle(colour, size)
        if seed is None
        else colour.crop(random_box(colour.size, Random(seed)))
    )
    pixels = np.array(part.resize((size, size), Image.Resampling.BILINEAR))
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(colours)[:, None, None] for colours in (MEAN, STD))
    return (x - mean) / std


def _middle(image: Image.Image, size: int) -> Image.Image:
    short = round(size * 256 / 224)
    width, height = (int(short * side / min(image.size)) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.resize((width, height), Image.Resampling.BILINEAR).crop(
        (left, top, left + size, top + size)
    )
