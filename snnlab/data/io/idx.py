"""The idx format of MNIST: arrays of bytes in a file, packed with gzip or not."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from snnlab._utils.errors import SnnlabError, read_errors

_BYTES = 8  # the code of unsigned bytes, the only type that MNIST has
_CURE = "Fetch it again."


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes.

    A file begins with two zeros, a code of its type, the number of its dimensions, and their
    lengths as big-endian numbers of 32 bits.

    Args:
        path: the file; that it is packed with gzip is told by its content.
        ndim: how many dimensions are expected: 1 of labels, 3 of pictures.

    Returns:
        The array, uint8.

    Raises:
        SnnlabError: the file cannot be read, is no such file, or is cut short.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
        >>> _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(file, 1)
        array([7, 2, 1], dtype=uint8)
    """
    expected = f"a whole idx file was expected, packed with gzip or not. {_CURE}"
    with read_errors(f"{path} cannot be read", expected, OSError, EOFError, zlib.error):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    start = 4 + 4 * ndim
    if content[:4] != bytes((0, 0, _BYTES, ndim)) or len(content) < start:
        raise SnnlabError(
            f"{path} begins with {content[:4].hex(' ') or 'nothing'}; 00 00 08 {ndim:02} was "
            f"expected, an idx file of bytes in {ndim} dimensions. {_CURE}"
        )
    shape = tuple(np.frombuffer(content, ">u4", ndim, 4).tolist())
    if len(content) - start != math.prod(shape):
        raise SnnlabError(
            f"{path} holds {len(content) - start:,} bytes of content; {math.prod(shape):,} were "
            f"expected for {' x '.join(map(str, shape))}. {_CURE}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
