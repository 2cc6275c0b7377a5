"""The page "04 on real voices", on a small archive in the published layout."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import standins

from snnlab._utils.errors import SnnlabError
from snnlab.course.config import resolve
from snnlab.course.data_check import check_data
from snnlab.data.registry import load_dataset
from snnlab.runs.execute import execute, plan

PAGE = Path(__file__).parents[2] / "notebooks/real/04_real_voices.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("archive")
    standins.speech_commands_test(at, takes=(1,) * 6)
    return at


def test_the_page_runs_and_its_results_say_what_they_are(folder, tmp_path):
    settings = {"profile": "tiny", "data": str(folder), "out": str(tmp_path / "out")}
    out = execute(plan(PAGE, settings))
    result = json.loads((out / "result.json").read_text())
    entries = result["results"]
    fields = "variant fold seed connections tau_ms lr parameters train_accuracy valid_accuracy"
    assert all(
        {*fields.split(), "test_accuracy", "cpu_seconds"} <= entry.keys() for entry in entries
    )
    cases = [(entry["variant"], entry["fold"], entry["seed"]) for entry in entries]
    arms = {variant for variant, _, _ in cases}
    assert len(set(cases)) == len(cases) == 2 * len(arms) and len(arms) == 7
    few = {entry["variant"] for entry in entries if entry["connections"] == 8}
    assert few == {arm for arm in arms if "few inputs" in arm}
    by_case = dict(zip(cases, entries, strict=True))
    for name, pair in result["more"]["differences"].items():
        one, other = name.split(" minus ")
        points = [
            100 * (by_case[one, f, 0]["test_accuracy"] - by_case[other, f, 0]["test_accuracy"])
            for f in (0, 1)
        ]
        assert np.allclose(np.ravel(pair["points"]), points)
        mean, half = pair["interval"]
        assert math.isclose(100 * mean, np.mean(points), abs_tol=1e-9)
        expected = 12.7062 * abs(points[0] - points[1]) / 2  # t(0.975) of one degree of freedom
        assert math.isclose(100 * half, expected, rel_tol=1e-4, abs_tol=1e-9)
    numbers = {arm: by_case[arm, 0, 0]["parameters"] for arm in arms}
    for wide, learned in (
        ("fixed, as many parameters", "learned"),
        ("fixed, few inputs, wider", "learned, few inputs"),
    ):
        assert abs(numbers[wide] / numbers[learned] - 1) < 0.1


def test_no_speaker_is_in_two_parts(folder):
    for fold in (0, 1):
        parts = load_dataset(folder, fold=fold, dt_ms=20.0, n_in=140)
        train, valid, test = (
            set(part.speakers.tolist()) for part in (parts.train, parts.valid, parts.test)
        )
        assert train and valid and test and not (train & test or valid & test or train & valid)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_in": 99}, "n_in = 99: expected a divisor of the 700 channels"),
        ({"n_in": 35}, "n_in = 35: .* whose half is one, too"),
        ({"n_in": 1, "fan_in": 1}, "n_in = 1: .* whose half is one, too"),
        ({"dt_ms": 1.9}, "dt_ms = 1.9: expected 2 ms or more"),
        ({"test_folds": [2]}, "test_folds = .*: expected two or more"),
        ({"test_folds": [1, 1]}, "1 is there twice; expected each value once"),
        ({"tau_ms": [20.0]}, "tau_ms = 20: expected more than one time step"),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(SnnlabError, match=message):
        resolve("04_real_voices", **wrong)


def test_data_without_folds_and_a_fold_that_does_not_exist_are_refused(folder):
    with pytest.raises(SnnlabError, match="spoken-digits has no folds of speakers of its own"):
        check_data(resolve("04_real_voices", data="spoken-digits"))
    with pytest.raises(SnnlabError, match="fold = 7"):
        check_data(resolve("04_real_voices", data=str(folder), test_folds=[0, 7]))
