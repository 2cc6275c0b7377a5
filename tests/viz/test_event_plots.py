"""Figures of notebook 03: colors of ON and OFF, what is drawn where."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from snnlab.viz.plots import BLUE, GREEN, ORANGE, PINK
from snnlab.viz.plots import events as event_plots

EVENTS = np.zeros((8, 2, 7, 7))
EVENTS[:, 0, 1] = EVENTS[:, 1, 3] = 1


def test_on_is_plus_one_off_minus_one_and_both_nothing():
    events = np.zeros((3, 2, 1, 4), dtype=np.uint8)
    events[:, 0, 0, [0, 2]] = events[:, 1, 0, [1, 2]] = 1
    assert event_plots.signed(events).tolist() == [[[1, -1, 0, 0]]] * 3


@pytest.mark.parametrize(
    ("colors", "low", "high"),
    [
        (event_plots.ON_OFF, ORANGE, BLUE),
        (event_plots.EDGES, ORANGE, BLUE),
        (event_plots.WEIGHTS, PINK, GREEN),
    ],
)
def test_on_is_blue_and_weights_have_other_colors(colors, low, high):
    assert colors(0.0)[:3] == pytest.approx(to_rgb(low), abs=0.01)
    assert colors(1.0)[:3] == pytest.approx(to_rgb(high), abs=0.01)
    assert colors(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)


def test_every_step_of_odg_has_its_image_and_its_shift():
    shifts = [(-1, 2)] * 7 + [(1, 0)]
    fig = event_plots.odg_steps(np.zeros((3, 3)), EVENTS, np.zeros((3, 3)), shifts)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [
        "picture",
        *(f"t = {t}: (-1, 2)" for t in range(1, 8)),
        "t = 8: (1, 0)",
        "edge integral",
    ]
    assert fig.axes[1].images[0].get_array()[[1, 3, 5], 0].tolist() == [1, -1, 0]


def test_a_film_is_drawn_with_its_share_of_events():
    frames, events = np.zeros((9, 8, 4), dtype=np.uint8), np.zeros((8, 2, 8, 4))
    events[2, 0, -1] = 1  # a row of eight
    fig = event_plots.film(frames, events, (0, 2))
    whole, quarter = fig.axes[-1].lines[:2]
    assert whole.get_ydata().tolist() == [0, 0, 12.5, *[0] * 5]
    assert quarter.get_ydata().tolist() == [0, 0, 50, *[0] * 5]


def test_neurons_have_the_style_of_their_kind():
    outputs = {"ANN: clip": [0.0, 1.0], "LIAF: clip": [0.5, 0.2], "LIF: spike": [1.0, 0.0]}
    fig = event_plots.neurons_side_by_side([0.1, -0.5], [0.1, 0.5], outputs, 0.5)
    lines = [ax.lines[0] for ax in fig.axes]
    expected = [*event_plots.NEURONS.values()]
    assert [(line.get_color(), line.get_marker()) for line in lines[2:]] == expected
    assert [line.get_ydata().tolist() for line in lines[2:]] == [*outputs.values()]
    assert fig.axes[0].get_ylim()[0] < -0.5


def test_stages_follow_each_other_on_one_axis_of_whole_epochs():
    stages = [("pretrain", [0.2, 0.9]), ("LIAF", [0.5]), ("LIF", [0.4, 0.6])]
    ax = event_plots.accuracy_by_stage(stages, [None, 0.1, 0.3]).axes[0]
    drawn = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [line.get_xdata().tolist() for line in drawn] == [[1, 2], [3], [4, 5]]
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [
        (2.5, 10),
        (3.5, 30),
    ]
    assert all(tick == int(tick) for tick in ax.get_xticks())
    assert [text.get_text() for text in ax.texts] == ["pretrain", "LIAF", "LIF"]


def test_a_layer_has_a_mark_for_each_spike_of_the_neurons_shown():
    spikes = np.zeros((8, 500))
    spikes[2, 0] = spikes[4, 499] = spikes[5, 1] = 1  # the third one is not shown
    ax = event_plots.layer_spikes(EVENTS, {"layer 1": spikes}).axes[-1]
    marks = ax.collections[0].get_segments()
    assert [line[:, 1].tolist() for line in marks] == [[0, 0], [99, 99]]
    assert [line[:, 0].mean() for line in marks] == [3, 5]
    assert "100 of\n500 neurons" in ax.get_ylabel()


@pytest.mark.parametrize("accuracies", [[[0.5, 0.5]], [[0.2, 0.9]]])
def test_the_numbers_of_a_table_are_white_on_dark_and_black_on_light(accuracies):
    (ax, _) = event_plots.accuracy_table(accuracies, ["row"], ["a", "b"], "x", "y").axes
    (image,) = ax.images
    for text, value in zip(ax.texts, image.get_array().flat, strict=True):
        dark = sum(image.cmap(image.norm(value))[:3]) < 1.5
        assert text.get_color() == ("white" if dark else "black")
