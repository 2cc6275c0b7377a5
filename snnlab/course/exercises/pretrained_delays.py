"""The exercises of notebook 06."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise(
    "ramp_output",
    "The narrower the ramp, the more of what lies near the threshold is pushed to 0 or 1.",
)
def _ramp_output(answer: Any) -> str:
    if close(answer, 0.75):
        return ""
    if close(answer, 0.55):
        return "That is the ramp of width 1. This one is five times as steep."
    if close(answer, 0.25):
        return "The right height, but counted from the threshold: there the ramp is half way up already."
    return "At the threshold the ramp is at 1/2, and it rises by 1 over its width. How far above the threshold is 1.05?"


@exercise(
    "fair_epochs",
    "What was paid for pretraining counts, in every stage of it, or the comparison is worth nothing.",
)
def _fair_epochs(answer: Any) -> str:
    if close(answer, 24):
        return ""
    if close(answer, 12):
        return "That is one training. The ReLU network had to be trained with both rates to choose one of them."
    if close(answer, 4):
        return "That counts fine-tuning alone. The ReLU network learned for 8 epochs before."
    return "Add up all epochs that somebody had to wait for: two rates, each with both stages."


@exercise(
    "delays_alone",
    "A delay is worth something together with the weight that was learned beside it.",
)
def _delays_alone(answer: Any) -> str:
    if isinstance(answer, int) and answer == 0:
        return ""
    return "Every delay is right, and every weight is drawn anew. Which inputs then excite a neuron, and which inhibit it?"
