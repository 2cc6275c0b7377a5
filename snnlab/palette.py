"""A figure's pixels as an image of at most 256 colours: a third of the bytes, in a few milliseconds.

Colours that are alike in the upper five bits of red, green and blue are one kind, and figures have some hundred kinds.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = 1 << 15


def in_few_colours(rgba: NDArray[np.uint8]) -> Image.Image:
    """Opaque pixels `(H, W, 4)` as an image with a palette: of each kind, the colour of its longest run along the rows.

    Areas of one colour keep it exactly. Where there are more than 256 kinds, the rarest become the nearest of the others.
    Only where a colour begins it is looked at: a figure has some twenty times fewer of these places than pixels.
    """
    pixels = np.ascontiguousarray(rgba).view(np.uint32).ravel()
    begins = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    lengths = np.diff(begins, append=pixels.size)
    colours = np.ascontiguousarray(pixels[begins]).view(np.uint8).reshape(-1, 4)[:, :3]
    kinds = (colours >> 3) @ np.array([1 << 10, 1 << 5, 1], dtype=np.uint16)
    of_kind = np.zeros((KINDS, 3), dtype=np.uint8)
    longest_last = np.argsort(np.minimum(lengths, 65535).astype(np.uint16), kind="stable")  # which sorts fast
    of_kind[kinds[longest_last]] = colours[longest_last]
    area = np.bincount(kinds, lengths, KINDS)
    found = np.flatnonzero(area)
    kept = of_kind[found[np.argsort(-area[found], kind="stable")[:256]]]
    place, to = of_kind[found].astype(np.float32), kept.astype(np.float32)
    number = np.zeros(KINDS, dtype=np.uint8)
    number[found] = (np.square(to).sum(1) - 2 * place @ to.T).argmin(1)  # the squared distance, but for a constant
    image = Image.fromarray(np.repeat(number[kinds], lengths).reshape(rgba.shape[:2]))
    image.putpalette(kept.tobytes())
    return image
