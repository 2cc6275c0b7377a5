"""Figures of the page "03 on a real camera"."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab.viz.plots.style import BLUE, ORANGE, figure, legend

BIN_MS = 5


def event_rate(seconds: ArrayLike, on: ArrayLike) -> Figure:
    """Draw how many events a recording of an event camera has over time.

    Args:
        seconds: time of each event, s, `(n,)`.
        on: whether it is an ON event, `(n,)`.
    """
    ms, sign = 1000 * np.asarray(seconds, dtype=float), np.asarray(on, dtype=bool)
    edges = np.arange(0, ms.max(initial=BIN_MS) + BIN_MS, BIN_MS)
    fig, ax = figure(7, 2.2)
    for name, part, color, style in (("ON", sign, BLUE, "-"), ("OFF", ~sign, ORANGE, "--")):
        count, _ = np.histogram(ms[part], edges)
        ax.stairs(count, edges, color=color, linestyle=style, label=name)
    ax.set(xlabel="time (ms)", ylabel=f"events in {BIN_MS} ms")
    legend(ax)
    return fig
