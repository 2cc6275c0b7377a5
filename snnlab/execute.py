"""One notebook from start to end through papermill, with somebody told how far it is."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import Empty
from typing import Any

from snnlab import without_iris  # noqa: F401  before all that imports jsonschema

# isort: split
import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from snnlab import manifest, runs
from snnlab.data.cache import stamp
from snnlab.errors import SnnlabError
from snnlab.files import make_folder, of_clone
from snnlab.parameters import known
from snnlab.profiles import NOTEBOOKS, Config, resolve
from snnlab.results import load_result

SETTLE = 5  # s without a word of the kernel, after which it is shut down although it is not idle

# How many cells are done, of how many, the heading that the notebook is at, and the count of a progress bar there.
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
        stem = next((stem for stem in NOTEBOOKS if stem.split("_")[0] == notebook.zfill(2)), notebook)
        path = of_clone(runs.home(), f"notebooks/{known(stem, NOTEBOOKS, 'notebook')}.ipynb")
    if not path.is_file():
        raise SnnlabError(f"{path}: there is no such notebook; give a path, or run in the folder that snnlab is in.")
    known(path.stem, NOTEBOOKS, "notebook")
    return path


def configure(path: Path, given: Mapping[str, Any]) -> Config:
    """The configuration of a run, checked before anything starts.

    Raises:
        SnnlabError: a parameter is unknown, ill-typed or out of range, or not in the notebook's parameters cell.
    """
    config: Config = resolve(path.stem, **given)
    if not _takes_parameters(path, *stamp(path)):
        raise SnnlabError(f"{path}: has no cell with the tag 'parameters'; tag the one that holds them.")
    return config


@lru_cache(100)  # a sweep asks for each of its runs
def _takes_parameters(path: Path, size: int, mtime_ns: int) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    return any("parameters" in cell.metadata.get("tags", ()) for cell in cells)


def finished(config: Config, experiment: str = "") -> tuple[Path, str] | None:
    """The folder of a run that has its result, and since when; None if it has none.

    Raises:
        SnnlabError: what is there is no whole result.
    """
    folder = runs.folder(config, experiment)
    found, path = manifest.read(folder), folder / "result.json"
    if not manifest.same(found, config):
        return None
    try:
        since = _since(path, *stamp(path))
    except FileNotFoundError:
        return None
    if found["status"] == "running":  # killed in the moment between the result and this
        manifest.end(folder, "finished", data=load_result(path).data)
    return folder, since


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
        experiment: see `runs.folder`.
        wait: for another process that has the same run in work, instead of refusing.

    Returns:
        The folder, `runs.folder`.

    Raises:
        SnnlabError: as `configure`, the folder cannot be written, or the same run is going on.
        NotebookFailed: a cell failed; the notebook is there, with its error.
    """
    config = configure(path, given)
    if config.out and Path(config.out).expanduser().resolve() == path.parent.resolve():
        raise SnnlabError(f"out = {config.out!r}: the notebook itself lies there; choose another folder.")
    folder = runs.folder(config, experiment)
    make_folder(folder)
    with manifest.hold(folder, "runner", -1 if wait else 0):
        before = manifest.read(folder)
        try:
            _execute(path, folder, {**_literals(given), "profile": config.profile, "out": str(folder)}, report, before)
        except NotebookFailed as error:
            result = folder / "result.json"
            if manifest.read(folder) != before:  # else it did not even begin, and what an earlier run left stays
                result.unlink(missing_ok=True)
            if not result.exists():
                if not manifest.same(manifest.read(folder), config):
                    manifest.begin(folder, config)
                manifest.end(folder, "failed", error=str(error))
            raise
    return folder


def _execute(
    path: Path, folder: Path, parameters: Mapping[str, Any], report: Report, before: Mapping[str, Any]
) -> None:
    """Run it; `before` is the manifest that lay there."""
    executed = folder / path.name
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # the kernel would print a warning about itself
    try:
        papermill.execute_notebook(
            path,
            executed,
            parameters=dict(parameters),
            engine_name="snnlab",
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
    except DeadKernelError as error:
        raise NotebookFailed(f"{path.name}: its kernel died, perhaps for want of memory; see {executed}.") from error
    if manifest.read(folder) == before or not (folder / "result.json").is_file():
        raise NotebookFailed(
            f"{path.name}: ran to its end, but saved no result with `run.save_result`; see {executed}."
        )


def _literals(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value is not None
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
        super().papermill_execute_cells()
        if not self.nb.metadata.papermill["exception"]:
            self._report(len(self._headings), len(self._headings), "done", "")

    def wait_for_reply(self, msg_id: str, cell: Any = None) -> Any:
        """Wait for the reply to papermill's last question, and until the kernel is idle.

        The kernel is interrupted then, to be shut down; while it still works on the question, it would
        complain of that in the terminal.
        """
        reply = super().wait_for_reply(msg_id, cell)
        with suppress(Empty):
            run_sync(self._until_idle)(msg_id)
        return reply

    async def _until_idle(self, msg_id: str) -> None:
        idle = {"execution_state": "idle"}
        while True:
            message = await self.kc.iopub_channel.get_msg(timeout=SETTLE)
            if message["parent_header"].get("msg_id") == msg_id and message["content"] == idle:
                return

    def handle_comm_msg(self, outs: Any, msg: Any, cell_index: int) -> None:
        super().handle_comm_msg(outs, msg, cell_index)
        state = self.widget_state.get(msg["content"].get("comm_id"), {})
        if state.get("_model_name") == "FloatProgressModel" and state.get("max", 1) > 1:  # tqdm's bar in a notebook
            self._tell(f"{state['value']:.0f} of {state['max']:.0f}")


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, report: Report, **_: Any) -> None:
        quiet = ["--log-level=ERROR"]  # or every kernel warns about its transport, which stays on this machine
        _Client(
            nb_man, report, kernel_name=kernel_name, startup_timeout=120, log=logger, extra_arguments=quiet
        ).execute()


papermill_engines.register("snnlab", _Engine)


def _headings(nb: Any) -> list[str]:
    """For each cell the heading that it stands under."""
    headings, current = [], ""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and (found := re.findall(r"^#+\s+(.+)", cell.source, re.MULTILINE)):
            current = found[-1]
        headings.append(current)
    return headings
