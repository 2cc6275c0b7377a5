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
