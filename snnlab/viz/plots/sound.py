"""Plot of a sound and the spikes that the cochlea makes of it."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array
from snnlab.viz.plots.activity import raster
from snnlab.viz.plots.checks import something_to_draw
from snnlab.viz.plots.style import GREY, figure

TICKS_KHZ = (0.2, 0.5, 1, 2, 5, 10, 20)


@something_to_draw("times_s", "channels")
def sound_and_spikes(
    audio: ArrayLike, rate: float, times_s: ArrayLike, channels: ArrayLike, hertz: ArrayLike
) -> Figure:
    """Draw a sound wave above the spikes of its channels, high frequencies at the top.

    Args:
        audio: the sound, `(samples,)`.
        rate: samples in a second.
        times_s: when each spike happens, `(E,)` s.
        channels: the channel of each spike, `(E,)`.
        hertz: the frequency of each channel, descending, `(N,)`.

    Returns:
        The figure.
    """
    wave, frequencies = as_array("audio", audio, dims=1), as_array("hertz", hertz, dims=1)
    fig, (above, below) = figure(8, 4.0, 2, 1, sharex=True, height_ratios=[1, 3])
    above.plot(np.arange(len(wave)) / rate * 1000, wave, color=GREY, linewidth=0.5)
    above.set(ylabel="sound", yticks=[])
    spikes = raster(below, 1000 * np.asarray(times_s), channels, marker=".")
    spikes.set(markersize=0.8, rasterized=True)  # thousands of marks
    last, (labels, places) = len(frequencies) - 1, frequency_ticks(frequencies)
    below.set_yticks(last - places, labels)
    below.set(ylabel="frequency (kHz)", ylim=(last + 0.5, -0.5))
    return fig


@something_to_draw()
def frequency_ticks(hertz: ArrayLike) -> tuple[list[str], NDArray[np.float64]]:
    """Return labels in kHz and their places on an axis of channels, from the lowest one.

    Args:
        hertz: the frequency of each channel, `(N,)`.
    """
    khz = np.sort(np.asarray(hertz)) / 1000
    ticks = [tick for tick in TICKS_KHZ if khz[0] <= tick <= khz[-1]]
    places = np.interp(np.log(ticks), np.log(khz), np.arange(len(khz)))
    return [f"{tick:g}" for tick in ticks], places
