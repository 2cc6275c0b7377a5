"""Pictures: arrays and an axes in, artists out.

Nothing here touches pyplot's global state, so a figure is shown once, when `show` says so, and a
thread may draw one. Colours are matplotlib's `okabe_ito` sequence, which colour-blind readers can
tell apart; a marker and a line style always say the same thing a second time.
"""

from snnlab.viz.figure_export import show
from snnlab.viz.plots.activity import count_raster, picture, raster, trace
from snnlab.viz.plots.delays import both_ends, delay_histogram, delay_shares, edge_shares, kernels
from snnlab.viz.plots.results import (
    band,
    bars_with_seeds,
    confusion,
    in_words,
    learning_curves,
    over_time,
)
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    DPI,
    GREEN,
    GREY,
    LOOKS,
    ORANGE,
    PINK,
    RED,
    SKY,
    YELLOW,
    Look,
    figure,
    legend,
    look,
    tidy,
)

__all__ = [
    "BLACK",
    "BLUE",
    "DPI",
    "GREEN",
    "GREY",
    "LOOKS",
    "ORANGE",
    "PINK",
    "RED",
    "SKY",
    "YELLOW",
    "Look",
    "band",
    "bars_with_seeds",
    "both_ends",
    "confusion",
    "count_raster",
    "delay_histogram",
    "delay_shares",
    "edge_shares",
    "figure",
    "in_words",
    "kernels",
    "learning_curves",
    "legend",
    "look",
    "over_time",
    "picture",
    "raster",
    "show",
    "tidy",
    "trace",
]
