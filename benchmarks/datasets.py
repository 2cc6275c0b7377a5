"""How many decoded samples a second one worker gives, of every data set of the papers.

    python benchmarks/datasets.py [--json FILE] [SAMPLES]

The files are made here, laid out and sized as the published ones: parts of the two photographs that
scikit-learn ships as JPEG of 500 x 375 px, what our converters make of them, a photograph that
passes by as a film of 256 x 342 px, random counts, random spikes, and noise as sound. Nothing is
augmented but ImageNet's random crop. Samples are read in this process, with one thread; the seconds
are of its CPU time, so a busy machine does not matter, and files come from the page cache. How many
workers a GPU needs to be kept busy is its samples a second over these; a row "once" is paid once
for a data set, and kept.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from PIL import Image
from report import json_option, write
from scipy.io import savemat
from sklearn.datasets import load_sample_images

from snnlab.data.convert.from_images import convert_folder
from snnlab.data.datasets import cifar10_dvs, es_imagenet, es_ucf101, gsc, imagenet
from snnlab.data.datasets.shd import load
from snnlab.data.encoding.video_events import convert_videos
from snnlab.data.io.events import N_CHANNELS, Events, write_events
from snnlab.data.protocols import Batches

CLASSES, BATCH = 2, 32
Rows = list[tuple[str, str, float, str]]  # key, data set, samples a second, which of them


def rate(part: Batches, *, augmented: bool = False, passes: int = 1) -> float:
    """Samples a second of CPU time."""
    generator = torch.Generator().manual_seed(0) if augmented else None
    next(iter(part.batches(BATCH)))  # what is read or compiled at first
    start = time.process_time()
    seen = sum(len(y) for _ in range(passes) for _, y in part.batches(BATCH, generator=generator))
    return seen / (time.process_time() - start)


def once(n: int, work: Callable[[], object]) -> float:
    """Samples a second of CPU time of a piece of work on n of them."""
    start = time.process_time()
    work()
    return n / (time.process_time() - start)


def photographs(folder: Path, n: int) -> None:
    """`train/<class>/*.JPEG` and `val/<class>/*.JPEG`."""
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for k, picture in enumerate(load_sample_images().images):
            (folder / part / f"class{k}").mkdir(parents=True)
            for i in range(n // CLASSES):
                top, left = rng.integers(0, 427 - 375 + 1), rng.integers(0, 640 - 500 + 1)
                crop = Image.fromarray(picture[top : top + 375, left : left + 500])
                crop.save(folder / part / f"class{k}" / f"{i}.JPEG", quality=92)


def films(folder: Path, n: int) -> None:
    """Write clips of 60 frames, `v_<Class>_g<group>_c01/frame000001.jpg`, of a moving photo."""
    for k, picture in enumerate(load_sample_images().images):
        for group in [1, 8, *range(11, 11 + max(1, n // CLASSES - 2))]:
            clip = folder / f"v_Class{k}_g{group:02}_c01"
            clip.mkdir(parents=True)
            for t in range(60):
                Image.fromarray(picture[group : group + 256, 2 * t : 2 * t + 342]).save(
                    clip / f"frame{t + 1:06}.jpg", quality=92
                )


def recorded(folder: Path, n: int) -> None:
    """`train/*.mat` and `test/*.mat` of 8 steps, an event in about 3 % of all cells."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        for i in range(n):
            counts = rng.poisson(0.03, (2, 8, 128, 128)).astype(np.int32)
            sample = {"frame_Data": counts, "label": np.array([[i % CLASSES]])}
            savemat(folder / part / f"{i}.mat", sample, do_compression=True)


def spiking(folder: Path, n: int) -> None:
    """`train.h5`, `valid.h5` and `test.h5` of about 8,000 spikes in 0.3 to 1.2 s."""
    for seed, split in enumerate(("train", "valid", "test")):
        rng = np.random.default_rng(seed)
        offsets = np.concatenate([[0], np.cumsum(rng.integers(4000, 12000, n))])
        times = np.concatenate(
            [np.sort(rng.random(k)) * rng.uniform(0.3, 1.2) for k in np.diff(offsets)]
        )
        units = rng.integers(0, N_CHANNELS, offsets[-1]).astype(np.uint16)
        labels = np.arange(n) % CLASSES
        write_events(
            folder / f"{split}.h5",
            Events(times.astype(np.float32), units, offsets, labels, labels, ("a", "b")),
        )


