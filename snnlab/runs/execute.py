"""One notebook from start to end through papermill, with somebody told how far it is."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import Empty
from typing import Any

from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

# isort: split
import papermill
from nbclient.exceptions import DeadKernelError
from nbclient.util import ensure_async, run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import is_utf8
from snnlab._utils.fields import known
from snnlab._utils.files import make_folder, of_clone
from snnlab.course.config import NOTEBOOKS, Config, notebook_with, resolve
from snnlab.course.data_check import check_data
from snnlab.data.cache import stamp
from snnlab.runs import manifest
from snnlab.runs.notebook_code import NotebookCode, notebook_code, parameter_values
from snnlab.runs.result import load_result
from snnlab.runs.run import home, run_folder

SETTLE = 5  # s without a word of the kernel, after which it is shut down although it is not idle
IDLE = {"execution_state": "idle"}

# How many cells are done, of how many, the heading that the notebook is at, and the count of a
# progress bar there.
Report = Callable[[int, int, str, str], None]


class NotebookFailed(Exception):
    """A cell raised, or the kernel died; the message says which, and where the executed notebook is."""


def find(notebook: str) -> Path:
    """The file of a notebook given as a path, or by its name or number in the folder notebooks/.

    Raises:
        SnnlabError: there is none.
    """
    path = Path(notebook)
    if path.suffix != ".ipynb":
        stem = next(
            (stem for stem in NOTEBOOKS if stem.split("_")[0] == notebook.zfill(2)), notebook
        )
        try:
            path = of_clone(home(), f"notebooks/{known(stem, NOTEBOOKS, 'notebook')}.ipynb")
        except SnnlabError as error:
            raise SnnlabError(
                f"{error} An edited copy of one of them is given by its path, with .ipynb at the end."
            ) from error
    if not path.is_file():
        raise SnnlabError(
            f"{path}: there is no such notebook; give a path, or run in the folder that snnlab is in."
        )
    return path


def kind_of(path: Path) -> str:
    """Return the notebook of snnlab whose parameters a file has: its own name, or that of its original.

    Raises:
        SnnlabError: the file is not a notebook, or its parameters are those of none of them.
    """
    if path.stem in NOTEBOOKS:
        return path.stem
    try:
        return notebook_with(parameter_values(path))
    except SnnlabError as error:
        raise SnnlabError(f"{path}: {error}") from error


def configure(path: Path, given: Mapping[str, Any]) -> Config:
    """The configuration of a run, checked before anything starts.

    Args:
        path: the notebook.
        given: parameters; they go before the values in the notebook's parameters cell.

    Raises:
        SnnlabError: a parameter is unknown, ill-typed or out of range, or the file is no notebook
            with a parameters cell.
    """
    parameters: dict[str, Any] = {}
    for source in (parameter_values(path), given):
        parameters |= {name: value for name, value in source.items() if value is not None}
    config: Config = resolve(kind_of(path), **parameters)
    return config


def finished(path: Path, config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """The folder of a run that has its result, and since when; None if it has none.

    Args:
        path: the notebook; with other code in it, it is another run.
        config: its parameters.
        experiment: see `run_folder`.

    Raises:
        SnnlabError: what is there is no whole result.
    """
    code = notebook_code(path)
    folder = run_folder(config, experiment, code)
    found, result = manifest.read(folder), folder / "result.json"
    if not manifest.same(found, config, code):
        return None
    try:
        since = _since(result, *stamp(result))
    except FileNotFoundError:
        return None
    if found["status"] == "running":  # killed in the moment between the result and this
        manifest.end(folder, "finished", data=load_result(result).data)
    return folder, since


def of_other_code(path: Path, config: Config, experiment: str = "") -> Path | None:
    """Return the folder of a finished run with these parameters, but of another version of the notebook."""
    code = notebook_code(path)
    folder = run_folder(config, experiment, code)
    beside = [folder] if config.out else sorted(folder.parents[1].glob(f"*/{folder.name}"))
    for one in beside:
        content = manifest.read(one)
        other = dataclasses.replace(code, sha256=content.get("notebook_sha256", ""))
        if (
            other != code
            and content.get("status") == "finished"
            and manifest.same(content, config, other)
        ):
            return one
    return None


@lru_cache(10_000)  # a sweep asks several times, of every run
def _since(path: Path, size: int, mtime_ns: int) -> str:
    return load_result(path).finished


def execute(
    path: Path,
    given: Mapping[str, Any],
    report: Report = lambda done, total, heading, count: None,
    *,
    experiment: str = "",
    wait: bool = False,
) -> Path:
    """Run a notebook into a folder of its own: the executed notebook, `manifest.json`, `result.json`, and what else it writes.

    Args:
        path: the notebook; its name says which parameters it has.
        given: the parameters to set, `profile` and `out` among them or not.
        report: is told of progress.
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
    check_data(config)
    if config.out and Path(config.out).expanduser().resolve() == path.parent.resolve():
        raise SnnlabError(
            f"out = {config.out!r}: the notebook itself lies there; choose another folder."
        )
    folder = run_folder(config, experiment, code)
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
        try:
            parameters = {**_literals(given), "profile": config.profile, "out": str(folder)}
            _execute(path, code, folder, parameters, report, before)
        except NotebookFailed as error:
            result = folder / "result.json"
            # Else it did not even begin, and what an earlier run left stays
            if manifest.read(folder) != before:
                result.unlink(missing_ok=True)
            if not result.exists():
                if not manifest.same(manifest.read(folder), config, code):
                    manifest.begin(folder, config, code)
                manifest.end(folder, "failed", error=str(error))
            raise
    return folder


