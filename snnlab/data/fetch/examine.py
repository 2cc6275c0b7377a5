"""Read many files with several processes: go on after a bad one, and say at the end which they were."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file
from snnlab.data.io.many_files import attempt_all, listed
from snnlab.data.io.wav import cut_short, implausible, reason

RATE = 16000  # Hz, and samples at most: a second


def examine(
    samples: Sequence[Any],
    worker: Callable[[Any], float],
    workers: int | None,
    report: Path,
    title: str,
) -> tuple[list[float], str]:
    """What `worker` gives for each sample that it does not refuse, and a sentence about those that it does; empty if there is none.

    Args:
        samples: what the worker takes.
        worker: a function of a module, for processes are spawned; refuses by a SnnlabError.
        workers: processes; 1 works in this one, None takes one a core.
        report: csv file of all sentences; removed when there is none, and not written where one may
            not write.
        title: what the progress bar says.

    Raises:
        SnnlabError: `workers` is below 1, or a process died.
    """
    attempts = attempt_all(samples, worker, workers, title=title, unit="file", together=16)
    values = [value for value, sentence in attempts if not sentence]
    sentences = [sentence for _, sentence in attempts if sentence]
    where = _reported(sentences, report)
    if not sentences:
        return values, ""
    return values, listed(
        f"{len(sentences):,} of {len(samples):,} files that were read are bad{where}", sentences
    )


def total(job: tuple[Callable[[Any, int | None], Any], Any]) -> float:
    """The sum of a sample, read as for training, by what reads it; what cannot be read is refused by a SnnlabError."""
    read, sample = job
    return float(read(sample, None).sum())


def read_second(path: str) -> float:
    """The seconds of a recording of the Google Speech Commands.

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
            f"{path} has {rate} Hz, {channels} channels and {frames:,} samples; {RATE} Hz, one channel and 1 to {RATE:,} "
            "samples were expected."
        )
    return frames / RATE


def _reported(sentences: list[str], report: Path) -> str:
    try:
        if not sentences:
            report.unlink(missing_ok=True)  # of an earlier call
            return ""
        with (
            whole_file(report) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            csv.writer(file).writerows([("sentence",), *((sentence,) for sentence in sentences)])
    except (SnnlabError, OSError):
        return ""
    return f"; all are listed in {report}"
