"""One run of a sweep in a process of its own, and how that process reports its progress.

Nothing here imports torch at the top: a worker sets the environment of its task first.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from snnlab._utils.errors import SnnlabError

PROGRESS = "snnlab at "  # a line of progress in a worker's log begins so
PROGRESS_SECONDS = 10.0  # between two such lines under one heading
STOP_SECONDS = 20.0  # for a worker to end after SIGTERM


class RunOutcome(NamedTuple):
    """The outcome of a run.

    Attributes:
        status: "finished", "failed", "held" by another process, or "pruned" by a search.
        text: the reason, unless it is finished.
    """

    status: str
    text: str = ""

    @property
    def summary(self) -> str:
        """The status, with the reason of a failure."""
        return f"failed: {self.text}" if self.status == "failed" else self.status


@dataclass
class Task:
    """One run, to be called in a process of its own.

    Attributes:
        notebook: the file.
        sha256: of its code when the sweep was planned; see `NotebookCode`.
        given: its parameters, `profile` and `out` among them.
        environment: variables to set before anything is imported.
        sweep: a folder that the sweep locks: this process ends when the lock is free. None for a
            process that outlives the sweep.
        retries: how often to try again, in this process, if the notebook fails.
    """

    notebook: Path
    sha256: str
    given: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    sweep: Path | None = None
    retries: int = 0

    def __call__(self) -> RunOutcome:
        """Run the notebook unless it is finished."""
        if self.sweep is not None:
            _end_with_sweep(self.sweep)
        os.environ.update(self.environment)

        from snnlab.runs.execute import NotebookFailed
        from snnlab.runs.manifest import Held

        for attempt in range(self.retries + 1):
            try:
                failure = self._run()
                return RunOutcome("failed", failure) if failure else RunOutcome("finished")
            except Held as error:
                return RunOutcome("held", str(error))
            except SnnlabError as error:
                return RunOutcome("failed", str(error))
            except NotebookFailed as error:
                failure = str(error)
                print(f"attempt {attempt + 1}: {failure}", flush=True)
        return RunOutcome("failed", failure)

    def _run(self) -> str:
        """Run the notebook unless it is finished; return what is wrong, or ""."""
        from snnlab.runs.execute import configure, finished
        from snnlab.runs.notebook_code import notebook_code
        from snnlab.runs.sharing import execute_or_share

        if notebook_code(self.notebook).sha256 != self.sha256:
            return (
                f"{self.notebook}: its code has changed since the sweep was started; start the "
                "sweep again."
            )
        execute_or_share(self.notebook, self.given, _progress_printer())
        if not finished(self.notebook, configure(self.notebook, self.given)):
            return f"{self.notebook.name}: ran, but not with the parameters that it was given."
        return ""

    def checkpoint(self) -> Any:
        """Return what SLURM is to run when it takes the machine away: the same, which resumes."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _end_with_sweep(sweep: Path) -> None:
    """End this process and its notebook on SIGTERM, and with the sweep or submitit's process."""
    from filelock import FileLock, Timeout

    os.setsid()  # Ctrl-C in the terminal is for the sweep
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # interrupts the notebook

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, leave)
    parent = os.getppid()

    def alone() -> bool:
        try:
            FileLock(sweep / ".sweep.lock").acquire(timeout=0)
        except Timeout:
            return os.getppid() != parent
        except OSError:
            return True
        return True

    def watch() -> None:
        while not alone():
            time.sleep(0.5)
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
