"""Run a notebook's cells in a kernel through papermill, and report progress."""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from papermill.log import logger

from snnlab._utils import garbage

IDLE = {"execution_state": "idle"}
STARTS = 3  # of a kernel: another program may take its ports before it does
IDLE_SECONDS = 5  # without a message, after which a kernel is shut down though it is not idle

# Called with the cells done, of how many, the heading that the notebook is at, and the count of a
# progress bar there.
Report = Callable[[int, int, str, str], None]


class KernelNotStartedError(DeadKernelError):
    """A kernel ended before it was ready."""


def run_cells(
    path: Path, executed: Path, parameters: dict[str, Any], env: Mapping[str, str], report: Report
) -> None:
    """Run a notebook.

    Args:
        path: the notebook.
        executed: file to write it to, with its outputs.
        parameters: values for its parameters cell.
        env: environment variables for the kernel, besides those of this process.
        report: is called with the progress.
    """
    # else the kernel prints a warning about itself
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    for start in range(1, STARTS + 1):
        try:
            papermill.execute_notebook(
                # papermill fills in names in braces
                *(str(file).replace("{", "{{").replace("}", "}}") for file in (path, executed)),
                parameters=parameters,
                engine_name="snnlab",
                env=os.environ | env,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                report=report,
            )
            return
        except KernelNotStartedError:
            if start == STARTS:
                raise


class _Client(PapermillNotebookClient):
    """papermill's client, which also reads the kernel's progress bars."""

    def __init__(self, nb_man: Any, report: Report, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self._report, self._index = report, 0
        self.running = False  # a cell with code
        self._headings = _headings(self.nb)

    def _report_place(self, count: str = "") -> None:
        self._report(self._index, len(self._headings), self._headings[self._index], count)

    def execute_cell(self, cell: Any, cell_index: int, *arguments: Any, **options: Any) -> Any:
        self._index = cell_index
        self._report_place()
        self.running = cell.cell_type == "code"
        try:
            self.nb_man.save()
            return super().execute_cell(cell, cell_index, *arguments, **options)
        finally:
            self.running = False

    def start_new_kernel_client(self, **options: Any) -> Any:
        try:
            return super().start_new_kernel_client(**options)
        except RuntimeError as error:
            raise KernelNotStartedError(str(error)) from error

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except KeyboardInterrupt:
            run_sync(self._interrupt)()
            raise
        if not self.nb.metadata.papermill["exception"]:
            self._report(len(self._headings), len(self._headings), "done", "")

    def wait_for_reply(self, msg_id: str, cell: Any = None) -> Any:
        """Wait for the reply to papermill's last request, and until the kernel is idle.

        The kernel is then interrupted, to be shut down; while it still works on the request, it
        would print an error.
        """
        reply = super().wait_for_reply(msg_id, cell)
        run_sync(self._until_idle)(msg_id)
        return reply

    async def _interrupt(self) -> None:
        """End the cell; its sockets would be closed under it when the kernel is shut down."""
        waiting = asyncio.all_tasks() - {asyncio.current_task()}  # for the cell
        await ensure_async(self.km.interrupt_kernel())
        await self._until_idle()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)  # else Python prints their errors

    async def _until_idle(self, msg_id: str | None = None) -> None:
        """Read messages until the kernel is idle, after the request `msg_id` if there is one."""
        with suppress(Empty):
            while True:
                message = await self.kc.iopub_channel.get_msg(timeout=IDLE_SECONDS)
                parent = message["parent_header"].get("msg_id")
                if message["content"] == IDLE and msg_id in (None, parent):
                    return

    def handle_comm_msg(self, outs: Any, msg: Any, cell_index: int) -> None:
        super().handle_comm_msg(outs, msg, cell_index)
        state = self.widget_state.get(msg["content"].get("comm_id"), {})
        # the bar of tqdm in a notebook
        if state.get("_model_name") == "FloatProgressModel" and state.get("max", 1) > 1:
            self._report_place(f"{state['value']:.0f} of {state['max']:.0f}")


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, report: Report, env: Mapping[str, str], **_: Any
    ) -> None:
        client = _Client(
            nb_man,
            report,
            kernel_name=kernel_name,
            startup_timeout=120,
            log=logger,
            extra_arguments=[
                "--log-level=ERROR",  # no warning about the kernel's transport
                f"--ext={garbage.__name__}",
            ],
        )
        # papermill saves the notebook before and after each cell, texts among them. Once is enough,
        # when code is about to run; in a long cell and at the end it is saved besides
        save = nb_man.save
        nb_man.save = lambda **_: save() if client.running else None
        try:
            client.execute(env=env)
        finally:
            nb_man.save = save


papermill_engines.register("snnlab", _Engine)


def _headings(nb: Any) -> list[str]:
    """Return the heading above each cell."""
    headings, current = [], ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            current = [current, *re.findall(r"^#+\s+(.+)", cell.source, re.MULTILINE)][-1]
        headings.append(current)
    return headings
