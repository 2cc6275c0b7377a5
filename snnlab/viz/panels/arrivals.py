"""Panel of why a neuron fires: the spikes of a recording when they arrive, and the membrane.

Of a network that is no `DelayNet` it shows the current that the spikes add up to instead.
"""

import math
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snnlab._utils.escape import plot_text
from snnlab._utils.words import counted
from snnlab.delays import analysis
from snnlab.viz import plots
from snnlab.viz.panels.network_view import RecordingViewer
from snnlab.viz.plots.exploring import SIGNS
from snnlab.viz.plots.style import ABOVE
from snnlab.viz.widgets.fast_axes import FastTicks
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact

N_STRONGEST = 20  # synapses whose spikes are drawn
# Lines below the raster: label, color, line style
LINES = (
    ("membrane", plots.BLACK, "-"),
    ("without delays", plots.GREY, ":"),
    ("threshold", plots.RED, "--"),
)
FIRES: dict[str, Any] = {"color": plots.YELLOW, "linewidth": 4, "alpha": 0.6}


class ArrivalsPlot:
    """The arriving spikes of one neuron above its membrane.

    Args:
        viewer: the network and the recordings.
    """

    def __init__(self, viewer: RecordingViewer) -> None:
        self.viewer = viewer
        self._limits: tuple[int, int] | None = None

    def prepare(self, above: Axes, below: Axes, *, animated: bool = False) -> Self:
        """Make the artists.

        Args:
            above: the axes of the spikes.
            below: the axes of the membrane.
            animated: whether a panel draws the artists over a kept background.

        Returns:
            The plot.
        """
        self.above, self.below = above, below
        moving: dict[str, Any] = {"animated": animated}
        for ax in (above, below):
            FastTicks(plots.tidy(ax))
        self.bars = [ax.plot([], [], zorder=0, **FIRES, **moving)[0] for ax in (above, below)]
        # Few synapses excite: their spikes are drawn last
        self.spikes = [
            above.scatter(
                [], [], marker=marker, color=color, linewidths=0, alpha=0.8, zorder=2.5 + sign / 2,
                **moving,
            )
            for sign, _, color, marker in SIGNS
        ]  # fmt: skip
        self.plain, self.charge = (
            below.plot([], [], line, color=color, linewidth=1.2, drawstyle="steps-mid", **moving)[0]
            for _, color, line in LINES[1::-1]
        )
        (self.threshold,) = below.plot([], [], "--", color=plots.RED, linewidth=1)
        below.set(xlabel="time (ms)", ylabel=self.viewer.network.response)
        below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        above.tick_params(labelbottom=False)
        return self

    def add_legend(self) -> None:
        """Explain markers and lines above the axes."""
        for _, name, color, marker in SIGNS:
            self.above.plot([], [], marker, color=color, markersize=5, label=name)
        response = self.viewer.network.response
        neurons_known = response == LINES[0][0]
        for name, color, line in LINES if neurons_known else LINES[:2]:
            label = response if name == LINES[0][0] else name
            self.below.plot([], [], line, color=color, linewidth=1.2, label=label)
        if neurons_known:
            self.below.plot([], [], label="fires", **FIRES)
        for ax, columns in ((self.above, 2), (self.below, 4)):
            plots.legend(ax, ncols=columns, handletextpad=0.4, **ABOVE)

    def draw(self, *, layer: str, neuron: int, sample: int, share: int) -> DrawResult:
        """Draw a neuron, for `interact`; the arguments are those of `update`."""
        return self.update(sample, self.viewer.network.names.index(layer), neuron, share)

    def update(self, sample: int, layer: int, neuron: int, percent: int) -> DrawResult:
        """Draw what arrives at a neuron.

        Args:
            sample: the number of the recording.
            layer: the number of the layer.
            neuron: the number of the neuron in it.
            percent: what is left of each delay.

        Returns:
            The alt text, and the membrane or current as a table.

        Raises:
            SnnlabError: there is no such recording, layer or neuron.
        """
        network = self.viewer.network
        now, plain = (
            self.viewer.arrivals(sample, layer, neuron, share) for share in (percent / 100, 0.0)
        )
        times = np.arange(now.charge.size) * network.dt_ms
        if self._limits != (sample, layer):
            self._limits = sample, layer
            self._set_limits(sample, layer, times[-1])
        incoming = analysis.incoming(network.net, layer, neuron, network.dt_ms)
        drawn = np.isin(now.source, incoming.strongest(N_STRONGEST).source)
        rows = network.rows(layer)
        for (sign, *_), markers in zip(SIGNS, self.spikes, strict=True):
            same = drawn & (now.push * sign > 0)
            markers.set_offsets(np.stack([now.arrived_ms[same], rows[now.source[same]]], 1))
            markers.set_sizes(np.clip(60 * np.abs(now.push[same]), 4, 90))
        self.charge.set_data(times, now.charge)
        self.plain.set_data(times, plain.charge)
        for bars, ax in zip(self.bars, (self.above, self.below), strict=True):
            heights = np.tile([*ax.get_ylim(), np.nan], now.fired_ms.size)
            bars.set_data(np.repeat(now.fired_ms, 3), heights)

        recording, word = self.viewer.sample(sample)
        arrived = now.source.size
        alt = (
            f'"{word}" at neuron {neuron} of {network.names[layer]} with {percent} % of each '
            f"delay: {counted(arrived, 'spike')} arrive{'s' * (arrived == 1)}, "
        )
        if network.response == "current":
            at, most = times[now.charge.argmax()], now.charge.max()
            alt += (
                f"the current is largest at {at:.0f} ms, {most:.2f}; without delays "
                f"{plain.charge.max():.2f}."
            )
        elif layer == len(recording.fired):
            alt += f"the membrane ends at {now.charge[-1]:z.1f}; a readout never fires."
        else:
            n_fired, n_plain = now.fired_ms.size, plain.fired_ms.size
            first = f", first at {now.fired_ms[0]:.0f} ms" if n_fired else ""
            alt += (
                f"it fires {counted(n_fired, 'time')}{first}; "
                f"without delays it would fire {counted(n_plain, 'time')}."
            )
        columns = {
            "time (ms)": times,
            network.response: now.charge,
            "without delays": plain.charge,
        }
        return alt, columns

    def _set_limits(self, sample: int, layer: int, end_ms: float) -> None:
        """Set what all neurons of a layer share."""
        network = self.viewer.network
        network.label_rows(self.above, layer)
        recording, word = self.viewer.sample(sample)
        fires = layer < len(recording.fired)
        if legend := self.below.get_legend():
            for entry in (*legend.get_lines()[2:], *legend.get_texts()[2:]):
                entry.set_visible(fires)  # threshold and "fires"
        if fires:
            self.below.set_ylim(-3, 4)
            self.threshold.set_data([0, end_ms], [1, 1])
        else:
            charge = recording.charge[layer]
            self.below.set_ylim(math.floor(charge.min()) - 0.5, math.ceil(charge.max()) + 0.5)
            self.threshold.set_data([], [])
        for ax in (self.above, self.below):
            ax.set_xlim(-network.dt_ms, end_ms + network.dt_ms)
        title = f'"{plot_text(word)}" at {network.names[layer]}'
        self.above.set_title(title, fontsize=9, loc="left")


def arrivals_panel(
    viewer: RecordingViewer, *, neuron: int = 0, sample: int = 0, live: bool = True
) -> Panel:
    """Show why a neuron fires, with controls for the neuron, the recording and its delays.

    Args:
        viewer: the network and the recordings.
        neuron: the first neuron, of the first layer.
        sample: the first recording.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    last = len(viewer.recordings) - 1
    tooltip = "how much of each of this neuron's delays is left; 0 for none at all"

    def prepare(fig: Figure) -> DrawFunction:
        plot = ArrivalsPlot(viewer).prepare(
            *fig.subplots(2, 1, height_ratios=[1.5, 1]), animated=True
        )
        plot.add_legend()
        return plot.draw

    panel = interact(
        prepare,
        live=live,
        figsize=(8.4, 4.4),
        **viewer.network.controls(0, neuron),
        sample=Slider(sample, 0, last, 1, "recording", "which recording of the set is heard"),
        share=Slider(100, 0, 100, 10, "delays (%)", tooltip),
    )
    return viewer.network.limit_neuron(panel)
