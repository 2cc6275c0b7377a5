"""Unpacking of downloaded archives: each file or folder appears whole or not at all.

Everything goes to `.unpacking-<archive>` first. When that is complete, it is renamed to
`.unpacked-<archive>`, and its content is moved into place. After a kill, the next call repeats the
first step, or resumes the second.
"""

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab.data.fetch.download import check_room


def unpack(
    archive: Path,
    folder: Path,
    makes: tuple[str, ...],
    extract: Callable[[Path, Path], Any],
) -> None:
    """Unpack an archive so that each of `makes` appears in `folder` whole or not at all.

    Everything else in the archive appears before these, except names that begin with a dot.

    Args:
        archive: the file.
        folder: the target.
        makes: files and folders, in the order in which they are to appear.
        extract: function that unpacks the archive, its first argument, into an empty folder, its
            second.

    Raises:
        SnnlabError: the archive is damaged, lacks one of `makes` or holds a member that leads
            outside; a file is in the way, or the disk is full.
    """
    partial, complete = (folder / f".{word}-{archive.name}" for word in ("unpacking", "unpacked"))
    if not complete.exists():
        _remove(partial)
        check_room(folder, archive.stat().st_size, f"the content of {archive.name}")
        try:
            partial.mkdir(parents=True)
            extract(archive, partial)
            if missing := [name for name in makes if not (partial / name).exists()]:
                raise SnnlabError(
                    f"{archive} holds no {missing[0]}; {', '.join(makes)[:200]} was expected in "
                    "it. Remove it and fetch it again."
                )
            os.rename(partial, complete)
        except OSError as error:
            raise SnnlabError(
                f"{archive} could not be unpacked in {folder} ({error.strerror or error}); a "
                "writable folder with enough space was expected. What was unpacked is removed, the "
                "archive kept: run the same command again."
            ) from error
        finally:
            _remove(partial)
    move_in(complete, folder, makes)


def move_in(source: Path, folder: Path, makes: tuple[str, ...]) -> None:
    """Move the content of `source` to `folder`, and remove `source`; the next call resumes a move.

    Args:
        source: a folder with everything that is to be moved; names that begin with a dot stay.
        folder: the target.
        makes: the names to move last, in their order.

    Raises:
        SnnlabError: a file is in the way.
    """
    others = sorted({path.name for path in source.iterdir()} - set(makes))
    for name in (*(name for name in others if not name.startswith(".")), *makes):
        if not (source / name).exists():
            continue  # moved by a call that was killed
        if (folder / name).exists():
            raise SnnlabError(
                f"{folder / name} is in the way of what was unpacked. Move it elsewhere and run "
                "the same command again."
            )
        os.rename(source / name, folder / name)
    _remove(source)


def extract_all(archive: Path, folder: Path) -> None:
    """Unpack every member of a zip or tar file; `tarfile` and `zipfile` keep it inside `folder`.

    Raises:
        SnnlabError: the archive is damaged, or a member of a tar file is not a file, folder or link
            inside.
        OSError: the disk is full.
    """
    with archive.open("rb") as start:
        is_zip = start.read(2) == b"PK"
    if is_zip:
        with opened(archive) as file, zipfile.ZipFile(file) as content:
            content.extractall(folder)
    else:
        with opened_tar(archive) as tar:
            tar.extractall(folder, filter="data")


def extract_gzip(archive: Path, folder: Path) -> None:
    """Unpack the one file of a gzip archive, named as the archive without `.gz`.

    Raises:
        SnnlabError: the archive is damaged.
        OSError: the disk is full.
    """
    with (
        opened(archive) as file,
        gzip.open(file) as content,
        (folder / archive.stem).open("wb") as target,
    ):
        shutil.copyfileobj(content, target)


@contextmanager
def opened_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar file, packed or not, to read it once from its beginning; see `opened`."""
    with opened(archive) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
        yield tar


@contextmanager
def opened(archive: Path) -> Iterator[IO[bytes]]:
    """Open an archive, with a progress bar, and turn the errors of its readers into a sentence.

    Raises:
        SnnlabError: the archive is damaged.
    """
    size = archive.stat().st_size
    with (
        read_errors(
            f"{archive} cannot be unpacked",
            "a whole archive of files inside its folder was expected. Remove it and fetch it "
            "again.",
            *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError),
            *(RuntimeError, gzip.BadGzipFile),
        ),
        archive.open("rb") as file,
        tqdm.wrapattr(file, "read", total=size, desc=f"unpacking {archive.name}") as wrapped,
    ):
        yield wrapped


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
