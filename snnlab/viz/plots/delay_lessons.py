"""Figures of notebook 04: what a delay does, how it is learned, and what it is worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab.viz.plots import diagrams
from snnlab.viz.plots.activity import count_raster
from snnlab.viz.plots.checks import NamedArrays, as_arrays, something_to_draw
from snnlab.viz.plots.results import bars_with_seeds, learning_curves, panels_of_bars
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIMIT,
    ORANGE,
    RED,
    SKY,
    figure,
    figure_legend,
    legend,
    spread_out,
    titled_axes,
    variant_style,
    with_looks,
)


@something_to_draw()
def two_ears(trials: Mapping[int, ArrayLike], step_ms: float) -> Figure:
    """Draw the spikes of both ears, a panel for each lag; an arrow joins a spike and its echo.

    Args:
        trials: by lag in steps, spikes `(T, 2 N)` of a trial, left ear first.
        step_ms: length of a time step, ms.
    """
    by_title = {f"lag {lag * step_ms:.1f} ms": (lag, trial) for lag, trial in trials.items()}
    fig, panels = titled_axes(9, 3.4, by_title)
    for ax, (lag, trial) in panels:
        spikes = as_array("trials", trial, dims=2)
        n = spikes.shape[1] // 2
        for ear, color, label in ((0, BLACK, "left ear"), (1, RED, "right ear")):
            when, fibre = spikes[:, n * ear : n * (ear + 1)].nonzero()
            marks = dict(marker="|", markersize=11, markeredgewidth=2.2, linestyle="")
            ax.plot(when * step_ms, fibre + 0.2 - 0.4 * ear, color=color, label=label, **marks)
        when, fibre = spikes[:, :n].nonzero()
        heard = (when + lag < len(spikes)) & (lag > 0)
        for t, f in zip(when[heard] * step_ms, fibre[heard], strict=True):
            ends = (t, f + 0.2), (t + lag * step_ms, f - 0.2)
            ax.annotate("", ends[1], ends[0], arrowprops=dict(arrowstyle="->", color=GREY, lw=0.8))
        ax.set(xlabel="time (ms)", ylabel="nerve fibre", ylim=(-0.7, n - 0.3), yticks=range(n))
        ax.label_outer()
    figure_legend(fig, "upper center", ncols=2)
    return fig


@something_to_draw()
def delay_lines(delays_ms: Sequence[float], lag_ms: float) -> Figure:
    """Draw Jeffress's idea: the left ear reaches each neuron after a delay of its own.

    Args:
        delays_ms: from the left ear to each neuron, ms.
        lag_ms: of the sound; the neuron with this delay fires.
    """
    fig, ax = diagrams.canvas(9, 3.1)
    left = diagrams.box(ax, 0.75, 2.45, "left ear", "hears first", color=BLACK)
    right = diagrams.box(ax, 0.75, 0.6, "right ear", f"{lag_ms:.1f} ms later", color=RED)
    places = np.linspace(2.4, 8.0, len(delays_ms))
    ax.plot([left.right[0], places[-1]], [2.45] * 2, color=BLACK, linewidth=1.4, zorder=1)
    ax.plot([right.right[0], places[-1]], [0.6] * 2, color=RED, linewidth=1.4, zorder=1)
    for x, delay in zip(places, delays_ms, strict=True):
        fires = np.isclose(delay, lag_ms)
        color = GREEN if fires else GREY
        cell = diagrams.neuron(ax, x, 1.3, "fires" if fires else "", radius=0.26, color=color)
        synapse = diagrams.box(ax, x, 2.0, f"{delay:.1f} ms", color=color, height=0.3)
        ax.plot([x, x], [2.45, synapse.top[1]], color=BLACK, linewidth=1.4, zorder=1)
        diagrams.arrow(ax, synapse, cell)
        diagrams.arrow(ax, (float(x), 0.6), cell, color=RED)
    diagrams.note(ax, 5.2, 2.85, "delay of the left ear's spikes, one for each neuron")
    diagrams.note(ax, 5.2, 0.3, "no delay: the right ear's spikes reach all neurons at once")
    return fig


@something_to_draw(untrained="rates")
def tuning(rates: NamedArrays, lags_ms: Sequence[float]) -> Figure:
    """Draw how far each neuron's spike count departs from its median over all lags.

    Args:
        rates: by variant, mean spikes a trial `(neurons, lags)`, each row as it is to be shown.
        lags_ms: of the columns, ms.
    """
    tables = as_arrays(rates, dims=2)
    departures = {n: t - np.median(t, axis=1, keepdims=True) for n, t in tables.items()}
    limit = max(float(np.abs(table).max()) for table in departures.values()) or 1.0
    step = lags_ms[1] - lags_ms[0]
    fig, panels = titled_axes(9, 3.0, departures)
    for ax, table in panels:
        ends = lags_ms[0] - step / 2, lags_ms[-1] + step / 2, -0.5, len(table) - 0.5
        colors = dict(cmap="PiYG", vmin=-limit, vmax=limit, aspect="auto", origin="lower")
        drawn = ax.imshow(table, extent=ends, **colors)
        ax.set(xlabel="lag (ms)", ylabel="hidden neuron")
        ax.label_outer()
    fig.colorbar(drawn, ax=fig.axes, label="spikes a trial,\nabove its median")
    return fig


@something_to_draw()
def loss_over_delay(
    delays: ArrayLike, losses: Mapping[float, ArrayLike], slopes: Mapping[float, ArrayLike],
    right_delay: float,
) -> Figure:  # fmt: skip
    """Draw the loss of a synapse, and its slope, over the delay for several widths.

    Args:
        delays: steps, `(n,)`.
        losses: by sigma, `(n,)`.
        slopes: by sigma, `(n,)`; each is divided by its largest magnitude.
        right_delay: steps.
    """
    fig, (above, below) = figure(9, 3.0, 1, 2)
    looks = [(ORANGE, ":"), (GREEN, "--"), (BLUE, "-")]
    for sigma, values, color, line in with_looks(losses, looks):
        look = dict(linestyle=line, color=color, label=rf"$\sigma$ = {sigma:g} steps")
        above.plot(delays, values, **look)
        slope = as_array("slopes", slopes[sigma], dims=1)
        below.plot(delays, slope / np.abs(slope).max(), **look)
    for ax in (above, below):
        ax.axvline(right_delay, color=GREY, linewidth=0.8)
    below.axhline(0, color=GREY, linewidth=0.8)
    above.set(xlabel="delay (steps)", ylabel="loss", ylim=(0, None))
    below.set(xlabel="delay (steps)", ylabel="slope (share of its largest)")
    figure_legend(fig, "upper center", ncols=3)
    return fig


@something_to_draw()
def narrowing(
    kernels: ArrayLike, epochs: Sequence[int], delays: ArrayLike, sigmas: ArrayLike,
    right_delay: float,
) -> Figure:  # fmt: skip
    """Draw the kernel of one synapse at some epochs, and its delay and sigma over all of them.

    Args:
        kernels: `(E, L)`.
        epochs: when each of the kernels was taken, `(E,)`.
        delays: steps, before each epoch, `(n,)`.
        sigmas: steps, `(n,)`.
        right_delay: steps.
    """
    taps = as_array("kernels", kernels, dims=2)
    widths = [1.0] * len(taps) + [1.9]
    fig, axes = figure(9.5, 2.7, 1, len(widths), width_ratios=widths)
    for ax, row, epoch in zip(axes, taps, epochs, strict=False):
        ax.bar(range(len(row)), row, width=0.8, color=SKY)
        ax.axvline(right_delay, **LIMIT)
        ax.set(xlabel="delay (steps)", ylabel="weight", ylim=(0, 1), xlim=(-1, len(row)))
        ax.set_title(f"epoch {epoch}", fontsize=10)
        ax.label_outer()
        if ax is not axes[0]:
            ax.set_yticklabels([])
    path = axes[-1]
    path.plot(delays, color=BLUE, label="delay")
    path.plot(sigmas, ":", color=BLACK, label=r"$\sigma$")
    path.axhline(right_delay, **LIMIT, label="right delay")
    path.set(xlabel="epoch", ylabel="steps", ylim=(0, 1.45 * right_delay))
    legend(path, loc="upper center", ncols=3, fontsize=8, columnspacing=1, handlelength=1.6)
    return fig


def network(n_in: int, hidden: int, classes: int, max_delay: int) -> Figure:
    """Draw a network with one hidden layer of delays, and the shapes between its parts."""
    fig, ax = diagrams.canvas(9.5, 2.5)
    parts = [
        ("delays", f"{n_in} to {hidden}\nweight $w_{{ij}}$, delay $d_{{ij}}$"),
        ("batch norm", "over time\nand samples"),
        ("LIF", f"{hidden} neurons\nthat fire"),
        ("delays", f"{hidden} to {classes}\nweight, delay"),
        ("membranes", f"{classes}, leaky,\nnever fire"),
        ("sum", "softmax,\nover time"),
    ]
    colors = [BLUE, GREY, GREEN, BLUE, GREEN, GREY]
    nodes = diagrams.stage_row(ax, parts, arrows=[""] * 5, colors=colors, y=1.35, left=0.2)
    longer = f"T + {max_delay}"
    shapes = {
        0: f"spikes in\n(T, B, {n_in})",
        2: f"spikes\n({longer}, B, {hidden})",
        4: f"potentials\n({longer}, B, {classes})",
        5: f"scores\n(B, {classes})",
    }
    for index, text in shapes.items():
        node = nodes[index]
        start, end = ((node.x, 2.05), node) if index == 0 else (node, (node.x, 0.6))
        diagrams.arrow(ax, start, end)
        diagrams.note(ax, node.x, 2.25 if index == 0 else 0.38, text)
    return fig


@something_to_draw("times_ms", "channels")
def word_formats(
    times_ms: ArrayLike, channels: ArrayLike, counts: ArrayLike, features: ArrayLike
) -> Figure:
    """Draw one word in the three forms of the published sets of speech.

    Args:
        times_ms: of the events of a file, ms, `(E,)`.
        channels: of the events, 0 to 699, `(E,)`.
        counts: the same events in steps of 10 ms and groups of 5 channels, `(T, 140)`.
        features: log-mel energies in dB in steps of 10 ms, `(T, 140)`.
    """
    fig, (events, steps, mel) = figure(9.5, 3.2, 1, 3)
    events.plot(times_ms, channels, ".", color=BLACK, markersize=0.8)
    events.set(xlabel="time (ms)", ylabel="channel, high to low", ylim=(709, -10))
    drawn = count_raster(steps, counts, 10.0)
    fig.colorbar(drawn, ax=steps, label="spikes")
    steps.set(ylabel="group of 5 channels", ylim=(139.5, -0.5))
    drawn = count_raster(mel, features, 10.0)
    fig.colorbar(drawn, ax=mel, label="energy (dB)")
    mel.set(ylabel="mel channel, low to high")
    titles = "SHD, SSC: a file's events", "as the network gets them", "GSC: log-mel features"
    for ax, title in zip((events, steps, mel), titles, strict=True):
        ax.set_title(title, fontsize=10)
    return fig


@something_to_draw()
def recordings(counts: NamedArrays, dt_ms: float) -> Figure:
    """Draw recordings side by side as counts `(T, N)` by word, low channels at the bottom."""
    fig, panels = titled_axes(9, 2.7, counts)
    for ax, table in panels:
        count_raster(ax, table, dt_ms)
        ax.set(ylabel="channel, low to high")
        ax.label_outer()
    return fig


@something_to_draw()
def accuracies(curves: NamedArrays, test: NamedArrays, chance: float) -> Figure:
    """Draw validation accuracy over the epochs beside a bar of test accuracy for each variant."""
    fig, (left, right) = figure(9, 3.2, 1, 2)
    learning_curves(left, curves, ylabel="validation accuracy (%)")
    bars_with_seeds(right, test, ylabel="test accuracy (%)", chance=chance)
    right.set_ylim(0, 100)
    return fig


@something_to_draw(untrained="test")
def with_ceiling(test: NamedArrays, ceiling: float, chance: float) -> Figure:
    """Draw a bar for each variant, and the best accuracy without memory and delays as a line."""
    fig, ax = figure(6, 3.0)
    bars_with_seeds(ax, test, ylabel="test accuracy (%)", chance=chance)
    ax.axhline(100 * ceiling, **LIMIT)
    ax.set_ylim(0, 105)
    beside = dict(transform=ax.get_yaxis_transform(), fontsize=8, va="center", color=RED)
    ax.text(1.01, 100 * ceiling, "ceiling without\nmemory and delays", **beside)
    return fig


@something_to_draw()
def habits(test: Mapping[str, NamedArrays]) -> Figure:
    """Draw how many points other choices of the epoch differ from the choice on validation.

    Args:
        test: by variant and habit, test accuracies 0..1, a value a seed; the first habit is the
            one that the others are compared with.
    """
    fig, ax = figure(7, 2.8)
    names = list(next(iter(test.values())))
    offsets = 0.6 * ((np.arange(len(test)) + 0.5) / len(test) - 0.5)
    for offset, (variant, by_habit) in zip(offsets, test.items(), strict=True):
        style = variant_style(variant) | {"linestyle": ""}
        reference = as_array(variant, by_habit[names[0]])
        for place, habit in enumerate(names[1:]):
            points = 100 * (as_array(habit, by_habit[habit]) - reference)
            x = spread_out(place + offset, points.size, 0.05)
            ax.plot(x, points, label=variant, markersize=6, **style)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xticks(range(len(names) - 1), names[1:])
    ax.set(ylabel=f"points above\n{names[0]}", xlim=(-0.6, len(names) - 1.4))
    figure_legend(fig, "right upper")
    return fig


@something_to_draw(untrained="groups")
def side_by_side(groups: Mapping[str, NamedArrays], chance: float) -> Figure:
    """Draw bars of test accuracies in a panel for each group."""
    return panels_of_bars(9.5, 3.2, groups, chance)
