"""Figures of the page "03 on a real camera"."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.results import band, panels_of_bars
from snnlab.viz.plots.style import BESIDE, BLUE, ORANGE, figure, legend, variant_style

BIN_MS = 5


@something_to_draw()
def event_rate(seconds: ArrayLike, on: ArrayLike) -> Figure:
    """Draw how many events a recording of an event camera has over time.

    Args:
        seconds: time of each event, s, `(n,)`.
        on: whether it is an ON event, `(n,)`.
    """
    ms, sign = 1000 * as_array("seconds", seconds).astype(float), as_array("on", on).astype(bool)
    edges = np.arange(0, ms.max() + BIN_MS, BIN_MS)
    fig, ax = figure(7, 2.2)
    for name, part, color, style in (("ON", sign, BLUE, "-"), ("OFF", ~sign, ORANGE, "--")):
        count, _ = np.histogram(ms[part], edges)
        ax.stairs(count, edges, color=color, linestyle=style, label=name)
    ax.set(xlabel="time (ms)", ylabel=f"events in {BIN_MS} ms")
    legend(ax, **BESIDE)
    return fig


@something_to_draw()
def accuracy_over_recordings(
    accuracies: Mapping[str, Mapping[int, Sequence[float]]], without: float
) -> Figure:
    """Draw test accuracy over the number of labelled recordings, in a band over the folds.

    Args:
        accuracies: 0..1, by way to begin ("scratch", "pictures" or "edges"), number of recordings
            and fold.
        without: 0..1, of the network that saw no label of a recording, for a line.
    """
    fig, ax = figure(7, 3)
    for name, by_number in accuracies.items():
        values = 100 * np.array([list(folds) for folds in by_number.values()]).T
        label = name if name == "scratch" else f"pretrained on {name}"
        band(ax, list(by_number), values, label=label, **variant_style(name))
    numbers = sorted({number for by_number in accuracies.values() for number in by_number})
    ax.axhline(100 * without, color="black", linewidth=1, linestyle="-.", label="no label")
    ax.set_xscale("log")
    ax.set_xticks(numbers, [f"{number:,}" for number in numbers])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="labelled recordings", ylabel="test accuracy (%)")
    legend(ax, **BESIDE)
    return fig


@something_to_draw()
def bars(panels: Mapping[str, NamedArrays], chance: float) -> Figure:
    """Draw bars of the mean over the folds, with a marker a fold, in panels of one scale.

    Args:
        panels: test accuracies 0..1 by panel, name of the bar and fold.
        chance: the accuracy of guessing, 0..1.
    """
    widths = [len(by_name) for by_name in panels.values()]
    return panels_of_bars(1 + 1.1 * sum(widths), 2.8, panels, chance, width_ratios=widths)
