"""Plots of notebook 08: where delays sit, what waits in a ring buffer, what few bits cost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab._utils.escape import plot_text
from snnlab.viz.plots.activity import raster
from snnlab.viz.plots.checks import NamedArrays, as_arrays, something_to_draw
from snnlab.viz.plots.style import ABOVE, BLACK, BLUE, ORANGE, figure, legend, titled_axes

HEAT: dict[str, Any] = dict(cmap="viridis", aspect="auto", origin="lower")


@something_to_draw()
def ring_buffer(spikes: ArrayLike, waiting: ArrayLike, step: int) -> Figure:
    """Draw input spikes up to a step, and the currents that wait in the ring buffer then.

    Args:
        spikes: (T, N_in).
        waiting: currents of the next 1 to L steps, (L, N_out).
        step: the step up to which spikes have been read.

    Returns:
        The figure.
    """
    counts, currents = as_array("spikes", spikes, dims=2), as_array("waiting", waiting, dims=2)
    fig, (left, right) = figure(8.4, 2.8, 1, 2)
    times, channels = counts[: step + 1].nonzero()
    raster(left, times, channels)
    left.axvline(step, color=ORANGE, linewidth=1.5, zorder=0)
    left.set(xlabel="time step", ylabel="input", xlim=(-0.5, len(counts) - 0.5))
    left.set(ylim=(-0.5, counts.shape[1] - 0.5))
    left.set_title(f"read up to step {step}", fontsize=10)
    limit = max(float(np.abs(currents).max()), 1e-9)
    steps, neurons = currents.shape
    image = right.imshow(
        currents.T, cmap="PiYG", vmin=-limit, vmax=limit, aspect="auto", origin="lower",
        extent=(0.5, steps + 0.5, -0.5, neurons - 0.5),
    )  # fmt: skip
    right.set(xlabel="steps until it is added", ylabel="neuron")
    right.set_title("waits in the buffer", fontsize=10)
    fig.colorbar(image, ax=right, label="current (thresholds)")
    return fig


@something_to_draw()
def delays_by_synapse(delays_ms: NamedArrays, max_delay_ms: float) -> Figure:
    """Draw the delay of each synapse of a layer as a matrix, one for each kind of delays.

    Args:
        delays_ms: by kind, ms, (N_out, N_in).
        max_delay_ms: the end of the scale.

    Returns:
        The figure.
    """
    matrices = as_arrays(delays_ms, dims=2)
    fig, panels = titled_axes(9.4, 2.5, matrices)
    for ax, matrix in panels:
        image = ax.imshow(matrix, vmin=0, vmax=max_delay_ms, **HEAT)
        ax.set(xlabel="input", ylabel="neuron")
        ax.label_outer()
    fig.colorbar(image, ax=fig.axes, label="delay (ms)")
    return fig


@something_to_draw()
def bits_by_bits(
    accuracies: NamedArrays, weight_bits: Sequence[int], delay_bits: Sequence[int]
) -> Figure:
    """Draw accuracies over bits of a weight and bits of a delay as tables of colours.

    Args:
        accuracies: 0..1, by title, (weight bits, delay bits).
        weight_bits: of the rows.
        delay_bits: of the columns.

    Returns:
        The figure.
    """
    tables = as_arrays(accuracies, dims=2, scale=100)
    low = min(table.min() for table in tables.values())
    high = max(table.max() for table in tables.values())
    fig, panels = titled_axes(8.4, 3.0, tables)
    for ax, table in panels:
        image = ax.imshow(table, vmin=low, vmax=high, **HEAT)
        for (row, column), value in np.ndenumerate(table):
            shade = BLACK if value > (low + high) / 2 else "white"
            ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade, fontsize=9)
        ax.set_xticks(range(len(delay_bits)), map(str, delay_bits))
        ax.set_yticks(range(len(weight_bits)), map(str, weight_bits))
        ax.set(xlabel="bits of a delay", ylabel="bits of a weight")
        ax.label_outer()
    fig.colorbar(image, ax=fig.axes, label="validation accuracy (%)")
    return fig


@something_to_draw()
def two_rasters(ours: ArrayLike, theirs: ArrayLike, dt_ms: float, names: tuple[str, str]) -> Figure:
    """Draw the spikes of two simulators on top of each other: rings, and dots inside them.

    Args:
        ours: (T, N).
        theirs: (T, N).
        dt_ms: length of a time step, ms.
        names: of the simulators.

    Returns:
        The figure.
    """
    fig, ax = figure(8.4, 3.0)
    looks = (("o", BLUE, 6.0, "none"), (".", ORANGE, 3.0, ORANGE))
    for spikes, name, (marker, color, size, face) in zip((ours, theirs), names, looks, strict=True):
        times, neurons = as_array(name, spikes, dims=2).nonzero()
        line = raster(ax, times * dt_ms, neurons, color=color, marker=marker)
        line.set(markersize=size, markerfacecolor=face, label=plot_text(name))
    legend(ax, ncols=2, **ABOVE)
    return fig
