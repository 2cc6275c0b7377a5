"""Panel of one neuron's synapses: weights, kernel, strongest inputs, and delays during training.

Excitatory synapses are green circles, inhibitory ones pink squares.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snnlab._utils.words import counted
from snnlab.delays import analysis
from snnlab.delays.snapshots import DelayTrajectory
from snnlab.viz import plots
from snnlab.viz.figure_export import TableColumns
from snnlab.viz.panels.network_view import NetworkView
from snnlab.viz.plots.exploring import SIGNS
from snnlab.viz.widgets.fast_axes import FastTicks
from snnlab.viz.widgets.panel import DrawResult, Panel, interact

N_STRONGEST = 20  # synapses over frequency
N_PATHS = 12  # synapses over the epochs


class SynapsesPlot:
    """Weight over delay, kernel, strongest inputs and trained delays of one neuron.

    Args:
        fig: a figure without axes.
        network: the network.
        trajectories: how the delays of each layer moved; empty leaves these axes out.
    """

    def __init__(
        self, fig: Figure, network: NetworkView, trajectories: Sequence[DelayTrajectory] = ()
    ) -> None:
        self.network, self.trajectories = network, trajectories
        self.layer = -1
        grid: list[Any] = [["weights", "strongest", "kernel"]]
        if trajectories:
            grid = [["weights", "strongest"], ["kernel", "paths"]]
        self.axes = axes = fig.subplot_mosaic(grid)
        end, dt_ms = network.max_delay_ms, network.dt_ms
        limits = (-0.04 * end, 1.04 * end)
        for ax in axes.values():
            FastTicks(plots.tidy(ax))
            # Each tick label costs a millisecond of a new background
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.set(xlabel="delay (ms)", xlim=limits)
        weights = axes["weights"]
        self.points, self.strongest, handles = [], [], []
        for _, name, color, marker in SIGNS:
            style: dict[str, Any] = {"color": color, "animated": True, "alpha": 0.8}
            self.points += weights.plot([], [], marker, markersize=4, label=name, **style)
            circles = axes["strongest"].scatter([], [], marker=marker, linewidths=0, **style)
            self.strongest.append(circles)
            handles += weights.plot([], [], marker, color=color, label=name)
        weights.axhline(0, color=plots.GREY, linewidth=0.8)
        plots.legend(
            weights, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0,
            handletextpad=0.2, handles=handles,
        )  # fmt: skip
        weights.set_ylabel("weight")
        weights.yaxis.set_major_locator(MaxNLocator(4))
        n_taps = network.max_delay + 1
        self.kernel = plots.kernels(axes["kernel"], np.zeros((2, n_taps)), dt_ms)
        self.kernel.set(animated=True, interpolation="nearest")
        axes["kernel"].set_xlim(-0.5 * dt_ms, end + 0.5 * dt_ms)
        if trajectories:
            paths = axes["paths"]
            lines = [paths.plot([], [], linewidth=1.2, alpha=0.8) for _ in range(N_PATHS)]
            self.paths = [line for (line,) in lines]
            for line in self.paths:
                line.set_animated(True)
            last = max(1, int(trajectories[0].epochs[-1]))
            paths.set(xlabel="epoch", ylabel="delay (ms)", xlim=(0, last), ylim=limits)
            for axis in (paths.xaxis, paths.yaxis):
                axis.set_major_locator(MaxNLocator(4, integer=True))

    def draw(self, *, layer: str, neuron: int) -> DrawResult:
        """Draw a neuron.

        Returns:
            The alt text, and the strongest synapses as a table.

        Raises:
            SnnlabError: the layer has no such neuron.
        """
        network, number = self.network, self.network.names.index(layer)
        incoming = analysis.incoming(network.net, number, neuron, network.dt_ms)
        if number != self.layer:
            self._set_layer(number)
        rows, strongest = network.rows(number), incoming.strongest(N_STRONGEST)
        for (sign, *_), points, circles in zip(SIGNS, self.points, self.strongest, strict=True):
            same = incoming.weight * sign > 0
            points.set_data(incoming.delay_ms[same], incoming.weight[same])
            same = strongest.weight * sign > 0
            offsets = np.stack([strongest.delay_ms[same], rows[strongest.source[same]]], 1)
            circles.set_offsets(offsets)
            circles.set_sizes(15 + 90 * np.abs(strongest.weight[same]) / self.largest_weight)
        taps = analysis.neuron_kernel(network.net, number, neuron)
        missing = self.network.max_delay + 1 - taps.shape[1]  # another layer has longer delays
        self.kernel.set_data(np.pad(taps, ((0, 0), (0, missing)))[np.argsort(rows)])
        names = [network.input_name(number, int(source)) for source in strongest.source]
        excite = int((incoming.weight > 0).sum())
        inhibit = incoming.weight.size - excite
        first = [
            f"{name} ({weight:+.2f} after {delay:.0f} ms)"
            for name, weight, delay in zip(
                names[:3], strongest.weight, strongest.delay_ms, strict=False
            )
        ]
        delays = incoming.delay_ms
        alt = f"Neuron {neuron} of {layer}: all its synapses were pruned."
        if delays.size:
            alt = (
                f"Neuron {neuron} of {layer}: {counted(excite, 'synapse')} "
                f"excite{'s' * (excite == 1)}, {inhibit} inhibit{'s' * (inhibit == 1)}; delays "
                f"from {delays.min():.0f} to {delays.max():.0f} ms, {delays.mean():.0f} ms on "
                f"average. Strongest: {', '.join(first)}."
            )
        if self.trajectories:
            alt += self._draw_paths(number, neuron)
        columns: TableColumns = {
            "strongest": names,
            "weight": strongest.weight,
            "delay (ms)": strongest.delay_ms,
        }
        return alt, columns

    def _draw_paths(self, layer: int, neuron: int) -> str:
        """Draw how delays moved during training; return a sentence for the alt text."""
        trajectory = self.trajectories[layer]
        weights = self.network.synapses(layer).existing_weight_of(neuron).sum(-1).cpu().numpy()
        weights = weights[trajectory.inputs]
        sampled = np.flatnonzero((trajectory.neurons == neuron) & (weights != 0))
        delays, weights = trajectory.delay_ms[:, sampled], weights[sampled]
        order = np.argsort(-np.abs(weights), kind="stable")[:N_PATHS]
        for number, line in enumerate(self.paths):
            if number >= len(order):
                line.set_data([], [])
                continue
            index = order[number]
            line.set_data(trajectory.epochs, delays[:, index])
            excites = weights[index] > 0
            _, _, color, _ = SIGNS[int(weights[index] < 0)]
            line.set(color=color, linestyle="-" if excites else "--")
        if not sampled.size:
            return " Of its delays none was kept during training."
        distance = np.abs(delays[-1] - delays[0]).mean()
        return f" Its delays moved by {distance:.0f} ms on average while it was trained."

    def _set_layer(self, layer: int) -> None:
        """Set what all neurons of a layer share, so that they share a background, too."""
        self.layer, synapses = layer, self.network.synapses(layer)
        limit = self.largest_weight = float(synapses.existing_weight.detach().abs().max()) or 1.0
        self.axes["weights"].set_ylim(-1.08 * limit, 1.08 * limit)
        # A few weights are much larger than all others, which would be pale beside them
        darkest = 1.5 * float(synapses.existing_weight.detach().abs().mean()) or 1.0
        self.kernel.set_clim(-darkest, darkest)
        left, right = self.kernel.get_extent()[:2]
        self.kernel.set_extent((left, right, -0.5, synapses.in_features - 0.5))
        for name in ("strongest", "kernel"):
            self.network.label_rows(self.axes[name], layer)
        # The title distinguishes the backgrounds of two layers of the same size
        titles = {
            "strongest": f"{self.network.names[layer]}: strongest synapses",
            "kernel": f"kernel (darkest: {darkest:.2g} or more)",
            "paths": "training",
        }
        for name in titles.keys() & self.axes.keys():
            self.axes[name].set_title(titles[name], fontsize=9)


def synapses_panel(
    network: NetworkView,
    trajectories: Sequence[DelayTrajectory] = (),
    *,
    layer: int = 0,
    neuron: int = 0,
    live: bool = True,
) -> Panel:
    """Show the synapses of one neuron, with controls for layer and neuron.

    Args:
        network: the network.
        trajectories: how its delays moved, from `delay_trajectory`; empty leaves these axes out.
        layer: the first layer.
        neuron: the first neuron.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    panel = interact(
        lambda fig: SynapsesPlot(fig, network, trajectories).draw,
        live=live,
        figsize=(8.6, 5.4) if trajectories else (9.6, 2.9),
        **network.controls(layer, neuron),
    )
    return network.limit_neuron(panel)
