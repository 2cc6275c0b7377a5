"""Readers of one sample for `snnlab data check`; each refuses a bad sample by a SnnlabError."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab.data.io.wav import cut_short, implausible, reason

RATE = 16000  # Hz, and the largest number of samples: one second


def sum_of_sample(job: tuple[Callable[[Any, int | None], Any], Any]) -> float:
    """Read a sample as for training, and return its sum.

    Args:
        job: the reader and the sample.
    """
    read, sample = job
    return float(read(sample, None).sum())


def read_second(path: str) -> float:
    """Return the seconds of a recording of the Google Speech Commands.

    Raises:
        SnnlabError: it cannot be read, is cut short or no sound, is not 16 kHz mono or longer than
            a second, or holds nothing.
    """
    import soundfile

    try:
        sound, rate = soundfile.read(os.fsencode(path), dtype="float32", always_2d=True)
        wrong = cut_short(Path(path)) or implausible(rate, sound)
    except (soundfile.SoundFileError, OSError) as error:
        raise SnnlabError(
            f"{path} cannot be read as sound ({reason(error)}); a wav file was expected."
        ) from error
    if wrong:
        raise SnnlabError(f"{path} {wrong}. Get it again.")
    frames, channels = sound.shape
    if rate != RATE or channels != 1 or not 0 < frames <= RATE:
        raise SnnlabError(
            f"{path} has {rate} Hz, {channels} channels and {frames:,} samples; {RATE} Hz, one "
            f"channel and 1 to {RATE:,} samples were expected."
        )
    return frames / RATE
