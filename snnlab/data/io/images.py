"""Image files and folders of classes, with clear errors."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from snnlab._utils.errors import SnnlabError, read_errors
from snnlab._utils.files import is_hidden
from snnlab.data.io.folders import check_names

SUFFIXES = (".jpg", ".jpeg", ".png")  # also in capitals


@contextmanager
def opened(path: Path | str, content: IO[bytes] | None = None) -> Iterator[Image.Image]:
    """Open an image; it is decoded lazily, so its size costs no more than its header.

    Args:
        path: of the file, or what it is called where `content` has it.
        content: its bytes.

    Raises:
        SnnlabError: the file cannot be read, on opening or on decoding inside the block.
    """
    with (
        read_errors(
            f"{path} cannot be read as an image",
            "a whole JPEG or PNG file was expected. Fetch it again or remove it.",
            # what Pillow raises for damaged files, by format
            *(OSError, ValueError, SyntaxError, EOFError),
            *(struct.error, Image.DecompressionBombError),
        ),
        Image.open(path if content is None else content) as image,
    ):
        yield image


def class_folders(folder: Path, what: str = "images") -> list[Path]:
    """Return the folders in a folder, one a class, sorted, without those of a system or a tool.

    Args:
        folder: that has them.
        what: they hold, for the sentence.

    Raises:
        SnnlabError: there is none, or a name is no name of a class.
    """
    entries = folder.iterdir() if folder.is_dir() else ()
    folders = sorted(path for path in entries if path.is_dir() and not is_hidden(path.name))
    if not folders:
        raise SnnlabError(
            f"{folder} holds no folder; one folder of {what} a class was expected. Check the path."
        )
    check_names((path.name for path in folders), folder)
    return folders
