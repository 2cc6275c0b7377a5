"""A watched training in JupyterLab: stopped, gone on with, left alone, and found again."""

import re

NAME = "watched"
STATUS = ".snnlab-monitor [role=status]"
POLLING = 100  # ms; else as often as the screen is drawn


def say(page, text):
    """Wait until the status line says this, and return what it says then: it changes all the
    time."""
    said = page.wait_for_function(
        "([status, text]) => { const now = document.querySelector(status)?.innerText ?? ''; "
        "return new RegExp(text).test(now) && now }",
        arg=[STATUS, text],
        polling=POLLING,
    )
    return said.json_value()


def epoch(text):
    return int(re.search(r"epoch (\d+)", text)[1])


def press(page, name):
    page.locator(".snnlab-monitor").get_by_role("button", name=name).press("Enter")


def test_a_training_is_stopped_gone_on_with_and_found_again(lab):
    cells = lab.copy(
        "04_learning_delays",
        r"^first = await watched",
        NAME,
        epochs=100_000,
        toy_trials=100,
        toy_epochs=1,
    )
    page = lab.run(NAME)
    say(page, "^Training: .*epoch")
    panel = page.locator(".snnlab-monitor")
    panel.scroll_into_view_if_needed()
    before = panel.locator("img").get_attribute("src")
    page.wait_for_function(  # it moves by itself
        "src => document.querySelector('.snnlab-monitor img').src !== src",
        arg=before,
        polling=POLLING,
    )
    assert re.search(
        r"Training after [\d.]+ of 100000 epochs", panel.locator("img").get_attribute("alt")
    )
    press(page, "Pause")
    say(page, "^Paused: ")
    # It says so at once, and again from the batch before which it waits
    page.wait_for_timeout(1000)
    paused = say(page, "^Paused: ")
    page.wait_for_timeout(1000)
    assert say(page, "^Paused: ") == paused
    press(page, "Continue")
    say(page, "^Training: ")
    press(page, "Stop")
    stopped = epoch(say(page, "^Stopped: .*Its checkpoint is kept"))
    lab.finish(page, cells)  # the cell that waited says why it did not get its network
    assert "The training was stopped" in page.locator(".jp-CodeCell").last.inner_text()
    assert "VBox(children=" not in page.locator(".jp-Notebook").inner_text()

    press(page, "Continue")
    say(page, "^Training: ")
    page.locator(
        ".snnlab-monitor button:disabled", has_text="Continue"
    ).wait_for()  # it has the focus, and keys go to it
    with page.expect_response(
        lambda reply: reply.request.method == "PUT" and "/api/contents/" in reply.url
    ):
        page.keyboard.press("Control+s")
    page.close()
    page = lab.open(NAME)
    page.locator(".snnlab-monitor").scroll_into_view_if_needed()
    later = say(page, "^Training: .*epoch")
    assert epoch(later) >= stopped
    page.wait_for_function(
        f"now => document.querySelector('{STATUS}')?.innerText !== now", arg=later, polling=POLLING
    )
    press(page, "Stop")
    assert epoch(say(page, "^Stopped: ")) >= epoch(later)


SLIDER = """
from snnlab.viz.widgets.panel import Slider, interact
def prepare(fig):
    (dot,) = fig.subplots().plot([], [], "o", animated=True)
    def draw(place):
        dot.set_data([place / 10], [0.5])
        return f"A dot at place {place}."
    return draw
interact(prepare, place=Slider(0, 0, 9, 1, "place", "where the dot is drawn"))
"""
TRAINING = """
from snnlab.data.datasets.toys import interaural_lags
from snnlab.nn.delay_net import DelayNet
from snnlab.training.trainer import fit
from snnlab.delays.recipe import DelayRecipe
from snnlab.viz.monitor.monitor import watch
data = interaural_lags(80, seed=0, steps=30)
recipe = DelayRecipe(epochs=100_000, batch_size=32, device="cpu")
watched = watch(fit, DelayNet(16, (8,), 5, max_delay=16), data, data, recipe, checkpoint="slid.pt")
watched
"""


def test_sliders_move_pictures_while_a_cell_awaits_the_training_and_afterwards(lab):
    lab.write("slid", SLIDER, TRAINING, "await watched")
    page = lab.run("slid")
    say(page, "^Training: .*epoch")
    slider = page.locator(".snnlab-panel").get_by_role("slider")

    def move(place):
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.locator(f".snnlab-panel img[alt='A dot at place {place}.']").wait_for(timeout=30_000)

    for place in (1, 2, 3):
        move(place)
    assert page.locator(".jp-CodeCell .jp-InputPrompt").last.inner_text() == "[*]:"
    press(page, "Stop")
    lab.finish(page, 3)
    for place in (4, 5):
        move(place)
    page.close()
