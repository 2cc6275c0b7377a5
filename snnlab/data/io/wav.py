"""Spoken words in wav files, as they are or without the silence around them."""

import os
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from snnlab._utils.errors import SnnlabError, read_errors, reason_of

RATE = 16_000  # Hz, of the Google Speech Commands
LONGEST = 5.0  # s: a word, not a sentence
SHORTEST = 0.05  # s, after trimming
FRAME = 0.02  # s
QUIET = 1e-2  # -40 dB below the loudest frame: silence, to be trimmed
SILENT = 1e-4  # -80 dB below full scale: not even the loudest frame holds speech
LOUDEST = 10.0  # 20 dB above full scale; whole numbers that were stored as floats are larger
SLOWEST, FASTEST = 4_000, 384_000  # Hz, a telephone's rate halved, and the highest of a studio
_STREAM = 0x7FFF_F000  # a size from here on is a placeholder of a program that wrote to a pipe


def read_word(
    file: Path, *, max_seconds: float = LONGEST, where: str | None = None
) -> tuple[np.ndarray, int]:
    """Read a word, (samples,) float32, without offset and silence at its ends, and its rate in Hz.

    Raises:
        SnnlabError: it is not a wav file, cut short, not mono, too long, not finite, of an
            implausible rate or loudness, silent, empty or too short.
    """
    where = where or str(file)
    expected = "a wav file was expected. Convert it or fetch it again."
    kinds = (soundfile.SoundFileError, OSError)
    with read_errors(f"{where} cannot be read as sound", expected, *kinds):
        # As bytes: soundfile refuses names that are no UTF-8
        info = soundfile.info(os.fsencode(file))
        if info.format not in ("WAV", "WAVEX", "RF64", "W64"):
            raise SnnlabError(
                f"{where} is {info.format_info}; a wav file was expected. Convert it."
            )
        if wrong := cut_short(file):
            raise SnnlabError(
                f"{where} {wrong}; a whole wav file was expected. Copy or fetch it again."
            )
        if wrong := implausible(info.samplerate):
            raise SnnlabError(f"{where} {wrong}. Export it again.")
        if info.channels != 1:
            raise SnnlabError(
                f"{where} has {info.channels} channels; one was expected. Mix them or choose one, "
                "for example with sox."
            )
        if info.duration > max_seconds:
            raise SnnlabError(
                f"{where} lasts {info.duration:.1f} s; one word of at most {max_seconds:g} s was "
                "expected. Cut it, or allow more seconds."
            )
        if info.frames == 0:
            raise SnnlabError(
                f"{where} holds no samples; a spoken word was expected. Record it again or leave "
                "it out."
            )
        sound, rate = soundfile.read(os.fsencode(file), dtype="float32")
    if wrong := implausible(rate, sound):
        raise SnnlabError(f"{where} {wrong}. Export it again.")
    word = trim(sound, rate)
    if not len(word) and len(sound) >= SHORTEST * rate:
        raise SnnlabError(
            f"{where} is silent; a spoken word was expected. Record it again or leave it out."
        )
    if len(word) < SHORTEST * rate:
        raise SnnlabError(
            f"{where} holds {1000 * len(word) / rate:.0f} ms of sound; at least "
            f"{1000 * SHORTEST:.0f} ms was expected. Record it again or leave it out."
        )
    return word, rate


def read_clip(file: Path) -> np.ndarray:
    """Read a sound at 16 kHz as it is, (samples,) float32.

    Raises:
        ValueError: what is wrong with the file, in a few words.
    """
    try:
        if not file.stat().st_size:
            raise ValueError("is empty")
        if wrong := cut_short(file):
            raise ValueError(wrong)
        sound, rate = soundfile.read(os.fsencode(file), dtype="float32")
    except (soundfile.SoundFileError, OSError) as error:
        raise ValueError(f"cannot be read ({reason_of(error)})") from error
    if sound.ndim != 1:
        raise ValueError(f"has {sound.shape[1]} channels")
    if rate != RATE:
        raise ValueError(f"is at {rate:,} Hz")
    if not len(sound):
        raise ValueError("is empty")
    if wrong := implausible(rate, sound):
        raise ValueError(wrong)
    return sound


def cut_short(file: Path) -> str:
    """Return how many of the bytes that its header announces a wav file has, or "" if all.

    soundfile does not compare them: it reads a copy that stopped half way as a shorter sound.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as handle:
        size, end = os.fstat(handle.fileno()).st_size, _announced(handle)
    return f"is cut short ({size:,} of {end:,} bytes)" if size < end else ""


def implausible(rate: int, sound: np.ndarray | None = None) -> str:
    """Return why these numbers cannot be a recording, or "".

    Args:
        rate: Hz.
        sound: (samples,) floats, of which 1 is full scale; where it is left out, only the rate is
            looked at.
    """
    if not SLOWEST <= rate <= FASTEST:
        return f"has a sample rate of {rate:,} Hz; {SLOWEST:,} to {FASTEST:,} Hz was expected"
    if sound is None:
        return ""
    if not np.isfinite(sound).all():
        return "has samples that are NaN or infinite; finite ones were expected"
    peak = np.abs(sound).max(initial=0)
    if peak > LOUDEST:
        return f"has samples up to {peak:g}; at most {LOUDEST:g} was expected, for full scale is 1"
    return ""


def _announced(file: IO[bytes]) -> int:
    """Return the byte at which the samples end according to the header, or 0."""
    head = file.read(24)
    if head[:4] == b"riff":  # W64, which is a GUID and the size of the whole file
        return int.from_bytes(head[16:24], "little")
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        return 0
    order, long, start = ("big" if head[:4] == b"RIFX" else "little"), 0, 12
    while True:
        file.seek(start)
        head = file.read(24)
        if len(head) < 8:  # no samples at all: soundfile refuses it
            return 0
        length = int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
        if head[:4] == b"ds64":  # of RF64: the size of its samples in 8 bytes
            long = int.from_bytes(head[16:24], "little")
        if head[:4] == b"data":
            return start + 8 + long if long else start + 8 + length if length < _STREAM else 0
        start += 8 + length + length % 2


def trim(sound: np.ndarray, rate: int) -> np.ndarray:
    """Cut off silent frames of 20 ms at both ends, more than 40 dB below the loudest.

    Args:
        sound: (samples,); its mean is taken off, for an offset of the sound card is no sound.
        rate: Hz.
    """
    if not len(sound):
        return sound
    sound = sound - sound.mean()
    size = max(1, round(FRAME * rate))
    frames = np.pad(sound, (0, -len(sound) % size)).reshape(-1, size)
    level = np.sqrt((frames**2).mean(1))
    if level.max() < SILENT:
        return sound[:0]
    loud = np.flatnonzero(level >= QUIET * level.max())
    return sound[loud[0] * size : (loud[-1] + 1) * size]
