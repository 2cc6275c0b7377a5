"""Panel of a trained network with fewer synapses, and fewer bits for weights and delays."""

from functools import cache, partial

import numpy as np
from matplotlib.figure import Figure

from snnlab._utils.words import counted
from snnlab.data.protocols import Batches
from snnlab.delays.ablation import prune_synapses, quantise
from snnlab.delays.statistics import delay_shares, rounded_delays
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.training.evaluation import evaluate
from snnlab.viz import plots
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact

EDGES = np.linspace(-1.0, 1.0, 66)  # of the bins of weights; 0 lies in the middle of one


def evaluate_smaller(
    net: DelayNet, test: Batches, percent: int, weight_bits: int, delay_bits: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Evaluate a network with fewer synapses and bits, without training it.

    Args:
        net: the network.
        test: the recordings that the accuracy is measured on.
        percent: share of the synapses of each layer that is left.
        weight_bits: bits of a weight.
        delay_bits: bits of a delay.

    Returns:
        The weights that are not 0, as shares of the largest of their neuron, (S,); the share of
        synapses at each whole delay, (L,); the accuracy, 0..1.
    """
    net = quantise(
        prune_synapses(net, percent / 100), weight_bits=weight_bits, delay_bits=delay_bits
    )
    layers = delay_layers(net).values()
    weights = [layer.weight.detach() for layer in layers]
    left = [
        (w / w.abs().amax((1, 2), keepdim=True).clamp(min=1e-30))[w != 0].numpy() for w in weights
    ]
    max_delay = max(layer.max_delay for layer in layers)
    shares = delay_shares(rounded_delays(net), max_delay, 1)
    return np.concatenate(left), shares, evaluate(net, test).accuracy


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
    max_delay = max(layer.max_delay for layer in delay_layers(net).values())
    most = int(np.ceil(np.log2(max_delay + 1)))
    evaluated = cache(partial(evaluate_smaller, net, test))

    def prepare(fig: Figure) -> DrawFunction:
        left, middle, right = (
            plots.tidy(ax) for ax in fig.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
        )
        histogram = left.stairs(
            np.zeros(len(EDGES) - 1), EDGES, fill=True, color=plots.GREEN, animated=True
        )
        left.set(xlabel="weight (of the neuron's largest)", ylabel="synapses (%)", xlim=(-1, 1))
        end = max_delay * dt_ms
        delays = artists.DelayHistogram(middle, max_delay=end, dt=dt_ms, outline="full")
        accuracies = artists.AccuracyBars(right, ("full", "now"))
        right.set_xlim(0, 125)  # the axes are narrow, and the number stands beside the bar

        def draw(percent: int, weight_bits: int, delay_bits: int) -> DrawResult:
            _, before, full = evaluated(100, 8, most)
            weights, shares, accuracy = evaluated(percent, weight_bits, delay_bits)
            counts, _ = np.histogram(weights, EDGES)
            percent_of_weights = 100 * counts / max(1, len(weights))
            histogram.set_data(values=percent_of_weights)
            artists.set_percent_limit(left, percent_of_weights.max())
            delays.set_data(shares, before)
            accuracies.set_data((full, accuracy))
            levels = int((shares > 0).sum())
            alt = (
                f"{percent} % of the synapses, weights of {weight_bits} bits, delays of "
                f"{counted(delay_bits, 'bit')}: {counted(levels, 'different delay')} "
                f"{'is' if levels == 1 else 'are'} in use, and the accuracy is {accuracy:.1%} on "
                f"{counted(len(test), 'recording')}; with all synapses, weights of 8 bits and "
                f"every whole delay it is {full:.1%}."
            )
            columns = {
                "delay (ms)": np.arange(len(shares)) * dt_ms,
                "now (%)": 100 * shares,
                "full (%)": 100 * before,
            }
            return alt, columns

        return draw

    return interact(
        prepare,
        live=live,
        figsize=(9.4, 3.0),
        percent=Slider(100, 5, 100, 5, "synapses (%)", "the largest weights of each layer"),
        weight_bits=Slider(8, 2, 8, 1, "weight bits", "2 bits: -1, 0 or 1 times a scale"),
        delay_bits=Slider(
            min(2, most), 1, most, 1, "delay bits", "how many different delays there can be"
        ),
    )
