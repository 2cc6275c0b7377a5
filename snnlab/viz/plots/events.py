"""Figures of notebook 03: events, neurons with and without spikes, and pipe-D.

ON is blue and OFF is orange; weights of both signs are green and pink.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from snnlab.viz.plots import diagrams
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.results import band
from snnlab.viz.plots.style import (
    BESIDE,
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    empty_figure,
    figure,
    legend,
    tidy,
    variant_style,
    whole_ticks,
    with_looks,
)

ON_OFF = ListedColormap([ORANGE, "white", BLUE])  # OFF, no event, ON
EDGES = LinearSegmentedColormap.from_list("edges", [ORANGE, "white", BLUE])  # ON minus OFF
# Color map, and the values of its two ends
Scale = tuple[Any, float, float]
BRIGHTNESS: Scale = ("Greys_r", 0, 1)
GREY_LEVELS: Scale = ("Greys_r", 0, 255)
EVENTS: Scale = (ON_OFF, -1, 1)
EDGE_INTEGRAL: Scale = (EDGES, -0.5, 0.5)
WEIGHTS = LinearSegmentedColormap.from_list("weights", [PINK, "white", GREEN])
SHOWN = 100  # neurons of a layer
# Color and marker of what an ANN, LIAF and LIF give out
NEURONS = {"ANN": (GREY, "s"), "LIAF": (RED, "^"), "LIF": (BLACK, "o")}


@something_to_draw()
def signed(events: ArrayLike) -> NDArray[np.float64]:
    """Return 1 for ON, -1 for OFF and 0 for none or both: `(..., 2, H, W)` to `(..., H, W)`."""
    on, off = np.moveaxis(np.asarray(events, dtype=float), -3, 0)
    return np.sign(on - off)


@something_to_draw()
def odg_steps(
    picture: ArrayLike, events: ArrayLike, edges: ArrayLike, shifts: Sequence[tuple[int, int]]
) -> Figure:
    """Draw a picture, its events after each of eight shifts, and their edge integral.

    Args:
        picture: brightness, 0 to 1, `(H, W)`.
        events: `(8, 2, H', W')`.
        edges: edge integral `(H, W)`.
        shifts: rows and columns of each shift, for the titles.
    """
    fig, axes = figure(9, 2.5, 2, 5)
    images: list[tuple[str, ArrayLike, Scale]] = [("picture", picture, BRIGHTNESS)]
    images += [
        (f"t = {t}: ({rows}, {columns})", step, EVENTS)
        for t, (step, (rows, columns)) in enumerate(zip(signed(events), shifts, strict=True), 1)
    ]
    images.append(("edge integral", edges, EDGE_INTEGRAL))
    for ax, (title, pixels, scale) in zip(axes.flat, images, strict=True):
        small_image(ax, pixels, *scale)
        ax.set_title(title, fontsize=9)
    return fig


@something_to_draw()
def film(frames: ArrayLike, events: ArrayLike, at: Sequence[int]) -> Figure:
    """Draw frames of a film with their events, and the share of places with an event over time.

    Args:
        frames: grey levels `(n, H, W)`, 0 to 255.
        events: `(n - 1, 2, H, W)`.
        at: the frames to draw.
    """
    frames, events = np.asarray(frames), np.asarray(events)
    there = events.max(1) > 0
    fig = empty_figure(9, 4.4)
    grid = fig.add_gridspec(3, len(at), height_ratios=(1, 1, 0.9))
    for column, t in enumerate(at):
        above, below = (fig.add_subplot(grid[row, column]) for row in (0, 1))
        small_image(above, frames[t], *GREY_LEVELS)
        small_image(below, signed(events[t]), *EVENTS)
        above.set_title(f"frame {t}", fontsize=9)
    ax = tidy(fig.add_subplot(grid[2, :]))
    quarter = there[:, -(there.shape[1] // 4) :]
    steps = np.arange(len(there))
    ax.plot(steps, 100 * there.mean((1, 2)), "o-", color=BLACK, markersize=4, label="whole picture")
    share = 100 * quarter.mean((1, 2))
    ax.plot(steps, share, "s--", color=GREEN, markersize=4, label="bottom quarter: meadow")
    for t in at:
        ax.axvline(t, color=GREY, linestyle=":", linewidth=1, zorder=0)
    ax.set(xlabel="frame", ylabel="places with\nan event (%)", ylim=(0, None))
    legend(ax)
    return fig


@something_to_draw()
def rows_of_images(rows: Mapping[str, tuple[ArrayLike, Any, float, float]]) -> Figure:
    """Draw a row of small images for each entry, with its name on the left.

    Args:
        rows: by name, images `(n, H, W)` or `(n, H, W, 3)`, a color map, and the values of its
            two ends.
    """
    n = len(np.asarray(next(iter(rows.values()))[0]))
    fig, axes = figure(8, 0.85 * len(rows), len(rows), n, squeeze=False)
    for line, (name, (images, *scale)) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
        for ax, pixels in zip(line, np.asarray(images), strict=True):
            small_image(ax, pixels, *scale)
    return fig


@something_to_draw()
def neurons_side_by_side(
    current: ArrayLike, membrane: ArrayLike, outputs: NamedArrays, threshold: float
) -> Figure:
    """Draw an input, the membrane that LIAF and LIF share, and the output of each neuron.

    Args:
        current: X[t], `(T,)`.
        membrane: H[t], `(T,)`.
        outputs: by a name that begins with ANN, LIAF or LIF, `(T,)`.
        threshold: of the membrane.
    """
    steps = np.arange(1, len(np.asarray(current)) + 1)
    rows = {"input $X$": current, "membrane $H$": membrane, **outputs}
    fig, axes = figure(7.5, 0.85 * len(rows), len(rows), 1, sharex=True)
    for ax, (name, values) in zip(axes, rows.items(), strict=True):
        color, marker = NEURONS.get(name.split(":")[0], (GREEN, "D"))
        ax.vlines(steps, 0, np.asarray(values), color=color, linewidth=2)
        ax.plot(steps, np.asarray(values), marker, color=color, markersize=5)
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.set_ylabel(name.replace(": ", "\n"), rotation=0, ha="right", va="center")
        ax.set(ylim=(min(-0.1, 1.3 * float(np.min(values))), 1.15), yticks=(0, 0.5, 1))
    axes[1].axhline(threshold, color=GREY, linestyle="--", linewidth=1)
    axes[1].text(steps[-1] + 0.5, threshold, r" $\vartheta$", va="center", fontsize=9)
    axes[-1].set(xlabel="time step t", xticks=steps)
    return fig


@something_to_draw()
def first_filters(grey: ArrayLike, on_off: ArrayLike) -> Figure:
    """Draw the filters of a first convolution for grey images, and those for ON and OFF.

    Args:
        grey: `(n, 1, k, k)`.
        on_off: `(n, 2, k, k)`.
    """
    one, two = np.asarray(grey)[:, 0], np.asarray(on_off)
    top = float(np.abs(one).max())
    rows = {"grey": one, "ON": two[:, 0], "OFF": two[:, 1]}
    fig = rows_of_images({name: (w, WEIGHTS, -top, top) for name, w in rows.items()})
    image = fig.axes[0].images[0]
    fig.colorbar(image, ax=fig.axes, label="weight", shrink=0.8)
    return fig


def pipe_d_stages(ann: str, liaf: str, lif: str) -> Figure:
    """Draw pipe-D as a row of three stages.

    Args:
        ann: the second lines of the first stage.
        liaf: those of the second stage.
        lif: those of the third stage.
    """
    fig, ax = diagrams.canvas(9, 1.75)
    stages = [("ANN", ann), ("LIAF", liaf), ("LIF", lif)]
    arrows = ["weights, first layer\nfor ON and OFF", "weights"]
    colors = [NEURONS[name][0] for name, _ in stages]
    boxes = diagrams.stage_row(ax, stages, arrows=arrows, y=1.15, colors=colors, left=0.3)
    diagrams.brace(ax, boxes[0], boxes[0], 0.55, "many labelled images")
    diagrams.brace(ax, boxes[1], boxes[2], 0.55, "few labelled recordings")
    return fig


@something_to_draw()
def layer_spikes(events: ArrayLike, spikes: NamedArrays) -> Figure:
    """Draw one recording and the spikes that each layer answers with.

    At most `SHOWN` neurons of a layer are drawn, at equal distances: of more, the marks would
    overlap, and the layer would look busier than it is.

    Args:
        events: `(T, 2, H, W)`.
        spikes: by the name of a layer, 0 or 1, `(T, N)`.
    """
    images = signed(events)
    steps = len(images)
    fig = empty_figure(8, 1.3 + 1.25 * len(spikes))
    grid = fig.add_gridspec(
        1 + len(spikes), steps, height_ratios=(1, *[1.35] * len(spikes)), hspace=0.06
    )
    for t, pixels in enumerate(images):
        ax = fig.add_subplot(grid[0, t])
        small_image(ax, pixels, *EVENTS)
        if t == 0:
            ax.set_ylabel("events", fontsize=9)
    for row, (name, fired) in enumerate(spikes.items(), 1):
        ax = tidy(fig.add_subplot(grid[row, :]))
        fired = np.asarray(fired)
        neurons = np.unique(np.linspace(0, fired.shape[1] - 1, SHOWN).round().astype(int))
        step, line = np.nonzero(fired[:, neurons])
        ax.hlines(line, step + 0.55, step + 1.45, color=BLACK, linewidth=0.8)
        limits = -0.5, len(neurons) - 0.5
        ax.vlines(np.arange(1.5, steps), *limits, color=GREY, linewidth=0.6)
        ax.set(xlim=(0.5, steps + 0.5), ylim=limits, yticks=[])
        ax.set_ylabel(f"{name}:\n{len(neurons)} of\n{fired.shape[1]:,} neurons", fontsize=9)
        last = row == len(spikes)
        ax.set_xticks(np.arange(1, steps + 1), labels=None if last else [""] * steps)
    ax.set_xlabel("time step t")
    return fig


@something_to_draw()
def accuracy_by_stage(
    stages: Sequence[tuple[str, Sequence[float]]], starts: Sequence[float | None]
) -> Figure:
    """Draw validation accuracy through the stages of a training.

    Args:
        stages: name, and accuracy 0..1 after each epoch.
        starts: accuracy before the first epoch of each stage; None if it was not measured.
    """
    fig, ax = figure(7.5, 3)
    ends = [0, *accumulate(len(reached) for _, reached in stages)]
    for (name, reached), start, first, end in zip(stages, starts, ends[:-1], ends[1:], strict=True):
        on_events = start is not None
        color, marker = NEURONS["ANN" if not on_events else "LIF" if name == "LIF" else "LIAF"]
        epochs = np.arange(first + 1, end + 1)
        ax.plot(epochs, 100 * np.asarray(reached), f"{marker}-", color=color, markersize=5)
        if start is not None:
            ax.axvline(first + 0.5, color=GREY, linestyle=":", linewidth=1)
            ax.plot(first + 0.5, 100 * start, "x", color=color, markersize=8, markeredgewidth=2)
        ax.text((first + end + 1) / 2, 104, name, ha="center", fontsize=9)
    ax.set(xlabel="epoch", ylabel="validation accuracy (%)", ylim=(0, 102), xlim=(0.3, None))
    whole_ticks(ax)
    return fig


@something_to_draw()
def accuracy_over_cost(
    lengths: Sequence[tuple[float, Sequence[float]]],
    recipes: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """Draw test accuracy over training time: one recipe in several lengths, and others.

    Args:
        lengths: of training from scratch, the mean CPU seconds and the accuracy 0..1 of each seed.
        recipes: by name, CPU seconds and accuracies of each seed.
    """
    fig, ax = figure(8, 3.3)
    times = [seconds for seconds, _ in lengths]
    values = 100 * np.array([list(seeds) for _, seeds in lengths]).T
    band(ax, times, values, label="scratch (band: seeds)", **variant_style("scratch"))
    looks = [(RED, "v"), (BLACK, "o"), (GREEN, "^"), (PINK, "x")]
    for name, (seconds, reached), color, marker in with_looks(recipes, looks):
        ax.plot(seconds, 100 * np.asarray(reached), marker, color=color, label=name)
    label = "CPU time of training, pretraining included (s)"
    ax.set(xlabel=label, ylabel="test accuracy (%)", xlim=(0, None))
    legend(ax, **BESIDE)
    return fig


@something_to_draw(untrained="rows")
def accuracy_table(
    accuracies: ArrayLike, rows: Sequence[str], columns: Sequence[str], xlabel: str, ylabel: str
) -> Figure:
    """Draw accuracies 0..1 `(rows, columns)` as a heat map with numbers."""
    values = 100 * np.asarray(accuracies)
    fig, ax = figure(5.5, 2.9)
    image = ax.imshow(values, cmap="viridis", aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        color = "white" if image.norm(value) < 0.5 else "black"  # all equal ones are dark
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", color=color)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    fig.colorbar(image, ax=ax, label="test accuracy (%)")
    return fig


@something_to_draw()
def small_image(ax: Axes, pixels: ArrayLike, cmap: Any, low: float, high: float) -> AxesImage:
    """Draw an image in a frame without ticks; `low` and `high` are the ends of the color map."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    return ax.imshow(np.asarray(pixels), cmap=cmap, vmin=low, vmax=high)
