"""Plots of notebook 07: published numbers, verdicts on them, and statuses of all rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab._utils.escape import plot_text
from snnlab.viz.plots.checks import something_to_draw
from snnlab.viz.plots.style import BLACK, BLUE, GREY, ORANGE, figure, legend

# Color and marker of each way to choose the epoch, and of each start in the authors' logs
LOOKS: dict[str, tuple[Any, str]] = {
    "best epoch on the test set": (ORANGE, "o"),
    "last epoch": (BLACK, "s"),
    "best epoch on held-out data": (BLUE, "D"),
    "scratch": (GREY, "s"),
    "pretrained": (BLUE, "o"),
    "in doubt": (ORANGE, "^"),
}


@something_to_draw()
def published_accuracies(
    choices: Sequence[str], accuracies: ArrayLike, half_widths: ArrayLike, runs: Sequence[int]
) -> Figure:
    """Draw published accuracies with their 95 % intervals, one below the other.

    Args:
        choices: who chose the epoch, for each number; keys of `LOOKS`.
        accuracies: in %, (N,).
        half_widths: half of each interval, points, (N,).
        runs: number of runs behind each.

    Returns:
        The figure.
    """
    fig, ax = figure(7.5, 2.2)
    names = [f"{choice}, {n} runs" for choice, n in zip(choices, runs, strict=True)]
    _means_below_each_other(ax, names, choices, accuracies, half_widths, ".2f")
    ax.set(xlabel="published test accuracy on SHD, with its 95 % interval (%)")
    return fig


def _means_below_each_other(
    ax: Axes,
    names: Sequence[str],
    kinds: Sequence[str],
    means: ArrayLike,
    halves: ArrayLike,
    spec: str,
) -> None:
    """Draw a row for each name: a mean with its number, and an interval.

    Args:
        ax: where to draw.
        names: of the rows.
        kinds: of the rows, keys of `LOOKS` and labels of a legend.
        means: in %, (N,).
        halves: half of each interval, points, (N,).
        spec: format of the numbers.
    """
    rows = zip(kinds, as_array("means", means), as_array("halves", halves), strict=True)
    for y, (kind, mean, half) in enumerate(rows):
        color, marker = LOOKS[kind]
        label = kind if kind not in kinds[:y] else None
        ax.errorbar(mean, -y, xerr=half, fmt=marker, color=color, capsize=4, label=label)
        number = {"ha": "center", "va": "bottom", "fontsize": 9, "color": color}
        ax.text(mean, 0.18 - y, f"{mean:{spec}}", **number)
    ax.set(yticks=-np.arange(len(names)), yticklabels=names, ylim=(0.6 - len(names), 0.8))


@something_to_draw()
def verdicts(
    rows: Mapping[str, tuple[float, float, str]], published: tuple[float, float], tolerance: float
) -> Figure:
    """Draw measured means with their intervals beside a published interval.

    Args:
        rows: for each name its mean in %, half of its interval in points, and its verdict.
        published: the published accuracy in %, and half of its interval in points.
        tolerance: in points.

    Returns:
        The figure.
    """
    fig, ax = figure(8, 2.6)
    value, half = published
    ax.axvspan(
        value - tolerance, value + tolerance, color=GREY, alpha=0.15, label="tolerance", lw=0
    )
    ax.axvspan(value - half, value + half, color=ORANGE, alpha=0.5, label="published", lw=0)
    right = value + 1.15 * max(tolerance, *(abs(mean - value) + h for mean, h, _ in rows.values()))
    for y, (mean, half_width, verdict) in enumerate(rows.values()):
        ax.errorbar(mean, -y, xerr=half_width, fmt="o", color=BLUE, capsize=4)
        ax.text(right, -y, verdict, va="center", fontsize=9)
    ax.set(yticks=-np.arange(len(rows)), yticklabels=rows, ylim=(0.6 - len(rows), 0.6))
    ax.set(xlabel="test accuracy (%), made-up examples")
    legend(ax, loc="upper center", bbox_to_anchor=(0.4, 1.22), ncols=2)
    return fig


@something_to_draw()
def status_map(counts: ArrayLike, tables: Sequence[str], statuses: Sequence[str]) -> Figure:
    """Draw how many rows of each table have each status; the color is the share of the table.

    Args:
        counts: (tables, statuses).
        tables: their names.
        statuses: their names.

    Returns:
        The figure.
    """
    numbers = as_array("counts", counts, dims=2).astype(float)
    shares = 100 * numbers / np.maximum(numbers.sum(1, keepdims=True), 1)
    fig, ax = figure(8, 1.3 + 0.28 * len(tables))
    image = ax.pcolormesh(
        np.ma.masked_equal(shares, 0), cmap="Blues", vmin=0, vmax=100, edgecolor="#d0d0d0", lw=0.5
    )
    for (y, x), count in np.ndenumerate(numbers):
        if count:
            shade = "white" if shares[y, x] > 60 else BLACK
            place = x + 0.5, y + 0.5
            ax.text(*place, f"{count:.0f}", ha="center", va="center", color=shade, fontsize=9)
    ax.set(xlim=(0, len(statuses)), ylim=(len(tables), 0))
    ax.set_xticks(np.arange(len(statuses)) + 0.5, [name.replace(" ", "\n", 1) for name in statuses])
    ax.xaxis.tick_top()
    ax.set_yticks(np.arange(len(tables)) + 0.5, [plot_text(name) for name in tables])
    ax.tick_params(length=0, labelsize=9)
    ax.spines[:].set_visible(False)
    fig.colorbar(image, ax=ax, label="of the table's rows (%)")
    return fig


@something_to_draw()
def logged_accuracies(
    labels: Sequence[str], starts: Sequence[str], means: ArrayLike, deviations: ArrayLike
) -> Figure:
    """Draw mean and standard deviation of groups of runs.

    Args:
        labels: of the groups.
        starts: of each group; keys of `LOOKS`.
        means: in %, (N,).
        deviations: in points, (N,).

    Returns:
        The figure.
    """
    fig, ax = figure(7.5, 2.6)
    _means_below_each_other(ax, labels, starts, means, deviations, ".1f")
    ax.set(xlabel="best test accuracy of a run, mean ± standard deviation (%)")
    legend(ax, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return fig
