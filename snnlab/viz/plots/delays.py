"""Plots of the distribution of delays, and of their kernels."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number
from snnlab.viz.plots.style import BLACK, BLUE, legend
from snnlab.viz.plots.values import as_array, check_dt

MAX_STEPS = 1_000_000  # as many as a `DelayLinear` may have


def delay_shares(delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float) -> NDArray[np.float64]:
    """Count the delays at each time step; delays beyond the ends count as the ends.

    Args:
        delays_ms: delays of any shape, ms.
        max_delay_ms: the largest delay, ms.
        dt_ms: length of a time step, ms.

    Returns:
        The share (0..1) of the delays that round to each step from 0 to the largest, `(L,)`.

    Raises:
        SnnlabError: a delay or a length is not finite, or there are too many steps.
    """
    given = f"dt_ms = {dt_ms!r}, max_delay_ms = {max_delay_ms!r}"
    are_numbers = is_number(dt_ms) and is_number(max_delay_ms)
    if not (are_numbers and dt_ms > 0 and max_delay_ms >= 0):
        raise SnnlabError(f"{given}: expected a time step above 0, and a largest delay from 0.")
    delays = as_array("delays_ms", delays_ms, empty=True).ravel()
    if float(max_delay_ms) / float(dt_ms) >= MAX_STEPS + 0.5:
        raise SnnlabError(
            f"{given}: expected at most {MAX_STEPS:,} time steps; "
            "choose a longer step or a smaller largest delay."
        )
    last = round(max_delay_ms / dt_ms)
    steps = np.rint(delays.astype(np.float64) / dt_ms).clip(0, last).astype(np.int64)
    return np.bincount(steps, minlength=last + 1) / max(1, steps.size)


def describe_edges(shares: NDArray[np.float64], max_delay_ms: float) -> str:
    """Return the shares in % at the first and the last time step as text."""
    return f"{shares[0]:.1f} % at 0 ms, {shares[-1]:.1f} % at {max_delay_ms:g} ms"


def delay_histogram(
    ax: Axes,
    delays_ms: ArrayLike,
    max_delay_ms: float,
    *,
    dt_ms: float,
    initial_ms: ArrayLike | None = None,
) -> list[StepPatch]:
    """Draw a histogram of delays, with a bar for each time step.

    Args:
        ax: where to draw; its title says how many delays are at both ends.
        delays_ms: delays of any shape, ms.
        max_delay_ms: the largest delay, ms.
        dt_ms: length of a time step, ms.
        initial_ms: delays before the training, drawn as an outline.

    Returns:
        The bars, and the outline.
    """
    shares = 100 * delay_shares(delays_ms, max_delay_ms, dt_ms)
    edges = (np.arange(len(shares) + 1) - 0.5) * dt_ms
    artists = [ax.stairs(shares, edges, fill=True, color=BLUE, label="now")]
    if initial_ms is not None:
        before = 100 * delay_shares(initial_ms, max_delay_ms, dt_ms)
        style: dict[str, Any] = {"color": BLACK, "linestyle": "--", "linewidth": 1.2}
        artists.append(ax.stairs(before, edges, label="at the start", **style))
        legend(ax, loc="upper center")
    ax.set(xlabel="delay (ms)", ylabel="synapses (%)", xlim=(edges[0], edges[-1]))
    ax.set_title(describe_edges(shares, max_delay_ms), fontsize=10)
    return artists


def kernels(ax: Axes, taps: ArrayLike, dt_ms: float) -> AxesImage:
    """Draw delay kernels as an image: a row for each input, red for positive taps.

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
        taps, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", origin="lower", extent=extent
    )
