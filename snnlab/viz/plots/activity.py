"""What a network is shown, and what its neurons do: pictures, spikes and membranes."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text
from snnlab.viz.plots.style import BLACK, BLUE, RED
from snnlab.viz.plots.values import as_array, check_dt, check_same_length


def image(ax: Axes, pixels: ArrayLike) -> list[Artist]:
    """A picture `(C, H, W)` of 1 or 3 channels as it looks, from its darkest to its brightest value; grey ones dark on white."""
    values = np.moveaxis(as_array("pixels", pixels, dims=3).astype(float), 0, -1)
    if values.shape[-1] not in (1, 3):
        raise SnnlabError(
            f"pixels: {values.shape[-1]} channels, 1 or 3 were expected as (C, H, W); choose some of them."
        )
    low, high = values.min(), values.max()
    values = (values - low) / (high - low if high > low else 1)
    ax.set(xticks=[], yticks=[])
    return [ax.imshow(values[..., 0], cmap="Greys") if values.shape[-1] == 1 else ax.imshow(values)]


def raster(
    ax: Axes, times_ms: ArrayLike, neurons: ArrayLike, *, colour: Any = BLACK, marker: str = "|"
) -> Line2D:
    """Spikes as marks: `times_ms` (E,) and `neurons` (E,). One artist, whatever the number of spikes."""
    size = 4.0 if marker == "|" else 1.5
    times, rows = (
        as_array(name, values, empty=True).ravel()
        for name, values in (("times_ms", times_ms), ("neurons", neurons))
    )
    check_same_length(times_ms=times, neurons=rows)
    (dots,) = ax.plot(times, rows, marker, color=colour, markersize=size)
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return dots


def count_raster(ax: Axes, counts: ArrayLike, dt_ms: float) -> AxesImage:
    """Binned spikes, or features in dB, `(T, N)` as a picture, darker where there is more; row 0 at the bottom."""
    check_dt(dt_ms)
    grid = as_array("counts", counts, dims=2).T
    neurons, steps = grid.shape
    if grid.min() < 0:  # features: most of what is above silence
        vmin, vmax = (
            np.quantile(grid[grid > grid.min()], [0.05, 0.98])
            if np.ptp(grid)
            else (grid.min(), 0.0)
        )
    else:
        vmin, vmax = 0.0, max(1.0, float(np.quantile(grid[grid > 0], 0.9)) if grid.any() else 1.0)
    image = ax.imshow(
        grid, cmap="Greys", vmin=vmin, vmax=vmax,
        aspect="auto", origin="lower", extent=(0, steps * dt_ms, -0.5, neurons - 0.5),
    )  # fmt: skip
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return image


def trace(
    ax: Axes, t_ms: ArrayLike, v: ArrayLike, *, after: ArrayLike | None = None, threshold: float | None = None,
    spikes: ArrayLike | None = None, colour: Any = BLUE, label: str | None = None,
) -> list[Artist]:  # fmt: skip
    """A membrane potential `v` (T,) over `t_ms` (T,), its threshold, and a mark above it where `spikes` (T,) is not 0.

    With `after` (T,), the potential after the reset, the line drops to it within the step.
    """
    given = {"t_ms": t_ms, "v": v, "after": after, "spikes": spikes}
    arrays = {
        name: as_array(name, values, empty=True).reshape(-1)
        for name, values in given.items()
        if values is not None or name in ("t_ms", "v")
    }
    check_same_length(**arrays)
    t_ms, v = arrays["t_ms"], arrays["v"]
    named = None if label is None else plot_text(label)
    path = (
        (t_ms, v)
        if after is None
        else (np.repeat(t_ms, 2), np.stack([v, arrays["after"]], 1).ravel())
    )
    artists: list[Artist] = [*ax.plot(*path, color=colour, linewidth=1.3, label=named)]
    if threshold is not None:
        artists.append(ax.axhline(threshold, color=RED, linestyle="--", linewidth=1))
        cell = ax.get_subplotspec()
        if cell is None or cell.is_last_col():
            place = ax.get_yaxis_transform()
            artists.append(
                ax.text(
                    1.0,
                    threshold,
                    " threshold",
                    color=RED,
                    fontsize=8,
                    va="center",
                    transform=place,
                )
            )
    if spikes is not None:
        at = t_ms[arrays["spikes"] != 0]
        top = float(max(v.max(initial=0.0), threshold or 0.0)) or 1.0
        artists += ax.plot(at, np.full(at.shape, 1.12 * top), "|", color=BLACK, markersize=9)
    ax.set(xlabel="time (ms)", ylabel="membrane potential")
    return artists
