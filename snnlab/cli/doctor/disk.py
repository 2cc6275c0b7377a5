"""The doctor's checks of folders: whether they can be written, and how much space is free."""

from __future__ import annotations

from collections.abc import Iterator

from snnlab._utils.disk import free_gb
from snnlab._utils.report import Finding, info, ok


def data() -> Iterator[Finding]:
    """Check the data folder and the set that ships."""
    from snnlab._utils.places import data_folder
    from snnlab.data.datasets.shipped import shipped

    free = free_gb(data_folder(), "set SNNLAB_DATA to another folder")
    yield ok(f"the set that ships is in {shipped()}; {free:.1f} GB are free")


def cache() -> Iterator[Finding]:
    """Check the folder of arrays that can be computed again."""
    from snnlab.data.cache import cache_folder, limit

    folder = cache_folder()
    free = free_gb(folder, "set SNNLAB_CACHE to another folder")
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
    from snnlab._utils.places import runs_folder

    folder = runs_folder()
    free = free_gb(folder, "choose another by `snnlab run --out`")
    yield ok(f"results go to {folder}; {free:.1f} GB are free")
