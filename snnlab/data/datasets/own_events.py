"""Recordings of event cameras of one's own: a folder a class, in each a file a recording.

Folders of classes may lie in a folder a person, `anna/left/1.npy`.

A file is `.npy`, a structured array with the fields x, y (px), t (microseconds) and p; `.bin`, as
N-MNIST has them; or `.aedat4`. The events of any set of tonic are such arrays.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.fields import whole_number
from snnlab._utils.files import stamp
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.cache import cached
from snnlab.data.datasets.event_camera import CameraSet
from snnlab.data.holdout import OWN_FOLDS
from snnlab.data.io.camera_events import Framing, read_events
from snnlab.data.paths import data_path
from snnlab.data.splits import DataSplits

_LARGEST = 1 << 16  # px, of a sensor
_ANY_SENSOR = Framing("", (_LARGEST, _LARGEST), 1, 1, 1)
_CAMERA = CameraSet(
    "own",
    "",
    (_LARGEST, _LARGEST),
    suffix=".aedat4|.bin|.npy",
    person=r"([^/]+)/[^/]+/[^/]+$",
    own_folds=OWN_FOLDS,
)


def load(folder: str | Path, *, size: int | None = None, **settings: Any) -> DataSplits[DenseSet]:
    """Load counts of events `(steps, n, 2, size, size)`, ON first.

    The sensor ends at the last column and row in which any recording has an event, and stands in
    the middle of a square. Recordings in a folder a person are divided by person; others are dealt
    out to folds at random, always in the same way.

    Args:
        folder: with a folder a class.
        size: side length of a frame, px, at most that of the square, which None means.
        settings: the other arguments of `CameraSet.load`. Without `folds` there are 5, or as many
            as people or recordings if that is fewer.

    Raises:
        SnnlabError: recordings of a class are missing, too many files are bad, or a setting is out
            of its range.
    """
    folder = data_path(folder)
    width, height = _sensor(folder, _CAMERA.find_files(folder)[0])
    side = max(width, height)
    size = side if size is None else min(whole_number("size", size, 1), side)
    camera = replace(_CAMERA, sensor=(width, height), side=side)
    data = camera.load(folder, size=size, **settings)
    name = printable(folder.resolve().name)
    origin = data.note.partition("; ")[2]
    return replace(data, name=name, note=f"events from {name}, {width} x {height} px; {origin}")


def edges(folder: str | Path, **settings: Any) -> DataSplits[DenseSet]:
    """Load the same recordings as pictures of edges, `(1, n, 1, size, size)`.

    An edge is ON minus OFF, the mean of the steps. Parts, arguments and errors are those of `load`.
    """
    data = load(folder, **settings)

    def still(part: DenseSet) -> DenseSet:
        on, off = part.x.float().mean(0, keepdim=True).split(1, dim=2)
        return replace(part, x=on - off)

    parts: Any = {name: still(getattr(data, name)) for name in ("train", "valid", "test")}
    return replace(data, **parts, unit="ON minus OFF, mean of the steps")


def verify(folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that there is a recording that can be read, and the fold exists.

    Raises:
        SnnlabError: there is none, or no such fold.
    """
    folder = data_path(folder)
    files = _CAMERA.find_files(folder)[0]
    _CAMERA.checked_folds(folder, files, settings.get("fold", 0), settings.get("folds"))
    _check_readable(folder, files)


def _check_readable(folder: Path, files: list[Path]) -> None:
    """Read recordings up to the first that can be read; refuse a folder without any."""
    reasons = []
    for path in files:
        try:
            read_events(path, _ANY_SENSOR)
        except SnnlabError as error:
            reasons.append(str(error))
        else:
            return
    raise SnnlabError(f"{folder}: none of its {len(files)} recordings can be read: {reasons[0]}")


def _sensor(folder: Path, files: list[Path]) -> tuple[int, int]:
    """Return the columns and rows of the sensor, as far as recordings show it."""

    def extent() -> np.ndarray:
        ends = np.zeros(2, np.int64)
        for path in files:
            try:
                events = read_events(path, _ANY_SENSOR)
            except SnnlabError:  # `load` names it
                continue
            ends = np.maximum(ends, [events["x"].max() + 1, events["y"].max() + 1])
        return ends

    key = {"files": [(str(path), *stamp(path)) for path in files]}
    width, height = cached("event-sensors", key, extent).tolist()
    if not width:
        _check_readable(folder, files)
    return width, height
