"""The exercises: right, wrong and strange answers, and the solutions in the notebooks."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.course.exercises import check, judge
from snnlab.course.exercises.judge import EXERCISES

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def soft(v, x):
    h = 0.9 * v + x
    return float(h >= 1), h - float(h >= 1)


def hard(v, x):
    h = 0.9 * v + x
    return float(h >= 1), h * float(h < 1)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "hint"),
    [
        ("weakest_input", 0.05, 1.0, "weaker input"),
        ("weakest_input", torch.tensor([0.05]), 0.2, "Solve for H"),
        ("tau_in_steps", 1 - 1 / 1.005, 1.005, "Now beta"),
        ("tau_in_steps", 0.005, 1 - 1 / 10.05, "divide by dt_ms"),
        ("largest_gap", 8, 9, "shrunk to 0.271"),
        ("largest_gap", 8, 0.7 * 0.9**8 + 0.7, "number of steps"),
        ("largest_gap", 8.0, 3, "longer gap still works"),
        ("gradient_back", 2.5 * 0.9**3, 0.9**3, "Multiply by the surrogate"),
        ("gradient_back", 1.82, 2.5, "Three steps earlier"),
        ("meeting_ms", 20, 180, "earlier spike"),
        ("meeting_ms", 20.0, 160, "set out"),
        ("meeting_ms", 20, 60, "100 + 60"),
        ("shifted_ms", 40, 0, "not at the same time"),
        ("shifted_ms", 40, 20, "40 ms later"),
        ("rounding_ms", 10, 0.5, "in steps"),
        ("rounding_ms", 10, 20, "nearest"),
        ("rounding_ms", 10, 5, "farthest"),
        ("weakest_current", 0.375, 0.5, "weaker input"),
        ("weakest_current", 3 / 8, 0.125, "What is lost"),
        ("epochs_for_an_eighth", 213.3, 80, "fine-tuning alone"),
        ("epochs_for_an_eighth", 640 / 3, 880, "a sixth of one"),
        ("soft_reset_spikes", 2, 0.4, "in 5 steps"),
        ("flat_picture", 0, 100, "What is left"),
        ("on_off_weights", 144, 72, "two channels"),
        ("luckiest_epoch", 1.12, 2.25, "half a point"),
        ("luckiest_epoch", 1.2, 0.5, "50 epochs"),
        ("three_seeds", 2.79, 1.27, "with three, t is 4.303"),
        ("three_seeds", 2.8, 4.84, "square root of n"),
        ("three_seeds", 2.79, 2.28, "divides by n;"),
        ("subtract_reset", soft, hard, "V becomes 0.12; yours is 0.00"),
    ],
)
def test_right_and_wrong_answers(name, right, wrong, hint):
    assert check(name, right).right is True
    verdict = check(name, wrong)
    assert verdict.right is False
    assert hint in verdict.text


@pytest.mark.parametrize("name", EXERCISES)
def test_whatever_the_answer_is_a_verdict_comes_back(name):
    assert check(name, None).right is None
    for strange in ("abc", [1, 2], torch.zeros(3), object(), float("nan"), lambda: 1):
        assert check(name, strange).right is False


def test_an_empty_function_is_not_an_answer_yet():
    assert check("subtract_reset", lambda v, x: None).right is None


def test_unknown_exercise_names_the_nearest():
    with pytest.raises(
        SnnlabError, match="no exercise called 'largest_gab'.*did you mean largest_gap"
    ):
        check("largest_gab", 8)


def test_a_verdict_is_said_in_words_and_escaped():
    verdict = check("weakest_input", "<b>")
    assert repr(verdict).startswith("Not yet.")
    assert "<b>" not in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


def exercises_of(path):
    """Yield each exercise of a notebook, and the code in the folded solution after it."""
    cells = json.loads(path.read_text())["cells"]
    for here, after in pairwise(cells):
        asked = re.search(r'^check\("(\w+)"', "".join(here["source"]), re.MULTILINE)
        if here["cell_type"] == "code" and asked:
            solution = re.search(
                r"<details>.*?```python\n(.*?)```.*?</details>", "".join(after["source"]), re.DOTALL
            )
            yield asked[1], solution and solution[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_solutions_in_a_notebook_are_right(path):
    exercises = list(exercises_of(path))
    assert len(exercises) == path.read_text().count('"### Exercise'), path.name
    for name, solution in exercises:
        assert solution, (
            f"{path.name}: exercise {name!r} has no <details> with a solution right after it"
        )
        names: dict = {"torch": torch}
        exec(solution, names)  # noqa: S102 - our own notebooks
        assert check(name, names["answer"]).right is True, f"{path.name}: {name}"


def test_each_exercise_is_asked_in_the_notebook_of_its_module():
    asked = {name: path.stem[3:] for path in NOTEBOOKS for name, _ in exercises_of(path)}
    folder = Path(judge.__file__).parent
    assert asked.keys() == EXERCISES.keys()
    for name, notebook in asked.items():
        assert f'"{name}"' in (folder / f"{notebook}.py").read_text(), name
