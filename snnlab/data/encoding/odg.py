"""Static images to events: the Omnidirectional Discrete Gradient (ODG) that made ES-ImageNet.

A picture is pasted at nine places of a frame that is 4 pixels larger, one after the other, as if
the camera jittered. Where the frame gets brighter by more than `theta` from one place to the next,
there is an ON event; where it gets darker, OFF. The places are those of Lin et al. 2021 (Front.
Neurosci. 15:726582); their eight steps point in eight directions.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from snnlab._utils.errors import SnnlabError

ROWS = (1, 0, 2, 1, 0, 2, 1, 1, 2)  # X_t, the first row of the picture at t = 0 ... 8
COLUMNS = (0, 2, 1, 0, 1, 2, 0, 1, 1)  # Y_t, its first column
STEPS = len(ROWS) - 1  # T
MARGIN = 4  # how much larger than the picture the frame is
THETA = 0.18


@torch.no_grad()
def odg_events(
    images: Tensor,
    theta: float = THETA,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Convert static images to events (T=8, B, 2, H + 4, W + 4), channel 0 ON, channel 1 OFF.

        V = max over colours,   F_t[X_t + i, Y_t + j] = V[i, j],
        D_t = F_t - F_(t-1)   for t = 1 ... 8,
        ON where D_t > theta,   OFF where D_t < -theta,
        both only where F_t and F_(t-1) show the picture

    Images of 8 bits are compared as whole numbers, which is several times as fast as with floats.
    The events are those of the images divided by 255, unless 255 theta is a whole number: then a
    difference of exactly `theta` is no event of bytes, and with floats rounding decides about it.

    Args:
        images: (B, H, W) brightness or (B, 3, H, W) RGB; floating point from 0 to 1, or uint8 from
            0 to 255. On any device.
        theta: the threshold, a part of the full range of brightness, from 0 to below 1.
        dtype: of the events; torch.uint8 or torch.bool take a quarter of the memory.

    Returns:
        The events, 0 or 1.

    Raises:
        SnnlabError: the images have another shape, type or range, or theta is out of its range.

    Example:
        >>> image = torch.zeros(1, 6, 6)
        >>> image[0, 2:4, 2:4] = 1.0
        >>> odg_events(image).shape, int(odg_events(image).sum())
        (torch.Size([8, 1, 2, 10, 10]), 52)
    """
    _check_images(images)
    check_theta(theta)
    value = images if images.ndim == 3 else images[:, 0].maximum(images[:, 1]).maximum(images[:, 2])
    batch, height, width = value.shape
    pitch, size = width + MARGIN, (height + MARGIN) * (width + MARGIN)
    # A frame, as one row of numbers, is a slice of a canvas with empty rows above and columns
    # beside the picture.
    starts = [(3 - row) * pitch - column for row, column in zip(ROWS, COLUMNS, strict=True)]
    events = torch.empty(STEPS, batch, 2, size, dtype=dtype, device=images.device)
    if value.dtype == torch.uint8:
        _compare_bytes(value, math.floor(255 * theta), starts, events)
    else:
        _compare_floats(value, theta, starts, events)
    return events.view(STEPS, batch, 2, height + MARGIN, pitch)


def edge_integral(events: Tensor) -> Tensor:
    """Average the events of a picture, shifted back to its place, to an edge image (B, H, W).

        S[i, j] = 1/8 sum_t (ON_t - OFF_t)[X_t + i, Y_t + j]

    Of a picture of zeros and ones this is exactly 1/8 sum_t (V[i, j] - V[i + X_t - X_(t-1), j + Y_t
    - Y_(t-1)]), summed over the neighbours inside it: a difference to the neighbourhood, positive
    on the bright side of an edge.

    Args:
        events: (8, B, 2, H + 4, W + 4), as `odg_events` gives them, of any type; also a part cut
            out of them.

    Returns:
        Floating point, float32 where the events are not.

    Raises:
        SnnlabError: the shape is another.
    """
    if (
        events.ndim != 5
        or events.shape[0] != STEPS
        or events.shape[2] != 2
        or min(events.shape[3:]) <= MARGIN
    ):
        raise SnnlabError(
            f"events have shape {tuple(events.shape)}; (8, B, 2, H + 4, W + 4) was expected. Pass "
            "what odg_events returned."
        )
    height, width = (length - MARGIN for length in events.shape[3:])
    dtype = events.dtype if events.is_floating_point() else torch.float32
    on, off = events.to(dtype).unbind(2)
    places = zip(on - off, ROWS[1:], COLUMNS[1:], strict=True)
    moved = [step[:, row : row + height, column : column + width] for step, row, column in places]
    return torch.stack(moved).mean(0)


def check_theta(theta: float) -> None:
    """Check a threshold.

    Raises:
        SnnlabError: it is not from 0 to below 1.
    """
    if not 0 <= theta < 1:
        raise SnnlabError(
            f"theta is {theta}; a number from 0 to below 1 was expected, such as {THETA}. Choose "
            "one."
        )


def _check_images(images: Tensor) -> None:
    if (
        images.ndim not in (3, 4)
        or (images.ndim == 4 and images.shape[1] != 3)
        or images.numel() == 0
    ):
        raise SnnlabError(
            f"images have shape {tuple(images.shape)}; (B, H, W) or (B, 3, H, W) was expected. "
            "Add the batch with images[None], take off a single channel with images[:, 0]."
        )
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise SnnlabError(
            f"images have the type {images.dtype}; floating point from 0 to 1 or uint8 was "
            "expected. Convert them."
        )
    low, high = (bound.item() for bound in images.aminmax())
    if not (low >= 0 and high <= 1):  # so written, NaN is refused too
        raise SnnlabError(
            f"images have values from {low:g} to {high:g}; numbers from 0 to 1, none of them NaN, "
            "were expected. Divide by the largest value, or find where the NaN comes from."
        )


def _compare_floats(value: Tensor, level: float, starts: list[int], events: Tensor) -> None:
    """Fill events (8, B, 2, S) by the rule; outside the picture is NaN, which exceeds nothing."""
    canvas = F.pad(value, (0, MARGIN, 3, MARGIN), value=math.nan).flatten(1)
    size = events.shape[-1]
    difference = torch.empty_like(canvas[:, :size])
    for t, step in enumerate(events):
        before, now = (canvas[:, start : start + size] for start in starts[t : t + 2])
        torch.sub(now, before, out=difference)
        torch.gt(difference, level, out=step[:, 0])
        torch.lt(difference, -level, out=step[:, 1])


def _compare_bytes(value: Tensor, level: int, starts: list[int], events: Tensor) -> None:
    """Fill events for bytes by now > before + level and before > now + level.

    A byte cannot hold the difference.

    Where there is no picture the left side is 0 and the right side 255, so that it is never true.
    """
    padding = (0, MARGIN, 3, MARGIN)
    low = F.pad(value, padding).flatten(1)
    # Stops at 255, which nothing exceeds
    raised = value.clamp(max=255 - level) + level
    high = F.pad(raised, padding, value=255).flatten(1)
    size = events.shape[-1]
    for t, step in enumerate(events):
        before, now = (slice(start, start + size) for start in starts[t : t + 2])
        torch.gt(low[:, now], high[:, before], out=step[:, 0])
        torch.gt(low[:, before], high[:, now], out=step[:, 1])
