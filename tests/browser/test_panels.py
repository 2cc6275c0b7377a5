"""Panels as a reader meets them: JupyterLab, Chromium, and nothing but the keyboard."""

import statistics

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from snnlab.runs import publish

# Each new picture in a panel, and the ms from the last key to when it can be painted.
WATCH = """panel => {
    const watched = window.watched = {times: [], pressed: null};
    watched.src = panel.querySelector("img").src;
    document.addEventListener("keydown", () => { watched.pressed = performance.now() }, true);
    new MutationObserver(async () => {
        const img = panel.querySelector("img"), pressed = watched.pressed;
        if (!img || img.src === watched.src) return;
        watched.src = img.src;
        await img.decode();
        watched.times.push(performance.now() - pressed);
    }).observe(panel, {subtree: true, childList: true, attributes: true});
}"""


def picture(panel):
    img = panel.locator("img")
    return img.get_attribute("src"), img.get_attribute("alt")


def press(page, panel, key):
    """Press a key, wait for the next picture, and return it."""
    before = panel.locator("img").get_attribute("src")
    page.keyboard.press(key)
    page.wait_for_function(
        "([panel, src]) => panel.querySelector('img') && panel.querySelector('img').src !== src",
        arg=[panel.element_handle(), before],
        polling=50,  # ms; else as often as the screen is drawn
    )
    return picture(panel)


LIVE = ["01_lif_dynamics", "04_learning_delays", "05_exploring_delays", "08_delays_on_chips"]


@pytest.mark.parametrize("stem", LIVE)
def test_every_slider_moves_its_picture_by_keyboard(lab, stem):
    page = lab.page(stem)
    text = page.locator(".jp-Notebook").inner_text()
    assert "VBox(children=" not in text and "javascript error" not in text
    assert not page.locator("[data-mime-type='application/vnd.jupyter.error']").count()
    panels = page.locator(".snnlab-panel").all()
    assert panels
    for panel in panels:
        panel.scroll_into_view_if_needed()
        sliders = panel.get_by_role("slider").all()
        assert sliders
        for slider in sliders:
            (src, alt), value = picture(panel), slider.get_attribute("aria-valuetext")
            assert len(alt) > 20
            slider.focus()
            at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
            new_src, new_alt = press(page, panel, "ArrowLeft" if at_end else "ArrowRight")
            assert new_src != src and new_alt != alt
            assert slider.get_attribute("aria-valuetext") != value
        panel.evaluate(WATCH)
        for k in range(4):
            press(page, panel, ("ArrowLeft", "ArrowRight")[(k + at_end) % 2])
        times = page.evaluate("watched.times")
        median, spread = statistics.median(times), f"{min(times):.0f} to {max(times):.0f}"
        print(
            f"\n{stem}: key to picture, median {median:.0f} ms of {len(times)} presses ({spread})"
        )


def test_every_control_is_reached_by_tab_and_shows_that_it_is(lab):
    page = lab.page("01_lif_dynamics")
    panel = page.locator(".snnlab-panel").first
    controls = "[role=slider], select, input, button"
    panel.evaluate(
        f"panel => panel.querySelectorAll('{controls}').forEach((e, i) => e.dataset.number = i)"
    )
    panel.locator(controls).first.focus()
    reached, outlines = [], set()
    for _ in range(60):
        number, outline = page.evaluate(
            "() => { const focused = document.activeElement; "
            "return [focused.dataset.number, getComputedStyle(focused).outline] }"
        )
        reached.append(number)
        if number is not None:
            outlines.add(outline)
        page.keyboard.press("Tab")
    count = panel.locator(controls).count()
    assert count == 4 + 3 + 20 + 2 + 1  # sliders, choices, slots, all and none, numbers
    assert {str(i) for i in range(count)} <= set(reached)
    (outline,) = outlines
    assert "solid 3px" in outline


def test_a_spike_train_is_made_and_numbers_are_read_by_keyboard(lab):
    page = lab.page("01_lif_dynamics")
    panel = page.locator(".snnlab-panel").first
    panel.get_by_role("combobox").nth(1).focus()
    for kind in ("ramp", "noise", "20 input spikes"):
        assert kind in press(page, panel, "ArrowDown")[1]
    panel.get_by_role("button", name="none").focus()
    assert " 0 input spikes" in press(page, panel, "Enter")[1]
    for count, slot in enumerate(("28", "36"), 1):
        box = panel.get_by_role("checkbox", name=slot, exact=True)
        box.focus()
        assert f" {count} input spike" in press(page, panel, "Space")[1]
        assert box.is_checked()
    assert not panel.get_by_role("table").count()
    panel.get_by_role("checkbox", name="numbers").focus()
    page.keyboard.press("Space")
    table = panel.get_by_role("table")
    table.wait_for()
    assert table.get_by_role("columnheader").first.inner_text() == "from (ms)"
    page.keyboard.press("r")  # JupyterLab would turn the cell into a raw one
    assert table.get_by_role("rowheader").all_inner_texts() == [str(ms) for ms in range(20, 180, 8)]


def test_code_that_is_hidden_is_collapsed_and_its_output_is_shown(lab):
    output = new_output("display_data", {"text/html": '<img alt="a line">', "text/plain": "a line"})
    cells = [
        new_code_cell("folded", metadata={"tags": ["hide-input"]}, outputs=[output]),
        new_code_cell("shown"),
    ]
    nbformat.write(publish.clean(new_notebook(cells=cells)), lab.folder / "folded.ipynb")
    page = lab.open("folded")
    page.get_by_text("shown").wait_for()
    folded, shown = page.locator(".jp-CodeCell").all()
    assert folded.locator(".jp-InputPlaceholder, .jp-Placeholder").is_visible()
    assert not folded.locator(".cm-content").is_visible()
    assert folded.get_by_alt_text("a line").count() == 1
    assert shown.locator(".cm-content").is_visible()
    page.close()


PLAYED = """
from snnlab.viz.widgets.panel import Slider, interact
def prepare(fig):
    ax = fig.subplots()
    ax.set(xlim=(0, 300), ylim=(0, 1))
    (dot,) = ax.plot([], [], "o", animated=True)
    def draw(epoch):
        dot.set_data([epoch], [0.5])
        return f"A dot at epoch {epoch}."
    return draw
interact(prepare, epoch=Slider(0, 0, 300, 1, "epoch", "Which epoch is drawn", play=True))
"""


def test_a_slider_is_played_and_stopped_by_keyboard(lab):
    lab.write("played", PLAYED)
    page = lab.run("played")
    panel = page.locator(".snnlab-panel")
    panel.locator("img").wait_for()
    panel.get_by_role("slider").focus()
    page.keyboard.press("Tab")  # the slider's number
    page.keyboard.press("Tab")
    name = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(name) == "play or pause"
    page.keyboard.press("Enter")
    # A busy kernel leaves values out
    panel.locator("img:not([alt='A dot at epoch 0.'])").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_timeout(1000)
    before = picture(panel)
    page.wait_for_timeout(1000)
    assert picture(panel) == before
    page.keyboard.press("Tab")
    assert page.evaluate(name) == "stop"
    page.keyboard.press("Enter")
    panel.locator("img[alt='A dot at epoch 0.']").wait_for()
