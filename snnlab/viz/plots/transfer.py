"""Plots of pretraining and transfer: the stages of pipe-S, activations, accuracies, the race."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array
from snnlab._utils.escape import plot_text
from snnlab._utils.words import counted
from snnlab.viz.plots import diagrams
from snnlab.viz.plots.activity import image
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.style import (
    BESIDE,
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    figure,
    figure_legend,
    legend,
    repeated,
    titled_axes,
    variant_style,
    whole_ticks,
    with_looks,
)

# Color, marker and line of each training stage's network, and of each recipe
ANN: dict[str, Any] = {"color": ORANGE, "marker": "s", "linestyle": "-"}
ONE_STEP: dict[str, Any] = {"color": BLACK, "marker": "^", "linestyle": ":"}
SPIKING = variant_style("pipe-S")
RAMPS = ((SKY, "-"), (GREEN, "--"), (ORANGE, "-."), (RED, ":"), (BLACK, "-"))
RECIPES = ((BLUE, "o"), (PINK, "^"), (GREEN, "D"), (SKY, "P"), (RED, "v"))
BELOW = "lower center"


@something_to_draw()
def pictures(pixels: ArrayLike, labels: Sequence[str]) -> Figure:
    """Draw pictures `(n, C, H, W)` in a row, each with its label."""
    values = as_array("pixels", pixels, dims=4)
    fig, axes = figure(8, 1.5, 1, len(values), squeeze=False)
    for ax, picture, label in zip(axes.flat, values, labels, strict=True):
        image(ax, picture)
        ax.set_title(plot_text(label), fontsize=10)
    return fig


@something_to_draw()
def step_costs(lengths: Sequence[int], milliseconds: ArrayLike, ann: float) -> Figure:
    """Draw the CPU time of an update over the number of time steps, and that of the ANN."""
    fig, ax = figure(5, 2.6)
    ax.plot(lengths, as_array("milliseconds", milliseconds), label="spiking network", **SPIKING)
    ax.plot([1], [ann], label="ANN", **ANN | {"linestyle": ""})
    ax.set(xlabel="time steps T", ylabel="CPU time of an update (ms)", xlim=(0, None))
    ax.set_ylim(0, None)
    legend(ax, loc="lower right")
    return fig


def stages(pretrain_epochs: int, epochs: int, steps: int) -> Figure:
    """Draw the stages of pipe-S with their epochs and time steps."""
    fig, ax = diagrams.canvas(9, 1.45)
    ann, copied, snn = diagrams.stage_row(
        ax,
        [
            ("1  Pretrain the ANN", f"sharpened ramp, T = 1\n{pretrain_epochs} epochs"),
            ("2  Copy", f"ramp → LIF, T = {steps}\nbatch norm measured anew"),
            ("3  Fine-tune the SNN", f"LIF, T = {steps}\n{counted(epochs, 'epoch')}"),
        ],
        arrows=["weights", "weights"],
        colors=[ORANGE, GREY, BLUE],
        y=1.0,
        left=0.3,
    )
    diagrams.brace(ax, ann, ann, 0.58, "cheap epochs: one time step")
    diagrams.brace(ax, snn, snn, 0.58, f"costly epochs: {steps} time steps")
    diagrams.note(ax, copied.x, 0.32, "no training, nearly free")
    return fig


@something_to_draw()
def activations(
    inputs: ArrayLike,
    ramps: NamedArrays,
    slope: ArrayLike,
    rates: NamedArrays,
) -> Figure:
    """Draw the ANN's ramps, the slope that replaces theirs, and firing rates beside them.

    Args:
        inputs: `(n,)`.
        ramps: by label, outputs of the ramp `(n,)`.
        slope: the slope of the backward pass, `(n,)`.
        rates: by label, spikes a step `(n,)`; the last one is drawn dashed, as the closest ramp.
    """
    fig, axes = figure(9, 3.3, 1, 3, sharex=True)
    x = as_array("inputs", inputs, dims=1)
    for label, values, color, line in with_looks(ramps, RAMPS):
        axes[0].plot(x, as_array(label, values), line, color=color, label=label)
    axes[1].plot(x, as_array("slope", slope), color=PINK, linewidth=2, label="all epochs")
    *curves, closest = rates.items()
    looks = [*repeated(((BLUE, "-"), (BLACK, ":"), (PINK, "-.")), len(curves)), (ORANGE, "--")]
    for (label, values), (color, line) in zip([*curves, closest], looks, strict=True):
        axes[2].plot(x, as_array(label, values), line, color=color, label=label)
    axes[0].set(title="ANN, forward", ylabel="output")
    axes[1].set(title="ANN, backward", ylabel="slope of the output")
    axes[2].set(title="spiking neuron", ylabel="spikes a step")
    for ax in axes:
        ax.set(xlabel="input", ylim=(-0.05, 1.08))
        legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.24), fontsize=8)
    return fig


@something_to_draw()
def twins(curves: Mapping[str, NamedArrays], steps: int) -> Figure:
    """Draw the accuracy of an ANN and of its spiking twins over the epochs, an axes a kind of ANN.

    Args:
        curves: by title, accuracies 0..1 of "ann", "one step" and "spiking", each `(epochs,)`.
        steps: time steps of the last of them.
    """
    fig, panels = titled_axes(9, 3.2, curves, size=12)
    labels = {
        "ann": ("ANN", ANN),
        "one step": ("spiking twin, T = 1", ONE_STEP),
        "spiking": (f"spiking twin, T = {steps}", SPIKING),
    }
    for ax, by_network in panels:
        for key, values in by_network.items():
            y = 100 * as_array(key, values, dims=1)
            label, style = labels[key]
            ax.plot(np.arange(1, len(y) + 1), y, markersize=4, label=label, **style)
        ax.set(xlabel="epoch of pretraining", ylim=(0, 100))
        whole_ticks(ax)
    fig.axes[0].set_ylabel("validation accuracy (%)")
    figure_legend(fig, BELOW, ncols=3)
    return fig


@something_to_draw("pretraining")
def race(
    curves: Mapping[str, Sequence[tuple[Any, Any]]],
    pretraining: Mapping[str, Sequence[tuple[Any, Any]]],
) -> Figure:
    """Draw accuracy over training time, with the pretraining counted (left) and not (right).

    Args:
        curves: by recipe and seed, seconds and accuracies 0..1 of its last network, on a clock that
            starts with the first stage.
        pretraining: the same of the ANN before it; recipes without one are left out.
    """
    fig, axes = figure(9, 3.8, 1, 2, sharey=True)
    markers, others = cycle("soD^vPX*hdp8<>"), iter(repeated(RECIPES, len(curves)))
    for recipe, seeds in curves.items():
        scratch = recipe.startswith("scratch")
        color, marker = (GREY, next(markers)) if scratch else next(others)
        before = pretraining.get(recipe, [])
        for seed, (times, accuracies) in enumerate(seeds):
            x, y = np.asarray(times, float), 100 * np.asarray(accuracies, float)
            skipped = before[seed][0][-1] if before else 0.0
            for ax, shift in zip(axes, (0.0, skipped), strict=True):
                ax.plot(x - shift, y, color=color, linewidth=1.5)
                name = plot_text(recipe)
                ax.plot(x[-1:] - shift, y[-1:], marker, color=color, markersize=6, label=name)
        for times, accuracies in before:
            axes[0].plot(times, 100 * np.asarray(accuracies, float), ":", color=color)
    axes[0].plot([], [], ":", color=BLACK, label="its pretraining")
    for ax, title in zip(axes, ("pretraining counted", "pretraining not counted"), strict=True):
        ax.set(xlabel="CPU time of training (s)", title=title, xlim=(0, None), ylim=(0, 100))
    axes[0].set_ylabel("validation accuracy (%)")
    axes[1].set_xlim(axes[0].get_xlim())
    figure_legend(fig, BELOW, ncols=5)
    return fig


@something_to_draw()
def stage_accuracies(values: Mapping[str, NamedArrays]) -> Figure:
    """Draw bars of the accuracy after each stage of each recipe, with a dot for each seed.

    Args:
        values: by recipe and stage, accuracies 0..1 of the seeds.
    """
    fig, ax = figure(8, 3.3)
    looks = ((ORANGE, None), (SKY, "//"), (GREEN, ".."), (BLUE, None))
    names = list(next(iter(values.values())))
    width = 0.8 / len(names)
    for place, by_stage in enumerate(values.values()):
        for index, (name, accuracies) in enumerate(by_stage.items()):
            y = 100 * as_array(name, accuracies, dims=1).astype(float)
            at = place + (index - (len(names) - 1) / 2) * width
            color, hatch = looks[index]
            ax.bar(at, y.mean(), width, color=color, hatch=hatch, edgecolor="white", label=name)
            ax.plot([at] * y.size, y, "o", color=BLACK, markersize=3)
    ax.set_xticks(range(len(values)), [plot_text(name) for name in values])
    ax.set(xlabel="what was pretrained", ylabel="validation accuracy (%)", ylim=(0, 100))
    figure_legend(fig, BELOW, ncols=len(names))
    return fig


@something_to_draw()
def equal_time(panels: Mapping[str, Mapping[str, tuple[Any, Any]]]) -> Figure:
    """Draw the accuracy of training from scratch in several lengths, and of pipe-S, over time.

    Args:
        panels: by title and recipe, seconds `(n,)` and accuracies 0..1 `(n, seeds)`.
    """
    fig, titled = titled_axes(9, 3.2, panels, size=12, sharex=True)
    for ax, recipes in titled:
        for name, (seconds, accuracies) in recipes.items():
            y = 100 * np.asarray(accuracies, float)
            look = variant_style(name)
            ax.plot(seconds, y.mean(1), markersize=7, label=plot_text(name), **look)
            ax.plot(seconds, y, "_", color=look["color"], markersize=9)
        ax.set(xlabel="CPU time of training (s)")
    longest = max(max(seconds) for recipes in panels.values() for seconds, _ in recipes.values())
    fig.axes[0].set(ylabel="test accuracy (%)", ylim=(0, 100), xlim=(0, 1.08 * longest))
    figure_legend(fig, BELOW, ncols=2)
    return fig


@something_to_draw()
def similarity(
    cosines: Mapping[str, Sequence[ArrayLike]], ckas: Mapping[str, Sequence[ArrayLike]]
) -> Figure:
    """Draw the similarity of networks to the ANN, layer by layer: weights left, outputs right.

    Args:
        cosines: by kind of network, of each network a value a layer.
        ckas: the same of the outputs.
    """
    fig, axes = figure(9, 3.7, 1, 2, sharey=True)
    looks = ((BLUE, "o-"), (GREY, "s:"), (ORANGE, "^--"), (BLACK, "x-."))
    for ax, measured in zip(axes, (cosines, ckas), strict=True):
        for name, networks, color, line in with_looks(measured, looks):
            for values in networks:
                y, label = as_array(name, values, dims=1), plot_text(name)
                ax.plot(np.arange(1, len(y) + 1), y, line, color=color, markersize=5, label=label)
        ax.set(xlabel="layer, from the input", ylim=(-0.35, 1.05))
        ax.axhline(0, color=GREY, linewidth=0.6)
        whole_ticks(ax)
    axes[0].set(ylabel="similarity to the ANN", title="weights: cosine")
    axes[1].set(title="outputs: CKA")
    figure_legend(fig, BELOW, ncols=2)
    return fig


@something_to_draw()
def layer_spikes(picture: ArrayLike, layers: NamedArrays, label: str) -> Figure:
    """Draw a picture, and the spikes that it causes in each layer.

    Args:
        picture: `(C, H, W)`.
        layers: by name, spikes `(T, N)`.
        label: title of the picture.
    """
    fig, axes = figure(9, 2.7, 1, 1 + len(layers), width_ratios=[1] + [1.6] * len(layers))
    image(axes[0], picture)
    axes[0].set_title(plot_text(label), fontsize=10)
    for ax, (name, spikes) in zip(axes[1:], layers.items(), strict=True):
        grid: NDArray[Any] = as_array(name, spikes, dims=2)
        times, neurons = np.nonzero(grid)
        ax.plot(times + 1, neurons, "s", color=BLACK, markersize=1.8)
        ax.set(xlabel="time step", xlim=(0.5, len(grid) + 0.5), ylim=(-1, grid.shape[1]))
        whole_ticks(ax)
        ax.set_title(plot_text(name), fontsize=10)
    axes[1].set_ylabel("neuron")
    return fig


@something_to_draw(untrained="marks")
def accuracy_and_time(marks: Mapping[str, tuple[Any, Any]]) -> Figure:
    """Draw test accuracy over training time, a mark a seed; recipes "soft: ..." are filled.

    Args:
        marks: by recipe, seconds and accuracies 0..1 of the seeds.
    """
    fig, ax = figure(8.5, 3.3)
    colors = (GREY, BLACK, BLUE, SKY, ORANGE, GREEN, PINK)
    looks = [*zip(colors, "so^pDPX", strict=True)]
    for name, (x, y), color, marker in with_looks(marks, looks):
        face = color if name.startswith("soft") else "white"
        ax.plot(
            x, 100 * np.asarray(y), marker, color=color, markerfacecolor=face, markersize=7,
            label=plot_text(name),
        )  # fmt: skip
    ax.set(xlabel="CPU time of training (s)", ylabel="test accuracy (%)", xlim=(0, None))
    legend(ax, **BESIDE)
    return fig


@something_to_draw()
def energies(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the energy of an inference as bars, stacked by kind of operation.

    Args:
        parts: by network and kind of operation, nJ.
    """
    fig, ax = figure(8, 2.8)
    looks = ((ORANGE, None), (BLUE, "//"), (PINK, ".."))
    names = list(parts)
    left = np.zeros(len(names))
    kinds = list(dict.fromkeys(kind for by_kind in parts.values() for kind in by_kind))
    for kind, (color, hatch) in zip(kinds, looks[: len(kinds)], strict=True):
        values = np.array([parts[name].get(kind, 0.0) for name in names])
        ax.barh(names, values, 0.6, left, color=color, hatch=hatch, edgecolor="white", label=kind)
        left += values
    for place, total in enumerate(left):
        ax.text(total, place, f" {total:.0f}", va="center", fontsize=9)
    ax.set(xlabel="energy of a picture (nJ)", xlim=(0, 1.1 * left.max()))
    ax.invert_yaxis()
    figure_legend(fig, BELOW, ncols=3)
    return fig
