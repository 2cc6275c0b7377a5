"""The style of all figures: colors, the style of each variant, axes and legends."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text

DPI = 100
# Okabe and Ito's colors; matplotlib has them from 3.11 on
_COLORS: list[ColorType] = [
    to_rgb(f"#{color}")
    for color in "000000 E69F00 56B4E9 009E73 F0E442 0072B2 D55E00 CC79A7".split()
]
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = _COLORS
GREY = (0.45, 0.45, 0.45)
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9}
# Lines that curves are compared with: what is to be reached, and what guessing reaches
LIMIT: dict[str, Any] = {"color": RED, "linestyle": "--", "linewidth": 1}
CHANCE: dict[str, Any] = {"color": BLACK, "linestyle": ":", "linewidth": 1}
BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}  # of a legend
ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0}

# Color, marker and line style of a variant
_BASELINE, _MIDDLE, _MAIN = (GREY, "s", ":"), (ORANGE, "^", "--"), (BLUE, "o", "-")
VARIANTS = {
    "none": _BASELINE,
    "fixed": _MIDDLE,
    "learned": _MAIN,
    "scratch": _BASELINE,
    "pipe-S": _MAIN,
    "one step": _MIDDLE,
    "pretrained": _MAIN,
    "sharpened": _MIDDLE,
    "synaptic": _MAIN,
    "axonal": _MIDDLE,
    "dendritic": (GREEN, "D", "-."),
    "axo-dendritic": (PINK, "v", ":"),
    "pictures": _MAIN,
    "edges": (GREEN, "^", "--"),
    "ReLU network": _BASELINE,
    "spiking, as copied": _MIDDLE,
    "spiking, fine-tuned": _MAIN,
}


def variant_style(variant: str) -> dict[str, Any]:
    """Return how every figure draws a variant.

    A control such as `"none, long tau"` has the color and the marker of the variant with which
    its name begins, but hollow markers.

    Args:
        variant: a name of `VARIANTS`, a control, or any other name.

    Returns:
        Properties of a `Line2D`: color, marker, line style and the face color of the markers.
    """
    color, marker, line = next(
        (style for name, style in VARIANTS.items() if variant.startswith(name)), (GREEN, "D", "-.")
    )
    hollow = variant not in VARIANTS
    return {
        "color": color,
        "marker": marker,
        "linestyle": "-." if hollow else line,
        "markerfacecolor": "white" if hollow else color,
    }


def distinct_styles(variants: Sequence[str]) -> list[dict[str, Any]]:
    """Return `variant_style` of each variant; of two that look the same, the second is changed."""
    styles: list[dict[str, Any]] = []
    spare = repeated([(PINK, "v"), (SKY, "P"), (RED, "X"), (GREEN, "<"), (BLACK, ">")], 25)
    for variant in variants:
        style = variant_style(variant)
        if style in styles and spare:
            color, marker = spare.pop(0)
            style |= {"color": color, "marker": marker}
        styles.append(style)
    return styles


Look = TypeVar("Look")
Name = TypeVar("Name")
T = TypeVar("T")


def repeated(looks: Sequence[tuple[Any, Look]], count: int) -> list[tuple[Any, Look]]:
    """Return `count` looks: those given, and then each color with the marker of another one.

    Args:
        looks: pairs of a color and a marker or a line style.
        count: at most the square of the number of looks.

    Returns:
        The pairs, all different.

    Raises:
        SnnlabError: there are too many to tell apart.

    Example:
        >>> repeated([("blue", "o"), ("pink", "^")], 4)
        [('blue', 'o'), ('pink', '^'), ('blue', '^'), ('pink', 'o')]
    """
    n = len(looks)
    if count > n * n:
        raise SnnlabError(f"A figure of {count} curves: expected {n * n} at most; draw fewer.")
    return [(looks[i % n][0], looks[(i + i // n) % n][1]) for i in range(count)]


def with_looks(
    values: Mapping[Name, T], looks: Sequence[tuple[Any, Look]]
) -> Iterator[tuple[Name, T, Any, Look]]:
    """Yield each name and value with a look of its own, as from `repeated`.

    Args:
        values: what is to be drawn, by name.
        looks: pairs of a color and a marker or a line style.
    """
    pairs = zip(values.items(), repeated(looks, len(values)), strict=True)
    for (name, value), (color, look) in pairs:
        yield name, value, color, look


def spread_out(place: float, count: int, half_width: float = 0.12) -> NDArray[np.float64]:
    """Return places of `count` marks side by side around `place`, `(count,)`."""
    return place + np.linspace(-half_width, half_width, count) * (count > 1)


def empty_figure(width: float, height: float) -> Figure:
    """Return an off-screen figure of `width` x `height` inches, white in dark themes, too."""
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def untrained_figure() -> Figure:
    """Return a figure that says that this run did not train what it would show."""
    fig = empty_figure(4, 0.5)
    fig.text(0.02, 0.5, "Not trained in this run.", va="center", color=GREY)
    return fig


def figure(
    width: float = 7.0, height: float = 2.8, rows: int = 1, cols: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """Return an off-screen figure and its axes.

    Args:
        width: of the figure, inches.
        height: of the figure, inches.
        rows: of the grid of axes.
        cols: of the grid of axes.
        subplots: options of `Figure.subplots`, such as `sharex=True`.

    Returns:
        The figure, and one `Axes` or an array of them, as from `pyplot.subplots`.
    """
    fig = empty_figure(width, height)
    axes = fig.subplots(rows, cols, **subplots)
    for ax in np.atleast_1d(axes).flat:
        tidy(ax)
    return fig, axes


def tidy(ax: Axes) -> Axes:
    """Set the style of one axes: no box, small tick labels, safe colors; return it."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    ax.set_prop_cycle(color=[BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK])
    return ax


def legend(ax: Axes, **options: Any) -> None:
    """Add a legend without a frame; `options` go to `Axes.legend`."""
    ax.legend(**LEGEND | options)


def whole_ticks(ax: Axes) -> None:
    """Let the x axis have ticks at whole numbers only."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def figure_legend(fig: Figure, place: str, ncols: int = 1) -> None:
    """Explain what the first axes show, each label once, in a legend outside of all axes.

    Args:
        fig: the figure.
        place: such as "upper center".
        ncols: number of columns.
    """
    handles, labels = fig.axes[0].get_legend_handles_labels()
    first = {label: handles[labels.index(label)] for label in labels}
    options: dict[str, Any] = LEGEND | {"loc": f"outside {place}", "ncols": ncols}
    fig.legend(first.values(), first, **options)


def titled_axes(
    width: float,
    height: float,
    by_title: Mapping[str, T],
    *,
    columns: int | None = None,
    size: float = 10,
    **subplots: Any,
) -> tuple[Figure, list[tuple[Any, T]]]:
    """Return a figure with a grid of axes, and each axes with what is to be drawn on it.

    Args:
        width: of the figure, inches.
        height: of the figure, inches.
        by_title: what is to be drawn, by the title of its axes.
        columns: of the grid, whose last row may have axes without a title; None for one row.
        size: of the titles, pt.
        subplots: options of `Figure.subplots`.
    """
    columns = columns or len(by_title)
    rows = -(-len(by_title) // columns)
    fig, axes = figure(width, height, rows, columns, sharey=True, squeeze=False, **subplots)
    for ax, title in zip(axes.flat, by_title, strict=False):
        ax.set_title(plot_text(title), fontsize=size)
    return fig, list(zip(axes.flat, by_title.values(), strict=False))
