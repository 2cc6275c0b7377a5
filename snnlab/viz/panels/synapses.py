"""Whom a neuron listens to: its synapses, its kernel, its strongest inputs, and the way of its delays, as a panel.

What excites is red and round, what inhibits blue and square.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from snnlab.delays import analysis
from snnlab.delays.snapshots import DelayTrajectory
from snnlab.nn.delay_linear import DelayLinear, delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.viz import plots
from snnlab.viz.widgets.fast_axes import FastTicks
from snnlab.viz.widgets.panel import DrawResult, Dropdown, Panel, Slider, interact

SIGNS = (("excites", plots.RED, "o"), ("inhibits", plots.BLUE, "s"))
STRONGEST = 20  # synapses in the picture over frequency
PATHS = 12  # synapses whose way through the training is drawn
TICKS_KHZ = (0.2, 0.5, 1, 2, 5, 10, 20)


class NetworkView:
    """A network, how long its steps are, and the frequency of each of its inputs, (n_in,) Hz, or None."""

    def __init__(
        self, net: DelayNet, dt_ms: float, hertz: NDArray[np.float64] | None = None
    ) -> None:
        self.net, self.dt_ms, self.hertz = net, dt_ms, hertz
        self.names = analysis.layer_names(net)
        self.longest_ms = net.config.max_delay * dt_ms

    def synapses(self, layer: int) -> DelayLinear:
        """The synapses of a layer."""
        return analysis.picked(self.net, layer, 0)

    def controls(self, layer: int, neuron: int) -> dict[str, Slider | Dropdown]:
        """What chooses a neuron."""
        most = max(synapses.out_features for synapses in delay_layers(self.net)) - 1
        tip = "which layer's neuron; the readout has one for each class"
        return {
            "layer": Dropdown(self.names[layer], tuple(self.names), "layer", tip),
            "neuron": Slider(neuron, 0, most, 1, "neuron", "which neuron of the layer"),
        }

    def rows(self, layer: int) -> NDArray[np.int64]:
        """Where each input of a layer stands in a picture, (N_in,): sorted by frequency where there is one."""
        if layer == 0 and self.hertz is not None:
            return np.argsort(np.argsort(self.hertz))
        return np.arange(self.synapses(layer).in_features)

    def label_rows(self, ax: Axes, layer: int) -> None:
        """The vertical axis of `rows`: frequency of the recording's inputs, or number of the layer before."""
        n_in = self.synapses(layer).in_features
        ax.set_ylim(-0.5, n_in - 0.5)
        if layer == 0 and self.hertz is not None:
            rising = np.sort(self.hertz) / 1000
            shown = np.array([tick for tick in TICKS_KHZ if rising[0] <= tick <= rising[-1]])
            places = np.interp(np.log(shown), np.log(rising), np.arange(n_in))
            ax.set_ylabel("input (kHz)")
        else:
            places = shown = np.unique(np.linspace(0, n_in - 1, 5).astype(int))
            ax.set_ylabel("input" if layer == 0 else f"neuron of {self.names[layer - 1]}")
        # `set_yticks` makes artists of them
        ax.yaxis.set_major_locator(FixedLocator(places.tolist()))
        ax.yaxis.set_major_formatter(FixedFormatter([f"{number:g}" for number in shown]))

    def called(self, layer: int, source: int) -> str:
        """An input in words."""
        if layer == 0 and self.hertz is not None:
            return f"the input at {self.hertz[source] / 1000:.2g} kHz"
        return f"input {source}" if layer == 0 else f"neuron {source} of {self.names[layer - 1]}"


