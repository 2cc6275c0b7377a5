"""Plots of images, spikes and membrane potentials."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array, check_dt, flat_arrays
from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots.checks import something_to_draw
from snnlab.viz.plots.style import BLACK, BLUE, LIMIT, RED


@something_to_draw()
def image(ax: Axes, pixels: ArrayLike) -> list[Artist]:
    """Draw an image `(C, H, W)` of 1 or 3 channels, from its darkest to its brightest value.

    An image of one channel is dark on white.
    """
    values = np.moveaxis(as_array("pixels", pixels, dims=3).astype(float), 0, -1)
    if values.shape[-1] not in (1, 3):
        raise SnnlabError(
            f"pixels: {values.shape[-1]} channels, 1 or 3 were expected as (C, H, W); "
            "choose some of them."
        )
    low, high = values.min(), values.max()
    values = (values - low) / (high - low if high > low else 1)
    ax.set(xticks=[], yticks=[])
    return [ax.imshow(values, cmap="Greys")]  # the color map is for one channel


@something_to_draw("times_ms", "neurons")
def raster(
    ax: Axes, times_ms: ArrayLike, neurons: ArrayLike, *, color: Any = BLACK, marker: str = "|"
) -> Line2D:
    """Draw spikes as markers of one artist.

    Args:
        ax: where to draw.
        times_ms: when each spike happens, (E,).
        neurons: which neuron fires it, (E,).
        color: of the spikes.
        marker: of the spikes.

    Returns:
        The artist.
    """
    times, rows = flat_arrays(empty=True, times_ms=times_ms, neurons=neurons)
    size = 4.0 if marker == "|" else 1.5
    (spikes,) = ax.plot(times, rows, marker, color=color, markersize=size)
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return spikes


@something_to_draw()
def count_raster(ax: Axes, counts: ArrayLike, dt_ms: float) -> AxesImage:
    """Draw binned spikes, or features in dB, as an image; darker means more.

    Neuron 0 is at the bottom.

    Args:
        ax: where to draw.
        counts: `(T, N)`.
        dt_ms: length of a time step, ms.

    Returns:
        The image.
    """
    check_dt(dt_ms)
    grid = as_array("counts", counts, dims=2).T
    low, above = grid.min(), grid[grid > min(0, grid.min())]
    if low >= 0:
        limits = 0.0, max(1.0, float(np.quantile(above, 0.9)) if above.size else 1.0)
    elif above.size:  # features: leave out silence
        limits = tuple(np.quantile(above, [0.05, 0.98]))
    else:
        limits = low, 0.0
    neurons, steps = grid.shape
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return ax.imshow(
        grid, cmap="Greys", vmin=limits[0], vmax=limits[1],
        aspect="auto", origin="lower", extent=(0, steps * dt_ms, -0.5, neurons - 0.5),
    )  # fmt: skip


@something_to_draw("t_ms", "before", "after", "spikes")
def trace(
    ax: Axes, t_ms: ArrayLike, before: ArrayLike, after: ArrayLike, spikes: ArrayLike
) -> list[Artist]:
    """Draw a membrane potential over time, with a threshold of 1 and a mark above each spike.

    Args:
        ax: where to draw.
        t_ms: time, ms, (T,).
        before: the potential before the reset, (T,).
        after: the potential after the reset, (T,); the line drops to it within the step.
        spikes: not 0 where the neuron fires, (T,).

    Returns:
        The line, the threshold with its name, and the marks.
    """
    times, high, low, fired = flat_arrays(
        empty=True, t_ms=t_ms, before=before, after=after, spikes=spikes
    )
    line = ax.plot(np.repeat(times, 2), np.stack([high, low], 1).ravel(), color=BLUE, linewidth=1.3)
    artists: list[Artist] = [*line, ax.axhline(1, **LIMIT)]
    cell = ax.get_subplotspec()
    if cell is None or cell.is_last_col():
        beside: dict[str, Any] = dict(transform=ax.get_yaxis_transform(), va="center", fontsize=8)
        artists.append(ax.text(1, 1, " threshold", color=RED, **beside))
    spike_times = times[fired != 0]
    heights = np.full(spike_times.shape, 1.12 * high.max(initial=1.0))
    artists += ax.plot(spike_times, heights, "|", color=BLACK, markersize=9)
    ax.set(xlabel="time (ms)", ylabel="membrane potential")
    return artists