def spoken(folder: Path, n: int) -> None:
    """`<word>/<speaker>_nohash_0.wav` of 1 s, and the lists of validation and test."""
    rng = np.random.default_rng(0)
    lists: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for word in ("no", "yes"):
        (folder / word).mkdir(parents=True)
        for i in range(n // CLASSES):
            name = f"{word}/{i:08x}_nohash_0.wav"
            soundfile.write(folder / name, rng.normal(0, 0.1, 16000), 16000, subtype="PCM_16")
            if i < 4:
                lists["validation_list.txt" if i < 2 else "testing_list.txt"].append(name)
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def speech(folder: Path, n: int) -> Rows:
    rows: Rows = []
    spiking(folder / "spikes", n)
    load(folder / "spikes", dt_ms=20, n_in=70)  # compiles
    for name, binning in (("SHD, SSC", "regular"), ("SHD, SSC, binning by event", "event")):
        settings = dict(dt_ms=10, n_in=140, binning=binning)
        speed = once(3 * n, lambda settings=settings: load(folder / "spikes", **settings))
        rows.append(
            (f"shd_{binning}_once", name, speed, "once, read, check and bin; kept in memory")
        )
        speed = rate(load(folder / "spikes", **settings).train, passes=10)
        rows.append((f"shd_{binning}", name, speed, "batches cut"))
    spoken(folder / "gsc", n)
    for features in ("paper", "sane"):
        speed = once(
            n, lambda features=features: gsc.load(folder / "gsc", features=features, workers=1)
        )
        once_a_set = "once, sound to features; kept on disk"
        rows.append((f"gsc_{features}_once", f"GSC, {features}", speed, once_a_set))
        part = gsc.load(folder / "gsc", features=features).train
        rows.append((f"gsc_{features}", f"GSC, {features}", rate(part, passes=10), "batches cut"))
    return rows


def vision(folder: Path, n: int) -> Rows:
    photographs(folder / "imagenet", n)
    rows: Rows = []
    data = imagenet.pictures(folder / "imagenet")
    crop, name = "decoded, random crop of 224 px", "ImageNet, folders"
    rows.append(("imagenet", name, rate(data.train, augmented=True), crop))
    rows.append(("imagenet_middle", name, rate(data.test), "decoded, middle of 224 px"))
    imagenet.write_shards(folder / "imagenet", folder / "shards", samples=16)
    data = imagenet.pictures(folder / "shards")
    speed = rate(data.train, augmented=True)
    rows.append(("imagenet_shards", "ImageNet, tar shards", speed, crop))
    for split in ("train", "val"):
        made = once(
            n,
            lambda split=split: convert_folder(
                folder / "imagenet" / split, folder / "es", split=split, workers=1
            ),
        )
    how = "once, pictures to events; kept on disk"
    rows.append(("es_imagenet_once", "ES-ImageNet", made, how))
    for name, reader in (
        ("events (8, 2, 224, 224)", es_imagenet.events),
        ("edges (1, 1, 224, 224)", es_imagenet.edges),
    ):
        key = f"es_imagenet_{name.split()[0]}"
        rows.append((key, "ES-ImageNet", rate(reader(folder / "es").train), name))
    recorded(folder / "dvs", n)
    for size in (128, 42):
        part = cifar10_dvs.events(folder / "dvs", size=size).train
        rows.append((f"dvs_{size}", "CIFAR10-DVS", rate(part), f"events (8, 2, {size}, {size})"))
    films(folder / "films", n // 2)
    clips = sum(1 for _ in (folder / "films").iterdir())
    made = once(clips, lambda: convert_videos(folder / "films", folder / "clips", workers=1))
    rows.append(("ucf101_once", "ES-UCF101", made, "once, frames to events; kept on disk"))
    speed = rate(es_ucf101.events(folder / "clips").train)
    rows.append(("ucf101_events", "ES-UCF101", speed, "events (15, 2, 256, 342)"))
    speed = rate(es_ucf101.frames(folder / "films").train)
    rows.append(("ucf101_frames", "UCF101", speed, "colour (15, 3, 256, 342)"))
    return rows


@click.command()
@click.argument("n", default=64)
@json_option
def main(n: int, out: str | None) -> None:
    figures = {}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SNNLAB_CACHE"] = str(folder / "cache")
        print(f"{'':28}samples/s of one worker")
        for key, what, speed, how in [*speech(folder, 8 * n), *vision(folder, n)]:
            figures[key] = speed
            print(f"{what:28}{speed:10.1f}  {how}", flush=True)
    write(out, figures)


if __name__ == "__main__":
    main()
