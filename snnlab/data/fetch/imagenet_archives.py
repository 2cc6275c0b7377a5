"""ImageNet's archives, as image-net.org hands them out, to the folders that readers expect."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import IO

from scipy.io import loadmat
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab.data.fetch.unpack import check_name, opened, save, tar_members

_TRUTH, _META = "data/ILSVRC2012_validation_ground_truth.txt", "data/meta.mat"


def extract_train(archive: Path, folder: Path) -> None:
    """A tar file of a tar file a class to `folder/train/<class>/*.JPEG`. The inner ones are never written.

    Raises:
        SnnlabError: it is damaged, or holds something else.
        OSError: there is no room.
    """
    with opened(archive) as file, _bar(archive) as bar:
        for tar, member in tar_members(file, archive):
            wnid, dot, rest = member.name.rpartition(".tar")
            if not dot or rest or "/" in wnid:
                raise SnnlabError(
                    f"{archive}: holds {member.name}; <class>.tar was expected. Remove it and fetch it again."
                )
            where = f"{archive}, {member.name}"
            for inner, picture in tar_members(_stream(tar, member), where):
                save(_stream(inner, picture), folder / "train" / wnid / picture.name, bar)


def extract_val(archive: Path, folder: Path) -> None:
    """A tar file of numbered pictures to `folder/val/<class>/*.JPEG`; the class of each stands in the development kit.

    Raises:
        SnnlabError: one of them is damaged, or they do not belong together.
        OSError: there is no room.
    """
    classes = validation_classes(archive.with_name("ILSVRC2012_devkit_t12.tar.gz"))
    seen = set()
    with opened(archive) as file, _bar(archive) as bar:
        for tar, member in tar_members(file, archive):
            name = Path(member.name)
            number = name.stem.rpartition("_")[2]
            if not number.isdecimal() or not 1 <= int(number) <= len(classes):
                raise SnnlabError(
                    f"{archive}: holds {member.name}; a name from ILSVRC2012_val_00000001.JPEG to ..._{len(classes):08}.JPEG was "
                    "expected, for so many classes the development kit lists. Fetch both again."
                )
            seen.add(int(number))
            save(_stream(tar, member), folder / "val" / classes[int(number) - 1] / name.name, bar)
    if len(seen) != len(classes):
        raise SnnlabError(
            f"{archive}: holds {len(seen):,} pictures; {len(classes):,} were expected, as many as the development kit lists. Fetch both "
            "again."
        )


def validation_classes(devkit: Path) -> list[str]:
    """The class (WordNet's number, such as n01440764) of each validation picture, in the order of their numbers.

    The list has ILSVRC's own numbers of classes. Of the synsets of `meta.mat` those without
    children are the classes.

    Raises:
        SnnlabError: the archive is damaged, or lacks a file or a class.
    """
    found: dict[str, bytes] = {}
    with opened(devkit) as file:
        for tar, member in tar_members(file, devkit):
            for name in (_TRUTH, _META):
                if member.name.endswith(name):
                    found[name] = _stream(tar, member).read()
    if len(found) < 2:
        raise SnnlabError(
            f"{devkit}: {_TRUTH} and {_META} were expected in it and are not both there. Fetch it again."
        )
    try:
        synsets = loadmat(io.BytesIO(found[_META]), squeeze_me=True)["synsets"]
        names = {
            int(number): str(wnid)
            for number, wnid, children in zip(
                synsets["ILSVRC2012_ID"], synsets["WNID"], synsets["num_children"], strict=True
            )
            if children == 0
        }
        classes = [names[int(line)] for line in found[_TRUTH].split()]
    except Exception as error:  # of a damaged MAT file, nearly any kind
        raise SnnlabError(
            f"{devkit} cannot be understood ({error!r}); ILSVRC's development kit was expected. Fetch it again."
        ) from error
    for wnid in set(classes):
        check_name(wnid, devkit)
    return classes


def _stream(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None  # of a plain file there is one
    return stream


def _bar(archive: Path) -> tqdm:
    return tqdm(desc=f"unpacking {archive.name}", unit="B", unit_scale=True)
