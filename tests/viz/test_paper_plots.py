"""The plots of notebook 07, and its panel."""

import numpy as np
import pytest

from snnlab.viz.panels.epoch_choice import epoch_choice_panel
from snnlab.viz.plots import papers


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def test_published_accuracies_stand_beside_who_chose_the_epoch():
    choices = ["best epoch on the test set", "last epoch"]
    fig = papers.published_accuracies(choices, [95.17, 93.89], [1.5, 0.6], [3, 3])
    assert texts(fig) == ["95.17", "93.89"]
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert labels == [f"{choice}, 3 runs" for choice in choices]


def test_verdicts_stand_right_of_the_longest_interval():
    rows = {"near": (95.0, 0.1, "reproduced"), "wide": (94.8, 2.8, "differs")}
    fig = papers.verdicts(rows, (95.1, 0.2), tolerance=1.5)
    assert texts(fig) == ["reproduced", "differs"]
    assert all(text.get_position()[0] > 94.8 + 2.8 for text in fig.axes[0].texts)


def test_the_map_of_statuses_counts_rows_and_colors_their_share():
    fig = papers.status_map([[0, 3], [1, 3]], ["A", "B"], ["differs", "not run yet"])
    assert texts(fig) == ["3", "1", "3"]
    shares = fig.axes[0].collections[0].get_array()
    np.testing.assert_allclose(shares.compressed(), [100, 25, 75])
    assert fig.axes[0].get_ylim() == (2, 0)  # the first table is the top row


def test_each_start_of_the_logged_runs_is_named_once():
    fig = papers.logged_accuracies("abc", ["scratch", "pretrained", "scratch"], [1, 2, 3], [1] * 3)
    names = [text.get_text() for text in fig.axes[0].get_legend().get_texts()]
    assert names == ["scratch", "pretrained"]


@pytest.mark.parametrize(("epochs", "bias"), [(1, 0.0), (150, 1.32)])
def test_the_best_of_many_epochs_is_too_high(epochs, bias):
    noise = np.random.default_rng(0).normal(size=(2000, 150))
    panel = epoch_choice_panel(noise, live=False)
    assert "the best of 50 by +1.1" in panel.static.alt
    alt, columns = panel._draw(epochs=epochs, tenths=5)
    assert f"{0.5 * noise[:, :epochs].max(1).mean():+.2f}" in alt
    assert columns["best of all (points)"][1] == pytest.approx(bias, abs=0.05)
    last, best = panel._fig.axes[0].patches
    assert last.get_data().values.sum() == pytest.approx(100, abs=1)
    assert (last.get_data().values == best.get_data().values).all() == (epochs == 1)
    panel._draw(epochs=epochs, tenths=15)
    assert best.get_data().values.sum() == pytest.approx(100)
