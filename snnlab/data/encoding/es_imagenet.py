"""ES-ImageNet's files: reading as its authors' loader does, and writing.

A sample is an npz file with `pos` and `neg`, uint8 (N, 3): row, column and t = 1 ... 8 of the ON
and the OFF events, in a frame 4 pixels larger than the image, whose long side is 254. The samples
lie below `train` and `val`; beside these folders, `trainlabel.txt` and `vallabel.txt` have one line
a sample, `path class rows columns`: the path below `train` or `val`, the class a number from 0,
rows and columns those of the image. In the event-frame variant the lists are `trainlabel.csv` and
`vallabel.csv`, with `path,class`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file
from snnlab.data.encoding.odg import MARGIN, STEPS, THETA, odg_events
from snnlab.data.io.folders import read_lines
from snnlab.data.io.npz import read_arrays, write_arrays

LONG_SIDE = 254  # px of the resized image
SIDE = 224  # px of a frame as networks get it
FIRST, LAST = 17, 239  # the rows and columns of the events that are kept
LEAST = 1000  # events; a data set has no sample with fewer
# Lines of the label lists; a number of ten digits is no class, and too large for a tensor
_WITH_SIZE = r"(.*\S)" + 3 * r"\s+(\d{1,9})" + r"\s*"
_CLASS_ONLY = r"\s*(\S.*),(\d{1,9})\s*"
_CURE = "Convert the image again, or fetch the file again if it was downloaded."


@dataclass(frozen=True)
class Sample:
    """The events of one image.

    Attributes:
        pos, neg: (N, 3) uint8, row, column and t = 1 ... 8 of the ON and the OFF events.
        rows, columns: size of the resized image; the longer is 254.
    """

    pos: np.ndarray
    neg: np.ndarray
    rows: int
    columns: int

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.pos) + len(self.neg)


@dataclass(frozen=True)
class Label:
    """One line of a label list: path, class, and size of the resized image."""

    path: str
    label: int
    rows: int
    columns: int


def encode(image: Image.Image, theta: float = THETA) -> Sample:
    """Encode an image: resize the long side to 254 (nearest), apply ODG, and crop the events.

    Events with 16 < row, column < 240 are kept.

    The published rule cuts in coordinates of the image's own corner, not of the centred frame.
    Where a side is shorter than 254, the first rows (or columns) are lost although they would be
    inside the crop, and the last ones are not. It is kept as it is, for the files are to be like
    theirs.

    Raises:
        SnnlabError: theta is not from 0 to below 1, or the image has more than 8 bits a colour.
    """
    if image.mode.startswith(("I", "F")):
        raise SnnlabError(
            f"an image has the mode {image.mode}; 8 bits a colour were expected. Save it as 8-bit "
            "RGB."
        )
    columns, rows = resized(image.size)
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    # the authors' interpolation; Pillow's nearest picks other pixels
    pixels = F.interpolate(pixels, size=(rows, columns), mode="nearest")
    events = odg_events(pixels, theta, dtype=torch.bool)
    kept = events[:, 0, :, FIRST : LAST + 1, FIRST : LAST + 1]
    pos, neg = (_listed(kept[:, channel]) for channel in (0, 1))
    return Sample(pos, neg, rows, columns)


def resized(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of an image whose long side is resized to 254; the other is rounded down."""
    first, second = (max(1, int(side * LONG_SIDE / max(size))) for side in size)
    return first, second


def write_sample(path: str | Path, sample: Sample) -> None:
    """Write `pos` and `neg` as an npz file, whole or not at all.

    Raises:
        SnnlabError: the sample is not as `Sample` says, has no event, or the file cannot be
            written.
    """
    _check(sample, str(path))
    write_arrays(path, pos=sample.pos, neg=sample.neg)


def read_sample(path: str | Path, rows: int, columns: int) -> Sample:
    """Read and check one npz file; `rows` and `columns` stand in the label list.

    Raises:
        SnnlabError: the file is missing, cut short or no npz; `pos` or `neg` is missing or not
            uint8 (N, 3); there is no event, or one outside the frame or the eight steps.
    """
    pos, neg = read_arrays(path, ("pos", "neg"))
    sample = Sample(pos, neg, rows, columns)
    _check(sample, str(path))
    return sample


