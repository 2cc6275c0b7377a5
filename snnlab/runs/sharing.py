"""Runs that two experiments have in common: one of them trains, the other copies the result."""

import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.files import make_folder, whole_file
from snnlab._utils.places import runs_folder
from snnlab.course.config import Config
from snnlab.runs import manifest
from snnlab.runs.execute import configure, execute, finished, finished_in
from snnlab.runs.notebook_code import notebook_code
from snnlab.runs.preflight import check
from snnlab.runs.run import run_folder

if TYPE_CHECKING:
    from snnlab.runs.kernel import Report

LOCKS = ".locks"  # below runs/: a file for each run, which two experiments may have in common


def execute_or_share(
    path: Path,
    given: Mapping[str, Any],
    report: "Report" = lambda done, total, heading, count: None,
    *,
    experiment: str = "",
    wait: bool = False,
    again: bool = False,
) -> Path:
    """Run a notebook as `execute` does, unless another process is about to, or has.

    Args:
        path: the notebook.
        given: the parameters to set.
        report: see `execute`.
        experiment: see `run_folder`.
        wait: for a process that has the same run in work, in whatever experiment, instead of
            refusing; its result is copied.
        again: run it, whether it is finished or not.

    Returns:
        The folder, `run_folder`.

    Raises:
        manifest.Held: another process has the same run in work.
        SnnlabError: as `execute`.
        NotebookFailed: as `execute`.
    """
    config = configure(path, given)
    folder = run_folder(config, experiment, notebook_code(path))
    check(config, folder)
    with _hold(folder, -1 if wait else 0):
        done = None if again else finished_or_shared(path, config, experiment)
        if done is not None:
            return done[0]
        return execute(path, given, report, experiment=experiment, wait=wait)


def _hold(folder: Path, timeout: float) -> AbstractContextManager[object]:
    """Lock a run in all experiments; the lock is released when this process ends.

    Args:
        folder: of the run. One that somebody chose belongs to no experiment, so nothing is locked.
        timeout: see `manifest.hold`.

    Raises:
        manifest.Held: another process has the lock.
    """
    others = _of_all_experiments(folder)
    if others is None:
        return nullcontext()
    locks = folder.parents[2] / LOCKS
    make_folder(locks)
    running = (one for one in others if manifest.read(one).get("status") == "running")
    file = locks / f"{folder.parent.name}-{folder.name}.lock"
    return manifest.hold(next(running, folder), "", timeout, file)


def _of_all_experiments(folder: Path) -> list[Path] | None:
    """Return the folders that the same run has in all experiments; None if somebody chose it."""
    runs = folder.parent.parent.parent
    if runs != runs_folder():
        return None
    return sorted(runs.glob(f"*/{folder.parent.name}/{folder.name}"))


def identical(path: Path, config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """Return the same run of another experiment that has its result, and since when; else None.

    Args:
        path: the notebook.
        config: its parameters.
        experiment: see `run_folder`; below it is not searched.
    """
    code = notebook_code(path)
    folder = run_folder(config, experiment, code)
    others = _of_all_experiments(folder) or ()
    done = (finished_in(other, config, code) for other in others if other != folder)
    return next(filter(None, done), None)


def finished_or_shared(path: Path, config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """Return what `finished` does, after a copy of the files of an `identical` run.

    Checkpoints are hard links, so they take no space. Nothing is copied into a folder in which
    another process runs.

    Args:
        path: the notebook.
        config: its parameters.
        experiment: see `run_folder`.

    Raises:
        SnnlabError: the folder cannot be written.
    """
    if done := finished(path, config, experiment):
        return done
    if (other := identical(path, config, experiment)) is None:
        return None
    folder = run_folder(config, experiment, notebook_code(path))
    make_folder(folder)
    with suppress(manifest.Held), manifest.hold(folder, "runner", 0):
        last = ("result.json", manifest.FILE)  # they say that all is there
        shutil.copytree(
            other[0],
            folder,
            ignore=shutil.ignore_patterns(".*.lock", *last),
            copy_function=_link_checkpoint,
            dirs_exist_ok=True,
        )
        for name in last:
            with whole_file(folder / name) as temporary:
                shutil.copyfile(other[0] / name, temporary)
    return finished(path, config, experiment)


def _link_checkpoint(source: str, target: str) -> None:
    """Link a checkpoint, which is never changed in place; copy any other file."""
    Path(target).unlink(missing_ok=True)
    if source.endswith(".pt"):
        try:
            os.link(source, target)
        except OSError:  # a file system without links
            pass
        else:
            return
    shutil.copy2(source, target)
