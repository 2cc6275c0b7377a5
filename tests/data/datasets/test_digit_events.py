"""Digits as pictures, edges and events: the same sizes, the same classes, other handwriting."""

import torch
from torch.nn import functional as F

from snnlab.data.datasets.digit_events import PIXELS, SHARES, digit_events
from snnlab.data.datasets.digits import originals
from snnlab.data.encoding.odg import edge_integral, odg_events


def test_pictures_edges_and_events_have_one_size_and_are_what_they_say():
    data = digit_events(pictures=40, labelled=20, seed=3)
    assert set(data) == {"pictures", "edges", "target"}
    assert data["pictures"].train.x.shape == data["edges"].train.x.shape == (1, 40, 1, 17, 17)
    assert (
        data["target"].train.x.shape == (8, 20, 2, 17, 17)
        and data["target"].train.x.dtype == torch.uint8
    )
    assert set(data["target"].train.x.unique().tolist()) == {0, 1}
    pictures = data["pictures"].train.x[0, :, 0]
    frame = pictures.clone()
    frame[:, 2:-2, 2:-2] = 0
    assert not frame.any()
    edges = edge_integral(odg_events(pictures[:, 2:-2, 2:-2].clamp(0, 1)))
    assert torch.equal(data["edges"].train.x[0, :, 0], F.pad(edges, [2] * 4))
    assert torch.equal(data["edges"].train.labels, data["pictures"].train.labels)


def test_no_handwriting_is_in_two_parts():
    parts = originals(list(SHARES.values()), pixels=PIXELS)
    seen = [{image.numpy().tobytes() for image in images} for images, _ in parts]
    assert sum(len(part) for part in seen) == len(set.union(*seen))


def test_the_seed_decides_and_every_batch_is_float():
    a, b, c = (
        digit_events(pictures=12, labelled=10, seed=seed)["target"].train for seed in (0, 0, 1)
    )
    assert torch.equal(a.x, b.x) and not torch.equal(a.x, c.x)
    ((x, y),) = a.batches(10)
    assert x.dtype == torch.float32 and x.shape == (8, 10, 2, 17, 17) and y.shape == (10,)
