"""The exercises of notebook 03."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise("flat_picture", "Events are about change. A flat picture has none, wherever it is moved.")
def _flat_picture(answer: Any) -> str:
    if close(answer, 0):
        return ""
    return "Inside the picture nothing changes when it is shifted, and its borders do not count. What is left?"


@exercise("on_off_weights", "Half of them are copies with the other sign, to begin with.")
def _on_off_weights(answer: Any) -> str:
    if close(answer, 144, 1e-6):
        return ""
    if close(answer, 72, 1e-6):
        return "That is the layer for grey pictures. Now each filter looks at two channels."
    return "Filters, times input channels, times the 3 x 3 places of a filter."
