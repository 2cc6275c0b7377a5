"""What the rest of a sweep will cost, from what runs before it measured."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from snnlab._utils.escape import terminal_text
from snnlab._utils.files import parse_json, paths_below, plain
from snnlab.runs import manifest
from snnlab.runs.run import home
from snnlab.runs.sweep.sweep import Sweep, SweepRun


@dataclass(frozen=True)
class Measured:
    """What a run measured: its seconds of each epoch so far, and whether these are all."""

    config: Mapping[str, Any]
    cores: int
    seconds: list[float]
    whole: bool


def hours(run: SweepRun, measured: Iterable[Measured]) -> float | None:
    """GPU-hours (without a GPU: hours of a worker) that a run has yet to take; None if that was not measured.

    It is seconds an epoch x epochs to do / networks at a time x GPUs. What is assumed:

    - An epoch takes as long as the mean of all epochs of runs, finished or not, that were made on a device of the same name
      and differ at most in seed, in parameters called `epochs` or `..._epochs`, and in those that
      do not decide about the result (but for `device` and `processes`).
    - There are as many epochs, of all networks of the run together, as in a finished one of these, times the ratio of both
      values of `epochs`: other lengths grew alike, or are small. Without a finished one nothing is
      said.
    - As many networks are trained at a time as in that finished run (`workers`), and each had `processes` GPUs all the time.
    - What is no epoch takes no time: making data, toys, figures. Other work on the machine is what it was then.
    """
    config = _plain(run)
    same = {*run.config.deciding(), "device", "processes"} - _lengths(config).keys()
    alike = [
        one
        for one in measured
        if one.seconds and all(one.config.get(name) == config.get(name) for name in same)
    ]
    whole = [one for one in alike if one.whole]
    if not whole:
        return None
    model = min(
        whole, key=lambda one: _lengths(one.config) != _lengths(config)
    )  # one of the same lengths, if there is one
    seconds = [value for one in alike for value in one.seconds]
    epochs = len(model.seconds) * config.get("epochs", 1) / model.config.get("epochs", 1)
    left = max(0.0, epochs - len(_seconds(run.folder, whole=False)))
    at_a_time = model.config.get("workers", 1) or model.cores
    return sum(seconds) / len(seconds) * left / at_a_time * config.get("processes", 1) / 3600


def table(sweep: Sweep, device: str) -> Table:
    """Every run of a sweep, what became of it, where it goes, and how long the rest will take on a device of this name."""
    before = measured(sweep.notebook.stem, device)
    unit = "hours of a worker" if device == "cpu" else "GPU-hours"
    lines, total, unknown = Table(title=terminal_text(sweep.path.stem, "table.title")), 0.0, 0
    for name in ("run", "state", unit, "folder"):
        lines.add_column(name, overflow="fold")
    for run in sweep.runs:
        left = None if run.done else hours(run, before)
        total, unknown = total + (left or 0.0), unknown + (left is None and not run.done)
        cost = "" if run.done else "not measured" if left is None else f"{left:.2g}"
        lines.add_row(
            *map(terminal_text, (run.name, run.state, cost, run.folder.relative_to(sweep.folder)))
        )
    known = f"{total:.2g} {unit} on {device}" if unknown < len(sweep.left) else ""
    other = f"{unknown} of them not measured" if unknown else ""
    cost = " and ".join(filter(None, (known, other))) or "nothing"
    lines.caption = terminal_text(
        f"{len(sweep.left)} of {len(sweep.runs)} runs to do below {sweep.folder}: {cost}",
        "table.caption",
    )
    return lines


def measured(notebook: str, device: str) -> list[Measured]:
    """What all runs of a notebook below runs/ measured on a device of this name."""
    found = []
    for path in sorted((home() / "runs").glob("*/*/seed=*/manifest.json")):
        content = manifest.read(path.parent)
        if content.get("notebook") == notebook and content["platform"].get("device") == device:
            whole = content["status"] == "finished"
            seconds = _seconds(path.parent, whole)
            found.append(
                Measured(content["config"], content["platform"].get("cores") or 1, seconds, whole)
            )
    return found


def _seconds(folder: Path, whole: bool) -> list[float]:
    """Of each epoch that a run has done."""
    files = [folder / "metrics.jsonl"] if whole else paths_below(folder / "checkpoints", "*.jsonl")
    seconds = []
    for file in files:
        for line in (
            file.read_text(encoding="utf-8", errors="replace").splitlines()
            if file.is_file()
            else []
        ):
            try:
                seconds.append(float(parse_json(line)["seconds"]))
            except (ValueError, KeyError, TypeError):  # of a kill, or not of a training
                continue
    return seconds


def _plain(run: SweepRun) -> dict[str, Any]:
    """A run's parameters as a manifest has them."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(run.config), default=plain))
    return content


def _lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name.endswith("epochs")}
