"""Films of one moving shape, in grey and as events, whose class is the motion.

A shape moves right or left, turns clockwise or anticlockwise, grows or shrinks. What leaves the
picture on one side comes back on the other, and a shape that has reached its largest size goes on
with its smallest. Place, angle and size in a single frame therefore have the same distribution in
every class: one frame says nothing about the motion.

One step of events is the difference of two frames, so it shows the direction of a motion, as long
as the shape is brighter than the background. A dark shape that moves left has the same events in
one step as a bright one that moves right. Where half of the shapes are dark, one step says which
pair of motions it is, and no more.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, whole_number
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.encoding.video_events import video_events
from snnlab.data.splits import DataSplits

MOTIONS = ("right", "left", "clockwise", "anticlockwise", "growing", "shrinking")
STEPS, SIDE = 8, 33  # steps of events; pixels of a side of the picture
RATIO = 0.06  # part of all pixels and steps with an event; a shape is small
# Smallest and largest speed of the motions: pixels, radians, and logarithm of the size, per frame
MOVE, TURN, GROW = (2.0, 3.0), (0.25, 0.4), (0.08, 0.12)
ROWS = (12.0, 21.0)  # in which the centre of a shape lies; it lies in any column
SIZE = (5.0, 12.0)  # pixels, scales the distances of `SHAPES`
CONTRAST = (50.0, 100.0)  # grey levels between the shape and the background
BACKGROUND, NOISE = 128.0, 2.0  # grey levels; the second is a standard deviation
# The sides of each shape: the direction in which it faces, in turns, and its distance from the
# centre. All shapes have equally many, so some name a side twice.
SHAPES = {
    "bar": ((0.0, 1.0), (0.25, 0.4), (0.5, 1.0), (0.75, 0.4)),
    "triangle": ((0.0, 0.5), (1 / 3, 0.5), (2 / 3, 0.5), (2 / 3, 0.5)),
    "wedge": ((0.0, 0.4), (0.25, 0.7), (0.625, 0.3), (0.625, 0.3)),
}
NOTE = "Films of a moving shape that this program draws; no camera recorded them"
_CHUNK = 100  # films that are drawn at once


def load(*, films: int = 400, dark: float = 0.0, seed: int = 0) -> DataSplits[DenseSet]:
    """Make the events alone, `target` of `moving_shapes`."""
    return moving_shapes(films=films, dark=dark, seed=seed)["target"]


@memory_errors("drawing films", "fewer of them")
def moving_shapes(
    *, films: int, dark: float = 0.0, seed: int = 0
) -> dict[str, DataSplits[DenseSet]]:
    """Make films three times: in grey, as signed events, and as events of ON and OFF.

    Args:
        films: how many to train on; half as many are for validation, and as many for testing.
        dark: share of the shapes that are darker than the background, 0 to 1.
        seed: of everything that is drawn.

    Returns:
        `pictures` `(8, n, 1, 33, 33)`, brightness from 0 to 1; `edges` `(8, n, 1, 33, 33)`, int8,
        ON minus OFF; `target` `(8, n, 2, 33, 33)`, uint8, the events. Step t of the events is the
        change from frame t to frame t + 1; `pictures` has frame t + 1.

    Raises:
        SnnlabError: `dark` is not from 0 to 1, or there are too few films for all motions.
    """
    films = whole_number("films", films, len(MOTIONS))
    seed = whole_number("seed", seed, 0)
    sizes = films, max(len(MOTIONS), films // 2), films
    drawn = [film_frames(n, dark=dark, seed=(seed, part)) for part, n in enumerate(sizes)]
    events = [film_events(frames) for frames, _ in drawn]
    kinds = {
        "pictures": ([_brightness(frames) for frames, _ in drawn], "brightness, 0 to 1"),
        "edges": ([_signed(x) for x in events], "ON minus OFF"),
        "target": (events, "0 or 1, whether there was an event; ON and OFF"),
    }
    return {
        name: DataSplits(
            *(DenseSet(x, labels, MOTIONS) for x, (_, labels) in zip(parts, drawn, strict=True)),
            unit=unit,
            preprocessing={"ratio": RATIO, "noise": NOISE, "dark": dark, "seed": seed},
            name="moving-shapes" if name == "target" else name,
            note=NOTE,
        )
        for name, (parts, unit) in kinds.items()
    }


def film_frames(n: int, *, dark: float = 0.0, seed: Any = 0) -> tuple[np.ndarray, Tensor]:
    """Draw films: frames `(n, STEPS + 1, SIDE, SIDE)`, uint8, and the motion of each, `(n,)`.

    Args:
        n: films, spread evenly over `MOTIONS`.
        dark: share of the shapes that are darker than the background, 0 to 1.
        seed: of everything that is drawn, as `numpy.random.default_rng` takes it.

    Raises:
        SnnlabError: `dark` is not from 0 to 1, or `n` is not positive.
    """
    whole_number("n", n, 1)
    if not (is_number(dark) and 0 <= dark <= 1):
        raise SnnlabError(f"dark = {dark!r}: expected a share from 0 to 1.")
    frames = np.empty((n, STEPS + 1, SIDE, SIDE), dtype=np.uint8)  # first: it may not fit
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % len(MOTIONS)
    poses = _poses(labels, rng)
    sides = np.array(list(SHAPES.values()), dtype=np.float32)[rng.integers(len(SHAPES), size=n)]
    contrast = np.where(rng.random(n) < dark, -1, 1) * rng.uniform(*CONTRAST, n)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        grey = contrast[part, None, None, None] * _coverage(poses[part], sides[part])
        grey += BACKGROUND + NOISE * rng.standard_normal(grey.shape, dtype=np.float32)
        frames[part] = grey.round().clip(0, 255)
    return frames, torch.from_numpy(labels)


def film_events(frames: np.ndarray, *, mode: int = 1) -> Tensor:
    """Convert films to events with the converter for videos.

    Args:
        frames: `(n, frames, H, W)`, uint8.
        mode: of the conversion, see `video_events`.

    Returns:
        Events `(frames - 1, n, 2, H, W)`, uint8, channel 0 ON.
    """
    films = (
        video_events(film, ratio=RATIO, mode=mode, seed=number)
        for number, film in enumerate(frames)
    )
    return torch.stack(list(films), dim=1)


def _brightness(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames[:, 1:]).transpose(0, 1)[:, :, None] / 255


def _signed(events: Tensor) -> Tensor:
    on, off = events.to(torch.int8).split(1, dim=2)  # a byte has no -1
    return on - off


def _poses(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw column, row, angle and size of the shape in each frame: `(n, STEPS + 1, 4)`."""
    n, pair, sign = len(labels), labels // 2, 1 - 2 * (labels % 2)
    (smallest, largest), (top, bottom) = np.log(SIZE), ROWS
    first = rng.uniform([0, top, 0, smallest], [SIDE, bottom, 2 * np.pi, largest], (n, 4))
    speed = np.zeros((n, 4))
    for number, (column, speeds) in enumerate(((0, MOVE), (2, TURN), (3, GROW))):
        speed[:, column] = np.where(pair == number, sign * rng.uniform(*speeds, n), 0)
    poses = first[:, None] + speed[:, None] * np.arange(STEPS + 1)[:, None]
    poses[..., 3] = np.exp(smallest + (poses[..., 3] - smallest) % (largest - smallest))
    return poses


def _coverage(poses: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Compute how much of each pixel the shape covers: `(n, frames, SIDE, SIDE)`, 0 to 1.

    Args:
        poses: column, row, angle and size, `(n, frames, 4)`.
        sides: direction and distance of each side, `(n, sides, 2)`.
    """
    x, y, angle, size = (poses[..., i, None, None].astype(np.float32) for i in range(4))
    pixel, half = np.arange(SIDE, dtype=np.float32), SIDE / 2
    # From the centre of the shape, the short way round the picture
    across = (pixel - x + half) % SIDE - half
    down = (pixel[:, None] - y + half) % SIDE - half
    beyond = np.full((*poses.shape[:2], SIDE, SIDE), -np.inf, dtype=np.float32)
    for turns, distance in np.moveaxis(sides, 0, -1)[..., None, None, None]:
        facing = angle + 2 * np.pi * turns
        outside = across * np.cos(facing) + down * np.sin(facing) - distance * size
        np.maximum(beyond, outside, out=beyond)
    return (0.5 - beyond).clip(0, 1)
