"""The figures of notebook 06: what is drawn, and that no text lies on another."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from snnlab.viz.plots import handover


@pytest.mark.parametrize("make", [lambda: handover.stages(100, 50), handover.one_layer])
def test_no_two_texts_of_a_diagram_overlap(make):
    fig = make()
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert len(boxes) > 4
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(fig.bbox.containsx(b.x0) and fig.bbox.containsx(b.x1) for b in boxes)


def test_a_line_for_the_mean_of_the_seeds():
    accuracies = {"ReLU network": [[0.9, 0.8], [0.8, 0.6]], "spiking, as copied": [[0.5, 0.7]] * 2}
    relu, spiking = handover.over_sharpness([0.0, 1.0], accuracies).axes[0].lines
    assert np.allclose(relu.get_xdata(), [0, 100])
    assert np.allclose(relu.get_ydata(), [85, 70]) and np.allclose(spiking.get_ydata(), [50, 70])
    assert handover.describe(accuracies, [0.0, 1.0]) == (
        "sharpened by 0%: 85.0% ReLU network, 50.0% spiking, as copied; "
        "sharpened by 100%: 70.0% ReLU network, 70.0% spiking, as copied"
    )


def test_each_synapse_is_a_point_and_each_setting_a_bar():
    points = handover.delays_before_and_after([0, 20, 40], [10, 20, 240]).axes[0].lines[0]
    assert list(points.get_xdata()) == [0, 20, 40] and list(points.get_ydata()) == [10, 20, 240]
    bars = handover.movements({"low rate": 8.0, "high rate": 30.0}, 20.0).axes[0].patches
    assert [bar.get_width() for bar in bars] == [8, 30]
