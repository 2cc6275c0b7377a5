"""The panel of sound: what is heard is what was given, and what is seen are its spikes."""

import base64
import io
import re
from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile

from snnlab.data.datasets import example
from snnlab.data.encoding.cochlea import centre_frequencies, cochlea
from snnlab.viz.panels import sound
from snnlab.viz.panels.sound import player, sound_panel
from snnlab.viz.plots.sound import sound_and_spikes

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 5) / RATE)


def heard(html):
    data = re.search(r'src="data:audio/flac;base64,([^"]*)"', html)[1]
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def wav_file(samples, rate=RATE):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV")
    return buffer.getvalue()


def upload(panel, name, content):
    file = {
        "name": name,
        "type": "audio/wav",
        "size": len(content),
        "last_modified": datetime.now(UTC),
        "content": memoryview(content),
    }
    panel.upload.set_trait("value", (file,))


@pytest.fixture(scope="module")
def panel():
    return sound_panel(TONE, RATE, name="a <tone>")


def test_the_player_holds_the_sound():
    samples, rate = heard(player(TONE, RATE, "a tone"))
    assert rate == RATE and np.abs(samples - TONE).max() < 1e-4
    loud, _ = heard(player(4 * TONE, RATE, "a tone"))
    assert np.abs(loud - TONE / np.abs(TONE).max()).max() < 1e-4
    assert 'aria-label="Play &lt;b&gt;"' in player(TONE, RATE, "<b>")


def test_a_page_without_a_kernel_has_the_player_and_the_spikes(panel):
    still = sound_panel(TONE, RATE, name="a <tone>", live=False)
    assert still.box is None
    bundle = still._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert "<audio controls" in bundle["text/html"] and "<img alt=" in bundle["text/html"]
    n_spikes = len(cochlea(TONE, RATE, seed=0)[0])
    assert (
        f"200 ms. Above the sound wave, below {n_spikes} spikes of 700 channels"
        in (bundle["text/plain"])
    )
    live = panel._repr_mimebundle_()
    assert live["text/html"] == bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in live


def test_the_shipped_word_stays_small():
    audio, rate = example.spoken_word()
    panel = sound_panel(audio, rate, name="seven", live=False)
    assert len(panel._repr_mimebundle_()["text/html"]) < 150_000


def test_an_uploaded_word_is_heard_and_seen(panel):
    quiet = np.zeros(RATE // 2)
    upload(panel, "mine & yours.wav", wav_file(np.concatenate([quiet, TONE, quiet])))
    samples, rate = panel.sound
    assert rate == RATE and abs(len(samples) - len(TONE)) <= 2 * 320  # frames of 20 ms
    assert "Play mine &amp; yours.wav" in panel.own.value and "<img alt=" in panel.own.value
    assert np.abs(heard(panel.own.value)[0] - samples).max() < 1e-3


def test_a_recording_arrives_as_floats_and_is_checked_as_a_file_is(panel):
    samples = TONE.astype("<f4")
    panel.recorder._on_recording(None, {"rate": 48_000.0}, [memoryview(samples.tobytes())])
    assert "Play Your recording" in panel.own.value and panel.sound[1] == 48_000
    sound_before = panel.sound
    panel.recorder._on_recording(None, {"rate": 48_000}, [bytes(4 * 4800)])
    assert panel.own.value == (
        '<p role="alert">Your recording is silent; a spoken word was expected. '
        "Record it again or leave it out.</p>"
    )
    assert panel.sound is sound_before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no sound at all", "mine.wav cannot be read as sound"),
        (wav_file(np.stack([TONE, TONE], 1)), "mine.wav has 2 channels; one was expected"),
        (wav_file(np.tile(TONE, 30)), "mine.wav lasts 6.0 s; one word of at most 5 s"),
        (wav_file(TONE)[:-2000], "mine.wav is cut short"),
        (b"", "mine.wav cannot be read as sound"),
    ],
)
def test_a_bad_upload_is_answered_by_a_sentence(panel, content, sentence):
    upload(panel, "mine.wav", content)
    assert panel.own.value.startswith('<p role="alert">') and sentence in panel.own.value
    assert "/tmp" not in panel.own.value and "<img" not in panel.own.value


def test_controls_say_what_they_are(panel):
    assert panel.upload.description and "at most 5 s" in panel.upload.tooltip
    assert panel.recorder.seconds == sound.wav.LONGEST


def test_high_frequencies_are_at_the_top():
    hertz = centre_frequencies()
    fig = sound_and_spikes(TONE, RATE, [0.1, 0.2], [0, 699], hertz)
    above, below = fig.axes
    assert below.get_ylim()[0] > below.get_ylim()[1]
    labels = [label.get_text() for label in below.get_yticklabels()]
    assert labels == ["0.2", "0.5", "1", "2", "5", "10", "20"]
    places = dict(zip(labels, below.get_yticks(), strict=True))
    assert hertz[round(places["1"])] == pytest.approx(1000, rel=0.01)
    assert above.lines[0].get_xdata()[-1] == pytest.approx(200, abs=0.1)


def test_a_rate_that_flac_does_not_know_is_played_as_wav():
    html = player(np.zeros(700, np.float32), 70_001, "beep")
    assert "data:audio/wav;base64," in html
