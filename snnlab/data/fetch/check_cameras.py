"""Comparison of MNIST, and of recordings of event cameras, with what is published of them."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.report import Finding
from snnlab.data.entry import imported
from snnlab.data.fetch.check import _Check, sum_of_sample


def check_mnist(task: _Check) -> Iterator[Finding]:
    """Check MNIST: counts and classes; the files are read whole."""
    from snnlab.data.datasets.mnist import read_part

    folder = task.data.folder
    parts = {"train": "train", "test": "t10k"}
    for name, part in parts.items():
        there = name == "test" or any(folder.glob(f"{part}-*"))
        labels = read_part(folder, part)[1] if there else np.zeros(0, np.uint8)
        task.counts[name] = len(labels)
        if there:
            yield task.classes(labels, task.data.classes, folder / name)
    yield task.count()


def check_recordings(task: _Check) -> Iterator[Finding]:
    """Check recordings of an event camera: counts, classes and files."""
    from snnlab.data.datasets.event_camera import CameraSet

    camera, folder = getattr(imported(task.data.load), "__self__", None), task.data.folder
    if not isinstance(camera, CameraSet):
        raise SnnlabError(
            f"{task.data.name}: check_recordings needs the method load of a CameraSet as the load "
            "of the entry; another function is given. Give a check of your own."
        )
    files, labels, test, classes = camera.find_files(folder)
    parts = {"recordings": np.ones(len(files), bool)}
    if test is not None:
        parts = {"train": ~test, "test": test}
    for name, mask in parts.items():
        task.counts[name] = int(mask.sum())
        if mask.any():
            yield task.classes(labels[mask], len(classes), folder / name)
    yield task.count()
    yield task.read(files, partial(sum_of_sample, camera.read))
