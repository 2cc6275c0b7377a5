"""How an answer is judged: right, or not yet and a hint."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from snnlab._utils.escape import html_text
from snnlab._utils.fields import known

Checker = Callable[[Any], str]
# The hint of a checker for a function that the student has not filled in
YOUR_TURN = "Your turn: put your answer in and run the cell again."
# The checker of each exercise, and the praise for a right answer
EXERCISES: dict[str, tuple[Checker, str]] = {}


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer; `right` is None while there is no answer yet."""

    right: bool | None
    text: str

    def __repr__(self) -> str:
        """Return the text."""
        return self.text

    def _repr_html_(self) -> str:
        # grey, green and orange; the text says the same
        colour = {None: "#737373", True: "#009e73", False: "#e69f00"}[self.right]
        return (
            f'<p role="status" style="border-left: 6px solid {colour}; margin: 0; '
            f'padding: 4px 12px">{html_text(self.text)}</p>'
        )


def exercise(name: str, praise: str) -> Callable[[Checker], Checker]:
    """Register the decorated function as the checker of an exercise.

    Args:
        name: of the exercise, for `check`.
        praise: what a right answer means; shown after "Right."

    Returns:
        The decorator. The checker takes an answer and returns a hint, or "" if it is right.
    """

    def register(checker: Checker) -> Checker:
        EXERCISES[name] = checker, praise
        return checker

    return register


def number_exercise(
    name: str,
    expected: float,
    *,
    praise: str,
    hint: str,
    hints: Mapping[float, str] | None = None,
    tolerance: float = 0.01,
) -> None:
    """Register an exercise whose answer is one number.

    Args:
        name: of the exercise, for `check`.
        expected: the right answer.
        praise: what a right answer means; shown after "Right."
        hint: for a wrong answer.
        hints: for particular wrong answers, their own hints.
        tolerance: relative, of the right answer and of those in `hints`.
    """
    texts = {expected: "", **(hints or {})}

    @exercise(name, praise)
    def _(answer: Any) -> str:
        matching = (text for value, text in texts.items() if close(answer, value, tolerance))
        return next(matching, hint)


def check(name: str, answer: Any) -> Verdict:
    """Judge an answer; a notebook shows the verdict of the last line of a cell.

    Args:
        name: of the exercise.
        answer: any object; an answer that the checker cannot read is wrong.

    Returns:
        The verdict.

    Raises:
        SnnlabError: there is no exercise called `name`.
    """
    checker, praise = EXERCISES[known(name, EXERCISES, "exercise")]
    if answer is None:
        return Verdict(None, YOUR_TURN)
    try:
        hint = checker(answer)
    except Exception as error:  # noqa: BLE001 - a student's function may do anything
        return Verdict(False, f"Not yet. Your answer stopped with {type(error).__name__}: {error}")
    if hint == YOUR_TURN:
        return Verdict(None, hint)
    return Verdict(False, f"Not yet. {hint}") if hint else Verdict(True, f"Right. {praise}")


def close(answer: Any, expected: float, tolerance: float = 0.01) -> bool:
    """Return whether a number or one-element tensor is within a relative tolerance."""
    return math.isclose(float(answer), expected, rel_tol=tolerance, abs_tol=1e-9)
