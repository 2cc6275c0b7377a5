"""Playground of one LIF neuron: input, membrane, surrogate gradient, and its f-I curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.fields import known
from snnlab._utils.words import counted
from snnlab.nn.network_config import check_tau
from snnlab.viz import plots
from snnlab.viz.widgets.panel import (
    Checkboxes,
    DrawFunction,
    DrawResult,
    Dropdown,
    Panel,
    Slider,
    interact,
)

STEPS = 200  # of 1 ms
ON = slice(20, 180)  # steps with an input
INPUTS = ("step", "ramp", "noise", "spikes")
RESETS = ("to zero", "subtract")
SURROGATES = ("arc tangent", "rectangle")
SLOTS = tuple(range(20, 180, 8))  # ms: where the input "spikes" can have one
ALL_SLOTS = (True,) * len(SLOTS)
MAX_STRENGTH = 0.3
MAX_ALPHA = 6.0
# Limits of the axes: the first that hold all values
MEMBRANE_LOWS, MEMBRANE_TOPS, RATE_TOPS = (-0.5, -2.0), (2.5, 4.0, 6.0), (350, 700)
MARKS = 0.93  # place of the spike marks, as a share of the axes; H stays 0.04 below


@dataclass(frozen=True)
class LIFResponse:
    """The response of one neuron.

    Attributes:
        h, v: membrane potential before and after the reset, (T,).
        spikes: whether it fires, (T,).
    """

    h: NDArray[np.float64]
    v: NDArray[np.float64]
    spikes: NDArray[np.bool_]


def simulate_lif(
    current: ArrayLike, *, tau: float, v_threshold: float = 1.0, reset: str = "to zero"
) -> LIFResponse:
    """Simulate one LIF neuron, step by step.

    H[t] = (1 - 1/tau) V[t-1] + X[t] and S[t] = H[t] >= v_threshold. After a spike V[t] is 0
    (`"to zero"`) or H[t] - v_threshold (`"subtract"`), else H[t].

    Args:
        current: X, (T,).
        tau: membrane time constant in steps.
        v_threshold: the threshold.
        reset: one of `RESETS`.

    Returns:
        The membrane potentials and the spikes.

    Raises:
        SnnlabError: `tau` is not above 1, or `reset` is unknown.
    """
    known(reset, RESETS, "reset")
    x, beta = np.asarray(current, dtype=float), 1 - 1 / check_tau(tau)
    h, v, spikes = np.empty_like(x), np.empty_like(x), np.zeros(x.shape, dtype=bool)
    membrane = 0.0
    for t, charge in enumerate(x):
        h[t] = membrane = beta * membrane + charge
        spikes[t] = membrane >= v_threshold
        if spikes[t]:
            membrane = 0.0 if reset == "to zero" else membrane - v_threshold
        v[t] = membrane
    return LIFResponse(h, v, spikes)


def fi_curve(current: ArrayLike, *, tau: float, v_threshold: float = 1.0) -> NDArray[np.float64]:
    """Return the firing rate under a constant current, with a reset to zero.

    After n steps H = X tau (1 - beta^n). The neuron fires every n steps, n being the first with
    H >= threshold: n = ceil(log(1 - threshold / (X tau)) / log beta). It never fires if
    X tau <= threshold.

    Args:
        current: X, of any shape.
        tau: membrane time constant in steps.
        v_threshold: the threshold.

    Returns:
        Spikes per second of steps of 1 ms, of the same shape.
    """
    x, beta = np.asarray(current, dtype=float), 1 - 1 / check_tau(tau)
    fires = x * tau > v_threshold
    remaining = 1 - v_threshold / np.where(fires, x * tau, np.inf)
    steps = np.ceil(np.log(remaining, where=fires, out=np.ones_like(x)) / np.log(beta) - 1e-9)
    return np.where(fires, 1000 / np.maximum(1, steps), 0.0)


def surrogate_slope(over: ArrayLike, kind: str, alpha: float) -> NDArray[np.float64]:
    """Return the slope that replaces that of the step in the backward pass; its integral is 1.

    Args:
        over: H - threshold, of any shape.
        kind: `"arc tangent"`: (alpha / 2) / (1 + (pi/2 alpha over)^2), as in
            `snnlab.nn.neurons`; `"rectangle"`: alpha where `abs(over) < 1 / (2 alpha)`, else 0.
        alpha: the steepness.

    Returns:
        The slope, of the same shape.

    Raises:
        SnnlabError: `kind` is unknown.
    """
    over = np.asarray(over, dtype=float)
    if known(kind, SURROGATES, "surrogate") == "rectangle":
        return alpha * (np.abs(over) < 0.5 / alpha)
    return alpha / 2 / (1 + (np.pi / 2 * alpha * over) ** 2)


def input_current(
    kind: str, strength: float, *, train: Sequence[bool] = ALL_SLOTS
) -> NDArray[np.float64]:
    """Return an input current, which is not 0 between 20 and 180 ms.

    Args:
        kind: one of `INPUTS`. "ramp" ends at twice the strength; "spikes" has a spike of 8 times
            the strength in some of the `SLOTS`.
        strength: the mean in a step, of "spikes" with all slots.
        train: whether there is a spike in each of the `SLOTS`.

    Returns:
        The current, (STEPS,).

    Raises:
        SnnlabError: `kind` is unknown.
    """
    shapes = np.zeros((len(INPUTS), STEPS))
    step, ramp, noise, spikes = shapes
    step[ON] = 1
    ramp[ON] = np.arange(160) / 80
    noise[ON] = np.random.default_rng(0).normal(1, 2, STEPS)[ON]
    spikes[np.array(SLOTS)[np.asarray(train, dtype=bool)]] = 8.0
    return strength * shapes[INPUTS.index(known(kind, INPUTS, "input"))]


def prepare_neuron(fig: Figure) -> DrawFunction:
    """Make axes, and the lines that change.

    Returns:
        A function that draws input, membrane, surrogate gradient and f-I curve; its arguments are
        the controls of `lif_panel`.
    """
    axes = fig.subplot_mosaic(
        [["input", ".", "f-I"], ["membrane", "slope", "f-I"]],
        width_ratios=[2.4, 0.8, 1.2],
        height_ratios=[1, 2],
    )
    above, below, beside, curve = (
        plots.tidy(axes[name]) for name in ("input", "membrane", "slope", "f-I")
    )
    xlim = (0, STEPS)
    above.set(xlim=xlim, ylabel="input X", xticklabels=[])
    below.set(xlim=xlim, xlabel="time (ms)", ylabel="membrane H")
    beside.set(xlim=(0, 1.05 * MAX_ALPHA), xlabel="surrogate slope", yticklabels=[])
    # The mean of the noise is up to 0.335
    curve.set(xlim=(0, 0.35), xlabel="mean input a step", ylabel="rate (spikes/s)")
    curve.set_title("line: constant input, reset to zero", fontsize=8, loc="right")
    for ax, style, color, options in (
        (above, "-", plots.GREEN, {"linewidth": 1.2, "drawstyle": "steps-mid"}),
        (below, "-", plots.BLUE, {"linewidth": 1.3}),
        (below, "--", plots.RED, {"linewidth": 1}),
        (below, "|", plots.BLACK, {"markersize": 10, "transform": below.get_xaxis_transform()}),
        (beside, "-", plots.GREY, {"linewidth": 1.2}),
        (beside, "--", plots.RED, {"linewidth": 1}),
        (beside, "o", plots.BLUE, {"markersize": 3, "alpha": 0.5, "markeredgewidth": 0}),
        (curve, "-", plots.GREY, {"linewidth": 1.2}),
        (curve, "o", plots.BLUE, {"clip_on": False}),
    ):
        ax.plot([], [], style, color=color, animated=True, **options)

    def draw(
        *, tau_ms: float, v_threshold: float, reset: str, kind: str, strength: float,
        train: Sequence[bool], surrogate: str, alpha: float,
    ) -> DrawResult:  # fmt: skip
        x = input_current(kind, strength, train=train)
        response = simulate_lif(x, tau=tau_ms, v_threshold=v_threshold, reset=reset)
        h, spikes = response.h, response.spikes
        slope = surrogate_slope(h - v_threshold, surrogate, alpha)
        rate = spikes[ON].sum() / 0.16

        t = np.arange(STEPS)
        fired = t[spikes]
        above.lines[0].set_data(t, x)
        above.set_ylim(*((-0.1, 0.7) if kind in ("step", "ramp") else (-1.5, 3.0)))
        below.lines[0].set_data(np.repeat(t, 2), np.stack([h, response.v], 1).ravel())
        below.lines[1].set_data([0, STEPS], [v_threshold] * 2)
        below.lines[2].set_data(fired, np.full(fired.shape, MARKS))
        low = next(low for low in MEMBRANE_LOWS if low <= response.v.min())
        room = MARKS - 0.04  # for H, as a share of the axes
        top = next(top for top in MEMBRANE_TOPS if h.max() <= low + room * (top - low))
        for ax in (below, beside):
            ax.set_ylim(low, top)
        heights = np.linspace(low, top, 301)
        beside.lines[0].set_data(surrogate_slope(heights - v_threshold, surrogate, alpha), heights)
        beside.lines[1].set_data([0, MAX_ALPHA], [v_threshold] * 2)
        beside.lines[2].set_data(slope[ON], h[ON])
        currents = np.linspace(0, MAX_STRENGTH, 301)
        rates = fi_curve(currents, tau=tau_ms, v_threshold=v_threshold)
        curve.lines[0].set_data(currents, rates)
        curve.lines[1].set_data([x[ON].mean()], [rate])
        curve.set_ylim(0, next(top for top in RATE_TOPS if max(rate, rates.max()) < top))

        first = "the membrane stays below the threshold"
        if fired.size:
            first = f"the first after {fired[0] - 20:.0f} ms"
        source = f"{kind} input of {strength:g} a step"
        if kind == "spikes":
            source = f"{counted(sum(train), 'input spike')} of {8 * strength:g}"
        alt = (
            f"One neuron, {source} from 20 to 180 ms, tau {tau_ms:g} ms, threshold "
            f"{v_threshold:g}, reset {reset}: {counted(fired.size, 'spike')}, {first}; {rate:.0f} "
            f"spikes a second, highest H {h.max():.2f}. Surrogate {surrogate}, alpha {alpha:g}: "
            f"slope {slope[ON].mean():.2f} on average, {slope[ON].max():.2f} at most."
        )
        rows = (len(SLOTS), 8)
        columns = {
            "from (ms)": SLOTS,
            "input X, sum": x[ON].reshape(rows).sum(1),
            "highest H": h[ON].reshape(rows).max(1),
            "last V": response.v[ON].reshape(rows)[:, -1],
            "output spikes": spikes[ON].reshape(rows).sum(1),
            "largest slope": slope[ON].reshape(rows).max(1),
        }
        return alt, columns

    return draw


def lif_panel(*, live: bool = True) -> Panel:
    """Show the playground with its controls; `live=False` leaves only the static figure."""
    slots = tuple(map(str, SLOTS))
    return interact(
        prepare_neuron,
        live=live,
        figsize=(8, 3.6),
        tau_ms=Slider(20, 2, 50, 1, "tau (ms)", "How slowly the membrane leaks"),
        v_threshold=Slider(1.0, 0.5, 2.0, 0.1, "threshold", "Where the neuron fires"),
        reset=Dropdown(RESETS[0], RESETS, "reset", "What is left after a spike"),
        kind=Dropdown(INPUTS[0], INPUTS, "input", "The shape of the input over time"),
        strength=Slider(0.08, 0.0, MAX_STRENGTH, 0.01, "strength", "The mean input in a step"),
        surrogate=Dropdown(
            SURROGATES[0], SURROGATES, "surrogate", "The slope that stands in for the spike's"
        ),
        alpha=Slider(5.0, 1.0, MAX_ALPHA, 0.5, "alpha", "How narrow the surrogate gradient is"),
        train=Checkboxes(ALL_SLOTS, slots, "spikes at (ms)", "a spike of the input spikes"),
    )
