"""Pictures in tar files, the shards of webdataset.

Disks read a few large files faster than a million small ones.

    train-000000.tar  train-000001.tar ...  val-000000.tar ...  classes.txt

A shard has `<key>.jpg` (or .jpeg, .png) and `<key>.cls`, the number of the class as text, for each
sample. They are read by place and not through `webdataset.WebDataset`: its order depends on the
number of loaders, and it cannot go on at a sample.
"""

import io
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json, stamp
from snnlab._utils.system import open_binary, read_at
from snnlab.data.batches.file_dataset import (
    CLASSES,
    FileDataset,
    Reader,
    check_classes,
    class_names,
)
from snnlab.data.cache import cached
from snnlab.data.io.images import SUFFIXES, opened

PARTS = ("train", "val")
SETTINGS = "shards.json"
MADE_ANEW = "the settings of the shards beside it were expected. Make them anew."

_OPEN = 64  # shards that a process keeps open
# Of a member: key and suffix, which begins at the first dot
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")


class Shard(NamedTuple):
    """A tar file, as it was when it was indexed."""

    path: str
    size: int
    mtime_ns: int


class Member(NamedTuple):
    """Where a picture lies: `size` bytes from `offset` of a shard."""

    shard: Shard
    offset: int
    size: int
    key: str

    def __str__(self) -> str:
        return f"{self.shard.path}, {self.key}"


def there(folder: Path) -> bool:
    """Return whether a folder holds shards."""
    return any(_paths(folder, part) for part in PARTS)


def complete(folder: Path) -> dict[str, list[Path]]:
    """Return the shards of each part, in order.

    Raises:
        SnnlabError: one is missing, as far as one can know.
    """
    paths_of = {part: _paths(folder, part) for part in PARTS}
    for part, paths in paths_of.items():
        settings = folder / f"{part}-{SETTINGS}"
        numbers = [int(path.stem.removeprefix(f"{part}-")) for path in paths]
        expected = max(numbers) - min(numbers) + 1 if numbers else 1
        if settings.exists():  # ours, perhaps of a call that was killed
            try:
                expected = int(read_json(settings, MADE_ANEW)["shards"])
            except (KeyError, TypeError) as error:
                raise SnnlabError(f"{settings}: holds no number of shards; {MADE_ANEW}") from error
        if len(paths) != expected:
            raise SnnlabError(
                f"{folder} has {len(paths)} of the shards {part}-*.tar; {expected} were expected, "
                "without a gap. Fetch what is missing, or call `snnlab data shards` again, which "
                "goes on where it stopped."
            )
    return paths_of


def parts(folder: Path, read: Reader, loaders: int) -> tuple[FileDataset, FileDataset]:
    """Training and test pictures of a folder of shards, in order of class and key.

    Classes have the names in classes.txt, one a line, and without that file their numbers. Each
    shard is indexed once, in the cache.

    Raises:
        SnnlabError: shards are missing or damaged, a picture has no class or the other way round,
            or a class no name.
    """
    paths_of = complete(folder)
    indices = {part: [_index(path) for path in paths] for part, paths in paths_of.items()}
    labels = np.concatenate([index["label"] for part in PARTS for index in indices[part]])
    classes = class_names(folder, labels, folder)
    for part, paths in paths_of.items():
        for path, index in zip(paths, indices[part], strict=True):
            for at in np.flatnonzero(index["label"] >= len(classes))[:1]:
                raise SnnlabError(
                    f"{path}, {index['key'][at].decode(errors='replace')}: is of class "
                    f"{index['label'][at]}; 0 to {len(classes) - 1} were expected, for "
                    f"{folder / CLASSES} has {len(classes)} lines. Put together what belongs "
                    "together."
                )
    train, test = (
        check_classes(
            _set(paths_of[part], indices[part], classes, read, loaders), folder / f"{part}-*.tar"
        )
        for part in PARTS
    )
    return train, test


def as_they_lie(part: FileDataset) -> FileDataset:
    """Sort samples by shard and place, so that a disk reads in one go.

    Training shuffles shards, see `FileDataset`.
    """
    order = sorted(range(len(part)), key=lambda i: part.samples[i][:2])
    return part.subset(torch.tensor(order, dtype=torch.long))


@contextmanager
def opened_member(member: Member) -> Iterator[Image.Image]:
    """Read a picture out of a shard, see `snnlab.data.io.images.opened`.

    Raises:
        SnnlabError: it cannot be read, or the shard is another one now.
    """
    content = read_at(_descriptor(member.shard), member.size, member.offset)
    with opened(str(member), io.BytesIO(content)) as image:
        yield image


