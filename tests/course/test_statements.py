"""Statements of a notebook's text, evaluated on its results."""

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.course import claims
from snnlab.course.statements import MIME


def test_true_statements_are_counted():
    assert repr(claims({"A beats B": np.float64(2) > 1, "C": True})) == (
        "2 statements above hold in this run."
    )
    assert repr(claims({"C": True})) == "1 statement above holds in this run."


def test_false_statements_are_named_and_raise_nothing():
    result = claims({"A < B": np.bool_(False), "C": True})
    assert result.false == ["A < B"]
    assert "1 of 2 statements above does not hold in this run: 'A < B'" in repr(result)


def test_a_notebook_keeps_the_statements_and_shows_one_line():
    bundle = claims({"A < B": False, "C": np.bool_(True)})._repr_mimebundle_()
    assert bundle[MIME] == {"A < B": False, "C": True}
    assert 'role="status"' in bundle["text/html"] and "A &lt; B" in bundle["text/html"]
    assert "A < B" in bundle["text/plain"]


@pytest.mark.parametrize("value", [np.nan, 1.0, "False", [False], np.array([True, False]), max])
def test_what_is_neither_true_nor_false_is_an_error_of_the_author(value):
    with pytest.raises(SnnlabError, match="'A': .* is neither true nor false; give one truth"):
        claims({"A": value})


def test_one_element_tensors_are_truth_values():
    assert claims({"A": torch.tensor(1.0) > 0}).false == []


def test_statements_about_networks_that_were_not_trained_are_left_out():
    accuracy = {"learned": 0.8}
    result = claims(
        {
            "learned beats chance": lambda: accuracy["learned"] > 0.05,
            "learned beats none": lambda: accuracy["learned"] > accuracy["none"],
        }
    )
    assert result.holds == {"learned beats chance": True, "learned beats none": None}
    assert result.false == [] and result.left_out == ["learned beats none"]
    assert repr(result) == (
        "1 statement above holds in this run. "
        "1 statement above is about networks that this run did not train."
    )
    none_left = claims({"A": lambda: accuracy["none"] > 0, "B": lambda: accuracy["fixed"] > 0})
    assert repr(none_left) == ("2 statements above are about networks that this run did not train.")


def test_a_statement_of_a_function_may_be_false_or_no_truth_value():
    assert claims({"A": lambda: {1: 0.2}[1] > 2}).false == ["A"]
    with pytest.raises(SnnlabError, match="'A': 0.5 is neither true nor false"):
        claims({"A": lambda: 0.5})


def test_one_statement_is_no_statements():
    assert "1 of 1 statement above does not hold" in repr(claims({"A < B": False}))
