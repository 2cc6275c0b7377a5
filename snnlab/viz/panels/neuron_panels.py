"""Two panels of notebook 01: the gap between two input spikes, and the size of a population."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from snnlab._utils.words import counted
from snnlab.nn.neurons import LIF
from snnlab.viz import plots
from snnlab.viz.panels.lif_playground import simulate_lif
from snnlab.viz.plots.style import LIMIT
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact

FIRST_MS, STEPS = 5, 60  # when the first input spike arrives; a step is 1 ms
WAVE_MS, BIN_MS = 200, 10  # of the population


def _prepare_two_spikes(fig: Figure) -> DrawFunction:
    """Make the axes of a membrane that gets two input spikes."""
    ax = plots.tidy(fig.subplots())
    ax.set(xlim=(0, STEPS), ylim=(-0.1, 2.5), xlabel="time (ms)", ylabel="membrane potential H")
    ax.axhline(1, **LIMIT, label="threshold")
    membrane, inputs, output = (
        ax.plot([], [], style, color=color, label=label, markersize=9, animated=True)[0]
        for style, color, label in (
            ("-", plots.BLUE, "membrane"),
            ("^", plots.GREEN, "input spikes"),
            ("|", plots.BLACK, "output spike"),
        )
    )
    plots.legend(ax, loc="upper right")

    def draw(gap_ms: int, tau_ms: float, weight: float) -> DrawResult:
        x = np.zeros(STEPS)
        x[FIRST_MS] += weight
        x[FIRST_MS + gap_ms] += weight
        response = simulate_lif(x, tau=tau_ms)
        t, fired = np.arange(STEPS), np.flatnonzero(response.spikes)
        membrane.set_data(np.repeat(t, 2), np.stack([response.h, response.v], 1).ravel())
        inputs.set_data([FIRST_MS, FIRST_MS + gap_ms], [0, 0])
        output.set_data(fired, np.full(fired.shape, 2.3))
        alt = (
            f"Two input spikes of weight {weight:g}, {gap_ms} ms apart, tau {tau_ms:g} ms: highest "
            f"H {response.h.max():.3f}, output spikes: {fired.size}."
        )
        shown = slice(FIRST_MS, STEPS, 5)
        return alt, {"time (ms)": t[shown], "input X": x[shown], "H": response.h[shown].round(3)}

    return draw


def two_spikes_panel(*, live: bool = True) -> Panel:
    """Show two input spikes with sliders; `live=False` leaves only the static figure."""
    return interact(
        _prepare_two_spikes,
        live=live,
        figsize=(7, 2.8),
        gap_ms=Slider(3, 0, 40, 1, "gap (ms)", "The time between the two input spikes"),
        tau_ms=Slider(10, 2, 50, 1, "tau (ms)", "How slowly the membrane leaks"),
        weight=Slider(0.6, 0.1, 1.2, 0.05, "weight", "What each input spike adds"),
    )


def _prepare_population(fig: Figure) -> DrawFunction:
    """Make the axes of the raster and the rate of neurons that share a slow wave."""
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    plots.tidy(top).set(ylabel="neuron", xlim=(0, 5 * WAVE_MS))
    plots.tidy(bottom).set(xlabel="time (ms)", ylabel="spikes/s", ylim=(0, 210))
    (spike_marks,) = top.plot([], [], "|", color=plots.BLACK, markersize=4, animated=True)
    look: dict[str, Any] = {"drawstyle": "steps-mid", "animated": True}
    (rate_line,) = bottom.plot([], [], color=plots.BLUE, label="population rate", **look)
    (wave_line,) = bottom.plot([], [], "--", color=plots.GREY, label="the wave", **look)
    plots.legend(bottom, loc="upper right", ncols=2)

    def draw(neurons: int, noise: float) -> DrawResult:
        t = torch.arange(5 * WAVE_MS)
        wave = 0.05 * (1 + torch.sin(2 * torch.pi * t / WAVE_MS))
        generator = torch.Generator().manual_seed(0)
        x = wave[:, None] + noise * torch.randn(len(t), neurons, generator=generator)
        with torch.no_grad():
            spikes = LIF(20.0)(x[:, None]).squeeze(1)
        rate = spikes.unflatten(0, (-1, BIN_MS)).mean((1, 2)).numpy() * 1000
        centers = np.arange(rate.size) * BIN_MS + BIN_MS / 2
        shape = wave.unflatten(0, (-1, BIN_MS)).mean(1).numpy()
        correlation = float(np.corrcoef(rate, shape)[0, 1]) if rate.any() else 0.0
        top.set_ylim(-0.5, neurons - 0.5)
        when, who = spikes.nonzero(as_tuple=True)
        spike_marks.set_data(when.numpy(), who.numpy())
        rate_line.set_data(centers, rate)
        wave_line.set_data(centers, shape / 0.1 * 100)
        alt = (
            f"{counted(neurons, 'neuron')}, noise {noise:g}: {counted(len(when), 'spike')} in "
            f"{len(t)} ms; the rate in 10 ms is {rate.min():.0f} to {rate.max():.0f} spikes/s, and "
            f"its correlation with the wave is {correlation:z.2f}."
        )
        return alt, {
            "from (ms)": centers.astype(int) - BIN_MS // 2,
            "rate (spikes/s)": rate.round(1),
        }

    return draw


def population_panel(*, live: bool = True) -> Panel:
    """Show a population with sliders; `live=False` leaves only the static figure."""
    return interact(
        _prepare_population,
        live=live,
        figsize=(7, 3.6),
        neurons=Slider(10, 1, 200, 1, "neurons", "How many neurons share the wave"),
        noise=Slider(0.15, 0.0, 0.4, 0.05, "noise", "The noise of each neuron in a step"),
    )
