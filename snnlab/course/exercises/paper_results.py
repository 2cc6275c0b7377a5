"""The exercises of notebook 07."""

from typing import Any

from snnlab.course.exercises.judge import close, exercise


@exercise(
    "luckiest_epoch",
    "The highest of 50 standard normal numbers is 2.25 on average, and half of that is 1.1 points.",
)
def _luckiest_epoch(answer: Any) -> str:
    if 1.0 <= float(answer) <= 1.25:
        return ""
    if close(answer, 2.25, 0.06):
        return "That many wobbles, well done; a wobble is half a point."
    return "Set the sliders to 50 epochs and a wobble of 0.5 points, and read the mean of the orange bars."


@exercise("three_seeds", "Nearly 3 points to either side: three seeds cannot tell 94 from 95 %.")
def _three_seeds(answer: Any) -> str:
    sd = 1.1240
    if close(answer, 4.303 * sd / 3**0.5, 0.02):
        return ""
    if close(answer, 1.96 * sd / 3**0.5, 0.02):
        return "1.96 is for many seeds; with three, t is 4.303."
    if close(answer, 4.303 * sd, 0.02):
        return "That is t * s. Divide by the square root of n."
    if close(answer, 4.303 * sd * (2 / 3) ** 0.5 / 3**0.5, 0.02):
        return "Your standard deviation divides by n; with n - 1 it is 1.12."
    return "h = t * s / sqrt(n), with s = 1.12 points and n = 3."
