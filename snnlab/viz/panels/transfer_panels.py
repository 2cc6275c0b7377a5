"""Panels of notebook 02: the rate of a neuron, the ramp that sharpens, and the steps of a test."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text
from snnlab.nn.activations import firing_rate, matched_ramp
from snnlab.viz import plots
from snnlab.viz.plots.checks import NamedArrays, as_arrays
from snnlab.viz.plots.style import BESIDE, figure_legend, with_looks
from snnlab.viz.plots.transfer import BELOW
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Dropdown, Panel, Slider, interact

INPUTS: NDArray[Any] = np.linspace(-0.2, 1.2, 1401)
NETWORKS = ((plots.BLUE, "o"), (plots.PINK, "^"), (plots.GREEN, "D"))


def ramp_outputs(low: float, high: float) -> NDArray[Any]:
    """Return a ramp from 0 at `low` to 1 at `high`, at `INPUTS`."""
    return ((INPUTS - low) / (high - low)).clip(0, 1)


def rate_panel(steps: int, *, live: bool = True) -> Panel:
    """Show the rate of a neuron over its input and the closest ramp, with sliders for T and beta.

    Args:
        steps: T at first.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """

    def prepare(fig: Figure) -> DrawFunction:
        ax = plots.tidy(fig.subplots())
        lines = ax.plot(INPUTS, INPUTS, color=plots.BLUE, label="rate of the neuron", animated=True)
        lines += ax.plot(
            INPUTS, INPUTS, "--", color=plots.ORANGE, label="closest ramp", animated=True
        )
        ax.set(xlabel="input", ylabel="spikes a step", ylim=(-0.05, 1.05))
        plots.legend(ax, **BESIDE)

        def draw(steps: int, percent: int) -> DrawResult:
            rate = firing_rate(torch.tensor(INPUTS), steps=steps, decay=percent / 100).numpy()
            low, high, _ = matched_ramp(steps=steps, decay=percent / 100)
            ramp = ramp_outputs(low, high)
            for line, values in zip(lines, (rate, ramp), strict=True):
                line.set_ydata(values)
            alt = (
                f"T = {steps}, beta = {percent / 100:.2f}: the neuron fires from an input of "
                f"{INPUTS[rate > 0].min():.3f} on; the closest ramp rises from {low:.2f} to "
                f"{high:.2f}."
            )
            rows = slice(200, None, 100)  # inputs from 0 to 1.2
            columns = {"input": INPUTS, "rate": rate, "closest ramp": ramp}
            return alt, {name: values[rows].round(3) for name, values in columns.items()}

        return draw

    return interact(
        prepare,
        live=live,
        steps=Slider(steps, 1, 32, 1, "T (steps)", "for how many steps the input is held"),
        percent=Slider(25, 5, 95, 5, "beta (%)", "share of the membrane that stays, in percent"),
    )


def sharpening_panel(
    ramps: Sequence[tuple[float, float]], accuracies: NamedArrays, *, live: bool = True
) -> Panel:
    """Show the ramp and the accuracies of networks after each epoch of the pretraining.

    Args:
        ramps: where the ramp begins and ends after each epoch.
        accuracies: by name of the network, accuracies 0..1, `(epochs,)`.
        live: False leaves only the static figure.

    Returns:
        The panel; it begins with the last epoch.
    """
    percent = as_arrays(accuracies, dims=1, scale=100)
    names, last = list(percent), len(ramps)

    def prepare(fig: Figure) -> DrawFunction:
        left, right = (plots.tidy(ax) for ax in fig.subplots(1, 2))
        (line,) = left.plot(INPUTS, INPUTS, color=plots.ORANGE, linewidth=2, animated=True)
        left.set(xlabel="input", ylabel="output", title="the ramp", ylim=(-0.05, 1.05))
        colors = [plots.ORANGE, plots.GREY, plots.BLUE]
        bars = right.bar(names, [0.0] * len(names), color=colors, animated=True)
        right.set(ylabel="validation accuracy (%)", ylim=(0, 100), title="after this epoch")

        def draw(epoch: int) -> DrawResult:
            low, high = ramps[epoch - 1]
            line.set_ydata(ramp_outputs(low, high))
            heights = [float(values[epoch - 1]) for values in percent.values()]
            for bar, height in zip(bars, heights, strict=True):
                bar.set(height=height)
            listed = ", ".join(f"{name} {y:.0f} %" for name, y in zip(names, heights, strict=True))
            alt = f"After epoch {epoch} the ramp rises from {low:.2f} to {high:.2f}; accuracies: "
            return f"{alt}{listed}.", {"network": names, "accuracy (%)": np.round(heights, 1)}

        return draw

    slider = Slider(last, 1, last, 1, "epoch", "epoch of the pretraining", play=True)
    return interact(prepare, live=live, epoch=slider)


def steps_panel(
    steps: Sequence[int], accuracies: NamedArrays, chosen: int, *, live: bool = True
) -> Panel:
    """Show accuracies over the number of time steps of the test, with a menu for the steps.

    Args:
        steps: T of each test.
        accuracies: by name of the network, accuracies 0..1, `(tests,)`.
        chosen: one of `steps`, which is marked at first.
        live: False leaves only the static figure.

    Returns:
        The panel.

    Raises:
        SnnlabError: `chosen` is none of the steps.
    """
    if chosen not in steps:
        raise SnnlabError(f"chosen = {chosen}: expected one of the steps {[*steps]}.")
    percent = as_arrays(accuracies, dims=1, scale=100)

    def prepare(fig: Figure) -> DrawFunction:
        ax = plots.tidy(fig.subplots())
        for name, y, color, mark in with_looks(percent, NETWORKS):
            ax.plot(steps, y, f"{mark}-", color=color, markersize=4, label=plot_text(name))
        line = ax.axvline(chosen, color=plots.BLACK, linestyle="--", animated=True)
        ax.set(xlabel="time steps T of the test", ylabel="validation accuracy (%)")
        ax.set_xscale("log", base=2)
        ax.set_xticks(steps, map(str, steps), minor=False)
        figure_legend(fig, BELOW)

        def draw(steps_shown: int) -> DrawResult:
            line.set_xdata([steps_shown, steps_shown])
            values = [float(y[steps.index(steps_shown)]) for y in percent.values()]
            listed = ", ".join(f"{name} {y:.0f} %" for name, y in zip(percent, values, strict=True))
            alt = f"Tested with T = {steps_shown}: {listed}."
            return alt, {"network": [*percent], "accuracy (%)": np.round(values, 1)}

        return draw

    menu = Dropdown(chosen, tuple(steps), "T (steps)", "time steps for which a picture is shown")
    return interact(prepare, live=live, figsize=(7, 3.6), steps_shown=menu)
