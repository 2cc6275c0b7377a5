"""ImageNet's archives, as image-net.org provides them, unpacked to one folder a class."""

import io
import re
import tarfile
from pathlib import Path
from typing import IO

from scipy.io import loadmat

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab.data.fetch.unpack import opened_tar

DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
_TRUTH, _META = "data/ILSVRC2012_validation_ground_truth.txt", "data/meta.mat"


def extract_train(archive: Path, folder: Path) -> None:
    """Unpack a tar file of one tar file a class to `folder/train/<class>/*.JPEG`.

    Raises:
        SnnlabError: the archive is damaged, or holds something else.
        OSError: the disk is full.
    """
    with opened_tar(archive) as tar:
        for member in tar:
            name = re.fullmatch(r"(\w+)\.tar", member.name)
            if name is None:
                raise SnnlabError(
                    f"{archive}: holds {member.name}; <class>.tar was expected. Remove it and "
                    "fetch it again."
                )
            with tarfile.open(fileobj=_content(tar, member), mode="r|") as pictures:
                pictures.extractall(folder / "train" / name[1], filter="data")


def extract_val(archive: Path, folder: Path) -> None:
    """Unpack a tar file of numbered pictures to `folder/val/<class>/*.JPEG`.

    The development kit beside the archive lists the class of each number.

    Raises:
        SnnlabError: an archive is damaged, or they do not belong together.
        OSError: the disk is full.
    """
    classes = validation_classes(archive.with_name(DEVKIT))
    numbers = set()
    with opened_tar(archive) as tar:
        for member in tar:
            match = re.fullmatch(r"\w+_(\d+)\.JPEG", member.name)
            number = int(match[1]) if match else 0
            if not 1 <= number <= len(classes):
                raise SnnlabError(
                    f"{archive}: holds {member.name}; a name from ILSVRC2012_val_00000001.JPEG to "
                    f"..._{len(classes):08}.JPEG was expected, as the development kit lists "
                    f"{len(classes)} classes. Fetch both again."
                )
            numbers.add(number)
            member.name = f"{classes[number - 1]}/{member.name}"
            tar.extract(member, folder / "val", filter="data")
    if len(numbers) != len(classes):
        raise SnnlabError(
            f"{archive}: holds {len(numbers):,} pictures; {len(classes):,} were expected, as many "
            "as the development kit lists. Fetch both again."
        )


def validation_classes(devkit: Path) -> list[str]:
    """Return the class of each validation picture, such as n01440764, in the order of numbers.

    The list in the archive has ILSVRC's own class numbers. The classes are those synsets of
    `meta.mat` that have no children.

    Raises:
        SnnlabError: the archive is damaged, or lacks a file or a class.
    """
    content: dict[str, bytes] = {}
    with opened_tar(devkit) as tar:
        for member in tar:
            for name in (_TRUTH, _META):
                if member.name.endswith(name):
                    content[name] = _content(tar, member).read()
    if len(content) < 2:
        raise SnnlabError(
            f"{devkit}: {_TRUTH} and {_META} were expected in it and are not both there. Fetch it "
            "again."
        )
    expected = "ILSVRC's development kit was expected. Fetch it again."
    # a damaged MAT file raises nearly any kind
    with read_errors(f"{devkit} cannot be understood", expected, Exception):
        synsets = loadmat(io.BytesIO(content[_META]), squeeze_me=True)["synsets"]
        names = {
            int(one["ILSVRC2012_ID"]): str(one["WNID"])
            for one in synsets
            if one["num_children"] == 0
        }
        return [names[int(line)] for line in content[_TRUTH].split()]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} is not a file")
    return content
