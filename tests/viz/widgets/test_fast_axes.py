"""Ticks and numbers where matplotlib has them, within a pixel or two, and no others."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from snnlab.viz import plots
from snnlab.viz.widgets import fast_axes
from snnlab.viz.widgets.fast_axes import FastTicks


def drawn(framed, *, layout="none", change=lambda ax: None):
    """A figure with one axes, and its ink, 0 to 255."""
    fig = Figure(figsize=(3, 2), dpi=100, layout=layout, facecolor="white")
    canvas = FigureCanvasAgg(fig)
    ax = plots.tidy(
        fig.subplots() if layout == "constrained" else fig.add_axes((0.3, 0.3, 0.6, 0.6))
    )
    if framed:
        FastTicks(ax)
    ax.set(xlim=(-1, 11), ylim=(-0.7, 0.7), xlabel="delay (ms)", ylabel="weight\nof it")
    ax.locator_params(nbins=4)
    change(ax)
    canvas.draw()
    return fig, 255 - np.asarray(canvas.buffer_rgba())[..., 0].astype(int)


def near(ink, pixels):
    """The ink, each place with the most of its neighbours' within `pixels`."""
    size = 2 * pixels + 1
    padded = np.pad(ink, pixels)
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size)).max((2, 3))


CHANGES = {
    "plain": lambda ax: None,
    "upside down": lambda ax: ax.set(ylim=(0.7, -0.7), xlim=(11, -1)),
    "without numbers below": lambda ax: ax.tick_params(labelbottom=False),
    "without labels": lambda ax: ax.set(xlabel="", ylabel=""),
    "far numbers": lambda ax: ax.set(ylim=(0, 123456)),
    "other places": lambda ax: ax.set_xticks([0, 5], ["none", "five"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_looks_as_matplotlib_draws_it(name):
    """All ink of the one is within two pixels of the other's, and there is as much."""
    (_, theirs), (_, ours) = (drawn(framed, change=CHANGES[name]) for framed in (False, True))
    assert (theirs <= near(ours, 2) + 80).all() and (ours <= near(theirs, 2) + 80).all()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.05)
    assert theirs.sum() > 50_000


@pytest.mark.parametrize("name", CHANGES)
def test_a_layout_leaves_it_the_same_room(name):
    fig, other = (
        drawn(framed, layout="constrained", change=CHANGES[name])[0] for framed in (False, True)
    )
    assert other.axes[0].bbox.extents == pytest.approx(fig.axes[0].bbox.extents, abs=2)


def test_a_tick_is_at_its_place():
    fig, ink = drawn(True)
    ax = fig.axes[0]
    assert ax.get_xticks().tolist() == [-5, 0, 5, 10, 15]  # the first and the last are outside
    left, bottom = ax.bbox.x0, ax.bbox.y0
    below = ink[200 - int(bottom) + 2]  # the third row of pixels below the axes
    places = [ax.transData.transform((place, 0))[0] for place in (0, 5, 10)]
    # A tick may share two pixels
    found = np.flatnonzero(below[int(left) - 1 :] > 100) + int(left) - 1
    assert all(np.abs(found - place).min() <= 1 for place in places) and len(found) <= 6
    assert all(np.abs(place - np.array(places)).min() <= 1 for place in found)


def test_a_frame_that_is_drawn_twice_or_is_moved_leaves_nothing_behind():
    fig, before = drawn(True)
    ax = fig.axes[0]
    ax.set(xlim=(0, 500), ylim=(0, 10_000))
    fig.canvas.draw()
    ax.set(xlim=(-1, 11), ylim=(-0.7, 0.7))
    fig.canvas.draw()
    assert np.array_equal(255 - np.asarray(fig.canvas.buffer_rgba())[..., 0].astype(int), before)


def test_a_hidden_frame_draws_nothing():
    fig, _ = drawn(True)
    next(one for one in fig.axes[0].get_children() if isinstance(one, FastTicks)).set_visible(False)
    fig.canvas.draw()
    ink = 255 - np.asarray(fig.canvas.buffer_rgba())[..., 0].astype(int)
    assert not ink[:, : int(fig.axes[0].bbox.x0) - 2].any()


def test_a_vector_file_has_the_numbers_and_the_labels(tmp_path):
    fig, _ = drawn(True)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        fig.savefig(tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    for word in (">0.5<", ">10<", ">delay (ms)<"):
        assert word in text
    assert fast_axes.LABEL_SIZE == 9
