"""A cache of arrays on disk, shared by the processes that need them.

They lie in `cache/` below the data folder, or in the folder SNNLAB_CACHE. Above SNNLAB_CACHE_GB
gigabytes (default 50), the least recently used are removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock

from snnlab._utils import version
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path, make_folder, remove, whole_file, write_text
from snnlab._utils.places import data_folder

Mapped: TypeAlias = "np.memmap[Any, Any]"
LIMIT_GB = 50.0
# Also what a killed process left half written
_OURS = re.compile(r"(?:\.?[0-9a-f]{32}\.(?:npy|json|lock).*)")


class NotKept(Exception):
    """Carries an array that is returned but not stored, since a file cannot be read now."""


def cached(what: str, key: Mapping[str, Any], make: Callable[[], np.ndarray]) -> Mapped:
    """Return the array that `make` returns, computed once for a key.

    It is read-only and mapped from a file, so that processes share its memory. The file is there
    whole or not at all. While one process computes it, others that want the same one wait.

    Args:
        what: a word for people, the name of a folder.
        key: all that decides about the content, as JSON has it: which files (`stamp`), and every
            parameter. The version of snnlab is added.
        make: is called if no file is there, or none that can be read. It gives numbers, bytes or
            texts, or a structured array, no objects. An array raised as `NotKept(array)` is
            returned, not stored.

    Raises:
        SnnlabError: the folder cannot be made or written, or what `make` raises.
    """
    file, text = _place(what, key)
    if (stored := _load(file)) is not None:
        return stored
    make_folder(file.parent)
    with FileLock(file.with_suffix(".lock")):
        if (stored := _load(file)) is not None:  # made while we waited
            return stored
        try:
            array = make()
        except NotKept as passing:
            passed: Mapped = passing.args[0]
            return passed
        with whole_file(file) as temporary:
            np.save(temporary, array, allow_pickle=False)
        write_text(file.with_suffix(".json"), f"{text}\n")  # for people
        _shrink(keep=file)
        if (stored := _load(file)) is not None:
            return stored
    raise SnnlabError(
        f"{file}: was written and cannot be read; a file system that keeps what it is given was "
        "expected. Set SNNLAB_CACHE to a folder on another disk."
    )


def cached_or_none(what: str, key: Mapping[str, Any]) -> Mapped | None:
    """Return what `cached` has computed for a key, or None; nothing is computed."""
    file, _ = _place(what, key)
    return _load(file)


def unfinished(what: str, key: Mapping[str, Any]) -> Path:
    """Return the folder for the finished parts of an entry that `cached` is still to compute.

    Whoever makes the entry removes it; `clean` does, too.
    """
    file, _ = _place(what, key)
    return file.with_name(f".{file.name}.parts")


def cache_folder() -> Path:
    """Return the folder SNNLAB_CACHE, else cache/ below the data folder."""
    given = os.environ.get("SNNLAB_CACHE")
    return given_path(given) if given else data_folder() / "cache"


def limit() -> float:
    """Return how many bytes the cache may take: SNNLAB_CACHE_GB gigabytes.

    Raises:
        SnnlabError: that is no number.
    """
    text = os.environ.get("SNNLAB_CACHE_GB") or str(LIMIT_GB)
    try:
        return float(text) * 1e9
    except ValueError:
        raise SnnlabError(
            f"SNNLAB_CACHE_GB is {text!r}; a number of gigabytes was expected. Set it, or leave it "
            f"out for {LIMIT_GB:g}."
        ) from None


def clean() -> int:
    """Remove all that `cached` has made, and nothing else; return how many bytes that was.

    A process that still uses an array keeps it: a mapped file stays until it is released.

    Raises:
        SnnlabError: a file cannot be removed.
    """
    folder, size = cache_folder(), 0
    for path in [path for path in folder.glob("*/*") if _OURS.fullmatch(path.name)]:
        size += remove(path)
    for path in (*folder.glob("*/"), folder):
        with suppress(OSError):  # it holds something else
            path.rmdir()
    return size


def _place(what: str, key: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the file of a key, and all that decided about its name."""
    text = json.dumps({"what": what, "snnlab": version.__version__, **key}, sort_keys=True)
    return cache_folder() / what / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy", text


def _load(file: Path) -> Mapped | None:
    """Read the array in a file, or None where there is nothing whole."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        os.utime(file)  # used now
    except (OSError, ValueError, EOFError):  # of a file cut short, ValueError: it cannot be mapped
        return None
    return array


def _shrink(keep: Path) -> None:
    """Remove the least recently used until the rest is within the limit; `keep` stays."""
    most = limit()
    files = []
    for path in cache_folder().glob("*/[0-9a-f]*.npy"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process removed it
            continue
        files.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            total -= size
