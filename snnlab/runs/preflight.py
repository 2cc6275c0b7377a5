"""Checks of a run before anything starts: its data, the disk, and the device.

They read no data and do not import torch, so that they take less than a second.
"""

import heapq
from collections.abc import Sequence
from pathlib import Path

from snnlab._utils.cuda import cuda_devices
from snnlab._utils.disk import free_gb
from snnlab._utils.errors import SnnlabError
from snnlab._utils.places import runs_folder
from snnlab._utils.words import counted
from snnlab.course.config import Config
from snnlab.course.config.shared import TrainingParameters
from snnlab.course.data_check import check_data
from snnlab.runs import manifest

# What a run leaves where none of its notebook and profile was finished here. Notebook 03 at profile
# `course` leaves 16 MB, more than any other
RUN_GB = 0.02
LOOKED_AT = 100  # earlier runs, the latest ones, of which the largest of the same kind counts


def check(configs: Sequence[Config], folder: Path, *, here: bool = True) -> None:
    """Check that runs of one notebook have what they need: as much space as earlier runs took.

    Args:
        configs: their parameters.
        folder: below which the files of all of them lie.
        here: whether they run on this machine, whose device is checked then.

    Raises:
        SnnlabError: their data is absent, the folder cannot be written, the disk is full, or there
            is no such device.
    """
    for config in configs:
        check_data(config)
        if here:
            check_device(config)
    free, runs = free_gb(folder, "choose another folder with out"), len(configs)
    needed = runs * _usual_gb(configs[0].notebook, configs[0].profile)
    if free < needed:
        raise SnnlabError(
            f"{folder}: {_size(free)} are free on this disk; at least {_size(needed)} were "
            f"expected for {counted(runs, 'run')}. Free some space, or choose another folder."
        )


def _size(gb: float) -> str:
    return f"{gb:.2f} GB" if gb >= 1 else f"{1000 * gb:.3g} MB"


def _usual_gb(notebook: str, profile: str) -> float:
    """Return the size of the largest of the latest finished runs of a notebook at a profile, GB."""
    manifests = runs_folder().glob(f"*/*/seed=*/{manifest.FILE}")
    sizes = []
    for path in heapq.nlargest(LOOKED_AT, manifests, key=lambda path: path.stat().st_mtime):
        content = manifest.read(path.parent)
        kind = (content.get("notebook"), content.get("profile"), content.get("status"))
        if kind == (notebook, profile, "finished"):
            sizes.append(sum(file.lstat().st_size for file in path.parent.rglob("*")) / 1e9)
    return max(sizes, default=RUN_GB)


def check_device(config: Config) -> None:
    """Check that this machine has the GPUs that a run asks for.

    Raises:
        SnnlabError: it has not.
    """
    device = getattr(config, "device", "cpu")
    processes = config.processes if isinstance(config, TrainingParameters) else 1
    if device == "cpu" or (device == "auto" and processes == 1):
        return
    count = len(cuda_devices())
    if device == "cuda" and not count:
        raise SnnlabError(
            "device cuda is absent: torch has no GPU here that it can use (`snnlab doctor` says "
            "why); choose device = cpu or auto."
        )
    if 0 < count < processes:
        raise SnnlabError(
            f"processes = {processes}, but there are {count} GPUs: expected one each; choose fewer "
            "processes."
        )
