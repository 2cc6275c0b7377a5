"""Parameters: type, unit, range and meaning of each, and the check of values against them."""

import dataclasses
import difflib
import functools
import inspect
import math
import operator
import os
import sys
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args, get_origin

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import is_utf8

T = TypeVar("T")
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Spec:
    """What a parameter may be; for a tuple, what each of its numbers may be.

    Attributes:
        help: what it is.
        unit: of a number.
        low, high: limits of a number; both are allowed values.
        choices: the texts that are allowed; without any, any text is.
        path: whether a text has to serve as a name or a path of files.
        empty: whether a tuple or a text may be empty, which means "none" or "as usual".
        repeats: whether a tuple may hold the same value twice.
        decides: whether the result depends on it. One that does not, up to rounding, may be another
            when a killed run goes on.
        needs: other parameters, each with the values beside which alone this one is read.
        unless: other parameters, each with the values beside which this one is not read.
    """

    help: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    path: bool = True
    empty: bool = False
    repeats: bool = False
    decides: bool = True
    needs: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    unless: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)


def parameter(default: Any, help: str, **limits: Any) -> Any:
    """Return a dataclass field with a default that carries `Spec(help, **limits)`."""
    return dataclasses.field(default=default, metadata={"spec": Spec(help, **limits)})


def typed(field: "dataclasses.Field[Any]", value: Any, spec: Spec | None = None) -> Any:
    """Convert a value to the type of its field: an int may stand for a float, a list for a tuple.

    Args:
        field: whose type is a text, a truth value, a number, a tuple of these, or a `Literal`.
        value: the value.
        spec: what it may be; None for the field's own, which `parameter` gave it.

    Raises:
        SnnlabError: it has another type, is out of the field's range, is a text that can be no name
            or path, or is a list that holds a value twice where the field does not allow it.
    """
    if get_origin(field.type) is Literal:
        words = get_args(field.type)
        if not isinstance(value, Hashable) or value not in words:
            expected = f"one of {_listed(words)}{_nearest(value, words)}"
            raise SnnlabError(f"{field.name} = {value!r}: expected {expected}.")
        return value
    kind, many = _kind(field)
    spec = spec or field.metadata["spec"]
    about = f" ({spec.help})" if spec.help else ""
    items = value if many else (value,)
    right = isinstance(items, list | tuple) and (len(items) > 0 or spec.empty)
    if not right or not all(_fits(item, kind, spec) for item in items):
        raise SnnlabError(f"{field.name} = {value!r}: expected {_expected(field, spec)}{about}.")
    for item in items if spec.choices else ():
        known(item, spec.choices, f"value of {field.name}" if many else field.name)
    texts = items if kind is str and spec.path else ()
    if why := next(filter(None, (_no_path(text, spec) for text in texts)), ""):
        raise SnnlabError(f"{field.name} = {value!r} {why}; expected a name or path{about}.")
    converted = tuple(kind(item) for item in items)
    if not many:
        return converted[0]
    if not spec.repeats and len(set(converted)) < len(converted):
        twice = next(item for i, item in enumerate(converted) if item in converted[:i])
        raise SnnlabError(
            f"{field.name} = {value!r}: {twice} is there twice; expected each value once{about}."
        )
    return converted


def check_read(field: "dataclasses.Field[Any]", values: Mapping[str, Any]) -> None:
    """Check that a value has an effect beside the values of the other parameters.

    Args:
        field: the parameter.
        values: of all parameters, by name.

    Raises:
        SnnlabError: another parameter has a value that makes this one meaningless.
    """
    spec: Spec = field.metadata["spec"]
    name = field.name
    for other, listed in (*spec.needs.items(), *spec.unless.items()):
        if (values[other] in listed) == (other in spec.needs):
            continue
        cure = f"leave {name} out, or choose another {other}"
        if other in spec.needs:
            *first, last = (value or repr(value) for value in listed)
            cure += f": {', '.join(first)} or {last}" if first else f": {last}"
        beside = f"{other} = {values[other]!r}"
        raise SnnlabError(f"{name} = {values[name]!r} changes nothing where {beside}; {cure}.")


