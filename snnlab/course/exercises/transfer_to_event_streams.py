"""The exercises of notebook 03."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise
from snnlab.data.encoding.odg import COLUMNS, ROWS, odg_events
from snnlab.data.encoding.video_events import video_events

number_exercise(
    "step_without_events",
    8,
    praise="Step 8 moves the picture by one row and no column, along the bar: nothing changes.",
    hints={7: "Step 7 moves the picture by one column, across the edges of the bar."},
    hint="The bar looks the same in every row. Which shift moves rows only?",
    tolerance=EXACT,
)


def _edges(
    events: np.ndarray, *, first: int = 1, sign: int = 1, back: bool = True, mean: bool = True
) -> np.ndarray:
    """Return the edge integral of events (8, 2, H, W), or what a typical mistake makes of it."""
    height, width = events.shape[2] - 4, events.shape[3] - 4
    change = sign * (events[:, 0].astype(float) - events[:, 1])
    rows, columns = (list(where[first:]) if back else [1] * 8 for where in (ROWS, COLUMNS))
    parts = [
        step[row : row + height, column : column + width]
        for step, row, column in zip(change, rows, columns, strict=False)
    ]
    return np.mean(parts, axis=0) if mean else np.sum(parts, axis=0)


def _events(seed: int, height: int, width: int) -> np.ndarray:
    picture = torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed))
    return odg_events(picture)[:, 0].numpy()


function_exercise(
    "edge_integral",
    _edges,
    [(_events(0, 6, 6),), (_events(1, 5, 9),)],
    praise="Shifted back, the events of all steps agree about where the edges are.",
    hint="For step t: ON minus OFF, rows from ROWS[t], columns from COLUMNS[t].",
    mistakes={
        "Average over the steps instead of adding them up.": partial(_edges, mean=False),
        "The events of the first step belong to the second place: begin with ROWS[1].": partial(
            _edges, first=0
        ),
        "ON counts +1 and OFF -1; yours is the other way round.": partial(_edges, sign=-1),
        "Every step is cut out at the same place; shift each one back by its own row and "
        "column.": partial(_edges, back=False),
    },
)


def _both_channels(channel: Tensor) -> Tensor:
    return torch.cat([channel, channel], 1)


function_exercise(
    "colours_to_on_off",
    lambda weight: _both_channels(weight.mean(1, keepdim=True)),
    [(torch.arange(24.0).view(2, 3, 2, 2),), (torch.linspace(-1, 1, 27).view(1, 3, 3, 3),)],
    praise="Both polarities look for the same shape, whatever its sign.",
    hint="The mean is taken over axis 1, and the result has two channels there.",
    mistakes={
        "The filters take the mean over the colours, not their sum.": lambda weight: _both_channels(
            weight.sum(1, keepdim=True)
        ),
        "That is the way for edges. In this version ON and OFF get the same filter.": (
            lambda weight: torch.cat([weight.mean(1, keepdim=True), -weight.mean(1, True)], 1)
        ),
        "You took two of the three colours; the third belongs to the mean, too.": (
            lambda weight: weight[:, :2]
        ),
    },
)


number_exercise(
    "dark_shapes",
    50,
    praise="One step tells the three pairs of motions apart, and which one of the pair is a guess.",
    hints={
        100: "A bright shape that moves right and a dark one that moves left make the same events.",
        100 / 6: "One step still shows where the edges move, so it is better than chance.",
        100 / 3: "That would be right if a network guessed among three. It knows which pair it is.",
        0.5: "In percent, please.",
    },
    hint="Which motions make the same events in one step, if the contrast is not known? How many "
    "remain to guess among?",
    tolerance=EXACT,
    hint_tolerance=0.02,
)


def _film(seed: int, steps: int, side: int) -> np.ndarray:
    frames = torch.randint(
        256, (steps + 1, side, side), generator=torch.Generator().manual_seed(seed)
    )
    return video_events(frames.to(torch.uint8).numpy()).numpy()


function_exercise(
    "film_backwards",
    lambda events: events[::-1, ::-1],
    [(_film(0, 2, 4),), (_film(1, 5, 6),)],
    praise="What became brighter becomes darker, and the last change comes first.",
    hint="Two things change: the order of the steps (axis 0), and every event's sign (axis 1).",
    mistakes={
        "The steps are in the right order. But what became brighter now becomes darker.": (
            lambda events: events[::-1]
        ),
        "ON and OFF are exchanged, which is right. But the last step has to come first.": (
            lambda events: events[:, ::-1]
        ),
    },
)
