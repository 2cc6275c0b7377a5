"""Conversion of labelled wav files to a data set in SHD's layout."""

import csv
import difflib
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import given_path
from snnlab._utils.processes import Spikes, encode
from snnlab.data.datasets.shd_files import ALL
from snnlab.data.io.events import MAX_SECONDS, Events, offsets_of, write_events
from snnlab.data.io.folders import check_names
from snnlab.data.io.many_files import (
    ConversionResult,
    attempt_all,
    listed,
    same_settings,
    seed_of,
    write_report,
    writing_alone,
)
from snnlab.data.io.wav import LONGEST, SHORTEST, read_word

COLUMNS = ("path", "label")
OPTIONAL = ("speaker", "split")
_EXPECTED = "path, label, and perhaps speaker and split,"
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Row:
    """One line of labels.csv, and the file that it names."""

    line: int
    file: Path
    path: str
    label: str
    speaker: str = ""
    split: str = ALL


@dataclass(frozen=True)
class EncodingJob:
    """One recording to encode; size and mtime are its fingerprint."""

    file: str
    size: int
    changed: int
    seed: int


def convert(
    folder: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    seed: int = 0,
    max_seconds: float = LONGEST,
) -> ConversionResult:
    """Convert the wav files that `folder/labels.csv` names to train.h5, test.h5 and valid.h5.

    labels.csv has the columns path (relative to the folder) and label, and may have speaker and
    split (train, valid or test). Without a split all recordings are in all.h5, which is divided
    where it is read: by speakers if they are known, else at random. A wav file is mono, of any
    sample rate, and holds one word. Silence at both ends (20 ms frames more than 40 dB below the
    loudest) is cut off; the cochlea model encodes the rest. Classes are the labels in alphabetical
    order, or in numerical order if all of them are whole numbers; speakers likewise.

    All recordings are checked before the first is encoded. Those that cannot be used are left out
    and listed in `out/left-out.csv`, provided that training and test are complete without them.
    The next call resumes a killed one. The random numbers of a recording are drawn from `seed` and
    its path, so the result depends neither on the number of workers nor on the other files.

    Args:
        folder: where labels.csv is.
        out: where the HDF5 files go; those of an earlier call with the same folder and seed are
            replaced.
        workers: processes, by default one a core.
        seed: of the auditory nerve's chance.
        max_seconds: the longest file allowed.

    Returns:
        What became of the recordings.

    Raises:
        SnnlabError: the table is wrong, see `read_labels`; too many recordings cannot be used, so
            that a part is empty or a label unknown in training; `out` has other files, or another
            call writes there.
    """
    folder, out = given_path(folder), given_path(out)
    if not SHORTEST < max_seconds <= MAX_SECONDS:
        raise SnnlabError(
            f"max_seconds is {max_seconds}; more than {SHORTEST} and at most {MAX_SECONDS:g} s was "
            "expected. Choose a number in between."
        )
    rows, table = read_labels(folder), folder / "labels.csv"
    _, unusable = attempt_all(
        [(row, max_seconds, f"{table}, line {row.line}: {row.path}") for row in rows],
        _check,
        1,
        title="checking",
    )
    failed = {row: sentence for (row, *_), sentence in unusable}
    rows = _enough(rows, failed, table)
    with writing_alone(out):
        settings = {"from": str(folder.resolve()), "seed": seed}
        parts = [out / f"{split}.h5" for split in (*SPLITS, ALL)]
        same_settings(out / "conversion.json", settings, parts)
        # The sort is stable: the csv's order inside a split
        rows.sort(key=lambda row: (*SPLITS, ALL).index(row.split))
        times, units, offsets = encode(
            [_job(row, seed) for row in rows],
            worker=_encode,
            workers=workers,
            partial=out / ".partial",
            title="encoding",
        )
        counts = np.diff(offsets)
        for row, count in zip(rows, counts.tolist(), strict=True):
            if not count:
                failed[row] = (
                    f"{table}, line {row.line}: {row.path} gives no spike; a sound between 110 Hz "
                    "and 22 kHz was expected. Remove its line."
                )
        rows = _enough(rows, failed, table)
        _write(rows, times, units, counts[counts > 0], out, _note(rows, folder))
        shutil.rmtree(out / ".partial", ignore_errors=True)
        outcome = ConversionResult(
            written=len(rows),
            kept=0,
            dropped=(),
            failed=tuple((row.file, sentence) for row, sentence in failed.items()),
            report=out / "left-out.csv",
        )
        write_report(outcome.report, outcome.failed)
    return outcome


