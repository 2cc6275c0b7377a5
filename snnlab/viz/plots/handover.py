"""Plots of notebook 06: what a ReLU network hands over to a spiking one, and what becomes of it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array, flat_arrays
from snnlab.viz.plots import diagrams
from snnlab.viz.plots.checks import NamedArrays, something_to_draw
from snnlab.viz.plots.results import band
from snnlab.viz.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    figure,
    legend,
    variant_style,
)


def stages(pretrain_epochs: int, epochs: int) -> Figure:
    """Draw the two stages of the recipe and what is handed over.

    Args:
        pretrain_epochs: of the ReLU network.
        epochs: of fine-tuning.

    Returns:
        The figure.
    """
    fig, ax = diagrams.canvas(7.0, 1.5)
    row = [
        ("ReLU network", f"ramps, sigma shrinks\n{pretrain_epochs} epochs"),
        ("spiking network", f"LIF, delays rounded\n{epochs} epochs"),
    ]
    nodes = diagrams.stage_row(
        ax, row, arrows=["weights, delays,\nbatch norm"], y=0.95, colors=[GREY, BLUE], left=0.6
    )  # fmt: skip
    diagrams.brace(ax, nodes[0], nodes[0], 0.5, "pretraining")
    diagrams.brace(ax, nodes[1], nodes[1], 0.5, "fine-tuning")
    return fig


def one_layer() -> Figure:
    """Draw one hidden layer of both networks, and which of its tensors are copied.

    Returns:
        The figure.
    """
    fig, ax = diagrams.canvas(8.4, 3.0)
    rows = (
        ("DelayLinear", "weight, P (delay),\nSIG (width of the kernel)", 2.45, "3 tensors"),
        ("BatchNorm", "2 trained vectors,\n3 statistics", 1.55, "5 tensors"),
    )
    columns = {"ReLU network": (1.6, GREY), "spiking network": (6.8, BLUE)}
    boxes = {
        (name, title): diagrams.box(ax, x, y, title, detail, width=2.1, color=color)
        for name, (x, color) in columns.items()
        for title, detail, y, _ in rows
    }
    for title, _, _, label in rows:
        left, right = (boxes[name, title] for name in columns)
        diagrams.arrow(ax, left, right, f"copied: {label}")
    ramp = diagrams.box(ax, 1.6, 0.6, "ramp neuron", "width w, no tensor", width=2.1, color=ORANGE)
    lif = diagrams.box(ax, 6.8, 0.6, "LIF neuron", "threshold 1, no tensor", width=2.1, color=GREEN)
    diagrams.arrow(ax, ramp, lif, "nothing is copied", linestyle="--", color=GREY)
    for name, (x, _) in columns.items():
        for above, below in (
            (boxes[name, "DelayLinear"], boxes[name, "BatchNorm"]),
            (boxes[name, "BatchNorm"], ramp if x == ramp.x else lif),
        ):
            diagrams.arrow(ax, above.bottom, below.top, color=GREY)
        diagrams.note(ax, x, 0.12, name, weight="bold")
    return fig


@something_to_draw()
def over_sharpness(shares: ArrayLike, accuracies: NamedArrays) -> Figure:
    """Draw accuracies over how far the ramp was sharpened, means and range of the seeds.

    Args:
        shares: how far, 0..1, (n,).
        accuracies: 0..1, for names of `VARIANTS`, (seeds, n).

    Returns:
        The figure.
    """
    fig, ax = figure(6.5, 3.0)
    for name, values in accuracies.items():
        percent = 100 * as_array(name, values).astype(float)
        band(ax, 100 * as_array("shares", shares), percent, label=name, **variant_style(name))
    ax.set(xlabel="sharpened by the end of pretraining (%)", ylabel="test accuracy (%)")
    legend(ax, loc="lower right")
    return fig


@something_to_draw()
def delays_before_and_after(before_ms: ArrayLike, after_ms: ArrayLike) -> Figure:
    """Draw the delay of each synapse after a training over the one before.

    Args:
        before_ms: (S,) ms.
        after_ms: (S,) ms.

    Returns:
        The figure.
    """
    x, y = flat_arrays(before_ms=before_ms, after_ms=after_ms)
    fig, ax = figure(4.4, 3.8)
    ax.plot(x, y, ".", color=BLUE, markersize=2, alpha=0.4)
    end = max(x.max(), y.max())
    ax.plot([0, end], [0, end], color=BLACK, linewidth=0.8)
    ax.set(xlabel="delay before (ms)", ylabel="delay after (ms)", aspect="equal")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    return fig


@something_to_draw(untrained="moved_ms")
def movements(moved_ms: Mapping[str, float], dt_ms: float) -> Figure:
    """Draw how far delays move on average under several settings.

    Args:
        moved_ms: the mean distance, ms, by setting.
        dt_ms: length of a time step, ms.

    Returns:
        The figure.
    """
    fig, ax = figure(7.5, 0.4 * len(moved_ms) + 0.9)
    names, values = list(moved_ms), list(moved_ms.values())
    bars = ax.barh(names, values, 0.6, color=BLUE, alpha=0.8)
    ax.bar_label(bars, fmt="%.0f ms", padding=3)
    ax.axvline(dt_ms, color=BLACK, linestyle=":", linewidth=1)
    ax.annotate(
        "one step", (dt_ms, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center",
        va="bottom",
    )  # fmt: skip
    ax.invert_yaxis()
    ax.set(xlabel="mean distance of a delay from where it began (ms)")
    ax.set_xlim(0, 1.15 * max(*values, dt_ms))
    return fig


@something_to_draw()
def describe(accuracies: NamedArrays, shares: ArrayLike) -> str:
    """Return the means of `over_sharpness` as text for its alt text."""
    means = {name: np.mean(as_array(name, values), axis=0) for name, values in accuracies.items()}
    return "; ".join(
        f"sharpened by {share:.0%}: "
        + ", ".join(f"{mean[number]:.1%} {name}" for name, mean in means.items())
        for number, share in enumerate(np.atleast_1d(shares))
    )
