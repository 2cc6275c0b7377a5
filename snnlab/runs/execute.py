"""Find, configure and run one notebook."""

import dataclasses
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.escape import is_utf8
from snnlab._utils.fields import known
from snnlab._utils.files import make_folder, plain, stamp
from snnlab._utils.places import course_file
from snnlab.course.config import (
    NOTEBOOKS,
    PARAMETERS,
    Config,
    Profiles,
    parameters_of,
    profiles_with,
    resolve,
)
from snnlab.runs import manifest
from snnlab.runs.notebook_code import (
    NotebookCode,
    notebook_code,
    parameter_helps,
    parameter_values,
)
from snnlab.runs.preflight import check
from snnlab.runs.result import load_result
from snnlab.runs.run import run_folder

if TYPE_CHECKING:
    from snnlab.runs.kernel import Report


class NotebookFailed(Exception):
    """A cell raised, or the kernel died; the message names the cell and the executed notebook."""


def find(notebook: str) -> Path:
    """Find a notebook.

    Args:
        notebook: its path, its name, or the number of a lesson.

    Raises:
        SnnlabError: there is none.
    """
    path = Path(notebook)
    if path.suffix != ".ipynb":
        stem = next(
            (stem for stem in NOTEBOOKS if stem.split("_")[0] == notebook.zfill(2)), notebook
        )
        try:
            folder = NOTEBOOKS[known(stem, NOTEBOOKS, "notebook")].notebook_folder
            path = course_file(f"{folder}/{stem}.ipynb")
        except SnnlabError as error:
            own = Path(f"{notebook}.ipynb")
            raise SnnlabError(
                f"{notebook}: there is no lesson of that name; give {own} for the notebook here."
                if own.is_file()
                else f"{error} Give a notebook of your own by its path, with .ipynb at the end."
            ) from error
    if not path.is_file():
        raise SnnlabError(
            f"{path}: there is no such notebook; give the path of one, or the number of a lesson."
        )
    return path


def profiles_of(path: Path) -> Profiles:
    """Return the parameters of a notebook file, with their values in each profile.

    Raises:
        SnnlabError: the file is not a notebook with a parameters cell, or a parameter in it has no
            value.
    """
    return _profiles(path, *stamp(path))


@lru_cache(100)  # a sweep asks for each of its runs
def _profiles(path: Path, size: int, mtime_ns: int) -> Profiles:
    values = parameter_values(path)  # its messages name the file
    with errors_at(path):
        return profiles_with(values, path.stem, lambda: parameter_helps(path))


def configure(path: Path, given: Mapping[str, Any]) -> Config:
    """Make the configuration of a run.

    Args:
        path: the notebook.
        given: parameters; they override those in the notebook's parameters cell.

    Raises:
        SnnlabError: a parameter is unknown, ill-typed or out of range, or the file is no notebook
            with a parameters cell.
    """
    parameters: dict[str, Any] = {}
    for source in (parameter_values(path), given):
        parameters |= {name: value for name, value in source.items() if value is not None}
    config: Config = resolve(profiles_of(path), **parameters)
    return config


