"""Plots of what variants reach: curves, bars, and their description in text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array, check_same_length
from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text
from snnlab._utils.fields import is_number
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.style import (
    BLACK,
    CHANCE,
    distinct_styles,
    legend,
    spread_out,
    titled_axes,
    variant_style,
    whole_ticks,
)


@something_to_draw()
def band(
    ax: Axes, x: ArrayLike, values: ArrayLike, *, color: Any, label: str | None = None, **line: Any
) -> list[Artist]:
    """Draw the mean over seeds as a line, in a band from the lowest to the highest seed.

    Args:
        ax: where to draw.
        x: positions `(n,)`.
        values: `(seeds, n)`, or `(n,)` of a single seed.
        color: of line and band.
        label: for the legend.
        line: other properties of the line.

    Returns:
        The band and the line.
    """
    seeds = _by_seed("values", values)
    x = as_array("x", x).reshape(-1)
    check_same_length(x=x, values=seeds.T)
    text = None if label is None else plot_text(label)
    spread = ax.fill_between(x, seeds.min(0), seeds.max(0), color=color, alpha=0.2, linewidth=0)
    return [spread, *ax.plot(x, seeds.mean(0), color=color, label=text, **line)]


def _by_seed(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return values `(seeds, n)`, or `(n,)` of a single seed, as `(seeds, n)`."""
    seeds = np.atleast_2d(as_array(name, values)).astype(float)
    if seeds.ndim > 2:
        raise SnnlabError(
            f"{name}: of shape {seeds.shape}, two axes (seeds, n) were expected, or one; "
            "choose some of them."
        )
    return seeds


@something_to_draw()
def learning_curves(ax: Axes, curves: NamedArrays, *, ylabel: str = "accuracy (%)") -> list[Artist]:
    """Draw a `band` over the epochs for each variant, in its own style.

    Args:
        ax: where to draw.
        curves: accuracies 0..1 by variant, `(seeds, epochs)`.
        ylabel: the label of the y axis.

    Returns:
        The bands and lines.
    """
    artists: list[Artist] = []
    for variant, accuracies in curves.items():
        seeds = 100 * _by_seed(variant, accuracies)
        epochs, style = np.arange(1, seeds.shape[1] + 1), variant_style(variant)
        artists += band(ax, epochs, seeds, label=variant, markevery=0.12, markersize=5, **style)
    ax.set(xlabel="epoch", ylabel=ylabel)
    whole_ticks(ax)
    legend(ax)
    return artists


@something_to_draw()
def accuracy_over_parameter(
    ax: Axes,
    accuracies: Mapping[str, Mapping[Any, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str = "accuracy (%)",
) -> list[Artist]:
    """Draw the accuracy of each variant over the values of a parameter: means, and each seed.

    Numbers stand at their place on the axis, which is logarithmic where they span a factor of 30.
    Other values stand side by side.

    Args:
        ax: where to draw.
        accuracies: 0..1, by variant, value of the parameter, and seed.
        xlabel: the label of the x axis.
        ylabel: the label of the y axis.

    Returns:
        The lines and markers.
    """
    values = list(dict.fromkeys(x for by_value in accuracies.values() for x in by_value))
    numeric = all(map(is_number, values))
    places = {x: float(x) if numeric else place for place, x in enumerate(values)}
    artists: list[Artist] = []
    for (variant, by_value), style in zip(
        accuracies.items(), distinct_styles([*accuracies]), strict=True
    ):
        seeds = {places[x]: 100 * as_array(variant, by_value[x]) for x in by_value}
        ordered = sorted(seeds)
        means = [seeds[x].mean() for x in ordered]
        artists += ax.plot(ordered, means, label=plot_text(variant), markersize=7, **style)
        every = [(x, accuracy) for x in ordered for accuracy in seeds[x]]
        dots = {"color": style["color"], "markersize": 3, "alpha": 0.6}
        artists += ax.plot(*zip(*every, strict=True), ".", **dots)
    if numeric and min(values) > 0 and max(values) >= 30 * min(values):
        ax.set_xscale("log")
    if not numeric or len(values) <= 8:
        names = [f"{x:g}" if numeric else plot_text(x) for x in values]
        ax.set_xticks([places[x] for x in values], names)
        ax.minorticks_off()
    ax.set(xlabel=plot_text(xlabel), ylabel=plot_text(ylabel))
    legend(ax, loc="upper left", bbox_to_anchor=(1, 1))
    return artists


@something_to_draw()
def bars_with_seeds(
    ax: Axes,
    accuracies: NamedArrays,
    *,
    ylabel: str = "accuracy (%)",
    chance: float | None = None,
) -> list[Artist]:
    """Draw a bar for the mean of each variant, and a marker for each seed.

    Args:
        ax: where to draw.
        accuracies: 0..1, by variant and seed.
        ylabel: the label of the y axis.
        chance: the accuracy of guessing, 0..1, for a line.

    Returns:
        The bars, markers and the line.
    """
    artists: list[Artist] = []
    for place, (variant, seeds) in enumerate(accuracies.items()):
        values, style = 100 * as_array(variant, seeds).astype(float).ravel(), variant_style(variant)
        if style["markerfacecolor"] == "white":
            fill = {"facecolor": "white", "edgecolor": style["color"], "hatch": "//"}
        else:
            fill = {"color": style["color"], "alpha": 0.45}
        artists += ax.bar(place, values.mean(), width=0.6, **fill)
        x = spread_out(place, values.size)
        artists += ax.plot(x, values, style["marker"], color=BLACK, markersize=4)
    if chance is not None:
        artists += chance_line(ax, chance)
    names = [plot_text(name).replace(", ", ",\n") for name in accuracies]
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel=ylabel)
    if len(names) == 1:
        ax.set_xlim(-1, 1)  # else the bar would be as wide as the axes
    return artists


@something_to_draw()
def panels_of_bars(
    width: float,
    height: float,
    groups: Mapping[str, NamedArrays],
    chance: float,
    **subplots: Any,
) -> Figure:
    """Draw `bars_with_seeds` of test accuracies in a panel for each group.

    Args:
        width: of the figure, inches.
        height: of the figure, inches.
        groups: accuracies 0..1, by group, variant and seed.
        chance: the accuracy of guessing, 0..1.
        subplots: options of `Figure.subplots`.

    Returns:
        The figure.
    """
    fig, panels = titled_axes(width, height, groups, **subplots)
    for ax, accuracies in panels:
        bars_with_seeds(ax, accuracies, ylabel="test accuracy (%)", chance=chance)
        ax.label_outer()
    return fig


def chance_line(ax: Axes, chance: float) -> list[Artist]:
    """Draw a line at the accuracy of guessing, 0..1, with its name beside the axes, in percent."""
    name = ax.annotate(
        "chance", (1, 100 * chance), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", fontsize=8, va="center",
    )  # fmt: skip
    return [ax.axhline(100 * chance, **CHANCE), name]


@something_to_draw("accuracies")
def describe_accuracies(accuracies: Mapping[str, Iterable[float]]) -> str:
    """Return accuracies 0..1 by variant and seed as text for an alt text.

    Example: `"none 40.1 % (38.0 to 42.2), fixed 52.0 %"`.
    """
    if not accuracies:
        return "not trained in this run"
    parts = []
    for variant, seeds in accuracies.items():
        values = as_array(variant, list(seeds) if isinstance(seeds, Iterator) else seeds)
        percent = 100.0 * values.ravel()
        spread = f" ({percent.min():.1f} to {percent.max():.1f})" if percent.size > 1 else ""
        parts.append(f"{variant} {percent.mean():.1f} %{spread}")
    return ", ".join(parts)
