"""Artists for a live panel: made once, fed again and again, and cheap to draw however much data they are given.

They are `animated`, as `snnlab.viz.widgets.panel.interact` wants it: it draws them over a kept
background.

    def draw(fig, *, trial):
        if not fig.axes:
            fig.raster = live.Raster(fig.subplots(), steps=250, neurons=1024, dt_ms=1.0)
        fig.raster.set_data(spikes[trial])
        return f"Raster of trial {trial}: {spikes[trial].sum()} spikes."
"""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab.viz import plots


class Raster(Artist):
    """Spikes or counts `(T, N)` as pixels, time to the right, neuron 0 at the bottom, darker where there is more.

    Where several values fall on one pixel, it shows the largest, so that no spike is lost. The cost
    depends on the size of the picture and of the array, not on the number of spikes.

    Args:
        ax: gets its labels and limits here.
        steps: T, number of time steps.
        neurons: N, number of neurons.
        dt_ms: length of a time step, ms.
    """

    def __init__(self, ax: Axes, *, steps: int, neurons: int, dt_ms: float) -> None:
        super().__init__()
        self._shape = steps, neurons
        self._corners = np.array([[0, -0.5], [steps * dt_ms, neurons - 0.5]])
        self._grey = np.zeros((neurons, steps), dtype=np.uint8)
        self.set_animated(True)
        ax.add_artist(self)
        ax.set(
            xlabel="time (ms)", ylabel="neuron", xlim=self._corners[:, 0], ylim=self._corners[:, 1]
        )

    def set_data(self, values: ArrayLike, full: float = 1.0) -> None:
        """The values `(T, N)` to draw next, from 0 (white) to `full` (black).

        Raises:
            SnnlabError: `values` has another shape.
        """
        grid = np.asarray(values)
        if grid.shape != self._shape:
            raise SnnlabError(
                f"got values of shape {grid.shape} for a raster of (T, N) = {self._shape}."
            )
        if grid.dtype == bool and full == 1:
            self._grey = np.ascontiguousarray(grid.T).view(np.uint8) * np.uint8(255)
        else:
            self._grey = (np.clip(grid.T / full, 0, 1) * 255).astype(np.uint8)
        self.stale = True

    def draw(self, renderer: Any) -> None:
        if not self.get_visible() or self.axes is None:
            return
        (left, low), (right, high) = np.rint(self.axes.transData.transform(self._corners)).astype(
            int
        )
        ink = _largest(_largest(self._grey, high - low, axis=0), right - left, axis=1)
        pixels = np.zeros((*ink.shape, 4), dtype=np.uint8)  # black, more or less opaque
        pixels[..., 3] = ink
        gc = renderer.new_gc()
        gc.set_clip_rectangle(self.axes.bbox)
        renderer.draw_image(gc, left, low, pixels)
        gc.restore()


def _largest(grid: NDArray[np.uint8], size: int, *, axis: int) -> NDArray[np.uint8]:
    """`grid` stretched to `size` along an axis, or shrunk to the largest value of what falls together."""
    starts = np.arange(size) * grid.shape[axis] // size
    if size >= grid.shape[axis]:
        return np.take(grid, starts, axis)
    return np.maximum.reduceat(grid, starts, axis)


class Bars:
    """A row of bars of which one is marked.

    Args:
        ax: where they go.
        x: their middles, (n,).
        width: of each.
    """

    def __init__(self, ax: Axes, x: ArrayLike, width: float) -> None:
        middles = np.asarray(x)
        self._bars = ax.bar(middles, np.zeros(len(middles)), width, animated=True)

    def set_data(self, heights: ArrayLike, marked: int) -> None:
        """Their heights, (n,), to draw next, and the number of the one in the darker colour."""
        for number, (bar, height) in enumerate(zip(self._bars, np.asarray(heights), strict=True)):
            bar.set(height=height, color=plots.BLUE if number == marked else plots.SKY)


class DelayHistogram:
    """Two histograms of delays, a bar a time step: as filled bars, and as a dashed outline above them.

    The y axis ends at 5, 10, 20, 50 or 101 %, the first that leaves some room above all bars. The
    numbers in words would take longer to draw than all the bars: say them in the alt text, which a
    panel shows below its picture.

    Args:
        ax: gets its labels and limits here.
        max_delay: largest delay, in `unit`.
        dt: length of a time step, in `unit`.
        unit: "ms", or "steps" where a step has no length.
        outline: what the outline is, for the label below.
    """

    def __init__(
        self,
        ax: Axes,
        *,
        max_delay: float,
        dt: float,
        unit: str = "ms",
        outline: str = "at the start",
    ) -> None:
        edges = (np.arange(round(max_delay / dt) + 2) - 0.5) * dt
        nothing = np.zeros(len(edges) - 1)
        self._ax = ax
        self._bars = ax.stairs(nothing, edges, fill=True, color=plots.BLUE, animated=True)
        self._outline = ax.stairs(
            nothing, edges, color=plots.BLACK, linestyle="--", linewidth=1.2, animated=True
        )
        ax.set(
            xlabel=f"delay ({unit}); dashed: {outline}",
            ylabel="synapses (%)",
            xlim=(edges[0], edges[-1]),
        )

    def set_data(self, now: ArrayLike, outline: ArrayLike) -> None:
        """The shares (0..1) of delays at each time step, as `delay_shares` has them, each `(L,)`, to draw next."""
        bars, line = 100 * np.asarray(now), 100 * np.asarray(outline)
        self._bars.set_data(values=bars)
        self._outline.set_data(values=line)
        top = 1.1 * max(bars.max(), line.max())
        self._ax.set_ylim(0, next((limit for limit in (5, 10, 20, 50) if top <= limit), 101))
