"""The house style: one colour, marker and line a variant, and figures that are readable everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = matplotlib.color_sequences["okabe_ito"]
GREY = (0.45, 0.45, 0.45)


@dataclass(frozen=True)
class VariantStyle:
    """How one variant is drawn, everywhere."""

    colour: Any
    marker: str
    line: str
    filled: bool = True


VARIANT_STYLES: Mapping[str, VariantStyle] = {
    "none": VariantStyle(GREY, "s", ":"),
    "fixed": VariantStyle(ORANGE, "^", "--"),
    "learned": VariantStyle(BLUE, "o", "-"),
    "scratch": VariantStyle(GREY, "s", ":"),
    "pipe-S": VariantStyle(BLUE, "o", "-"),
    "one step": VariantStyle(ORANGE, "^", "--"),
    "pretrained": VariantStyle(BLUE, "o", "-"),
    "sharpened": VariantStyle(ORANGE, "^", "--"),
}


def variant_style(variant: str) -> VariantStyle:
    """The look of a variant; a control such as `"none, long tau"` is a hollow relative of the variant it begins with."""
    if variant in VARIANT_STYLES:
        return VARIANT_STYLES[variant]
    family = next(
        (one for name, one in VARIANT_STYLES.items() if variant.startswith(name)),
        VariantStyle(GREEN, "D", "-."),
    )
    return VariantStyle(family.colour, family.marker, "-.", filled=False)


def figure(
    width: float = 7.0, height: float = 2.8, rows: int = 1, cols: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """An off-screen figure of `width` x `height` inches, and its axes: one `Axes`, or an array of them as in pyplot.

    The background is opaque white, so that the picture stays readable in a dark theme. `subplots`
    goes to `Figure.subplots` (`sharex=True`, `width_ratios=[2, 1]`, ...).
    """
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, cols, **subplots)
    for ax in np.atleast_1d(axes).flat:
        tidy(ax)
    return fig, axes


def tidy(ax: Axes) -> Axes:
    """The house style of one axes: no box, small ticks, safe colours."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    ax.set_prop_cycle(color=[BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK])
    return ax


def legend(ax: Axes, **options: Any) -> None:
    """A legend without a frame, where it covers least."""
    ax.legend(**{"frameon": False, "fontsize": 9, **options})
