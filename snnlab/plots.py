"""Pictures: arrays and an axes in, artists out.

Nothing here touches pyplot's global state, so a figure is shown once, when `show` says so, and a thread may draw one.
Colours are matplotlib's `okabe_ito` sequence, which colour-blind readers can tell apart; a marker and a line style
always say the same thing a second time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numba
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import ArrayLike, NDArray

from snnlab.pictures import show

__all__ = [
    "LOOKS",
    "Look",
    "band",
    "bars_with_seeds",
    "both_ends",
    "confusion",
    "count_raster",
    "delay_histogram",
    "delay_shares",
    "edge_shares",
    "figure",
    "in_words",
    "kernels",
    "learning_curves",
    "legend",
    "look",
    "over_time",
    "picture",
    "raster",
    "show",
    "tidy",
    "trace",
]

DPI = 100
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = matplotlib.color_sequences["okabe_ito"]
GREY = (0.45, 0.45, 0.45)


@dataclass(frozen=True)
class Look:
    """How one variant is drawn, everywhere."""

    colour: Any
    marker: str
    line: str
    filled: bool = True


LOOKS: Mapping[str, Look] = {
    "none": Look(GREY, "s", ":"),
    "fixed": Look(ORANGE, "^", "--"),
    "learned": Look(BLUE, "o", "-"),
    "scratch": Look(GREY, "s", ":"),
    "pipe-S": Look(BLUE, "o", "-"),
    "one step": Look(ORANGE, "^", "--"),
}


def look(variant: str) -> Look:
    """The look of a variant; a control such as `"none, long tau"` is a hollow relative of the variant it begins with."""
    if variant in LOOKS:
        return LOOKS[variant]
    family = next((one for name, one in LOOKS.items() if variant.startswith(name)), Look(GREEN, "D", "-."))
    return Look(family.colour, family.marker, "-.", filled=False)


def figure(
    width: float = 7.0, height: float = 2.8, rows: int = 1, cols: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """An off-screen figure of `width` x `height` inches, and its axes: one `Axes`, or an array of them as in pyplot.

    The background is opaque white, so that the picture stays readable in a dark theme. `subplots` goes to
    `Figure.subplots` (`sharex=True`, `width_ratios=[2, 1]`, ...).
    """
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, cols, **subplots)
    for ax in np.atleast_1d(axes).flat:
        tidy(ax)
    return fig, axes


def tidy(ax: Axes) -> Axes:
    """The house style of one axes: no box, small ticks, safe colours."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    ax.set_prop_cycle(color=[BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK])
    return ax


def legend(ax: Axes, **options: Any) -> None:
    """A legend without a frame, where it covers least."""
    ax.legend(**{"frameon": False, "fontsize": 9, **options})


# Spikes and membranes -----------------------------------------------------------------------------------------------


def raster(ax: Axes, times_ms: ArrayLike, neurons: ArrayLike, *, colour: Any = BLACK, marker: str = "|") -> Line2D:
    """Spikes as marks: `times_ms` (E,) and `neurons` (E,). One artist, whatever the number of spikes."""
    size = 4.0 if marker == "|" else 1.5
    (dots,) = ax.plot(np.asarray(times_ms), np.asarray(neurons), marker, color=colour, markersize=size)
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return dots


def count_raster(ax: Axes, counts: ArrayLike, dt_ms: float) -> AxesImage:
    """Binned spikes, or features in dB, `(T, N)` as a picture, darker where there is more; row 0 at the bottom."""
    grid = np.asarray(counts).T
    neurons, steps = grid.shape
    if grid.min() < 0:  # features: most of what is above silence
        vmin, vmax = np.quantile(grid[grid > grid.min()], [0.05, 0.98]) if np.ptp(grid) else (grid.min(), 0.0)
    else:
        vmin, vmax = 0.0, max(1.0, float(np.quantile(grid[grid > 0], 0.9)) if grid.any() else 1.0)
    image = ax.imshow(
        grid, cmap="Greys", vmin=vmin, vmax=vmax,
        aspect="auto", origin="lower", extent=(0, steps * dt_ms, -0.5, neurons - 0.5),
    )  # fmt: skip
    ax.set(xlabel="time (ms)", ylabel="neuron")
    return image