def _check(job: tuple[Row, float, str]) -> None:
    row, max_seconds, where = job
    if row.file.is_dir():
        raise SnnlabError(
            f"{where} is a folder; a wav file was expected. Correct the path, or remove the line "
            "from the table."
        )
    if not row.file.is_file():
        raise SnnlabError(
            f"{where}: there is no such file; a path relative to the folder of the table was "
            "expected. Correct it or add the file."
        )
    read_word(row.file, max_seconds=max_seconds, where=where)


def _enough(rows: list[Row], failed: dict[Row, str], table: Path) -> list[Row]:
    """Return the rows that have not failed.

    Raises:
        SnnlabError: a data set cannot be made of them; the sentence lists what failed.
    """
    rest = [row for row in rows if row not in failed]
    try:
        _check_parts(rest, table)
    except SnnlabError as error:
        if not failed:
            raise
        first = (
            f"{table}: {len(failed)} of {len(failed) + len(rest)} recordings cannot be used, and "
            f"the rest is not enough: {error}"
        )
        raise SnnlabError(listed(first, list(failed.values()))) from error
    return rest


def _write(
    rows: list[Row], times: np.ndarray, units: np.ndarray, counts: np.ndarray, out: Path, note: str
) -> None:
    """Write the file of each split; the rows are in the order of splits."""
    keys, speakers = _names(row.label for row in rows), _names(row.speaker for row in rows)
    label_of, speaker_of = ({name: i for i, name in enumerate(names)} for names in (keys, speakers))
    meta = {"note": note}
    if known_speakers := speakers != ("",):
        meta["speakers"] = "\n".join(speakers)
    offsets = offsets_of(counts)
    first = 0
    for split in (*SPLITS, ALL):
        part = [row for row in rows if row.split == split]
        last = first + len(part)
        if part:
            cut = slice(offsets[first], offsets[last])
            events = Events(
                times=times[cut],
                units=units[cut],
                offsets=offsets[first : last + 1] - offsets[first],
                labels=np.array([label_of[row.label] for row in part]),
                speakers=np.array([speaker_of[row.speaker] for row in part])
                if known_speakers
                else None,
                keys=keys,
            )
            write_events(out / f"{split}.h5", events, meta)
        else:
            # Of an earlier conversion, with other recordings
            (out / f"{split}.h5").unlink(missing_ok=True)
        first = last


