"""Runs that two experiments have in common: what one has finished, the other does not train."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from snnlab._utils.files import make_folder, whole_file
from snnlab._utils.places import runs_folder
from snnlab.course.config import Config
from snnlab.runs import manifest
from snnlab.runs.execute import finished, finished_in
from snnlab.runs.notebook_code import notebook_code
from snnlab.runs.run import run_folder


def identical(path: Path, config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """Return the same run of another experiment that has its result, and since when; else None.

    Args:
        path: the notebook.
        config: its parameters.
        experiment: see `run_folder`; below it is not searched.
    """
    code = notebook_code(path)
    folder, runs = run_folder(config, experiment, code), runs_folder()
    if folder.parent.parent.parent != runs:  # in a folder that somebody chose
        return None
    others = sorted(runs.glob(f"*/{folder.parent.name}/{folder.name}"))
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
