"""How an answer is judged: right, or not yet and a hint."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from snnlab._utils.arrays import to_numpy
from snnlab._utils.escape import status_html
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
        return status_html(self.text, colour)


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
    hints: Mapping[float, str],
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
    texts = {expected: "", **hints}

    @exercise(name, praise)
    def _(answer: Any) -> str:
        if isinstance(answer, str):
            return f"Give a number, without quotation marks and unit; got {answer!r}."
        try:
            number = float(getattr(answer, "item", lambda: answer)())
        except (TypeError, ValueError, RuntimeError, OverflowError):
            return f"The answer is one number, such as 0.5; yours is {answer!r:.60}."
        matching = [value for value in texts if close(number, value, tolerance)]
        return texts[min(matching, key=lambda value: abs(number - value))] if matching else hint


def function_exercise(
    name: str,
    reference: Callable[..., Any],
    inputs: Sequence[tuple[Any, ...]],
    *,
    praise: str,
    hint: str,
    mistakes: Mapping[str, Callable[..., Any]],
) -> None:
    """Register an exercise whose answer is a function.

    The checker calls the student's function with each of the inputs and compares what it returns
    with what the reference returns: a number, an array or tensor, or a tuple of these. It has
    hints of its own for an answer that is no function, returns nothing or another shape, changes
    its arguments, or gives NaN.

    Args:
        name: of the exercise, for `check`.
        reference: the right function.
        inputs: the arguments of each call. The first call that goes wrong is shown to the student,
            so simple ones go first.
        praise: what a right answer means; shown after "Right."
        hint: for a wrong answer; shown after the call that went wrong.
        mistakes: for particular wrong answers, the hint and a function that makes the mistake: the
            hint is shown if the student's function returns the same in all calls.
    """

    def results(function: Callable[..., Any]) -> list[Any]:
        return [function(*deepcopy(arguments)) for arguments in inputs]

    @exercise(name, praise)
    def _(answer: Any) -> str:
        if not callable(answer):
            return "The answer is a function; pass its name, without calling it."
        for arguments in inputs:
            given = deepcopy(arguments)
            result, expected = answer(*given), reference(*deepcopy(arguments))
            if result is None:
                return YOUR_TURN if _is_stub(answer) else "Your function returns nothing (None)."
            if _difference(list(arguments), list(given), tolerance=0):
                return "Your function changes its arguments; work on a copy of them."
            if difference := _difference(expected, result):
                break
        else:
            return ""
        for text, mistake in mistakes.items():
            pairs = zip(results(mistake), results(answer), strict=True)
            if not any(_difference(wrong, returned) for wrong, returned in pairs):
                return text
        shown = ", ".join(map(_brief, arguments))
        call = f"{getattr(answer, '__name__', 'f')}({shown})"
        return f"For {call}, {difference}. {hint}"


def _is_stub(function: Callable[..., Any]) -> bool:
    """Return whether a function does nothing, as before a student fills it in."""

    def stub() -> None: ...

    code = getattr(function, "__code__", None)
    return code is not None and len(code.co_code) <= len(stub.__code__.co_code)


def _difference(expected: Any, result: Any, tolerance: float = 1e-4) -> str:
    """Return in words how a result differs from the expected one; "" if it does not.

    Args:
        expected: a number, an array or tensor, or a tuple of these.
        result: what was returned.
        tolerance: relative; the absolute one is a hundredth of it.
    """
    if isinstance(expected, tuple | list):
        if isinstance(result, np.ndarray | torch.Tensor) and result.ndim:
            result = [*result]
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return f"{len(expected)} values are expected; yours is {_brief(result)}"
        pairs = enumerate(zip(expected, result, strict=True), 1)
        parts = ((n, _difference(*pair, tolerance)) for n, pair in pairs)
        return next((f"in value {n}, {text}" for n, text in parts if text), "")
    right, yours = np.asarray(to_numpy(expected)), np.asarray(to_numpy(result))
    if right.dtype == object:  # such as a network among the arguments
        return ""
    if right.size == yours.size == 1:
        right, yours = right.reshape(()), yours.reshape(())
    if right.shape != yours.shape:
        return f"the shape {right.shape} is expected; yours is {yours.shape}"
    if right.dtype.kind in "US" or yours.dtype.kind not in "biufc":
        same = bool(np.all(right == yours))
        return "" if same else f"{_brief(right)} is expected; yours is {_brief(yours)}"
    equal = np.isclose(right, yours, rtol=tolerance, atol=tolerance / 100, equal_nan=True)
    if equal.all():
        return ""
    place = tuple(map(int, np.argwhere(~equal)[0]))
    where = f" at index {list(place)}" if place else ""
    return f"{right[place]:.4g} is expected{where}; yours is {yours[place]:.4g}"


def _brief(value: Any) -> str:
    """Return a value as a student would write it, or its shape if it is large."""
    array = np.asarray(to_numpy(value))
    if array.size > 8 or array.dtype == object:
        kind = type(value).__name__
        return f"<{kind} of shape {array.shape}>" if array.ndim else f"<{kind}>"
    numbers = np.round(array, 4).tolist() if array.dtype.kind in "fc" else array.tolist()
    return repr(numbers)


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
