"""NumPy's npz files: reading with clear errors, and writing of complete files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file


def read_arrays(path: str | Path, names: tuple[str, ...]) -> list[np.ndarray]:
    """Read the arrays of these names, in their order. Pickles are never opened.

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
                return [stored[name] for name in names]
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


def write_arrays(path: str | Path, **arrays: np.ndarray) -> None:
    """Write a compressed npz file, whole or not at all.

    Raises:
        SnnlabError: the disk is full or read-only, or the folder cannot be made.
    """
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


_CURE = "Convert it again, or fetch it again if it was downloaded."
