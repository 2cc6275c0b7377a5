"""Figures of notebook 01: why spikes, one neuron, a population, and the surrogate gradient."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab.viz.plots import diagrams
from snnlab.viz.plots.activity import raster, trace
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.results import band
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIMIT,
    ORANGE,
    PINK,
    RED,
    figure,
    legend,
    titled_axes,
    with_looks,
)

LOOKS = ((BLUE, "-"), (ORANGE, "--"), (GREEN, ":"))
SOFT = ((GREEN, ":"), (BLUE, "-"), (ORANGE, "--"))


@something_to_draw()
def why_spikes(
    spikes: ArrayLike, spiking_pj: ArrayLike, dense_pj: float, *, brightness: ArrayLike,
    events: Sequence[tuple[float, float]], trains: Mapping[str, tuple[float, float]],
) -> Figure:  # fmt: skip
    """Draw three reasons for spikes: energy, events and time.

    Args:
        spikes: of a neuron in a sample, (n,).
        spiking_pj: energy of one connection of a spiking network, pJ, (n,).
        dense_pj: energy of one connection of an ordinary network, pJ.
        brightness: of one pixel in each millisecond, (T,).
        events: time in ms and sign of each event of that pixel.
        trains: by name, when inputs A and B fire, ms.

    Returns:
        The figure.
    """
    fig, (energy, pixel, time) = figure(9.5, 2.7, 1, 3)
    energy.plot(spikes, spiking_pj, "o-", color=BLUE, label="spiking: add", markersize=4)
    energy.axhline(dense_pj, color=GREY, linestyle="--", label="ordinary: multiply, add")
    energy.set(
        xlabel="spikes of a neuron in a sample", ylabel="energy per connection (pJ)", ylim=(0, None)
    )
    energy.set_title("energy", fontsize=10)
    legend(energy, loc="upper left")
    values = np.asarray(brightness)
    pixel.plot(values, color=BLACK, label="brightness")
    for sign, color, marker, label in ((1, BLUE, "^", "ON event"), (-1, ORANGE, "v", "OFF event")):
        at = [round(moment) for moment, direction in events if direction == sign]
        pixel.plot(at, values[at], marker, color=color, label=label, linestyle="")
    pixel.set(xlabel="time (ms)", ylabel="brightness", ylim=(0, 1.05))
    pixel.set_title("events", fontsize=10)
    legend(pixel, loc="upper right")
    for row, (name, moments) in enumerate(trains.items()):
        for offset, moment, label in zip((1, 0), moments, "AB", strict=True):
            y = 2.6 * (1 - row) + offset
            time.plot([0, 40], [y, y], color=GREY, linewidth=1)
            time.vlines(moment, y, y + 0.6, color=BLACK, linewidth=3)
            time.text(-1.5, y + 0.15, label, ha="right", fontsize=9)
        time.text(42, 2.6 * (1 - row) + 0.9, name, va="center", fontsize=9)
    time.set(xlabel="time (ms)", xlim=(-4, 66), ylim=(-0.3, 4.7), yticks=[], xticks=[0, 20, 40])
    time.spines["left"].set_visible(False)
    time.spines["bottom"].set_bounds(0, 40)
    time.set_title("time", fontsize=10)
    return fig


def neuron_diagram() -> Figure:
    """Draw two synapses and a leaky integrate-and-fire neuron beside its equations."""
    fig, ax = diagrams.canvas(9, 2.9)
    diagrams.spike_train(ax, 0.3, 2.05, [0.2, 0.75], width=1.0, label="A")
    diagrams.spike_train(ax, 0.3, 0.75, [0.45, 0.6, 0.9], width=1.0, label="B")
    diagrams.note(ax, 0.8, 0.42, "input spikes $S_i[t]$")
    cell = diagrams.neuron(ax, 3.3, 1.5, radius=0.58)
    diagrams.note(ax, 3.3, 1.62, "$V[t]$", fontsize=12)
    diagrams.note(ax, 3.3, 1.36, "membrane")
    for y, weight, color in ((2.15, "$w_A = 0.6$", GREEN), (0.85, "$w_B = -0.3$", PINK)):
        diagrams.arrow(ax, (1.35, y), cell, color=color)
        diagrams.note(ax, 2.0, y + (0.16 if y > 1.5 else -0.2), weight)
    diagrams.note(ax, 1.75, 1.5, "synapses")
    diagrams.arrow(ax, (3.0, 2.04), (3.6, 2.04), r"leak: $\beta$ stays", bend=-1.1)
    diagrams.arrow(ax, cell, (4.6, 1.5), r"if $H \geq \vartheta$")
    diagrams.spike_train(ax, 4.65, 1.4, [0.3, 0.8], width=0.85)
    diagrams.note(ax, 5.1, 1.15, "output $S[t]$")
    rows = (
        ("current", r"$X[t] = \sum_i\, w_i\, S_i[t]$", "add the weights of the spikes"),
        ("1 charge", r"$H[t] = \beta\, V[t-1] + X[t]$", r"keep the part $\beta$, add the current"),
        ("2 fire", r"$S[t] = \Theta(H[t] - \vartheta)$", r"1 from the threshold $\vartheta$ on"),
        ("3 reset", r"$V[t] = H[t]\,(1 - S[t])$", "begin at 0 after a spike"),
    )
    for row, (name, equation, words) in enumerate(rows):
        y = 2.5 - 0.65 * row
        diagrams.note(ax, 5.95, y, name, ha="left", weight="bold", fontsize=10)
        diagrams.note(ax, 6.8, y, equation, ha="left", fontsize=11)
        diagrams.note(ax, 6.8, y - 0.25, words, ha="left", color=GREY)
    return fig


@something_to_draw()
def membranes(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], *, rows: int = 1,
    height: float = 2.8,
) -> Figure:  # fmt: skip
    """Draw membrane potentials over time, one panel each, with threshold 1 and output spikes.

    Args:
        panels: by title, the output spikes, and the membrane potential before and after the
            reset, (T,) each; a step is 1 ms.
        rows: of panels.
        height: of the figure, inches.

    Returns:
        The figure.
    """
    fig, axes = titled_axes(8, height, panels, columns=len(panels) // rows, sharex=True)
    for ax, (spikes, before, after) in axes:
        steps = np.arange(len(np.asarray(before)))
        trace(ax, steps, before, after, spikes)
        ax.label_outer()
    return fig


@something_to_draw()
def fading(curves: Mapping[int, ArrayLike], tau_ms: float) -> Figure:
    """Draw how one input fades, for different time steps, beside the exact exponential.

    Args:
        curves: by time step in ms, the share of the input that is left after 0, 1, ... steps.
        tau_ms: membrane time constant.

    Returns:
        The figure.
    """
    fig, ax = figure(6.5, 2.8)
    fine = np.linspace(0, 4 * tau_ms, 200)
    exact = np.exp(-fine / tau_ms)
    ax.plot(fine, exact, color=GREY, linewidth=5, alpha=0.4, label="exact exponential")
    for dt_ms, shares, color, line in with_looks(curves, LOOKS):
        times = dt_ms * np.arange(len(np.asarray(shares)))
        ax.plot(times, shares, line, marker=".", color=color, label=f"step of {dt_ms} ms")
    ax.set(xlabel="time (ms)", ylabel="share that is left")
    legend(ax)
    return fig


@something_to_draw()
def f_i_curve(
    current: ArrayLike, rate: ArrayLike, line: tuple[ArrayLike, ArrayLike], weakest: float
) -> Figure:
    """Draw the firing rate over a constant input: simulated points and the line of the formula.

    Args:
        current: X of each simulation, (n,).
        rate: simulated, spikes/s, (n,).
        line: X and rate of the formula, (m,) each.
        weakest: the input above which the neuron fires.

    Returns:
        The figure.
    """
    fig, ax = figure(6.5, 3.0)
    ax.plot(*line, color=ORANGE, label="formula")
    ax.plot(current, rate, "o", color=BLUE, markersize=4, label="simulation")
    ax.axvline(weakest, color=GREY, linestyle=":", label="threshold / tau")
    ax.set(xlabel="input X in a step of 1 ms", ylabel="rate (spikes/s)")
    legend(ax)
    return fig


@something_to_draw()
def two_spikes(examples: NamedArrays, peaks: NamedArrays) -> Figure:
    """Draw two input spikes: membranes over time, and the peak over the gap between the spikes.

    Args:
        examples: by label, the membrane potential H, (T,); a step is 1 ms.
        peaks: by label, the highest H for gaps of 1, 2, ... ms.

    Returns:
        The figure.
    """
    fig, (left, right) = figure(8, 2.9, 1, 2)
    for label, h, color, line in with_looks(examples, LOOKS):
        left.plot(h, line, color=color, label=label)
    for label, peak, color, line in with_looks(peaks, LOOKS):
        gaps = np.arange(1, len(np.asarray(peak)) + 1)
        right.plot(gaps, peak, line, marker=".", color=color, label=label)
    left.set(xlabel="time (ms)", ylabel="membrane potential H", ylim=(-0.05, 1.45))
    right.set(xlabel="gap between the spikes (ms)", ylabel="highest H", ylim=(0.5, 1.45))
    right.set_xticks(range(0, len(gaps) + 1, 5))
    for ax in (left, right):
        ax.axhline(1, **LIMIT, label="threshold")
        legend(ax, loc="upper right", ncols=1)
    return fig


@something_to_draw()
def population(spikes: ArrayLike, rate: ArrayLike, bin_ms: int) -> Figure:
    """Draw a raster above the population rate.

    Args:
        spikes: 0 or 1, (T, N); a step is 1 ms.
        rate: spikes of a neuron in a second, in each bin.
        bin_ms: length of a bin, ms.

    Returns:
        The figure.
    """
    fig, (top, bottom) = figure(7, 3.8, 2, 1, sharex=True, height_ratios=[2, 1])
    when, who = np.nonzero(np.asarray(spikes))
    raster(top, when, who)
    top.label_outer()
    rate = np.asarray(rate)
    edges = np.arange(rate.size + 1) * bin_ms
    bottom.stairs(rate, edges, color=BLUE, fill=True, alpha=0.6)
    bottom.set(xlabel="time (ms)", ylabel="spikes/s", xlim=(0, len(np.asarray(spikes))))
    return fig


@something_to_draw()
def surrogate(h: ArrayLike, soft: NamedArrays, slopes: NamedArrays) -> Figure:
    """Draw the hard step with its soft stand-ins, and the slopes of these.

    Args:
        h: membrane potential, (n,).
        soft: by label, a soft step, (n,).
        slopes: by the same labels, the slopes, (n,).

    Returns:
        The figure.
    """
    fig, axes = figure(8, 2.8, 1, 2)
    h = np.asarray(h)
    axes[0].plot(h, h >= 1, color=BLACK, label="forward: hard step")
    for ax, curves in zip(axes, (soft, slopes), strict=True):
        for label, values, color, line in with_looks(curves, SOFT):
            ax.plot(h, values, line, color=color, label=label if ax is axes[1] else None)
        ax.set(xlabel="membrane potential H")
        legend(ax)
    axes[0].set(ylabel="S and soft steps")
    axes[1].set(ylabel="slope in the backward pass")
    return fig


def unrolled_graph() -> Figure:
    """Draw two steps of a neuron as a graph, with the gradient on its way back."""
    fig, ax = diagrams.canvas(8.4, 3.6)

    def column(x: float, step: str) -> tuple[diagrams.Node, ...]:
        current = diagrams.neuron(ax, x, 0.5, f"$X[{step}]$", radius=0.32, color=GREY)
        h = diagrams.neuron(ax, x, 1.6, f"$H[{step}]$", radius=0.32)
        spike = diagrams.neuron(ax, x, 2.9, f"$S[{step}]$", radius=0.32, color=BLACK)
        v = diagrams.neuron(ax, x + 1.5, 1.6, f"$V[{step}]$", radius=0.32)
        diagrams.arrow(ax, current, h, bend=-0.15)
        diagrams.arrow(ax, h, spike, bend=0.15)
        diagrams.arrow(ax, h, v, bend=-0.15)
        diagrams.arrow(ax, spike, v, "reset", side="right", color=GREY, linestyle=":")
        # The way back is on the left: the reset leaves no room for its label on the right
        _back(ax, spike, h, "", side="right", bend=0.15)
        diagrams.note(ax, x - 0.17, 2.25, "surrogate\nslope", ha="right")
        _back(ax, h, current, "1", side="right")
        _back(ax, v, h, r"$1 - S$", side="below")
        return current, h, spike, v

    start = diagrams.neuron(ax, 0.5, 1.6, "$V[t-1]$", radius=0.36)
    _, h, _, v = column(2.0, "t")
    _, h_next, spike_next, _ = column(5.0, "t+1")
    for before, after in ((start, h), (v, h_next)):
        diagrams.arrow(ax, before, after, r"$\times\,\beta$", bend=-0.15)
        _back(ax, after, before, r"$\beta$", side="below")
    loss = diagrams.box(ax, 7.7, 2.9, "loss")
    diagrams.arrow(ax, spike_next, loss, bend=-0.1)
    _back(ax, loss, spike_next, "", side="below")
    diagrams.arrow(ax, (0.3, 3.3), (0.8, 3.3))
    diagrams.note(ax, 0.9, 3.3, "forward", ha="left")
    _back(ax, (0.8, 3.0), (0.3, 3.0), "", side="below", bend=0)
    diagrams.note(ax, 0.9, 3.0, "gradient", ha="left")
    return fig


def _back(ax: Axes, start: Any, end: Any, label: str, *, side: str, bend: float = -0.15) -> None:
    """Draw an arrow of the backward pass."""
    diagrams.arrow(ax, start, end, label, side=side, bend=bend, color=RED, linestyle="--")


@something_to_draw()
def gradient_through_time(
    spikes: ArrayLike, before: ArrayLike, after: ArrayLike, gradient: ArrayLike
) -> Figure:
    """Draw a membrane above the gradient of its last spike with respect to each input.

    Args:
        spikes: 0 or 1, (T,); a step is 1 ms.
        before: H, (T,).
        after: V, (T,).
        gradient: (T,).

    Returns:
        The figure.
    """
    fig, (top, bottom) = figure(7, 3.6, 2, 1, sharex=True)
    steps = np.arange(len(np.asarray(gradient)))
    trace(top, steps, before, after, spikes)
    top.label_outer()
    bottom.bar(steps, np.asarray(gradient), color=RED)
    bottom.set(xlabel="time (ms)", ylabel=f"gradient of S[{steps[-1]}]\nto X[t]")
    return fig


@something_to_draw()
def output_spikes(counts: NamedArrays) -> Figure:
    """Draw the output spikes for two films during training, one panel for each kind of neuron.

    Args:
        counts: by title, spikes for the film forwards and backwards, (seeds, steps, 2).

    Returns:
        The figure.
    """
    fig, panels = titled_axes(9, 3.0, counts)
    labels = (("forwards (target 5)", BLUE, "-"), ("backwards (target 0)", ORANGE, "--"))
    for ax, values in panels:
        values = np.asarray(values)
        steps = np.arange(1, values.shape[1] + 1)
        for film, (label, color, style) in enumerate(labels):
            band(ax, steps, values[..., film], color=color, linestyle=style, label=label)
        ax.set(xlabel="training step", ylabel="output spikes")
        ax.label_outer()
    legend(fig.axes[0])
    return fig
