"""CIFAR10-DVS: pictures of CIFAR-10 before an event camera, as the authors of pipe-D packed it.

    train/*.mat    test/*.mat

A file is a sample: `frame_Data` (2, T, 128, 128), how many events there were in a step at a pixel,
and `label` (1, 1), a class from 0.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path, is_hidden, stamp
from snnlab.data.batches.file_dataset import FileDataset, check_classes, hold_out
from snnlab.data.cache import cached
from snnlab.data.datasets.catalogue import DATASETS, described
from snnlab.data.splits import DataSplits

SIDE = 128  # px of the camera
STEPS = 8
HELD_OUT = 0.1  # of the training samples of a class, for validation: as many as the test set has
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CURE = "Fetch it again or pack it again."


def events(
    folder: str | Path,
    *,
    steps: int = STEPS,
    size: int = SIDE,
    loaders: int = 0,
    edges: bool = False,
) -> DataSplits:
    """Load counts of events `(steps, B, 2, size, size)`: the first `steps` steps of each file.

    `train` is the folder train, without the 10 % of each class, at least one sample and always the
    same ones, that are `valid`; `test` is the folder test. Nothing is augmented. The labels of all
    files are read at the start.

    A smaller picture has the counts of squares of 128 // size px, added up; 42 px leave out a
    border of 1 px.

    Args:
        folder: with the folders train and test.
        steps: of the sample, from its beginning.
        size: of a side, px; a size of which a multiple is 126, 127 or 128, such as 128, 64, 42 or
            32.
        loaders: processes that read, see `FileDataset`.
        edges: load ON minus OFF, averaged over the same steps, instead: pictures `(1, B, 1, size,
            size)`. Channel 0 of the file counts as ON.

    Raises:
        SnnlabError: a folder is missing or empty, a label cannot be read, the labels of train are
            not 0, 1, 2 ..., those of test are others, or a number is out of its range.
    """
    folder, steps = given_path(folder), whole_number("steps", steps, 1)
    check_size(size)
    read = partial(_read, steps=steps, size=size, edges=edges)
    train, test = (_files(folder / part) for part in ("train", "test"))
    labels = _labels(train)
    present = labels.unique().tolist()
    if present != list(range(len(present))) or len(present) > len(CLASSES):
        raise SnnlabError(
            f"{folder / 'train'}: the labels are {', '.join(map(str, present))}; 0 to 9 were "
            "expected, or the first of them. One of the authors' packings counts from 5: there, "
            "write label - 5 into the files of train and test."
        )
    classes = CLASSES[: len(present)]
    training = FileDataset(train, labels, classes, read, loaders)
    other = FileDataset(test, _labels(test), classes, read, loaders)
    unit = (
        "ON minus OFF, mean of the steps"
        if edges
        else "events a step and pixel; channel 0 the first of the file"
    )
    return DataSplits(
        *hold_out(training, HELD_OUT),
        check_classes(other, folder / "test"),
        unit=unit,
        preprocessing={"steps": steps, "size": size, "held_out": HELD_OUT},
        **described("cifar10-dvs", folder),
    )


edges = partial(events, edges=True)


def verify(folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that the folders are there, and that the size suits.

    Raises:
        SnnlabError: a folder is missing, or `size` is another.
    """
    DATASETS["cifar10-dvs"].check_parts(Path(folder), parameter)
    check_size(settings.get("size", SIDE))


def check_size(size: int) -> None:
    """Refuse a side length into which the 128 px of the camera cannot be summed.

    Raises:
        SnnlabError: no multiple of it is 126 to 128.
    """
    if not 1 <= size <= SIDE or SIDE % size > 2:
        raise SnnlabError(
            f"size is {size}; a number of px of which a multiple is {SIDE - 2} to {SIDE} was "
            "expected, such as 128, 64, 42 or 32. Choose one."
        )


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("*.mat") if not is_hidden(path.name))
    if not files:
        raise SnnlabError(
            f"{folder} holds no file .mat; one a sample was expected. Check the path."
        )
    return files


def _labels(files: list[Path]) -> Tensor:
    """Return the label of each file, from the cache: opening ten thousand files takes long."""
    key = {"files": [(str(path), *stamp(path)) for path in files]}
    return torch.from_numpy(
        np.array(
            cached("cifar10-dvs-labels", key, lambda: np.array([_label(path) for path in files]))
        )
    )


def _label(path: Path) -> int:
    label = _array(path, "label")
    if label.size != 1 or not (0 <= label.flat[0] < np.inf and label.flat[0] == int(label.flat[0])):
        raise SnnlabError(
            f"{path}: label is {str(label.tolist())[:40]}; one whole number from 0 was expected. "
            f"{_CURE}"
        )
    return int(label.flat[0])


def _read(path: Path, seed: int | None, *, steps: int, size: int, edges: bool) -> Tensor:
    """Read one sample, (steps, 2, size, size) or (1, 1, size, size) float32."""
    counts = _array(path, "frame_Data")
    if (
        counts.ndim != 4
        or counts.shape[0] != 2
        or counts.shape[1] < steps
        or counts.shape[2:] != (SIDE, SIDE)
    ):
        raise SnnlabError(
            f"{path}: frame_Data is {counts.shape}; (2, T, {SIDE}, {SIDE}) with T of at least "
            f"{steps} was expected. Take fewer steps, or pack it again."
        )
    if not (counts.min() >= 0 and counts.max() < np.inf):  # so written, NaN is refused too
        wrong = counts.max() if counts.min() >= 0 else counts.min()
        raise SnnlabError(
            f"{path}: frame_Data has the value {wrong}; counts from 0 were expected. {_CURE}"
        )
    x = torch.from_numpy(counts[:, :steps].astype(np.float32)).transpose(0, 1)
    side = SIDE // size
    border = (SIDE - side * size) // 2
    inner = x[..., border : border + side * size, border : border + side * size]
    x = inner.reshape(steps, 2, size, side, size, side).sum((3, 5))
    return (x[:, :1] - x[:, 1:]).mean(0, keepdim=True) if edges else x


def _array(path: Path, name: str) -> np.ndarray:
    """Read one array of numbers of a MAT file."""
    expected = f"a whole MAT file of version 4 to 7 was expected. {_CURE}"
    # of a damaged file, nearly any kind
    with read_errors(f"{path} cannot be read", expected, Exception):
        arrays = loadmat(path, appendmat=False, variable_names=[name])
    if name not in arrays:
        raise SnnlabError(f"{path} has no {name}; frame_Data and label were expected. {_CURE}")
    array = arrays[name]
    if not (isinstance(array, np.ndarray) and array.dtype.kind in "uif" and array.size):
        raise SnnlabError(
            f"{path}: {name} holds no numbers; frame_Data and label were expected as numbers. "
            f"{_CURE}"
        )
    return array
