"""The exercises of notebook 05."""

from typing import Any

import numpy as np

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise

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
    tolerance=EXACT,
)

number_exercise(
    "shifted_ms",
    40,
    praise="Only the differences between its delays say what it waits for; their sum says when "
    "it answers.",
    hints={0: "All spikes arrive together as before, but not at the same time as before."},
    hint="Every spike arrives 40 ms later than before. When do they meet now?",
    tolerance=EXACT,
)


def _current(spikes: Any, weight: Any, delay: Any) -> Any:
    """Compute what arrives in each step, `(T,)`, of spikes `(T, N)`."""
    total = np.zeros(len(spikes))
    for j, steps in enumerate(delay):
        total[steps:] += weight[j] * spikes[: len(spikes) - steps, j]
    return total


def _rolled(spikes: Any, weight: Any, delay: Any) -> Any:
    shifted = [np.roll(spikes[:, j], steps) for j, steps in enumerate(delay)]
    return np.stack(shifted, 1) @ weight


_GENERATOR = np.random.default_rng(1)
function_exercise(
    "arriving_current",
    _current,
    [
        (np.array([[1], [0], [0], [1]]), np.array([0.5]), np.array([1])),
        (
            _GENERATOR.integers(0, 3, (12, 4)),
            _GENERATOR.normal(size=4).round(2),
            np.array([0, 3, 1, 7]),
        ),
    ],
    praise="That is a layer of delays; the library's convolution computes the same sum.",
    hint="A spike of step s of input j counts in step s + delay[j], with weight[j].",
    mistakes={
        "You add up the spikes when they are sent. When does each of them arrive?": (
            lambda spikes, weight, delay: spikes @ weight
        ),
        "What leaves at the end comes back at the beginning, before it was sent: np.roll does "
        "that.": _rolled,
        "Your spikes arrive before they are sent. In step t, read what was sent in step t - d.": (
            lambda spikes, weight, delay: _current(spikes[::-1], weight, delay)[::-1]
        ),
        "Multiply what arrives by the weight of its synapse.": (
            lambda spikes, weight, delay: _current(spikes, np.ones(len(delay)), delay)
        ),
    },
)
