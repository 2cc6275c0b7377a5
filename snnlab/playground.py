"""The neuron to play with in notebook 01: one membrane, a handful of inputs, and where it stands on its f-I curve."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab import plots
from snnlab.errors import SnnlabError
from snnlab.neurons import check_tau

DT_MS = 1.0
STEPS = 200
INPUTS = ("step", "ramp", "noise", "spikes")
RESETS = ("to zero", "subtract")
MAX_STRENGTH = 0.3


@dataclass(frozen=True)
class Response:
    """What one neuron did: `h` before and `v` after the reset, `spikes` 0 or 1, each (T,)."""

    h: NDArray[np.float64]
    v: NDArray[np.float64]
    spikes: NDArray[np.bool_]


def simulate(current: ArrayLike, *, tau: float, v_threshold: float = 1.0, reset: str = "to zero") -> Response:
    """One LIF neuron, a step at a time, on a `current` (T,); `tau` in steps.

    H[t] = (1 - 1/tau) V[t-1] + X[t];  S[t] = H[t] >= v_threshold;  V[t] = 0 (`"to zero"`) or H[t] - v_threshold
    (`"subtract"`) where it fired, else H[t].

    Raises:
        SnnlabError: `tau` is not above 1, or `reset` is unknown.
    """
    if reset not in RESETS:
        raise SnnlabError(f"reset = {reset!r}: expected one of {', '.join(RESETS)}.")
    x, beta = np.asarray(current, dtype=float), 1 - 1 / check_tau(tau)
    h, v, spikes = np.empty_like(x), np.empty_like(x), np.zeros(x.shape, dtype=bool)
    membrane = 0.0
    for t, charge in enumerate(x):
        h[t] = beta * membrane + charge
        spikes[t] = h[t] >= v_threshold
        after = 0.0 if reset == "to zero" else h[t] - v_threshold
        v[t] = membrane = after if spikes[t] else h[t]
    return Response(h, v, spikes)


def firing_rate(current: ArrayLike, *, tau: float, v_threshold: float = 1.0, dt_ms: float = 1.0) -> NDArray[np.float64]:
    r"""Spikes a second under a constant current, any shape, with a reset to zero.

    After n steps H = X tau (1 - beta^n); the neuron fires at the first n with H >= threshold, every n steps:
    n = ceil(log(1 - threshold / (X tau)) / log beta), and never when X tau <= threshold.
    """
    x, beta = np.asarray(current, dtype=float), 1 - 1 / check_tau(tau)
    reaches = x * tau > v_threshold
    missing = 1 - v_threshold / np.where(reaches, x * tau, np.inf)
    steps = np.maximum(1, np.ceil(np.log(missing, where=reaches, out=np.ones_like(x)) / np.log(beta) - 1e-9))
    return np.where(reaches, 1000 / (steps * dt_ms), 0.0)


def drive(kind: str, strength: float, *, seed: int = 0) -> NDArray[np.float64]:
    """The playground's inputs, (STEPS,), between 20 and 180 ms, `strength` a step on average; `ramp` ends at twice that."""
    t = np.arange(STEPS)
    on = (t >= 20) & (t < 180)
    shapes = {
        "step": np.ones(STEPS),
        "ramp": np.clip((t - 20) / 80, 0, 2),
        "noise": np.random.default_rng(seed).normal(1, 2, STEPS),
        "spikes": 8.0 * (t % 8 == 4),
    }
    if kind not in shapes:
        raise SnnlabError(f"input = {kind!r}: expected one of {', '.join(INPUTS)}.")
    return strength * shapes[kind] * on


def draw_neuron(fig: Figure, *, tau_ms: float, v_threshold: float, reset: str, kind: str, strength: float) -> str:
    """Draw input, membrane and f-I curve for `snnlab.widgets.play`; returns the alt text."""
    if not fig.axes:
        _prepare(fig)
    tau = tau_ms / DT_MS
    x = drive(kind, strength)
    response = simulate(x, tau=tau, v_threshold=v_threshold, reset=reset)
    on = np.flatnonzero(x)
    seconds = (on[-1] - on[0] + 1) * DT_MS / 1000 if on.size else 1.0
    rate = response.spikes.sum() / seconds

    named = {ax.get_label(): ax for ax in fig.axes}
    above, below, curve = named["input"], named["membrane"], named["f-I"]
    t = np.arange(STEPS) * DT_MS
    fired = t[response.spikes]
    currents = np.linspace(0, MAX_STRENGTH, 301)
    above.lines[0].set_data(t, x)
    above.set_ylim(*((-0.1, 0.7) if kind in ("step", "ramp") else (-1.0, 3.0)))
    membrane, threshold, marks = below.lines
    membrane.set_data(np.repeat(t, 2), np.stack([response.h, response.v], 1).ravel())
    threshold.set_data([0, STEPS * DT_MS], [v_threshold, v_threshold])
    marks.set_data(fired, np.full(fired.shape, 2.3))
    line, point = curve.lines
    line.set_data(currents, firing_rate(currents, tau=tau, v_threshold=v_threshold, dt_ms=DT_MS))
    point.set_data([strength], [rate])

    first = f"the first after {fired[0] - 20:.0f} ms" if fired.size else "the membrane stays below the threshold"
    return (
        f"One neuron, {kind} input of {strength:g} a step from 20 to 180 ms, tau {tau_ms:g} ms, threshold {v_threshold:g}, "
        f"reset {reset}: {fired.size} spikes, {first}; {rate:.0f} spikes a second, highest H {response.h.max():.2f}."
    )


def _prepare(fig: Figure) -> None:
    """Axes with fixed limits, and artists that move over them."""
    axes = fig.subplot_mosaic([["input", "f-I"], ["membrane", "f-I"]], width_ratios=[2.2, 1], height_ratios=[1, 2])
    above, below, curve = (plots.tidy(axes[name]) for name in ("input", "membrane", "f-I"))
    end = STEPS * DT_MS
    above.plot([], [], color=plots.GREEN, linewidth=1.2, drawstyle="steps-mid", animated=True)
    above.set(xlim=(0, end), ylabel="input X", xticklabels=[])
    below.plot([], [], color=plots.BLUE, linewidth=1.3, animated=True)
    below.plot([], [], color=plots.RED, linestyle="--", linewidth=1, animated=True)
    below.plot([], [], "|", color=plots.BLACK, markersize=10, animated=True)
    below.set(xlim=(0, end), ylim=(-0.5, 2.5), xlabel="time (ms)", ylabel="membrane H")
    curve.plot([], [], color=plots.GREY, linewidth=1.2, animated=True)
    curve.plot([], [], "o", color=plots.BLUE, animated=True)
    curve.set(xlim=(0, MAX_STRENGTH), ylim=(0, 350), xlabel="mean input a step", ylabel="rate (spikes/s)")
    curve.set_title("line: constant input, reset to zero", fontsize=8)
