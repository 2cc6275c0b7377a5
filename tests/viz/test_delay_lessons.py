"""The figures of notebook 04: what they show of the arrays that they get."""

import numpy as np
import pytest
from matplotlib.text import Annotation

from snnlab.viz.plots import delay_lessons as lessons
from snnlab.viz.plots.delays import before_and_after


def test_an_arrow_joins_each_spike_of_the_left_ear_and_its_echo():
    trial = np.zeros((6, 4))  # two fibres of each ear
    trial[[0, 4], [0, 1]] = 1  # left: the echo of the second spike is after the end
    trial[2, 2] = 1
    same = np.zeros((6, 4))
    same[3] = 1
    fig = lessons.two_ears({0: same, 2: trial}, 0.1)
    none, one = ([a for a in ax.texts if isinstance(a, Annotation)] for ax in fig.axes)
    (arrow,) = one
    assert not none  # partners in the same step stand above each other
    assert arrow.xyann == pytest.approx((0.0, 0.2)) and arrow.xy == pytest.approx((0.2, -0.2))


def test_only_the_neuron_whose_delay_is_the_lag_fires():
    texts = [text.get_text() for text in lessons.delay_lines([0, 0.2, 0.6], 0.6).axes[0].texts]
    assert texts.count("fires") == 1 and "0.6 ms later" in texts


def test_tuning_shows_the_distance_from_the_median_with_white_for_none():
    rates = [[3.0, 3.0, 9.0], [5.0, 1.0, 5.0]]
    ax = lessons.tuning({"learned": rates}, [0.0, 0.1, 0.2]).axes[0]
    (image,) = ax.images
    assert image.get_array().tolist() == [[0, 0, 6], [0, -4, 0]]
    assert image.get_clim() == (-6, 6)
    assert image.get_extent() == pytest.approx([-0.05, 0.25, -0.5, 1.5])


def test_habits_are_compared_with_the_first_one():
    habits = {"none": {"ours": [0.5, 0.6], "last": [0.49, 0.62], "best on test": [0.5, 0.65]}}
    ax = lessons.habits(habits).axes[0]
    last, best = (line.get_ydata() for line in ax.lines[:2])
    assert last == pytest.approx([-1, 2]) and best == pytest.approx([0, 5])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["last", "best on test"]


def test_bars_after_the_training_and_an_outline_of_those_before():
    fig = before_and_after({"layer 1": ([0, 20, 20, 20], [0, 0, 40, 40])}, 40.0, 20.0)
    after, before = (patch.get_data().values.tolist() for patch in fig.axes[0].patches)
    assert before == [25, 75, 0] and after == [50, 0, 50]


def test_texts_of_a_network_lie_inside_the_picture():
    fig = lessons.network(140, 256, 20, 24)
    fig.canvas.draw()
    for text in fig.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= fig.bbox.x1 and box.y0 >= 0 and box.y1 <= fig.bbox.y1
