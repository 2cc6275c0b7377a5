"""The search by hand: each right delay lowers the loss, and no other one tells where to go."""

import math

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.viz.panels.find_delays import DelaySearch, find_delays_panel

LAGS = (7, 1, 11, 4, 9)
TRIALS = interaural_lags(500, lags=LAGS, steps=40, seed=0)


def test_each_right_delay_lowers_the_loss_and_all_of_them_solve_the_task():
    search = DelaySearch(TRIALS.x, TRIALS.labels, max_delay=12, step_ms=0.1)
    delays = [0] * 5
    _, loss, accuracy = search.score(delays)
    assert (loss, accuracy) == pytest.approx((math.log(5), 0.2))
    for detector, lag in enumerate(LAGS):
        delays[detector] = lag
        means, new_loss, _ = search.score(delays)
        assert new_loss < loss - 0.2
        assert means[detector, detector] == pytest.approx(
            search.counts[TRIALS.labels == detector, lag].mean().item()
        )
        loss = new_loss
    assert search.score(delays)[2] == 1.0
    beside = search.score([6, 0, 0, 0, 0])[1]
    assert beside == pytest.approx(math.log(5), abs=0.05)


def test_coincidences_are_those_of_the_delayed_left_ear():
    x = torch.zeros(6, 1, 4)
    x[1, 0, 0] = x[4, 0, 2] = x[4, 0, 3] = 1  # the first fibre of the right ear is 3 steps later
    search = DelaySearch(x, torch.zeros(1, dtype=torch.long), max_delay=4, step_ms=0.1)
    assert search.counts.tolist() == [[0, 0, 0, 1, 0]]


def test_the_panel_moves_and_has_a_static_picture():
    panel = find_delays_panel(TRIALS.x, TRIALS.labels, max_delay=12, step_ms=0.1)
    assert "Delays of 0.0, 0.0, 0.0, 0.0, 0.0 ms: loss 1.61, 20%" in panel.static.alt
    before = panel.image.value
    for detector, lag in enumerate(LAGS, 1):
        panel.controls[f"delay_{detector}"].value = lag
    assert panel.image.value != before and "100% of the sounds right" in panel.image.value
    still = find_delays_panel(TRIALS.x, TRIALS.labels, max_delay=12, step_ms=0.1, live=False)
    assert still.static.alt == panel.static.alt and not still.controls


def test_the_example_stands_out_in_the_static_picture():
    panel = find_delays_panel(
        TRIALS.x, TRIALS.labels, max_delay=12, step_ms=0.1, solved=1, live=False
    )
    assert "Delays of 0.7, 0.0, 0.0, 0.0, 0.0 ms: loss 1." in panel.static.alt
    search = DelaySearch(TRIALS.x, TRIALS.labels, max_delay=12, step_ms=0.1)
    means = search.score([7, 0, 0, 0, 0])[0]
    assert means[0, 0] > 5 * means[1:, 0].max()  # a bright cell in an otherwise dark picture


def test_ears_have_the_same_number_of_fibres():
    with pytest.raises(SnnlabError, match=r"x has the shape \(6, 1, 3\)"):
        DelaySearch(torch.zeros(6, 1, 3), torch.zeros(1), max_delay=4, step_ms=0.1)


@pytest.mark.parametrize(
    ("labels", "max_delay", "message"),
    [
        ([0.0, 1.0], 3, "labels are torch.float32"),
        ([0, 1, 2], 3, "expected a whole number for each of the 2 trials"),
        ([0, 2], 3, "expected each class from 0 on; renumber"),
        ([0, 1], 4, "max_delay = 4"),
        ([0, 1], 2.5, "max_delay = 2.5"),
    ],
)
def test_wrong_trials_get_a_sentence(labels, max_delay, message):
    with pytest.raises(SnnlabError, match=message):
        find_delays_panel(
            torch.zeros(4, 2, 6), torch.tensor(labels), max_delay=max_delay, step_ms=1.0, live=False
        )
