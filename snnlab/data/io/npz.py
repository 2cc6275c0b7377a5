"""NumPy's npz files: reading with clear errors, and writing of complete files."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.errors import SnnlabError
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
    try:
        with open(path, "rb") as file:
            stored = np.load(file, allow_pickle=False)
            stored_names = getattr(stored, "files", [])  # an npy file is one array, without a name
            missing = [name for name in names if name not in stored_names]
            if not missing:
                there = [*names, *(name for name in optional if name in stored_names)]
                arrays = {name: stored[name] for name in there}
                return [arrays.get(name) for name in (*names, *optional)]
    except FileNotFoundError as error:
        raise SnnlabError(
            f"{path}: there is no such file; an npz file with {wanted} was expected. Check the "
            "path."
        ) from error
    except (
        OSError,
        ValueError,
        EOFError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise SnnlabError(
            f"{path} cannot be read "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            f"a whole npz file with {wanted} was expected. {_CURE}"
        ) from error
    raise SnnlabError(
        f"{path} has no array {missing[0]}; {wanted} was expected, "
        f"{', '.join(stored_names) or 'none with a name'} found. {_CURE}"
    )


def shape_of(path: str | Path, name: str) -> tuple[int, ...]:
    """Return the shape of one array, of which no number is read.

    Raises:
        SnnlabError: the file is missing, cut short or no npz, or has no such array.
    """
    try:
        with zipfile.ZipFile(path) as stored, stored.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(file)[0]
            return np.lib.format.read_array_header_2_0(file)[0]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise SnnlabError(
            f"{path} cannot be read ({error}); a whole npz file with {name} was expected. {_CURE}"
        ) from error


def write_arrays(path: str | Path, **arrays: np.ndarray) -> None:
    """Write a compressed npz file, whole or not at all.

    Raises:
        SnnlabError: the disk is full or read-only, or the folder cannot be made.
    """
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


_CURE = "Convert it again, or fetch it again if it was downloaded."
