r"""Primitives of all diagrams: boxes, arrows, neurons, spike trains and braces in one style.

`canvas` makes clean axes on which one data unit is one inch, so that a box of width 1.5 has the
same size in every figure. Each node (`box`, `neuron`) is placed by its center and returned, and
`arrow` joins two nodes or points. Names of nodes are 10 pt and everything else is 9 pt, as in the
other figures.

Example:
    >>> from snnlab.viz.plots import diagrams
    >>> fig, ax = diagrams.canvas(7, 2)
    >>> stages = [("ANN", "ReLU\n20 epochs"), ("SNN", "LIF, T = 4\n5 epochs")]
    >>> colors = [diagrams.GREY, diagrams.BLUE]
    >>> row = diagrams.stage_row(ax, stages, arrows=["weights"], y=1.5, colors=colors, left=0.1)
    >>> diagrams.brace(ax, row[0], row[1], 1.1, "one budget of time")
    >>> cell = diagrams.neuron(ax, 4.5, 0.4, "$V$")
    >>> _ = diagrams.arrow(ax, row[1], cell, "one of its neurons", side="right", bend=0.2)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab.viz.plots.style import BLACK, BLUE, GREY, empty_figure

TITLE_SIZE, TEXT_SIZE = 10, 9  # pt
LINE = 0.18, 0.165  # inches, height of a line of these sizes
Point = tuple[float, float]
# Where the label of an arrow lies, and how its text is aligned there
_SIDES: dict[str, dict[str, Any]] = {
    "above": {"ha": "center", "va": "bottom"},
    "below": {"ha": "center", "va": "top"},
    "right": {"ha": "left", "va": "center"},
}


@dataclass(frozen=True)
class Node:
    """A drawn box or neuron: its center and size in inches, and the patch that arrows end at."""

    x: float
    y: float
    width: float
    height: float
    patch: Patch

    @property
    def left(self) -> Point:
        """The middle of the left side."""
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        """The middle of the right side."""
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> Point:
        """The middle of the upper side."""
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> Point:
        """The middle of the lower side."""
        return self.x, self.y - self.height / 2


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of `width` x `height` inches with clean axes; one data unit is one inch.

    The origin is the lower left corner.
    """
    fig = empty_figure(width, height)
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return fig, ax


def tint(color: Any) -> tuple[float, float, float]:
    """Return a mixture of 15 % `color` and 85 % white."""
    red, green, blue = (1 - 0.15 * (1 - part) for part in to_rgb(color))
    return red, green, blue


def text_width(text: str, size: float = TEXT_SIZE) -> float:
    """Return the width in inches of the longest line of `text` at `size` points."""
    paths = (TextPath((0, 0), line, size=size) for line in text.splitlines() if line.strip())
    return max((path.get_extents().width for path in paths), default=0.0) / 72


def note(ax: Axes, x: float, y: float, text: str, **options: Any) -> Text:
    """Write text centered at a point; `options` go to `Axes.text`."""
    defaults = {"ha": "center", "va": "center", "fontsize": TEXT_SIZE, "color": BLACK}
    return ax.text(x, y, text, **{**defaults, **options})


def box_size(title: str, detail: str = "") -> tuple[float, float]:
    """Return the width and height in inches that `box` gives to a box with these texts."""
    width = max(text_width(title, TITLE_SIZE) * 1.08, text_width(detail)) + 0.24
    return width, LINE[0] * _lines(title) + LINE[1] * _lines(detail) + 0.2


def _lines(text: str) -> int:
    return len(text.splitlines())


def box(
    ax: Axes, x: float, y: float, title: str, detail: str = "", *, width: float | None = None,
    height: float | None = None, color: Any = BLUE,
) -> Node:  # fmt: skip
    """Draw a rounded box with a bold title and, below it, a second text.

    Args:
        ax: a canvas.
        x: the center, inches.
        y: the center, inches.
        title: one line or several.
        detail: one line or several, not bold.
        width: inches; None fits the texts.
        height: inches; None fits the texts.
        color: of the edge; the area is a tint of it.

    Returns:
        The box.
    """
    fitting_width, fitting_height = box_size(title, detail)
    width = fitting_width if width is None else width
    height = fitting_height if height is None else height
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=tint(color), edgecolor=color, linewidth=1.4, zorder=2,
    )  # fmt: skip
    ax.add_patch(patch)
    # The title lies above the center by half the height of the detail, and the other way round
    above, below = LINE[1] * _lines(detail) / 2, LINE[0] * _lines(title) / 2
    note(ax, x, y + above, title, fontsize=TITLE_SIZE, weight="bold", zorder=3)
    if detail:
        note(ax, x, y - below, detail, zorder=3)
    return Node(x, y, width, height, patch)


def neuron(
    ax: Axes, x: float, y: float, label: str = "", *, radius: float = 0.2, color: Any = BLUE
) -> Node:
    """Draw a neuron as a circle with a label inside; return it as a node."""
    patch = Circle((x, y), radius, facecolor=tint(color), edgecolor=color, linewidth=1.4, zorder=2)
    ax.add_patch(patch)
    if label:
        note(ax, x, y, label, zorder=3)
    return Node(x, y, 2 * radius, 2 * radius, patch)


