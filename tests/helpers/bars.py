"""A tiny task that a small network learns in seconds, as pictures and as events, for the tests of
transfer.
"""

import torch

from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.splits import DataSplits
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.training import checkpoints

NET = SmallCNNConfig(in_channels=1, classes=3, channels=(4, 5), strides=(1, 2), pool=3)
COMMON = dict(batch_size=8, device="cpu")
CLOCKS = ("seconds", "cpu_seconds")


def images(n, seed, *, steps=1, channels=1):
    """Bars at one of three heights, under noise; as events, a frame of them a step."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    x = 0.3 * torch.randn(steps, n, channels, 6, 6, generator=generator)
    x[:, torch.arange(n), :, 2 * labels] += 1
    return DenseSet(x, labels)


def three(**more):
    return DataSplits(*(images(n, seed, **more) for seed, n in enumerate((28, 18, 30))))


DATA = {"target": three(), "events": three(steps=3, channels=2)}


def same(a, b):
    return all(
        torch.equal(p, q)
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def same_fits(a, b):
    """Parameters, and the history but for its clocks."""
    assert same(a.model, b.model) and a.best_epoch == b.best_epoch
    for x, y in zip(a.history, b.history, strict=True):
        assert {k: v for k, v in x.items() if k not in CLOCKS} == {
            k: v for k, v in y.items() if k not in CLOCKS
        }


def same_checkpoints(a, b):
    """Optimisers and schedules, too."""
    a, b = (checkpoints.load(path) for path in (a, b))
    assert all(torch.equal(value, b["model"][name]) for name, value in a["model"].items())
    assert str(a["moving"]) == str(b["moving"]) and a["under_way"] is None is b["under_way"]