def _execute(
    path: Path,
    code: NotebookCode,
    folder: Path,
    parameters: Mapping[str, Any],
    report: Report,
    before: Mapping[str, Any],
) -> None:
    """Run it; `before` is the manifest that lay there."""
    executed = folder / path.name
    # The kernel would print a warning about itself
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        papermill.execute_notebook(
            # Else filled in
            *(str(place).replace("{", "{{").replace("}", "}}") for place in (path, executed)),
            parameters=dict(parameters),
            engine_name="snnlab",
            env=os.environ | code.to_environment(),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            report=report,
        )
    except PapermillExecutionError as error:
        raise NotebookFailed(
            f"{path.name}, cell [{error.exec_count}]: {error.ename}: {error.evalue}\n"
            f"The notebook with its error is {executed}."
        ) from error
    except OSError as error:
        # Half of one is of no use, and the manifest needs the space
        executed.unlink(missing_ok=True)
        raise NotebookFailed(
            f"{path.name}: stopped, as {folder} could not be written to ({error.strerror or error}). "
            "Free some space, and run it again."
        ) from error
    except DeadKernelError as error:
        raise NotebookFailed(
            f"{path.name}: its kernel died, perhaps for want of memory; see {executed}."
        ) from error
    if manifest.read(folder) == before or not (folder / "result.json").is_file():
        raise NotebookFailed(
            f"{path.name}: ran to its end, but saved no result with `run.save_result`; see {executed}."
        )


def _literals(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None
    }


class _Client(PapermillNotebookClient):
    """papermill's client, which looks at the kernel's progress bars on their way to the notebook."""

    def __init__(self, nb_man: Any, report: Report, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self._report, self._index = report, 0
        self._headings = _headings(self.nb)

    def _tell(self, count: str = "") -> None:
        self._report(self._index, len(self._headings), self._headings[self._index], count)

    def execute_cell(self, cell: Any, cell_index: int, *arguments: Any, **options: Any) -> Any:
        self._index = cell_index
        self._tell()
        return super().execute_cell(cell, cell_index, *arguments, **options)

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except KeyboardInterrupt:
            run_sync(self._interrupt)()
            raise
        if not self.nb.metadata.papermill["exception"]:
            self._report(len(self._headings), len(self._headings), "done", "")

    def wait_for_reply(self, msg_id: str, cell: Any = None) -> Any:
        """Wait for the reply to papermill's last question, and until the kernel is idle.

        The kernel is interrupted then, to be shut down; while it still works on the question, it
        would complain of that in the terminal.
        """
        reply = super().wait_for_reply(msg_id, cell)
        with suppress(Empty):
            run_sync(self._until_idle)(msg_id)
        return reply

    async def _interrupt(self) -> None:
        """End the cell before the kernel is shut down, which would close its sockets under the cell."""
        await ensure_async(self.km.interrupt_kernel())
        with suppress(Empty):
            while (await self.kc.iopub_channel.get_msg(timeout=SETTLE))["content"] != IDLE:
                pass

    async def _until_idle(self, msg_id: str) -> None:
        while True:
            message = await self.kc.iopub_channel.get_msg(timeout=SETTLE)
            if message["parent_header"].get("msg_id") == msg_id and message["content"] == IDLE:
                return

    def handle_comm_msg(self, outs: Any, msg: Any, cell_index: int) -> None:
        super().handle_comm_msg(outs, msg, cell_index)
        state = self.widget_state.get(msg["content"].get("comm_id"), {})
        # Tqdm's bar in a notebook
        if state.get("_model_name") == "FloatProgressModel" and state.get("max", 1) > 1:
            self._tell(f"{state['value']:.0f} of {state['max']:.0f}")


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, report: Report, env: Mapping[str, str], **_: Any
    ) -> None:
        # Or every kernel warns about its transport, which stays on this machine
        quiet = ["--log-level=ERROR"]
        _Client(
            nb_man,
            report,
            kernel_name=kernel_name,
            startup_timeout=120,
            log=logger,
            extra_arguments=quiet,
        ).execute(env=env)


papermill_engines.register("snnlab", _Engine)


def _headings(nb: Any) -> list[str]:
    """For each cell the heading that it stands under."""
    headings, current = [], ""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and (
            found := re.findall(r"^#+\s+(.+)", cell.source, re.MULTILINE)
        ):
            current = found[-1]
        headings.append(current)
    return headings
