"""Figures of the films in notebook 03: frames beside their events, and accuracy over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.events import EVENTS, GREY_LEVELS, NEURONS, Scale, signed, small_image
from snnlab.viz.plots.style import GREY, empty_figure, figure, legend

_LINES: tuple[Any, ...] = ("-", "--", ":", "-.")


def _line(number: int) -> Any:
    """Return a line style: the usual four, then a dash with more and more dots."""
    return _LINES[number] if number < 4 else (0, (7, 1.5) + (1, 1.5) * (number - 2))


@something_to_draw()
def motions(
    frames: ArrayLike, events: NamedArrays, names: Sequence[str], at: Sequence[int]
) -> Figure:
    """Draw one film a row: some frames, and the events of the same steps in each conversion.

    Args:
        frames: grey levels `(n, steps + 1, H, W)`, 0 to 255; frame t + 1 is drawn beside step t.
        events: by the name of the conversion, `(steps, n, 2, H, W)`.
        names: of the films.
        at: the steps to draw, from 1.
    """
    frames = np.asarray(frames)
    blocks: list[tuple[str, Any, Scale]] = [("frames", frames[:, np.asarray(at)], GREY_LEVELS)]
    for title, film_events in events.items():
        steps = np.moveaxis(signed(np.asarray(film_events)[np.asarray(at) - 1]), 0, 1)
        blocks.append((title, steps, EVENTS))
    fig = empty_figure(9, 0.95 * len(frames) + 0.5)
    widths = (1.32, *[1] * len(events))  # the first has the names
    parts: Any = fig.subfigures(1, len(blocks), width_ratios=widths)
    for part, (title, pictures, scale) in zip(np.ravel(parts), blocks, strict=True):
        part.suptitle(title, fontsize=10)
        axes = part.subplots(len(frames), len(at), squeeze=False)
        for row, images in zip(axes, pictures, strict=True):
            for ax, image in zip(row, images, strict=True):
                small_image(ax, image, *scale)
        for ax, step in zip(axes[0], at, strict=True):
            ax.set_title(f"t = {step}", fontsize=9)
        if title == "frames":
            for ax, name in zip(axes[:, 0], names, strict=True):
                ax.set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
    return fig


@something_to_draw("levels", untrained="recipes")
def accuracy_over_time(
    recipes: Mapping[str, Sequence[tuple[str, ArrayLike, ArrayLike]]],
    levels: Mapping[str, float],
) -> Figure:
    """Draw validation accuracy over the CPU time of training, stage by stage.

    Args:
        recipes: by name, each stage: the neuron ("ANN", "LIAF" or "LIF"), CPU seconds since the
            beginning of the recipe, and accuracy 0..1, both of each epoch. Color and marker are
            those of the neuron, the line style is that of the recipe.
        levels: by name, accuracies 0..1 that horizontal lines mark.
    """
    fig, ax = figure(8.5, 3.5)
    for number, (name, stages) in enumerate(recipes.items()):
        before: list[tuple[float, float]] = []
        for neuron, seconds, reached in stages:
            color, marker = NEURONS[neuron]
            percent = 100 * np.asarray(reached)
            points = before + list(zip(np.asarray(seconds), percent, strict=True))
            label = f"{name}: {neuron}" if len(stages) > 1 else name
            style = dict(
                color=color, marker=marker, linestyle=_line(number), markersize=5, label=label
            )
            ax.plot(*zip(*points, strict=True), markevery=slice(len(before), None), **style)
            before = points[-1:]
    for name, accuracy in levels.items():
        ax.axhline(100 * accuracy, color=GREY, linewidth=1, zorder=0)
        ax.annotate(
            name, (1, 100 * accuracy), (4, 0), textcoords="offset points", fontsize=9,
            xycoords=("axes fraction", "data"), va="center",
        )  # fmt: skip
    ax.set(
        xlabel="CPU time of training, pretraining included (s)",
        ylabel="validation accuracy (%)",
        xlim=(0, None),
        ylim=(0, 100),
    )
    legend(ax, loc="upper left", bbox_to_anchor=(1.02, 1))
    return fig
