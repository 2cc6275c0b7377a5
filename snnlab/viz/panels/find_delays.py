"""Panel in which the reader finds the delays of coincidence detectors by hand."""

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.viz import plots
from snnlab.viz.plots.style import CHANCE
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact

TEMPERATURE = 4.0  # coincidences that make a class e times as likely


class DelaySearch:
    """Trials of two ears, heard by one coincidence detector for each class.

    A detector delays the spikes of the left ear and counts how often both ears then fire in the
    same step. The class score is the count of its detector.

    Args:
        x: spikes, `(T, B, 2 * fibres)`, the left ear first.
        labels: the class of each trial, `(B,)`.
        max_delay: the largest delay, in steps.
        step_ms: length of a time step, ms.

    Raises:
        SnnlabError: the ears have different numbers of fibres.
    """

    def __init__(self, x: Tensor, labels: Tensor, *, max_delay: int, step_ms: float) -> None:
        if x.dim() != 3 or x.shape[2] % 2:
            raise SnnlabError(
                f"x has the shape {tuple(x.shape)}; expected (T, B, fibres of two ears)."
            )
        if labels.shape != x.shape[1:2] or not len(labels) or labels.is_floating_point():
            raise SnnlabError(
                f"labels are {labels.dtype} {tuple(labels.shape)}; expected a whole number for "
                f"each of the {x.shape[1]} trials of x, and one trial at least."
            )
        if labels.unique().tolist() != [*range(int(labels.max()) + 1)]:
            raise SnnlabError(
                f"labels are {labels.unique().tolist()}; expected each class from 0 on; renumber."
            )
        labels = labels.long()
        max_delay = whole_number("max_delay", max_delay, 0, len(x) - 1)
        left, right = x.float().chunk(2, dim=2)
        steps = len(x)
        self.counts = torch.stack(
            [(left[: steps - d] * right[d:]).sum((0, 2)) for d in range(max_delay + 1)], 1
        )  # (B, max_delay + 1): coincidences of each trial at each delay
        self.labels, self.step_ms, self.n_classes = labels, step_ms, int(labels.max()) + 1
        by_class = [self.counts[labels == k].mean(0) for k in range(self.n_classes)]
        self.means = torch.stack(by_class)  # (sound, max_delay + 1)

    def score(self, delays: list[int]) -> tuple[np.ndarray, float, float]:
        """Evaluate detectors with these delays, one for each class.

        Returns:
            The mean coincidences `(sound, detector)`, the cross-entropy, and the accuracy, 0..1.
        """
        counts = self.counts[:, delays]  # (B, detectors)
        loss = F.cross_entropy(counts / TEMPERATURE, self.labels).item()
        # Detectors that count the same share a trial
        best = (counts == counts.max(1, keepdim=True).values).float()
        share = best[torch.arange(len(best)), self.labels] / best.sum(1)
        return self.means[:, delays].numpy(), loss, share.mean().item()

    def prepare(self, fig: Figure) -> DrawFunction:
        """Make the axes and the artists of coincidences, loss and accuracy, for `interact`.

        Returns:
            A function that draws them for the delay of each detector.
        """
        axes = fig.subplot_mosaic([["counts", "loss"], ["counts", "accuracy"]])
        n, ticks = self.n_classes, np.arange(1, self.n_classes + 1)
        image = axes["counts"].imshow(
            np.zeros((n, n)), cmap="viridis", vmin=0, vmax=self.means.max().item(), origin="lower",
            extent=(0.5, n + 0.5, 0.5, n + 0.5), aspect="auto", animated=True,
        )  # fmt: skip
        axes["counts"].set(xlabel="detector", ylabel="sound", xticks=ticks, yticks=ticks)
        integers = MaxNLocator(4, integer=True)
        fig.colorbar(image, ax=axes["counts"], label="coincidences a trial", ticks=integers)
        bars: list[Rectangle] = []
        texts: list[Text] = []
        for name, label, chance, end in (
            ("loss", "loss (cross-entropy)", np.log(n), 2.5),
            ("accuracy", "accuracy (%)", 100 / n, 119),
        ):
            ax = plots.tidy(axes[name])
            bars += ax.barh([0], [0], 0.5, color=plots.BLUE, animated=True)
            texts.append(ax.text(0, 0, "", va="center", fontsize=10, animated=True))
            ax.axvline(chance, **CHANCE)
            ax.text(chance, 0.42, " chance", fontsize=8)
            ax.set(xlim=(0, end), ylim=(-0.4, 0.6), yticks=[], xlabel=label)
        axes["accuracy"].set_xticks(range(0, 101, 20))

        def draw(**delays: int) -> DrawResult:
            chosen = [*delays.values()]
            means, loss, accuracy = self.score(chosen)
            image.set_data(means)
            for bar, text, value, label in zip(
                bars, texts, (loss, 100 * accuracy), (f"{loss:.2f}", f"{accuracy:.0%}"),
                strict=True,
            ):  # fmt: skip
                bar.set_width(value)
                text.set(text=f" {label}", x=value)
            own = means.diagonal()
            listed = ", ".join(f"{delay * self.step_ms:.1f}" for delay in chosen)
            alt = (
                f"Delays of {listed} ms: loss {loss:.2f}, {accuracy:.0%} of the sounds right. "
                f"Coincidences of each detector with its own sound: "
                f"{', '.join(f'{count:.1f}' for count in own)} a trial."
            )
            columns = {
                "detector": range(1, 1 + len(chosen)),
                "delay (ms)": [round(delay * self.step_ms, 6) for delay in chosen],
                "coincidences with its sound": own,
                "with the others": (means.sum(0) - own) / max(1, self.n_classes - 1),
            }
            return alt, columns

        return draw


def find_delays_panel(
    x: Tensor,
    labels: Tensor,
    *,
    max_delay: int,
    step_ms: float,
    solved: int = 0,
    live: bool = True,
) -> Panel:
    """Let the reader set the delay of each coincidence detector, and show the loss.

    Args:
        x: spikes of trials, `(T, B, 2 * fibres)`, the left ear first.
        labels: the class of each trial, `(B,)`; there is one detector for each class.
        max_delay: the largest delay, in steps.
        step_ms: length of a time step, ms.
        solved: how many of the detectors, the first ones, have their best delay as an example; the
            others begin with 0.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    search = DelaySearch(x, labels, max_delay=max_delay, step_ms=step_ms)
    best: list[int] = search.means.argmax(1).tolist()
    first = best[:solved] + [0] * (search.n_classes - solved)
    tooltip = f"by how many steps of {step_ms:g} ms the left ear's spikes are held back"
    sliders = {
        f"delay_{k}": Slider(delay, 0, max_delay, 1, f"detector {k} (steps)", tooltip)
        for k, delay in enumerate(first, 1)
    }
    return interact(search.prepare, live=live, figsize=(8.0, 3.0), **sliders)
