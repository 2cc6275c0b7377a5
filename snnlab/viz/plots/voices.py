"""Figures of the page "04 on real voices": speakers, paired differences, and what limits them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab._utils.escape import plot_text
from snnlab.viz.plots.activity import count_raster
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.results import learning_curves
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    CHANCE,
    GREEN,
    GREY,
    LIMIT,
    ORANGE,
    PINK,
    SKY,
    figure,
    figure_legend,
    legend,
    spread_out,
    titled_axes,
)

# Color and marker of a fold; a sixth one has those of the first again
FOLDS = ((BLUE, "o"), (ORANGE, "^"), (GREEN, "s"), (PINK, "D"), (SKY, "v"))


@something_to_draw()
def speakers(clips: NamedArrays) -> Figure:
    """Draw how many clips each speaker has, a panel for each fold, the most talkative first.

    Args:
        clips: by name of the fold, the clips of each of its speakers, `(speakers,)`.
    """
    fig, axes = figure(9.5, 2.5, 1, len(clips), sharey=True, squeeze=False)
    for number, (ax, (name, counts)) in enumerate(zip(axes.flat, clips.items(), strict=True)):
        ordered = np.sort(as_array(name, counts, dims=1))[::-1]
        ax.bar(range(len(ordered)), ordered, width=1.0, color=FOLDS[number % len(FOLDS)][0])
        ax.set(xlabel="speaker", ylabel="clips")
        title = f"{plot_text(name)}: {len(ordered)} speakers,\n{ordered.sum()} clips"
        ax.set_title(title, fontsize=10)
        ax.label_outer()
    return fig


@something_to_draw()
def voices(counts: NamedArrays, dt_ms: float, columns: int) -> Figure:
    """Draw recordings as counts `(T, N)` by title, a grid of `columns` panels a row."""
    rows = -(-len(counts) // columns)
    fig, panels = titled_axes(9, 2.2 * rows, counts, columns=columns, sharex=True)
    for ax, table in panels:
        count_raster(ax, table, dt_ms)
        ax.set(ylabel="channel,\nlow to high")
        ax.label_outer()
    return fig


@something_to_draw()
def paired_differences(
    differences: NamedArrays, intervals: Mapping[str, tuple[float, float | None]]
) -> Figure:
    """Draw differences of test accuracy between two variants, pair by pair.

    Args:
        differences: by name of the two variants, accuracy 0..1 of the first minus that of the
            second, `(folds, seeds)`; both were trained on the same fold with the same seed.
        intervals: by the same names, mean and half width of the 95 % interval, 0..1; None for no
            interval.
    """
    fig, ax = figure(9, 1.3 + 0.62 * len(differences))
    for row, (name, values) in enumerate(differences.items()):
        points = 100 * as_array(name, values, dims=2)
        for fold, seeds in enumerate(points):
            color, marker = FOLDS[fold % len(FOLDS)]
            y, label = row - 0.32 + 0.12 * fold, f"fold {fold}"
            ax.plot(seeds, np.full(len(seeds), y), marker, color=color, markersize=4, label=label)
        mean, half = intervals[name]
        error = None if half is None else 100 * half
        look = dict(fmt="d", color=BLACK, capsize=4, label="mean, 95 % interval")
        ax.errorbar(100 * mean, row + 0.32, xerr=error, **look)
        ax.axhline(row + 0.5, color=GREY, linewidth=0.3)
    ax.axvline(0, color=GREY, linewidth=0.8)
    names = [plot_text(name).replace(" minus ", "\nminus ") for name in differences]
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="difference of test accuracy (points)", ylim=(len(names) - 0.5, -0.5))
    figure_legend(fig, "upper center", ncols=6)
    return fig


@something_to_draw()
def train_and_unseen(
    curves: NamedArrays, gaps: Mapping[str, Sequence[ArrayLike]], chance: float
) -> Figure:
    """Draw validation accuracy over the epochs, beside training and test accuracy at the end.

    Args:
        curves: validation accuracies 0..1 by variant, `(trainings, epochs)`.
        gaps: by variant, training accuracies and test accuracies at the end, `(trainings,)` each.
        chance: accuracy of guessing, 0..1.
    """
    fig, (left, right) = figure(9.5, 3.3, 1, 2)
    learning_curves(left, curves, ylabel="validation accuracy (%)")
    left.set_ylim(0, 100)
    for place, (name, pair) in enumerate(gaps.items()):
        trained, tested = (100 * as_array(name, values, dims=1) for values in pair)
        for accuracies, color, marker, name in (
            (trained, GREY, "s", "training speakers"),
            (tested, BLUE, "o", "test speakers"),
        ):
            label, x = None if place else name, spread_out(place, len(accuracies))
            right.plot(x, accuracies, marker, color=color, markersize=4, label=label)
    right.set_xticks(range(len(gaps)), [plot_text(name).replace(", ", ",\n") for name in gaps])
    right.axhline(100 * chance, **CHANCE)
    right.set(ylabel="accuracy (%)", ylim=(0, 102))
    legend(right, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return fig


@something_to_draw()
def trials(rows: Mapping[str, tuple[float, float]]) -> Figure:
    """Draw training and validation accuracy 0..1 of one network a row; a line marks the first."""
    fig, ax = figure(9, 0.9 + 0.3 * len(rows))
    for row, (trained, valid) in enumerate(rows.values()):
        ax.plot([100 * valid, 100 * trained], [row, row], color=GREY, linewidth=0.8)
        ax.plot(100 * trained, row, "s", color=GREY, label="training speakers")
        ax.plot(100 * valid, row, "o", color=BLUE, label="validation speakers")
    reference = next(iter(rows.values()))[1]
    ax.axvline(100 * reference, **LIMIT)
    ax.set_yticks(range(len(rows)), [plot_text(name) for name in rows])
    ax.set(xlabel="accuracy (%)", ylim=(len(rows) - 0.5, -0.5))
    figure_legend(fig, "upper center", ncols=2)
    return fig
