"""Sound as a reader meets it: a player that works, and a microphone, which may be refused."""

import numpy as np
import pytest
import soundfile

CELL = """
from snnlab.data.datasets import example
from snnlab.viz.panels.sound import sound_panel
panel = sound_panel(*example.spoken_word(), name="seven")
panel
"""
REFUSE = """() => { navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("Permission denied", "NotAllowedError");
} }"""


@pytest.fixture(scope="module")
def page(lab):
    lab.write("sound", CELL)
    page = lab.run("sound")
    page.set_default_timeout(60_000)
    page.locator(".snnlab-sound audio").wait_for()
    return page


def test_the_word_can_be_played_and_seen(page):
    panel = page.locator(".snnlab-sound")
    length = panel.locator("audio").evaluate(
        "async audio => { audio.muted = true; await audio.play(); return audio.duration }"
    )
    assert length == pytest.approx(0.77, abs=0.01)
    assert "7882 spikes" in panel.locator("img").get_attribute("alt")


def test_a_word_is_recorded_by_keyboard_and_shown(page):
    panel = page.locator(".snnlab-sound")
    button = panel.get_by_role("button", name="Record")
    button.focus()
    page.keyboard.press("Enter")
    panel.get_by_text("Recording: say one word.").wait_for()
    page.wait_for_timeout(1500)  # the microphone of the browser beeps once a second
    page.keyboard.press("Enter")
    panel.locator("audio[aria-label='Play Your recording']").wait_for()
    assert panel.locator("img").count() == 2
    assert "Your recording" in panel.locator("img").nth(1).get_attribute("alt")
    assert panel.get_by_role("button", name="Record").count() == 1


def test_a_wav_file_is_uploaded_and_a_bad_one_is_answered(page, tmp_path):
    panel, good, bad = page.locator(".snnlab-sound"), tmp_path / "me.wav", tmp_path / "bad.wav"
    soundfile.write(good, np.sin(np.arange(8000) / 5), 16_000)
    bad.write_bytes(b"no sound")
    upload = panel.get_by_role("button", name="Upload a wav file")
    for file in (good, bad):
        with page.expect_file_chooser() as chooser:
            upload.click()
        chooser.value.set_files(file)
        if file is good:
            panel.locator("audio[aria-label='Play me.wav']").wait_for()
    panel.get_by_role("alert").wait_for()
    assert "bad.wav cannot be read as sound" in panel.get_by_role("alert").inner_text()


def test_where_the_browser_refuses_a_sentence_says_so(page):
    page.evaluate(REFUSE)
    panel = page.locator(".snnlab-sound")
    panel.get_by_role("button", name="Record").click()
    refused = panel.locator("span[role=alert]")
    refused.wait_for()
    assert refused.inner_text().strip() == (
        "The browser does not allow this page to record; upload a wav file."
    )
    assert panel.get_by_role("button", name="Record").is_enabled()
