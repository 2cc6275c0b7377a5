"""The exercises of notebook 01."""

import math
from functools import partial
from typing import Any

import torch

from snnlab.course.exercises.judge import (
    EXACT,
    YOUR_TURN,
    exercise,
    function_exercise,
    number_exercise,
)

number_exercise(
    "weakest_input",
    0.05,
    praise="The membrane settles at X * tau, so anything above threshold / tau fires in the end.",
    hints={1.0: "At X = 1 it fires in the first step. A weaker input, held for longer, adds up."},
    hint="With X held constant, H stops rising where the leak eats all of X: H = (1 - 1/tau) * H "
    "+ X. Solve for H.",
)

number_exercise(
    "tau_in_steps",
    1 - 1 / 1.005,
    praise="beta = 1 - 1/1.005 = 0.005: after one step 0.5 % is left. This neuron has no memory "
    "to speak of.",
    hints={
        1.005: "That is tau in steps, well done. Now beta = 1 - 1/tau.",
        1 / 1.005: "That is what is lost in a step. beta is what is left.",
        1 - 1 / 10.05: "You put tau in ms into the formula. First divide by dt_ms.",
        math.exp(-10 / 10.05): "That is the exact exponential. The neuron uses 1 - 1/tau, and at a "
        "step as long as this the two differ widely.",
        0.5: "As a share from 0 to 1, please.",
    },
    hint="tau in steps is tau_ms / dt_ms; beta is 1 - 1/tau.",
    tolerance=0.05,
    hint_tolerance=0.002,  # 0.995 and 1.005 are two mistakes
)


def _step(v: float, x: float, *, reset: str = "soft", leak: bool = True) -> tuple[float, float]:
    """Return the spike and V[t], for beta = 0.9 and a threshold of 1."""
    h = (0.9 if leak else 1.0) * v + x
    spike = float(h >= 1)
    after = {"soft": h - spike, "hard": h * (1 - spike), "always": h - 1, "none": h}
    return spike, after[reset]


function_exercise(
    "subtract_reset",
    _step,
    [(0.0, 0.4), (0.8, 0.4), (0.5, 1.75), (0.4, 0.8), (0.5, 0.55), (-0.5, 0.2), (0.9, 1.9)],
    praise="What exceeded the threshold is kept, so a strong current is not forgotten at a spike.",
    hint="First charge: H = 0.9 V + X. The spike is 1 if H is at least 1. Then V is H minus the "
    "spike.",
    mistakes={
        "After a spike your V is 0. That is the hard reset: the soft one keeps H - 1.": partial(
            _step, reset="hard"
        ),
        "You subtract the threshold in every step. Subtract it only if there was a spike.": partial(
            _step, reset="always"
        ),
        "Your V is never reset: after a spike it is H - 1.": partial(_step, reset="none"),
        "Your membrane does not leak: H = 0.9 V + X.": partial(_step, leak=False),
        "Your order is V, spike; return the spike first, then V.": lambda v, x: _step(v, x)[::-1],
    },
)


def _gap_hint(gap: float) -> str:
    if gap % 1:
        return "The answer is a whole number of steps."
    if gap > 8:
        left = 0.7 * 0.9**gap
        return f"After {gap:g} steps the first spike has shrunk to {left:.3f}. Is the sum 1?"
    return (
        "A longer gap still works. When the second spike comes, the first has shrunk to 0.7 * "
        "0.9^gap."
    )


number_exercise(
    "largest_gap",
    8,
    praise="0.7 * 0.9^8 + 0.7 = 1.001 is enough, one step later it is not.",
    hints={0.7 * 0.9**8 + 0.7: "That is H; the question asks for the number of steps."},
    hint=_gap_hint,
    tolerance=EXACT,
    hint_tolerance=0.001,  # 1 is a number of steps, and 1.001 is H
)

number_exercise(
    "gradient_back",
    2.5 * 0.9**3,
    praise="2.5 * 0.9^3: a gradient leaks on its way back just as the membrane leaks on its way "
    "forward.",
    hints={
        0.9**3: "That is how much of X[t-3] is left in H[t]. Multiply by the surrogate's slope at "
        "the threshold.",
        2.5: "That is the gradient at X[t]. Three steps earlier, the leak has come in three times.",
    },
    hint="Two factors: the surrogate's slope at the threshold (alpha / 2), and beta once for "
    "each step back.",
)


@exercise(
    "rectangle_surrogate",
    "The forward pass is a hard step, and the backward pass a window of width 1: you can now write "
    "any surrogate gradient.",
)
def _rectangle_surrogate(answer: Any) -> str:
    if not callable(answer) or isinstance(answer, type):
        return "The answer is a function; pass Rectangle.apply, without calling it."
    values = torch.tensor([-2.0, -0.75, -0.4, -0.1, 0.0, 0.2, 0.45, 0.8, 3.0])
    over = values.clone().requires_grad_()
    incoming = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 1.5, 1.0, 4.0])
    try:
        spikes = answer(over)
    except TypeError as error:
        if "NoneType" in str(error):  # what autograd raises where forward returns None
            return YOUR_TURN
        raise
    if spikes is None:
        return YOUR_TURN
    if not (isinstance(spikes, torch.Tensor) and spikes.is_floating_point()):
        return (
            "The output is a tensor of floats, (over >= 0).float(); pass Rectangle.apply, not the "
            "class."
        )
    if not torch.equal(spikes.detach(), (values >= 0).float()):
        return "In forward, the output is 1.0 where over >= 0 and 0.0 elsewhere, without a slope."
    if not spikes.requires_grad:
        return "The output has no gradient: pass Rectangle.apply, a torch.autograd.Function."
    spikes.backward(incoming.clone())  # a right backward may change its grad_output
    gradient = over.grad
    if gradient is None:
        return "backward returns nothing (None); it returns grad_output times the slope."
    window = (values.abs() < 0.5).float()
    mistakes = (
        (window, "Multiply the slope by grad_output: the chain rule."),
        (incoming, "backward passes every gradient on: multiply it by the window."),
        (incoming * (values.abs() < 1), "The window is too wide: the slope is 1 for |over| < 0.5."),
        (incoming * (values.abs() < 0.25), "The window is too narrow: it ends at |over| = 0.5."),
        (incoming * (values >= 0), "The window has two sides: below the threshold, too."),
        (incoming * (1 - window), "Your slope is 1 outside of the window; it is 1 inside."),
    )
    for wrong, hint in mistakes:
        if torch.allclose(gradient, wrong):
            return hint
    if not torch.allclose(gradient, incoming * window):
        return (
            "The gradient is grad_output * slope, with slope 1 where |over| < 0.5 and 0 elsewhere."
        )
    return ""
