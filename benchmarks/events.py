"""Time images and videos to events: the vectorised ODG beside a script of its definition.

    python benchmarks/events.py [--json FILE]

The images are 254 px crops of the two photographs that scikit-learn ships. The peer takes them one
by one: it pastes each into nine padded frames, takes differences, clears the rows and columns that
only one frame covers, and gathers the events of each step with `np.argwhere`. Both get the
brightness in memory, and find the same events. Peer and snnlab alternate; wall seconds, medians,
lowest and highest. The video is encoded here: 300 frames of 342 x 256 px, of which 31 are taken.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from report import json_option, write
from sklearn.datasets import load_sample_images
from torch import Tensor

from snnlab._utils.memory import keep_freed_memory
from snnlab.data.encoding.odg import COLUMNS, ROWS, THETA, odg_events
from snnlab.data.encoding.video_events import video_events
from snnlab.data.io.video import sample_frames

SIDE, BATCH, REPEATS = 254, 32, 9


def images() -> Tensor:
    """Crop photographs at random places, twice as large as in ES-ImageNet.

    Returns:
        (BATCH, 254, 254) brightness, uint8.
    """
    rng = np.random.default_rng(0)
    photographs = [photograph.max(2) for photograph in load_sample_images().images]
    crops = []
    for i in range(BATCH):
        photograph = photographs[i % 2]
        row, column = (rng.integers(0, length - SIDE + 1) for length in photograph.shape)
        crops.append(photograph[row : row + SIDE, column : column + SIDE])
    return torch.from_numpy(np.stack(crops))


def script(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ON and OFF events (N, 3) of row, column and t of one image (H, W) of floats, step by step."""
    height, width = image.shape
    pos, neg = [], []
    before = np.zeros((height + 4, width + 4))
    before[ROWS[0] : ROWS[0] + height, COLUMNS[0] : COLUMNS[0] + width] = image
    for t in range(1, 9):
        now = np.zeros((height + 4, width + 4))
        now[ROWS[t] : ROWS[t] + height, COLUMNS[t] : COLUMNS[t] + width] = image
        difference = now - before
        top, left = max(ROWS[t - 1 : t + 1]), max(COLUMNS[t - 1 : t + 1])
        bottom, right = min(ROWS[t - 1 : t + 1]) + height, min(COLUMNS[t - 1 : t + 1]) + width
        for mask, events in ((difference > THETA, pos), (difference < -THETA, neg)):
            mask[:top] = mask[bottom:] = False
            mask[:, :left] = mask[:, right:] = False
            where = np.argwhere(mask)
            events.append(np.column_stack([where, np.full(len(where), t)]))
        before = now
    return np.concatenate(pos), np.concatenate(neg)


