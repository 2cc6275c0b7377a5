"""Figures of films: what is drawn where."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from snnlab.viz.plots import films
from snnlab.viz.plots.events import NEURONS


def test_frames_stand_beside_the_events_that_led_to_them():
    frames = np.arange(2 * 9).reshape(2, 9, 1, 1) * np.ones((5, 5))
    events = np.zeros((8, 2, 2, 5, 5))
    events[4, 1, 0, 2, 3] = 1  # step 5 of the second film, ON
    fig = films.motions(frames, {"mode 1": events, "mode 2": events}, ("left", "right"), (1, 5))
    grey, mode_1, mode_2 = ([ax.images[0].get_array() for ax in part.axes] for part in fig.subfigs)
    assert [image[0, 0] for image in grey] == [1, 5, 10, 14]
    assert mode_1[3][2, 3] == 1 and np.abs(mode_1[:3]).max() == 0
    assert np.array_equal(mode_1, mode_2)
    first = fig.subfigs[0]
    assert [ax.get_ylabel() for ax in first.axes] == ["left", "", "right", ""]
    assert [ax.get_title() for ax in first.axes] == ["t = 1", "t = 5", "", ""]


def test_the_stages_of_a_recipe_follow_each_other_and_have_the_neurons_colors():
    stages = [("ANN", [1, 2], [0.2, 0.3]), ("LIAF", [3], [0.5]), ("LIF", [4, 5], [0.4, 0.6])]
    fig = films.accuracy_over_time(
        {"pipe-D": stages, "LIF": [("LIF", [1, 2], [0.1, 0.2])]}, {"chance": 1 / 6}
    )
    *lines, level = fig.axes[0].lines
    assert [line.get_xdata().tolist() for line in lines] == [[1, 2], [2, 3], [3, 4, 5], [1, 2]]
    assert lines[1].get_ydata() == pytest.approx([30, 50])
    assert [line.get_label() for line in lines[2:]] == ["pipe-D: LIF", "LIF"]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "-", "--"]
    for line, neuron in zip(lines, ("ANN", "LIAF", "LIF", "LIF"), strict=True):
        assert to_rgba(line.get_color()) == to_rgba(NEURONS[neuron][0])
        assert line.get_marker() == NEURONS[neuron][1]
    assert level.get_ydata() == pytest.approx([100 / 6] * 2)


def test_a_fifth_recipe_has_a_line_of_its_own():
    recipes = {f"recipe {n}": [("LIF", [1, 2], [0.1, 0.2])] for n in range(6)}
    *lines, _ = films.accuracy_over_time(recipes, {"chance": 0.1}).axes[0].lines
    assert [line.get_label() for line in lines] == list(recipes)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 6
