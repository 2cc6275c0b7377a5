"""What the monitor shows: `look_at` makes arrays of a progress of a training, `MonitorView` a picture and words of arrays."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.escape import plot_text
from snnlab.delays.statistics import active_delays
from snnlab.nn.activations import SPIKING, activations
from snnlab.nn.delay_linear import delay_layers, own_copy
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import TrainingProgress
from snnlab.transfer.similarity import layer_outputs
from snnlab.viz import plots
from snnlab.viz.figure_export import TableColumns
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.fast_axes import FastTicks

SAMPLES = 16  # of the validation set, for the rates; the first of them is the one in the rasters
MARKS = ("o-", "s--", "^:", "D-.")
# What every `fit` has, and sigma
STANDARD = ("loss", "valid_loss", "train_accuracy", "valid_accuracy", "sigma")


@dataclass(frozen=True)
class MonitorSnapshot:
    """What was snapshot of a network, as it will be used, on the first samples of the validation set.

    Attributes:
        history: a line for each finished epoch, those of earlier stages first.
        total: epochs, with those of this stage that are to come.
        dt: length of a time step, in `unit`.
        unit: "ms", or "steps" where the data have no length of a step.
        classes: how many there are.
        sample: the class of the sample in the rasters.
        rasters: its spikes `(T, N)`, of the input and of each layer by name; empty but for a
            `DelayNet`.
        rates: what the neurons of each layer give out on average, in `rate_unit`, by name.
        delays: of each layer's synapses, in `unit`, by name; empty where there are none.
        longest: the largest delay, in `unit`.
        sigma: how wide the kernels are now, in steps.
    """

    history: list[dict[str, float]]
    total: int
    dt: float
    unit: str
    classes: int
    sample: str
    rasters: dict[str, NDArray[np.float32]]
    rates: dict[str, float]
    rate_unit: str
    delays: dict[str, NDArray[np.float32]]
    longest: float
    sigma: float

    @property
    def kind(self) -> tuple[Any, ...]:
        """What a picture of it consists of."""
        shapes = tuple((name, spikes.shape) for name, spikes in self.rasters.items())
        return shapes, *self.rates, self.rate_unit, *self.delays, self.sigma > 0


@torch.no_grad()
def look_at(progress: TrainingProgress, before: Sequence[dict[str, float]] = ()) -> MonitorSnapshot:
    """Look at a copy of the network: nothing of the training changes. `before` are the epochs of earlier stages."""
    model, recipe, valid = progress.model, progress.recipe, progress.valid
    device, (dt, unit) = next(model.parameters()).device, step_of(valid)
    rate_unit = "second" if unit == "ms" else "step"
    x, labels = valid.batch(torch.arange(min(SAMPLES, len(valid)), device=valid.labels.device))
    label = int(labels[0])
    rasters: dict[str, NDArray[np.float32]] = {}
    with recipe.autocast(device):
        net = recipe.as_used(own_copy(model)).eval()
        if isinstance(net, DelayNet):
            rasters, rates = _spikes(
                net, x.to(device), getattr(valid, "rising", lambda channels: channels)
            )
            rates = {
                name: rate * (1000 / dt if unit == "ms" else 1) for name, rate in rates.items()
            }
        else:
            rates = {
                name: float(out.float().mean())
                for name, out in layer_outputs(net, [x.to(device)]).items()
            }
            rate_unit = "step"
    spiking = (
        model.neuron == "lif"
        if isinstance(model, DelayNet)
        else all(a.mode in SPIKING for _, a in activations(net))
    )
    delays, longest = delays_of(model, dt)
    return MonitorSnapshot(
        history=[*before, *progress.history],
        total=len(before) + recipe.epochs,
        dt=dt,
        unit=unit,
        classes=int(valid.labels.max()) + 1,
        sample=names[label] if (names := getattr(valid, "classes", ())) else f"class {label}",
        rasters=rasters,
        rates=rates,
        rate_unit=f"{'spikes' if spiking else 'output'} a neuron and {rate_unit}",
        delays=delays,
        longest=longest,
        sigma=max((layer.sigma for layer in delay_layers(model) if layer.max_delay), default=0.0),
    )


def delays_of(model: nn.Module, dt: float) -> tuple[dict[str, NDArray[np.float32]], float]:
    """The delays of each layer's synapses by name, and the largest that there may be, where a step lasts `dt`."""
    layers = [layer for layer in delay_layers(model) if layer.max_delay]
    names = [*(f"layer {number}" for number in range(1, len(layers))), "readout"]
    steps = {name: active_delays(layer) for name, layer in zip(names, layers, strict=False)}
    # Others cannot be drawn
    delays = {name: each[np.isfinite(each)] * np.float32(dt) for name, each in steps.items()}
    return delays, max((layer.max_delay for layer in layers), default=0) * dt


