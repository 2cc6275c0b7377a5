"""Labelled wav files in, a data set in SHD's layout out: the door for recordings of real people."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from snnlab.data.events import MAX_SECONDS, Events, write_events
from snnlab.data.parallel import Spikes, encode
from snnlab.data.wav import LONGEST, SHORTEST, read_word
from snnlab.errors import SnnlabError
from snnlab.files import make_folder

COLUMNS = ("path", "label", "speaker", "split")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Row:
    """One line of labels.csv, and the file that it names."""

    line: int
    file: Path
    path: str
    label: str
    speaker: str
    split: str


@dataclass(frozen=True)
class Job:
    """One recording to encode; size and time of change tell an edited file from the one encoded before."""

    file: str
    size: int
    changed: int
    seed: int


def convert(
    folder: str | Path, out: str | Path, *, workers: int | None = None, seed: int = 0, max_seconds: float = LONGEST
) -> Path:
    """Turn `folder/labels.csv` and the wav files that it names into train.h5, test.h5 and, where given, valid.h5.

    labels.csv has the columns path (relative to the folder), label, speaker and split (train, valid or test). A wav
    file is mono, of any sample rate, and holds one word. Silence at both ends (20 ms frames more than 40 dB below the
    loudest) is cut off, then the cochlea hears it. Classes are the labels in alphabetical order, or in numerical order
    if all of them are whole numbers; speakers likewise.

    Everything is checked before the first file is encoded. A killed run leaves no file of the data set half written,
    and the next call goes on with the recordings that are not encoded yet. Every recording has its own random numbers,
    drawn from `seed` and its path, so the result depends neither on the number of workers nor on the other files.

    Args:
        folder: where labels.csv is.
        out: where the HDF5 files go; those there before are replaced.
        workers: processes, by default one a core.
        seed: of the auditory nerve's chance.
        max_seconds: the longest file allowed.

    Returns:
        `out`.

    Raises:
        SnnlabError: a column, a file, a split or a whole part is missing; a file is not a wav, not mono, silent, too
            short, too long or not finite; a label is unknown in training.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    if not SHORTEST < max_seconds <= MAX_SECONDS:
        raise SnnlabError(
            f"max_seconds is {max_seconds}; more than {SHORTEST} and at most {MAX_SECONDS:g} s was expected. "
            "Choose a number in between."
        )
    rows = read_labels(folder)
    for row in tqdm(rows, desc="checking", unit="file"):
        read_word(row.file, max_seconds=max_seconds, where=f"{folder / 'labels.csv'}, line {row.line}: {row.path}")
    partial = out / ".partial"
    make_folder(partial)  # now, not after an hour
    rows.sort(key=lambda row: SPLITS.index(row.split))  # the sort is stable: the csv's order inside a split
    times, units, offsets = encode(
        [_job(row, seed) for row in rows],
        worker=_encode,
        workers=workers,
        partial=partial,
        title="encoding",
    )
    keys, speakers = _names(row.label for row in rows), _names(row.speaker for row in rows)
    label_of, speaker_of = ({name: i for i, name in enumerate(names)} for names in (keys, speakers))
    meta = {"note": _note(rows, folder), "speakers": "\n".join(speakers)}
    first = 0
    for split in SPLITS:
        part = [row for row in rows if row.split == split]
        last = first + len(part)
        if part:
            cut = slice(offsets[first], offsets[last])
            events = Events(
                times=times[cut],
                units=units[cut],
                offsets=offsets[first : last + 1] - offsets[first],
                labels=np.array([label_of[row.label] for row in part]),
                speakers=np.array([speaker_of[row.speaker] for row in part]),
                keys=keys,
            )
            write_events(out / f"{split}.h5", events, meta)
        else:
            (out / f"{split}.h5").unlink(missing_ok=True)  # of an earlier conversion, with other recordings
        first = last
    shutil.rmtree(partial)
    return out


