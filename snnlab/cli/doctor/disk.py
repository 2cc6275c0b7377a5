"""What `snnlab doctor` says of folders: whether they can be written, and whether there is room."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from snnlab.cli.doctor.report import Finding, note, well, wrong
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import DatasetEntry

_UNITS = {"MB": 1e6, "GB": 1e9}


def data() -> Iterator[Finding]:
    """The data folder, the set that ships, and the published sets for which there is no room."""
    from snnlab.data.datasets.shipped import shipped
    from snnlab.data.paths import data_folder

    folder, ours = data_folder(), DATASETS["spoken-digits"]
    if reason := _unwritable(folder):
        yield wrong(
            f"{reason} Change its rights, or set SNNLAB_DATA to a folder that you may write to."
        )
        return
    free, need = _free(folder), _bytes(ours.unpacked)
    if free < need and not ours.state()[0]:
        yield wrong(
            f"{folder} has {_said(free)} of free space; {_said(need)} was expected, for {ours.name}. Make room, or set SNNLAB_DATA to "
            "a folder on a larger disk."
        )
        return
    yield well(f"{ours.name} is in {shipped(ours.name)}; {_said(free)} is free")
    needs = {one.name: _need(one) for one in DATASETS.values()}
    if large := [f"{name} takes {_said(need)}" for name, need in needs.items() if need > free]:
        yield note(
            f"{folder} has {_said(free)} of free space; {', '.join(large)} to download and unpack, as far as sizes are published. "
            "To use that set SNNLAB_DATA to a folder on a larger disk."
        )


def cache() -> Iterator[Finding]:
    """The folder of what can be made again."""
    from snnlab.data.cache import cache_folder, limit

    folder = cache_folder()
    if reason := _unwritable(folder):
        yield wrong(
            f"{reason} Change its rights, or set SNNLAB_CACHE to a folder that you may write to."
        )
        return
    held = sum(file.stat().st_size for file in folder.glob("*/*.npy"))
    room = held + _free(folder)
    if room < limit():
        yield note(
            f"{folder} may grow to {_said(limit())} when published sets are used, and has room for {_said(room)}. For these set "
            "SNNLAB_CACHE_GB to less, or SNNLAB_CACHE to a folder on a larger disk."
        )
    else:
        yield well(f"{folder} has room to grow to {_said(limit())}")


def runs() -> Iterator[Finding]:
    """Where results go."""
    from snnlab.runs.run import home

    folder = home() / "runs"
    if reason := _unwritable(folder):
        yield wrong(f"{reason} Change its rights, or give `snnlab run` a folder by --out.")
    else:
        yield well(f"results go to {folder}; {_said(_free(folder))} is free")


def _unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder; empty if it can. A file is written and removed, above if there is no folder yet."""
    there = _there(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".snnlab-doctor-") as file:
            file.write(b"can this be kept?")
            file.flush()
    except OSError as error:
        return f"{folder}: {there} cannot be written ({error.strerror}); a folder to write to was expected."
    return ""


def _free(folder: Path) -> int:
    return shutil.disk_usage(_there(folder)).free


def _there(folder: Path) -> Path:
    """The folder, or, before it is made, the nearest above it."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _need(one: DatasetEntry) -> float:
    """Bytes that getting a set still takes, as far as published; for a while, archives and content lie side by side."""
    return 0.0 if one.state()[0] else _bytes(one.download) + _bytes(one.unpacked)


def _bytes(size: str) -> float:
    """Of a size as the catalogue has it, such as "2.4 GB"; 0 if it is unknown."""
    found = re.match(r"([\d.]+) (MB|GB)", size)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _said(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
