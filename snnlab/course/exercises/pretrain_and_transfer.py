"""The exercises of notebook 02."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise("weakest_current", "Below it the leak takes away, in every step, as much as comes in.")
def _weakest_current(answer: Any) -> str:
    if close(answer, 0.375):
        return ""
    if close(answer, 0.5):
        return "At 0.5 it fires in the first step. A weaker input, held for longer, adds up."
    if close(answer, 0.125):
        return (
            "That is the threshold times what is kept. What is lost in a step has to come in again."
        )
    return "Without a spike, u settles where u = d * u + I. Solve for the I at which u is the threshold."


@exercise(
    "epochs_for_an_eighth",
    "Counting the fine-tuning alone, 80 epochs would do: always ask what was counted.",
)
def _epochs_for_an_eighth(answer: Any) -> str:
    if close(answer, 8 * (100 / 6 + 10)):
        return ""
    if close(answer, 80):
        return "That counts the fine-tuning alone. Pretraining costs 100 epochs of a sixth each."
    if close(answer, 8 * 110):
        return "An epoch at T = 1 costs a sixth of one at T = 6."
    return "Add up both stages in epochs of T = 6. An eighth of the unknown number is that sum."


@exercise(
    "soft_reset_spikes",
    "The sum of the inputs, rounded: exactly what the quantised ReLU gives out.",
)
def _soft_reset_spikes(answer: Any) -> str:
    if close(answer, 2):
        return ""
    if close(answer, 0.4):
        return "That is spikes a step, well done. How many are that in 5 steps?"
    return "Begin at 0.5, add 0.4 in each step, and take 1 away whenever it is at least 1. Count how often."
