"""Conversion of videos to events by frame differences, as ES-UCF101 was made of UCF101.

A clip is an npz file with one array, `arr_0`, uint8 (2, T, H, W), 0 or 1, channel 0 ON. Here, as
everywhere, time is first.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path, paths_below
from snnlab.data.io import video
from snnlab.data.io.many_files import (
    ConversionJob,
    ConversionResult,
    convert_all,
    distinct,
    same_settings,
    seed_of,
    writing_alone,
)
from snnlab.data.io.npz import read_arrays, write_arrays

RATIO = 0.15
N_FRAMES = 31
NOISE = 0.03 * 255  # standard deviation of a threshold in mode 2, in grey levels
LEAST = 0.01 * 255  # the smallest threshold in mode 2
_CURE = "Convert the video again, or fetch the file again if it was downloaded."


@dataclass(frozen=True)
class Settings:
    """How videos become events; see `video_events`."""

    ratio: float = RATIO
    n_frames: int = N_FRAMES
    mode: int = 1
    seed: int = 0


def video_events(
    frames: np.ndarray, *, ratio: float = RATIO, mode: int = 1, seed: int = 0
) -> Tensor:
    """Convert a clip to events (T=n-1, 2, H, W), uint8 of 0 and 1, channel 0 ON, channel 1 OFF.

        D_t = F_(t+1) - F_t,   ON where D_t > c_on,   OFF where D_t < c_off

    `c_off` and `c_on` are the percentiles 50 ratio and 100 - 50 ratio of all D of the clip, so that
    the part `ratio` of all pixels and steps has an event; somewhat fewer, as many D are equal. In
    mode 1 they are the same everywhere. In mode 2 each pixel and step draws its own, c_on + N(0,
    0.03^2) but at least 0.01, and c_off + N(0, 0.03^2) but at most
    -0.01, of the full range of brightness.

    Args:
        frames: (n, H, W) uint8, n at least 2.
        ratio: between 0 and 1.
        mode: 1 or 2.
        seed: of the noise in mode 2.

    Raises:
        SnnlabError: the frames have another shape or type; ratio or mode is another; the clip has
            no event.
    """
    if not (
        isinstance(frames, np.ndarray)
        and frames.dtype == np.uint8
        and frames.ndim == 3
        and frames.size
    ):
        what = f"{getattr(frames, 'dtype', type(frames).__name__)} {np.shape(frames)}"
        raise SnnlabError(
            f"frames are {what}; a grey clip, uint8 (n, H, W), was expected. Convert it."
        )
    _check_settings(Settings(ratio, len(frames), mode, seed))
    difference = np.subtract(frames[1:], frames[:-1], dtype=np.int16)
    off, on = np.quantile(difference, (ratio / 2, 1 - ratio / 2))
    events = np.empty((len(difference), 2, *frames.shape[1:]), dtype=bool)
    if mode == 1:  # whole numbers: D > on exactly if D > floor(on)
        np.greater(difference, np.int16(math.floor(on)), out=events[:, 0])
        np.less(difference, np.int16(math.ceil(off)), out=events[:, 1])
    else:
        rng = np.random.default_rng(seed)
        for step, (ons, offs) in zip(difference, events, strict=True):
            noise = NOISE * rng.standard_normal((2, *step.shape), dtype=np.float32)
            np.greater(step, np.maximum(on + noise[0], LEAST), out=ons)
            np.less(step, np.minimum(off + noise[1], -LEAST), out=offs)
    if not events.any():
        raise SnnlabError(
            "the clip has no event, for nothing in it moves; a moving picture was expected. Leave "
            "it out."
        )
    return torch.from_numpy(events.view(np.uint8))


def write_clip(path: str | Path, events: Tensor) -> None:
    """Write events (T, 2, H, W) of 0 and 1 as `arr_0` uint8 (2, T, H, W), whole or not at all.

    Raises:
        SnnlabError: the events have another shape, type or value, there is none, or the file cannot
            be written.
    """
    array = events.numpy()
    if array.ndim == 4:
        array = np.ascontiguousarray(array.swapaxes(0, 1))
    _check_clip(array, path)
    write_arrays(path, arr_0=array)


def read_clip(path: str | Path) -> Tensor:
    """Read and check one clip: (T, 2, H, W) uint8.

    Raises:
        SnnlabError: the file is missing, cut short or no npz; the array is missing, of another type
            or shape, holds something else than 0 and 1, or no event.
    """
    (array,) = read_arrays(path, ("arr_0",))
    _check_clip(array, path)
    return torch.from_numpy(array).transpose(0, 1).contiguous()


def convert_videos(
    source: str | Path,
    target: str | Path,
    *,
    ratio: float = RATIO,
    n_frames: int = N_FRAMES,
    mode: int = 1,
    seed: int = 0,
    workers: int | None = None,
) -> ConversionResult:
    """Convert videos to files of events.

    A video is a file, or a folder of frames (see `snnlab.data.io.video.sample_frames`). Below a
    folder all of them are found, and `a/b.avi` becomes `target/a/b.npz`. `target/left-out.csv`
    lists the videos that failed. Files that are newer than their videos are kept, so the next call
    resumes a killed one. In mode 2 the noise of a clip is drawn from `seed` and its name.

    Args:
        source: a folder, or one video.
        target: where it goes.
        ratio: as for `video_events`.
        n_frames: number of frames sampled evenly; the events have one step less.
        mode: as for `video_events`.
        seed: as for `video_events`.
        workers: processes, by default one a core.

    Raises:
        SnnlabError: there is no video, two would become the same file, a setting is none, the files
            there were made with others, or the disk is full.
    """
    settings = Settings(ratio, n_frames, mode, seed)
    _check_settings(settings)
    target = given_path(target)
    jobs = distinct(
        ConversionJob(path, target / f"{name}.npz", replace(settings, seed=seed_of(seed, name)))
        for path, name in _found(given_path(source))
    )
    if not jobs:
        raise SnnlabError(
            f"{source} holds no video; files {', '.join(video.SUFFIXES)} or folders of "
            "frame000001.jpg and so on were expected. Check the path."
        )
    with writing_alone(target):
        same_settings(target / "conversion.json", vars(settings))
        return convert_all(
            jobs,
            worker=_convert,
            workers=workers,
            report=target / "left-out.csv",
            title="events of videos",
            unit="video",
        )


def _found(source: Path) -> list[tuple[Path, str]]:
    """Return every video below a folder, and its relative name without the suffix."""
    if source.is_file():
        return [(source, source.stem)]
    if not source.is_dir():
        raise SnnlabError(
            f"{source}: there is no such file; a video or a folder of videos was expected. Check "
            "the path."
        )
    if _has_frames(source):
        return [(source, source.name)]
    found = []
    for path in paths_below(source):
        if path.is_dir() and _has_frames(path):
            found.append((path, path.relative_to(source).as_posix()))
        elif path.suffix.lower() in video.SUFFIXES and path.is_file():
            found.append((path, path.relative_to(source).with_suffix("").as_posix()))
    return found


def _has_frames(folder: Path) -> bool:
    return any(video.FRAME.fullmatch(path.name) for path in folder.iterdir())


def _convert(job: ConversionJob) -> None:
    own: Settings = job.settings
    frames = video.sample_frames(job.source, own.n_frames)
    with errors_at(job.source):
        events = video_events(frames, ratio=own.ratio, mode=own.mode, seed=own.seed)
    write_clip(job.target, events)


def _check_settings(settings: Settings) -> None:
    if not 0 < settings.ratio < 1:
        raise SnnlabError(
            f"ratio is {settings.ratio}; a number between 0 and 1 was expected, such as {RATIO}. "
            "Choose one."
        )
    if settings.mode not in (1, 2):
        raise SnnlabError(
            f"mode is {settings.mode!r}; 1 (same thresholds everywhere) or 2 (noisy ones) was "
            "expected."
        )
    whole_number("n_frames", settings.n_frames, 2)
    whole_number("seed", settings.seed, 0)


def _check_clip(array: np.ndarray, path: str | Path) -> None:
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[0] != 2 or 0 in array.shape:
        raise SnnlabError(
            f"{path}: the clip is {array.dtype} {array.shape}; uint8 with the channels ON and OFF, "
            f"time, height and width was expected. {_CURE}"
        )
    if array.max() != 1:
        what = f"has values up to {array.max()}" if array.any() else "holds no event"
        raise SnnlabError(
            f"{path}: the clip {what}; 0 and, where there is an event, 1 were expected. {_CURE}"
        )