def arrow(
    ax: Axes, start: Node | Point, end: Node | Point, label: str = "", *, side: str = "above",
    color: Any = BLACK, bend: float = 0.0, linestyle: str = "-",
) -> FancyArrowPatch:  # fmt: skip
    """Draw an arrow between two nodes or points; it begins and ends at the border of a node.

    Args:
        ax: a canvas.
        start: a node, or a point in inches.
        end: a node, or a point in inches.
        label: a text beside the arrow.
        side: where the label lies: "above", "below" or "right".
        color: of the arrow; the label is black.
        bend: how far the arrow bows, as a share of its length; seen from its start to the right
            if positive.
        linestyle: such as "--" for the way back.

    Returns:
        The arrow.
    """
    (first, patch_a), (last, patch_b) = (
        ((end_.x, end_.y), end_.patch) if isinstance(end_, Node) else (end_, None)
        for end_ in (start, end)
    )
    patch = FancyArrowPatch(
        first, last, arrowstyle="-|>", connectionstyle=f"arc3,rad={bend}", mutation_scale=12,
        patchA=patch_a, patchB=patch_b, shrinkA=2 if patch_a else 0, shrinkB=2 if patch_b else 0,
        color=color, linewidth=1.4, linestyle=linestyle, zorder=1.5,
    )  # fmt: skip
    ax.add_patch(patch)
    if label:
        curve = _curve(first, last, bend)
        for node in (start, end):
            if isinstance(node, Node):
                size = node.width / 2, node.height / 2
                inside = (np.abs(curve - (node.x, node.y)) < size).all(1)
                curve = curve[~inside]
        _label_curve(ax, curve, label, side)
    return patch


def _curve(start: Point, end: Point, bend: float) -> NDArray[np.float64]:
    """Return points of the quadratic curve that `connectionstyle="arc3"` draws, (100, 2)."""
    (x0, y0), (x1, y1) = start, end
    control = np.array([(x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0)])
    t = np.linspace(0, 1, 100)[:, None]
    curve: NDArray[np.float64] = (
        (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * control + t**2 * np.array(end)
    )
    return curve


def _label_curve(ax: Axes, curve: NDArray[np.float64], label: str, side: str) -> None:
    """Write a label beside the middle of a curve so that the text does not cross it."""
    x, y = curve[round(0.5 * (len(curve) - 1))]
    if side == "right":
        beside = curve[np.abs(curve[:, 1] - y) <= 0.09 * _lines(label), 0]
        x = beside.max() + 0.08
    else:
        beside = curve[np.abs(curve[:, 0] - x) <= text_width(label) / 2, 1]
        y = beside.max() + 0.06 if side == "above" else beside.min() - 0.06
    note(ax, x, y, label, zorder=2.5, **_SIDES[known(side, _SIDES, "side")])


def stage_row(
    ax: Axes, stages: Sequence[tuple[str, str]], *, y: float, arrows: Sequence[str],
    colors: Sequence[Any], left: float,
) -> list[Node]:  # fmt: skip
    """Draw stages as boxes in a row, with arrows between neighbours.

    Args:
        ax: a canvas.
        stages: title and detail of each box.
        y: of the centers, inches.
        arrows: what is handed over between neighbours, one label for each arrow.
        colors: of the boxes.
        left: space before and after the row, inches.

    Returns:
        The boxes.

    Raises:
        SnnlabError: the boxes leave too little space for the arrows and their labels.
    """
    widths, heights = zip(*(box_size(*stage) for stage in stages), strict=True)
    gap = (ax.get_xlim()[1] - 2 * left - sum(widths)) / len(arrows)
    needed = max(0.3, *(text_width(label) + 0.1 for label in arrows))
    if gap < needed:
        raise SnnlabError(
            f"The gaps between stages are {gap:.2f} inches wide, but the arrows need "
            f"{needed:.2f}: break the texts into lines or make the canvas wider."
        )
    nodes, x = [], left
    for (title, detail), width, color in zip(stages, widths, colors, strict=True):
        size = {"width": width, "height": max(heights)}
        nodes.append(box(ax, x + width / 2, y, title, detail, color=color, **size))
        x += width + gap
    for start, end, label in zip(nodes, nodes[1:], arrows, strict=False):
        arrow(ax, start, end, label)
    return nodes


def brace(ax: Axes, first: Node, last: Node, y: float, label: str) -> None:
    """Draw a curly brace below a row of nodes, with a label below its tip.

    Args:
        ax: a canvas.
        first: the node whose left side is above the start of the brace.
        last: the node whose right side is above its end.
        y: of the ends of the brace, inches.
        label: below the tip.
    """
    start, end, depth = first.left[0], last.right[0], -0.07
    middle = (start + end) / 2
    points = [
        (start, y), (start, y + depth), (start + 0.07, y + depth), (middle - 0.07, y + depth),
        (middle, y + depth), (middle, y + 2 * depth), (middle, y + depth),
        (middle + 0.07, y + depth), (end - 0.07, y + depth), (end, y + depth), (end, y),
    ]  # fmt: skip
    move, line, curve = Path.MOVETO, Path.LINETO, Path.CURVE3
    codes = [move, curve, curve, line, curve, curve, curve, curve, line, curve, curve]
    path = Path(points, codes)
    ax.add_patch(PathPatch(path, facecolor="none", edgecolor=GREY, linewidth=1.4))
    note(ax, middle, y + 2.6 * depth, label, va="top")


def spike_train(
    ax: Axes, x: float, y: float, times: Sequence[float], *, width: float, label: str = ""
) -> None:
    """Draw a spike train: a time line with a mark for each spike.

    Args:
        ax: a canvas.
        x: where the line begins, inches.
        y: of the line, inches.
        times: of the spikes, from 0 (begin of the line) to 1 (its end).
        width: of the line, inches.
        label: to the left of the line.
    """
    ax.plot([x, x + width], [y, y], color=GREY, linewidth=1)
    moments = x + width * np.asarray(times, dtype=float)
    ax.vlines(moments, y, y + 0.2, color=BLACK, linewidth=2)
    if label:
        note(ax, x - 0.08, y + 0.1, label, ha="right")
