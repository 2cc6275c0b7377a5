"""Training of the networks of notebook 04 without the notebook, into the same files."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnlab import course
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder
from snnlab.course.config import LearningDelays, resolve
from snnlab.runs import manifest, preflight
from snnlab.runs.execute import finished_in
from snnlab.runs.notebook_code import NotebookCode
from snnlab.runs.run import run_folder, start

EXPERIMENT = "train"  # the folder of such runs below runs/
# of what is executed in place of a notebook's code
CODE = NotebookCode(
    LearningDelays.notebook,
    hashlib.sha256(Path(course.__file__).with_name("learning_delays.py").read_bytes()).hexdigest(),
)


def configure(given: Mapping[str, Any]) -> LearningDelays:
    """Make the configuration of a training; `out` is its folder.

    Args:
        given: parameters of notebook 04; the toys of its section 1 are not trained.

    Raises:
        SnnlabError: as `resolve`.
    """
    config: LearningDelays = resolve(LearningDelays.notebook, **given, toys=False)
    return dataclasses.replace(config, out=str(run_folder(config, EXPERIMENT, CODE)))


def finished(config: LearningDelays) -> tuple[Path, str] | None:
    """Return the folder of a training that has its result, and since when; else None."""
    return finished_in(Path(config.out), config, CODE)


def train(config: LearningDelays, *, wait: bool = False) -> Path:
    """Train the variants and controls as sections 5 and 7 of notebook 04 do.

    A killed training is resumed.

    Args:
        config: as from `configure`.
        wait: for another process that has the same training in work, instead of refusing.

    Returns:
        The folder, with `result.json`, `manifest.json`, `metrics.jsonl` and checkpoints.

    Raises:
        SnnlabError: the data is not there, a training diverges, the folder cannot be written, or
            the same training is going on.
    """
    folder = Path(config.out)
    preflight.check(config, folder)
    make_folder(folder)
    before = finished(config)
    with manifest.hold(folder, "runner", -1 if wait else 0):
        if (done := finished(config)) != before and done is not None:
            return folder  # the process that was waited for has finished it
        return _train(config)


def _train(config: LearningDelays) -> Path:
    # with torch, for which a wrong parameter does not wait
    from snnlab.course import learning_delays, tasks
    from snnlab.transfer.comparison import best_rate

    run = start(config, CODE)
    try:
        arms = learning_delays.Arms(config, tasks.recordings(config))
        valid = arms.search_tau(run.checkpoint_dir)
        best_tau = {arm: best_rate(accuracies) for arm, accuracies in valid.items()}
        run.save_result(**arms.record(valid, arms.search_rates(best_tau, run.checkpoint_dir)))
    except SnnlabError as error:
        manifest.end(run.dir, "failed", error=str(error))
        raise
    return run.dir
