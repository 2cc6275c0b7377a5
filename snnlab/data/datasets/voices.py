"""Spoken words of many invented people: espeak-ng with a voice, a throat, a room and noise.

espeak-ng comes with the wheel `espeakng-loader`, so that the same version speaks on every machine;
nothing here starts a program or touches the disk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from snnlab._utils.errors import SnnlabError
from snnlab._utils.optional import import_optional
from snnlab._utils.system import c_library, close_library
from snnlab.data.io.wav import trim

RATE = 48_000  # Hz, of the speech that leaves this module
ENGINE_RATE = 22_050  # Hz, espeak-ng's own

# en: Great Britain, -x-gbclan: Lancaster, -x-gbcwmd: West Midlands, -029: Caribbean
ENGLISH = (
    "en-us",
    "en-us-nyc",
    "en",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
GERMAN = "de"

# espeak-ng's own constants: AUDIO_OUTPUT_SYNCHRONOUS, espeakINITIALIZE_DONT_EXIT, espeakCHARS_UTF8,
# espeak_PARAMETER
_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
_SPEED, _PITCH, _PITCH_RANGE = 1, 3, 4
_SINK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True)
class Voice:
    """One person. A German and an English word of a person differ in language only.

    Attributes:
        accent: espeak-ng's voice for English words; German ones take `GERMAN`.
        variant: espeak-ng's voice variant: formants, glottal source, breath.
        pitch: 0 to 100, 50 is the variant's own.
        pitch_range: 0 to 100, 50 is the variant's own; low is monotonous.
        speed: words a minute.
        tract: all frequencies are multiplied by it; above 1 is a shorter vocal tract.
        tilt: coefficient a of the pre-emphasis y[n] = x[n] - a x[n-1]; higher is brighter.
    """

    accent: str
    variant: str
    pitch: float
    pitch_range: float
    speed: float
    tract: float
    tilt: float


@dataclass(frozen=True)
class Take:
    """One recording of one word, with all that chance decided, so that it can be made again.

    Attributes:
        word: what is said.
        german: in which language.
        voice: who says it, as this person sounds in this take.
        lead, tail: seconds of room noise before and after the word.
        reverberation: seconds in which the room's echo falls by 60 dB.
        directness: dB by which the direct sound exceeds the echo.
        snr: dB by which the word exceeds the noise.
        noise_slope: the noise's power falls as frequency to the minus this: 0 is white, 1 is pink.
        seed: of glottal chance, room, noise and, in the cochlea, the auditory nerve.
    """

    word: str
    german: bool
    voice: Voice
    lead: float
    tail: float
    reverberation: float
    directness: float
    snr: float
    noise_slope: float
    seed: int


def draw_voice(chance: np.random.Generator, variants: Sequence[str]) -> Voice:
    """Draw a new person; everything but accent and variant comes from a continuum."""
    return Voice(
        accent=str(chance.choice(ENGLISH)),
        variant=str(chance.choice(variants)),
        pitch=chance.uniform(38, 68),
        pitch_range=chance.uniform(25, 80),
        speed=chance.uniform(115, 190),
        tract=float(np.exp(chance.uniform(np.log(0.87), np.log(1.15)))),
        tilt=chance.uniform(0.6, 0.92),
    )


def draw_take(chance: np.random.Generator, voice: Voice, word: str, *, german: bool) -> Take:
    """Draw one recording by this person; voice and room differ from take to take."""
    today = replace(
        voice,
        pitch=voice.pitch + chance.uniform(-8, 8),
        pitch_range=voice.pitch_range + chance.uniform(-10, 10),
        speed=voice.speed * chance.uniform(0.88, 1.14),
        tract=voice.tract * chance.uniform(0.98, 1.02),
        tilt=voice.tilt + chance.uniform(-0.06, 0.06),
    )
    return Take(
        word=word,
        german=german,
        voice=today,
        lead=chance.uniform(0.005, 0.03),
        tail=chance.uniform(0.01, 0.05),
        reverberation=float(np.exp(chance.uniform(np.log(0.08), np.log(0.4)))),
        directness=chance.uniform(6, 20),
        snr=chance.uniform(20, 40),
        noise_slope=chance.uniform(0, 1),
        seed=int(chance.integers(2**31)),
    )


def record(take: Take) -> np.ndarray:
    """Return the sound of a take, (samples,) float32 at `RATE`, the same every time.

    Raises:
        SnnlabError: espeak-ng is not installed or does not know the voice.
    """
    voice = take.voice
    language = GERMAN if take.german else voice.accent
    with Espeak() as engine:
        raw = engine.say(
            take.word,
            f"{language}+{voice.variant}",
            # reading the samples out faster by `tract` also shortens the word: speak slower
            speed=voice.speed / voice.tract,
            pitch=voice.pitch,
            pitch_range=voice.pitch_range,
            seed=take.seed,
        )
    chance = np.random.default_rng(take.seed)
    sound = raw.astype(np.float64)
    sound[1:] -= voice.tilt * sound[:-1]
    ratio = Fraction(RATE / (ENGINE_RATE * voice.tract)).limit_denominator(100)
    sound = resample_poly(sound, ratio.numerator, ratio.denominator)
    sound = trim(sound / np.abs(sound).max(), RATE)
    sound = np.pad(sound, (round(take.lead * RATE), round(take.tail * RATE)))
    sound = _in_room(sound, take.reverberation, take.directness, chance)
    noise = _noise(sound.size, take.noise_slope, chance)
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10 ** (-take.snr / 20)
    return (sound + noise).astype(np.float32)


def _in_room(
    sound: np.ndarray, reverberation: float, directness: float, chance: np.random.Generator
) -> np.ndarray:
    """Add the echo of a room: noise that begins 2 ms later and decays exponentially."""
    t = np.arange(round(reverberation * RATE)) / RATE
    # -60 dB is a factor of 10^-3
    echo = chance.standard_normal(t.size) * 10 ** (-3 * t / reverberation)
    echo *= 10 ** (-directness / 20) / np.linalg.norm(echo)
    response = np.concatenate([[1.0], np.zeros(round(0.002 * RATE)), echo])
    return fftconvolve(sound, response)[: sound.size]


def _noise(samples: int, slope: float, chance: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with frequency as `f ** -slope`, flat below 50 Hz."""
    spectrum = np.fft.rfft(chance.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    return np.fft.irfft(spectrum * np.maximum(frequency, 50.0) ** (-slope / 2), samples)


class Espeak:
    """A freshly loaded espeak-ng, on Linux or macOS; use it in a `with`, once for each recording.

    The library keeps phases and random numbers from word to word and has no way to reset them, so a
    word depends on those before it. Loading it anew costs 4 ms and makes a word depend on its own
    arguments only.

    Raises:
        SnnlabError: the wheel is missing or cannot be loaded, or its data lies at too long a path.
    """

    def __init__(self) -> None:
        loader: Any = import_optional("espeakng_loader", "makes speech with espeak-ng", "speech")
        self._data, self._path = Path(loader.get_data_path()), loader.get_library_path()
        self._pieces: list[np.ndarray] = []
        self._sink = _SINK(self._receive)  # kept here: C holds no reference to it

    def __enter__(self) -> Self:
        try:
            self._library = ctypes.CDLL(self._path)
        except OSError as error:
            raise SnnlabError(
                f"{self._path}: espeak-ng cannot be loaded ({error}); the library of the wheel "
                "espeakng-loader was "
                'expected. Run `pip install --force-reinstall "snnlab[speech]"`.'
            ) from error
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, bytes(self._data), _DO_NOT_EXIT)
        if rate != ENGINE_RATE:
            self.__exit__()
            raise SnnlabError(
                f"{self._data}: espeak-ng does not start with this data; its whole folder was "
                "expected, at a path of less than 160 characters. Run `pip install "
                '--force-reinstall "snnlab[speech]"`, or install snnlab at a shorter path.'
            )
        self._library.espeak_SetSynthCallback(self._sink)
        return self

    def __exit__(self, *error: object) -> None:
        self._library.espeak_Terminate()
        close_library(self._library)
        del self._library

    def say(
        self, word: str, voice: str, *, speed: float, pitch: float, pitch_range: float, seed: int
    ) -> np.ndarray:
        """Speak: (samples,) int16 at `ENGINE_RATE`.

        Args:
            word: any text.
            voice: language, or language+variant, as in `en-us+f4`.
            speed: words a minute, 80 to 450.
            pitch: 0 to 100.
            pitch_range: 0 to 100.
            seed: 0 to 2**31 - 1, of breath and flutter.

        Raises:
            SnnlabError: espeak-ng has no such voice, or the text makes no sound.
        """
        library = self._library
        self._pieces.clear()
        variant = voice.partition("+")[2]  # espeak-ng passes over one that it does not know
        known = not variant or (self._data / "voices" / "!v" / variant).is_file()
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SnnlabError(
                f"voice is {voice!r}, which espeak-ng does not have; language or language+variant "
                f"was expected, as in en-us+f4. Choose from {self._data}: its folders lang and "
                "voices/!v."
            )
        for parameter, value in ((_SPEED, speed), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, round(value), 0)
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        # The Klatt voices' breath takes C's own generator
        c_library().srand(ctypes.c_uint(seed))
        text = word.encode() + b"\0"
        library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, _UTF8, None, None)
        sound = np.concatenate([np.zeros(0, np.int16), *self._pieces])
        if not sound.any():
            raise SnnlabError(
                f"word is {word!r}, which makes no sound; a word to speak was expected. Choose "
                "another."
            )
        return sound

    def _receive(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None
    ) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0  # go on
