"""The entry of a data set in the registry: its reader, its origin and its files."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal, TypeAlias

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json
from snnlab._utils.places import data_folder

# The file beside a set that names its archives and what was checked
PROVENANCE = "provenance.json"
# How the names of unfinished folders begin
UNFINISHED = (".unpacking-", ".unpacked-", ".converting")
PART = ".part"  # how the names of unfinished downloads end; beside each lies a `.part.json`


Function: TypeAlias = Callable[..., Any] | str  # itself, or "module:name"


@dataclass(frozen=True)
class Archive:
    """A file that is downloaded and unpacked.

    Attributes:
        file: its name in the folder of the set.
        urls: where it is fetched from, the best first; none where a person has to fetch it.
        md5: its MD5 sum.
        makes: what it unpacks to, in the folder of the set; it is moved there in this order.
        extract: unpacks the archive, its first argument, into a folder, its second.
    """

    file: str
    urls: tuple[str, ...]
    md5: str
    makes: tuple[str, ...]
    extract: Function = "snnlab.data.fetch.unpack:extract_all"


@dataclass(frozen=True)
class DatasetEntry:
    """All that snnlab has to know of one data set.

    A function is given itself or as a text `module:name`, which is imported when it is called, so
    that the names and sizes of all sets are known before torch is imported.

    Attributes:
        name: of the set in commands and results, and of its folder.
        kind: "recordings" of sound, "pictures", "films", or "events" of a camera.
        title: what it is, in a line.
        load: gives the `DataSplits`, called with the folder, where there are files, and with
            `settings`.
        settings: the parameters of a run that `load` takes, by name.
        features: of recordings, what `load` can make of them.
        count_channels: of recordings, how many the spikes have, called with the folder, and None if
            that shows in the spikes alone; `n_in` divides it. By default the cochlea's 700.
        edges: the function that gives the same samples as pictures of edges: of events, or of the
            pictures to pretrain on.
        pretrain_on: of events, the name of the pictures or films to pretrain on.
        download, unpacked: its size, as published, for people.
        licence, cite: as published.
        parts: files and folders of a whole set, each a pattern or several, `one|another`; none for
            a set that is generated.
        archives: what they are unpacked from.
        by_hand: what a person has to do, step by step, where a program may not or cannot; {folder}
            is the set's.
        counts: samples of each split; several where sources differ, the most quoted first. "all"
            where there is no split.
        classes: how many.
        unsure: splits whose published count is remembered, not read: another number is no error.
        verify: checks before a run that the files are there, instead of a comparison with `parts`;
            called with the folder, the name of the parameter that gives it, and all settings.
        check: compares the files with what is published, see `snnlab.data.fetch.check`.
    """

    name: str
    kind: Literal["recordings", "pictures", "films", "events"]
    title: str
    load: Function
    settings: tuple[str, ...] = ()
    features: tuple[str, ...] = ("spikes",)
    count_channels: Function = ""
    edges: Function = ""
    pretrain_on: str = ""
    download: str = "unknown"
    unpacked: str = "unknown"
    licence: str = "unknown"
    cite: str = "unknown"
    parts: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    counts: tuple[dict[str, int], ...] = ()
    classes: int = 0
    unsure: tuple[str, ...] = ()
    verify: Function = ""
    check: Function = ""

    @property
    def folder(self) -> Path:
        """The folder of the set, below the data folder."""
        return data_folder() / self.name

    def read(self, folder: str | Path, settings: Mapping[str, Any], function: Function = "") -> Any:
        """Load the set from a folder with those of the settings that it has.

        Args:
            folder: where the files are; ignored for a set that is generated.
            settings: the parameters of a run, by name.
            function: `edges` to get these; by default `load`.

        Returns:
            `DataSplits`.
        """
        own = {name: value for name, value in settings.items() if name in self.settings}
        return imported(function or self.load)(*([folder] if self.parts else []), **own)

    def channels(self, folder: str | Path) -> int | None:
        """Return how many channels the recordings in a folder have; None where it does not say."""
        if not self.count_channels:
            return 700
        number: int | None = imported(self.count_channels)(folder)
        return number

    def required(self) -> list[str]:
        """Return the settings of `load` that have no default."""
        parameters = inspect.signature(imported(self.load)).parameters
        empty = inspect.Parameter.empty
        return [
            name
            for name in self.settings
            if name in parameters and parameters[name].default is empty
        ]

    def missing(self, folder: Path) -> list[str]:
        """Return the parts that a folder lacks, each as `parts` has it."""
        return [
            part
            for part in self.parts
            if not any(any(folder.glob(pattern)) for pattern in part.split("|"))
        ]

    def check_files(self, folder: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
        """Check by their names that the files of a set are there; none is read.

        Args:
            folder: where they should lie.
            parameter: the name of the parameter that gives another folder, for the message.
            settings: the parameters of the run.

        Raises:
            SnnlabError: a file is missing, or a setting does not fit the set.
        """
        downloaded = self.by_hand or self.archives
        if downloaded and Path(folder) == self.folder and not self.folder.exists():
            raise SnnlabError(
                f"data {self.name} is absent: snnlab data get {self.name}. If you have it, set "
                f"SNNLAB_DATA to the folder that holds {self.name}/ (now {self.folder.parent}), or "
                f"give its folder as {parameter}."
            )
        if self.verify:
            imported(self.verify)(folder, parameter, settings)
        else:
            self.check_parts(Path(folder), parameter)

    def check_parts(self, folder: Path, parameter: str) -> None:
        """Refuse a folder that lacks a part.

        Raises:
            SnnlabError: a part is missing; the message says which, and how to get it.
        """
        if missing := self.missing(folder):
            parts = " and ".join(part.replace("|", " or ") for part in missing)
            what = f"does not hold {parts}" if folder.is_dir() else "is not there"
            raise SnnlabError(
                f"{folder.resolve()} {what}; {self.name} was expected there. Get it with `snnlab "
                f"data get {self.name}`, set SNNLAB_DATA to the folder that holds {self.name}/, or "
                f"give its folder as {parameter}."
            )

    def state(self) -> tuple[bool, str]:
        """Return whether the set is whole, judged by names, and the state in words."""
        if not self.parts:
            return True, "generated when it is used"
        if leftovers(self.folder):
            return False, "unfinished"
        missing = self.missing(self.folder)
        if self.counts and "all" in self.counts[0] and not missing:
            count, expected = _count_clips(self.folder), self.counts[0]["all"]
            if count < expected:
                return False, f"incomplete: {count:,} of {expected:,} clips"
        if not missing:
            return True, "complete, checked" if "checked" in provenance(self.folder) else "complete"
        if len(missing) == len(self.parts):
            downloaded = self.by_hand or self.archives
            return False, "absent" if downloaded else "ships; unpacked on first use"
        return False, f"incomplete: no {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"


def imported(function: Function) -> Callable[..., Any]:
    """Return a function itself, or the one that a text `module:name` names."""
    return function if callable(function) else resolve_name(function)


def leftovers(folder: Path) -> list[Path]:
    """List what unfinished downloads and unpackings left in the folder of a set."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith((PART, f"{PART}.json")) or path.name.startswith(UNFINISHED)
    )


def provenance(folder: Path) -> dict[str, Any]:
    """Return what `snnlab data get` and `check` wrote beside a set; empty if it cannot be read."""
    try:
        content = read_json(folder / PROVENANCE, "")
    except SnnlabError:
        return {}
    kinds = {"archives": list, "files": dict, "checked": dict}
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name, kind()), kind) for name, kind in kinds.items()
    ):
        return {}
    return content


def _count_clips(folder: Path) -> int:
    """Count the clips of UCF101, by their names, in a folder and the folders in it."""
    if not folder.is_dir():
        return 0
    content = list(folder.iterdir())
    inner = [path for path in content if not path.name.startswith("v_") and path.is_dir()]
    clips = [*content, *(clip for path in inner for clip in path.iterdir())]
    return sum(clip.name.startswith("v_") for clip in clips)
