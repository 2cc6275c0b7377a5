"""The event viewer shows what it was given, in place."""

from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding.odg import edge_integral, odg_events
from snnlab.viz.panels.event_viewer import show_events
from snnlab.viz.widgets.panel import Slider, interact

SQUARE = torch.zeros(12, 12)
SQUARE[3:9, 3:9] = 1


def test_each_picture_has_what_it_was_given_and_changes_in_place():
    fig, events = Figure(), torch.zeros(2, 4, 5)
    events[0, 1, 2], events[1, 3, 0], events[1, 3, 1] = 1, 2, 1
    assert show_events(fig, np.full((4, 5), 0.3), events, np.full((4, 5), 0.1)) == {
        "ON": 1,
        "OFF": 2,
    }
    images = [ax.images[0] for ax in fig.axes]
    expected = np.zeros((4, 5))
    expected[1, 2], expected[3, :2] = 1, -1
    assert (images[0].get_array() == 0.3).all() and (images[1].get_array() == expected).all()
    assert (images[2].get_array() == 0.1).all()
    assert show_events(fig, np.zeros((4, 5)), np.zeros((2, 4, 5)), np.zeros((4, 5))) == {
        "ON": 0,
        "OFF": 0,
    }
    assert [ax.images[0] for ax in fig.axes] == images and not any(
        image.get_array().any() for image in images
    )
    assert all(
        image.get_animated() and len(ax.images) == 1
        for ax, image in zip(fig.axes, images, strict=True)
    )


def test_on_is_blue_and_off_is_orange():
    fig = Figure()
    events = np.zeros((2, 1, 3))
    events[0, 0, 0] = events[1, 0, 2] = 1
    show_events(fig, np.zeros((1, 3)), events)
    assert len(fig.axes) == 2
    on, nothing, off = fig.axes[1].images[0].to_rgba(fig.axes[1].images[0].get_array())[0, :, :3]
    assert on[2] > on[0] and off[0] > off[2] and nothing.tolist() == [1, 1, 1]


def test_events_of_something_else():
    with pytest.raises(SnnlabError, match=r"shape \(3, 4, 4\); expected \(2, H, W\)"):
        show_events(Figure(), np.zeros((4, 4)), np.zeros((3, 4, 4)))


def test_in_a_panel_the_picture_and_its_words_follow_the_slider():
    seen = odg_events(SQUARE[None])

    def draw(fig, step):
        found = show_events(fig, SQUARE, seen[step - 1, 0], edge_integral(seen)[0])
        return f"t = {step}: {found['ON']} ON, {found['OFF']} OFF."

    panel = interact(lambda fig: partial(draw, fig), step=Slider(1, 1, 8, 1, "t", "which shift"))
    before = panel.image.value
    panel.controls["step"].value = 2
    on, off = ((seen[1, 0, part] > 0).sum() for part in (0, 1))
    assert f"t = 2: {on} ON, {off} OFF." in panel.image.value and panel.image.value != before
