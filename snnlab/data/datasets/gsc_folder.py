"""The folder of Google Speech Commands: its clips, their speakers, and the published split."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from os import scandir
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import is_hidden
from snnlab.data.holdout import checked_folds
from snnlab.data.io.folders import check_names, read_lines

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}

_LARGEST = 2**27 - 1  # of the published rule
_NAMED = 5  # bad files that a sentence names

Stamp = tuple[int, int]  # size in bytes and time of change in ns


def which_set(name: str) -> str:
    """Return the split of a file by Google's rule, which decides by speaker: a tenth for each.

    Args:
        name: the file's name; only what stands before `_nohash_` counts.

    Returns:
        "train", "valid" or "test".
    """
    number = int(
        hashlib.sha1(speaker_of(name).encode("utf-8", "surrogateescape")).hexdigest(), 16
    ) % (_LARGEST + 1)
    percent = number * (100.0 / _LARGEST)
    return "valid" if percent < 10 else "test" if percent < 20 else "train"


def word_of(name: str) -> str:
    """Return the word that a clip is filed under."""
    return name.partition("/")[0]


def speaker_of(name: str) -> str:
    """Return the speaker of a clip: what stands before `_nohash_` in its name."""
    return re.sub(r"_nohash_.*$", "", name.rpartition("/")[2])


def shortened(bad: Sequence[str]) -> str:
    """Name the first bad files, and count the others."""
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return "; ".join(bad[:_NAMED]) + more


def verify(folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that the folder and both lists are there, and the fold exists.

    Raises:
        SnnlabError: one is missing, or there is no such fold.
    """
    checked_folds(settings.get("fold", 0), settings.get("folds"), 0)
    folder = Path(folder).resolve()
    _check_there(folder)
    for file in LISTS.values():
        read_list(folder / file)


def find_clips(folder: Path, words: Iterable[str] | None = None) -> dict[str, Stamp]:
    """Return `word/file.wav` of every clip, in order, with size and mtime of its file.

    Args:
        folder: where the folders of the words are.
        words: the folders to list; by default all whose names do not begin with `_`, Google's mark
            of what is no word.

    Raises:
        SnnlabError: there is no such folder, or two words look alike.
    """
    _check_there(folder)
    stamps = {}
    if words is None:
        words = (
            entry.name
            for entry in scandir(folder)
            if entry.is_dir() and not is_hidden(entry.name) and not entry.name.startswith("_")
        )
    for word in sorted(words):
        files = [
            entry
            for entry in scandir(folder / word)
            if entry.name.endswith(".wav") and entry.is_file()
        ]
        for file in sorted(files, key=lambda file: file.name):
            if not is_hidden(file.name):
                status = file.stat()
                stamps[f"{word}/{file.name}"] = (status.st_size, status.st_mtime_ns)
    check_names(dict.fromkeys(map(word_of, stamps)), folder)
    return stamps


def read_list(file: Path) -> set[str]:
    """Read the names in one of the two lists.

    Raises:
        SnnlabError: it cannot be read.
    """
    cure = "Fetch all of Google Speech Commands with `snnlab data get gsc`."
    return {line.strip() for line in read_lines(file, "one clip a line", cure) if line.strip()}


def split_by_lists(folder: Path, stamps: Mapping[str, Stamp]) -> dict[str, list[str]]:
    """Split the names of the clips into "train", "valid" and "test", each in order.

    Raises:
        SnnlabError: a list cannot be read or names what is not there, both name the same clip, or a
            split is empty.
    """
    listed: dict[str, set[str]] = {}
    for part, file in LISTS.items():
        listed[part] = read_list(folder / file)
        missing = sorted(listed[part] - stamps.keys())
        if missing:
            raise SnnlabError(
                f"{folder / file}: names {len(missing)} files that are not there, such as "
                f"{missing[0]}; every line was expected to be a clip beside the list. Fetch what "
                "is missing, or take these lines out."
            )
    both = sorted(listed["valid"] & listed["test"])
    if both:
        raise SnnlabError(
            f"{folder}: both lists name {both[0]} ({len(both)} such files); a clip was expected to "
            "be for validation or for test. Take it out of one of them."
        )
    names = {
        "train": [name for name in stamps if name not in listed["valid"] | listed["test"]],
        "valid": [name for name in stamps if name in listed["valid"]],
        "test": [name for name in stamps if name in listed["test"]],
    }
    for part, clips in names.items():
        if not clips:
            raise SnnlabError(
                f"{folder}: has no clip in its {part} split; wav files in a folder a word were "
                "expected, some of them in each of the two lists and some in neither. Add what is "
                "missing."
            )
    return names


def provenance(names: Mapping[str, list[str]]) -> str:
    """Describe the split: shared speakers, and whether the published rule agrees."""
    trained = {speaker_of(name) for name in names["train"]}
    shared = sum(speaker_of(name) in trained for part in LISTS for name in names[part])
    text = "validation and test by its own lists, "
    text += (
        f"{shared} of their clips by speakers of the training set"
        if shared
        else "no speaker of which is in training"
    )
    astray = sum(which_set(name) != part for part, clips in names.items() for name in clips)
    return text + (
        f"; the lists and Google's rule differ on {astray} clips"
        if astray
        else ", as Google's rule has it"
    )


def _check_there(folder: Path) -> None:
    if not folder.is_dir():
        raise SnnlabError(
            f"{folder}: this folder was expected to hold Google Speech Commands and is not there. "
            "Fetch them with `snnlab data get gsc`, or check the path."
        )
