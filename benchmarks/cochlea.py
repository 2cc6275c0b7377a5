"""From a spoken word to spikes: this cochlea beside lauscher, in one run.

    python benchmarks/cochlea.py [--full] [--json FILE] [WAV]

Without a file the word is "seven" by espeak-ng if that is installed, else a synthetic vowel, of
0.74 s. lauscher computes every 35th channel, 20 of 700, and its time is scaled: each stage of it
costs the same for each channel. With --full it computes all 700, some minutes. It runs as it is,
except that its pools have one process. Both get the sound at 48 kHz and fade it over 30 ms. Seconds
are CPU time, with that of child processes, so that a busy machine matters little.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
import soundfile
from lauscher.audiowaves import MonoAudioWave
from lauscher.helpers import CommandLineArguments
from lauscher.spike_train import SpikeTrain
from lauscher.transformations import (
    BasilarMembrane,
    BushyCell,
    HairCell,
    HanningWindow,
    RmsNormalizer,
)
from report import json_option, write
from scipy.signal import resample_poly

from snnlab.data.encoding.cochlea import AUDIO_RATE, RAMP, cochlea
from snnlab.data.io.events import N_CHANNELS

T = TypeVar("T")
SECONDS, REPEATS = 0.74, 10


def word(path: str | None) -> np.ndarray:
    """The sound at 48 kHz, ``(samples,)``."""
    with tempfile.TemporaryDirectory() as folder:
        if path is None and shutil.which("espeak-ng"):
            path = str(Path(folder) / "seven.wav")
            subprocess.run(["espeak-ng", "-v", "en-us", "-w", path, "seven"], check=True)
        if path is None:
            grid = np.arange(round(SECONDS * AUDIO_RATE)) / AUDIO_RATE
            return sum(np.sin(2 * np.pi * 120 * k * grid) / k for k in range(1, 50)) * np.sin(
                np.pi * grid / SECONDS
            )
        sound, rate = soundfile.read(path)
    return resample_poly(sound, AUDIO_RATE, rate)[: round(SECONDS * AUDIO_RATE)]


def lauscher(sound: np.ndarray, channels: np.ndarray) -> SpikeTrain:
    basilar = BasilarMembrane(N_CHANNELS)
    basilar.ch = basilar.ch[channels]
    wave = MonoAudioWave(sound.copy(), AUDIO_RATE)
    for stage in (RmsNormalizer(0.3), HanningWindow(RAMP, RAMP), basilar, HairCell(), BushyCell()):
        wave = wave.transform(stage)
    return wave


def timed(work: Callable[[], T], repeats: int = 1) -> tuple[float, T]:
    """CPU seconds of one go, children included, and what came of it."""

    def clock() -> float:
        t = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(u.ru_utime + u.ru_stime for u in t)

    start = clock()
    for _ in range(repeats):
        result = work()
    return (clock() - start) / repeats, result


@click.command()
@click.argument("wav", required=False)
@click.option("--full", is_flag=True, help="lauscher computes all channels.")
@json_option
def main(wav: str | None, full: bool, out: str | None) -> None:
    sound = word(wav)
    channels = np.arange(N_CHANNELS) if full else np.arange(17, N_CHANNELS, 35)
    CommandLineArguments().num_concurrent_jobs = 1

    start_up, _ = timed(lambda: cochlea(sound, AUDIO_RATE, seed=0))
    seconds, _ = timed(lambda: cochlea(sound, AUDIO_RATE, seed=0), REPEATS)
    runs = [cochlea(sound, AUDIO_RATE, seed=seed, channels=channels)[0].size for seed in range(20)]
    np.random.seed(0)
    lauscher(sound[:4000], channels[:1])  # its compiler's time is not counted
    peer, spikes = timed(lambda: lauscher(sound, channels))
    scaled = peer * N_CHANNELS / channels.size

    print(f"a word of {sound.size / AUDIO_RATE:.2f} s, {N_CHANNELS} channels")
    print(f"  lauscher    {scaled:8.1f} CPU s   measured on {channels.size} channels: {peer:.1f} s")
    print(
        f"  snnlab      {seconds:8.3f} CPU s   mean of {REPEATS}; {start_up:.1f} s more, once a"
        " process"
    )
    print(f"  ratio       {scaled / seconds:8.0f}")
    print(
        f"spikes of the {channels.size} channels: lauscher {spikes.spike_times.size} in its one"
        " run,"
    )
    print(
        f"  snnlab {np.mean(runs):.0f}, standard deviation {np.std(runs, ddof=1):.0f}, in"
        f" {len(runs)} runs"
    )
    write(out, {"peer_s": scaled, "snnlab_s": seconds, "ratio": scaled / seconds})


if __name__ == "__main__":
    main()
