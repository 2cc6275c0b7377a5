"""From an HDF5 file to a padded batch: this reader beside the published way, in one run.

    python benchmarks/reader.py [--json FILE] [RECORDINGS]

The file is of SHD's kind: about 8,000 spikes and 0.3 to 1.2 s a recording (8,156 recordings as in
SHD's training set by default, of random spikes). The peer is what SpikingJelly 2.0 and the code of
Hammouamri et al. do: once, each recording is read, cut into frames of 10 ms in a loop over frames,
and written as an npz file of 700 channels; in every epoch these are read, five channels each are
summed in a loop over the 140 groups, and the batch is padded with `pad_sequence`. Seconds are of
one thread's CPU time, so that a busy machine does not matter; all is read from the page cache.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click
import h5py
import numpy as np
import torch
from report import json_option, write
from torch import Tensor

from snnlab.data.batches.spike_set import SpikeSet, bin_events
from snnlab.data.io.events import N_CHANNELS, Events, read_events, write_events

T = TypeVar("T")
DT_MS, N_IN, BATCH = 10, 140, 256
PEER = 500  # recordings that the slow way gets: it is linear


def recordings(n: int) -> Events:
    rng = np.random.default_rng(0)
    sizes = rng.integers(4000, 12000, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    seconds = rng.uniform(0.3, 1.2, n)
    times = np.concatenate(
        [np.sort(rng.random(k, dtype=np.float32)) * s for k, s in zip(sizes, seconds, strict=True)]
    )
    units = rng.integers(0, N_CHANNELS, offsets[-1]).astype(np.uint16)
    labels = rng.integers(0, 20, n)
    return Events(
        times.astype(np.float32), units, offsets, labels, labels, tuple(map(str, range(20)))
    )


def integrate(path: Path, folder: Path) -> None:
    """Frames of 10 ms and 700 channels as a file a recording, for the first PEER of them."""
    with h5py.File(path) as file:
        for i in range(PEER):
            times = 1000 * file["spikes/times"][i].astype(np.float32)
            units = file["spikes/units"][i].astype(int)
            index = (times - times[0]) // DT_MS
            frames = np.zeros((int(index[-1]) + 1, N_CHANNELS))
            for t in range(len(frames)):
                left, right = np.searchsorted(index, [t, t + 1])
                frames[t] = np.bincount(units[left:right], minlength=N_CHANNELS)
            np.savez_compressed(folder / f"{i}.npz", frames=frames, label=file["labels"][i])


def from_frames(folder: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of these files."""
    group = N_CHANNELS // N_IN
    for start in range(0, PEER, BATCH):
        summed, labels = [], []
        for i in range(start, min(start + BATCH, PEER)):
            with np.load(folder / f"{i}.npz") as stored:
                frames, label = stored["frames"].astype(np.float32), int(stored["label"])
            binned = np.zeros((len(frames), N_IN))
            for k in range(N_IN):
                binned[:, k] = frames[:, group * k : group * (k + 1)].sum(axis=1)
            summed.append(torch.from_numpy(binned).float())
            labels.append(label)
        yield torch.nn.utils.rnn.pad_sequence(summed), torch.tensor(labels)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


@click.command()
@click.argument("n", default=8156)
@json_option
def main(n: int, out: str | None) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.h5"
        write_events(path, recordings(n))
        # Compiled, and the file in the page cache, before the clock
        bin_events(read_events(path), dt_ms=20, n_in=70)
        read, events = timed(lambda: read_events(path))
        binned, data = timed(lambda: bin_events(events, dt_ms=DT_MS, n_in=N_IN))
        generator = torch.Generator().manual_seed(0)
        cut, cells = timed(
            lambda: sum(spikes.numel() for spikes, _ in data.batches(BATCH, generator=generator))
        )
        integrated, _ = timed(lambda: integrate(path, Path(folder)))
        slow, peer = timed(lambda: list(from_frames(Path(folder))))
    same(data, peer)
    print(f"{n} recordings, {len(events.times) / n:.0f} spikes each; {data}")
    print(f"read and check     {read:6.2f} s")
    print(f"bin                {binned:6.2f} s")
    print(
        f"cut into batches   {cut:6.2f} s an epoch,"
        f" {100 * (1 - int(data.lengths.sum()) * N_IN / cells):.0f} % padding"
    )
    ours, published = (
        (n / (read + binned + cut), n / cut),
        (PEER / (integrated + slow), PEER / slow),
    )
    for what, rates in (("snnlab", ours), ("published way", published)):
        print(
            f"{what:19s}{rates[0]:7.0f} recordings/s from the file to the batch, {rates[1]:7.0f} in"
            " later epochs"
        )
    first, later = (fast / slow for fast, slow in zip(ours, published, strict=True))
    print(f"ratio              {first:7.0f} and {later:.0f}")
    figures: dict[str, object] = {"read_s": read, "bin_s": binned}
    for i, epoch in enumerate(("first", "later")):
        figures[epoch] = {"peer": published[i], "snnlab": ours[i], "ratio": (first, later)[i]}
    write(out, figures)


def same(data: SpikeSet, peer: list[tuple[Tensor, Tensor]]) -> None:
    for start, (frames, labels) in zip(range(0, PEER, BATCH), peer, strict=True):
        spikes, ours = data.batch(torch.arange(start, start + len(labels)))
        assert torch.equal(ours, labels)
        differing = (spikes != frames).float().mean() if spikes.shape == frames.shape else 1.0
        assert differing < 1e-3, differing  # float32 against float64 at the edge of a bin


if __name__ == "__main__":
    main()
