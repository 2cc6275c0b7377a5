"""Runs that two experiments have in common: one of them trains, the other copies the result."""

import dataclasses
import os
import shutil
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from snnlab._utils.files import make_folder, whole_file
from snnlab._utils.places import runs_folder
from snnlab.runs import manifest
from snnlab.runs.run import Run

LOCKS = ".locks"  # below runs/: a file for each run, which two experiments may have in common


def in_work(run: Run) -> bool:
    """Return whether a process has the same run in work, in whatever experiment."""
    try:
        with hold(run, wait=False):
            return False
    except manifest.Held:
        return True


def hold(run: Run, *, wait: bool) -> AbstractContextManager[object]:
    """Lock a run in all experiments; the lock is released when this process ends.

    Args:
        run: the run. If somebody chose its folder, it belongs to no experiment, and nothing is
            locked.
        wait: for another process that has the lock, instead of refusing.

    Raises:
        manifest.Held: another process has the lock.
    """
    folder = run.dir
    others = _of_all_experiments(folder)
    if others is None:
        return nullcontext()
    locks = folder.parents[2] / LOCKS
    make_folder(locks)
    running = (one for one in others if manifest.read(one).get("status") == "running")
    file = locks / f"{folder.parent.name}-{folder.name}.lock"
    return manifest.hold(next(running, folder), "", -1 if wait else 0, file)


def _of_all_experiments(folder: Path) -> list[Path] | None:
    """Return the folders that the same run has in all experiments; None if somebody chose it."""
    runs = folder.parent.parent.parent
    if runs != runs_folder():
        return None
    return sorted(runs.glob(f"*/{folder.parent.name}/{folder.name}"))


def identical(run: Run) -> Run | None:
    """Return the same run of another experiment that has its result; else None."""
    folders = _of_all_experiments(run.dir) or ()
    others = (dataclasses.replace(run, dir=folder) for folder in folders if folder != run.dir)
    return next((other for other in others if other.finished), None)


def of_other_code(run: Run) -> Path | None:
    """Return the folder of a finished run of another version of the notebook; else None."""
    folder = run.dir
    chosen = _of_all_experiments(folder) is None
    for place in [folder] if chosen else sorted(folder.parents[1].glob(f"*/{folder.name}")):
        content = manifest.read(place)
        code = dataclasses.replace(run.code, sha256=content.get("notebook_sha256", ""))
        other = dataclasses.replace(run, code=code)
        done = content.get("status") == "finished" and manifest.same(content, other)
        if done and code != run.code:
            return place
    return None


def finished_or_shared(run: Run) -> str | None:
    """Return `run.finished`, after a copy of the files of an `identical` run.

    Checkpoints are hard links, so they take no space. Nothing is copied into a folder in which
    another process runs.

    Raises:
        SnnlabError: the folder cannot be written.
    """
    done = run.finished
    if done or (other := identical(run)) is None:
        return done
    folder = run.dir
    make_folder(folder)
    with suppress(manifest.Held), manifest.hold(folder, "runner", 0):
        last = ("result.json", manifest.FILE)  # they say that all is there
        shutil.copytree(
            other.dir,
            folder,
            ignore=shutil.ignore_patterns(".*", *last),
            copy_function=_link_checkpoint,
            dirs_exist_ok=True,
        )
        for name in last:
            with whole_file(folder / name) as temporary:
                shutil.copyfile(other.dir / name, temporary)
    return run.finished


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
