"""Conversion of many files: bad ones are reported at the end, finished ones are kept."""

import csv
import errno
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder, read_json, whole_file, write_text
from snnlab._utils.processes import mapped, processes

LISTED = 20  # lines that a summary shows; the file has all
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # what the next file would meet, too


@dataclass(frozen=True)
class ConversionJob:
    """One file to make, and from what.

    Attributes:
        source: a file, or a folder of frames.
        target: the file to write.
        settings: what else the converter needs, pickled for other processes.
    """

    source: Path
    target: Path
    settings: Any = None


@dataclass(frozen=True)
class ConversionResult:
    """The outcome of a conversion.

    Attributes:
        written: sources converted by this call.
        kept: sources that an earlier call had converted.
        dropped: source and sentence, of those that the rule of the data set leaves out.
        failed: source and sentence, of those that could not be converted.
        report: the file that lists the dropped and the failed; it exists if there are any.
    """

    written: int
    kept: int
    dropped: tuple[tuple[Path, str], ...]
    failed: tuple[tuple[Path, str], ...]
    report: Path

    def __str__(self) -> str:
        """Return the numbers, and the first failures."""
        text = f"{self.written} converted, {self.kept} there already, "
        text += f"{len(self.dropped)} dropped, {len(self.failed)} failed"
        if not (self.dropped or self.failed):
            return text
        return listed(f"{text}; listed in {self.report}", [sentence for _, sentence in self.failed])


def convert_all(
    jobs: Sequence[ConversionJob],
    *,
    worker: Callable[[ConversionJob], str | None],
    workers: int | None,
    report: Path,
    title: str,
    unit: str,
    together: int = 1,
) -> ConversionResult:
    """Do every job whose target is missing or older than its source; failures stop no other job.

    Targets must be written whole, so that what exists is done: a call after a kill goes on where
    the first one was.

    Args:
        jobs: each with a target of its own, see `distinct`.
        worker: writes the target and returns None, or writes nothing and returns a sentence that
            says why. What it refuses, it refuses by a SnnlabError. A function of a module:
            other processes import it.
        workers: processes; 1 works in this one, None takes one a core.
        report: csv file (what, source, sentence) of what was dropped or failed; removed when
            nothing was.
        title: title of the progress bar.
        unit: unit of the progress bar.
        together: jobs that go to a process at once, for many short ones.

    Raises:
        SnnlabError: `workers` is below 1, a process died, or the disk is full or read-only.
    """
    missing = [job for job in jobs if not _done(job)]
    kept = len(jobs) - len(missing)
    done, failures = attempt_all(
        missing, worker, workers, title=title, unit=unit, before=kept, together=together
    )
    dropped = tuple((job.source, why) for job, why in done if why is not None)
    failed = tuple((job.source, why) for job, why in failures)
    write_report(report, failed, dropped)
    return ConversionResult(len(done) - len(dropped), kept, dropped, failed, report)


def distinct(jobs: Iterable[ConversionJob]) -> list[ConversionJob]:
    """Return the jobs, none of which writes the file of another.

    Raises:
        SnnlabError: two have the same target.
    """
    by_target: dict[Path, ConversionJob] = {}
    for job in jobs:
        if (other := by_target.setdefault(job.target, job)) is not job:
            raise SnnlabError(
                f"{other.source} and {job.source} would both become {job.target.name}; different "
                "names were expected. Rename one."
            )
    return list(by_target.values())


