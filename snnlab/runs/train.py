"""Training of the networks of notebook 04 without the notebook, into the same files."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnlab import course
from snnlab._utils.errors import SnnlabError
from snnlab.course.config import LearningDelays, resolve
from snnlab.runs import manifest, preflight
from snnlab.runs.notebook_code import NotebookCode
from snnlab.runs.run import Run, run_folder, start

EXPERIMENT = "train"  # the folder of such runs below runs/
# of what is executed in place of a notebook's code
CODE = NotebookCode(
    LearningDelays.notebook,
    hashlib.sha256(Path(course.__file__).with_name("learning_delays.py").read_bytes()).hexdigest(),
)


def plan(given: Mapping[str, Any]) -> Run:
    """Plan a training.

    Args:
        given: parameters of notebook 04; the toys of its section 1 are not trained.

    Raises:
        SnnlabError: as `resolve`.
    """
    config: LearningDelays = resolve(LearningDelays.notebook, **given, toys=False)
    folder = run_folder(config, EXPERIMENT, CODE)
    return Run(dataclasses.replace(config, out=str(folder)), folder, CODE)


def train(run: Run, *, wait: bool = False) -> None:
    """Train the variants and controls as sections 5 and 7 of notebook 04 do.

    A killed training is resumed.

    Args:
        run: as `plan` returns it; its folder gets `result.json`, `manifest.json`,
            `metrics.jsonl` and checkpoints.
        wait: for another process that has the same training in work, instead of refusing.

    Raises:
        SnnlabError: the data is not there, a training diverges, the folder cannot be written, or
            the same training is going on.
    """
    config: Any = run.config
    preflight.check([config], run.dir)
    with run.lock(wait=wait) as finished:
        if finished:
            return
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
