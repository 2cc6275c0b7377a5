"""NumPy's npz files: reading with clear errors, and writing of complete files."""

import zipfile
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab._utils.files import whole_file


def read_arrays(
    path: str | Path, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[Any]:
    """Read the arrays of these names, in their order. Pickles are never opened.

    Args:
        path: the file.
        names: what it must have.
        optional: what it may have.

    Returns:
        An array for each name; None for an optional one that is not there.

    Raises:
        SnnlabError: the file is missing, cut short or no npz, or an array is missing.
    """
    wanted = " and ".join(names)
    with _reading(path, wanted), open(path, "rb") as file:
        stored = np.load(file, allow_pickle=False)
        stored_names = getattr(stored, "files", [])  # an npy file is one array, without a name
        if missing := [name for name in names if name not in stored_names]:
            raise SnnlabError(
                f"{path} has no array {missing[0]}; {wanted} was expected, "
                f"{', '.join(stored_names) or 'none with a name'} found. {_CURE}"
            )
        return [stored[name] if name in stored_names else None for name in (*names, *optional)]


def shape_of(path: str | Path, name: str) -> tuple[int, ...]:
    """Return the shape of one array, of which no number is read.

    Raises:
        SnnlabError: the file is missing, cut short or no npz, or has no such array.
    """
    with (
        _reading(path, name),
        zipfile.ZipFile(path) as stored,
        stored.open(f"{name}.npy") as file,
    ):
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)[0]
        return np.lib.format.read_array_header_2_0(file)[0]


def write_arrays(path: str | Path, **arrays: np.ndarray) -> None:
    """Write a compressed npz file, whole or not at all.

    Raises:
        SnnlabError: the disk is full or read-only, or the folder cannot be made.
    """
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def _reading(path: str | Path, wanted: str) -> AbstractContextManager[None]:
    return read_errors(
        f"{path} cannot be read",
        f"a whole npz file with {wanted} was expected. {_CURE}",
        *(OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError),
        *(zipfile.BadZipFile, zlib.error),
    )


_CURE = "Check the path, convert it again, or fetch it again if it was downloaded."
