"""The folder of the Speech Commands test archive: its clips, their speakers, and the bad ones."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import given_path, sha256_of
from snnlab.data.cache import NotKept, cached
from snnlab.data.datasets.catalogue import COMMANDS, DATASETS
from snnlab.data.datasets.gsc_folder import Stamp, find_clips, shortened, speaker_of
from snnlab.data.encoding.mel import RATE
from snnlab.data.holdout import checked_folds
from snnlab.data.io.wav import SHORTEST, read_clip

NAME = "speech-commands-test"
FOLDS = 5
UNKNOWN = "_unknown_"  # further words, whose clips also count when speakers are divided into folds
MOST_BAD = 0.05  # of the clips; where more cannot be used, the set is damaged

_CLIP = [("md5", "S32"), ("fault", "U80")]


@dataclass(frozen=True)
class Clips:
    """The clips of a folder that can be used, each content once.

    Attributes:
        stamps: `word/file.wav` of each clip, in order, with size and mtime of its file.
        md5: of each clip's file, by its name.
        spoken: clips of each speaker, those of other words and duplicates included.
        duplicates: clips that were dropped, for another has the same content.
        bad: the clips that cannot be used, with the fault of each.
        published: whether the folder has as many clips as the archive.
    """

    stamps: Mapping[str, Stamp]
    md5: Mapping[str, str]
    spoken: Mapping[str, int]
    duplicates: int
    bad: tuple[str, ...]
    published: bool


def verify(folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that the folders are there and the fold exists; no clip is read.

    Raises:
        SnnlabError: a folder is missing, it is another archive, or there is no such fold.
    """
    folder = given_path(folder)
    lists = sorted(path.name for path in folder.glob("*_list.txt"))
    if lists and not (folder / UNKNOWN).is_dir():
        raise SnnlabError(
            f"{folder} holds {lists[0]}, so it is the archive of all Speech Commands; their test "
            f"archive, with the folder {UNKNOWN}, was expected. Use {parameter} = gsc for that "
            f"folder, or get the other archive with `snnlab data get {NAME}`."
        )
    DATASETS[NAME].check_parts(folder, parameter)
    checked_folds(settings.get("fold", 0), settings.get("folds"), FOLDS)


def find(folder: Path) -> Clips:
    """Find the clips of the ten words and read each of them once.

    What was found is kept in the cache, so that only a changed folder is read again.

    Args:
        folder: as the archive unpacks.

    Raises:
        SnnlabError: more than 5 % of the clips cannot be used, or none is there.
    """
    stamps = find_clips(folder, (*COMMANDS, UNKNOWN))
    spoken = Counter(map(_speaker, stamps))
    names = [name for name in stamps if not name.startswith(UNKNOWN)]
    if not names:
        raise SnnlabError(
            f"{folder}: has no wav file in the folders {', '.join(COMMANDS)}; clips of one second "
            f"were expected there. Get them again with `snnlab data get {NAME}`."
        )
    own = {name: stamps[name] for name in names}
    key = {
        "folder": str(folder),
        "clips": sha256_of([repr(own)]),
    }
    table = cached(NAME, key, lambda: _read_all(folder, names))
    faults = zip(names, table["fault"].tolist(), strict=True)
    bad = [f"{printable(name)} {fault}" for name, fault in faults if fault]
    if len(bad) > MOST_BAD * len(names):
        raise SnnlabError(
            f"{folder}: {len(bad):,} of {len(names):,} clips cannot be used: {shortened(bad)}; "
            f"mono wav files at {RATE:,} Hz were expected. Get them again with `snnlab data get "
            f"{NAME}`."
        )
    first: dict[bytes, str] = {}  # the clip that has a content first, by its MD5 sum
    for name, (content, fault) in zip(names, table.tolist(), strict=True):
        if not fault:
            first.setdefault(content, name)
    md5 = {name: content.decode() for content, name in first.items()}
    return Clips(
        stamps={name: own[name] for name in md5},
        md5=md5,
        spoken=spoken,
        duplicates=len(names) - len(bad) - len(md5),
        bad=tuple(bad),
        published=len(names) == DATASETS[NAME].counts[0]["words"],
    )


def _speaker(name: str) -> str:
    """Return the speaker of a clip; in the folder of other words, the word stands before it."""
    speaker = speaker_of(name)
    return speaker.rpartition("_")[2] if name.startswith(UNKNOWN) else speaker


def _read_all(folder: Path, names: list[str]) -> np.ndarray:
    """Return the MD5 sum of each clip and why it cannot be used, or "".

    Raises:
        NotKept: the system does not give a file, which may pass.
    """
    table, passing = np.zeros(len(names), dtype=_CLIP), False
    for row, name in zip(table, tqdm(names, desc="reading clips", unit="clip"), strict=True):
        try:
            if "_nohash_" not in name:
                raise ValueError("names no speaker; <speaker>_nohash_<number>.wav was expected")
            content = (folder / name).read_bytes()
            sound = read_clip(folder / name)
            if len(sound) < SHORTEST * RATE:
                raise ValueError(f"holds {1000 * len(sound) / RATE:.0f} ms of sound")
            if not sound.any():
                raise ValueError("is silent")
            row["md5"] = hashlib.md5(content).hexdigest().encode()
        except OSError as error:
            row["fault"] = f"cannot be read now ({error.strerror or error})"
            passing = True
        except ValueError as error:
            row["fault"] = str(error).partition(";")[0]
    if passing:
        raise NotKept(table)
    return table
