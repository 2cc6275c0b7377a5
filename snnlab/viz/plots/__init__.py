"""Plots: functions that draw arrays on axes and return artists.

They do not touch pyplot's global state: `show` displays a figure once, and a thread may draw one.
The colors are Okabe and Ito's, which colour-blind readers can tell apart; marker
and line style repeat what the color says.
"""

from snnlab.viz.figure_export import show
from snnlab.viz.plots.activity import count_raster, raster, trace
from snnlab.viz.plots.delays import delay_histogram, kernels
from snnlab.viz.plots.results import (
    accuracy_over_parameter,
    band,
    bars_with_seeds,
    describe_accuracies,
    learning_curves,
)
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    VARIANTS,
    YELLOW,
    figure,
    legend,
    tidy,
    variant_style,
)

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "RED",
    "SKY",
    "VARIANTS",
    "YELLOW",
    "accuracy_over_parameter",
    "band",
    "bars_with_seeds",
    "count_raster",
    "delay_histogram",
    "describe_accuracies",
    "figure",
    "kernels",
    "learning_curves",
    "legend",
    "raster",
    "show",
    "tidy",
    "trace",
    "variant_style",
]
