"""Panels of notebook 04: coincidences over the delay, and the kernel of one synapse."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array, check_same_length
from snnlab.viz import plots
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact


def coincidence_panel(
    counts: ArrayLike, lags: Sequence[int], *, step_ms: float, lag: int, live: bool = True
) -> Panel:
    """Show the coincidences of two ears over the delay of the left one.

    Args:
        counts: coincidences a trial, `(lags, delays)`, at delays of 0, 1, ... steps.
        lags: of the sounds, in steps.
        step_ms: length of a time step, ms.
        lag: one of `lags`, which is shown at first.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    hits = as_array("counts", counts, dims=2)
    check_same_length(counts=hits, lags=np.asarray(lags))
    delays, top = np.arange(hits.shape[1]), 1.1 * float(hits.max())

    def prepare(fig: Figure) -> DrawFunction:
        ax = plots.tidy(fig.subplots())
        ax.set(xlabel="delay of the left ear (ms)", ylabel="coincidences a trial", ylim=(0, top))
        ax.bar(delays * step_ms, 0, 0.8 * step_ms, animated=True)

        def draw(lag: int, delay: int) -> DrawResult:
            heights = hits[lags.index(lag)]
            artists.set_bars(ax, heights, marked=delay)
            alt = (
                f"Lag {lag * step_ms:.1f} ms: with the left ear delayed by "
                f"{delay * step_ms:.1f} ms, {heights[delay]:.1f} coincidences a trial."
            )
            return alt, {"delay (steps)": delays, "coincidences a trial": heights}

        return draw

    unit, gap = f"{step_ms:g} ms", lags[1] - lags[0]
    return interact(
        prepare,
        live=live,
        lag=Slider(lag, min(lags), max(lags), gap, f"lag ({unit})", "the lag of the sound"),
        delay=Slider(
            0, 0, len(delays) - 1, 1, f"delay ({unit})", "how long the left ear's spikes wait"
        ),
    )


def kernel_panel(
    kernel: Callable[[float, float], ArrayLike], *, taps: int, live: bool = True
) -> Panel:
    """Show the kernel of one synapse, with sliders for its delay and its width.

    Args:
        kernel: a function of delay and sigma, in steps, that returns the weights `(taps,)`.
        taps: how many.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """

    def describe(delay: float, sigma: float) -> tuple[NDArray[Any], int, str]:
        weights = as_array("kernel", kernel(delay, sigma), dims=1)
        largest = int(weights.argmax())
        alt = (
            f"Kernel of one synapse, delay {delay:.1f} steps, sigma {sigma:.2f}: "
            f"{weights[largest]:.0%} of the weight is on tap {largest}."
        )
        return weights, largest, alt

    return interact(
        partial(_prepare_kernel, taps, describe),
        live=live,
        delay=Slider(5.0, 0.0, taps - 1.0, 0.1, "delay (steps)", "where the Gaussian lies"),
        sigma=Slider(1.5, 0.3, 4.0, 0.05, "sigma (steps)", "how wide the Gaussian is"),
    )


def narrowing_panel(
    kernels: ArrayLike, delays: ArrayLike, sigmas: ArrayLike, right_delay: int, *, live: bool = True
) -> Panel:
    """Show how one kernel narrows while its delay finds its place, with a play button.

    Args:
        kernels: weights at the start and after each epoch, `(epochs + 1, taps)`.
        delays: in steps, `(epochs + 1,)`.
        sigmas: in steps, `(epochs + 1,)`.
        right_delay: the tap that is marked.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    rows = as_array("kernels", kernels, dims=2)
    at, widths = as_array("delays", delays, dims=1), as_array("sigmas", sigmas, dims=1)
    check_same_length(kernels=rows, delays=at, sigmas=widths)

    def describe(epoch: int) -> tuple[NDArray[Any], int, str]:
        alt = (
            f"Epoch {epoch}: delay {at[epoch]:.1f} steps, sigma {widths[epoch]:.2f} steps, "
            f"{rows[epoch, right_delay]:.0%} of the weight on tap {right_delay}."
        )
        return rows[epoch], right_delay, alt

    slider = Slider(0, 0, len(rows) - 1, 1, "epoch", "the epoch of the training", play=True)
    return interact(partial(_prepare_kernel, rows.shape[1], describe), live=live, epoch=slider)


def _prepare_kernel(
    taps: int, describe: Callable[..., tuple[NDArray[Any], int, str]], fig: Figure
) -> DrawFunction:
    """Make the axes of a kernel and its bars.

    Args:
        taps: how many bars.
        describe: returns for the values of the controls the weights `(taps,)`, the tap that is
            marked, and the alt text.
        fig: where to draw.
    """
    ax = plots.tidy(fig.subplots())
    ax.set(xlabel="delay (steps)", ylabel="weight", ylim=(0, 1))
    ax.bar(range(taps), 0, 0.8, animated=True)

    def draw(**values: float) -> DrawResult:
        weights, marked, alt = describe(**values)
        artists.set_bars(ax, weights, marked=marked)
        return alt, {"delay (steps)": np.arange(taps), "weight": weights.round(3)}

    return draw
