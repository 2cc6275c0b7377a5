"""How an answer is judged: right, or not yet and a hint."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from snnlab._utils.escape import html_text
from snnlab._utils.fields import known

Checker = Callable[[Any], str]
# A checker returns it for an empty stub
YOUR_TURN = "Your turn: put your answer in and run the cell again."
# By name, its checker and the praise for a right answer
EXERCISES: dict[str, tuple[Checker, str]] = {}


@dataclass(frozen=True)
class Verdict:
    """`right` is None while there is no answer yet."""

    right: bool | None
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        # The words say it too
        colour = {None: "#737373", True: "#009e73", False: "#e69f00"}[self.right]
        return (
            f'<p role="status" style="border-left: 6px solid {colour}; margin: 0; padding: 4px 12px">'
            f"{html_text(self.text)}</p>"
        )


def exercise(name: str, praise: str) -> Callable[[Checker], Checker]:
    """Register a checker under `name`; `praise` follows "Right." and says what the answer means."""

    def register(checker: Checker) -> Checker:
        EXERCISES[name] = checker, praise
        return checker

    return register


def check(name: str, answer: Any) -> Verdict:
    """Judge `answer`; on the last line of a cell the verdict is shown. Whatever the answer is, this does not raise.

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
    """Is `answer`, a number or a one-element tensor, within `tolerance` (relative) of `expected`?"""
    return math.isclose(float(answer), expected, rel_tol=tolerance, abs_tol=1e-9)