def read_labels(folder: Path) -> list[Row]:
    """The rows of `folder/labels.csv`, checked, but no wav file opened.

    Raises:
        SnnlabError: there is no labels.csv, it is no table with the four columns, a cell is empty, a file is missing or
            named twice, a split is unknown, train or test has no row, or a label does not occur in training.
    """
    table = folder / "labels.csv"
    if not table.is_file():
        raise SnnlabError(
            f"{table}: there is no such file; a table with the columns {', '.join(COLUMNS)} was expected. "
            "Write one line a wav file."
        )
    try:
        rows = _rows(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SnnlabError(
            f"{table}: cannot be read as a table ({error}); comma-separated UTF-8 text was expected. "
            "Save it as CSV UTF-8."
        ) from error
    seen: dict[Path, int] = {}
    for row in rows:
        where = f"{table}, line {row.line}"
        if row.split not in SPLITS:
            raise SnnlabError(f"{where}: split is {row.split!r}; train, valid or test was expected. Write one of them.")
        if not row.file.is_file():
            raise SnnlabError(
                f"{where}: there is no file {row.path}; a path relative to {folder} was expected. "
                "Correct it or add the file."
            )
        if row.file.resolve() in seen:
            raise SnnlabError(
                f"{where}: {row.path} is already on line {seen[row.file.resolve()]}; each file was expected once. "
                "Remove one of the lines."
            )
        seen[row.file.resolve()] = row.line
    sizes = Counter(row.split for row in rows)
    for split in ("train", "test"):
        if not sizes[split]:
            raise SnnlabError(
                f"{table}: no line has the split {split}; at least one was expected. Mark some of them so."
            )
    known = {row.label for row in rows if row.split == "train"}
    for row in rows:
        if row.label not in known:
            raise SnnlabError(
                f"{table}, line {row.line}: the label {row.label!r} of {row.path} ({row.split}) does not occur in "
                "training; every label was expected there. Add training recordings of it or leave it out."
            )
    return rows


def _rows(table: Path) -> list[Row]:
    with table.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin a file with a byte-order mark
        reader = csv.DictReader(file, skipinitialspace=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise SnnlabError(
                f"{table}, line 1: the column {missing[0]} is missing; path,label,speaker,split was expected and "
                f"{','.join(names) or 'nothing'} found. Name the columns so, with commas between them."
            )
        reader.fieldnames = names
        rows = []
        for cells in reader:
            where = f"{table}, line {reader.line_num}"
            if None in cells:
                raise SnnlabError(
                    f"{where}: has more cells than the {len(names)} columns; as many were expected. "
                    "Put quotes around a cell with a comma."
                )
            values = {name: (cells[name] or "").strip() for name in COLUMNS}
            empty = [name for name in COLUMNS if not values[name]]
            if empty:
                raise SnnlabError(f"{where}: {empty[0]} is empty; a value was expected. Fill it in or remove the line.")
            rows.append(Row(line=reader.line_num, file=table.parent / values["path"], **values))
    return rows


def _job(row: Row, seed: int) -> Job:
    status = row.file.stat()
    digest = hashlib.sha256(f"{seed}:{row.path}".encode()).digest()
    return Job(str(row.file.resolve()), status.st_size, status.st_mtime_ns, int.from_bytes(digest[:4], "big"))


def _encode(job: Job) -> Spikes:
    from snnlab.data.cochlea import cochlea  # here: the checks need no compiler

    sound, rate = read_word(Path(job.file), max_seconds=MAX_SECONDS)
    times, units = cochlea(sound, rate, seed=job.seed)
    if not len(times):
        raise SnnlabError(
            f"{job.file} gives no spike; a sound between 110 Hz and 22 kHz was expected. Remove its line."
        )
    return times, units


def _names(values: Iterable[str]) -> tuple[str, ...]:
    """The different values in the order of their numbers if all are whole numbers, else of the alphabet."""
    names = sorted(set(values))
    return tuple(sorted(names, key=int)) if all(re.fullmatch("-?[0-9]+", name) for name in names) else tuple(names)


def _note(rows: list[Row], folder: Path) -> str:
    heard = {row.speaker for row in rows if row.split == "train"}
    test = {row.speaker for row in rows if row.split == "test"}
    return (
        f"recordings of {len({row.speaker for row in rows})} speakers from {folder.resolve().name}; "
        f"{len(test - heard)} of {len(test)} test speakers do not occur in training"
    )