def rates(works: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, list[float]]:
    """Items a second of each of the works, which take turns."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(REPEATS + 1):
        for name, (n, work) in works.items():
            start = time.perf_counter()
            work()
            if turn:  # the first fills caches
                found[name].append(n / (time.perf_counter() - start))
    return found


def table(found: dict[str, list[float]], unit: str) -> None:
    """Print the medians, and how many times the first of them each is."""
    slow = statistics.median(next(iter(found.values())))
    for name, rate in found.items():
        median = statistics.median(rate)
        print(
            f"  {name:34s}{median:8.0f} {unit}/s ({min(rate):.0f} to"
            f" {max(rate):.0f}){median / slow:8.1f} x"
        )


def same(pixels: Tensor) -> float:
    """The part of pixels and steps with an event, once it is certain that both find the same."""
    events = odg_events(pixels)
    assert torch.equal(events, odg_events(pixels / 255))
    for i, image in enumerate(pixels.numpy() / 255):
        for channel, listed in enumerate(script(image)):
            t, row, column = events[:, i, channel].nonzero().unbind(1)
            assert {tuple(e) for e in listed.tolist()} == set(
                zip(row.tolist(), column.tolist(), (t + 1).tolist(), strict=True)
            )
    return events.mean().item()


def compare_images() -> dict[str, dict[str, float]]:
    """Print all rates, and return the medians for uint8 by number of threads."""
    pixels, figures = images(), {}
    floats, one_by_one = pixels / 255, list(pixels.numpy()[:4] / 255)
    print(
        f"{BATCH} images of {SIDE} px, {100 * same(pixels):.1f} % of pixels, steps and channels"
        " have an event"
    )
    for kept in (False, True):
        if kept:
            keep_freed_memory()  # as training does
        for threads in (1, 2):
            torch.set_num_threads(threads)
            print(
                f"{threads} thread{'s' * (threads > 1)}, freed memory"
                f" {'kept' if kept else 'given back'}"
            )
            works: dict[str, tuple[int, Callable[[], object]]] = {
                "script, one by one": (
                    len(one_by_one),
                    lambda: [script(image) for image in one_by_one],
                ),
                "snnlab, uint8 to uint8": (BATCH, lambda: odg_events(pixels, dtype=torch.uint8)),
                "snnlab, uint8 to float32": (BATCH, lambda: odg_events(pixels)),
                "snnlab, float32 to float32": (BATCH, lambda: odg_events(floats)),
            }
            measured = rates(works)
            table(measured, "images")
            peer, ours, *_ = (statistics.median(rate) for rate in measured.values())
            # those of the second round stay: freed memory is kept
            figures[f"threads_{threads}"] = {"peer": peer, "snnlab": ours, "ratio": ours / peer}
    torch.set_num_threads(1)
    shape = (8, BATCH, 2, SIDE + 4, SIDE + 4)
    print("1 thread, freed memory kept: writing as much as the result, once")
    works = {
        f"ones, {str(dtype)[6:]}": (BATCH, lambda dtype=dtype: torch.ones(shape, dtype=dtype))
        for dtype in (torch.uint8, torch.float32)
    }
    table(rates(works), "images")
    return figures


def compare_videos() -> None:
    import av

    pixels = (
        torch.nn.functional.interpolate(images()[:1, None].float(), (512, 684)).byte()[0, 0].numpy()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pan.avi"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                "mpeg4", rate=25, width=342, height=256, pix_fmt="yuv420p", bit_rate=10**6
            )
            for t in range(300):
                frame = pixels[t % 256 : t % 256 + 256, t : t + 342]
                container.mux(
                    stream.encode(
                        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
                    )
                )
            container.mux(stream.encode())
        frames = sample_frames(path, 31)
        for i, frame in enumerate(frames, 1):
            Image.fromarray(frame).save(f"{folder}/frame{i:06d}.jpg")

        def published(mode: int) -> None:
            difference = np.diff(frames / 255, axis=0)
            off, on = np.percentile(difference, [7.5, 92.5])
            if mode == 2:
                on = np.maximum(on + np.random.normal(0, 0.03, difference.shape), 0.01)
                off = np.minimum(off + np.random.normal(0, 0.03, difference.shape), -0.01)
            np.stack([difference > on, difference < off]).astype(np.uint8)

        print("frames of 342 x 256 px to events, of 31 frames in memory")
        for mode in (1, 2):
            works: dict[str, tuple[int, Callable[[], object]]] = {
                f"numpy in floats, mode {mode}": (31, lambda mode=mode: published(mode)),
                f"snnlab, mode {mode}": (31, lambda mode=mode: video_events(frames, mode=mode)),
            }
            table(rates(works), "frames")
        print("the whole way, 31 frames taken and turned into events")
        works = {
            "a folder of 31 JPEG": (31, lambda: video_events(sample_frames(folder, 31))),
            "a video of 300 frames, all decoded": (
                300,
                lambda: video_events(sample_frames(path, 31)),
            ),
        }
        table(rates(works), "frames")


@click.command()
@json_option
def main(out: str | None) -> None:
    figures = compare_images()
    compare_videos()
    write(out, figures)


if __name__ == "__main__":
    main()
