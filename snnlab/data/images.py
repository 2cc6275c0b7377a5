"""Opening picture files, with one sentence for what cannot be read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from snnlab.errors import SnnlabError

SUFFIXES = (".jpg", ".jpeg", ".png")  # also in capitals

# what Pillow raises for damaged files, by format
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


@contextmanager
def opened(path: Path | str, content: IO[bytes] | None = None) -> Iterator[Image.Image]:
    """A picture; it is decoded as far as is asked for, so its size costs no more than its header.

    Args:
        path: of the file, or what it is called where `content` has it.
        content: its bytes.

    Raises:
        SnnlabError: the file cannot be read, on opening or on decoding inside the block.
    """
    try:
        with Image.open(path if content is None else content) as image:
            yield image
    except SnnlabError:
        raise
    except _UNREADABLE as error:
        raise SnnlabError(
            f"{path} cannot be read as an image ({error}); a whole JPEG or PNG file was expected. Fetch it again or remove it."
        ) from error


def class_folders(images: Path) -> list[Path]:
    """The folders in a folder, one a class, in order of the alphabet.

    Raises:
        SnnlabError: there is none.
    """
    folders = sorted(path for path in images.iterdir() if path.is_dir()) if images.is_dir() else []
    if not folders:
        raise SnnlabError(f"{images} holds no folder; one folder of images a class was expected. Check the path.")
    return folders
