"""Handwritten digits as pictures and as events, for pipe-D: many pictures, few events."""

import torch
from torch.nn import functional as F

from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.datasets.digits import originals, place
from snnlab.data.encoding.odg import MARGIN, edge_integral, odg_events
from snnlab.data.splits import DataSplits

PIXELS, PLACES = 12, 13  # of a digit, and of the picture in which it is placed
NOISE = 0.03
SHARES = {
    "source": 0.45,
    "target": 0.2,
    "valid": 0.1,
    "test": 0.25,
}  # of the originals; no handwriting is in two of them

NOTE = (
    "Handwritten digits of scikit-learn (UCI) as pictures, and as events made by ODG; no event "
    "camera recorded them"
)


def load(*, pictures: int = 3000, labelled: int = 500, seed: int = 0) -> DataSplits[DenseSet]:
    """Make the events alone, `target` of `digit_events`."""
    return digit_events(pictures=pictures, labelled=labelled, seed=seed)["target"]


def digit_events(*, pictures: int, labelled: int, seed: int = 0) -> dict[str, DataSplits[DenseSet]]:
    """Make digits three times: as pictures, as edges made of events, and as events.

    Args:
        pictures: how many to pretrain on.
        labelled: how many recordings of events to train on.
        seed: of places and noise.

    Returns:
        `pictures` and `edges`, images `(1, n, 1, 17, 17)`: the digit itself, and what
        `edge_integral` makes of its events; `target`, events `(8, n, 2, 17, 17)`, 0 or 1, as uint8.
        Pretraining and events come from different originals.
    """
    parts = dict(zip(SHARES, originals(list(SHARES.values()), pixels=PIXELS), strict=True))

    def make(part: str, n: int, offset: int) -> DenseSet:
        return place(*parts[part], n, size=PLACES, noise=NOISE, seed=seed * 10 + offset)

    source = [
        make("source", pictures, 0),
        make("valid", max(10, pictures // 6), 1),
        make("test", max(10, pictures // 4), 2),
    ]
    target = [
        make("target", labelled, 3),
        make("valid", max(10, labelled // 2), 4),
        make("test", max(10, 2 * labelled), 5),
    ]
    made = {"pixels": PIXELS, "noise": NOISE, "seed": seed}
    kinds = {
        "pictures": (_framed, source, "brightness, 0 to 1, with noise"),
        "edges": (_edges, source, "ON minus OFF, mean of the steps"),
        "target": (_events, target, "0 or 1, whether there was an event; ON and OFF"),
    }
    return {
        name: DataSplits(
            *map(convert, sets),
            unit=unit,
            preprocessing=made,
            name="digit-events" if name == "target" else name,
            note=NOTE,
        )
        for name, (convert, sets, unit) in kinds.items()
    }


def _framed(images: DenseSet) -> DenseSet:
    """In the middle of a picture as large as the events'."""
    return DenseSet(F.pad(images.x, [MARGIN // 2] * 4), images.labels)


def _events(images: DenseSet) -> DenseSet:
    return DenseSet(odg_events(images.x[0, :, 0].clamp(0, 1), dtype=torch.uint8), images.labels)


def _edges(images: DenseSet) -> DenseSet:
    return _framed(DenseSet(edge_integral(_events(images).x)[None, :, None], images.labels))
