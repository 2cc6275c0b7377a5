"""Recordings made of random spikes."""

import numpy as np

from snnlab.data.io.events import Events


def recordings(labels, speakers=None, *, seed=0, keys=None, most=40):
    """Recordings of 1 to `most` spikes within 0.3 s, with times as float16 keeps them."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels, dtype=np.int64)
    sizes = rng.integers(1, most + 1, len(labels))
    times = [
        np.sort(rng.uniform(0.01, 0.3, size)).astype(np.float16).astype(np.float32)
        for size in sizes
    ]
    return Events(
        times=np.concatenate(times),
        units=rng.integers(0, 700, sizes.sum()).astype(np.uint16),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        labels=labels,
        speakers=np.zeros(len(labels), dtype=np.int64)
        if speakers is None
        else np.asarray(speakers, dtype=np.int64),
        keys=keys or tuple(f"word {i}" for i in range(labels.max() + 1)),
    )
