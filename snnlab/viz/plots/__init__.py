"""Pictures: arrays and an axes in, artists out.

Nothing here touches pyplot's global state, so a figure is shown once, when `show` says so, and a
thread may draw one. Colours are matplotlib's `okabe_ito` sequence, which colour-blind readers can
tell apart; a marker and a line style always say the same thing a second time.
"""

from snnlab.viz.figure_export import show
from snnlab.viz.plots.activity import count_raster, image, raster, trace
from snnlab.viz.plots.delays import (
    delay_histogram,
    delay_shares,
    describe_edges,
    edge_shares,
    kernels,
)
from snnlab.viz.plots.results import (
    accuracy_over_time,
    band,
    bars_with_seeds,
    confusion,
    describe_accuracies,
    learning_curves,
)
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    DPI,
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
    "DPI",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "RED",
    "SKY",
    "VARIANTS",
    "YELLOW",
    "accuracy_over_time",
    "band",
    "bars_with_seeds",
    "confusion",
    "count_raster",
    "delay_histogram",
    "delay_shares",
    "describe_accuracies",
    "describe_edges",
    "edge_shares",
    "figure",
    "image",
    "kernels",
    "learning_curves",
    "legend",
    "raster",
    "show",
    "tidy",
    "trace",
    "variant_style",
]
