"""Panels without a browser: set a control, see the picture and its alt text change."""

import base64
import io
import re

import pytest
from PIL import Image

from snnlab import playground
from snnlab.errors import SnnlabError
from snnlab.widgets import Choice, Slider, play

HEIGHT = Slider(1, 0, 5, 1, "height", "How high the bar is")
KIND = Choice("solid", ("solid", "dashed"), "line", "How the bar is drawn")


def draw_bar(fig, *, height, kind="solid"):
    if height == 5:
        raise SnnlabError("A bar of 5 is too high.")
    if not fig.axes:
        ax = fig.subplots()
        ax.set(xlim=(-1, 1), ylim=(0, 6))
        ax.plot([0, 0], [0, 0], linewidth=9, animated=True)
    (bar,) = fig.axes[0].lines
    bar.set_data([0, 0], [0, height])
    bar.set_linestyle(kind)
    return f"A {kind} bar of height {height}."


def test_moving_a_control_changes_picture_and_alt_text():
    panel = play(draw_bar, height=HEIGHT, kind=KIND)
    before = panel.image.value
    assert 'alt="A solid bar of height 1."' in before
    panel.controls["height"].value = 3
    assert 'alt="A solid bar of height 3."' in panel.image.value
    assert _pixels(panel.image.value) != _pixels(before)
    panel.controls["kind"].value = "dashed"
    assert 'alt="A dashed bar of height 3."' in panel.image.value
    panel.controls["height"].value, panel.controls["kind"].value = 1, "solid"
    assert panel.image.value == before  # nothing of the past is left on the figure


def test_a_kept_background_follows_the_limits():
    def draw(fig, *, height):
        if not fig.axes:
            fig.subplots().plot([0, 1], [0, 1], animated=True)
        fig.axes[0].set_ylim(0, height)
        return f"A line, up to {height}."

    panel = play(draw, height=HEIGHT)
    for height in (4, 2):
        panel.controls["height"].value = height
        fresh = play(draw, height=Slider(height, 0, 5, 1, "height", "tip"))
        assert _ink(panel.image.value) == pytest.approx(_ink(fresh.image.value), rel=0.05)


def test_what_draw_refuses_is_said_in_place_of_the_picture():
    panel = play(draw_bar, height=HEIGHT)
    panel.controls["height"].value = 5
    assert "A bar of 5 is too high." in panel.image.value
    assert 'role="alert"' in panel.image.value
    panel.controls["height"].value = 2
    assert 'alt="A solid bar of height 2."' in panel.image.value


def test_one_output_holds_the_widget_and_a_static_picture():
    panel = play(draw_bar, height=HEIGHT)
    bundle = panel._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == "A solid bar of height 1."
    panel.controls["height"].value = 2
    assert panel._repr_mimebundle_()["text/plain"] == "A solid bar of height 1."


def test_without_live_no_widget_is_made(monkeypatch):
    monkeypatch.setattr(Slider, "widget", None)
    panel = play(draw_bar, live=False, height=HEIGHT)
    assert set(panel._repr_mimebundle_()) == {"text/html", "image/png", "text/plain"}
    assert not panel.controls


def test_controls_say_what_they_are():
    panel = play(draw_bar, height=HEIGHT, kind=KIND)
    for widget in panel.controls.values():
        assert widget.description
        assert widget.tooltip
    with pytest.raises(SnnlabError, match=r"'height'.*label and a tip"):
        play(draw_bar, height=Slider(1, 0, 5, 1, "height", ""))
    with pytest.raises(SnnlabError, match=r"'height'.*label and a tip"):
        play(draw_bar, height=(0, 5))


def test_draw_must_return_alt_text():
    with pytest.raises(SnnlabError, match="alt text"):
        play(lambda fig, height: None, height=HEIGHT)


def test_whole_numbers_stay_whole():
    panel = play(draw_bar, height=HEIGHT)
    assert isinstance(panel.controls["height"].value, int)
    fine = Slider(0.5, 0.0, 2.0, 0.1, "height", "tip").widget()
    assert isinstance(fine.value, float)


def test_the_playground_answers_to_every_control():
    panel = play(
        playground.draw_neuron,
        tau_ms=Slider(20, 2, 50, 1, "tau (ms)", "tip"),
        v_threshold=Slider(1.0, 0.5, 2.0, 0.1, "threshold", "tip"),
        reset=Choice("to zero", playground.RESETS, "reset", "tip"),
        kind=Choice("step", playground.INPUTS, "input", "tip"),
        strength=Slider(0.08, 0.0, 0.3, 0.01, "strength", "tip"),
    )
    assert "8 spikes, the first after 19 ms; 50 spikes a second" in panel.image.value
    moves = {"tau_ms": 12, "v_threshold": 0.9, "reset": "subtract", "kind": "spikes", "strength": 0.0}
    for name, value in moves.items():
        before = panel.image.value
        panel.controls[name].value = value
        assert panel.image.value != before, name
    assert "0 spikes, the membrane stays below the threshold" in panel.image.value


def _pixels(html):
    return Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]*)', html)[1]))).convert("L").tobytes()


def _ink(html):
    return sum(255 - pixel for pixel in _pixels(html))