def trace(
    ax: Axes, t_ms: ArrayLike, v: ArrayLike, *, after: ArrayLike | None = None, threshold: float | None = None,
    spikes: ArrayLike | None = None, colour: Any = BLUE, label: str | None = None,
) -> list[Artist]:  # fmt: skip
    """A membrane potential `v` (T,) over `t_ms` (T,), its threshold, and a mark above it where `spikes` (T,) is not 0.

    With `after` (T,), the potential after the reset, the line drops to it within the step.
    """
    t_ms, v = np.asarray(t_ms), np.asarray(v)
    path = (t_ms, v) if after is None else (np.repeat(t_ms, 2), np.stack([v, np.asarray(after)], 1).ravel())
    artists: list[Artist] = [*ax.plot(*path, color=colour, linewidth=1.3, label=label)]
    if threshold is not None:
        artists.append(ax.axhline(threshold, color=RED, linestyle="--", linewidth=1))
        cell = ax.get_subplotspec()
        if cell is None or cell.is_last_col():
            place = ax.get_yaxis_transform()
            artists.append(ax.text(1.0, threshold, " threshold", color=RED, fontsize=8, va="center", transform=place))
    if spikes is not None:
        at = t_ms[np.asarray(spikes) != 0]
        top = float(max(v.max(initial=0.0), threshold or 0.0)) or 1.0
        artists += ax.plot(at, np.full(at.shape, 1.12 * top), "|", color=BLACK, markersize=9)
    ax.set(xlabel="time (ms)", ylabel="membrane potential")
    return artists


# Delays -------------------------------------------------------------------------------------------------------------


def delay_shares(delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float) -> NDArray[np.float64]:
    """The share (0..1) of delays, of any shape, at each time step from 0 to the largest delay, `(L,)`."""
    delays, counts = np.asarray(delays_ms).reshape(-1), np.zeros(round(max_delay_ms / dt_ms) + 1, dtype=np.int64)
    _count_steps(delays if delays.dtype == np.float32 else delays.astype(np.float64, copy=False), dt_ms, counts)
    return counts / max(1, delays.size)


@numba.njit(cache=True, nogil=True)
def _count_steps(delays: np.ndarray, dt: float, counts: np.ndarray) -> None:
    """`bincount` of rounded steps, beyond the ends counted at the ends, without arrays in between."""
    last = len(counts) - 1
    for delay in delays:
        step = np.rint(delay / dt)
        if not step > 0:  # also what is not a number
            counts[0] += 1
        elif step >= last:
            counts[last] += 1
        else:
            counts[int(step)] += 1


def edge_shares(delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float) -> tuple[float, float]:
    """The shares (0..1) of delays that, rounded to steps, sit at 0 and at the largest delay."""
    shares = delay_shares(delays_ms, max_delay_ms, dt_ms)
    return float(shares[0]), float(shares[-1])


def both_ends(shares: NDArray[np.float64], max_delay_ms: float) -> str:
    """Shares in % at the first and the last time step, in words."""
    return f"{shares[0]:.1f} % at 0 ms, {shares[-1]:.1f} % at {max_delay_ms:g} ms"


def delay_histogram(
    ax: Axes, delays_ms: ArrayLike, max_delay_ms: float, *, dt_ms: float, initial_ms: ArrayLike | None = None
) -> list[StepPatch]:
    """Delays of any shape, in ms: a bar a time step, the outline of `initial_ms`, and the shares at both ends in words."""
    edges = (np.arange(round(max_delay_ms / dt_ms) + 2) - 0.5) * dt_ms
    shares = 100 * delay_shares(delays_ms, max_delay_ms, dt_ms)
    artists = [ax.stairs(shares, edges, fill=True, color=look("learned").colour, label="now")]
    if initial_ms is not None:
        before = 100 * delay_shares(initial_ms, max_delay_ms, dt_ms)
        artists.append(ax.stairs(before, edges, color=BLACK, linestyle="--", linewidth=1.2, label="at the start"))
        legend(ax, loc="upper center")
    ax.set(xlabel="delay (ms)", ylabel="synapses (%)", xlim=(edges[0], edges[-1]))
    ax.set_title(both_ends(shares, max_delay_ms), fontsize=10)
    return artists