def attempt_all(
    items: Sequence[Any],
    worker: Callable[[Any], Any],
    workers: int | None,
    *,
    title: str,
    unit: str = "file",
    before: int = 0,
    together: int = 1,
) -> tuple[list[tuple[Any, Any]], list[tuple[Any, str]]]:
    """Give each item to `worker`; one that is refused stops no other.

    Args:
        items: what the worker takes.
        worker: a function of a module, which other processes import; refuses by a SnnlabError.
        workers: processes; 1 works in this one, None takes one a core.
        title: title of the progress bar.
        unit: unit of the progress bar.
        before: items that were done before, for the bar.
        together: items that go to a process at once, for many short ones.

    Returns:
        Each item that was done, with the result; each that was refused, with the sentence.

    Raises:
        SnnlabError: `workers` is below 1, a process died, or the disk is full or read-only.
    """
    done, failed = [], []
    with (
        tqdm(total=before + len(items), initial=before, desc=title, unit=unit) as bar,
        mapped(partial(_attempt, worker), items, processes(workers), together=together) as results,
    ):
        for item, (result, sentence) in zip(items, results, strict=True):
            failed.append((item, sentence)) if sentence else done.append((item, result))
            bar.update()
    return done, failed


def listed(first: str, sentences: Sequence[str]) -> str:
    """Return a line, and below it the first sentences and the number of the others."""
    more = [f"and {len(sentences) - LISTED} more"] if len(sentences) > LISTED else []
    return "\n  ".join([first, *sentences[:LISTED], *more])


@contextmanager
def writing_alone(folder: Path) -> Iterator[None]:
    """Make a folder, and let no other call write to it inside the block.

    A process that ends, however it does, lets go of it.

    Raises:
        SnnlabError: another call writes there, or the folder cannot be made or written to.
    """
    make_folder(folder)
    try:
        lock = FileLock(folder / ".writing.lock").acquire(timeout=0)
    except Timeout as error:
        raise SnnlabError(
            f"{folder}: another call of `snnlab data` writes there; one at a time was expected. "
            "Wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise SnnlabError(
            f"{folder}: cannot be written to ({error.strerror}); a folder for new files was "
            "expected. Choose another place."
        ) from error
    with lock:
        yield


def same_settings(file: Path, settings: Mapping[str, Any], replaces: Sequence[Path] = ()) -> None:
    """Write the settings of a conversion, or compare them with those of an earlier call.

    Args:
        file: where the settings are.
        settings: of this call, as JSON has them.
        replaces: files that the conversion writes anew.

    Raises:
        SnnlabError: the files there were made with other settings, or by something else; or `file`
            is damaged.
    """
    if not file.exists():
        for path in replaces:
            if path.exists():
                raise SnnlabError(
                    f"{path}: would be replaced, and was not made by such a call, for {file.name} "
                    "is missing beside it; a folder without such files was expected. Choose "
                    "another folder, or move or remove the file."
                )
        write_text(file, json.dumps(dict(settings), indent=2) + "\n")
        return
    advice = "the settings of an earlier conversion were expected. Choose another folder."
    before = read_json(file, advice)
    if before != settings:
        raise SnnlabError(
            f"{file.parent} holds files made with {before}; {dict(settings)} was expected, "
            "for all files of a folder are made alike. Choose another folder, or these settings."
        )


def _done(job: ConversionJob) -> bool:
    try:
        return job.target.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
    except OSError:
        return False


def _attempt(worker: Callable[[Any], Any], item: Any) -> tuple[Any, str]:
    try:
        return worker(item), ""
    except SnnlabError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
            raise
        return None, str(error)


def write_report(
    file: Path, failed: Iterable[tuple[Any, str]], dropped: Iterable[tuple[Any, str]] = ()
) -> None:
    """Write a csv file (what, source, sentence), or remove that of an earlier call if it is empty.

    Args:
        file: where to write.
        failed: source and sentence of what could not be read or converted.
        dropped: source and sentence of what the rule of a data set leaves out.

    Raises:
        SnnlabError: the file cannot be written.
        OSError: the file cannot be removed.
    """
    rows = [("failed", *row) for row in failed] + [("dropped", *row) for row in dropped]
    if not rows:
        file.unlink(missing_ok=True)
        return
    with (
        whole_file(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as handle,
    ):
        csv.writer(handle).writerows([("what", "source", "sentence"), *rows])


def seed_of(seed: int, name: str) -> int:
    """Return the seed of one file of many, which depends on its name and no other file."""
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big")
