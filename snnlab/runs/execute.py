"""Find, plan and run one notebook."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.escape import is_utf8
from snnlab._utils.fields import known
from snnlab._utils.files import plain, stamp
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
from snnlab.runs.notebook_code import notebook_code, parameter_helps, parameter_values
from snnlab.runs.preflight import check
from snnlab.runs.run import Run, run_folder
from snnlab.runs.sharing import finished_or_shared, hold

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


@dataclass(frozen=True, eq=False)
class NotebookRun(Run):
    """A run of a notebook file.

    Attributes:
        notebook: the file.
        given: the parameters that it is given, `profile` and `out` among them.
        configuration: its name in a sweep, the same for all seeds; "" where there is only one.
    """

    notebook: Path
    given: Mapping[str, Any]
    configuration: str = ""

    @property
    def name(self) -> str:
        """Configuration and seed."""
        return ", ".join(filter(None, (self.configuration, f"seed={self.config.seed}")))


def plan(
    notebook: Path, given: Mapping[str, Any], experiment: str = "", configuration: str = ""
) -> NotebookRun:
    """Plan a run.

    Args:
        notebook: the file; its name says which parameters it has.
        given: parameters; all but None override those in the notebook's parameters cell.
        experiment: see `run_folder`.
        configuration: its name in a sweep.

    Raises:
        SnnlabError: a parameter is unknown, ill-typed or out of range, the file is no notebook with
            a parameters cell, or it lies in the folder that was chosen for the run.
    """
    parameters: dict[str, Any] = {}
    for source in (parameter_values(notebook), given):
        parameters |= {name: value for name, value in source.items() if value is not None}
    config: Config = resolve(profiles_of(notebook), **parameters)
    code = notebook_code(notebook)
    folder = run_folder(config, experiment, code)
    if config.out and folder == notebook.parent.resolve():
        raise SnnlabError(
            f"out = {config.out!r}: the notebook itself lies there; choose another folder."
        )
    given = {**given, "profile": config.profile, "out": str(folder)}
    config = dataclasses.replace(config, out=str(folder))
    return NotebookRun(config, folder, code, notebook, given, configuration)


def execute(
    run: NotebookRun,
    report: "Report" = lambda done, total, heading, count: None,
    *,
    wait: bool = False,
    again: bool = False,
) -> Path:
    """Run a notebook, with its manifest and `result.json`, unless the run is finished somewhere.

    Args:
        run: as `plan` returns it.
        report: is called with the progress.
        wait: for another process that has the same run in work, in whatever experiment, instead of
            refusing; its result is copied.
        again: run it, whether it is finished or not.

    Returns:
        The folder.

    Raises:
        manifest.Held: another process has the same run in work.
        SnnlabError: its data is not there, or the folder cannot be written.
        NotebookFailed: a cell failed; the notebook is there, with its error.
    """
    check([run.config], run.dir)
    for place in (run.notebook.resolve(), run.dir):
        if not is_utf8(str(place)):
            raise SnnlabError(
                f"{str(place)!r}: this name is not in UTF-8, and a notebook cannot record it; "
                "rename the file or folder."
            )
    with hold(run, wait=wait):
        if not again and finished_or_shared(run):
            return run.dir
        with run.lock(wait=wait) as finished:
            if notebook_code(run.notebook) != run.code:
                raise SnnlabError(
                    f"{run.notebook}: its code was changed during the wait; give the command again."
                )
            if not finished:
                _run_and_record(run, report)
    return run.dir


def _run_and_record(run: NotebookRun, report: "Report") -> None:
    """Run a notebook; if it fails, its manifest says why.

    Raises:
        NotebookFailed: as `_run_notebook`.
    """
    folder, before = run.dir, manifest.read(run.dir)
    try:
        _run_notebook(run, report, before)
    except NotebookFailed as error:
        result = folder / "result.json"
        if manifest.read(folder) != before:  # else the result of an earlier run stays
            result.unlink(missing_ok=True)
        if not result.exists():
            if not manifest.same(manifest.read(folder), run):
                manifest.begin(run)
            manifest.end(folder, "failed", error=str(error))
        raise


def _run_notebook(run: NotebookRun, report: "Report", before: Mapping[str, Any]) -> None:
    """Run a notebook in its folder, whose manifest was `before`.

    Raises:
        NotebookFailed: a cell failed, or the notebook saved no result.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from snnlab.runs.kernel import run_cells

    path, folder = run.notebook, run.dir
    values = {
        name: list(value) if isinstance(value := getattr(run.config, name), tuple) else value
        for name in parameters_of(profiles_of(path))
    }
    parameters = {
        name: values[name]
        for name, default in parameter_values(path).items()
        if default is not None or run.given.get(name) is not None
    }
    executed = folder / path.name
    environment = run.code.to_environment() | {PARAMETERS: json.dumps(values, default=plain)}
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
            if folder.is_dir()
            else f"{path.name}: stopped, as its folder {folder} was removed while it ran. "
            "Run it again."
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
