"""A word out of a wav file, without the silence around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from snnlab.errors import SnnlabError

LONGEST = 5.0  # s: a word, not a sentence
SHORTEST = 0.05  # s, after trimming
FRAME = 0.02  # s
QUIET = 1e-2  # -40 dB below the loudest frame: silence, to be trimmed
SILENT = 1e-4  # -80 dB below full scale: not even the loudest frame holds speech


def read_word(file: Path, *, max_seconds: float = LONGEST, where: str | None = None) -> tuple[np.ndarray, int]:
    """The sound (samples,) float32 of a wav file without its mean and the silence at its ends, and its rate in Hz.

    Raises:
        SnnlabError: it is not a wav file, not mono, too long, not finite, silent or too short.
    """
    where = where or str(file)
    try:
        info = soundfile.info(file)
        if info.format not in ("WAV", "WAVEX", "RF64", "W64"):
            raise SnnlabError(f"{where} is {info.format_info}; a wav file was expected. Convert it.")
        if info.channels != 1:
            raise SnnlabError(
                f"{where} has {info.channels} channels; one was expected. Mix them or choose one, for example with sox."
            )
        if info.duration > max_seconds:
            raise SnnlabError(
                f"{where} lasts {info.duration:.1f} s; one word of at most {max_seconds:g} s was expected. "
                "Cut it, or allow more seconds."
            )
        sound, rate = soundfile.read(file, dtype="float32")
    except (soundfile.SoundFileError, OSError) as error:
        raise SnnlabError(
            f"{where} cannot be read as sound ({str(error).strip()}); a wav file was expected. "
            "Convert it or fetch it again."
        ) from error
    if not np.isfinite(sound).all():
        raise SnnlabError(f"{where} has samples that are NaN or infinite; finite ones were expected. Export it again.")
    word = trim(sound, rate)
    if not len(word):
        raise SnnlabError(f"{where} is silent; a spoken word was expected. Record it again or remove the line.")
    if len(word) < SHORTEST * rate:
        raise SnnlabError(
            f"{where} holds {1000 * len(word) / rate:.0f} ms of sound; at least {1000 * SHORTEST:.0f} ms was expected. "
            "Record it again or remove the line."
        )
    return word, rate


def said_size(file: Path) -> int | None:
    """How many bytes a wav file has by its own account, which soundfile does not compare; None where it gives none, as of a stream.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as handle:
        head = handle.read(8)
    said = int.from_bytes(head[4:], "little")
    return said + 8 if head[:4] == b"RIFF" and said != 0xFFFFFFFF else None


def trim(sound: np.ndarray, rate: int) -> np.ndarray:
    """Cut off frames of 20 ms at both ends that are more than 40 dB below the loudest; empty if all is silence.

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
