"""What a network is worth with other delays: rounded, shuffled, all zero, all longer or shorter, as a panel."""

import numpy as np
from matplotlib.figure import Figure

from snnlab.data.protocols import Batches
from snnlab.delays import analysis
from snnlab.nn.delay_linear import delay_layers
from snnlab.training.trainer import evaluate
from snnlab.viz import plots
from snnlab.viz.panels.synapses import NetworkView
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawResult, Dropdown, Panel, Slider, interact

# Below words that a bar may reach
PAPER = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}


class AblationResults:
    """A network under treatment and its accuracy on a set; every treatment is measured once.

    Args:
        of: the network.
        test: what the accuracy is measured on.
        seed: of the shuffling.
    """

    def __init__(self, of: NetworkView, test: Batches, *, seed: int = 0) -> None:
        self.of, self.test, self.seed = of, test, seed
        self._known: dict[tuple[str, int], tuple[list[np.ndarray], float]] = {}

    def measured(self, treatment: str, percent: int = 100) -> tuple[list[np.ndarray], float]:
        """The shares of synapses at each whole delay, (L,) a layer, and the accuracy from 0 to 1.

        Args:
            treatment: one of `explorer.TREATMENTS`.
            percent: what each delay is multiplied by before.
        """
        if (treatment, percent) not in self._known:
            net = analysis.treated(self.of.net, treatment, factor=percent / 100, seed=self.seed)
            layers = [analysis.shares(layer) for layer in delay_layers(net)]
            self._known[treatment, percent] = layers, evaluate(net, self.test).accuracy
        return self._known[treatment, percent]

    def draw(self, fig: Figure, *, layer: str, treatment: str, percent: int) -> DrawResult:
        """Draw for `snnlab.viz.widgets.panel.interact`; returns the alt text, and the histogram as a table."""
        number = self.of.names.index(layer)
        learned, whole = self.measured("rounded")
        layers, accuracy = self.measured(treatment, percent)
        now, before, end = layers[number], learned[number], self.of.longest_ms
        if not fig.axes:
            self._prepare(fig)
        self.delays.set_title(layer, fontsize=9, loc="left")
        self.histogram.set_data(now, before)
        now, before, top = 100 * now, 100 * before, self.delays.get_ylim()[1]
        for text, place, at in zip(self.edges, (0, -1), (0, end), strict=True):
            text.set_text(f"{now[place]:.1f} %\nat {at:g} ms")
            text.set_y(min(max(now[place], before[place]) + 0.03 * top, 0.8 * top))
        for bar, text, value in zip(self.bars, self.values, (whole, accuracy), strict=True):
            bar.set_width(100 * value)
            text.set(text=f"{value:.1%}", x=100 * value + 2)
        numbers = {
            "delay (ms)": [step * self.of.dt_ms for step in range(len(now))],
            "now (%)": now.astype(float).round(1).tolist(),
            "learned (%)": before.astype(float).round(1).tolist(),
        }
        alt = (
            f"{layer}, {treatment}, every delay times {percent / 100:g}: {now[0]:.1f} % of its synapses at 0 ms, "
            f"{now[-1]:.1f} % at {end:g} ms. Accuracy {accuracy:.1%} on {len(self.test)} recordings; with the learned delays, "
            f"rounded, {whole:.1%}."
        )
        return alt, numbers

    def _prepare(self, fig: Figure) -> None:
        """Artists that stay."""
        axes = fig.subplots(1, 2, width_ratios=[1.6, 1])
        self.delays, right = (plots.tidy(ax) for ax in axes)
        dt_ms, end = self.of.dt_ms, self.of.longest_ms
        self.histogram = artists.DelayHistogram(
            self.delays, max_delay=end, dt=dt_ms, outline="learned"
        )
        self.edges = [
            self.delays.text(
                place, 0, "", ha=side, va="bottom", fontsize=8, animated=True, bbox=PAPER
            )
            for place, side in ((-0.4 * dt_ms, "left"), (end + 0.5 * dt_ms, "right"))
        ]
        self.bars = right.barh(
            [1, 0], [0, 0], 0.5, color=[plots.GREY, plots.BLUE], alpha=0.8, animated=True
        )
        self.values = [right.text(0, y, "", va="center", fontsize=9, animated=True) for y in (1, 0)]
        chance = 100 / self.of.net.config.n_classes
        right.axvline(chance, color=plots.BLACK, linestyle=":", linewidth=1)
        right.text(chance, 1.42, " chance", fontsize=8)
        right.set_yticks([1, 0], ["learned", "now"])
        right.set(xlabel="accuracy (%)", xlim=(0, 119), ylim=(-0.5, 1.6), xticks=range(0, 101, 20))


def ablation_panel(
    treatments: AblationResults,
    *,
    layer: int = 0,
    treatment: str = "shuffled",
    percent: int = 100,
    live: bool = True,
) -> Panel:
    """What other delays are worth, measured when they are chosen.

    Args:
        treatments: the network and the recordings.
        layer, treatment, percent: what is shown first.
        live: False leaves only the picture.
    """
    names = treatments.of.names
    return interact(
        treatments.draw,
        live=live,
        figsize=(8.4, 3.0),
        layer=Dropdown(
            names[layer], tuple(names), "layer", "whose delays are shown; all layers are treated"
        ),
        treatment=Dropdown(
            treatment,
            tuple(analysis.TREATMENTS),
            "treatment",
            "what is done to all delays of the network",
        ),
        percent=Slider(
            percent,
            0,
            200,
            10,
            "delays (%)",
            "by how much every delay is multiplied before, held within the range",
        ),
    )
