"""Panel of a trained network with fewer synapses, and fewer bits for weights and delays."""

import numpy as np
from matplotlib.figure import Figure

from snnlab.data.protocols import Batches
from snnlab.delays.ablation import prune_synapses, quantise
from snnlab.delays.statistics import delay_shares, rounded_delays
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.training.evaluation import evaluate
from snnlab.viz import plots
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawResult, Panel, Slider, interact

EDGES = np.linspace(-1.0, 1.0, 66)  # of the bins of weights; 0 lies in the middle of one


class SmallerNetwork:
    """A network with fewer synapses and bits, without training; each choice is evaluated once.

    Args:
        net: the network.
        test: the recordings that the accuracy is measured on.
        dt_ms: length of a time step, ms.
    """

    def __init__(self, net: DelayNet, test: Batches, dt_ms: float) -> None:
        self.net, self.test, self.dt_ms = net, test, dt_ms
        self.max_delay = max(layer.max_delay for layer in delay_layers(net).values())
        self.full_bits = int(np.ceil(np.log2(self.max_delay + 1)))
        self._results: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray, float]] = {}

    def evaluate(
        self, percent: int = 100, weight_bits: int = 8, delay_bits: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Evaluate the network with fewer synapses and bits.

        Args:
            percent: share of the synapses of each layer that is left.
            weight_bits: bits of a weight.
            delay_bits: bits of a delay; None for as many as all whole delays need.

        Returns:
            The weights that are not 0, as shares of the largest of their neuron, (S,); the share of
            synapses at each whole delay, (L,); the accuracy, 0..1.
        """
        bits = self.full_bits if delay_bits is None else delay_bits
        key = percent, weight_bits, bits
        if key not in self._results:
            net = quantise(
                prune_synapses(self.net, percent / 100), weight_bits=weight_bits, delay_bits=bits
            )
            weights = [layer.weight.detach() for layer in delay_layers(net).values()]
            left = [
                (w / w.abs().amax((1, 2), keepdim=True).clamp(min=1e-30))[w != 0].numpy()
                for w in weights
            ]
            shares = delay_shares(rounded_delays(net), self.max_delay, 1)
            self._results[key] = np.concatenate(left), shares, evaluate(net, self.test).accuracy
        return self._results[key]

    def draw(self, fig: Figure, *, percent: int, weight_bits: int, delay_bits: int) -> DrawResult:
        """Draw weights, delays and the accuracy, for `interact`.

        Returns:
            The alt text, and the numbers as a table.
        """
        _, before, full = self.evaluate()
        weights, shares, accuracy = self.evaluate(percent, weight_bits, delay_bits)
        if not fig.axes:
            self._prepare(fig)
        counts, _ = np.histogram(weights, EDGES)
        percent_of_weights = 100 * counts / max(1, len(weights))
        self.weights.set_data(values=percent_of_weights)
        artists.set_percent_limit(self.left, percent_of_weights.max())
        self.delays.set_data(shares, before)
        self.accuracies.set_data((full, accuracy))
        levels = int((shares > 0).sum())
        alt = (
            f"{percent} % of the synapses, weights of {weight_bits} bits, delays of {delay_bits} "
            f"bits: {levels} different delays are in use, and the accuracy is {accuracy:.1%} on "
            f"{len(self.test)} recordings; with all synapses, weights of 8 bits and every whole "
            f"delay it is {full:.1%}."
        )
        columns = {
            "delay (ms)": np.arange(len(shares)) * self.dt_ms,
            "now (%)": 100 * shares,
            "full (%)": 100 * before,
        }
        return alt, columns

    def _prepare(self, fig: Figure) -> None:
        """Make the axes and the artists."""
        self.left, middle, right = (
            plots.tidy(ax) for ax in fig.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
        )
        self.weights = self.left.stairs(
            np.zeros(len(EDGES) - 1), EDGES, fill=True, color=plots.GREEN, animated=True
        )
        self.left.set(
            xlabel="weight (of the neuron's largest)", ylabel="synapses (%)", xlim=(-1, 1)
        )
        end = self.max_delay * self.dt_ms
        self.delays = artists.DelayHistogram(middle, max_delay=end, dt=self.dt_ms, outline="full")
        self.accuracies = artists.AccuracyBars(right, ("full", "now"))
        right.set_xlim(0, 125)  # the axes are narrow, and the number stands beside the bar


def chip_panel(net: DelayNet, test: Batches, dt_ms: float, *, live: bool = True) -> Panel:
    """Show what fewer synapses and bits do to a trained network, evaluated when they are chosen.

    Args:
        net: the network.
        test: the recordings that the accuracy is measured on.
        dt_ms: length of a time step, ms.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    smaller = SmallerNetwork(net, test, dt_ms)
    most = smaller.full_bits
    return interact(
        smaller.draw,
        live=live,
        figsize=(9.4, 3.0),
        percent=Slider(100, 5, 100, 5, "synapses (%)", "the largest weights of each layer"),
        weight_bits=Slider(8, 2, 8, 1, "weight bits", "2 bits: -1, 0 or 1 times a scale"),
        delay_bits=Slider(
            min(2, most), 1, most, 1, "delay bits", "how many different delays there can be"
        ),
    )
