"""Panel of a network with other delays: rounded, shuffled, all zero, all longer or shorter."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from snnlab._utils.words import counted
from snnlab.data.protocols import Batches
from snnlab.delays.ablation import ABLATIONS, ablate
from snnlab.delays.statistics import delay_shares, rounded_delays
from snnlab.nn.any_network import delay_layers
from snnlab.training.evaluation import evaluate
from snnlab.viz import plots
from snnlab.viz.panels.network_view import NetworkView
from snnlab.viz.plots.style import CHANCE
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Dropdown, Panel, Slider, interact


@dataclass(frozen=True)
class AblationResults:
    """A network with changed delays and its accuracy.

    Attributes:
        network: the network.
        test: the data set that the accuracy is measured on.
        seed: of the shuffling.
    """

    network: NetworkView
    test: Batches
    seed: int = 0

    def evaluate(self, treatment: str, percent: int) -> tuple[list[np.ndarray], float]:
        """Evaluate the network with changed delays.

        Args:
            treatment: one of `ABLATIONS`.
            percent: each delay is scaled to this before.

        Returns:
            For each layer the share of synapses at each whole delay, (L,); the accuracy, 0..1.
        """
        net = ablate(self.network.net, treatment, factor=percent / 100, seed=self.seed)
        layers = [
            delay_shares(rounded_delays(layer), self.network.max_delay, 1)
            for layer in delay_layers(net).values()
        ]
        return layers, evaluate(net, self.test).accuracy


def ablation_panel(
    results: AblationResults, *, treatment: str = "shuffled", live: bool = True
) -> Panel:
    """Show the accuracy with changed delays, evaluated when they are chosen.

    Args:
        results: the network and the recordings.
        treatment: the first treatment, one of `ABLATIONS`.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    network, names = results.network, results.network.names
    dt_ms, end = network.dt_ms, network.max_delay_ms
    evaluated = cache(results.evaluate)

    def prepare(fig: Figure) -> DrawFunction:
        delays, right = (plots.tidy(ax) for ax in fig.subplots(1, 2, width_ratios=[1.6, 1]))
        histogram = artists.DelayHistogram(delays, max_delay=end, dt=dt_ms, outline="learned")
        background = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
        edges = [
            delays.text(x, 0, "", ha=side, va="bottom", fontsize=8, animated=True, bbox=background)
            for x, side in ((-0.4 * dt_ms, "left"), (end + 0.5 * dt_ms, "right"))
        ]
        accuracies = artists.AccuracyBars(right, ("learned", "now"))
        chance = 100 / (int(results.test.labels.max()) + 1)
        right.axvline(chance, **CHANCE)
        right.text(chance, 1.42, " chance", fontsize=8)

        def draw(layer: str, treatment: str, percent: int) -> DrawResult:
            number = names.index(layer)
            learned, learned_accuracy = evaluated("rounded", 100)
            layers, accuracy = evaluated(treatment, percent)
            delays.set_title(layer, fontsize=9, loc="left")
            histogram.set_data(layers[number], learned[number])
            now, before = 100 * layers[number], 100 * learned[number]
            top = delays.get_ylim()[1]
            for text, index, delay in zip(edges, (0, -1), (0, end), strict=True):
                text.set_text(f"{now[index]:.1f} %\nat {delay:g} ms")
                text.set_y(min(max(now[index], before[index]) + 0.03 * top, 0.8 * top))
            accuracies.set_data((learned_accuracy, accuracy))
            alt = (
                f"Delays of all layers: {treatment}, every delay times {percent / 100:g}. In "
                f"{layer}, {now[0]:.1f} % of the synapses are at 0 ms, {now[-1]:.1f} % at {end:g} "
                f"ms. Accuracy {accuracy:.1%} on {counted(len(results.test), 'recording')}; with "
                f"the learned delays, rounded, {learned_accuracy:.1%}."
            )
            columns = {
                "delay (ms)": np.arange(len(now)) * dt_ms,
                "now (%)": now,
                "learned (%)": before,
            }
            return alt, columns

        return draw

    tooltip = "by how much every delay is multiplied before, held within the range"
    return interact(
        prepare,
        live=live,
        figsize=(8.4, 3.0),
        layer=Dropdown(
            names[0], tuple(names), "layer", "whose delays are shown; all layers are treated"
        ),
        treatment=Dropdown(
            treatment, tuple(ABLATIONS), "treatment", "what is done to all delays of the network"
        ),
        percent=Slider(100, 0, 200, 10, "delays (%)", tooltip),
    )
