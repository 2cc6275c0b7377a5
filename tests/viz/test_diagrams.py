"""Diagrams: texts fit their boxes, arrows join borders, labels do not lie on their arrows."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots import diagrams


def extent(ax, artist):
    """Return the bounding box of an artist in inches: left, bottom, right, top."""
    ax.figure.canvas.draw()
    box = artist.get_window_extent().transformed(ax.transData.inverted())
    return box.x0, box.y0, box.x1, box.y1


def points_of(arrow):
    """Return points on the line and the head of an arrow, in inches."""
    pixels = arrow.get_path().transformed(Affine2D().scale(100))  # curves become pixels
    lines = pixels.to_polygons(closed_only=False)
    return np.concatenate([Path(line).interpolated(20).vertices for line in lines]) / 100


@pytest.mark.parametrize("detail", ["", "LIF, T = 4\nafter the hand-over of weights"])
def test_texts_fit_their_box(detail):
    _, ax = diagrams.canvas(4, 2)
    node = diagrams.box(ax, 2, 1, "a rather long title $x$", detail)
    for text in ax.texts:
        left, bottom, right, top = extent(ax, text)
        assert left >= node.left[0]
        assert right <= node.right[0]
        assert bottom >= node.bottom[1]
        assert top <= node.top[1]


def test_an_inch_of_the_canvas_is_an_inch_of_the_figure():
    fig, ax = diagrams.canvas(4, 2)
    fig.canvas.draw()
    (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)])
    assert (x1 - x0, y1 - y0) == pytest.approx((fig.dpi, fig.dpi))


@pytest.mark.parametrize("bend", [-0.3, 0.0, 0.4])
@pytest.mark.parametrize("side", ["above", "below", "right"])
def test_a_label_does_not_lie_on_its_arrow(side, bend):
    _, ax = diagrams.canvas(6, 4)
    start, end = diagrams.neuron(ax, 1.5, 1, "A"), diagrams.neuron(ax, 4.5, 2.5, "B")
    arrow = diagrams.arrow(ax, start, end, "8 ms later", side=side, bend=bend)
    ax.figure.canvas.draw()
    path = points_of(arrow)
    left, bottom, right, top = extent(ax, ax.texts[-1])
    on_text = (path > (left, bottom)).all(1) & (path < (right, top)).all(1)
    assert not on_text.any()


def test_an_arrow_ends_at_the_border_of_its_nodes():
    _, ax = diagrams.canvas(4, 2)
    start, end = diagrams.box(ax, 1, 1, "A"), diagrams.neuron(ax, 3, 1, "B")
    arrow = diagrams.arrow(ax, start, end)
    ax.figure.canvas.draw()
    x = points_of(arrow)[:, 0]
    assert start.right[0] <= x.min() < start.right[0] + 0.06
    assert end.left[0] - 0.06 < x.max() <= end.left[0]


def test_a_row_of_stages_fills_its_space():
    _, ax = diagrams.canvas(7, 2)
    stages = [("ANN", "ReLU"), ("ramp", "sharpened"), ("SNN", "LIF")]
    looks = {"colors": ["grey", "orange", "blue"], "left": 0.1}
    nodes = diagrams.stage_row(ax, stages, y=1, arrows=["weights", "weights"], **looks)
    assert nodes[0].left[0] == pytest.approx(0.1)
    assert nodes[-1].right[0] == pytest.approx(6.9)
    gaps = [b.left[0] - a.right[0] for a, b in pairwise(nodes)]
    assert np.ptp(gaps) == pytest.approx(0)


def test_stages_without_space_are_refused():
    _, ax = diagrams.canvas(2, 2)
    stages = [("a long title", ""), ("another title", "")]
    with pytest.raises(SnnlabError, match="wider"):
        diagrams.stage_row(ax, stages, y=1, arrows=["all"], colors=["grey", "blue"], left=0.1)