def finished(path: Path, config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """Return the folder of a run that has its result, and since when it has; else None.

    Args:
        path: the notebook; with other code in it, it is another run.
        config: its parameters.
        experiment: see `run_folder`.

    Raises:
        SnnlabError: the result is damaged.
    """
    code = notebook_code(path)
    return finished_in(run_folder(config, experiment, code), config, code)


def finished_in(folder: Path, config: Config, code: NotebookCode) -> tuple[Path, str] | None:
    """Return a folder and since when it has the result of a run; None if it does not.

    Args:
        folder: where the run would be.
        config: its parameters.
        code: of its notebook.

    Raises:
        SnnlabError: the result is damaged.
    """
    content, result = manifest.read(folder), folder / "result.json"
    if not manifest.same(content, config, code):
        return None
    try:
        since = _finish_time(result, *stamp(result))
    except FileNotFoundError:
        return None
    if content["status"] == "running":  # it was killed after it had written the result
        manifest.end(folder, "finished", data=load_result(result).data)
    return folder, since


def of_other_code(path: Path, config: Config, experiment: str = "") -> Path | None:
    """Return the folder of a finished run of another version of the notebook; else None.

    Args:
        path: the notebook.
        config: the parameters of both runs.
        experiment: see `run_folder`.
    """
    code = notebook_code(path)
    folder = run_folder(config, experiment, code)
    for place in [folder] if config.out else sorted(folder.parents[1].glob(f"*/{folder.name}")):
        content = manifest.read(place)
        other = dataclasses.replace(code, sha256=content.get("notebook_sha256", ""))
        done = content.get("status") == "finished" and manifest.same(content, config, other)
        if done and other != code:
            return place
    return None


@lru_cache(10_000)  # a sweep asks several times, of every run
def _finish_time(path: Path, size: int, mtime_ns: int) -> str:
    return load_result(path).finished


def execute(
    path: Path,
    given: Mapping[str, Any],
    report: "Report" = lambda done, total, heading, count: None,
    *,
    experiment: str = "",
    wait: bool = False,
) -> Path:
    """Run a notebook into a folder of its own, with its manifest and `result.json`.

    Args:
        path: the notebook; its name says which parameters it has.
        given: the parameters to set.
        report: is called with the progress.
        experiment: see `run_folder`.
        wait: for another process that has the same run in work, instead of refusing.

    Returns:
        The folder, `run_folder`.

    Raises:
        SnnlabError: as `configure`, its data is not there, the folder cannot be written, or the
            same run is going on.
        NotebookFailed: a cell failed; the notebook is there, with its error.
    """
    config, code = configure(path, given), notebook_code(path)
    folder = run_folder(config, experiment, code)
    check(config, folder)
    if config.out and Path(config.out).expanduser().resolve() == path.parent.resolve():
        raise SnnlabError(
            f"out = {config.out!r}: the notebook itself lies there; choose another folder."
        )
    for place in (path.resolve(), folder):
        if not is_utf8(str(place)):
            raise SnnlabError(
                f"{str(place)!r}: this name is not in UTF-8, and a notebook cannot record it; "
                "rename the file or folder."
            )
    make_folder(folder)
    earlier = manifest.read(folder)
    with manifest.hold(folder, "runner", -1 if wait else 0):
        before = manifest.read(folder)
        if notebook_code(path) != code:
            raise SnnlabError(
                f"{path}: its code was changed during the wait; give the command again."
            )
        if before != earlier and finished(path, config, experiment):
            return folder  # the process that was waited for has finished the same run
        config = dataclasses.replace(config, out=str(folder))
        try:
            _run_notebook(path, config, given, code, report, before)
        except NotebookFailed as error:
            result = folder / "result.json"
            begun = manifest.read(folder) != before
            if begun:  # else the result of an earlier run stays
                result.unlink(missing_ok=True)
            if not result.exists():
                if not manifest.same(manifest.read(folder), config, code):
                    manifest.begin(folder, config, code)
                manifest.end(folder, "failed", error=str(error))
            raise
    return folder


def _run_notebook(
    path: Path,
    config: Config,
    given: Mapping[str, Any],
    code: NotebookCode,
    report: "Report",
    before: Mapping[str, Any],
) -> None:
    """Run a notebook in the folder `config.out`, whose manifest was `before`.

    Raises:
        NotebookFailed: a cell failed, or the notebook saved no result.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from snnlab.runs.kernel import run_cells

    values = {
        name: list(value) if isinstance(value := getattr(config, name), tuple) else value
        for name in parameters_of(profiles_of(path))
    }
    assigned = {**dict.fromkeys(("profile", "out"), ""), **given}
    parameters = {
        name: values[name]
        for name, default in parameter_values(path).items()
        if default is not None or assigned.get(name) is not None
    }
    folder = Path(config.out)
    executed = folder / path.name
    environment = code.to_environment() | {PARAMETERS: json.dumps(values, default=plain)}
    try:
        run_cells(path, executed, parameters, environment, report)
    except PapermillExecutionError as error:
        raise NotebookFailed(
            f"{path.name}, cell [{error.exec_count}]: {error.ename}: {error.evalue}\n"
            f"The notebook with its error is {executed}."
        ) from error
    except OSError as error:
        executed.unlink(missing_ok=True)  # it is incomplete, and the manifest needs the space
        raise NotebookFailed(
            f"{path.name}: stopped, as {folder} could not be written to "
            f"({error.strerror or error}). Free some space, and run it again."
        ) from error
    except DeadKernelError as error:
        raise NotebookFailed(
            f"{path.name}: its kernel died, perhaps for want of memory; see {executed}."
        ) from error
    if manifest.read(folder) == before or not (folder / "result.json").is_file():
        raise NotebookFailed(
            f"{path.name}: ran to its end, but saved no result with `run.save_result`; see "
            f"{executed}."
        )
