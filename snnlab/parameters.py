"""One parameter: its type, unit, range and meaning, and how a value is checked against them."""

import dataclasses
import difflib
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, get_args, get_origin

from snnlab.errors import SnnlabError


@dataclass(frozen=True)
class Spec:
    """What a parameter may be; for a tuple, what each of its numbers may be, and whether there may be none.

    One that does not decide about the result, up to rounding, may be another when a killed run goes on.

    Both limits are allowed values.
    """

    help: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    empty: bool = False
    decides: bool = True


def parameter(help: str, **limits: Any) -> Any:
    """A dataclass field that carries `Spec(help, **limits)`."""
    return dataclasses.field(metadata={"spec": Spec(help, **limits)})


def typed(field: "dataclasses.Field[Any]", value: Any) -> Any:
    """`value` as the type of its field: a whole number may stand for a real one, a list for a tuple.

    Raises:
        SnnlabError: it has another type, or is out of the field's range.
    """
    spec: Spec = field.metadata["spec"]
    kind, many = _kind(field)
    if spec.choices and isinstance(value, str):
        return known(value, spec.choices, field.name)
    if many:
        right = isinstance(value, list | tuple) and (len(value) > 0 or spec.empty)
        items = tuple(value) if right else ()
    else:
        right, items = True, (value,)
    if not right or not all(_fits(item, kind, spec) for item in items):
        raise SnnlabError(f"{field.name} = {value!r}: expected {_expected(field)} ({spec.help}).")
    converted = tuple(kind(item) for item in items)
    return converted if many else converted[0]


def from_text(field: "dataclasses.Field[Any]", text: str) -> Any:
    """The value of a field typed on a command line; a list is `[32, 32]` or `32,32`.

    Raises:
        SnnlabError: as `typed`.
    """
    kind, many = _kind(field)
    if many:
        inside = text.strip().strip("[]").strip()
        return typed(field, [_read(item.strip(), kind) for item in inside.split(",")] if inside else [])
    return typed(field, _read(text, kind))


def _read(text: str, kind: Any) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text  # `typed` will say what was expected instead


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int, where it is a whole number of any type (Python's, numpy's) in the range.

    Raises:
        SnnlabError: it is not.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        upto = "" if most is None else f" to {most}"
        raise SnnlabError(f"{name} = {value!r}: expected a whole number from {least}{upto}.")
    return number


def is_number(value: Any) -> bool:
    """Whether `value` is a finite real number of any type, Python's or numpy's, and no truth value."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def known(name: Any, names: Iterable[str], what: str) -> str:
    """`name`, if it is one of `names`.

    Raises:
        SnnlabError: it is not; the message has the nearest and all of them.
    """
    names = list(names)
    if name in names:
        return str(name)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise SnnlabError(f"There is no {what} called {name!r}{hint}; valid names: {', '.join(names)}.")


def _kind(field: "dataclasses.Field[Any]") -> tuple[Any, bool]:
    """The type of one value of a field, and whether it holds several."""
    many = get_origin(field.type) is tuple
    return (get_args(field.type)[0] if many else field.type), many


def _fits(value: Any, kind: Any, spec: Spec) -> bool:
    if kind is bool or isinstance(value, bool):  # True is not 1 here
        return kind is bool and isinstance(value, bool)
    if kind is str:
        return isinstance(value, str) and not spec.choices
    number = isinstance(value, int) or (kind is float and isinstance(value, float) and math.isfinite(value))
    return number and spec.low <= value <= spec.high


def _expected(field: "dataclasses.Field[Any]") -> str:
    spec: Spec = field.metadata["spec"]
    if spec.choices:
        return "one of " + ", ".join(spec.choices)
    kind, many = _kind(field)
    words = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}[kind]
    if many:
        words = f"a list of {words.removeprefix('a ')}s, such as [20, 40], each"
    if spec.low > -math.inf:
        words += f" from {spec.low:,}"
    if spec.high < math.inf:
        words += f" to {spec.high:,}"
    return words + (f" {spec.unit}" if spec.unit else "")