def from_text(field: "dataclasses.Field[Any]", text: str) -> Any:
    """Parse the value of a field from the command line; a list is `[32, 32]` or `32,32`.

    The items of a list may have quotes around them, as in JSON.

    Raises:
        SnnlabError: as `typed`.
    """
    kind, many = _kind(field)
    if many:
        inside = text.strip().strip("[]").strip()
        items = [item.strip().strip("'\"") for item in inside.split(",")] if inside else []
        return typed(field, [_read(item, kind) for item in items])
    return typed(field, _read(text, kind))


def _read(text: str, kind: Any) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text) if kind is str else read_number(text)
    except ValueError:
        return text  # `typed` will say what was expected instead


def read_number(text: str) -> int | float:
    """Read a number in any usual spelling: 1000, 1_000 and 1e3 are whole, 0.01 and 1e-2 are not.

    Raises:
        ValueError: it is not a number.
    """
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return int(number) if "." not in text and number.is_integer() else number


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an int if it is a whole number of any type (Python's, numpy's) in a range.

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
    """Return whether `value` is a finite real number of any type, and not a bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # of a whole number that no float can hold
        return False


def known(name: Any, names: Iterable[str], what: str) -> str:
    """Return `name` if it is one of `names`.

    Raises:
        SnnlabError: it is not; the message names the nearest, and all.
    """
    names = list(names)
    if isinstance(name, str) and name in names:
        return name
    raise SnnlabError(
        f"There is no {what} called {name!r}{_nearest(name, names)}; valid names: {_listed(names)}."
    )


def nearest_names(settings: type[T]) -> type[T]:
    """Decorate a class: an unknown argument is refused with the nearest name.

    Example:
        >>> @nearest_names
        ... @dataclass
        ... class Settings:
        ...     max_delay: int = 24
        >>> Settings(max_dely=10)
        Traceback (most recent call last):
        snnlab._utils.errors.SnnlabError: There is no argument of Settings called 'max_dely' \
(did you mean max_delay?); valid names: max_delay.
    """
    initialise: Any = settings.__init__
    names = list(inspect.signature(settings).parameters)

    @functools.wraps(initialise)
    def checked(self: T, *args: Any, **values: Any) -> None:
        for name in values:
            known(name, names, f"argument of {settings.__name__}")
        initialise(self, *args, **values)

    settings.__init__ = checked  # type: ignore[method-assign, assignment]
    return settings


def _kind(field: "dataclasses.Field[Any]") -> tuple[Any, bool]:
    """Return the type of one value of a field, and whether the field holds several."""
    many = get_origin(field.type) is tuple
    return (get_args(field.type)[0] if many else field.type), many


def _fits(value: Any, kind: Any, spec: Spec) -> bool:
    if kind is bool or isinstance(value, bool):  # True is not 1 here
        return kind is bool and isinstance(value, bool)
    if kind is str:
        return isinstance(value, str)
    is_whole = isinstance(value, Integral)  # NumPy's, too
    if is_whole and abs(value) > sys.float_info.max:
        return False
    return (is_whole or (kind is float and is_number(value))) and spec.low <= value <= spec.high


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name or repr(name) for name in names)


def _nearest(name: Any, names: Iterable[str]) -> str:
    """Return the nearest name in brackets, or ""."""
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    return f" (did you mean {near[0]}?)" if near else ""


def _no_path(text: str, spec: Spec) -> str:
    """Return why a text cannot be a name or a path, or ""."""
    if not text.strip():
        return "" if spec.empty and not text else "is blank"
    if "\0" in text:
        return "has a NUL character"
    if not is_utf8(text):  # bytes of a command line
        return "is not UTF-8"
    if max(map(len, text.encode().split(b"/"))) > 255 or len(text.encode()) > 4095:
        return "is longer than a path can be"
    if text.startswith("~") and os.path.expanduser(text) == text:
        return "begins with a home folder that does not exist"
    return ""


def _expected(field: "dataclasses.Field[Any]", spec: Spec) -> str:
    kind, many = _kind(field)
    if spec.choices:
        return "a list of " * many + "one of " * (not many) + ", ".join(spec.choices)
    words = _WORDS[kind]
    if many:
        example = '["fc"]' if kind is str else "[20, 40]"
        words = f"a list of {words.removeprefix('a ')}s, such as {example}"
        if (spec.low, spec.high) != (-math.inf, math.inf):
            words += ", each"
    if spec.low > -math.inf:
        words += f" from {spec.low:,}"
    if spec.high < math.inf:
        words += f" to {spec.high:,}"
    return words + (f" {spec.unit}" if spec.unit else "")