def _paths(folder: Path, part: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob(f"{part}-*.tar")
        if path.stem.removeprefix(f"{part}-").isdecimal()
    )


def _index(path: Path) -> np.ndarray:
    """Key, label, offset and size of each picture of a shard, in order of the keys."""
    key = {"path": str(path.resolve()), "stamp": stamp(path)}
    return np.array(cached("shards", key, lambda: _indexed(path)))


def _indexed(path: Path) -> np.ndarray:
    pictures: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = _NAME.fullmatch(member.name)
                if name is None or not member.isfile():
                    continue
                key, suffix = name[1], name[2].lower()
                if (f".{suffix}" in SUFFIXES and key in pictures) or (
                    suffix == "cls" and key in labels
                ):
                    raise SnnlabError(
                        f"{path}, {key}: is there twice; one picture and one class a key were "
                        "expected. Make the shard anew."
                    )
                if f".{suffix}" in SUFFIXES:
                    pictures[key] = member.offset_data, member.size
                elif suffix == "cls":
                    labels[key] = _label(path, key, tar.extractfile(member))
            file.seek(tar.offset)
            # A whole one ends with zeros; tarfile takes a damaged header for the end
            if file.read(512) != bytes(512):
                raise tarfile.ReadError(f"no end of the archive at byte {tar.offset}")
    except (tarfile.TarError, OSError) as error:
        raise SnnlabError(
            f"{path} cannot be read as a tar file ({error}); a whole one was expected. Fetch it "
            "again."
        ) from error
    for key in sorted(pictures.keys() ^ labels.keys()):
        has, lacks = (
            ("a picture", "class (.cls)")
            if key in pictures
            else ("a class", "picture (.jpg, .jpeg or .png)")
        )
        raise SnnlabError(
            f"{path}, {key}: has {has} and no {lacks}; both were expected. Make the shard anew."
        )
    if not pictures:
        raise SnnlabError(
            f"{path}: holds no picture; <key>.jpg, .jpeg or .png was expected, and <key>.cls. Make "
            "the shard anew."
        )
    rows = [
        (key.encode("utf-8", "surrogateescape"), labels[key], *pictures[key])
        for key in sorted(pictures)
    ]
    width = max(len(key) for key, *_ in rows)
    return np.array(
        rows, [("key", f"S{width}"), ("label", np.int64), ("offset", np.int64), ("size", np.int64)]
    )


def _label(path: Path, key: str, content: IO[bytes] | None) -> int:
    text = b"" if content is None else content.read(100)
    try:
        label = int(text)
    except ValueError:
        label = -1
    if not 0 <= label < 2**31:
        raise SnnlabError(
            f"{path}, {key}: its class is {text.decode(errors='replace')!r}; a whole number from 0 "
            f"was expected in {key}.cls. Make the shard anew."
        )
    return label


def _set(
    paths: list[Path],
    indices: list[np.ndarray],
    classes: tuple[str, ...],
    read: Reader,
    loaders: int,
) -> FileDataset:
    rows: list[tuple[int, Member, int]] = []
    for number, (path, index) in enumerate(zip(paths, indices, strict=True)):
        shard = Shard(str(path), *stamp(path))
        for key, label, offset, size in index.tolist():
            rows.append(
                (label, Member(shard, offset, size, key.decode("utf-8", "surrogateescape")), number)
            )
    rows.sort(key=lambda row: (row[0], row[1].key, row[2]))
    labels, members, numbers = zip(*rows, strict=True)
    return FileDataset(
        members, torch.tensor(labels), classes, read, loaders, shards=torch.tensor(numbers)
    )


_files: dict[Shard, int] = {}  # file descriptors of this process, the one opened first comes first


def _descriptor(shard: Shard) -> int:
    if shard not in _files:
        if len(_files) >= _OPEN:
            os.close(_files.pop(next(iter(_files))))
        try:
            descriptor = open_binary(shard.path)
        except OSError as error:
            raise SnnlabError(
                f"{shard.path} cannot be read ({error.strerror}); a shard was expected. Fetch it "
                "again."
            ) from error
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != shard[1:]:
            os.close(descriptor)
            raise SnnlabError(
                f"{shard.path}: has changed since it was indexed; the same file was expected. Open "
                "the data set again."
            )
        _files[shard] = descriptor
    return _files[shard]
