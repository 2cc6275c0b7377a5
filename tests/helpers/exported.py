"""Runs of a network and of its exports, to compare them spike by spike."""

import re
import runpy
from pathlib import Path

import numpy as np
import torch

from snnlab.delays.ablation import discretise

PAGE = Path(__file__).parents[2] / "docs/howto/export.md"


@torch.no_grad()
def reference(net, x):
    """The network itself, rounded and in float64: spikes of the hidden layers, potentials."""
    activity = discretise(net).double().activity(torch.from_numpy(x)[:, None].double())
    spikes = [layer[:, 0].numpy().astype(bool) for layer in activity.spikes]
    return spikes, activity.potentials[:, 0].numpy()


def run_npz(file, x):
    """The loop of the guide."""
    (source,) = re.findall(r"(?ms)^def run\(file.*?(?=^```)", PAGE.read_text(encoding="utf-8"))
    names = {"np": np}
    exec(source, names)  # noqa: S102  the page's own code
    *spikes, potentials = names["run"](file, x)
    return spikes, potentials


def run_script(file):
    """`run` of an exported script, with Brian2."""
    return runpy.run_path(str(file))["run"]


def arrays_file(plain, folder):
    file = folder / "arrays.npz"
    np.savez(file, **plain.arrays())
    return file


def assert_same(ours, theirs, tolerance=1e-6):
    """LeakyIntegrator computes its powers of beta in float32, so potentials have a tolerance."""
    (spikes, potentials), (other, other_potentials) = ours, theirs
    for layer, other_layer in zip(spikes, other, strict=True):
        np.testing.assert_array_equal(layer, other_layer)
    np.testing.assert_allclose(potentials, other_potentials, atol=tolerance, rtol=0)


def predicted(potentials):
    """The class with the largest score: softmax of the potentials, summed over time."""
    return int(torch.from_numpy(potentials).softmax(-1).sum(0).argmax())
