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
# Relative tolerance of a count, or of one of a few choices
EXACT = 1e-6
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
    hint: str | Callable[[float], str],
    hints: Mapping[float, str],
    tolerance: float = 0.01,
    hint_tolerance: float | None = None,
) -> None:
    """Register an exercise whose answer is one number.

    Args:
        name: of the exercise, for `check`.
        expected: the right answer.
        praise: what a right answer means; shown after "Right."
        hint: for a wrong answer, or a function that makes it of the answer.
        hints: for particular wrong answers, their own hints.
        tolerance: relative, of the right answer; `EXACT` for a count or a choice.
        hint_tolerance: of the answers in `hints`; None for the same.
    """
    texts = {expected: "", **hints}
    wide = tolerance if hint_tolerance is None else hint_tolerance

    @exercise(name, praise)
    def _(answer: Any) -> str:
        try:
            value = getattr(answer, "item", lambda: answer)()
            if isinstance(value, str | bytes):
                return f"Give a number, without quotation marks and unit; got {answer!r}."
            number = float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            return f"The answer is one number, such as 0.5; yours is {answer!r:.60}."
        near = [
            value
            for value in texts
            if close(number, value, tolerance if value == expected else wide)
        ]
        if near:
            return texts[min(near, key=lambda value: abs(number - value))]
        return hint if isinstance(hint, str) else hint(number)


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
            shown = ", ".join(map(_brief, arguments))
            call = f"{getattr(answer, '__name__', 'f')}({shown})"
            if result is None and _is_stub(answer):
                return YOUR_TURN
            if result is None:
                return f"For {call}, your function returns nothing (None). Is a `return` missing?"
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
    right, yours = _array(expected), _array(result)
    if right.dtype == object:  # such as a network among the arguments
        return ""
    if right.size == yours.size == 1:
        right, yours = right.reshape(()), yours.reshape(())
    if right.shape != yours.shape and yours.dtype != object:
        return f"the shape {right.shape} is expected; yours is {yours.shape}"
    if right.dtype.kind in "US" or yours.dtype.kind not in "biufc":
        same = right.shape == yours.shape and bool(np.all(right == yours))
        return "" if same else f"{_brief(expected)} is expected; yours is {_brief(result)}"
    equal = np.isclose(right, yours, rtol=tolerance, atol=tolerance / 100, equal_nan=True)
    if equal.all():
        return ""
    place = tuple(map(int, np.argwhere(~equal)[0]))
    where = f" at index {list(place)}" if place else ""
    return f"{_number(right[place])} is expected{where}; yours is {_number(yours[place])}"


def _array(value: Any) -> np.ndarray:
    """Return a value as an array; what numpy cannot read, such as ragged lists, as an object."""
    try:
        return np.asarray(to_numpy(value))
    except (TypeError, ValueError, RuntimeError):
        array = np.empty((), object)
        array[()] = value
        return array


def _number(value: np.generic) -> str:
    """Return a number with four digits, or `True` or `False`."""
    return str(value) if value.dtype.kind == "b" else f"{value:.4g}"


def _brief(value: Any) -> str:
    """Return a value as a student would write it, or its shape if it is large."""
    if value is None or value is ...:
        return "None" if value is None else "`...`"
    array = _array(value)
    if array.size > 8 or array.dtype == object:
        kind = type(value).__name__
        return f"<{kind} of shape {array.shape}>" if array.ndim else f"<{kind}>"
    if array.dtype.kind in "fc":  # float64 first: as float32, 0.4 would be shown as 0.40000000596
        array = np.round(array.astype(complex if array.dtype.kind == "c" else float), 4)
    return repr(array.tolist())


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