def frames(sample: Sample) -> Tensor:
    """Convert events to frames (T=8, C=2, H=224, W=224), uint8 of 0 and 1, channel 0 ON.

    The image is moved to the centre of 256 x 256 px, by (254 - rows) // 2 and (254 - columns) // 2,
    and the middle is cut out.
    """
    image = torch.zeros(STEPS, 2, SIDE, SIDE, dtype=torch.uint8)
    border = (LONG_SIDE + 2 - SIDE) // 2
    offset = np.array(
        [(LONG_SIDE - sample.rows) // 2 - border, (LONG_SIDE - sample.columns) // 2 - border, -1]
    )
    for channel, events in enumerate((sample.pos, sample.neg)):
        moved = events + offset
        row, column, t = torch.from_numpy(moved[((moved >= 0) & (moved < SIDE)).all(1)]).unbind(1)
        image[t, channel, row, column] = 1
    return image


def read_frames(path: str | Path) -> Tensor:
    """Read a sample of the event-frame variant: (8, 2, 224, 224) uint8, as `frames` returns it.

    The file holds `arr_0`, int8 (2, 8, 224, 224).

    Raises:
        SnnlabError: the file is missing, cut short or no npz; the array is missing, of another type
            or shape, holds something else than 0 and 1, or no event.
    """
    (array,) = read_arrays(path, ("arr_0",))
    shape = (2, STEPS, SIDE, SIDE)
    if array.dtype not in (np.int8, np.uint8) or array.shape != shape:
        raise SnnlabError(
            f"{path}: arr_0 is {array.dtype} {array.shape}; int8 {shape} was expected. {_CURE}"
        )
    if array.min() < 0 or array.max() != 1:
        raise SnnlabError(
            f"{path}: arr_0 has values from {array.min()} to {array.max()}; 0 and, where there is "
            f"an event, 1 were expected. {_CURE}"
        )
    return torch.from_numpy(array.astype(np.uint8)).transpose(0, 1).contiguous()


def read_labels(folder: str | Path, split: str) -> list[Label]:
    """Read and check the label list `{split}label.txt`; the files that it names must exist.

    Raises:
        SnnlabError: the list is missing, is not text or is empty; a line is not `path class rows
            columns`, with rows and columns of which the longer is 254; a file is missing.
    """
    path = Path(folder) / f"{split}label.txt"
    labels = []
    for (name, *numbers), where in _rows(path, "`path class rows columns`", _WITH_SIZE):
        label, rows, columns = map(int, numbers)
        _check_size(rows, columns, where, "Correct the line.")
        labels.append(Label(name, label, rows, columns))
    _check_files(path, Path(folder) / split, [label.path for label in labels])
    return labels


def read_frame_labels(folder: str | Path, split: str) -> list[tuple[str, int]]:
    """Read `{split}label.csv`, the label list of the event-frame variant: path and class.

    Raises:
        SnnlabError: the list is missing, is not text or is empty; a line is not `path,class`; a
            file is missing.
    """
    path = Path(folder) / f"{split}label.csv"
    labels = [(name, int(label)) for (name, label), _ in _rows(path, "`path,class`", _CLASS_ONLY)]
    _check_files(path, Path(folder) / split, [name for name, _ in labels])
    return labels


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write a label list, whole or not at all.

    Raises:
        SnnlabError: the file cannot be written.
    """
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(
            f"{label.path} {label.label} {label.rows} {label.columns}\n" for label in labels
        )


def _listed(events: Tensor) -> np.ndarray:
    """List events (T, H, W) bool of the cropped frame as (N, 3) uint8, in the order of time."""
    t, row, column = events.nonzero().unbind(1)
    return torch.stack([row + FIRST, column + FIRST, t + 1], 1).to(torch.uint8).numpy()


def _check(sample: Sample, where: str) -> None:
    rows, columns = sample.rows, sample.columns
    _check_size(rows, columns, where, "Take them from the label list.")
    for name, events in (("pos", sample.pos), ("neg", sample.neg)):
        if events.dtype != np.uint8 or events.ndim != 2 or events.shape[1] != 3:
            raise SnnlabError(
                f"{where}: {name} is {events.dtype} {events.shape}; uint8 (N, 3) was expected. "
                f"{_CURE}"
            )
        high = (rows + MARGIN - 1, columns + MARGIN - 1, STEPS)
        for column, what, low in ((0, "row", 0), (1, "column", 0), (2, "t", 1)):
            wrong = np.flatnonzero((events[:, column] < low) | (events[:, column] > high[column]))
            if len(wrong):
                raise SnnlabError(
                    f"{where}: {name} has the {what} {events[wrong[0], column]} in event "
                    f"{wrong[0]}; {low} to {high[column]} "
                    f"was expected for an image of {rows} x {columns}. {_CURE}"
                )
    if not len(sample):
        raise SnnlabError(f"{where} holds no event; at least one was expected. {_CURE}")


def _check_size(rows: int, columns: int, where: str, cure: str) -> None:
    if max(rows, columns) != LONG_SIDE or min(rows, columns) < 1:
        raise SnnlabError(
            f"{where}: the image has {rows} rows and {columns} columns; {LONG_SIDE} of the one and "
            f"1 to {LONG_SIDE} of the other were expected. {cure}"
        )


def _rows(path: Path, form: str, pattern: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what the groups of a pattern hold in each line of a label list, and its place."""
    empty = True
    for i, line in enumerate(read_lines(path, "a label list", "Check the path."), 1):
        if not line.strip():
            continue
        if not (match := re.fullmatch(pattern, line)):
            raise SnnlabError(
                f"{path}, line {i}: {line[:80]!r}; {form} was expected. Correct the line."
            )
        empty = False
        yield match.groups(), f"{path}, line {i}"
    if empty:
        raise SnnlabError(f"{path} is empty; one line {form} a sample was expected. Convert again.")


def _check_files(path: Path, folder: Path, names: list[str]) -> None:
    there = {below: _files(folder / below) for below in {os.path.dirname(name) for name in names}}
    for i, name in enumerate(names, 1):
        below, file = os.path.split(name)
        if file not in there[below]:
            raise SnnlabError(
                f"{path}, sample {i}: there is no file {name} in {folder}; a list that matches the "
                "folder was expected. "
                "Put the list beside its folder, or convert or fetch what is missing."
            )


def _files(folder: Path) -> set[str]:
    """List the names in a folder at once: a million single questions take minutes."""
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
