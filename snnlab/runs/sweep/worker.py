"""One run of a sweep in a process of its own, and how that process reports its progress.

Nothing here imports torch at the top: a worker sets the environment of its task first.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import in_one_line
from snnlab._utils.system import leave_terminal

PROGRESS = "snnlab at "  # a line of progress in a worker's log begins so
PROGRESS_SECONDS = 10.0  # between two such lines under one heading
STOP_SECONDS = 20.0  # for a worker to end after SIGTERM


class RunOutcome(NamedTuple):
    """The outcome of a run.

    Attributes:
        status: "finished", "failed", "held" by another process, or "pruned" by a search.
        text: the reason, in one line, unless it is finished.
    """

    status: str
    text: str = ""

    @property
    def summary(self) -> str:
        """The status, with the reason of a failure."""
        return f"failed: {self.text}" if self.status == "failed" else self.status


def requeued(task: Callable[[], Any]) -> Any:
    """Return what SLURM is to run when it takes the machine away: the same task, which resumes."""
    from submitit.helpers import DelayedSubmission

    return DelayedSubmission(task)


@dataclass
class Task:
    """One run, to be called in a process of its own.

    Attributes:
        notebook: the file.
        sha256: of its code when the sweep was planned; see `NotebookCode`.
        given: its parameters, `profile` and `out` among them.
        environment: variables to set before anything is imported.
        retries: how often to try again, in this process, if the notebook fails.
        wait: for another process that has the same run in work, instead of leaving it to that.
    """

    notebook: Path
    sha256: str
    given: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    wait: bool = False

    checkpoint = requeued

    def __call__(self) -> RunOutcome:
        """Run the notebook unless it is finished."""
        os.environ.update(self.environment)

        from snnlab.runs.execute import NotebookFailed
        from snnlab.runs.manifest import Held

        for attempt in range(self.retries + 1):
            try:
                self._run()
                return RunOutcome("finished")
            except Held as error:
                return RunOutcome("held", in_one_line(error))
            except SnnlabError as error:
                return RunOutcome("failed", in_one_line(error))
            except NotebookFailed as error:
                failure = in_one_line(error)
                print(f"attempt {attempt + 1}: {failure}", flush=True)
        return RunOutcome("failed", failure)

    def _run(self) -> None:
        """Run the notebook unless it is finished."""
        from snnlab.runs.execute import execute, plan
        from snnlab.runs.notebook_code import notebook_code

        if notebook_code(self.notebook).sha256 != self.sha256:
            raise SnnlabError(
                f"{self.notebook}: its code has changed since the sweep was started; start the "
                "sweep again."
            )
        run = plan(self.notebook, self.given)
        execute(run, _progress_printer(), wait=self.wait)
        if not run.finished:
            raise SnnlabError(
                f"{self.notebook.name}: ran, but not with the parameters that it was given."
            )


def work(task: Callable[[], RunOutcome], log: Path, sender: "Connection[RunOutcome, None]") -> None:
    """Do a task in this process, which ends on SIGTERM and with its parent.

    Args:
        task: what to do.
        log: file for all output.
        sender: is sent the outcome.
    """
    sys.stdout = sys.stderr = open(  # noqa: SIM115
        log, "w", buffering=1, encoding="utf-8", errors="backslashreplace"
    )
    for descriptor in (1, 2):  # of processes that this one starts
        os.dup2(sys.stdout.fileno(), descriptor)
    _end_with_parent()
    try:
        outcome = task()
    except Exception as error:  # noqa: BLE001 - a defect, and the other runs continue
        traceback.print_exc()
        reason = in_one_line("".join(traceback.format_exception_only(error)))
        outcome = RunOutcome("failed", f"its worker broke ({reason}); see {log}")
    sender.send(outcome)


def _end_with_parent() -> None:
    """End this process and its notebook on SIGTERM, and when its parent has ended in any way."""
    leave_terminal()

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, leave)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(STOP_SECONDS / 2)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _progress_printer() -> Callable[[int, int, str, str], None]:
    """Return a notebook's `Report` that prints lines for `last_progress`."""
    last_heading, printed = "", 0.0

    def report(done: int, total: int, heading: str, count: str) -> None:
        nonlocal last_heading, printed
        if heading != last_heading or time.monotonic() - printed > PROGRESS_SECONDS:
            last_heading, printed = heading, time.monotonic()
            print(f"{PROGRESS}{done}/{total} {heading}  {count}", flush=True)

    return report


def last_progress(log: Path) -> tuple[int, int, str] | None:
    """Read the last progress in a worker's log.

    Returns:
        The cells done, of how many, and the heading; None if there is no such line yet.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if line.startswith(PROGRESS):
            cells, _, heading = line.removeprefix(PROGRESS).partition(" ")
            done, total = cells.split("/")
            return int(done), int(total), heading.strip()
    return None
