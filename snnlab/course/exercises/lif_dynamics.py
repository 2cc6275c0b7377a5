"""The exercises of notebook 01."""

from typing import Any

from snnlab.course.exercises.judge import YOUR_TURN, close, exercise, number_exercise

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
        1 - 1 / 10.05: "You put tau in ms into the formula. First divide by dt_ms.",
    },
    hint="tau in steps is tau_ms / dt_ms; beta is 1 - 1/tau.",
    tolerance=0.05,
)


@exercise(
    "subtract_reset",
    "What exceeded the threshold is kept, so a strong input is not forgotten with each spike.",
)
def _subtract_reset(answer: Any) -> str:
    if not callable(answer):
        return "The answer is a function; pass its name, without calling it."
    for v, x in ((0.0, 0.4), (0.8, 0.4), (0.5, 1.75), (0.4, 0.8)):
        result = answer(v, x)
        if result is None:
            return YOUR_TURN
        spike, after = (float(part) for part in result)
        h = 0.9 * v + x
        if spike != float(h >= 1.0):
            return (
                f"From V = {v} with X = {x}, H is {h:.2f}, so the spike is {int(h >= 1.0)}; "
                f"yours is {spike:g}."
            )
        if not close(after, h - spike, 1e-6):
            return (
                f"From V = {v} with X = {x}, H is {h:.2f}, so V becomes {h - spike:.2f}; "
                f"yours is {after:.2f}."
            )
    return ""


@exercise("largest_gap", "0.7 * 0.9^8 + 0.7 = 1.001 is enough, one step later it is not.")
def _largest_gap(answer: Any) -> str:
    if close(answer, 8):
        return ""
    if close(answer, 0.7 * 0.9**8 + 0.7):
        return "That is H; the question asks for the number of steps."
    if float(answer) > 8:
        left = 0.7 * 0.9 ** float(answer)
        return (
            f"After {float(answer):g} steps the first spike has shrunk to {left:.3f}. Is the sum 1?"
        )
    return (
        "A longer gap still works. When the second spike comes, the first has shrunk to 0.7 * "
        "0.9^gap."
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
