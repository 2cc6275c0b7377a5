"""Panels without a browser: set a control, see the picture and its alt text change."""

import base64
import io
import re

import pytest
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.viz.widgets.panel import Checkboxes, Dropdown, Slider, interact

HEIGHT = Slider(1, 0, 5, 1, "height", "How high the bar is")
KIND = Dropdown("solid", ("solid", "dashed"), "line", "How the bar is drawn")


def prepare_bar(fig):
    ax = fig.subplots()
    ax.set(xlim=(-1, 1), ylim=(0, 6))
    (bar,) = ax.plot([0, 0], [0, 0], linewidth=9, animated=True)

    def draw(*, height, kind="solid"):
        if height == 5:
            raise SnnlabError("A bar of 5 is too high.")
        bar.set_data([0, 0], [0, height])
        bar.set_linestyle(kind)
        return f"A {kind} bar of height {height}."

    return draw


def test_moving_a_control_changes_picture_and_alt_text():
    panel = interact(prepare_bar, height=HEIGHT, kind=KIND)
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
    def prepare(fig):
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], animated=True)

        def draw(*, height):
            ax.set_ylim(0, height)
            return f"A line, up to {height}."

        return draw

    panel = interact(prepare, height=HEIGHT)
    for height in (4, 2):
        panel.controls["height"].value = height
        fresh = interact(prepare, height=Slider(height, 0, 5, 1, "height", "tip"))
        assert _ink(panel.image.value) == pytest.approx(_ink(fresh.image.value), rel=0.05)


def test_longer_tick_labels_get_room_and_shorter_ones_give_it_back():
    def prepare(fig):
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], animated=True)

        def draw(*, height):
            ax.set_ylim(0, 10**height)
            return f"A line, up to {10**height}."

        return draw

    panel = interact(prepare, height=HEIGHT)
    first = panel.image.value
    panel.controls["height"].value = 5
    fresh = interact(prepare, height=Slider(5, 0, 5, 1, "height", "tip"))
    assert panel.image.value == fresh.image.value
    panel.controls["height"].value = 1
    assert panel.image.value == first


def test_a_kept_background_follows_what_is_added():
    def prepare(fig):
        ax = fig.subplots()
        ax.set(xlim=(0, 1), ylim=(0, 5))

        def draw(*, height):
            while len(ax.lines) < height:
                ax.plot([0, 1], [0, len(ax.lines)], label=f"line {len(ax.lines)}", animated=True)
                ax.legend()
            return f"{height} lines."

        return draw

    panel = interact(prepare, height=HEIGHT)
    panel.controls["height"].value = 3
    fresh = interact(prepare, height=Slider(3, 0, 5, 1, "height", "tip"))
    assert panel.image.value == fresh.image.value


@pytest.mark.parametrize("place", ["left", "center", "right"])
def test_a_title_is_drawn_anew_wherever_it_stands(place):
    def prepare(fig):
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], animated=True)

        def draw(number):
            ax.set_title(f"{number}", loc=place)
            return f"The title is the number {number}."

        return draw

    panel = interact(prepare, number=Slider(0, 0, 1, 1, "number", "the title"))
    before = re.search('base64,([^"]+)', panel.image.value)[1]
    panel.controls["number"].value = 1
    assert re.search('base64,([^"]+)', panel.image.value)[1] != before


def test_a_rounding_error_of_the_browser_draws_no_second_picture():
    drawn = []

    def prepare(fig):
        fig.subplots()

        def draw(*, width):
            drawn.append(width)
            return f"Width {width}."

        return draw

    panel = interact(prepare, width=Slider(1.5, 0.3, 4.0, 0.05, "width", "How wide"))
    before = len(drawn)
    for value in (0.3 + 24 * 0.05, 0.3 + 27 * 0.05):
        panel.controls["width"].set_state({"value": value})  # as a message of the browser does
    assert drawn[before:] == pytest.approx([1.65])


def test_what_draw_refuses_is_said_in_place_of_the_picture():
    panel = interact(prepare_bar, height=HEIGHT)
    panel.controls["height"].value = 5
    assert "A bar of 5 is too high." in panel.image.value
    assert 'role="alert"' in panel.image.value
    panel.controls["height"].value = 2
    assert 'alt="A solid bar of height 2."' in panel.image.value


def test_one_output_holds_the_widget_and_a_static_picture():
    panel = interact(prepare_bar, height=HEIGHT)
    bundle = panel._repr_mimebundle_()
    assert set(bundle) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "image/png",
        "text/plain",
    }
    assert bundle["text/plain"] == "A solid bar of height 1."
    panel.controls["height"].value = 2
    assert panel._repr_mimebundle_()["text/plain"] == "A solid bar of height 1."


def test_without_live_no_widget_is_made(monkeypatch):
    monkeypatch.setattr(Slider, "widget", None)
    panel = interact(prepare_bar, live=False, height=HEIGHT)
    assert set(panel._repr_mimebundle_()) == {"text/html", "image/png", "text/plain"}
    assert not panel.controls


