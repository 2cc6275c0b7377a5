"""Plots of notebook 05: spikes that meet, delays that move, and what changed delays cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array, check_same_length, flat_arrays
from snnlab.viz.plots.checks import NamedArrays, as_arrays, something_to_draw
from snnlab.viz.plots.delays import delay_histogram
from snnlab.viz.plots.results import chance_line
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIMIT,
    ORANGE,
    PINK,
    RED,
    SKY,
    figure,
    legend,
    with_looks,
)

LAYERS = ((BLUE, "o-"), (ORANGE, "s--"), (GREEN, "^:"), (PINK, "D-."))
# Excitatory and inhibitory synapses: sign of the weight, name, color, marker
SIGNS = ((1, "excites", GREEN, "o"), (-1, "inhibits", PINK, "s"))


@something_to_draw()
def coincidence(
    sent_ms: ArrayLike,
    arrives_ms: float,
    places: ArrayLike,
    contribution: ArrayLike,
    *,
    hertz: bool = True,
) -> Figure:
    """Draw the spikes that arrive at a neuron in one step, from when they were sent.

    Args:
        sent_ms: when each input fired, (E,) ms.
        arrives_ms: when all of them arrive, ms.
        places: the frequency of each input, (E,) Hz, or its number.
        contribution: by how much each spike moves the membrane, in thresholds, (E,).
        hertz: whether `places` are frequencies.

    Returns:
        The figure: a line for each spike, as long as its delay.
    """
    sent, pitch, pushes = flat_arrays(sent_ms=sent_ms, places=places, contribution=contribution)
    fig, ax = figure(7.5, 3.4)
    ax.axvline(arrives_ms, **LIMIT)
    ax.annotate(
        "the neuron", (arrives_ms, 1), xycoords=("data", "axes fraction"), color=RED, fontsize=9,
        ha="center", va="bottom",
    )  # fmt: skip
    for sign, name, color, marker in SIGNS:
        same = pushes * sign > 0
        size = np.clip(160 * np.abs(pushes[same]), 6, 160)
        ax.hlines(pitch[same], sent[same], arrives_ms, color=color, linewidth=1.2, alpha=0.6)
        ax.scatter(sent[same], pitch[same], size, facecolor="white", edgecolor=color, marker=marker)
        ax.scatter(np.full(same.sum(), arrives_ms), pitch[same], size, color=color, marker=marker)
        ax.plot([], [], marker, color=color, label=name)
    ax.plot([], [], "o", color=GREY, markerfacecolor="white", label="hollow: sent")
    ax.plot([], [], "o", color=GREY, label="full: arrives")
    legend(ax, loc="center left", bbox_to_anchor=(1.02, 0.5))
    ax.set(xlabel="time (ms)", ylabel="input (kHz)" if hertz else "input")
    if hertz:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(FixedLocator([100, 200, 500, 1000, 2000, 5000, 10000, 20000]))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda hz, _: f"{hz / 1000:g}")
    ax.margins(x=0.05, y=0.08)
    return fig


@something_to_draw()
def movement(moved_ms: NamedArrays, sigma_steps: ArrayLike, rate_steps: ArrayLike) -> Figure:
    """Draw how far delays move in each epoch, beside what decides it: sigma and learning rate.

    Args:
        moved_ms: for each layer, the mean distance that a delay moves in an epoch, (E,) ms.
        sigma_steps: the width of the kernel in each epoch, (E,) steps.
        rate_steps: the learning rate of the delays in each epoch, (E,) steps.

    Returns:
        The figure.
    """
    fig, (left, right) = figure(9, 3.0, 1, 2)
    shares = {
        name: 100 * as_array(name, steps, dims=1) / as_array(name, steps, dims=1)[0]
        for name, steps in (("sigma", sigma_steps), ("learning rate", rate_steps))
    }
    moved = as_arrays(moved_ms, dims=1)
    curves = ((left, moved, LAYERS), (right, shares, ((SKY, "o-"), (BLACK, "s--"))))
    for ax, by_name, looks in curves:
        for name, values, color, style in with_looks(by_name, looks):
            epochs = np.arange(1, values.size + 1)
            ax.plot(epochs, values, style, color=color, markersize=4, label=name)
        legend(ax)
    left.set(xlabel="epoch", ylabel="moved in this epoch (ms)", ylim=(0, None))
    right.set(xlabel="epoch", ylabel="of the first epoch's value (%)", ylim=(0, None))
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return fig


@something_to_draw("initial_ms")
def histograms(
    delays_ms: NamedArrays,
    max_delay_ms: float,
    *,
    dt_ms: float,
    initial_ms: Sequence[ArrayLike] = (),
) -> Figure:
    """Draw a histogram of the delays of each layer.

    Args:
        delays_ms: for each layer its delays, ms.
        max_delay_ms: the largest possible delay, ms.
        dt_ms: length of a time step, ms.
        initial_ms: for each layer its delays before the training, ms; empty for none.

    Returns:
        The figure.
    """
    fig, axes = figure(9.5, 2.8, 1, len(delays_ms), squeeze=False, sharey=True)
    for number, (ax, (name, delays)) in enumerate(zip(axes[0], delays_ms.items(), strict=True)):
        before = initial_ms[number] if len(initial_ms) else None
        delay_histogram(delays, max_delay_ms, dt_ms=dt_ms, initial_ms=before, ax=ax)
        ax.set_title(f"{name}: {ax.get_title()}", fontsize=8)
        ax.label_outer()
    return fig


@something_to_draw()
def changed_delays(accuracies: Mapping[str, float], *, chance: float) -> Figure:
    """Draw the accuracy of a network after each change of its delays.

    Args:
        accuracies: 0..1, by change.
        chance: the accuracy of guessing, 0..1.

    Returns:
        The figure.
    """
    fig, ax = figure(6.5, 2.8)
    values = [100 * accuracy for accuracy in accuracies.values()]
    bars = ax.bar(list(accuracies), values, 0.6, color=BLUE, alpha=0.8)
    ax.bar_label(bars, fmt="%.0f %%", padding=2)
    chance_line(ax, chance)
    ax.set(ylabel="accuracy (%)", ylim=(0, 108), yticks=range(0, 101, 20))
    return fig


@something_to_draw()
def stretched_delays(factors: ArrayLike, accuracies: ArrayLike, *, chance: float) -> Figure:
    """Draw the accuracy over the factor by which all delays are multiplied.

    Args:
        factors: (n,).
        accuracies: 0..1, (n,).
        chance: the accuracy of guessing, 0..1.

    Returns:
        The figure.
    """
    x, y = as_array("factors", factors, dims=1), 100 * as_array("accuracies", accuracies, dims=1)
    check_same_length(factors=x, accuracies=y)
    fig, ax = figure(6.5, 2.8)
    ax.axvline(1, color=GREY, linewidth=0.8)
    ax.plot(x, y, "o-", color=BLUE)
    chance_line(ax, chance)
    ax.set(xlabel="all delays multiplied by", ylabel="accuracy (%)", ylim=(0, 100))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    return fig
