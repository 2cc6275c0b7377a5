"""Recordings of speech give the same spikes and classes in Brian2, from NIR, and from arrays.

Two epochs of training are enough for a network whose spikes depend on all that is exported.
"""

import os
from itertools import islice

import numpy as np
import pytest
import torch
from exported import arrays_file, assert_same, predicted, reference, run_npz, run_script

import snnlab as sl
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.datasets import spoken_commands
from snnlab.data.datasets.catalogue import COMMANDS
from snnlab.data.io.events import Events
from snnlab.delays.export import nir_reader

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Brian2's use of pyparsing


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network that was trained on the digits that ship, and functions that run its exports."""
    pytest.importorskip("brian2")
    pytest.importorskip("nir")
    torch.manual_seed(0)
    data = sl.load_dataset("spoken-digits", dt_ms=20, n_in=70, limit=200)
    net = sl.DelayNet(70, (24, 24), 20, max_delay=12, tau=2.0, dt_ms=20)
    recipe = sl.DelayRecipe(epochs=2, batch_size=25, device="cpu")
    net = sl.fit(net, data.train, data.valid, recipe, progress=False).model.eval()
    folder = tmp_path_factory.mktemp("exported")
    for name, to in (("net.nir", "nir"), ("net.npz", "npz"), ("net.py", "brian2")):
        sl.export_network(net, folder / name, to=to)
    arrays = arrays_file(nir_reader.read(folder / "net.nir"), folder)
    runs = {
        "npz": lambda x: run_npz(folder / "net.npz", x),
        "nir": lambda x: run_npz(arrays, x),
        "brian2": run_script(folder / "net.py"),
    }
    return net, data, runs


def compare(net, runs, recordings):
    """Compare spike by spike; return the number of spikes."""
    total = 0
    for x in recordings:
        expected = reference(net, x)
        with torch.no_grad():
            scores = sl.discretise(net)(torch.from_numpy(x).float()[:, None])
        for run in runs.values():
            spikes, potentials = run(x)
            assert_same((spikes, potentials), expected, tolerance=1e-4)
            assert predicted(potentials) == scores.argmax()
        total += sum(int(layer.sum()) for layer in expected[0])
    return total


def sequences(batches):
    """Spike counts (T, N_in) of each recording of batches."""
    for x, _ in batches:
        yield from x.permute(1, 0, 2).double().numpy()


def test_spoken_digits(exported):
    net, data, runs = exported
    assert compare(net, runs, islice(sequences(data.test.batches(4)), 3)) > 200


@pytest.mark.real
def test_published_clips(exported, real_speech):
    """One a word; `SNNLAB_CLIPS=10` compares 100, which takes two minutes."""
    count = int(os.environ.get("SNNLAB_CLIPS", "1"))
    net, _, runs = exported
    folder = real_speech(lambda path: path.partition("/")[0] in COMMANDS)
    files = [file for word in COMMANDS for file in sorted((folder / word).iterdir())[:count]]
    assert len(files) == 10 * count
    times, units = [], []
    for number, file in enumerate(files):
        job = spoken_commands._EncodingJob(str(file), "", number)
        spikes = spoken_commands._encode(job)
        times.append(spikes[0])
        units.append(spikes[1])
    events = Events(
        times=np.concatenate(times),
        units=np.concatenate(units),
        offsets=np.cumsum([0, *map(len, times)]),
        labels=np.zeros(len(files), dtype=int),
        speakers=None,
        keys=(),
    )
    clips = bin_events(events, dt_ms=20, n_in=70)
    assert compare(net, runs, sequences(clips.batches(10))) > 50 * len(files)
