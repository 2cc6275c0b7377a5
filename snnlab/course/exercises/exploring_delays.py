"""The exercises of notebook 05."""

from typing import Any

import numpy as np

from snnlab.course.exercises.judge import YOUR_TURN, exercise, number_exercise

number_exercise(
    "meeting_ms",
    20,
    praise="A longer delay for what comes earlier: that is all a coincidence detector needs.",
    hints={
        180: "Then it would arrive at 320 ms. A longer delay asks for an earlier spike.",
        160: "That is when both arrive. When must the second one set out?",
    },
    hint="The first arrives at 100 + 60 ms. The second travels for 140 ms, and has to arrive "
    "then, too.",
)

number_exercise(
    "shifted_ms",
    40,
    praise="Only the differences between its delays say what it waits for; their sum says when "
    "it answers.",
    hints={0: "All spikes arrive together as before, but not at the same time as before."},
    hint="Every spike arrives 40 ms later than before. When do they meet now?",
)


@exercise(
    "arriving_current",
    praise="Your function is a layer of delays: the library's convolution computes the same sum.",
)
def _(answer: Any) -> str:
    generator = np.random.default_rng(1)
    spikes = generator.integers(0, 2, (12, 4))
    weight, delay = generator.normal(size=4), np.array([0, 3, 1, 7])
    given = spikes.copy()
    theirs = answer(spikes, weight, delay)
    if theirs is None:
        return YOUR_TURN
    if not np.array_equal(spikes, given):
        return "Your function changes `spikes`. Add to a new array."
    theirs = np.asarray(theirs, dtype=float)
    if theirs.shape != (12,):
        return (
            f"For 12 steps and 4 inputs you return the shape {theirs.shape}; expected (12,), the "
            "sum over the inputs in each step."
        )
    shifted = [np.roll(given[:, j], d) for j, d in enumerate(delay)]
    typical = {
        "You add up the spikes when they are sent. When does each of them arrive?": given @ weight,
        "What leaves at the end comes back at the beginning. That spike has not been sent yet, so "
        "nothing arrives.": np.stack(shifted, 1) @ weight,
        "Your spikes arrive before they are sent: at t + d you read what has yet to happen. Read "
        "at t - d.": _current(given[::-1], weight, delay)[::-1],
        "You leave out the weights.": _current(given, np.ones(4), delay),
    }
    for hint, wrong in typical.items():
        if np.allclose(theirs, wrong):
            return hint
    right = _current(given, weight, delay)
    if np.allclose(theirs, right):
        return ""
    step = int(np.argmax(~np.isclose(theirs, right)))
    return (
        f"Step {step} of 12 hidden inputs: yours is {theirs[step]:.2f}, expected "
        f"{right[step]:.2f}. A spike of step s of input j counts in step s + delay[j]."
    )


def _current(spikes: Any, weight: Any, delay: Any) -> Any:
    """Compute what arrives in each step, `(T,)`, of spikes `(T, N)`."""
    total = np.zeros(len(spikes))
    for j, d in enumerate(delay):
        total[d:] += weight[j] * spikes[: len(spikes) - d, j]
    return total
