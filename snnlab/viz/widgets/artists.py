"""Artists for interactive figures: made once, and given new data at each change.

They are `animated`: `snnlab.viz.widgets.panel.interact` draws them over a kept background.

    def prepare(fig):
        raster = artists.Raster(fig.subplots(), steps=250, neurons=1024, dt_ms=1.0)

        def draw(trial):
            raster.set_data(spikes[trial])
            return f"Raster of trial {trial}: {spikes[trial].sum()} spikes."

        return draw
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab.viz import plots
from snnlab.viz.plots.delays import BARS, OUTLINE

COLORS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.BLACK)
LINE_STYLES = ("-", "--", ":", "-.")
WIDE_STEP = 8  # pixels


class Raster(Artist):
    """Spikes or counts as pixels: time to the right, neuron 0 at the bottom, darker for more.

    A pixel shows the largest of its values, so that no spike is lost. Where a step is wide, a gap
    separates it from the next one: two spikes in a row are two marks. The cost depends on the size
    of the image and of the array, not on the number of spikes.

    Args:
        ax: where to draw; the artist sets its labels and limits.
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
        """Set the data.

        Args:
            values: spikes or counts, `(T, N)`.
            full: the value of black pixels; white ones are 0.

        Raises:
            SnnlabError: `values` has another shape.
        """
        grid = np.asarray(values)
        if grid.shape != self._shape:
            raise SnnlabError(
                f"got values of shape {grid.shape} for a raster of (T, N) = {self._shape}."
            )
        self._grey = (np.clip(grid.T / full, 0, 1) * 255).astype(np.uint8)
        self.stale = True

    def draw(self, renderer: Any) -> None:
        """Draw the pixels."""
        if not self.get_visible() or self.axes is None:
            return
        (left, low), (right, high) = np.rint(self.axes.transData.transform(self._corners)).astype(
            int
        )
        ink = _resize_max(_resize_max(self._grey, high - low, axis=0), right - left, axis=1)
        steps, width = self._shape[0], right - left
        if width >= WIDE_STEP * steps:
            place = np.arange(width) * steps % width  # in its step, 0 to width
            ink[:, place >= width - max(2 * steps, width // 6)] = 0
        pixels = np.zeros((*ink.shape, 4), dtype=np.uint8)  # black, more or less opaque
        pixels[..., 3] = ink
        gc = renderer.new_gc()
        gc.set_clip_rectangle(self.axes.bbox)
        renderer.draw_image(gc, left, low, pixels)
        gc.restore()


def _resize_max(grid: NDArray[np.uint8], size: int, *, axis: int) -> NDArray[np.uint8]:
    """Resize `grid` along an axis by nearest neighbours, or by the largest value if it shrinks."""
    starts = np.arange(size) * grid.shape[axis] // size
    if size >= grid.shape[axis]:
        return np.take(grid, starts, axis)
    return np.maximum.reduceat(grid, starts, axis)


def set_bars(ax: Axes, heights: ArrayLike, marked: int) -> None:
    """Set the heights of the bars of `ax`, (n,); the one with the number `marked` is darker."""
    for number, (bar, height) in enumerate(zip(ax.patches, np.asarray(heights), strict=True)):
        bar.set(height=height, color=plots.BLUE if number == marked else plots.SKY)


class DelayHistogram:
    """Two histograms of delays, a bar for each time step: filled bars, and a dashed outline.

    Numbers as text would take longer to draw than the bars: put them into the alt text.

    Args:
        ax: where to draw; the histogram sets its labels and limits.
        max_delay: largest delay, in `unit`.
        dt: length of a time step, in `unit`.
        unit: "ms", or "steps" if a step has no length.
        outline: what the outline shows, for the label of the x axis.
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
        self._bars, self._outline = (
            ax.stairs(nothing, edges, animated=True, **look) for look in (BARS, OUTLINE)
        )
        ax.set(
            xlabel=f"delay ({unit}); dashed: {outline}",
            ylabel="synapses (%)",
            xlim=(edges[0], edges[-1]),
        )

    def set_data(self, now: ArrayLike, outline: ArrayLike) -> None:
        """Set the shares (0..1) at each time step, as from `delay_shares`, each `(L,)`."""
        percent = 100 * np.array([now, outline])
        for patch, values in zip((self._bars, self._outline), percent, strict=True):
            patch.set_data(values=values)
        set_percent_limit(self._ax, percent.max())


class AccuracyBars:
    """Two accuracies as bars with their numbers: of what is compared with, and of now, below it.

    Args:
        ax: where to draw; the bars set its labels and limits.
        names: of the two bars.
    """

    ROWS = (1, 0)

    def __init__(self, ax: Axes, names: tuple[str, str]) -> None:
        self._bars = ax.barh(
            self.ROWS, 0, 0.5, color=[plots.GREY, plots.BLUE], alpha=0.8, animated=True
        )
        self._texts = [
            ax.text(0, row, "", va="center", fontsize=9, animated=True) for row in self.ROWS
        ]
        ax.set_yticks(self.ROWS, names)
        ax.set(xlabel="accuracy (%)", xlim=(0, 119), ylim=(-0.5, 1.6), xticks=range(0, 101, 20))

    def set_data(self, accuracies: tuple[float, float]) -> None:
        """Set the two accuracies, 0..1."""
        for bar, text, value in zip(self._bars, self._texts, accuracies, strict=True):
            bar.set_width(100 * value)
            text.set(text=f"{value:.1%}", x=100 * value + 2)


class RateHistogram:
    """Histograms of the neurons' rates, an outline for each layer.

    Args:
        ax: where to draw; the histogram sets its labels and limits.
        names: of the layers.
        unit: of the rates, for the label of the x axis.
    """

    BINS = 20

    def __init__(self, ax: Axes, names: Sequence[str], unit: str) -> None:
        self._ax = ax
        self._outlines = [
            ax.stairs(
                np.zeros(self.BINS), color=COLORS[number % 4], linestyle=LINE_STYLES[number % 4],
                linewidth=1.4, label=name, animated=True,
            )
            for number, name in enumerate(names)
        ]  # fmt: skip
        ax.set(xlabel=unit, ylabel="neurons (%)")
        plots.legend(ax, loc="upper right", fontsize=8)

    def set_data(self, rates: Sequence[ArrayLike], top: float) -> None:
        """Set the rates of each layer's neurons, each (N,), and the end of the x axis."""
        edges, highest = np.linspace(0, top, self.BINS + 1), 0.0
        for outline, values in zip(self._outlines, rates, strict=True):
            clipped = np.clip(np.asarray(values), 0, top)
            percent = 100 * np.histogram(clipped, edges)[0] / max(1, clipped.size)
            outline.set_data(percent, edges)
            highest = max(highest, percent.max())
        self._ax.set_xlim(0, top)
        set_percent_limit(self._ax, highest)


def set_percent_limit(ax: Axes, highest: float) -> None:
    """Let the y axis end at 5, 10, 20, 50 or 101 %, the first with room above the highest bar."""
    ax.set_ylim(0, next((limit for limit in (5, 10, 20, 50) if 1.1 * highest <= limit), 101))