def kernels(ax: Axes, taps: ArrayLike, dt_ms: float) -> AxesImage:
    """Delay kernels `(N, L)` over their delays as a picture: a row an input, red for positive."""
    taps = np.asarray(taps)
    rows, length = taps.shape
    limit = float(np.abs(taps).max(initial=0)) or 1.0
    extent = (-0.5 * dt_ms, (length - 0.5) * dt_ms, -0.5, rows - 0.5)
    ax.set(xlabel="delay (ms)", ylabel="input")
    return ax.imshow(taps, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", origin="lower", extent=extent)


# Results ------------------------------------------------------------------------------------------------------------


def band(
    ax: Axes, x: ArrayLike, values: ArrayLike, *, colour: Any, line: str = "-", label: str | None = None, **options: Any
) -> list[Artist]:
    """The mean of `values` (seeds, n) over `x` (n,); the band reaches from the lowest seed to the highest."""
    seeds = np.atleast_2d(np.asarray(values, dtype=float))
    spread = ax.fill_between(np.asarray(x), seeds.min(0), seeds.max(0), color=colour, alpha=0.2, linewidth=0)
    return [spread, *ax.plot(np.asarray(x), seeds.mean(0), line, color=colour, label=label, **options)]


def learning_curves(
    ax: Axes, curves: Mapping[str, ArrayLike], *, ylabel: str = "accuracy (%)", scale: float = 100.0
) -> list[Artist]:
    """A `band` for each variant's `(seeds, epochs)`, in its own look."""
    artists: list[Artist] = []
    for variant, values in curves.items():
        seeds, style = scale * np.atleast_2d(np.asarray(values, dtype=float)), look(variant)
        artists += band(
            ax, np.arange(1, seeds.shape[1] + 1), seeds, colour=style.colour, line=style.line, label=variant,
            marker=style.marker, markevery=0.12, markersize=5,
            markerfacecolor=style.colour if style.filled else "white",
        )  # fmt: skip
    ax.set(xlabel="epoch", ylabel=ylabel)
    legend(ax)
    return artists


def picture(ax: Axes, pixels: ArrayLike) -> list[Artist]:
    """A picture `(C, H, W)` of 1 or 3 channels as it looks, from its darkest to its brightest value; grey ones dark on white."""
    values = np.moveaxis(np.asarray(pixels, dtype=float), 0, -1)
    low, high = values.min(), values.max()
    values = (values - low) / (high - low if high > low else 1)
    ax.set(xticks=[], yticks=[])
    return [ax.imshow(values[..., 0], cmap="Greys") if values.shape[-1] == 1 else ax.imshow(values)]


def over_time(
    ax: Axes, runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]], *, xlabel: str, ylabel: str = "accuracy (%)"
) -> list[Artist]:
    """What a recipe reaches, and when: for each the curve of every seed, `(n,)` times and `(n,)` accuracies 0..1.

    The last point of a seed, where it ends, is marked.
    """
    artists: list[Artist] = []
    for recipe, seeds in runs.items():
        style = look(recipe)
        face = style.colour if style.filled else "white"
        for number, (times, accuracies) in enumerate(seeds):
            x, y = np.asarray(times, dtype=float), 100 * np.asarray(accuracies, dtype=float)
            artists += ax.plot(x, y, style.line, color=style.colour, linewidth=1, alpha=0.7)
            artists += ax.plot(
                x[-1:], y[-1:], style.marker, color=style.colour, markerfacecolor=face, markersize=6,
                label=None if number else recipe,
            )  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, None))
    legend(ax, loc="lower right")
    return artists


def bars_with_seeds(
    ax: Axes, accuracies: Mapping[str, Sequence[float]], *, ylabel: str = "accuracy (%)", chance: float | None = None
) -> list[Artist]:
    """A bar for the mean of each variant, a mark for every seed (accuracies 0..1), a line at chance level."""
    artists: list[Artist] = []
    for place, (variant, seeds) in enumerate(accuracies.items()):
        values, style = 100 * np.asarray(seeds, dtype=float), look(variant)
        fill = (
            {"color": style.colour, "alpha": 0.45}
            if style.filled
            else {"facecolor": "white", "edgecolor": style.colour}
        )
        artists += ax.bar(place, values.mean(), width=0.6, hatch=None if style.filled else "//", **fill)
        spread = place + np.linspace(-0.12, 0.12, values.size) * (values.size > 1)
        artists += ax.plot(spread, values, style.marker, color=BLACK, markersize=4)
    if chance is not None:
        artists.append(ax.axhline(100 * chance, color=BLACK, linestyle=":", linewidth=1))
        artists.append(ax.text(-0.45, 100 * chance, "chance", fontsize=8, va="bottom"))
    ax.set_xticks(range(len(accuracies)), [name.replace(", ", ",\n") for name in accuracies])
    ax.set(ylabel=ylabel)
    return artists


def confusion(ax: Axes, matrix: ArrayLike, names: Sequence[str]) -> AxesImage:
    """Counts `(classes, classes)`, row = what was said, column = what was understood; shades are shares of the row."""
    counts = np.asarray(matrix, dtype=float)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = ax.imshow(shares, cmap="viridis", vmin=0, vmax=100)
    ax.set_xticks(range(len(names)), list(names), rotation=90, fontsize=8)
    ax.set_yticks(range(len(names)), list(names), fontsize=8)
    ax.set(xlabel="understood", ylabel="said")
    ax.figure.colorbar(image, ax=ax, label="of the row (%)")
    return image


def in_words(accuracies: Mapping[str, Iterable[float]]) -> str:
    """`"none 40.1 % (38.0 to 42.2), fixed ..."`: accuracies 0..1 a seed, as the alt text of curves and bars says them."""
    parts = []
    for variant, seeds in accuracies.items():
        values = 100 * np.asarray(list(seeds), dtype=float)
        spread = f" ({values.min():.1f} to {values.max():.1f})" if values.size > 1 else ""
        parts.append(f"{variant} {values.mean():.1f} %{spread}")
    return ", ".join(parts)
