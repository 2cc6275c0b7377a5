"""The figures of notebook 08."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from snnlab.viz.plots import chips
from snnlab.viz.plots.style import BLACK


def test_spikes_are_drawn_up_to_the_step_that_was_read():
    spikes = np.zeros((6, 3))
    spikes[1, 2] = spikes[4, 0] = 1
    fig = chips.ring_buffer(spikes, [[0.5, 0.0], [0.0, -1.0]], step=3)
    raster, line = fig.axes[0].lines
    assert (raster.get_xdata().tolist(), raster.get_ydata().tolist()) == ([1], [2])
    assert list(line.get_xdata()) == [3, 3]
    image = fig.axes[1].images[0]
    assert image.get_array().tolist() == [[0.5, 0.0], [0.0, -1.0]]  # neurons, steps ahead
    assert image.get_clim() == (-1, 1)


def test_all_kinds_have_one_scale():
    fig = chips.delays_by_synapse({"a": [[0.0, 20.0]], "b": [[40.0, 40.0]]}, 240.0)
    assert [ax.get_title() for ax in fig.axes[:2]] == ["a", "b"]
    assert {ax.images[0].get_clim() for ax in fig.axes[:2]} == {(0, 240)}


def test_rows_are_bits_of_a_weight_and_columns_bits_of_a_delay():
    table = np.array([[0.1, 0.2], [0.3, 0.9]])
    fig = chips.bits_by_bits({"rounded": table}, [2, 8], [1, 4])
    ax = fig.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "8"]
    texts = {text.get_position(): text for text in ax.texts}
    assert texts[1, 0].get_text() == "20" and texts[0, 1].get_text() == "30"
    assert to_rgb(texts[1, 1].get_color()) == BLACK and texts[0, 0].get_color() == "white"


@pytest.mark.parametrize("same", [True, False])
def test_rings_and_dots_of_two_simulators(same):
    ours = np.zeros((5, 4), bool)
    ours[2, 3] = True
    theirs = ours.copy()
    theirs[4, 0] = not same
    rings, dots = chips.two_rasters(ours, theirs, 10.0, ("a", "b")).axes[0].lines
    assert (rings.get_xdata().tolist(), rings.get_ydata().tolist()) == ([20], [3])
    assert len(dots.get_xdata()) == 1 + (not same)
    assert rings.get_markersize() > dots.get_markersize()
