"""The entry of a data set in the registry: what it is, where it comes from, and what its folder holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json
from snnlab.data.paths import data_folder

# Beside a set that was downloaded: which archives it came from, and what was checked
PROVENANCE = "provenance.json"
# How the names of unfinished folders begin
UNFINISHED = (".unpacking-", ".unpacked-", ".converting")
PART = ".part"  # how the names of unfinished downloads end; beside each lies a `.part.json`


@dataclass(frozen=True)
class Archive:
    """A file that is downloaded and unpacked.

    Attributes:
        file: its name in the folder of the set.
        urls: where it is fetched from, the best first; none where a person has to fetch it.
        md5: its MD5 sum.
        makes: what it unpacks to, in the folder of the set; it is moved there in this order.
    """

    file: str
    urls: tuple[str, ...]
    md5: str
    makes: tuple[str, ...]


@dataclass(frozen=True)
class DatasetEntry:
    """One data set.

    Attributes:
        name: of its folder, and in commands.
        title: what it is, in a line.
        download, unpacked: its size, as published, for people.
        licence, cite: as published.
        parts: files and folders that are there when it is whole, or `one|another`; of those without
            any, clips are counted.
        archives: what they come from.
        by_hand: what a person has to do, step by step, where a program may not or cannot; {folder}
            is the set's.
        counts: samples of each split; several where sources differ, the most quoted first. "all"
            where there is no split.
        classes: how many.
        unsure: splits whose count rests on memory; another number is then no error.
    """

    name: str
    title: str
    download: str
    unpacked: str
    licence: str
    cite: str
    parts: tuple[str, ...]
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    counts: tuple[dict[str, int], ...] = ()
    classes: int = 0
    unsure: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it lies, or would."""
        return data_folder() / self.name

    def missing(self, folder: Path) -> list[str]:
        """The parts that a folder lacks, each as `parts` has it."""

        def there(part: str) -> bool:
            return any(os.path.exists(folder / name) for name in part.split("|"))

        return [part for part in self.parts if not there(part)]

    def state(self) -> tuple[bool, str]:
        """Whether it is whole, as far as names tell, and that in words. No file of data is opened."""
        if leftovers(self.folder):
            return False, "unfinished"
        missing = self.missing(self.folder)
        if not self.parts:
            found, expected = _clips(self.folder), self.counts[0]["all"]
            if 0 < found < expected:
                return False, f"incomplete: {found:,} of {expected:,} clips"
            missing = [] if found else [self.name]
        if not missing:
            return True, "complete, checked" if "checked" in provenance(self.folder) else "complete"
        if len(missing) == max(1, len(self.parts)):
            return (
                False,
                "absent" if self.by_hand or self.archives else "ships; unpacked on first use",
            )
        return False, f"incomplete: no {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"


def leftovers(folder: Path) -> list[Path]:
    """What unfinished downloads and unpackings left in the folder of a set. Without it, they begin anew."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith((PART, f"{PART}.json")) or path.name.startswith(UNFINISHED)
    )


def provenance(folder: Path) -> dict[str, Any]:
    """What `snnlab data get` and `check` wrote beside a set; empty if nothing, or nothing that can be read."""
    try:
        found = read_json(folder / PROVENANCE, "")
    except SnnlabError:
        return {}
    kinds = {"archives": list, "files": dict, "checked": dict}
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name, kind()), kind) for name, kind in kinds.items()
    ):
        return {}
    return found


def _clips(folder: Path) -> int:
    """How many clips of UCF101 there are, by their names, in a folder and the folders in it."""
    if not folder.is_dir():
        return 0
    found = list(folder.iterdir())
    inner = [path for path in found if not path.name.startswith("v_") and path.is_dir()]
    return sum(
        name.startswith("v_")
        for name in [*(p.name for p in found), *(n for p in inner for n in os.listdir(p))]
    )