def read_labels(folder: Path) -> list[Row]:
    """Read and check the rows of `folder/labels.csv`; no wav file is opened.

    Raises:
        SnnlabError: there is no labels.csv, it is no table with the columns, a cell is empty, a
            file is named twice, a split is unknown, train or test has no row, a label does not
            occur in training, or two labels or two speakers have names that cannot be told apart.
    """
    table = folder / "labels.csv"
    if table.is_dir():
        raise SnnlabError(
            f"{table} is a folder; a table with the columns {_EXPECTED} was expected. "
            "Choose another folder."
        )
    if not table.is_file():
        raise SnnlabError(
            f"{table}: there is no such file; a table with the columns {_EXPECTED} was expected. "
            "Write one line a wav file."
        )
    try:
        rows = _rows(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SnnlabError(
            f"{table}: cannot be read as a table ({error}); comma-separated UTF-8 text was "
            "expected. Save it as CSV UTF-8."
        ) from error
    seen: dict[Path, int] = {}
    splits = {row.split for row in rows}
    for row in rows:
        where = f"{table}, line {row.line}"
        if row.split not in SPLITS and splits != {ALL}:
            raise SnnlabError(
                f"{where}: split is {row.split!r}; train, valid or test was expected. Write one of "
                "them."
            )
        if row.file.resolve() in seen:
            raise SnnlabError(
                f"{where}: {row.path} is already on line {seen[row.file.resolve()]}; each file was "
                "expected once. Remove one of the lines."
            )
        seen[row.file.resolve()] = row.line
    for what, names in (
        ("label", {row.label for row in rows}),
        ("speaker", {row.speaker for row in rows} - {""}),
    ):
        check_names(sorted(names), table, what)
        numbers = {str(int(name)) for name in names} if _are_numbers(names) else names
        if len(numbers) < len(names):
            raise SnnlabError(
                f"{table}: the same number is written in two ways as a {what}, among "
                f"{', '.join(sorted(names)[:10])}; one way was expected. Write 1 or 01, not both."
            )
    _check_parts(rows, table)
    return rows


def _check_parts(rows: list[Row], table: Path) -> None:
    """Refuse rows that cannot form a data set."""
    if all(row.split == ALL for row in rows):
        if not rows:
            raise SnnlabError(f"{table}: no line is left; at least one was expected. Add some.")
        return
    sizes = Counter(row.split for row in rows)
    for split in ("train", "test"):
        if not sizes[split]:
            raise SnnlabError(
                f"{table}: no line has the split {split}; at least one was expected. Mark some of "
                "them so."
            )
    known = {row.label for row in rows if row.split == "train"}
    for row in rows:
        if row.label not in known:
            raise SnnlabError(
                f"{table}, line {row.line}: the label {row.label!r} of {row.path} ({row.split}) "
                "does not occur in training; every label was expected there. Add training "
                "recordings of it or leave it out."
            )


def _rows(table: Path) -> list[Row]:
    # Spreadsheets begin a file with a byte-order mark
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise SnnlabError(
                f"{table}, line 1: the column {missing[0]} is missing; {_EXPECTED} were expected "
                f"and {','.join(names) or 'nothing'} found. Name the columns so, with commas "
                "between them."
            )
        for name in (name for name in OPTIONAL if name not in names):
            # else a misspelt column would change who is tested
            if near := difflib.get_close_matches(name, map(str.lower, names), n=1, cutoff=0.7):
                raise SnnlabError(
                    f"{table}, line 1: a column is called {near[0]}; {name} was expected. Name it "
                    "so, or otherwise if it means something else."
                )
        reader.fieldnames = names
        rows = []
        for cells in reader:
            where = f"{table}, line {reader.line_num}"
            if None in cells:
                raise SnnlabError(
                    f"{where}: has more cells than the {len(names)} columns; as many were "
                    "expected. Put quotes around a cell with a comma."
                )
            values = {
                name: (cells[name] or "").strip() for name in (*COLUMNS, *OPTIONAL) if name in names
            }
            empty = [name for name, value in values.items() if not value]
            if empty:
                raise SnnlabError(
                    f"{where}: {empty[0]} is empty; a value was expected. Fill it in or remove the "
                    "line."
                )
            rows.append(Row(line=reader.line_num, file=table.parent / values["path"], **values))
    return rows


def _job(row: Row, seed: int) -> EncodingJob:
    status = row.file.stat()
    return EncodingJob(
        str(row.file.resolve()),
        status.st_size,
        status.st_mtime_ns,
        seed_of(seed, row.path),
    )


def _encode(job: EncodingJob) -> Spikes:
    from snnlab.data.encoding.cochlea import cochlea  # here: the checks need no compiler

    sound, rate = read_word(Path(job.file), max_seconds=MAX_SECONDS)
    return cochlea(sound, rate, seed=job.seed)


def _names(values: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct values, sorted as numbers if all are whole numbers, else as text."""
    names = sorted(set(values))
    return tuple(sorted(names, key=int)) if _are_numbers(names) else tuple(names)


def _are_numbers(names: Iterable[str]) -> bool:
    return all(re.fullmatch("-?[0-9]+", name) for name in names)


def _note(rows: list[Row], folder: Path) -> str:
    speakers = {row.speaker for row in rows}
    origin = f" from {printable(folder.resolve().name)}"
    if "" in speakers:
        return f"recordings{origin}"
    note = f"recordings of {len(speakers)} speakers{origin}"
    if rows[0].split == ALL:
        return note
    heard = {row.speaker for row in rows if row.split == "train"}
    test = {row.speaker for row in rows if row.split == "test"}
    return f"{note}; {len(test - heard)} of {len(test)} test speakers do not occur in training"
