"""Conversion of CIFAR10-DVS's recordings to counts of events in a few time steps."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab._utils.escape import is_utf8
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path, is_hidden, whole_file
from snnlab._utils.optional import import_optional
from snnlab.data.datasets.cifar10_dvs import CLASSES, SIDE, STEPS
from snnlab.data.io.images import class_folders
from snnlab.data.io.many_files import (
    ConversionJob,
    ConversionResult,
    convert_all,
    same_settings,
    writing_alone,
)

_CURE = "Fetch it again."
_aedat = partial(import_optional, "aedat", "reads recordings", "aedat")


def convert_recordings(
    source: str | Path, target: str | Path, *, steps: int = STEPS, workers: int | None = None
) -> ConversionResult:
    """Convert `<class>/*.aedat4` to `train/*.mat` and `test/*.mat`.

    A recording is cut into steps of equal length, from its first event to its last, and a step
    counts the events of each pixel, ON first. The last tenth of each class, at least one, is
    `test`: numbers 900 to 999 of the published recordings, as the authors' split is not known.
    `target/left-out.csv` lists the recordings that failed. Files that are newer than their
    recordings are kept, so the next call resumes a killed one.

    Args:
        source: with a folder a class: airplane, automobile and so on, or the first of these ten.
        target: where it goes.
        steps: T, how many; the authors used 8 and 20.
        workers: processes, by default one a core.

    Raises:
        SnnlabError: a folder is missing or holds no recording, `steps` is below 1, the files there
            were made with others, the disk is full, or aedat is not installed.
    """
    source, target = given_path(source), given_path(target)
    whole_number("steps", steps, 1)
    folders = class_folders(source, "recordings")
    names = tuple(folder.name for folder in folders)
    if names != CLASSES[: len(names)]:
        raise SnnlabError(
            f"{source} has the folders {', '.join(names)[:200]}; {', '.join(CLASSES)}, or the "
            "first of them, were expected, for the number of a class is its place there. Fetch "
            "what is missing, or take away what does not belong there."
        )
    _aedat()  # an error once, not for each recording
    jobs = []
    for label, folder in enumerate(folders):
        recordings = [path for path in folder.glob("*.aedat4") if not is_hidden(path.name)]
        recordings.sort(key=lambda path: (len(path.name), path.name))  # 2 before 10
        if not recordings:
            raise SnnlabError(
                f"{folder} holds no file .aedat4; one a recording was expected. Check the path."
            )
        first = len(recordings) - max(1, len(recordings) // 10)
        for i, path in enumerate(recordings):
            part = "test" if i >= first else "train"
            jobs.append(
                ConversionJob(
                    path, target / part / f"{folder.name}-{path.stem}.mat", (label, steps)
                )
            )
    with writing_alone(target):
        same_settings(target / "conversion.json", {"steps": steps})
        return convert_all(
            jobs,
            worker=_convert,
            workers=workers,
            report=target / "left-out.csv",
            title="counts of events",
            unit="recording",
        )


def _convert(job: ConversionJob) -> None:
    label, steps = job.settings
    counts = _counts(_events(job.source), steps, job.source)
    with whole_file(job.target) as temporary:
        savemat(
            temporary, {"frame_Data": counts, "label": np.array([[label]])}, do_compression=True
        )


def _counts(events: np.ndarray, steps: int, path: Path) -> np.ndarray:
    """Count the events: (2, steps, 128, 128), ON first."""
    t, x, y = (events[name].astype(np.int64) for name in "txy")
    if max(x.max(), y.max()) >= SIDE:
        raise SnnlabError(
            f"{path} has an event at column {x.max()} or row {y.max()}; 0 to {SIDE - 1} was "
            f"expected. {_CURE}"
        )
    step = (t - t.min()) * steps // (t.max() - t.min() + 1)  # microseconds, so all of it is exact
    cell = (((~events["on"]).astype(np.int64) * steps + step) * SIDE + y) * SIDE + x
    return (
        np.bincount(cell, minlength=2 * steps * SIDE**2)
        .astype(np.int32)
        .reshape(2, steps, SIDE, SIDE)
    )


def _events(path: Path) -> np.ndarray:
    """Read the events of a recording, with the fields t (microseconds), x, y and on."""
    if not is_utf8(str(path)):
        raise SnnlabError(
            f"{path}: its name is no UTF-8, and aedat cannot open it; a name in UTF-8 was "
            "expected. Rename it."
        )
    # RuntimeError and OSError, but nothing says that there are no others
    expected = f"a whole AEDAT4 file was expected. {_CURE}"
    with read_errors(f"{path} cannot be read", expected, Exception):
        packets: list[Any] = [
            packet["events"] for packet in _aedat().Decoder(str(path)) if "events" in packet
        ]
    if not any(map(len, packets)):
        raise SnnlabError(f"{path} holds no event; at least one was expected. {_CURE}")
    return np.concatenate(packets)
