"""Plots of the distribution of delays, and of their kernels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array, check_dt
from snnlab._utils.errors import SnnlabError
from snnlab.delays.statistics import active_delays, delay_shares, step_of
from snnlab.viz.plots.checks import something_to_draw
from snnlab.viz.plots.style import BLACK, BLUE, figure, figure_legend, legend, titled_axes

BARS: dict[str, Any] = dict(fill=True, color=BLUE)
OUTLINE: dict[str, Any] = dict(color=BLACK, linestyle="--", linewidth=1.2)


@something_to_draw()
def delay_histogram(
    delays_ms: Any,
    max_delay_ms: Any = None,
    *,
    dt_ms: float | None = None,
    initial_ms: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a histogram of delays, a bar for each time step; the title has the shares at both ends.

    Args:
        delays_ms: any network with `DelayLinear`s, of which all delays are drawn, or delays of any
            shape, ms.
        max_delay_ms: largest possible delay, ms; a network has its own.
        dt_ms: length of a time step, ms; None for that of the network.
        initial_ms: delays before the training, drawn as an outline.
        ax: where to draw; None for a new figure.

    Returns:
        The axes; `.figure.savefig("delays.png")` saves the picture.

    Raises:
        SnnlabError: a delay is not finite, `max_delay_ms` is missing, or `dt_ms` is not that of
            the network.

    Example:
        >>> from snnlab.nn.delay_net import DelayNet
        >>> net = DelayNet(n_in=4, hidden=[3], n_classes=2, max_delay=5, tau=2.0)
        >>> ax = delay_histogram(net, dt_ms=20)
        >>> ax.get_xlabel(), len(ax.patches[0].get_data().values)
        ('delay (ms)', 6)
    """
    if hasattr(delays_ms, "named_modules"):
        from snnlab.nn.any_network import delay_layers

        dt_ms = step_of(delays_ms, dt_ms)
        layers = delay_layers(delays_ms, required=True)
        max_delay_ms = max(layer.max_delay for layer in layers.values()) * dt_ms
        delays_ms = active_delays(delays_ms) * dt_ms
    dt_ms = check_dt(dt_ms)
    if max_delay_ms is None:
        raise SnnlabError("max_delay_ms = None: delays without a network need the largest one, ms.")
    ax = figure()[1] if ax is None else ax
    shares = _draw_shares(ax, delays_ms, max_delay_ms, dt_ms, BARS | {"label": "now"})
    if initial_ms is not None:
        _draw_shares(ax, initial_ms, max_delay_ms, dt_ms, OUTLINE | {"label": "at the start"})
        legend(ax, loc="upper center")
    title = f"{shares[0]:.1f} % at 0 ms, {shares[-1]:.1f} % at {max_delay_ms:g} ms"
    ax.set_title(title, fontsize=10)
    return ax


def _draw_shares(
    ax: Axes, delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float, look: dict[str, Any]
) -> NDArray[np.float64]:
    """Draw the share of the delays at each time step; return the shares, %."""
    shares = 100 * delay_shares(delays_ms, max_delay_ms, dt_ms)
    edges = (np.arange(len(shares) + 1) - 0.5) * dt_ms
    ax.stairs(shares, edges, **look)
    ax.set(xlabel="delay (ms)", ylabel="synapses (%)", xlim=(edges[0], edges[-1]))
    return shares


@something_to_draw()
def before_and_after(
    layers: Mapping[str, tuple[ArrayLike, ArrayLike]], max_delay_ms: float, dt_ms: float
) -> Figure:
    """Draw a histogram of the delays of each layer, and an outline of those before the training.

    Args:
        layers: by name, the delays before and after the training, ms, of any shape.
        max_delay_ms: largest possible delay, ms.
        dt_ms: length of a time step, ms; a bar has the delays that are rounded to its step.
    """
    fig, panels = titled_axes(9, 3.0, layers)
    for ax, (before, after) in panels:
        _draw_shares(ax, after, max_delay_ms, dt_ms, BARS | {"label": "after the training"})
        _draw_shares(ax, before, max_delay_ms, dt_ms, OUTLINE | {"label": "before the training"})
        ax.label_outer()
    figure_legend(fig, "upper center", ncols=2)
    return fig


@something_to_draw()
def kernels(ax: Axes, taps: ArrayLike, dt_ms: float) -> AxesImage:
    """Draw delay kernels as an image: a row for each input; green is positive, pink negative.

    Args:
        ax: where to draw.
        taps: `(N, L)`.
        dt_ms: length of a time step, ms.

    Returns:
        The image.
    """
    check_dt(dt_ms)
    taps = as_array("taps", taps, dims=2)
    rows, length = taps.shape
    limit = float(np.abs(taps).max(initial=0)) or 1.0
    extent = (-0.5 * dt_ms, (length - 0.5) * dt_ms, -0.5, rows - 0.5)
    ax.set(xlabel="delay (ms)", ylabel="input")
    return ax.imshow(
        taps, cmap="PiYG", vmin=-limit, vmax=limit, aspect="auto", origin="lower", extent=extent
    )
