"""The exercises of notebook 04."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise(
    "lag_ceiling",
    "No class shows coincidences any more, so all that is left is a guess among five.",
)
def _lag_ceiling(answer: Any) -> str:
    if close(answer, 0.2):
        return ""
    if close(answer, 20):
        return "As a share from 0 to 1, please."
    if close(answer, 0.4):
        return "That was with lag 0 among them. Which of the five new classes can be seen within a single step?"
    return "Which classes differ within a single step? The others are a guess among themselves."


@exercise(
    "largest_delay_ms",
    "25 taps are the delays 0 to 24; the paper's files call 25 the largest delay, but it is 24.",
)
def _largest_delay_ms(answer: Any) -> str:
    if close(answer, 240):
        return ""
    if close(answer, 250):
        return "Nearly. Tap 0 is a delay, too: none at all."
    if close(answer, 24):
        return "That is in steps. A step lasts 10 ms."
    return "The first tap is delay 0. Which delay is the last of 25 taps? Times 10 ms."


@exercise(
    "shuffled_histogram", "The same delays, dealt to other synapses: a histogram cannot see that."
)
def _shuffled_histogram(answer: Any) -> str:
    if isinstance(answer, int) and answer == 0:
        return ""
    return "Take a pack of cards, write a delay on each, and shuffle. Which delays are in the pack now?"


@exercise(
    "added_parameters",
    "As many as there are weights: learning delays doubles what there is to train.",
)
def _added_parameters(answer: Any) -> str:
    if close(answer, 70 * 32, 1e-6):
        return ""
    if close(answer, 2 * 70 * 32, 1e-6):
        return "That is weights and delays together. Only the delays were asked for."
    return "Each of the 32 neurons has a synapse from each of the 70 inputs, and each synapse has one delay."
