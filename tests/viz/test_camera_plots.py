"""Figures of the page on a real camera: what is drawn where."""

import numpy as np
import pytest

from snnlab.viz.plots import camera


def test_events_are_counted_by_sign_and_time():
    fig = camera.event_rate([0.001, 0.002, 0.006, 0.0061, 0.012], [1, 0, 1, 1, 0])
    on, off = fig.axes[0].patches
    assert on.get_data().values.tolist() == [1, 2, 0] and on.get_label() == "ON"
    assert off.get_data().values.tolist() == [1, 0, 1] and off.get_label() == "OFF"
    assert on.get_data().edges.tolist() == [0, 5, 10, 15]


def test_a_line_is_the_mean_over_the_folds_at_each_number_of_recordings():
    accuracies = {
        "scratch": {50: [0.5, 0.7], 100: [0.7, 0.9]},
        "edges": {50: [0.9, 0.8], 100: [0.9, 1.0]},
    }
    ax = camera.accuracy_over_recordings(accuracies, 0.85).axes[0]
    scratch, edges, without = ax.lines
    assert scratch.get_xdata().tolist() == [50, 100]
    assert scratch.get_ydata() == pytest.approx([60, 80])
    assert edges.get_ydata() == pytest.approx([85, 95]) and without.get_ydata() == [85, 85]
    lowest = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (lowest.min(), lowest.max()) == pytest.approx((50, 90))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["scratch", "pretrained on edges", "no label"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["50", "100"]


def test_panels_of_bars_have_one_scale():
    fig = camera.bars({"one": {"a": [0.2, 0.4]}, "two": {"a": [0.9], "b": [0.5]}}, chance=0.1)
    left, right = fig.axes
    assert [p.get_height() for p in left.patches] == pytest.approx([30])
    assert [p.get_height() for p in right.patches] == pytest.approx([90, 50])
    assert left.get_ylim() == right.get_ylim() and right.get_title() == "two"
    assert np.ptp([ax.get_position().width for ax in fig.axes]) > 0
