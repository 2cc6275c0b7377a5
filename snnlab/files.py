"""Files that are whole or not there, and their checksums."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snnlab.errors import SnnlabError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on any error it vanishes.

    A reader therefore sees the old file or the new one, never half of one, also after a SIGKILL.

    Raises:
        SnnlabError: the disk is full or read-only, or the folder cannot be made.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the rename must not overtake the bytes
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise SnnlabError(
            f"{path}: could not be written ({error.strerror or error}); what stood there before is untouched. "
            "Free some space or choose a folder that you may write to."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def now() -> str:
    """The time as records have it, in UTC and to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def make_folder(folder: Path) -> None:
    """Make `folder`, to learn before the work begins whether one may write there.

    Raises:
        SnnlabError: one may not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnnlabError(
            f"{folder}: cannot be made ({error.strerror}); a folder to write to was expected. Choose another place."
        ) from error


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy and torch, and paths, as JSON has them: the `default` of `json.dumps`.

    Raises:
        SnnlabError: it is something else.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise SnnlabError(f"{value!r} is no number, text, list or object, as JSON has them; convert it first.")


def _umask() -> int:
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    return mask


def remove(path: Path) -> int:
    """Remove a file, or a folder with all that is in it; returns how many bytes that were.

    Raises:
        SnnlabError: it cannot be removed.
    """
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    try:
        size = sum(file.stat().st_size for file in files)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise SnnlabError(f"{path}: cannot be removed ({error.strerror}); remove it by hand.") from error
    return size


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(checksums: Iterable[str]) -> str:
    """One checksum over those of several files, in their order."""
    return hashlib.sha256("".join(checksums).encode()).hexdigest()
