"""Evenly sampled frames of a video file that FFmpeg decodes, or of a folder of images."""

import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import IO

import numpy as np

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab._utils.fields import whole_number
from snnlab._utils.optional import import_optional
from snnlab.data.io.images import opened

FRAME = re.compile(r"frame(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)
SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".gif")
_CURE = "Check the path, convert it, for example with ffmpeg, or fetch it again."


def sample_frames(source: str | Path, n_frames: int) -> np.ndarray:
    """Sample grey frames evenly from a video: (n_frames, H, W) uint8.

    Of n frames, numbers `round(linspace(0, n - 1, n_frames))` are read.

    Grey is Pillow's, 0.299 R + 0.587 G + 0.114 B. A video with fewer frames than asked for shows
    some of them twice.

    Args:
        source: a video file, or a folder with `frame000001.jpg` and so on (jpg or png, any first
            number and number of digits).
        n_frames: at least 2.

    Raises:
        SnnlabError: `n_frames` is below 2; the video is missing, cannot be decoded, ends early, or
            has fewer than 2 frames; a frame of the folder is missing, there twice or damaged;
            frames differ in size; PyAV is not installed.
    """
    source = Path(source)
    whole_number("n_frames", n_frames, 2)
    return _from_folder(source, n_frames) if source.is_dir() else _from_file(source, n_frames)


def colour_frames(folder: str | Path, n_frames: int, wanted: slice) -> np.ndarray:
    """Read some of the frames that `sample_frames` samples, in RGB: (wanted, H, W, 3) uint8.

    Args:
        folder: with `frame000001.jpg` and so on.
        n_frames: at least 2.
        wanted: which of the n_frames; the others are not opened.

    Raises:
        SnnlabError: the folder has fewer than 2 frames, one of it is missing, there twice or
            damaged, or they differ in size.
    """
    return _from_folder(Path(folder), n_frames, "RGB", wanted)


def positions(n: int, n_frames: int) -> np.ndarray:
    """Return the indices of the frames that are sampled of n, (n_frames,)."""
    return np.round(np.linspace(0, n - 1, n_frames)).astype(int)


def numbered_frames(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of their numbers.

    Raises:
        SnnlabError: there is none, a number is missing, or there twice.
    """
    numbered = [
        (int(match[1]), path) for path in folder.iterdir() if (match := FRAME.fullmatch(path.name))
    ]
    if not numbered:
        raise SnnlabError(
            f"{folder} holds no frame; frame000001.jpg and so on, or png, were expected. Check the "
            "path."
        )
    numbered.sort()
    for (before, path), (number, _) in pairwise(numbered):
        if number != before + 1:
            what = "is there twice" if number == before else "is missing"
            raise SnnlabError(
                f"{folder}: frame {min(number, before + 1)} {what}, after {path.name}; frames "
                "numbered without a gap were expected. Extract them again."
            )
    return [path for _, path in numbered]


def announced_size(path: Path) -> int:
    """Return the size in bytes that an AVI, MP4 or Matroska file states, or 0.

    FFmpeg does not compare it with the size that there is: it decodes a copy that stopped early as
    a shorter video.

    Raises:
        OSError: it cannot be read.
    """
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] == b"\x1aE\xdf\xa3":
            return _end_of_segment(file)
        # MP4, one after the other
        boxes = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        while end < size and (boxes or head[:4] == b"RIFF"):  # of AVI, several if it is large
            length = (
                int.from_bytes(head[:4], "big")
                if boxes
                else 8 + int.from_bytes(head[4:8], "little")
            )
            if boxes and length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8 if boxes else length in (8, 8 + 0xFFFF_FFFF):  # no size, as of a pipe
                return 0
            end += length
            file.seek(end)
            head = file.read(16)
    return end


def _end_of_segment(file: IO[bytes]) -> int:
    """Return the end of the segment of a Matroska file, which follows a short header."""
    end = 0
    for _ in range(2):
        file.seek(end + 4)  # behind the name
        head = file.read(8)
        # Bytes of the number: the zeros before its first bit
        width = 9 - head[0].bit_length() if head else 9
        largest = (1 << 7 * width) - 1
        length = int.from_bytes(head[:width], "big") & largest
        if width > 8 or length == largest:  # none, or unknown as of a pipe
            return 0
        end += 4 + width + length
    return end


def _from_folder(
    folder: Path, n_frames: int, mode: str = "L", wanted: slice = slice(None)
) -> np.ndarray:
    files = numbered_frames(folder)
    _check_length(len(files), folder)
    frames = []
    for i in positions(len(files), n_frames)[wanted]:
        with opened(files[i]) as image:
            frames.append(np.asarray(image.convert(mode)))
    return _stacked(frames, folder)


def _from_file(path: Path, n_frames: int) -> np.ndarray:
    """Decode a file, a second time if its header was wrong about the number of frames."""
    av = import_optional("av", "decodes videos", "video")
    expected = f"a video that FFmpeg reads was expected. {_CURE}"
    kinds = (av.FFmpegError, OSError, ValueError, EOFError)
    with read_errors(f"{path} cannot be decoded", expected, *kinds):
        declared, n, frames = _decode(av, path, None, n_frames)
        if n < 0.9 * declared:
            raise SnnlabError(
                f"{path} ends after {n} of {declared} frames; a whole video was expected. Fetch it "
                "again or remove it."
            )
        size = path.stat().st_size
        if (n < declared or not declared) and size < (end := announced_size(path)):
            raise SnnlabError(
                f"{path} is cut short ({size:,} of {end:,} bytes) and ends after {n} frames; a "
                "whole video was expected. Fetch it again or remove it."
            )
        _check_length(n, path)
        if n != declared:
            _, _, frames = _decode(av, path, n, n_frames)
    return _stacked([frames[i] for i in positions(n, n_frames)], path)


def _decode(
    av: ModuleType, path: Path, n: int | None, n_frames: int
) -> tuple[int, int, dict[int, np.ndarray]]:
    """Return the declared and the true number of frames, and the frames sampled of `n`."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise SnnlabError(f"{path} has no picture; a video was expected. {_CURE}")
        stream = container.streams.video[0]
        declared = stream.frames if stream.frames < 1 << 30 else 0  # a placeholder, as of a pipe
        total = n or declared
        wanted = set(positions(total, n_frames)) if total else set()
        frames, count = {}, 0
        for frame in container.decode(stream):
            if count in wanted:
                frames[count] = np.asarray(frame.to_image().convert("L"))
            count += 1
    return declared, count, frames


def _stacked(frames: list[np.ndarray], source: Path) -> np.ndarray:
    shapes = sorted({frame.shape[:2] for frame in frames})
    if len(shapes) > 1:
        raise SnnlabError(
            f"{source} has frames of "
            f"{' and '.join(f'{width} x {height}' for height, width in shapes)} px; "
            "one size was expected. Resize them."
        )
    return np.stack(frames)


def _check_length(n: int, source: Path) -> None:
    if n < 2:
        raise SnnlabError(
            f"{source} has {n} frames; at least 2 were expected, for an event is a difference. "
            "Leave it out."
        )
