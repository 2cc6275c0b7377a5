"""Files: complete ones or none, JSON and YAML of untrusted origin, lists and checksums."""

import fnmatch
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError, reason_of

# what systems and tools leave in folders, in small letters, beside names that begin with a dot
_SYSTEM = frozenset({
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"),
    *("lost+found", "system volume information", "__pycache__"),
})  # fmt: skip
LARGEST = 1 << 28  # bytes of a text file that is read; what snnlab writes has a few MB at most
MOST_FILES = 50_000  # in the folder of a sweep; looking through them takes about a second
ABANDONED = 600.0  # seconds without a write, after which a temporary file is nobody's
DEEPEST = 100  # levels of lists and objects in each other


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` on success and is removed on any error.

    A reader therefore sees the old file or the new one, never half of one, also after a SIGKILL.

    Raises:
        SnnlabError: the disk is full or read-only, the folder cannot be made, or `path` is a device
            or the like.
    """
    path = Path(path)
    temporary = None
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise SnnlabError(f"{path}: is no ordinary file, and is not replaced; choose another.")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the rename must not overtake the bytes
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if wrong := next(filter(os.path.isfile, path.parents), None):
            raise SnnlabError(
                f"{wrong}: is a file; a folder was expected. Rename it, or choose another folder."
            ) from error
        raise SnnlabError(
            f"{path}: could not be written ({error.strerror or error}); what stood there before is "
            "untouched. "
            "Free some space or choose a folder that you may write to."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def remove_abandoned(path: str | Path) -> None:
    """Remove temporary files of `whole_file` for this file that killed processes left.

    They are those that nobody has written to for 10 minutes: another process may be at work.
    """
    path = Path(path)
    pattern = glob.escape(f".{path.name}.") + "?" * 8 + glob.escape(path.suffix)
    for temporary in path.parent.glob(pattern):
        with suppress(OSError):  # another process has removed it, or one may not
            if time.time() - temporary.stat().st_mtime > ABANDONED:
                temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; see `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name belongs to a system or a tool."""
    return name.startswith(".") or name.lower() in _SYSTEM


def paths_below(folder: Path, pattern: str = "*", *, most: int | None = None) -> list[Path]:
    """List the paths below a folder that match a pattern, sorted, without hidden ones.

    Temporary files that a killed process left are hidden, as is the content of a hidden folder.

    Args:
        folder: where to look, at any depth.
        pattern: of the names.
        most: files and folders that are looked through; None for any number.

    Raises:
        SnnlabError: there are more than `most`.
    """
    paths, count = [], 0
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        names = [name for name in (*folders, *files) if not is_hidden(name)]
        count += len(names)
        if most is not None and count > most:
            raise SnnlabError(
                f"{folder}: has more than {most:,} files and folders in it, too many to look "
                f"through for {pattern}; name a folder further down, or the file itself."
            )
        paths += [Path(here, name) for name in fnmatch.filter(names, pattern)]
    return sorted(paths)


def checkpoints_below(folder: Path) -> list[Path]:
    """List the checkpoints below the folder of a run or of a sweep, as `paths_below`.

    Raises:
        SnnlabError: so many files are in it that it is another folder, such as one's home.
    """
    return paths_below(folder, "*.pt", most=MOST_FILES)


def now() -> str:
    """Return the current time in UTC, to the second, as ISO text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def make_folder(folder: Path) -> None:
    """Create a folder, so that an error of permissions comes before the work.

    Raises:
        SnnlabError: one may not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnnlabError(
            f"{folder}: cannot be made ({error.strerror}); a folder to write to was expected. "
            "Choose another place."
        ) from error


def given_path(path: str | Path) -> Path:
    """Return a path that a user gave, with `~` replaced by the home folder.

    Raises:
        SnnlabError: it is empty, which would mean the current folder, or there is no such home
            folder.
    """
    if not os.fspath(path):
        raise SnnlabError(
            "a path is empty; a file or a folder was expected. Name it; the current folder is `.`."
        )
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SnnlabError(
            f"{path}: there is no such home folder; a path was expected. Check the name."
        ) from error


def read_json(path: str | Path, advice: str) -> Any:
    """Read a JSON file that anybody may have written.

    Args:
        path: the file.
        advice: what to do if it cannot be read; the error ends with it.

    Returns:
        What the file holds.

    Raises:
        SnnlabError: it is no plain file, too large or no JSON, or what it holds is nested too
            deeply or has a number of more than 64 bits.
    """
    return read_parsed(Path(path), json.loads, "JSON", advice)


def parse_json(text: str) -> Any:
    """Parse JSON that anybody may have written.

    Raises:
        ValueError: it is none, is nested too deeply, or has a number of more than 64 bits.
    """
    return _limited(json.loads, text)


def read_parsed(path: Path, parse: Callable[[str], Any], kind: str, advice: str) -> Any:
    """Read a text file and parse it; see `read_json`.

    Args:
        path: the file.
        parse: makes an object of the text; its ValueErrors say what is wrong.
        kind: what the file was expected to hold, such as "YAML".
        advice: what to do if it cannot be read.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a pipe or a device may never end
            raise ValueError("a folder, pipe or device instead of a file")
        if about.st_size > LARGEST:
            raise ValueError(f"{about.st_size:,} bytes, more than {LARGEST:,}")
        return _limited(parse, path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SnnlabError(f"{path}: no readable {kind} ({reason_of(error)}); {advice}") from error


def _limited(parse: Callable[[str], Any], text: str) -> Any:
    """Parse a text, and refuse nesting and numbers that later functions cannot handle."""
    try:
        content = parse(text)
    except RecursionError as error:
        raise ValueError(f"more than {DEEPEST} levels of nesting") from error
    level: list[Any] = [[content]]
    for _ in range(DEEPEST + 1):
        inner: dict[int, Any] = {}  # by id: YAML may name one object many times, even inside itself
        for one in level:
            for value in one.values() if isinstance(one, dict) else one:
                if isinstance(value, dict | list):
                    inner[id(value)] = value
                elif isinstance(value, int) and value.bit_length() > 64:
                    raise ValueError("a number of more than 64 bits")
        if not inner:
            return content
        level = [*inner.values()]
    raise ValueError(f"more than {DEEPEST} levels of nesting")


def plain(value: Any) -> Any:
    """Convert numbers, arrays, tensors and paths for JSON: the `default` of `json.dumps`.

    Raises:
        SnnlabError: it is something else.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise SnnlabError(
        f"{value!r} is no number, text, list or object, as JSON has them; convert it first."
    )


def _umask() -> int:
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    return mask


def remove(path: Path) -> int:
    """Remove a file or a folder with its content, and return the number of bytes.

    Raises:
        SnnlabError: it cannot be removed.
    """
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    try:
        size = sum(file.stat().st_size for file in files)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise SnnlabError(
            f"{path}: cannot be removed ({error.strerror}); remove it by hand."
        ) from error
    return size


def stamp(path: str | Path) -> tuple[int, int]:
    """Return size in bytes and mtime in ns: a cheap file fingerprint."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(checksums: Iterable[str]) -> str:
    """Return one checksum over those of several files, in their order."""
    return hashlib.sha256("".join(checksums).encode(errors="replace")).hexdigest()
