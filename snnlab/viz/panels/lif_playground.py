"""The neuron to play with in notebook 01: one membrane, a handful of inputs, and where it stands on its f-I curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab.nn.neurons import check_tau
from snnlab.viz import plots

DT_MS = 1.0
STEPS = 200
INPUTS = ("step", "ramp", "noise", "spikes")
RESETS = ("to zero", "subtract")
SURROGATES = ("arc tangent", "rectangle")
SLOTS = tuple(range(20, 180, 8))  # ms: where the input "spikes" can have one
ALL_SLOTS = (True,) * len(SLOTS)
MAX_STRENGTH = 0.3
MAX_ALPHA = 6.0


@dataclass(frozen=True)
class LIFResponse:
    """What one neuron did: `h` before and `v` after the reset, `spikes` 0 or 1, each (T,)."""

    h: NDArray[np.float64]
    v: NDArray[np.float64]
    spikes: NDArray[np.bool_]


def simulate_lif(
    current: ArrayLike, *, tau: float, v_threshold: float = 1.0, reset: str = "to zero"
) -> LIFResponse:
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
    return LIFResponse(h, v, spikes)


def fi_curve(
    current: ArrayLike, *, tau: float, v_threshold: float = 1.0, dt_ms: float = 1.0
) -> NDArray[np.float64]:
    r"""Spikes a second under a constant current, any shape, with a reset to zero.

    After n steps H = X tau (1 - beta^n); the neuron fires at the first n with H >= threshold, every
    n steps: n = ceil(log(1 - threshold / (X tau)) / log beta), and never when X tau <= threshold.
    """
    x, beta = np.asarray(current, dtype=float), 1 - 1 / check_tau(tau)
    reaches = x * tau > v_threshold
    missing = 1 - v_threshold / np.where(reaches, x * tau, np.inf)
    steps = np.maximum(
        1, np.ceil(np.log(missing, where=reaches, out=np.ones_like(x)) / np.log(beta) - 1e-9)
    )
    return np.where(reaches, 1000 / (steps * dt_ms), 0.0)


def surrogate_slope(over: ArrayLike, kind: str, alpha: float) -> NDArray[np.float64]:
    r"""The slope used backwards in place of the step's, at H - threshold = `over`, any shape.

    `"arc tangent"`: (alpha / 2) / (1 + (pi/2 alpha over)^2), as in `snnlab.nn.neurons`;
    `"rectangle"`: alpha where
    |over| < 1 / (2 alpha), else 0. Below either lies an area of 1.

    Raises:
        SnnlabError: `kind` is unknown.
    """
    over = np.asarray(over, dtype=float)
    if kind == "arc tangent":
        return alpha / 2 / (1 + (np.pi / 2 * alpha * over) ** 2)
    if kind == "rectangle":
        return alpha * (np.abs(over) < 0.5 / alpha)
    raise SnnlabError(f"surrogate = {kind!r}: expected one of {', '.join(SURROGATES)}.")


def input_current(
    kind: str, strength: float, *, train: Sequence[bool] = ALL_SLOTS, seed: int = 0
) -> NDArray[np.float64]:
    """The playground's inputs, (STEPS,), between 20 and 180 ms, `strength` a step on average; `ramp` ends at twice that.

    `spikes` has one of 8 times the strength in each of the SLOTS that `train` names, so the mean is
    that only with all.

    Raises:
        SnnlabError: `kind` is unknown, or `train` has not a bool for each of the SLOTS.
    """
    if len(train) != len(SLOTS):
        raise SnnlabError(
            f"A spike train of {len(train)} slots: expected one bool for each of {len(SLOTS)}."
        )
    t = np.arange(STEPS)
    on = (t >= 20) & (t < 180)
    spikes = np.zeros(STEPS)
    spikes[np.array(SLOTS)[np.asarray(train, dtype=bool)]] = 8.0
    shapes = {
        "step": np.ones(STEPS),
        "ramp": np.clip((t - 20) / 80, 0, 2),
        "noise": np.random.default_rng(seed).normal(1, 2, STEPS),
        "spikes": spikes,
    }
    if kind not in shapes:
        raise SnnlabError(f"input = {kind!r}: expected one of {', '.join(INPUTS)}.")
    return strength * shapes[kind] * on


def draw_neuron(
    fig: Figure, *, tau_ms: float, v_threshold: float, reset: str, kind: str, strength: float, train: Sequence[bool],
    surrogate: str, alpha: float,
) -> tuple[str, dict[str, list[Any]]]:  # fmt: skip
    """Draw input, membrane, surrogate gradient and f-I curve for `snnlab.viz.widgets.panel.interact`; returns alt text and numbers."""
    if not fig.axes:
        _prepare(fig)
    tau = tau_ms / DT_MS
    x = input_current(kind, strength, train=train)
    response = simulate_lif(x, tau=tau, v_threshold=v_threshold, reset=reset)
    slope = surrogate_slope(response.h - v_threshold, surrogate, alpha)
    on = slice(20, 180)
    rate = response.spikes[on].sum() / (160 * DT_MS / 1000)

    named = {ax.get_label(): ax for ax in fig.axes}
    above, below, beside, curve = (named[name] for name in ("input", "membrane", "slope", "f-I"))
    t = np.arange(STEPS) * DT_MS
    fired = t[response.spikes]
    above.lines[0].set_data(t, x)
    above.set_ylim(*((-0.1, 0.7) if kind in ("step", "ramp") else (-1.0, 3.0)))
    membrane, threshold, marks = below.lines
    membrane.set_data(np.repeat(t, 2), np.stack([response.h, response.v], 1).ravel())
    threshold.set_data([0, STEPS * DT_MS], [v_threshold, v_threshold])
    marks.set_data(fired, np.full(fired.shape, 2.3))
    bell, level, places = beside.lines
    heights = np.linspace(*beside.get_ylim(), 301)
    bell.set_data(surrogate_slope(heights - v_threshold, surrogate, alpha), heights)
    level.set_data([0, MAX_ALPHA], [v_threshold, v_threshold])
    places.set_data(slope[on], response.h[on])
    line, point = curve.lines
    currents = np.linspace(0, MAX_STRENGTH, 301)
    line.set_data(currents, fi_curve(currents, tau=tau, v_threshold=v_threshold, dt_ms=DT_MS))
    point.set_data([x[on].mean()], [rate])

    first = (
        f"the first after {fired[0] - 20:.0f} ms"
        if fired.size
        else "the membrane stays below the threshold"
    )
    source = (
        f"{sum(train)} input spikes of {8 * strength:g}"
        if kind == "spikes"
        else f"{kind} input of {strength:g} a step"
    )
    alt = (
        f"One neuron, {source} from 20 to 180 ms, tau {tau_ms:g} ms, threshold {v_threshold:g}, "
        f"reset {reset}: {fired.size} spikes, {first}; {rate:.0f} spikes a second, highest H {response.h.max():.2f}. "
        f"Surrogate {surrogate}, alpha {alpha:g}: slope {slope[on].mean():.2f} on average, {slope[on].max():.2f} at most."
    )
    # A row each 8 ms
    parts = {name: values[on].reshape(-1, 8) for name, values in vars(response).items()}
    numbers = {
        "from (ms)": [*SLOTS],
        "input X, sum": [*x[on].reshape(-1, 8).sum(1)],
        "highest H": [*parts["h"].max(1)],
        "last V": [*parts["v"][:, -1]],
        "output spikes": [*parts["spikes"].sum(1)],
        "largest slope": [*slope[on].reshape(-1, 8).max(1)],
    }
    return alt, numbers


def _prepare(fig: Figure) -> None:
    """Axes with fixed limits, and artists that move over them."""
    axes = fig.subplot_mosaic(
        [["input", ".", "f-I"], ["membrane", "slope", "f-I"]],
        width_ratios=[2.4, 0.8, 1.2],
        height_ratios=[1, 2],
    )
    above, below, beside, curve = (
        plots.tidy(axes[name]) for name in ("input", "membrane", "slope", "f-I")
    )
    end = STEPS * DT_MS
    above.plot([], [], color=plots.GREEN, linewidth=1.2, drawstyle="steps-mid", animated=True)
    above.set(xlim=(0, end), ylabel="input X", xticklabels=[])
    below.plot([], [], color=plots.BLUE, linewidth=1.3, animated=True)
    below.plot([], [], color=plots.RED, linestyle="--", linewidth=1, animated=True)
    below.plot([], [], "|", color=plots.BLACK, markersize=10, animated=True)
    below.set(xlim=(0, end), ylim=(-0.5, 2.5), xlabel="time (ms)", ylabel="membrane H")
    beside.plot([], [], color=plots.GREY, linewidth=1.2, animated=True)
    beside.plot([], [], color=plots.RED, linestyle="--", linewidth=1, animated=True)
    beside.plot(
        [], [], "o", color=plots.BLUE, markersize=3, alpha=0.5, markeredgewidth=0, animated=True
    )
    beside.set(
        xlim=(0, 1.05 * MAX_ALPHA), ylim=(-0.5, 2.5), xlabel="surrogate slope", yticklabels=[]
    )
    curve.plot([], [], color=plots.GREY, linewidth=1.2, animated=True)
    curve.plot([], [], "o", color=plots.BLUE, animated=True)
    curve.set(
        xlim=(0, MAX_STRENGTH), ylim=(0, 350), xlabel="mean input a step", ylabel="rate (spikes/s)"
    )
    curve.set_title("line: constant input, reset to zero", fontsize=8)
