"""The doctor's checks of folders: whether they can be written, and how much space is free."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.report import Finding, info, ok


def data() -> Iterator[Finding]:
    """Check the data folder and the set that ships."""
    from snnlab.data.datasets.shipped import shipped
    from snnlab.data.paths import data_folder

    free = _free_gb(data_folder(), "set SNNLAB_DATA to another folder")
    yield ok(f"the set that ships is in {shipped()}; {free:.1f} GB are free")


def cache() -> Iterator[Finding]:
    """Check the folder of arrays that can be computed again."""
    from snnlab.data.cache import cache_folder, limit

    folder = cache_folder()
    free = _free_gb(folder, "set SNNLAB_CACHE to another folder")
    room = free + sum(file.stat().st_size for file in folder.glob("*/*.npy")) / 1e9
    text = f"{folder} may grow to {limit() / 1e9:.1f} GB"
    if room * 1e9 < limit():
        yield info(
            f"{text}, but only {room:.1f} GB are free. Before you use a published set, set "
            "SNNLAB_CACHE_GB to less, or SNNLAB_CACHE to a folder on a larger disk."
        )
    else:
        yield ok(text)


def runs() -> Iterator[Finding]:
    """Check the folder of results."""
    from snnlab.runs.run import home

    folder = home() / "runs"
    free = _free_gb(folder, "choose another by `snnlab run --out`")
    yield ok(f"results go to {folder}; {free:.1f} GB are free")


def _free_gb(folder: Path, cure: str) -> float:
    """Write and remove a file in a folder, or in the nearest above it that exists.

    Raises:
        SnnlabError: the file cannot be written.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".snnlab-doctor-") as file:
            file.write(b"test")
            file.flush()
    except OSError as error:
        raise SnnlabError(
            f"{folder}: {existing} cannot be written ({error.strerror}); a writable folder was "
            f"expected. Change its permissions, or {cure}."
        ) from error
    return shutil.disk_usage(existing).free / 1e9
