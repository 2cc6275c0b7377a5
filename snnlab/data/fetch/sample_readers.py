"""Readers of one sample for `snnlab data check`; each refuses a bad sample by a SnnlabError."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError


def sum_of_sample(read: Callable[[Any, int | None], Any], sample: Any) -> float:
    """Read a sample as for training, by the reader of its set, and return its sum."""
    return float(read(sample, None).sum())


def read_second(path: str) -> float:
    """Return the seconds of a recording of the Google Speech Commands.

    Raises:
        SnnlabError: it cannot be read, is cut short or no sound, is not 16 kHz mono or longer than
            a second, or holds nothing.
    """
    from snnlab.data.io.wav import RATE, read_clip

    try:
        samples = len(read_clip(Path(path)))
        if samples > RATE:
            raise ValueError(f"has {samples:,} samples")
    except ValueError as error:
        raise SnnlabError(
            f"{path} {error}. A second of mono sound at {RATE:,} Hz was expected: get it again."
        ) from error
    return samples / RATE