def step_of(valid: Any) -> tuple[float, str]:
    """How long a time step of a set lasts, and in which unit: "ms", or "steps" where it does not say."""
    dt_ms = getattr(valid, "dt_ms", None)
    return (1.0, "steps") if dt_ms is None else (float(dt_ms), "ms")


def _spikes(
    net: DelayNet, x: Tensor, rising: Any
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """Of the first sample, the spikes of input and layers until its tail ends; of all, the spikes a neuron and step."""
    activity = net.activity(x)
    steps = int(activity.valid[:, 0].sum())
    heard = torch.zeros(max(steps, len(x)), x.shape[2])
    heard[: len(x)] = rising(x[:, 0]).float().cpu()
    rasters, rates = {"input": heard[:steps].numpy()}, {}
    for number, spikes in enumerate(activity.spikes, 1):
        rasters[f"layer {number}"] = spikes[:steps, 0].float().cpu().numpy()
        # A layer of padding="reference" ends before the next one
        valid = activity.valid[: len(spikes)]
        rates[f"layer {number}"] = float(spikes[valid].mean())
    return rasters, rates


class MonitorView:
    """A picture of what was snapshot: its artists are made once, and later only get other data.

    It depends on what it is given last, and on nothing before: a training that was watched leaves
    the picture that one leaves which was not. Limits of axes go in large steps, as a new one costs
    more than a picture.

    Args:
        fig: without axes as yet.
        snapshot: says what there will be to show.
    """

    def __init__(self, fig: Figure, snapshot: MonitorSnapshot) -> None:
        columns = [
            "loss",
            "accuracy",
            *(["sigma"] if snapshot.sigma else []),
            *(["rates"] if snapshot.rates else []),
        ]
        rows = [names for names in ([*snapshot.rasters], [*snapshot.delays], columns) if names]
        fig.set_layout_engine("none")  # solving a layout takes longer than drawing all the rest
        inches = fig.get_figheight()

        def axes(names: list[str]) -> dict[str, Axes]:
            below = len(rows) - 1 - rows.index(names)
            height = (inches - 0.1) / len(rows)  # of a row
            top, bottom = (below + 1) * height - 0.25, below * height + 0.5
            room = dict(left=0.07, right=0.99, wspace=0.4, top=top / inches, bottom=bottom / inches)
            grid = fig.add_gridspec(1, len(names), **room)
            made = {name: plots.tidy(fig.add_subplot(grid[i])) for i, name in enumerate(names)}
            for ax in made.values():
                FastTicks(ax)
                ax.locator_params(nbins=2)  # numbers are most of what a new background costs
            return made

        self._rasters: dict[str, artists.Raster] = {}
        self._histograms: dict[str, artists.DelayHistogram] = {}
        for name, ax in axes([*snapshot.rasters]).items() if snapshot.rasters else ():
            steps, neurons = snapshot.rasters[name].shape
            self._rasters[name] = artists.Raster(
                ax, steps=steps, neurons=neurons, dt_ms=snapshot.dt
            )
            ax.set_title(
                f"{name}: {plot_text(snapshot.sample)}" if name == "input" else name,
                fontsize=9,
                y=1.0,
            )
            ax.set(
                xlabel=f"time ({snapshot.unit})", ylabel="channel" if name == "input" else "neuron"
            )
        for name, ax in axes([*snapshot.delays]).items() if snapshot.delays else ():
            self._histograms[name] = artists.DelayHistogram(
                ax, max_delay=snapshot.longest, dt=snapshot.dt, unit=snapshot.unit
            )
            ax.set_title(name, fontsize=9, y=1.0)
        self._axes = axes(columns)
        self._lines: dict[str, Line2D] = {}  # by the name in the history
        for name, label in (
            ("loss", "loss"),
            ("accuracy", "accuracy (%)"),
            ("sigma", "sigma (steps)"),
        ):
            if name in self._axes:
                self._axes[name].set(xlabel="epoch", ylabel=label)
                self._axes[name].locator_params(axis="x", integer=True)
        self._follow(STANDARD)
        if snapshot.rates:
            ax = self._axes["rates"]
            self._bars = ax.bar(
                range(1, 1 + len(snapshot.rates)), 0.0, color=plots.BLUE, animated=True
            )
            ax.set(xlabel="layer", ylabel=snapshot.rate_unit.replace(" a neuron", "\na neuron"))
            # At most eight of them
            ax.set_xticks(range(1, 1 + len(snapshot.rates), -(-len(snapshot.rates) // 8)))

    def draw(
        self, snapshot: MonitorSnapshot, initial: Mapping[str, NDArray[np.float32]]
    ) -> tuple[str, TableColumns]:
        """Show what was snapshot, and the delays at the start, as `Seen.delays` has them.

        Returns:
            The alt text and the numbers of the curves.
        """
        for name, spikes in snapshot.rasters.items():
            self._rasters[name].set_data(spikes, max(1.0, float(spikes.max())))
        for name in snapshot.delays:
            now, first = (
                plots.delay_shares(delays[name], snapshot.longest, snapshot.dt)
                for delays in (snapshot.delays, initial)
            )
            self._histograms[name].set_data(now, first)
        followed = curves(snapshot)
        self._follow(followed)
        for key, line in self._lines.items():
            values = followed.get(key, [])
            scale = 100 if "accuracy" in key else 1
            line.set_data(range(1, 1 + len(values)), [scale * value for value in values])
        known = {
            "loss": [1.2 * math.log(max(2, snapshot.classes))],
            "accuracy": [100.0],
            "sigma": [snapshot.sigma],
        }
        for name in known.keys() & self._axes.keys():
            reached = [
                value
                for key in followed
                if name in key and name != "accuracy"
                for value in followed[key]
            ]
            self._axes[name].set(
                xlim=(0.5, snapshot.total + 0.5), ylim=(0, _ceiling(known[name] + reached))
            )
        if snapshot.rates:
            for bar, rate in zip(self._bars, snapshot.rates.values(), strict=True):
                bar.set_height(rate)
            self._axes["rates"].set_ylim(0, _ceiling(snapshot.rates.values()))
        return in_words(snapshot), {"epoch": [*range(1, 1 + len(snapshot.history))], **followed}

    def _follow(self, keys: Iterable[str]) -> None:
        """A line for each of these that has none, and a legend where that is another one then."""
        changed = set()
        for key in keys:
            what = next(what for what in ("loss", "accuracy", "sigma") if what in key)
            if what not in self._axes or key in self._lines:
                continue
            ax = self._axes[what]
            label = (
                key.replace("_", " ").removesuffix("loss").removesuffix("accuracy").strip()
                or "train"
            )
            mark = MARKS[len(ax.lines) % len(MARKS)]
            (self._lines[key],) = ax.plot([], [], mark, markersize=3, label=label, animated=True)
            changed.add(what)
        for what in changed - {"sigma"}:
            plots.legend(
                self._axes[what],
                fontsize=8,
                loc="lower right" if what == "accuracy" else "upper right",
            )


def curves(snapshot: MonitorSnapshot) -> dict[str, list[float]]:
    """What is followed over the epochs, by its name in the history; nan where a stage has not measured it."""
    keys = dict.fromkeys(key for line in snapshot.history for key in line)
    followed = (key for key in keys if key == "sigma" or key.endswith(("loss", "accuracy")))
    return {key: [line.get(key, math.nan) for line in snapshot.history] for key in followed}


def in_words(snapshot: MonitorSnapshot) -> str:
    """The alt text: what the picture shows, with its numbers."""
    parts = [f"Training after {len(snapshot.history)} of {snapshot.total} epochs"]
    for key, values in curves(snapshot).items():
        if key != "sigma" and math.isfinite(values[-1]):
            value = f"{100 * values[-1]:.1f} %" if key.endswith("accuracy") else f"{values[-1]:.3f}"
            parts.append(f"{key.replace('_', ' ')} {value}")
    if snapshot.rasters:
        counts = ", ".join(
            f"{name} {spikes.sum():.0f}" for name, spikes in snapshot.rasters.items()
        )
        parts.append(
            f"{snapshot.rate_unit.split()[0]} for one sample of validation ({snapshot.sample}): {counts}"
        )
    parts += [
        f"delays of {name}: {_ends(delays, snapshot)}" for name, delays in snapshot.delays.items()
    ]
    if snapshot.sigma:
        parts.append(f"sigma {snapshot.sigma:.2f} steps")
    if snapshot.rates:
        rates = ", ".join(f"{name} {rate:.3g}" for name, rate in snapshot.rates.items())
        parts.append(f"{snapshot.rate_unit}: {rates}")
    return "; ".join(parts) + "."


def _ends(delays: NDArray[np.float32], snapshot: MonitorSnapshot) -> str:
    """The mass at both ends."""
    shares = 100 * plots.delay_shares(delays, snapshot.longest, snapshot.dt)
    return f"{shares[0]:.1f} % at 0, {shares[-1]:.1f} % at {snapshot.longest:g} {snapshot.unit}"


def _ceiling(values: Iterable[float]) -> float:
    """A round number that none of them exceeds, of seven in a decade; 1 where none is above 0."""
    top = max((value for value in values if math.isfinite(value) and value > 0), default=1.0)
    power = 10.0 ** math.floor(math.log10(top))
    return next(power * digit for digit in (1, 1.5, 2, 3, 5, 7, 10) if top <= power * digit)
