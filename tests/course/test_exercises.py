"""The exercises: right, wrong and strange answers, and the solutions in the notebooks."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from notebooks import LESSONS, checked_name, exercises_of
from snnlab._utils.errors import SnnlabError
from snnlab.course.exercises import check, judge
from snnlab.course.exercises.judge import EXERCISES, function_exercise
from snnlab.data.encoding.odg import COLUMNS, ROWS


def soft(v, x):
    h = 0.9 * v + x
    return float(h >= 1), h - float(h >= 1)


def later(spikes, steps):
    return torch.cat([0 * spikes[:steps], spikes[: len(spikes) - steps]])


def hard(v, x):
    h = 0.9 * v + x
    return float(h >= 1), h * float(h < 1)


def soft_rate(x, steps):
    return torch.floor(steps * x + 0.5).clamp(0, steps) / steps


def fires_above(x, steps):
    v, spikes = torch.full_like(x, 0.5), torch.zeros_like(x)
    for _ in range(steps):
        s = (v + x > 1).float()
        v, spikes = v + x - s, spikes + s
    return spikes / steps


def rounded_down(x, steps):
    v, spikes = torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(steps):
        v += x
        spikes += v >= 1
        v -= (v >= 1).float()
    return spikes / steps


def edges(events, first=1):
    """Return an edge integral; with another first shift, or None for none, that of a mistake."""
    shifts = [(1, 1)] * 8 if first is None else list(zip(ROWS, COLUMNS, strict=True))[first:]
    height, width = (length - 4 for length in events.shape[2:])
    change = events[:, 0].astype(float) - events[:, 1]
    pairs = zip(change, shifts, strict=False)
    return np.mean([s[row : row + height, col : col + width] for s, (row, col) in pairs], axis=0)


def mean_of_colours(weight):
    return weight.mean(1, keepdim=True).expand(-1, 2, -1, -1)


def rectangle(backward=lambda gradient, over: gradient * (over.abs() < 0.5)):
    """Return the hard step with a surrogate gradient."""

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(ctx, over):
            ctx.save_for_backward(over)
            return (over >= 0).float()

        @staticmethod
        def backward(ctx, gradient):
            return backward(gradient, *ctx.saved_tensors)

    return Step.apply


def window_in_place(gradient, over):
    gradient[over.abs() >= 0.5] = 0
    return gradient


def arriving(spikes, weight, delay):
    columns = [np.append(np.zeros(d), spikes[:, j])[: len(spikes)] for j, d in enumerate(delay)]
    return np.stack(columns, 1) @ weight


def moves(name, part):
    return (name.rpartition(".")[2] in ("P", "SIG")) == (part == "delays")


def level(delay, max_delay, bits, *, down=False, to_whole=np.rint):
    grid = to_whole(np.linspace(0, max_delay, 2**bits))
    return grid[grid <= delay].max() if down else grid[np.abs(grid - delay).argmin()]


def rolled(spikes, weight, delay):
    return sum(
        w * np.roll(spikes[:, j], d) for j, (w, d) in enumerate(zip(weight, delay, strict=True))
    )


def chosen(valid, test):
    return test[np.arange(len(test)), valid.argmax(1)]


@pytest.mark.parametrize(
    ("name", "right", "wrong", "hint"),
    [
        ("weakest_input", 0.05, 1.0, "weaker input"),
        ("weakest_input", torch.tensor([0.05]), 0.2, "Solve for H"),
        ("tau_in_steps", 1 - 1 / 1.005, 1.005, "Now beta"),
        ("tau_in_steps", 0.00498, 0.995, "what is lost"),
        ("tau_in_steps", 0.005, 1 / 1.005, "what is lost"),
        ("tau_in_steps", 0.005, 0.96, "tau in steps is tau_ms / dt_ms"),
        ("tau_in_steps", 0.005, 0.99, "tau in steps is tau_ms / dt_ms"),
        ("tau_in_steps", 0.005, 1.0, "tau in steps is tau_ms / dt_ms"),
        ("tau_in_steps", 0.005, 0.37, "exact exponential"),
        ("tau_in_steps", 0.005, 1 - 1 / 10.05, "divide by dt_ms"),
        ("largest_gap", 8, 9, "shrunk to 0.271"),
        ("largest_gap", 8, 0.7 * 0.9**8 + 0.7, "number of steps"),
        ("largest_gap", 8, 1.001, "number of steps"),
        ("largest_gap", 8.0, 3, "longer gap still works"),
        ("largest_gap", 8, 1, "longer gap still works"),
        ("largest_gap", 8, 8.04, "a whole number of steps"),
        ("gradient_back", 2.5 * 0.9**3, 0.9**3, "Multiply by the surrogate"),
        ("gradient_back", 1.82, 2.5, "Three steps earlier"),
        ("meeting_ms", 20, 180, "earlier spike"),
        ("meeting_ms", 20.0, 160, "set out"),
        ("meeting_ms", 20, 60, "100 + 60"),
        ("shifted_ms", 40, 0, "not at the same time"),
        ("shifted_ms", 40, 20, "40 ms later"),
        ("arriving_current", arriving, lambda spikes, w, d: spikes @ w, "are sent"),
        ("arriving_current", arriving, rolled, "np.roll"),
        (
            "arriving_current",
            arriving,
            lambda spikes, w, d: 2 * arriving(spikes, w, d),
            "s + delay",
        ),
        ("what_moves", moves, lambda name, part: name.endswith(".P") == (part == "delays"), "SIG"),
        ("what_moves", moves, lambda name, part: moves(name, "weights"), "opposite"),
        ("fair_epochs", 36, 12, "three rates"),
        ("ring_slot", lambda t, d, n: (t + d) % n, lambda t, d, n: t + d, "the ring begins again"),
        ("ring_slot", lambda t, d, n: (t + d) % n, lambda t, d, n: (t - d) % n, "steps later"),
        ("ring_slot", lambda t, d, n: (t + d) % n, lambda t, d, n: d % n, "Slot 0 is read"),
        ("stored_bits", 4480, 1120, "How many bits"),
        ("stored_bits", 4480.0, 3360, "there are 13"),
        ("stored_bits", 4480, 2240, "Count the synapses"),
        ("coarser", 0, 1, "Set the sliders"),
        ("nearest_level", level, lambda d, m, b: round(d), "nearest whole step"),
        ("nearest_level", level, lambda d, m, b: level(d, m, b, down=True), "cuts off"),
        ("nearest_level", level, lambda d, m, b: level(d, m, b, to_whole=np.floor), "are rounded:"),
        (
            "nearest_level",
            level,
            lambda d, m, b: level(d, m, b, to_whole=np.ceil),
            "The levels are",
        ),
        ("nearest_level", level, lambda d, m, b: 0, "The levels are"),
        ("weakest_current", 0.375, 0.5, "weaker input"),
        ("weakest_current", 3 / 8, 0.125, "What is lost"),
        ("epochs_for_an_eighth", 213.3, 80, "fine-tuning alone"),
        ("epochs_for_an_eighth", 640 / 3, 880, "a sixth of one"),
        ("soft_reset_rate", soft_rate, rounded_down, "starts at 0"),
        ("soft_reset_rate", soft_rate, fires_above, "It fires at H = 1, too"),
        ("soft_reset_rate", soft_rate, lambda x, steps: x.clamp(0, 1), "Begin at V = 0.5"),
        ("step_without_events", 8, 7, "across the edges"),
        ("step_without_events", 8, 1, "moves rows only"),
        ("edge_integral", edges, lambda events: 8 * edges(events), "Average over the steps"),
        ("edge_integral", edges, lambda events: edges(events, 0), "begin with ROWS[1]"),
        ("edge_integral", edges, lambda events: -edges(events), "the other way round"),
        ("edge_integral", edges, lambda events: edges(events, None), "shift each one back"),
        ("colours_to_on_off", mean_of_colours, lambda w: w[:, :2], "the third belongs"),
        ("colours_to_on_off", mean_of_colours, lambda w: 3 * mean_of_colours(w), "not their sum"),
        (
            "colours_to_on_off",
            mean_of_colours,
            lambda w: mean_of_colours(w) * torch.tensor([1, -1])[:, None, None],
            "the same filter",
        ),
        ("dark_shapes", 50, 100, "the same events"),
        ("dark_shapes", 50, 33, "which pair it is"),
        ("film_backwards", lambda e: e[::-1, ::-1], lambda e: e[::-1], "becomes darker"),
        ("film_backwards", lambda e: e[::-1, ::-1], lambda e: e[:, ::-1], "has to come first"),
        ("best_of_150", 1.3, 2.65, "half a point"),
        ("best_of_150", 1.35, 3.4, "not three times the luck"),
        ("best_of_150", 1.32, 1.12, "best of 50"),
        ("best_of_150", 1.32, 0.5, "150 epochs"),
        ("chosen_on_validation", chosen, lambda valid, test: test.max(1), "on the test set"),
        ("chosen_on_validation", chosen, lambda valid, test: valid.max(1), "lucky themselves"),
        (
            "chosen_on_validation",
            chosen,
            lambda valid, test: test[:, valid.argmax(1)],
            "its own epoch",
        ),
        (
            "chosen_on_validation",
            chosen,
            lambda valid, test: test[:, valid.mean(0).argmax()],
            "one epoch for all",
        ),
        ("seeds_needed", 22, 20, "1.96 in place of t"),
        ("seeds_needed", 22, 93, "kept the t of three"),
        ("seeds_needed", 22, 21, "Let n grow"),
        ("subtract_reset", soft, hard, "That is the hard reset"),
        ("subtract_reset", soft, lambda v, x: (soft(v, x)[0], 0.9 * v + x), "never reset"),
        (
            "rectangle_surrogate",
            rectangle(),
            rectangle(lambda g, h: 1.0 * (h.abs() < 0.5)),
            "chain",
        ),
        (
            "rectangle_surrogate",
            rectangle(window_in_place),
            rectangle(lambda g, h: window_in_place(g, h / 2)),
            "too wide",
        ),
        ("rectangle_surrogate", rectangle(), rectangle(lambda g, h: g), "passes every gradient on"),
        ("rectangle_surrogate", rectangle(), rectangle(lambda g, h: None), "returns nothing"),
        ("rectangle_surrogate", rectangle(), rectangle(lambda g, h: g * (h.abs() < 1)), "too wide"),
        ("rectangle_surrogate", rectangle(), lambda h: h.clamp(0, 1), "In forward"),
        ("rectangle_surrogate", rectangle(), lambda h: (h >= 0).float(), "has no gradient"),
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
    def soft_step(v, x): ...

    class Rectangle(torch.autograd.Function):
        @staticmethod
        def forward(ctx, over): ...

        @staticmethod
        def backward(ctx, gradient): ...

    assert check("subtract_reset", soft_step).right is None
    assert check("rectangle_surrogate", Rectangle.apply).right is None


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


@pytest.fixture
def membrane(monkeypatch):
    """Return what is said to a function that computes H[t], and to other answers."""
    monkeypatch.setattr(judge, "EXERCISES", {})
    function_exercise(
        "membrane",
        lambda v, x, tau: (1 - 1 / tau) * v + x,
        [(0.0, 0.5, 10.0), (0.5, 0.1, 10.0), (np.array([0.2, 0.4]), 0.0, 5.0)],
        praise="It leaks.",
        hint="H = beta * V + X.",
        mistakes={"Leave the input as it is.": lambda v, x, tau: (1 - 1 / tau) * v + x / tau},
    )
    return lambda answer: check("membrane", answer)


def in_place(v, x, tau):
    v *= 1 - 1 / tau
    v += x
    return v


def stub(v, x, tau): ...


def without_return(v, x, tau):
    (1 - 1 / tau) * v + x


def test_a_right_function_is_right_in_whatever_form_it_returns(membrane):
    assert membrane(lambda v, x, tau: v - v / tau + x).right is True
    assert membrane(lambda v, x, tau: torch.as_tensor(v - v / tau + x)).right is True
    assert membrane(stub).right is None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.5, "pass its name"),
        (
            without_return,
            "For without_return(0.0, 0.5, 10.0), your function returns nothing (None).",
        ),
        (
            lambda v, x, tau: v - v / tau + x if v < 0.5 else None,
            "For <lambda>(0.5, 0.1, 10.0), your function returns nothing",
        ),
        (lambda v, x, tau: (n for n in [1]), "0.5 is expected; yours is <generator>."),
        (lambda v, x, tau: {"H": 0.5}, "0.5 is expected; yours is <dict>."),
        (lambda v, x, tau: ..., "0.5 is expected; yours is `...`."),
        (lambda v, x, tau: [[1], [1, 2]], "0.5 is expected; yours is <list>."),
        (
            lambda v, x, tau: v - v / tau + x if tau > 5 else {1},
            "[0.16, 0.32] is expected; yours is <set>.",
        ),
        (lambda v, x, tau: v, "For <lambda>(0.0, 0.5, 10.0), 0.5 is expected; yours is 0. H = "),
        (lambda v, x, tau: (1 - 1 / tau) * v + x / tau, "Leave the input as it is."),
        (lambda v, x, tau: np.sum((1 - 1 / tau) * v + x), "(2,) is expected; yours is ()"),
        (lambda v, x, tau: np.abs((1 - 1 / tau) * v + x - 0.2) + 0.2, "at index [0]"),
        (in_place, "changes its arguments"),
        (lambda v, x, tau: (0.5, 0.5), "() is expected; yours is (2,)"),
        (lambda v, x, tau: "much", "yours is 'much'"),
        (lambda v, x, tau: float("nan"), "yours is nan"),
        (lambda v, x, tau: 1 / v, "stopped with ZeroDivisionError"),
    ],
)
def test_a_wrong_function_gets_a_hint(membrane, answer, hint):
    verdict = membrane(answer)
    assert verdict.right is False
    assert hint in verdict.text


def test_a_function_may_return_several_values(monkeypatch):
    monkeypatch.setattr(judge, "EXERCISES", {})
    function_exercise(
        "both", lambda v: (v > 1, v / 2), [(2.0,), (0.5,)], praise="", hint="Try.", mistakes={}
    )
    assert check("both", lambda v: (float(v > 1), v / 2)).right is True
    assert "2 values are expected; yours is 1.0" in check("both", lambda v: v / 2).text
    assert "in value 2, 1 is expected; yours is 2" in check("both", lambda v: (v > 1, v)).text


def test_each_exercise_is_asked_in_the_notebook_of_its_module():
    asked = {
        checked_name(stub): path.stem[3:]
        for path in LESSONS
        for _, stub, _ in exercises_of(nbformat.read(path, as_version=4))
        if stub
    }
    folder = Path(judge.__file__).parent
    assert asked.keys() == EXERCISES.keys()
    for name, notebook in asked.items():
        assert f'"{name}"' in (folder / f"{notebook}.py").read_text(), name


def test_a_number_with_a_unit_or_in_quotation_marks_gets_a_sentence():
    verdict = check("dark_shapes", "50 %")
    assert verdict.right is False and "Give a number" in verdict.text and "'50 %'" in verdict.text


def test_each_prediction_of_where_the_delay_ends_has_its_own_verdict():
    verdicts = {answer: check("narrow_from_the_start", answer) for answer in (4, 5, 5.4, 7, 10, 16)}
    assert [answer for answer, verdict in verdicts.items() if verdict.right] == [5, 5.4]
    assert "does not get that far" in verdicts[10].text and "right delay" in verdicts[16].text


@pytest.mark.parametrize("answer", [0.05, np.array([0.05]), torch.tensor([0.05]), np.float32(0.05)])
def test_a_number_may_be_an_array_of_one(answer):
    assert check("weakest_input", answer).right


@pytest.mark.parametrize("name", ["weakest_input", "largest_gap"])
@pytest.mark.parametrize("answer", [[8], print, ..., np.array([1.0, 2.0])])
def test_what_is_no_number_gets_a_sentence(name, answer):
    assert "The answer is one number, such as 0.5; yours is" in check(name, answer).text


@pytest.mark.parametrize("answer", ["8", "eight", b"8", np.array("8"), np.array(b"8")])
def test_a_number_in_quotation_marks_is_refused(answer):
    assert "Give a number, without quotation marks" in check("largest_gap", answer).text


@pytest.mark.parametrize(
    ("name", "right", "near"),
    [
        ("largest_gap", 8, (7.96, 8.04)),
        ("step_without_events", 8, (7.96, 8.04)),
        ("dark_shapes", 50, (49, 49.8, 51)),
        ("largest_delay_ms", 240, (239, 242)),
        ("shuffled_histogram", 0, (0.001, 1)),
        ("added_parameters", 2240, (2239, 2250)),
        ("meeting_ms", 20, (19.9, 20.1)),
        ("shifted_ms", 40, (39.7, 40.3)),
        ("fair_epochs", 36, (35.7, 36.2)),
        ("delays_alone", 0, (0.001, 1)),
        ("seeds_needed", 22, (21.9, 22.1)),
        ("stored_bits", 4480, (4436, 4500)),
        ("coarser", 0, (0.001, 1)),
    ],
)
def test_a_count_or_a_choice_is_judged_exactly(name, right, near):
    assert check(name, right).right and check(name, float(right)).right
    assert [check(name, answer).right for answer in near] == [False] * len(near)


def test_what_a_checker_shows_is_as_a_student_would_write_it():
    verdict = check("soft_reset_rate", lambda current, steps: 2 * current)
    assert "For <lambda>([0.4], 5), 0.4 is expected; yours is 0.8." in verdict.text
    wrong = check("what_moves", lambda name, part: 0)
    assert "True is expected; yours is 0." in wrong.text
    wrong = check("what_moves", lambda name, part: False)
    assert "True is expected; yours is False." in wrong.text


def test_several_values_may_come_as_an_array():
    assert judge._difference((0.0, 0.4), np.array([0.0, 0.4]), 1e-4) == ""
    assert judge._difference((0.0, 0.4), torch.tensor([0.0, 0.4]).bfloat16(), 1e-2) == ""
    assert "2 values are expected" in judge._difference((0.0, 0.4), np.array(0.4), 1e-4)


def test_the_nearest_hint_is_given():
    judge.number_exercise(
        "nearest", 5, praise="", hint="", hints={16: "sixteen", 10: "ten"}, tolerance=0.4
    )
    try:
        assert "ten" in check("nearest", 10).text and "sixteen" in check("nearest", 15).text
    finally:
        del EXERCISES["nearest"]


def test_a_class_in_place_of_its_apply_gets_the_hint():
    class Rectangle(torch.autograd.Function):
        pass

    assert "pass Rectangle.apply" in check("rectangle_surrogate", Rectangle).text