class Synapses:
    """Weight over delay, the kernel, the strongest inputs, and where the delays came from, of one neuron."""

    def __init__(self, of: NetworkView, movements: Sequence[DelayTrajectory] = ()) -> None:
        self.of, self.movements = of, movements
        self.limits: dict[int, float] = {}
        self.layer = -1

    def draw(self, fig: Figure, *, layer: str, neuron: int) -> DrawResult:
        """Draw for `snnlab.viz.widgets.panel.interact`; returns the alt text, and the strongest synapses as a table.

        Raises:
            SnnlabError: the layer has no such neuron.
        """
        number = self.of.names.index(layer)
        heard = analysis.incoming(self.of.net, number, neuron, self.of.dt_ms)
        if not fig.axes:
            self._prepare(fig)
        if number != self.layer:
            self._frame(number)
        rows, best = self.of.rows(number), heard.strongest(STRONGEST)
        for sign, points, strong in zip((1, -1), self.points, self.strong, strict=True):
            kind = heard.weight * sign > 0
            points.set_data(heard.delay_ms[kind], heard.weight[kind])
            kind = best.weight * sign > 0
            strong.set_offsets(np.stack([best.delay_ms[kind], rows[best.source[kind]]], 1))
            strong.set_sizes(15 + 90 * np.abs(best.weight[kind]) / self.limits[number])
        taps = analysis.neuron_kernel(self.of.net, number, neuron)
        self.image.set_data(taps[np.argsort(rows)])
        told = self._paths(number, neuron)
        numbers = {
            "strongest": [self.of.called(number, int(source)) for source in best.source],
            "weight": best.weight.astype(float).round(3).tolist(),
            "delay (ms)": best.delay_ms.astype(float).round(1).tolist(),
        }
        return self._alt(layer, neuron, number, heard) + told, numbers

    def _alt(self, layer: str, neuron: int, number: int, heard: analysis.Incoming) -> str:
        excite = int((heard.weight > 0).sum())
        first = [
            f"{self.of.called(number, int(source))} ({'+' if weight > 0 else '-'}{abs(weight):.2f} after {delay:.0f} ms)"
            for source, delay, weight in zip(*vars(heard.strongest(3)).values(), strict=True)
        ]
        return (
            f"Neuron {neuron} of {layer}: {excite} synapses excite, {heard.weight.size - excite} inhibit; delays from "
            f"{heard.delay_ms.min():.0f} to {heard.delay_ms.max():.0f} ms, {heard.delay_ms.mean():.0f} ms on average. "
            f"Strongest: {', '.join(first)}."
        )

    def _paths(self, number: int, neuron: int) -> str:
        if not self.movements:
            return ""
        moved = self.movements[number]
        kept = np.flatnonzero(moved.neurons == neuron)
        weight = (
            self.of.synapses(number)
            .weight.detach()[neuron]
            .sum(-1)
            .cpu()
            .numpy()[moved.inputs[kept]]
        )
        best = np.argsort(-np.abs(weight), kind="stable")[:PATHS]
        for line in self.paths[len(best) :]:
            line.set_data([], [])
        for line, place in zip(self.paths, best, strict=False):
            line.set_data(moved.epochs, moved.delay_ms[:, kept[place]])
            line.set(
                color=SIGNS[int(weight[place] < 0)][1], linestyle="-" if weight[place] > 0 else "--"
            )
        if not kept.size:
            return " Of its delays none was kept during training."
        by = np.abs(moved.delay_ms[-1, kept] - moved.delay_ms[0, kept]).mean()
        return f" Its delays moved by {by:.0f} ms on average while it was trained."

    def _prepare(self, fig: Figure) -> None:
        """Artists that stay."""
        places: list[Any] = (
            [["weights", "strongest"], ["kernel", "paths"]]
            if self.movements
            else [["weights", "strongest", "kernel"]]
        )
        axes = {name: plots.tidy(ax) for name, ax in fig.subplot_mosaic(places).items()}
        for ax in axes.values():
            FastTicks(ax)
        self.axes = axes
        end = self.of.longest_ms
        self.points, self.strong = [], []
        for name, colour, marker in SIGNS:
            look: dict[str, Any] = {"color": colour, "animated": True, "alpha": 0.8}
            self.points += axes["weights"].plot([], [], marker, markersize=4, label=name, **look)
            self.strong.append(
                axes["strongest"].scatter([], [], marker=marker, linewidths=0, **look)
            )
        axes["weights"].axhline(0, color=plots.GREY, linewidth=0.8)
        plots.legend(
            axes["weights"], loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handletextpad=0.2,
            handles=[axes["weights"].plot([], [], marker, color=colour, label=name)[0] for name, colour, marker in SIGNS],
        )  # fmt: skip
        axes["weights"].set(ylabel="weight")
        self.image = plots.kernels(
            axes["kernel"], np.zeros((2, self.of.net.config.max_delay + 1)), self.of.dt_ms
        )
        self.image.set(animated=True, interpolation="nearest")
        for name in ("weights", "strongest", "kernel"):
            axes[name].set(xlabel="delay (ms)", xlim=(-0.04 * end, 1.04 * end))
            # Each label costs a millisecond of a new background
            axes[name].xaxis.set_major_locator(MaxNLocator(4))
        axes["weights"].yaxis.set_major_locator(MaxNLocator(4))
        axes["kernel"].set_xlim(-0.5 * self.of.dt_ms, end + 0.5 * self.of.dt_ms)
        if self.movements:
            self.paths = [
                axes["paths"].plot([], [], linewidth=1.2, alpha=0.8, animated=True)[0]
                for _ in range(PATHS)
            ]
            last = max(1, int(self.movements[0].epochs[-1]))
            axes["paths"].set(
                xlabel="epoch", ylabel="delay (ms)", xlim=(0, last), ylim=(-0.04 * end, 1.04 * end)
            )
            for axis in (axes["paths"].xaxis, axes["paths"].yaxis):
                axis.set_major_locator(MaxNLocator(4, integer=True))

    def _frame(self, number: int) -> None:
        """What is the same for all neurons of a layer, so that choosing another one leaves the background as it is."""
        self.layer = number
        synapses = self.of.synapses(number)
        if number not in self.limits:
            self.limits[number] = float(synapses.weight.detach().abs().max()) or 1.0
        limit = self.limits[number]
        self.axes["weights"].set_ylim(-1.08 * limit, 1.08 * limit)
        self.image.set_clim(-0.7 * limit, 0.7 * limit)  # no tap of a Gaussian holds all of a weight
        bottom, top = self.image.get_extent()[:2]
        self.image.set_extent((bottom, top, -0.5, synapses.in_features - 0.5))
        for name in ("strongest", "kernel"):
            self.of.label_rows(self.axes[name], number)
        # titles tell the kept background of a panel from another layer's of the same size
        self.axes["strongest"].set_title(f"{self.of.names[number]}: strongest synapses", fontsize=9)
        self.axes["kernel"].set_title("kernel", fontsize=9)
        if self.movements:
            self.axes["paths"].set_title("training", fontsize=9)


def synapses_panel(
    of: NetworkView,
    movements: Sequence[DelayTrajectory] = (),
    *,
    layer: int = 0,
    neuron: int = 0,
    live: bool = True,
) -> Panel:
    """Whom a neuron listens to: choose a layer and a neuron.

    Args:
        of: the network.
        movements: how its delays moved, from `snapshots.movement`; with none of them that picture
            is left out.
        layer, neuron: which one is shown first.
        live: False leaves only the picture.
    """
    size = (8.6, 5.4) if movements else (9.6, 2.9)
    return interact(
        Synapses(of, movements).draw, live=live, figsize=size, **of.controls(layer, neuron)
    )
