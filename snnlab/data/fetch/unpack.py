"""Unpack archives of strangers: nothing is written outside, and nothing half-unpacked is taken for whole.

All goes to `.unpacking-<archive>` first. When that is whole, it is renamed to
`.unpacked-<archive>`, and what is in it is moved in place, which takes no time. A call after a kill
begins anew in the first case, and goes on moving in the second.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab.data.fetch.download import check_room

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
_BLOCK = 1 << 20


def unpack(
    archive: Path,
    folder: Path,
    makes: tuple[str, ...],
    extract: Callable[[Path, Path], None] | None = None,
) -> None:
    """Unpack a zip, tar or tar.gz file into `folder`, so that each of `makes` appears there whole or not at all.

    Whatever else is in it comes along, before these; names that begin with a dot do not.

    Args:
        archive: the file.
        folder: where it goes.
        makes: files and folders, in the order in which they are to appear.
        extract: of another kind of archive, unpacks the first argument into the folder that is the
            second.

    Raises:
        SnnlabError: the archive is damaged, lacks one of `makes` or holds a name that leads
            outside; there is something in the way, or no room.
    """
    begun, whole = (folder / f".{word}-{archive.name}" for word in ("unpacking", "unpacked"))
    if not whole.exists():
        _remove(begun)
        check_room(folder, archive.stat().st_size, f"what {archive.name} holds")
        try:
            begun.mkdir(parents=True)
            (extract or extract_all)(archive, begun)
            missing = [name for name in makes if not (begun / name).exists()]
            if missing:
                raise SnnlabError(
                    f"{archive} holds no {missing[0]}; {', '.join(makes)[:200]} was expected in it. Remove it and fetch it again."
                )
            os.rename(begun, whole)
        except OSError as error:
            raise SnnlabError(
                f"{archive} could not be unpacked in {folder} ({error.strerror or error}); room and the right to write were "
                "expected. What was unpacked is removed, the archive kept: run the same command again."
            ) from error
        finally:
            _remove(begun)
    move_in(whole, folder, makes)


def move_in(whole: Path, folder: Path, makes: tuple[str, ...]) -> None:
    """Move all that is in `whole` to `folder`, these names last, and remove `whole`; a killed call is gone on with by the next.

    Raises:
        SnnlabError: there is something in the way.
    """
    others = sorted(
        path.name
        for path in whole.iterdir()
        if path.name not in makes and not path.name.startswith(".")
    )
    for name in (*others, *makes):
        if not (whole / name).exists():
            continue  # moved by a call that was killed
        if (folder / name).exists():
            raise SnnlabError(
                f"{folder / name} is in the way of what was unpacked; nothing or another place was expected. Move it elsewhere and run "
                "the same command again."
            )
        os.rename(whole / name, folder / name)
    _remove(whole)


def extract_all(archive: Path, folder: Path) -> None:
    """Unpack every member into `folder`, which is empty.

    Raises:
        SnnlabError: the archive is damaged, or a member is no plain file or folder inside.
        OSError: there is no room.
    """
    with opened(archive) as file:
        magic = file.read(2)
        file.seek(0)
        (_unzip if magic == b"PK" else _untar)(archive, file, folder)


@contextmanager
def opened(archive: Path) -> Iterator[IO[bytes]]:
    """An archive's bytes; what its readers raise for a damaged one becomes a sentence.

    Raises:
        SnnlabError: it is damaged.
    """
    try:
        with archive.open("rb") as file:
            yield file
    except SnnlabError:
        raise
    except _DAMAGED as error:
        raise SnnlabError(
            f"{archive} cannot be unpacked ({str(error) or type(error).__name__}); a whole archive was expected. Remove it and fetch it "
            "again."
        ) from error


def tar_members(
    file: IO[bytes], where: object
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The plain files of a tar or tar.gz file, in its order, each with a name that stays inside.

    Raises:
        SnnlabError: a member is something else.
    """
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            kind = "a link" if member.islnk() or member.issym() else "a device"
            check_name(member.name, where, None if member.isfile() or member.isdir() else kind)
            if member.isfile():
                yield tar, member


def check_name(name: str, where: object, kind: str | None = None) -> None:
    """Refuse a member that would lie outside of where it is unpacked, or is no plain file.

    Raises:
        SnnlabError: it would, or is none.
    """
    path = PurePosixPath(name)
    if kind is None and (
        path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    ):
        kind = "a name that leads outside"
    if kind is not None:
        raise SnnlabError(
            f"{where}: the member {name!r} is {kind}; plain files and folders inside were expected. Nothing of it is kept: do not trust "
            "this archive."
        )


def save(source: IO[bytes], target: Path, bar: tqdm) -> None:
    """Write one member as a new file, and tell the bar of its bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
            bar.update(len(block))


def _unzip(archive: Path, file: IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(file) as content:
        members = content.infolist()
        for member in members:
            mode = member.external_attr >> 16
            plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode)
            check_name(member.orig_filename, archive, None if plain else "a link or a device")
        total = sum(member.file_size for member in members)
        check_room(folder, total, f"what {archive.name} holds")
        with _bar(archive, total) as bar:
            for member in members:
                if not member.is_dir():
                    with content.open(member) as source:
                        save(source, folder / member.filename, bar)


def _untar(archive: Path, file: IO[bytes], folder: Path) -> None:
    with _bar(archive, None) as bar:
        for tar, member in tar_members(file, archive):
            source = tar.extractfile(member)
            assert source is not None  # of a plain file there is one
            save(source, folder / member.name, bar)


def _bar(archive: Path, total: int | None) -> tqdm:
    return tqdm(total=total, desc=f"unpacking {archive.name}", unit="B", unit_scale=True)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
