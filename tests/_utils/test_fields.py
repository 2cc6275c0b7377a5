"""One parameter: what its type and range let through."""

from dataclasses import dataclass, fields

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import from_text, known, parameter, typed


@dataclass(frozen=True)
class Example:
    text: str = parameter("x", "a text")
    folder: str = parameter("", "a folder; empty for none", empty=True)
    choice: str = parameter("left", "one of two", choices=("left", "right"))
    flag: bool = parameter(True, "yes or no")
    count: int = parameter(1, "how many", low=1, high=10)
    share: float = parameter(0.5, "a share", low=0, high=1)
    sizes: tuple[int, ...] = parameter((1,), "several", low=1)
    taus: tuple[float, ...] = parameter((1.0,), "several", unit="ms", low=1)
    layers: tuple[int, ...] = parameter((1,), "in order", repeats=True)
    sides: tuple[str, ...] = parameter(("left",), "several", choices=("left", "right"))


FIELDS = {field.name: field for field in fields(Example)}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "~/data", "~/data"),
        ("folder", "", ""),
        ("choice", "left", "left"),
        ("flag", False, False),
        ("count", 10, 10),
        ("share", 1, 1.0),
        ("sizes", [32, 16], (32, 16)),
        ("taus", (20, 40.5), (20.0, 40.5)),
        ("count", np.int64(3), 3),
        ("share", np.float32(0.5), 0.5),
        ("sizes", [np.int32(4)], (4,)),
        ("layers", [16, 16], (16, 16)),
    ],
)
def test_fitting_values_take_their_fields_type(name, value, expected):
    result = typed(FIELDS[name], value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("text", 3, "expected text"),
        ("choice", 1, "expected one of left, right"),
        ("flag", 1, "expected true or false"),
        ("count", True, "expected a whole number from 1 to 10"),
        ("count", 2.0, "expected a whole number"),
        ("count", np.float64(2), "expected a whole number"),
        ("count", np.bool_(True), "expected a whole number"),
        ("share", np.float64("nan"), "expected a number"),
        ("count", 0, "from 1 to 10"),
        ("count", 11, "from 1 to 10"),
        ("share", False, "expected a number from 0 to 1"),
        ("share", float("nan"), "expected a number"),
        ("share", "0.5", "expected a number"),
        ("sizes", 32, "expected a list of whole numbers"),
        ("sizes", [], "expected a list of whole numbers"),
        ("sizes", [32, True], "expected a list of whole numbers"),
        ("sizes", "32", "expected a list of whole numbers"),
        ("taus", [10**400], "expected a list of numbers"),
        ("taus", [20, 40, 20.0], "20.0 is there twice; expected each value once (several)"),
        ("sides", ["left", "left"], "left is there twice"),
        (
            "taus",
            [20, float("inf")],
            "expected a list of numbers, such as [20, 40], each from 1 ms",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_name_value_and_expectation(name, value, words):
    with pytest.raises(SnnlabError) as caught:
        typed(FIELDS[name], value)
    assert str(caught.value).startswith(f"{name} = {value!r}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("text", "", "is blank; expected a name or path (a text)"),
        ("text", " \t", "is blank"),
        ("folder", " ", "is blank"),
        ("folder", "a/" + 256 * "b", "is longer than a path can be"),
        ("folder", 3000 * "a/", "is longer than a path can be"),
        ("folder", "a\0b", "has a NUL character"),
        ("folder", b"a\xff".decode(errors="surrogateescape"), "is not UTF-8"),
        ("text", "~nobody-of-this-name/data", "begins with a home folder that does not exist"),
    ],
)
def test_a_text_that_can_be_no_path_is_refused(name, value, words):
    with pytest.raises(SnnlabError) as caught:
        typed(FIELDS[name], value)
    assert str(caught.value).startswith(f"{name} = {value!r} {words}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("text", "3", "3"),
        ("text", "null", "null"),
        ("flag", "true", True),
        ("flag", "False", False),
        ("count", "7", 7),
        ("share", "1e-3", 0.001),
        ("share", "1", 1.0),
        ("sizes", "[32, 16]", (32, 16)),
        ("sizes", "32,16", (32, 16)),
        ("sizes", "32", (32,)),
        ("taus", "[1e2, 20.1]", (100.0, 20.1)),
        ("sides", '["left", "right"]', ("left", "right")),
        ("sides", "['left']", ("left",)),
    ],
)
def test_command_line_texts_are_read_as_their_fields_type(name, text, expected):
    assert from_text(FIELDS[name], text) == expected
    assert type(from_text(FIELDS[name], text)) is type(expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flag", "1"),
        ("count", "2.0"),
        ("count", "null"),
        ("count", "1:30"),
        ("share", "nan"),
        ("sizes", "[]"),
        ("sizes", "[a]"),
    ],
)
def test_unreadable_texts_are_refused(name, text):
    with pytest.raises(SnnlabError, match=f"^{name} = "):
        from_text(FIELDS[name], text)


def test_a_misspelt_name_gets_the_nearest_and_all():
    with pytest.raises(
        SnnlabError,
        match=r"no fruit called 'aple' \(did you mean apple\?\); valid names: apple, pear\.",
    ):
        known("aple", ["apple", "pear"], "fruit")


def test_a_misspelt_choice_gets_the_nearest_and_all():
    with pytest.raises(
        SnnlabError,
        match=r"no choice called 'lefd' \(did you mean left\?\); valid names: left, right\.",
    ):
        typed(FIELDS["choice"], "lefd")


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(SnnlabError, match="no fruit called 'xyz'; valid names: apple, pear"):
        known("xyz", ["apple", "pear"], "fruit")
