"""Why a neuron fires: the spikes of one recording, shifted by its delays, and its membrane below, as a panel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text
from snnlab.data.protocols import Batches
from snnlab.delays import analysis
from snnlab.delays.arrivals import Arrivals, SimulatedRecording, arrivals, simulate
from snnlab.viz import plots
from snnlab.viz.panels.synapses import SIGNS, NetworkView
from snnlab.viz.widgets.fast_axes import FastTicks
from snnlab.viz.widgets.panel import DrawResult, Panel, Slider, interact

INPUTS = 20  # synapses whose spikes are shown


class RecordingViewer:
    """The recordings of a set in a network, one at a time.

    Args:
        of: the network.
        recordings: what there is to hear.
        words: the names of the classes.

    Raises:
        SnnlabError: the network has another number of classes.
    """

    def __init__(self, of: NetworkView, recordings: Batches, words: Sequence[str]) -> None:
        if len(words) != of.net.config.n_classes:
            raise SnnlabError(
                f"the network tells {of.net.config.n_classes} classes apart, and these recordings have {len(words)}; "
                "give the data that it was trained on."
            )
        self.of, self.recordings, self.words = of, recordings, words
        self._kept: tuple[int, SimulatedRecording, str] | None = None

    def sample(self, number: int) -> tuple[SimulatedRecording, str]:
        """A recording in the network, and its word; the one asked for before is kept.

        Raises:
            SnnlabError: there is no such recording.
        """
        if not 0 <= number < len(self.recordings):
            raise SnnlabError(
                f"recording {number}: expected 0 to {len(self.recordings) - 1}; choose another sample."
            )
        if self._kept is None or self._kept[0] != number:
            x, label = self.recordings.batch(torch.tensor([number]))
            self._kept = number, simulate(self.of.net, x[:, 0]), self.words[int(label)]
        return self._kept[1:]

    def arrivals(self, sample: int, layer: int, neuron: int, share: float = 1.0) -> Arrivals:
        """What arrives at a neuron when each delay is a share of what was learned."""
        return arrivals(
            self.of.net, self.sample(sample)[0], layer, neuron, self.of.dt_ms, share=share
        )


class ArrivalsPlot:
    """A raster and a membrane, one above the other, with artists that stay.

    Args:
        above, below: the axes.
        animated: whether a panel draws the artists over a kept background.
    """

    def __init__(self, above: Axes, below: Axes, *, animated: bool = False) -> None:
        self.above, self.below = plots.tidy(above), plots.tidy(below)
        self.frame: tuple[int, int] | None = None
        moving: dict[str, Any] = {"animated": animated}
        steps: dict[str, Any] = {"linewidth": 1.2, "drawstyle": "steps-mid"}
        self.bars = [
            ax.plot([], [], color=plots.YELLOW, linewidth=4, alpha=0.6, zorder=0, **moving)[0]
            for ax in (above, below)
        ]
        self.spikes = [
            above.scatter(
                [], [], marker=marker, color=colour, linewidths=0, alpha=0.8, zorder=order, **moving
            )
            # Few excite, and would be hidden
            for order, (_, colour, marker) in zip((3, 2), SIGNS, strict=True)
        ]
        (self.plain,) = below.plot([], [], ":", color=plots.GREY, **steps, **moving)
        (self.charge,) = below.plot([], [], color=plots.BLACK, **steps, **moving)
        (self.threshold,) = below.plot([], [], "--", color=plots.RED, linewidth=1)
        below.set(xlabel="time (ms)", ylabel="membrane")
        below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        above.tick_params(labelbottom=False)
        for ax in (above, below):
            FastTicks(ax)

    def label(self) -> None:
        """Say above the axes what the marks and lines are."""
        for name, colour, marker in SIGNS:
            self.above.plot([], [], marker, color=colour, markersize=5, label=name)
        for name, colour, line in (
            ("membrane", plots.BLACK, "-"),
            ("without delays", plots.GREY, ":"),
            ("threshold", plots.RED, "--"),
        ):
            self.below.plot([], [], line, color=colour, linewidth=1.2, label=name)
        self.below.plot([], [], color=plots.YELLOW, linewidth=4, alpha=0.6, label="fires")
        for ax, columns in ((self.above, 2), (self.below, 4)):
            plots.legend(
                ax,
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=columns,
                borderaxespad=0,
                handletextpad=0.4,
            )

    def show(
        self, heard: RecordingViewer, sample: int, layer: int, neuron: int, share: float
    ) -> Arrivals:
        """Draw the arrivals at a neuron; they are also returned."""
        of = heard.of
        now, plain = (heard.arrivals(sample, layer, neuron, part) for part in (share, 0.0))
        t, n_in = np.arange(now.charge.size) * of.dt_ms, of.synapses(layer).in_features
        if self.frame != (sample, layer):
            self.frame = sample, layer
            self._limits(heard, sample, layer, t[-1])
        strongest = analysis.incoming(of.net, layer, neuron, of.dt_ms).strongest(INPUTS).source
        shown, rows = np.isin(now.source, strongest), of.rows(layer)
        for sign, marks in zip((1, -1), self.spikes, strict=True):
            some = shown & (now.push * sign > 0)
            marks.set_offsets(np.stack([now.arrived_ms[some], rows[now.source[some]]], 1))
            marks.set_sizes(np.clip(60 * np.abs(now.push[some]), 4, 90))
        self.charge.set_data(t, now.charge)
        self.plain.set_data(t, plain.charge)
        for bars, ends in zip(self.bars, ((-0.5, n_in - 0.5), self.below.get_ylim()), strict=True):
            up = np.tile([*ends, np.nan], now.fired_ms.size)
            bars.set_data(np.repeat(now.fired_ms, 3), up)
        return now

    def _limits(self, heard: RecordingViewer, sample: int, layer: int, end_ms: float) -> None:
        """What stays the same for all neurons of a layer."""
        of = heard.of
        of.label_rows(self.above, layer)
        what, word = heard.sample(sample)
        if layer < len(what.fired):
            self.below.set_ylim(-3, 4)
            self.threshold.set_data([0, end_ms], [1, 1])
        else:
            charge = what.charge[layer]
            self.below.set_ylim(math.floor(charge.min()) - 0.5, math.ceil(charge.max()) + 0.5)
            self.threshold.set_data([], [])
        for ax in (self.above, self.below):
            ax.set_xlim(-of.dt_ms, end_ms + of.dt_ms)
        self.above.set_title(f'"{plot_text(word)}" at {of.names[layer]}', fontsize=9, loc="left")


class Coincidence:
    """What `arrivals_panel` draws."""

    def __init__(self, heard: RecordingViewer) -> None:
        self.heard = heard
        self.view: ArrivalsPlot | None = None

    def draw(self, fig: Figure, *, layer: str, neuron: int, sample: int, share: int) -> DrawResult:
        """Draw for `snnlab.viz.widgets.panel.interact`, `share` in percent of each delay; returns the alt text, and the membrane as a table.

        Raises:
            SnnlabError: the layer has no such neuron.
        """
        number = self.heard.of.names.index(layer)
        analysis.picked(self.heard.of.net, number, neuron)
        if self.view is None:
            self.view = ArrivalsPlot(*fig.subplots(2, 1, height_ratios=[1.5, 1]), animated=True)
            self.view.label()
        now = self.view.show(self.heard, sample, number, neuron, share / 100)
        plain = self.heard.arrivals(sample, number, neuron, 0.0)
        numbers = {
            "time (ms)": [step * self.heard.of.dt_ms for step in range(len(now.charge))],
            "membrane": now.charge.astype(float).round(2).tolist(),
            "without delays": plain.charge.astype(float).round(2).tolist(),
        }
        return describe_arrivals(self.heard, sample, number, neuron, now, share), numbers


def describe_arrivals(
    heard: RecordingViewer, sample: int, layer: int, neuron: int, now: Arrivals, share: int
) -> str:
    """The alt text of a view at a share of each delay in percent."""
    what, word = heard.sample(sample)
    name = heard.of.names[layer]
    first = f'"{word}" at neuron {neuron} of {name} with {share} % of each delay: {now.source.size} spikes arrive'
    if layer == len(what.fired):
        return f"{first}, the membrane ends at {now.charge[-1]:.1f}; a readout never fires."
    when = f", first at {now.fired_ms[0]:.0f} ms" if now.fired_ms.size else ""
    plain = heard.arrivals(sample, layer, neuron, 0.0).fired_ms.size
    fires, would = (
        f"fire{s} {count} time{'s' * (count != 1)}"
        for s, count in (("s", now.fired_ms.size), ("", plain))
    )
    return f"{first}, it {fires}{when}; without delays it would {would}."


def arrivals_panel(
    heard: RecordingViewer, *, layer: int = 0, neuron: int = 0, sample: int = 0, live: bool = True
) -> Panel:
    """Why a neuron fires: choose it, a recording, and how much of its delays it has.

    Args:
        heard: the network and the recordings.
        layer, neuron, sample: what is shown first.
        live: False leaves only the picture.
    """
    last = len(heard.recordings) - 1
    return interact(
        Coincidence(heard).draw,
        live=live,
        figsize=(8.4, 4.4),
        **heard.of.controls(layer, neuron),
        sample=Slider(sample, 0, last, 1, "recording", "which recording of the set is heard"),
        share=Slider(
            100,
            0,
            100,
            10,
            "delays (%)",
            "how much of each of this neuron's delays is left; 0 for none at all",
        ),
    )
