"""The registry: every set by its name, by its folder, or from a module of somebody's own."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import standins
from leftovers import checked, student_edition
from recordings import recordings

from snnlab._utils.errors import SnnlabError
from snnlab.course import tasks
from snnlab.course.config import resolve
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import imported
from snnlab.data.io.events import write_events
from snnlab.data.registry import entry_of, find, load_dataset
from snnlab.runs.execute import execute, plan

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
DELAYS, EVENTS = "04_learning_delays", "03_transfer_to_event_streams"

OWN = '''
"""Two sets of somebody's own: clicks for notebook 04, flashes with their pictures for notebook 03.
"""

import numpy as np
import torch

from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.entry import DatasetEntry
from snnlab.data.io.events import Events
from snnlab.data.splits import DataSplits


def clicks(seed):
    rng, n = np.random.default_rng(seed), 40
    times = np.sort(rng.uniform(0, 0.4, (n, 30)), axis=1).astype(np.float32)
    labels = np.arange(n) % 4
    units = (labels[:, None] * 150 + rng.integers(0, 150, (n, 30))).astype(np.uint16)
    offsets = np.arange(n + 1) * 30
    names = ("click", "clack", "tick", "tock")
    return Events(times.ravel(), units.ravel(), offsets, labels, labels % 2, names)


def load_clicks(*, dt_ms, n_in):
    sets = [bin_events(clicks(seed), dt_ms=dt_ms, n_in=n_in) for seed in range(3)]
    everything = torch.arange(40)
    parts = (DenseSet(*part.batch(everything), part.classes) for part in sets)
    return DataSplits(*parts, unit="spikes", name="clicks", note="clicks of a random generator")


def images(steps, channels):
    x = torch.rand(steps, 30, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    part = DenseSet(x, torch.arange(30) % 3, ("dark", "dim", "bright"))
    return DataSplits(part, part, part, unit="brightness", name="flashes", note="random flashes")


CLICKS = DatasetEntry(
    "clicks", "recordings", "random clicks", load=load_clicks, settings=("dt_ms", "n_in")
)
PICTURES = DatasetEntry("lamps", "pictures", "random lamps", load=lambda: images(1, 3))
FLASHES = DatasetEntry(
    "flashes",
    "events",
    "random flashes",
    load=lambda: images(4, 2),
    edges=lambda: images(1, 1),
    pretrain_on="my_sets:PICTURES",
)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module that Python finds, here and in the process of a notebook."""
    (tmp_path / "my_sets.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    yield tmp_path
    sys.modules.pop("my_sets", None)


def test_a_notebook_runs_on_a_set_of_its_own(own, tmp_path):
    """One module with one entry: nothing in snnlab knows it."""
    notebook = student_edition(NOTEBOOKS / f"{DELAYS}.ipynb", tmp_path)
    given = {"profile": "tiny", "data": "my_sets:CLICKS", "out": str(tmp_path / "out")}
    given |= {"toys": False}  # they are the same whatever the set is
    result = checked(execute(plan(notebook, given)), notebook)
    assert result.data["name"] == "clicks" and result.data["samples"]["train"] == 40
    assert result.config["data"] == "my_sets:CLICKS" and len(result.results) >= 3


def test_events_of_its_own_come_with_the_pictures_to_pretrain_on(own):
    task = tasks.events(resolve(EVENTS, profile="tiny", data="my_sets:FLASHES"))
    assert {name: part.in_channels for name, part in task.networks.items()} == {
        "pictures": 3,
        "edges": 1,
        "target": 2,
    }
    assert task.source["name"] == "flashes" and "flashes" in task.source["note"]


def test_folds_of_a_set_that_has_none_are_refused(own):
    with pytest.raises(SnnlabError, match="folds = 5: clicks does not come in folds"):
        resolve(DELAYS, profile="tiny", data="my_sets:CLICKS", folds=5)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("spoken-digit", None, r"no data set called 'spoken-digit' \(did you mean spoken-digits\?"),
        ("shd", "events", "no data set of events called 'shd'"),
        ("nowhere:CLICKS", None, "nowhere:CLICKS cannot be imported .* PYTHONPATH"),
        ("my_sets:CLACKS", None, "my_sets:CLACKS cannot be imported"),
        ("my_sets:CLICKS", "events", "is recordings; a DatasetEntry of events was expected"),
        ("my_sets:OWN_CODE", None, "cannot be imported"),
        ("os:sep", None, "os:sep is str; a DatasetEntry of any kind was expected"),
    ],
)
def test_no_such_set(own, name, kind, words):
    with pytest.raises(SnnlabError, match=words):
        entry_of(name, kind)


def test_every_function_of_an_entry_is_there_and_takes_its_settings():
    for entry in DATASETS.values():
        functions = [entry.load, entry.edges, entry.verify, entry.check]
        functions += [archive.extract for archive in entry.archives]
        assert all(callable(imported(function)) for function in functions if function), entry.name
        for function in filter(None, (entry.load, entry.edges)):
            names = inspect.signature(imported(function)).parameters
            assert set(entry.settings) <= set(names), entry.name


def test_recordings_by_name_and_by_folder(tmp_path):
    data = load_dataset("spoken-digits", dt_ms=20, n_in=70, limit=60)
    assert len(data.train) == 60 and len(data.classes) == 20 and data.name == "spoken-digits"
    assert data.train.batch(data.train.labels[:3])[0].shape[1:] == (3, 70)
    for name in ("train", "test"):
        write_events(tmp_path / f"{name}.h5", recordings([0, 1, 2] * 5, [0, 1, 2] * 5))
    data = load_dataset(tmp_path, dt_ms=20, n_in=70)
    assert data.classes == ("word 0", "word 1", "word 2") and data.path == str(tmp_path)
    with pytest.raises(SnnlabError, match="no setting of spoken-digits called 'dt'"):
        load_dataset("spoken-digits", dt=20)


def test_pictures_and_events_by_name_and_by_folder(tmp_path):
    data = load_dataset("digits", samples=60)
    assert len(data.train) == 60 and data.classes == tuple("0123456789")
    assert load_dataset("digit-events", pictures=60, labelled=20).train.x.shape[0] == 8
    standins.imagenet(tmp_path / "a", train=2, test=1)
    standins.es_imagenet(tmp_path / "b", train=2, test=1)
    standins.cifar10_dvs(tmp_path / "c", train=3, test=1)
    names = {"a": "imagenet", "b": "es-imagenet", "c": "cifar10-dvs"}
    assert {at: find(str(tmp_path / at))[0].name for at in names} == names
    assert (
        load_dataset(tmp_path / "a", size=16).train.batch(data.train.labels[:1])[0].shape[3] == 16
    )
    assert load_dataset(tmp_path / "c", layout="cifar10-dvs", size=32).name == "events"


def test_all_names_are_known_without_torch():
    code = "import sys, snnlab.data.registry as r; r.find('shd'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
