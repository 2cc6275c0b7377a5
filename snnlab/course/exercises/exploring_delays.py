"""The exercises of notebook 05."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise(
    "meeting_ms", "A longer delay for what comes earlier: that is all a coincidence detector needs."
)
def _meeting_ms(answer: Any) -> str:
    if close(answer, 20):
        return ""
    if close(answer, 180):
        return "Then it would arrive at 320 ms. A longer delay asks for an earlier spike."
    if close(answer, 160):
        return "That is when both arrive. When must the second one set out?"
    return "The first arrives at 100 + 60 ms. The second travels for 140 ms, and has to arrive then, too."


@exercise(
    "shifted_ms",
    "Only the differences between its delays say what it waits for; their sum says when it answers.",
)
def _shifted_ms(answer: Any) -> str:
    if close(answer, 40):
        return ""
    if close(answer, 0):
        return "All spikes arrive together as before, but not at the same time as before."
    return "Every spike arrives 40 ms later than before. When do they meet now?"


@exercise(
    "rounding_ms",
    "Half a step, either way. A finer step costs more computation and moves delays less.",
)
def _rounding_ms(answer: Any) -> str:
    if close(answer, 10):
        return ""
    if close(answer, 0.5):
        return "That is in steps. A step lasts 20 ms."
    if close(answer, 20):
        return "A delay goes to the *nearest* whole step, which is never a whole step away."
    return "Which delay is farthest from all whole numbers of steps? How far is it, in ms?"
