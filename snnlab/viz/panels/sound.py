"""Panel of a spoken word that can be heard, and seen as spikes of the cochlea."""

import base64
import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text
from snnlab.data.encoding.cochlea import centre_frequencies, cochlea
from snnlab.data.io import wav
from snnlab.viz.figure_export import RenderedFigure, draw_figure
from snnlab.viz.plots.sound import sound_and_spikes
from snnlab.viz.widgets.panel import alert, keyboard_box, with_widget
from snnlab.viz.widgets.recorder import Recorder

Sound = tuple[NDArray[np.floating[Any]], int]  # samples (n,), and their rate in Hz


def player(audio: ArrayLike, rate: int, name: str) -> str:
    """Return an `<audio>` element that holds a sound, for notebooks and exported pages.

    Args:
        audio: the sound, `(samples,)`; samples beyond -1 to 1 are scaled down.
        rate: Hz.
        name: what is heard, for a screen reader.
    """
    samples = np.asarray(audio, dtype=float)
    samples = samples / max(1.0, np.abs(samples).max(initial=0.0))
    buffer = io.BytesIO()
    kind = "FLAC" if rate <= 65_535 or rate % 10 == 0 else "WAV"  # FLAC has no other rates
    soundfile.write(buffer, samples, rate, format=kind, subtype="PCM_16")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    label = html_text(f"Play {name}")
    source = f"data:audio/{kind.lower()};base64,{data}"
    return f'<audio controls aria-label="{label}" src="{source}"></audio>'


def picture_of(sound: Sound, name: str, seed: int) -> RenderedFigure:
    """Draw a sound and the spikes of the cochlea."""
    audio, rate = sound
    times_s, channels = cochlea(audio, rate, seed=seed)
    hertz = centre_frequencies()
    busiest = hertz[np.bincount(channels, minlength=len(hertz)).argmax()]
    alt = (
        f"{name}, {1000 * len(audio) / rate:.0f} ms. Above the sound wave, below {len(times_s)} "
        f"spikes of {len(hertz)} channels, from {hertz[0] / 1000:.0f} kHz at the top to "
        f"{hertz[-1]:.0f} Hz at the bottom; most of them at {busiest:.0f} Hz."
    )
    return draw_figure(sound_and_spikes(audio, rate, times_s, channels, hertz), alt)


class SoundPanel:
    """A word with a player and its spikes; live, the reader adds a word of their own.

    Attributes:
        sound: the last word: samples `(n,)` and their rate in Hz.
        box: the widget; None if not live.
    """

    def __init__(self, sound: Sound, name: str, seed: int, live: bool) -> None:
        self.sound, self._seed = sound, seed
        self._html, self.static = self._show(sound, f"The word {name}")
        self.box: ipywidgets.VBox | None = None
        if not live:
            return
        self.upload = ipywidgets.FileUpload(
            accept=".wav", description="Upload a wav file", layout={"width": "16em"},
            tooltip=f"A wav file with one word, one channel, at most {wav.LONGEST:g} s",
        )  # fmt: skip
        self.upload.observe(self._on_upload, names="value")
        self.recorder = Recorder(self._on_recording, wav.LONGEST)
        self.own = ipywidgets.HTML()
        row = ipywidgets.HBox([self.upload, self.recorder], layout={"flex_flow": "row wrap"})
        self.box = keyboard_box(ipywidgets.HTML(self._html), row, self.own)
        self.box.add_class("snnlab-sound")

    def _show(self, sound: Sound, name: str) -> tuple[str, RenderedFigure]:
        picture = picture_of(sound, name, self._seed)
        return player(*sound, name) + picture.to_html(), picture

    def _on_upload(self, change: Any) -> None:
        for file in change.new:
            self._add(partial(Path.write_bytes, data=file["content"]), file["name"])

    def _on_recording(self, samples: NDArray[np.float32], rate: int) -> None:
        self._add(lambda path: soundfile.write(path, samples, rate, "FLOAT"), "Your recording")

    def _add(self, write: Callable[[Path], object], name: str) -> None:
        """Show the reader's own word, or one sentence that says why it cannot be used.

        Args:
            write: writes the word to a wav file.
            name: what the file is, for messages.
        """
        self.own.value = '<p role="status">The cochlea listens ...</p>'
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "word.wav")
                write(path)
                sound = wav.read_word(path, where=name)
            html, _ = self._show(sound, name)
        except SnnlabError as error:  # Jupyter hides an exception of a callback in a log
            self.own.value = alert(error)
        else:
            self.sound, self.own.value = sound, html

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return with_widget(self.static._repr_mimebundle_() | {"text/html": self._html}, self.box)


def sound_panel(
    audio: ArrayLike, rate: int, *, name: str, seed: int = 0, live: bool = True
) -> SoundPanel:
    """Let a word be heard, and show the spikes that the cochlea makes of it.

    Live, the reader uploads a wav file or records a word in the browser, hears it and sees its
    spikes below.

    Args:
        audio: the word, `(samples,)`.
        rate: samples in a second.
        name: the word itself, for texts.
        seed: of the cochlea's nerve fibres.
        live: False leaves the player and the static figure.

    Returns:
        The panel; the last line of a cell shows it.

    Raises:
        SnnlabError: as `snnlab.data.encoding.cochlea.cochlea`.
    """
    return SoundPanel((np.asarray(audio, dtype=float), rate), name, seed, live)
