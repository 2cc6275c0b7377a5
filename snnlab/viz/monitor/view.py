"""The monitor's picture: rasters, a histogram and curves of a snapshot, and their alt text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from snnlab._utils.escape import plot_text
from snnlab.delays.statistics import delay_shares
from snnlab.viz import plots
from snnlab.viz.figure_export import TableColumns
from snnlab.viz.monitor.snapshot import Arrays, MonitorSnapshot
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.fast_axes import FastTicks

FIGSIZE = (9.5, 4.6)
MARKS = ("o-", "s--", "^:", "D-.")
CURVES = {"accuracy": "accuracy (%)", "loss": "loss"}
STANDARD = ("train_accuracy", "valid_accuracy", "loss", "valid_loss")  # the curves of every `fit`
NAME_PLACES = (103, 113)  # y of the names of stages, in turns, above the curves of accuracy
LONGEST_NAME = 14  # letters


class MonitorView:
    """A picture of snapshots: its artists are made once, and get other data afterwards.

    It depends on the last snapshot alone: a training that was watched leaves the same picture as
    one that was not. Limits of axes move in large steps, as a new one costs more than a picture.

    Args:
        fig: a figure without axes.
        snapshot: a snapshot with the layout of all that follow.
    """

    def __init__(self, fig: Figure, snapshot: MonitorSnapshot) -> None:
        fig.set_layout_engine("none")  # solving a layout takes longer than drawing all the rest
        above = ["input"] if "input" in snapshot.rasters else []
        above += ["layers"] if snapshot.rates else []
        above += ["histogram"] if snapshot.rates or snapshot.delays else []
        rows = [names for names in (above, [*CURVES]) if names]
        self._axes: dict[str, Axes] = {}
        for number, names in enumerate(rows):
            bottom, height = (len(rows) - 1 - number) / len(rows), 1 / len(rows)
            place = dict(top=bottom + 0.89 * height, bottom=bottom + 0.24 * height)
            grid = fig.add_gridspec(1, len(names), left=0.07, right=0.97, wspace=0.3, **place)
            for column, name in enumerate(names):
                self._axes[name] = ax = plots.tidy(fig.add_subplot(grid[column]))
                FastTicks(ax)
                ax.locator_params(nbins=3)  # numbers are most of what a new background costs
        if "input" in self._axes:
            steps, channels = snapshot.rasters["input"].shape
            ax = self._axes["input"]
            self._input = artists.Raster(ax, steps=steps, neurons=channels, dt_ms=snapshot.dt)
            ax.set(xlabel=f"time ({snapshot.unit})", ylabel="channel")
            ax.set_title(f"input: {plot_text(snapshot.sample)}", fontsize=9, y=1.0)
        if snapshot.rates:
            self._prepare_layers(snapshot)
        if "histogram" in self._axes:
            self._prepare_histogram(snapshot)
        for name, label in CURVES.items():
            ax = self._axes[name]
            ax.set(xlabel="epoch", ylabel=label, xlim=(0.5, snapshot.total_epochs + 0.5))
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        self._axes["accuracy"].set(ylim=(0, 123), yticks=(0, 50, 100))
        self._mark_stages(snapshot)
        self._lines: dict[str, Line2D] = {}  # by the name in the history
        self._add_lines(STANDARD)

    def _prepare_layers(self, snapshot: MonitorSnapshot) -> None:
        """Make the raster of all layers, one above the other."""
        ax, stacked = self._axes["layers"], _stacked(snapshot)
        sizes = [snapshot.rasters[name].shape[1] for name in snapshot.rates]
        ends = [*accumulate(sizes, lambda end, size: end + _gap(sizes) + size)]
        dt, label = snapshot.dt, f"time ({snapshot.unit})"
        if not snapshot.over_time:
            dt, label = 1.0, "sample of the validation set"
        steps, rows = stacked.shape
        self._layers = artists.Raster(ax, steps=steps, neurons=rows, dt_ms=dt)
        for end in ends[:-1]:
            ax.axhline(end + _gap(sizes) / 2 - 0.5, color=plots.GREY, linewidth=0.8)
        middles = [end - size / 2 for end, size in zip(ends, sizes, strict=True)]
        ax.yaxis.set_major_locator(FixedLocator(middles))
        ax.yaxis.set_major_formatter(FixedFormatter([name.split()[-1] for name in snapshot.rates]))
        ax.set(xlabel=label, ylabel="neurons of layer")
        title = "spikes" if snapshot.spiking else "no spikes yet: activations, darker = more"
        if snapshot.over_time and "input" not in self._axes:
            title += f" ({plot_text(snapshot.sample)})"
        ax.set_title(title, fontsize=9, y=1.0)

    def _prepare_histogram(self, snapshot: MonitorSnapshot) -> None:
        """Make the histogram of the delays, or of the firing rates where there are none."""
        ax = self._axes["histogram"]
        if snapshot.delays:
            self._delays = artists.DelayHistogram(
                ax, max_delay=snapshot.max_delay, dt=snapshot.dt, unit=snapshot.unit
            )
            options: dict[str, Any] = dict(transform=ax.transAxes, ha="right", fontsize=9)
            self._sigma = ax.text(0.98, 0.88, "", animated=True, **options)
            ax.set_title("delays of all synapses", fontsize=9, y=1.0)
        else:
            self._rates = artists.RateHistogram(ax, [*snapshot.rates], snapshot.rate_unit)
            title = "firing rates" if snapshot.spiking else "activations"
            ax.set_title(f"{title} of the neurons", fontsize=9, y=1.0)

    def _mark_stages(self, snapshot: MonitorSnapshot) -> None:
        """Draw a line where a stage begins, and its name."""
        if len(snapshot.stages) == 1:
            return
        for number, (name, epochs_before) in enumerate(snapshot.stages):
            for ax in (self._axes[curve] for curve in CURVES if number):
                ax.axvline(epochs_before + 0.5, color=plots.GREY, linestyle="--", linewidth=1)
            short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
            text = f" {plot_text(short)}"
            y = NAME_PLACES[number % len(NAME_PLACES)]
            # The name of a short stage covers the line of the next one
            white = dict(facecolor="white", edgecolor="none", pad=0.5) if number else None
            self._axes["accuracy"].text(
                epochs_before + 0.5, y, text, fontsize=8, bbox=white, zorder=3
            )

    def draw(self, snapshot: MonitorSnapshot, initial: Arrays) -> tuple[str, TableColumns]:
        """Draw a snapshot.

        Args:
            snapshot: the snapshot.
            initial: the delays at the start, as in `MonitorSnapshot.delays`.

        Returns:
            The alt text and the numbers of the curves.
        """
        if "input" in snapshot.rasters:
            counts = snapshot.rasters["input"]
            self._input.set_data(counts, max(1.0, float(counts.max())))
        if snapshot.rates:
            self._layers.set_data(_stacked(snapshot))
        if snapshot.delays:
            now, before = (_delay_shares(delays, snapshot) for delays in (snapshot.delays, initial))
            self._delays.set_data(now, before)
            self._sigma.set_text(f"sigma {snapshot.sigma:.1f} steps")
        elif snapshot.rates:
            rates = [*snapshot.rates.values()]
            self._rates.set_data(rates, _ceiling(float(rate.max()) for rate in rates))
        history = curves(snapshot)
        self._add_lines(history)
        for key, line in self._lines.items():
            values = history.get(key, [])
            scale = 100 if "accuracy" in key else 1
            line.set_data(range(1, 1 + len(values)), [scale * value for value in values])
        losses = [value for key, values in history.items() if "loss" in key for value in values]
        top = _ceiling([1.2 * math.log(max(2, snapshot.n_classes)), *losses])
        self._axes["loss"].set_ylim(0, top)
        epochs = [*range(1, 1 + len(snapshot.history))]
        return describe(snapshot), {"epoch": epochs, **history}

    def _add_lines(self, keys: Iterable[str]) -> None:
        """Add a line for each key of the history that has none, and renew the legends."""
        changed = set()
        for key in keys:
            name = next(name for name in CURVES if name in key)
            if key in self._lines:
                continue
            ax = self._axes[name]
            label = key.replace("_", " ").removesuffix(name).strip() or "train"
            label = label.replace("valid", "validation")
            mark = MARKS[sum(line.get_animated() for line in ax.lines) % len(MARKS)]
            (self._lines[key],) = ax.plot([], [], mark, markersize=3, label=label, animated=True)
            changed.add(name)
        for name in changed:
            plots.legend(
                self._axes[name], fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.98),
                ncols=4, borderaxespad=0,
            )  # fmt: skip


def _gap(sizes: Sequence[int]) -> int:
    """Return how many rows are left empty between two layers of these sizes."""
    return 1 + sum(sizes) // 50


def _stacked(snapshot: MonitorSnapshot) -> NDArray[np.float32]:
    """Return the outputs of all layers side by side, `(T, N)`, each with 1 for its largest."""
    layers = [snapshot.rasters[name] for name in snapshot.rates]
    gap = np.zeros((len(layers[0]), _gap([layer.shape[1] for layer in layers])), dtype=np.float32)
    columns = [part for layer in layers for part in (gap, layer / max(1.0, layer.max()))]
    return np.hstack(columns[1:])


def _delay_shares(delays: Arrays, snapshot: MonitorSnapshot) -> NDArray[np.float64]:
    """Return the shares of the delays of all layers together."""
    return delay_shares(np.hstack([*delays.values()]), snapshot.max_delay, snapshot.dt)


def curves(snapshot: MonitorSnapshot) -> dict[str, list[float]]:
    """Return losses and accuracies of each epoch; nan where a stage has not measured one.

    Accuracies on the test set are left out: nobody is to choose anything by them.
    """
    keys = dict.fromkeys(key for line in snapshot.history for key in line)
    return {
        key: [line.get(key, math.nan) for line in snapshot.history]
        for key in keys
        if key.endswith(tuple(CURVES)) and not key.startswith("test")
    }


def describe(snapshot: MonitorSnapshot) -> str:
    """Return the alt text: what the picture shows, with its numbers."""
    parts = [f"Training after {len(snapshot.history)} of {snapshot.total_epochs} epochs"]
    if len(snapshot.stages) > 1:
        begins = ", ".join(f"{name} in epoch {before + 1}" for name, before in snapshot.stages)
        parts.append(f"stages begin: {begins}")
    for key, values in curves(snapshot).items():
        if math.isfinite(values[-1]):
            value = f"{100 * values[-1]:.1f} %" if key.endswith("accuracy") else f"{values[-1]:.3f}"
            parts.append(f"{key.replace('_', ' ')} {value}")
    if "input" in snapshot.rasters:
        kind = "spikes" if snapshot.spiking else "activations"
        sums = {name: float(outputs.sum()) for name, outputs in snapshot.rasters.items()}
        parts.append(
            f"{kind} for one sample of validation ({snapshot.sample}): {_listed(sums, '.0f')}"
        )
    for name, delays in snapshot.delays.items():
        shares = 100 * delay_shares(delays, snapshot.max_delay, snapshot.dt)
        end = f"{snapshot.max_delay:g} {snapshot.unit}"
        parts.append(f"delays of {name}: {shares[0]:.1f} % at 0, {shares[-1]:.1f} % at {end}")
    if snapshot.sigma:
        parts.append(f"sigma {snapshot.sigma:.2f} steps")
    if snapshot.rates:
        means = {name: float(rates.mean()) for name, rates in snapshot.rates.items()}
        parts.append(f"{snapshot.rate_unit} of a neuron: {_listed(means, '.3g')}")
        silent = {name: 100 * float((rates == 0).mean()) for name, rates in snapshot.rates.items()}
        parts.append(f"silent neurons (%): {_listed(silent, '.0f')}")
    return "; ".join(parts) + "."


def _listed(numbers: Mapping[str, float], spec: str) -> str:
    return ", ".join(f"{name} {number:{spec}}" for name, number in numbers.items())


def _ceiling(values: Iterable[float]) -> float:
    """Return the next of seven round numbers in a decade; 1 where no value is above 0."""
    top = max((value for value in values if math.isfinite(value) and value > 0), default=1.0)
    power = 10.0 ** math.floor(math.log10(top))
    return next(power * digit for digit in (1, 1.5, 2, 3, 5, 7, 10) if top <= power * digit)