def test_controls_say_what_they_are():
    panel = interact(prepare_bar, height=HEIGHT, kind=KIND)
    for widget in panel.controls.values():
        assert widget.description
        assert widget.tooltip
    with pytest.raises(SnnlabError, match=r"'height'.*description and a tooltip"):
        interact(prepare_bar, height=Slider(1, 0, 5, 1, "height", ""))
    with pytest.raises(SnnlabError, match=r"'height'.*description and a tooltip"):
        interact(prepare_bar, height=(0, 5))


def test_draw_must_return_alt_text():
    with pytest.raises(SnnlabError, match="alt text"):
        interact(lambda fig: lambda height: None, height=HEIGHT)


def test_whole_numbers_stay_whole():
    panel = interact(prepare_bar, height=HEIGHT)
    assert isinstance(panel.controls["height"].value, int)
    fine = Slider(0.5, 0.0, 2.0, 0.1, "height", "tip").widget()
    assert isinstance(fine.value, float)


def test_a_played_slider_and_its_buttons_follow_each_other():
    panel = interact(prepare_bar, height=Slider(1, 0, 4, 1, "height", "tip", play=True))
    slider, play = panel.box.children[1].children
    assert (play.min, play.max, play.step, play.value) == (0, 4, 1, 1)
    play.value = 3  # as the browser does it while it plays
    assert slider.value == 3 and 'alt="A solid bar of height 3."' in panel.image.value
    slider.value = 2
    assert play.value == 2
    with pytest.raises(SnnlabError, match="play=True needs four whole numbers"):
        Slider(1.0, 0, 4, 0.5, "height", "tip", play=True)


WHICH = Checkboxes((True, False, True), ("a", "b", "c"), "which", "Draw it")


def prepare_letters(fig):
    fig.subplots().set(xlim=(0, 4))

    def draw(*, which):
        drawn.append(which)
        return f"{sum(which)} letters."

    return draw


drawn = []


def test_pressed_switches_are_the_value_and_the_value_presses_switches():
    panel = interact(prepare_letters, which=WHICH)
    row = panel.controls["which"]
    assert [one.value for one in row.checkboxes] == [True, False, True]
    row.checkboxes[1].value = True
    assert row.value == (True, True, True)
    assert 'alt="3 letters."' in panel.image.value
    row.value = (False, False, True)
    assert [one.value for one in row.checkboxes] == [False, False, True]
    assert 'alt="1 letters."' in panel.image.value


def test_all_and_none_are_one_change():
    panel = interact(prepare_letters, which=WHICH)
    row = panel.controls["which"]
    everything, nothing = row.children[-2:]
    for button, expected in ((nothing, False), (everything, True)):
        drawn.clear()
        button.click()
        assert drawn == [(expected,) * 3]
        assert [one.value for one in row.checkboxes] == [expected] * 3


def test_every_switch_says_what_it_is():
    row = interact(prepare_letters, which=WHICH).controls["which"]
    assert [one.description for one in row.checkboxes] == ["a", "b", "c"]
    assert [one.tooltip for one in row.checkboxes] == [f"which {name}: Draw it" for name in "abc"]
    label = row.children[0]
    assert (label.value, label.tooltip) == ("which", "Draw it")


def prepare_with_numbers(fig):
    fig.subplots()

    def draw(*, height):
        values = [0.123456, 2.0] if height != 3 else [0.5]
        return f"Height {height}.", {
            "bar & <b>": ["<one>", "two"],
            "height": [height, 7],
            "exact": values,
        }

    return draw


def test_numbers_are_a_table_on_request():
    panel = interact(prepare_with_numbers, height=HEIGHT)
    assert panel.numbers.table.value == ""
    panel.numbers.switch.value = True
    assert panel.numbers.table.value == (
        '<table><thead><tr><th scope="col">bar &amp; &lt;b&gt;</th><th scope="col">height</th>'
        '<th scope="col">exact</th></tr>'
        '</thead><tbody><tr><th scope="row">&lt;one&gt;</th><td>1</td><td>0.1235</td></tr>'
        '<tr><th scope="row">two</th><td>7</td><td>2</td></tr></tbody></table>'
    )
    panel.controls["height"].value = 4
    assert "<td>4</td>" in panel.numbers.table.value
    panel.controls["height"].value = 3
    assert (
        'role="alert"' in panel.numbers.table.value
        and "different lengths" in panel.numbers.table.value
    )
    panel.controls["height"].value = 2
    panel.numbers.switch.value = False
    assert panel.numbers.table.value == ""
    assert {panel.numbers.switch, panel.numbers.table} < set(panel.box.children)


def test_the_static_picture_keeps_its_numbers_folded():
    panel = interact(prepare_with_numbers, live=False, height=HEIGHT)
    page = panel._repr_mimebundle_()["text/html"]
    assert re.search(
        r"</figure><details><summary>Numbers</summary><table>.*<td>7</td>.*</table></details>$",
        page,
    )
    panel = interact(prepare_bar, height=HEIGHT)
    assert "<details>" not in panel._repr_mimebundle_()["text/html"]
    assert panel.numbers.switch not in panel.box.children


def _pixels(html):
    return (
        Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]*)', html)[1])))
        .convert("L")
        .tobytes()
    )


def _ink(html):
    return sum(255 - pixel for pixel in _pixels(html))


def test_a_panel_without_a_function_that_draws_says_so():
    with pytest.raises(SnnlabError, match="^prepare returned None: .* end prepare with `return"):
        interact(lambda fig: None, live=False)
