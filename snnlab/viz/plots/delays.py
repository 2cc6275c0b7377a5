"""How delays are distributed, and what their kernels look like."""

import numba
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number
from snnlab.viz.plots.style import BLACK, BLUE, legend
from snnlab.viz.plots.values import as_array, check_dt

MOST_STEPS = 1_000_000  # as many as a `DelayLinear` may have


def delay_shares(delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float) -> NDArray[np.float64]:
    """The share (0..1) of delays, of any shape, at each time step from 0 to the largest delay, `(L,)`.

    Raises:
        SnnlabError: a delay is not finite, one of the lengths is not, or there are too many steps.
    """
    lengths = is_number(dt_ms) and is_number(max_delay_ms)
    if not (lengths and dt_ms > 0 and max_delay_ms >= 0):
        raise SnnlabError(
            f"dt_ms = {dt_ms!r}, max_delay_ms = {max_delay_ms!r}: expected a time step above 0, and a largest delay from 0."
        )
    delays = as_array("delays_ms", delays_ms, empty=True).reshape(-1)
    if float(max_delay_ms) / float(dt_ms) >= MOST_STEPS + 0.5:
        raise SnnlabError(
            f"dt_ms = {dt_ms!r}, max_delay_ms = {max_delay_ms!r}: expected at most "
            f"{MOST_STEPS:,} time steps; choose a longer step or a smaller largest delay."
        )
    counts = np.zeros(round(max_delay_ms / dt_ms) + 1, dtype=np.int64)
    _count_steps(
        delays if delays.dtype == np.float32 else delays.astype(np.float64, copy=False),
        dt_ms,
        counts,
    )
    return counts / max(1, delays.size)


@numba.njit(cache=True, nogil=True)
def _count_steps(delays: np.ndarray, dt: float, counts: np.ndarray) -> None:
    """`bincount` of rounded steps, beyond the ends counted at the ends, without arrays in between."""
    last = len(counts) - 1
    for delay in delays:
        step = np.rint(delay / dt)
        if step <= 0:
            counts[0] += 1
        elif step >= last:
            counts[last] += 1
        else:
            counts[int(step)] += 1


def edge_shares(delays_ms: ArrayLike, max_delay_ms: float, dt_ms: float) -> tuple[float, float]:
    """The shares (0..1) of delays that, rounded to steps, sit at 0 and at the largest delay."""
    shares = delay_shares(delays_ms, max_delay_ms, dt_ms)
    return float(shares[0]), float(shares[-1])


def describe_edges(shares: NDArray[np.float64], max_delay_ms: float) -> str:
    """Shares in % at the first and the last time step, in words."""
    return f"{shares[0]:.1f} % at 0 ms, {shares[-1]:.1f} % at {max_delay_ms:g} ms"


def delay_histogram(
    ax: Axes,
    delays_ms: ArrayLike,
    max_delay_ms: float,
    *,
    dt_ms: float,
    initial_ms: ArrayLike | None = None,
) -> list[StepPatch]:
    """Delays of any shape, in ms: a bar a time step, the outline of `initial_ms`, and the shares at both ends in words."""
    shares = 100 * delay_shares(delays_ms, max_delay_ms, dt_ms)
    edges = (np.arange(len(shares) + 1) - 0.5) * dt_ms
    artists = [ax.stairs(shares, edges, fill=True, color=BLUE, label="now")]
    if initial_ms is not None:
        before = 100 * delay_shares(initial_ms, max_delay_ms, dt_ms)
        artists.append(
            ax.stairs(
                before, edges, color=BLACK, linestyle="--", linewidth=1.2, label="at the start"
            )
        )
        legend(ax, loc="upper center")
    ax.set(xlabel="delay (ms)", ylabel="synapses (%)", xlim=(edges[0], edges[-1]))
    ax.set_title(describe_edges(shares, max_delay_ms), fontsize=10)
    return artists


def kernels(ax: Axes, taps: ArrayLike, dt_ms: float) -> AxesImage:
    """Delay kernels `(N, L)` over their delays as a picture: a row an input, red for positive."""
    check_dt(dt_ms)
    taps = as_array("taps", taps, dims=2)
    rows, length = taps.shape
    limit = float(np.abs(taps).max(initial=0)) or 1.0
    extent = (-0.5 * dt_ms, (length - 0.5) * dt_ms, -0.5, rows - 0.5)
    ax.set(xlabel="delay (ms)", ylabel="input")
    return ax.imshow(
        taps, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", origin="lower", extent=extent
    )
