"""The monitor's picture: rasters, delays, curves and rates of a snapshot, and their alt text."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from snnlab._utils.escape import plot_text
from snnlab.delays.statistics import delay_shares
from snnlab.viz import plots
from snnlab.viz.figure_export import TableColumns
from snnlab.viz.monitor.snapshot import Arrays, MonitorSnapshot
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.fast_axes import FastTicks

MARKS = ("o-", "s--", "^:", "D-.")
LABELS = {"loss": "loss", "accuracy": "accuracy (%)", "sigma": "sigma (steps)"}
# The curves of every `fit`, and sigma
STANDARD = ("loss", "valid_loss", "train_accuracy", "valid_accuracy", "sigma")


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
        columns = ["loss", "accuracy", *["sigma"][: snapshot.sigma > 0]]
        columns += ["rates"] if snapshot.rates else []
        rows = [names for names in ([*snapshot.rasters], [*snapshot.delays], columns) if names]
        inches = fig.get_figheight()
        height = (inches - 0.1) / len(rows)  # of a row

        def axes(names: Iterable[str]) -> dict[str, Axes]:
            names = [*names]
            if not names:
                return {}
            bottom = (len(rows) - 1 - rows.index(names)) * height
            grid = fig.add_gridspec(
                1,
                len(names),
                left=0.07,
                right=0.99,
                wspace=0.4,
                top=(bottom + height - 0.25) / inches,
                bottom=(bottom + 0.5) / inches,
            )
            row = {name: plots.tidy(fig.add_subplot(grid[i])) for i, name in enumerate(names)}
            for ax in row.values():
                FastTicks(ax)
                ax.locator_params(nbins=2)  # numbers are most of what a new background costs
            return row

        dt, unit = snapshot.dt, snapshot.unit
        self._rasters: dict[str, artists.Raster] = {}
        self._histograms: dict[str, artists.DelayHistogram] = {}
        for name, ax in axes(snapshot.rasters).items():
            steps, neurons = snapshot.rasters[name].shape
            self._rasters[name] = artists.Raster(ax, steps=steps, neurons=neurons, dt_ms=dt)
            is_input = name == "input"
            title = f"input: {plot_text(snapshot.sample)}" if is_input else name
            ax.set_title(title, fontsize=9, y=1.0)
            ax.set(xlabel=f"time ({unit})", ylabel="channel" if is_input else "neuron")
        for name, ax in axes(snapshot.delays).items():
            self._histograms[name] = artists.DelayHistogram(
                ax, max_delay=snapshot.max_delay, dt=dt, unit=unit
            )
            ax.set_title(name, fontsize=9, y=1.0)
        self._axes = axes(columns)
        self._lines: dict[str, Line2D] = {}  # by the name in the history
        for name in LABELS.keys() & self._axes.keys():
            self._axes[name].set(xlabel="epoch", ylabel=LABELS[name])
            self._axes[name].locator_params(axis="x", integer=True)
        self._add_lines(STANDARD)
        if n_rates := len(snapshot.rates):
            ax = self._axes["rates"]
            self._bars = ax.bar(range(1, 1 + n_rates), 0.0, color=plots.BLUE, animated=True)
            ylabel = snapshot.rate_unit.replace(" a neuron", "\na neuron")
            ax.set(xlabel="layer", ylabel=ylabel)
            ax.set_xticks(range(1, 1 + n_rates, math.ceil(n_rates / 8)))

    def draw(self, snapshot: MonitorSnapshot, initial: Arrays) -> tuple[str, TableColumns]:
        """Draw a snapshot.

        Args:
            snapshot: the snapshot.
            initial: the delays at the start, as in `MonitorSnapshot.delays`.

        Returns:
            The alt text and the numbers of the curves.
        """
        for name, spikes in snapshot.rasters.items():
            self._rasters[name].set_data(spikes, max(1.0, float(spikes.max())))
        for name, delays in snapshot.delays.items():
            before = _delay_shares(initial[name], snapshot)
            self._histograms[name].set_data(_delay_shares(delays, snapshot), before)
        history = curves(snapshot)
        self._add_lines(history)
        for key, line in self._lines.items():
            values = history.get(key, [])
            scale = 100 if "accuracy" in key else 1
            line.set_data(range(1, 1 + len(values)), [scale * value for value in values])
        tops = {
            "loss": [1.2 * math.log(max(2, snapshot.n_classes))],
            "accuracy": [100.0],
            "sigma": [snapshot.sigma],
        }
        for key, values in history.items():
            if "accuracy" not in key:
                tops[_plot_of(key)] += values
        for name in tops.keys() & self._axes.keys():
            xlim, ylim = (0.5, snapshot.total_epochs + 0.5), (0, _ceiling(tops[name]))
            self._axes[name].set(xlim=xlim, ylim=ylim)
        if snapshot.rates:
            for bar, rate in zip(self._bars, snapshot.rates.values(), strict=True):
                bar.set_height(rate)
            self._axes["rates"].set_ylim(0, _ceiling(snapshot.rates.values()))
        epochs = [*range(1, 1 + len(snapshot.history))]
        return describe(snapshot), {"epoch": epochs, **history}

    def _add_lines(self, keys: Iterable[str]) -> None:
        """Add a line for each key of the history that has none, and renew the legends."""
        changed = set()
        for key in keys:
            name = _plot_of(key)
            if name not in self._axes or key in self._lines:
                continue
            ax = self._axes[name]
            label = key.replace("_", " ").removesuffix(name).strip() or "train"
            mark = MARKS[len(ax.lines) % len(MARKS)]
            (self._lines[key],) = ax.plot([], [], mark, markersize=3, label=label, animated=True)
            changed.add(name)
        for name in changed - {"sigma"}:
            place = "lower right" if name == "accuracy" else "upper right"
            plots.legend(self._axes[name], fontsize=8, loc=place)


def _plot_of(key: str) -> str:
    return next(name for name in LABELS if name in key)


def _delay_shares(delays: NDArray[np.float32], snapshot: MonitorSnapshot) -> Any:
    return delay_shares(delays, snapshot.max_delay, snapshot.dt)


def curves(snapshot: MonitorSnapshot) -> dict[str, list[float]]:
    """Return losses, accuracies and sigma of each epoch; nan where a stage has not measured one."""
    keys = dict.fromkeys(key for line in snapshot.history for key in line)
    return {
        key: [line.get(key, math.nan) for line in snapshot.history]
        for key in keys
        if key == "sigma" or key.endswith(("loss", "accuracy"))
    }


def describe(snapshot: MonitorSnapshot) -> str:
    """Return the alt text: what the picture shows, with its numbers."""
    parts = [f"Training after {len(snapshot.history)} of {snapshot.total_epochs} epochs"]
    for key, values in curves(snapshot).items():
        if key != "sigma" and math.isfinite(values[-1]):
            value = f"{100 * values[-1]:.1f} %" if key.endswith("accuracy") else f"{values[-1]:.3f}"
            parts.append(f"{key.replace('_', ' ')} {value}")
    if snapshot.rasters:
        kind = snapshot.rate_unit.split()[0]
        sums = {name: float(spikes.sum()) for name, spikes in snapshot.rasters.items()}
        parts.append(
            f"{kind} for one sample of validation ({snapshot.sample}): {_listed(sums, '.0f')}"
        )
    for name, delays in snapshot.delays.items():
        shares = 100 * _delay_shares(delays, snapshot)
        end = f"{snapshot.max_delay:g} {snapshot.unit}"
        parts.append(f"delays of {name}: {shares[0]:.1f} % at 0, {shares[-1]:.1f} % at {end}")
    if snapshot.sigma:
        parts.append(f"sigma {snapshot.sigma:.2f} steps")
    if snapshot.rates:
        parts.append(f"{snapshot.rate_unit}: {_listed(snapshot.rates, '.3g')}")
    return "; ".join(parts) + "."


def _listed(numbers: Mapping[str, float], spec: str) -> str:
    return ", ".join(f"{name} {number:{spec}}" for name, number in numbers.items())


def _ceiling(values: Iterable[float]) -> float:
    """Return the next of seven round numbers in a decade; 1 where no value is above 0."""
    top = max((value for value in values if math.isfinite(value) and value > 0), default=1.0)
    power = 10.0 ** math.floor(math.log10(top))
    return next(power * digit for digit in (1, 1.5, 2, 3, 5, 7, 10) if top <= power * digit)
