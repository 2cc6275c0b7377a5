"""The figures of notebook 05: what is drawn, and where."""

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots import exploring


def test_each_spike_is_a_line_from_its_sending_to_the_common_arrival():
    fig = exploring.coincidence([40, 100, 60], 200, [500, 2000, 8000], [0.5, -0.2, 0.1])
    excite, inhibit = fig.axes[0].collections[0], fig.axes[0].collections[3]
    ends = {tuple(segment[:, 0]) for segment in excite.get_segments()}
    assert ends == {(40, 200), (60, 200)}
    assert [tuple(segment[:, 0]) for segment in inhibit.get_segments()] == [(100, 200)]


def test_lengths_that_differ_are_refused():
    with pytest.raises(SnnlabError, match="places"):
        exploring.coincidence([40, 100], 200, [500], [0.5, -0.2])


def test_what_decides_the_movement_is_drawn_as_a_share_of_its_first_value():
    fig = exploring.movement({"layer 1": [40, 20], "readout": [50, 10]}, [6, 3], [0.3, 0.03])
    left, right = fig.axes
    assert [list(line.get_ydata()) for line in left.lines] == [[40, 20], [50, 10]]
    sigma, rate = (line.get_ydata() for line in right.lines)
    assert np.allclose(sigma, [100, 50]) and np.allclose(rate, [100, 10])


def test_accuracies_are_drawn_in_percent():
    fig = exploring.changed_delays({"as trained": 0.9, "all zero": 0.1}, chance=0.05)
    assert [bar.get_height() for bar in fig.axes[0].patches] == pytest.approx([90, 10])
    (line,) = (
        line
        for line in exploring.stretched_delays([0, 1], [0.1, 0.9], chance=0.05).axes[0].lines
        if line.get_marker() == "o"
    )
    assert list(line.get_ydata()) == pytest.approx([10, 90])


def test_a_histogram_for_each_layer():
    fig = exploring.histograms({"layer 1": [0, 20, 40], "readout": [40]}, 40, dt_ms=20)
    assert [ax.get_title().partition(":")[0] for ax in fig.axes] == ["layer 1", "readout"]
