"""What the rest of a sweep will cost, from what runs before it measured."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab import manifest, runs
from snnlab.files import plain
from snnlab.sweep import Planned


@dataclass(frozen=True)
class Measured:
    """What a run measured: its seconds of each epoch so far, and whether these are all."""

    config: Mapping[str, Any]
    cores: int
    seconds: list[float]
    whole: bool


def hours(run: Planned, measured: Iterable[Measured]) -> float | None:
    """GPU-hours (without a GPU: hours of a worker) that a run has yet to take; None if that was not measured.

    It is seconds an epoch x epochs to do / networks at a time x GPUs. What is assumed:

    - An epoch takes as long as the mean of all epochs of runs, finished or not, that were made on a device of the same name
      and differ at most in seed, in what does not decide about the result, and in parameters called `epochs` or `..._epochs`.
    - There are as many epochs, of all networks of the run together, as in a finished one of these, times the ratio of both
      values of `epochs`: other lengths grew alike, or are small. Without a finished one nothing is said.
    - As many networks are trained at a time as in that finished run (`workers`), and each had `processes` GPUs all the time.
    - What is no epoch takes no time: making data, toys, figures. Other work on the machine is what it was then.
    """
    alike = [one for one in measured if one.seconds and _key(one.config) == _key(_plain(run))]
    whole = [one for one in alike if one.whole]
    if not whole:
        return None
    config = _plain(run)
    model = min(whole, key=lambda one: _lengths(one.config) != _lengths(config))  # one of the same lengths, if there is one
    seconds = [value for one in alike for value in one.seconds]
    epochs = len(model.seconds) * config.get("epochs", 1) / model.config.get("epochs", 1)
    left = max(0.0, epochs - len(_seconds(run.folder, whole=False)))
    at_a_time = model.config.get("workers", 1) or model.cores
    return sum(seconds) / len(seconds) * left / at_a_time * config.get("processes", 1) / 3600


def measured(notebook: str, device: str) -> list[Measured]:
    """What all runs of a notebook below runs/ measured on a device of this name."""
    found = []
    for path in sorted((runs.home() / "runs").glob("*/*/seed=*/manifest.json")):
        content = manifest.read(path.parent)
        if content.get("notebook") == notebook and content["platform"].get("device") == device:
            whole = content["status"] == "finished"
            seconds = _seconds(path.parent, whole)
            found.append(Measured(content["config"], content["platform"].get("cores") or 1, seconds, whole))
    return found


def _seconds(folder: Path, whole: bool) -> list[float]:
    """Of each epoch that a run has done."""
    files = [folder / "metrics.jsonl"] if whole else sorted((folder / "checkpoints").rglob("*.jsonl"))
    seconds = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
            try:
                seconds.append(float(json.loads(line)["seconds"]))
            except (ValueError, KeyError):  # of a kill, or not of a training
                continue
    return seconds


def _plain(run: Planned) -> dict[str, Any]:
    """A run's parameters as a manifest has them."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(run.config), default=plain))
    return content


def _lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name.endswith("epochs")}


def _key(config: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be the same for an epoch to take as long."""
    return {name: value for name, value in config.items() if name not in _FREE and not name.endswith("epochs")}


_FREE = {"seed", "out", "workers", "device", "live", "processes", "loaders"}
