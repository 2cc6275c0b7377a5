"""Estimate what the rest of a sweep will cost, from measured or published epochs."""

import dataclasses
import json
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from snnlab._utils.files import parse_json, paths_below, plain
from snnlab._utils.places import runs_folder
from snnlab.runs import manifest
from snnlab.runs.execute import NotebookRun
from snnlab.runs.sharing import identical
from snnlab.runs.sweep.sweep import Sweep
from snnlab.runs.tables import TextTable


@dataclass(frozen=True)
class Measured:
    """The measurements of a run.

    Attributes:
        config: its parameters.
        cores: of its machine.
        seconds: of each epoch so far.
        finished: whether these are all epochs.
    """

    config: Mapping[str, Any]
    cores: int
    seconds: list[float]
    finished: bool


def remaining_hours(
    run: NotebookRun, measured: Iterable[Measured], but_for: Container[str] = ()
) -> float | None:
    """Estimate the GPU-hours (without a GPU: hours of a worker) that a run still takes.

    They are seconds an epoch x epochs to do / networks at a time x GPUs. It is assumed:

    - An epoch takes the mean time of all epochs of comparable runs. These were made on a device of
      the same name and differ at most in seed, in parameters called `epochs` or `..._epochs`, and
      in those that do not change the result (but for `device` and `processes`).
    - The run has as many epochs, of all its networks together, as a finished comparable run, times
      the ratio of both values of `epochs`.
    - It trains as many networks at a time (`workers`), each with `processes` GPUs all the time.
    - Everything else takes no time: making data, toys, figures.

    Args:
        run: the run.
        measured: by other runs of the same notebook.
        but_for: other parameters in which comparable runs may differ.

    Returns:
        The hours; None without a finished comparable run.
    """
    config = json.loads(json.dumps(dataclasses.asdict(run.config), default=plain))
    same = {*run.config.deciding(), "device", "processes"} - _lengths(config).keys()
    comparable = [
        other
        for other in measured
        if other.seconds
        and all(other.config.get(name) == config.get(name) for name in same if name not in but_for)
    ]
    finished = [other for other in comparable if other.finished]
    if not finished:
        return None
    # one with the same numbers of epochs, if there is one
    model = min(finished, key=lambda other: _lengths(other.config) != _lengths(config))
    epochs = len(model.seconds) * config.get("epochs", 1) / model.config.get("epochs", 1)
    left = max(0.0, epochs - len(_epoch_seconds(run.dir, finished=False)))
    at_a_time = model.config.get("workers", 1) or model.cores
    seconds = fmean(second for other in comparable for second in other.seconds)
    return seconds * left / at_a_time * config.get("processes", 1) / 3600


def cost_table(sweep: Sweep, device: str, published: tuple[float, str] | None = None) -> TextTable:
    """Return every run of a sweep with its state, its folder, and the hours that it still takes.

    Args:
        sweep: the sweep.
        device: name of the device that it will run on.
        published: GPU-hours of one run and their basis, for runs that nothing was measured of.
    """
    measured = measured_runs(sweep.notebook.stem, device)
    unit = hours_of(device)
    left = set(sweep.left)
    hours = [remaining_hours(run, measured) if run in left else 0.0 for run in sweep.runs]
    unmeasured = f"{published[0]:.2g} published" if published else "not measured"
    rows = [
        [
            run.name,
            state(run),
            "" if run not in left else unmeasured if cost is None else f"{cost:.2g}",
            run.dir.relative_to(sweep.folder),
        ]
        for run, cost in zip(sweep.runs, hours, strict=True)
    ]
    unknown = hours.count(None)
    known = f"{sum(filter(None, hours)):.2g} {unit} on {device}" if unknown < len(left) else ""
    other = f"{unknown} of them not measured" if unknown else ""
    if unknown and published:
        other += f": {unknown * published[0]:.2g} GPU-hours by published epochs ({published[1]})"
    total = " and ".join(filter(None, (known, other))) or "nothing"
    caption = f"{len(left)} of {len(rows)} runs to do below {sweep.folder}: {total}"
    return TextTable(sweep.path.stem, ("run", "state", unit, "folder"), [rows], caption)


def hours_of(device: str) -> str:
    """Return the unit of the cost on a device."""
    return "hours of a worker" if device == "cpu" else "GPU-hours"


def state(run: NotebookRun) -> str:
    """Return whether a run is new, begun, failed or finished, and since when.

    The process of one that is begun may be gone. One that another sweep has finished will be
    shared.
    """
    if since := run.finished:
        return f"finished {since}"
    if other := identical(run):
        return f"finished {other.finished} in {other.dir.parents[1].name}"
    content = manifest.read(run.dir)
    if not manifest.same(content, run):
        return "new"
    if content["status"] == "failed":
        return f"failed {content['finished']}"
    return f"begun {content['started'][-1]}"


def measured_runs(notebook: str, device: str) -> list[Measured]:
    """Read what the runs below runs/ measured.

    Args:
        notebook: that they ran.
        device: name of the device that they ran on.
    """
    runs = []
    for path in sorted(runs_folder().glob("*/*/seed=*/manifest.json")):
        content = manifest.read(path.parent)
        if content.get("notebook") == notebook and content["platform"].get("device") == device:
            finished = content["status"] == "finished"
            cores = content["platform"].get("cores") or 1
            seconds = _epoch_seconds(path.parent, finished)
            runs.append(Measured(content["config"], cores, seconds, finished))
    return runs


def _epoch_seconds(folder: Path, finished: bool) -> list[float]:
    """Return the seconds of each epoch that a run has done."""
    running = paths_below(folder / "checkpoints", "*.jsonl")
    files = [folder / "metrics.jsonl"] if finished else running
    return [second for file in files for second in logged(file, "seconds")]


def logged(file: Path, name: str) -> list[float]:
    """Return a number of each epoch in a file of metrics, which may end with half a line."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    values = []
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError):  # half a line, or not of a training
            values.append(float(parse_json(line)[name]))
    return values


def _lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of epochs in a configuration."""
    return {name: value for name, value in config.items() if name.endswith("epochs")}
