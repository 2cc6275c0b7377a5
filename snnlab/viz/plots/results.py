"""What variants reach: curves, bars, and the same in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import plot_text
from snnlab.viz.plots.style import BLACK, legend, variant_style
from snnlab.viz.plots.values import as_array, check_same_length


def band(
    ax: Axes,
    x: ArrayLike,
    values: ArrayLike,
    *,
    colour: Any,
    line: str = "-",
    label: str | None = None,
    **options: Any,
) -> list[Artist]:
    """The mean of `values` (seeds, n) over `x` (n,); the band reaches from the lowest seed to the highest."""
    seeds = _by_seed("values", values)
    x = as_array("x", x).reshape(-1)
    check_same_length(x=x, values=seeds.T)
    named = None if label is None else plot_text(label)
    spread = ax.fill_between(x, seeds.min(0), seeds.max(0), color=colour, alpha=0.2, linewidth=0)
    return [spread, *ax.plot(x, seeds.mean(0), line, color=colour, label=named, **options)]


def _by_seed(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values `(seeds, n)`, or `(n,)` of a single seed, as `(seeds, n)`."""
    seeds = np.atleast_2d(as_array(name, values)).astype(float)
    if seeds.ndim > 2:
        raise SnnlabError(
            f"{name}: of shape {seeds.shape}, two axes (seeds, n) were expected, or one; choose some of them."
        )
    return seeds


def learning_curves(
    ax: Axes, curves: Mapping[str, ArrayLike], *, ylabel: str = "accuracy (%)", scale: float = 100.0
) -> list[Artist]:
    """A `band` for each variant's `(seeds, epochs)`, in its own look."""
    artists: list[Artist] = []
    for variant, values in curves.items():
        seeds, style = scale * _by_seed(variant, values), variant_style(variant)
        artists += band(
            ax, np.arange(1, seeds.shape[1] + 1), seeds, colour=style.colour, line=style.line, label=variant,
            marker=style.marker, markevery=0.12, markersize=5,
            markerfacecolor=style.colour if style.filled else "white",
        )  # fmt: skip
    ax.set(xlabel="epoch", ylabel=ylabel)
    legend(ax)
    return artists


def accuracy_over_time(
    ax: Axes,
    runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    *,
    xlabel: str,
    ylabel: str = "accuracy (%)",
) -> list[Artist]:
    """What a recipe reaches, and when: for each the curve of every seed, `(n,)` times and `(n,)` accuracies 0..1.

    The last point of a seed, where it ends, is marked.
    """
    artists: list[Artist] = []
    for recipe, seeds in runs.items():
        style = variant_style(recipe)
        face = style.colour if style.filled else "white"
        for number, (times, accuracies) in enumerate(seeds):
            x, y = (
                as_array("times", times, dims=1, empty=True),
                100.0 * as_array(recipe, accuracies, dims=1, empty=True).astype(float),
            )
            check_same_length(times=x, accuracies=y)
            artists += ax.plot(x, y, style.line, color=style.colour, linewidth=1, alpha=0.7)
            artists += ax.plot(
                x[-1:], y[-1:], style.marker, color=style.colour, markerfacecolor=face, markersize=6,
                label=None if number else plot_text(recipe),
            )  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, None))
    legend(ax, loc="lower right")
    return artists


def bars_with_seeds(
    ax: Axes,
    accuracies: Mapping[str, Sequence[float]],
    *,
    ylabel: str = "accuracy (%)",
    chance: float | None = None,
) -> list[Artist]:
    """A bar for the mean of each variant, a mark for every seed (accuracies 0..1), a line at chance level."""
    artists: list[Artist] = []
    for place, (variant, seeds) in enumerate(accuracies.items()):
        values, style = (
            100 * as_array(variant, seeds).astype(float).reshape(-1),
            variant_style(variant),
        )
        fill = (
            {"color": style.colour, "alpha": 0.45}
            if style.filled
            else {"facecolor": "white", "edgecolor": style.colour}
        )
        artists += ax.bar(
            place, values.mean(), width=0.6, hatch=None if style.filled else "//", **fill
        )
        spread = place + np.linspace(-0.12, 0.12, values.size) * (values.size > 1)
        artists += ax.plot(spread, values, style.marker, color=BLACK, markersize=4)
    if chance is not None:
        artists.append(ax.axhline(100 * chance, color=BLACK, linestyle=":", linewidth=1))
        artists.append(ax.text(-0.45, 100 * chance, "chance", fontsize=8, va="bottom"))
    ax.set_xticks(
        range(len(accuracies)), [plot_text(name).replace(", ", ",\n") for name in accuracies]
    )
    ax.set(ylabel=ylabel)
    return artists


def confusion(ax: Axes, matrix: ArrayLike, names: Sequence[str]) -> AxesImage:
    """Counts `(classes, classes)`, row = what was said, column = what was understood; shades are shares of the row."""
    counts = as_array("matrix", matrix, dims=2).astype(float)
    check_same_length(names=np.arange(len(names)), rows=counts, columns=counts.T)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = ax.imshow(shares, cmap="viridis", vmin=0, vmax=100)
    shown = [plot_text(name) for name in names]
    ax.set_xticks(range(len(names)), shown, rotation=90, fontsize=8)
    ax.set_yticks(range(len(names)), shown, fontsize=8)
    ax.set(xlabel="understood", ylabel="said")
    ax.figure.colorbar(image, ax=ax, label="of the row (%)")
    return image


def describe_accuracies(accuracies: Mapping[str, Iterable[float]]) -> str:
    """`"none 40.1 % (38.0 to 42.2), fixed ..."`: accuracies 0..1 a seed, as the alt text of curves and bars says them."""
    parts = []
    for variant, seeds in accuracies.items():
        values = 100.0 * as_array(
            variant, list(seeds) if isinstance(seeds, Iterator) else seeds
        ).reshape(-1)
        spread = f" ({values.min():.1f} to {values.max():.1f})" if values.size > 1 else ""
        parts.append(f"{variant} {values.mean():.1f} %{spread}")
    return ", ".join(parts)
