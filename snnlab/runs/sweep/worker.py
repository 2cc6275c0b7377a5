"""One run of a sweep in a process of its own: what it does, how it says how far it is, and when it ends.

Nothing here imports torch at the top: a worker reads its environment from its task first.
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

MARK = "snnlab at "  # a line of a worker's log that says how far it is begins so
EVERY = 10.0  # s between two such lines under one heading
GOODBYE = 20.0  # s for a worker to end after it was told to


class Outcome(NamedTuple):
    """What became of a run: "finished", "failed", or "held" by another process; with a sentence unless finished."""

    status: str
    text: str = ""


@dataclass
class Task:
    """One run, to be called in a process of its own.

    Attributes:
        notebook: the file.
        sha256: of its code when the sweep was planned; see `NotebookCode`.
        given: its parameters, `profile` and `out` among them.
        environment: variables to set before anything is imported.
        sweep: folder whose lock the sweep holds: this process ends when that one has; None if it
            need not.
        retries: how often to try again, here, if the notebook fails.
    """

    notebook: Path
    sha256: str
    given: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    sweep: Path | None = None
    retries: int = 0

    def __call__(self) -> Outcome:
        if self.sweep is not None:
            _leave_with(self.sweep)
        os.environ.update(self.environment)

        from snnlab.runs.execute import NotebookFailed, configure, execute, finished
        from snnlab.runs.manifest import Held
        from snnlab.runs.notebook_code import notebook_code

        for attempt in range(self.retries + 1):
            try:
                if notebook_code(self.notebook).sha256 != self.sha256:
                    return Outcome(
                        "failed",
                        f"{self.notebook}: its code has changed since the sweep was started; start the sweep again.",
                    )
                config = configure(self.notebook, self.given)
                if finished(self.notebook, config) is None:  # another sweep may have done it
                    execute(self.notebook, self.given, _sayer())
                if finished(self.notebook, config) is None:
                    return Outcome(
                        "failed",
                        f"{self.notebook.name}: ran, but not with the parameters that it was given.",
                    )
                return Outcome("finished")
            except Held as error:
                return Outcome("held", str(error))
            except SnnlabError as error:
                return Outcome("failed", str(error))
            except NotebookFailed as error:
                failure = Outcome("failed", str(error))
                print(f"attempt {attempt + 1}: {error}", flush=True)
        return failure

    def checkpoint(self) -> Any:
        """What SLURM is to run when it has taken the machine away: the same; the run goes on where it was."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _leave_with(sweep: Path) -> None:
    """End this process, and the notebook's, on SIGTERM, and when the sweep or submitit's process between is gone."""
    from filelock import FileLock, Timeout

    os.setsid()  # the terminal's Ctrl-C is for the sweep
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the notebook is interrupted by it

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, leave)
    between = os.getppid()

    def alone() -> bool:
        try:
            FileLock(sweep / ".sweep.lock").acquire(timeout=0)
        except Timeout:
            return os.getppid() != between
        except OSError:
            return True
        return True

    def watch() -> None:
        while not alone():
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GOODBYE / 2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _sayer() -> Callable[[int, int, str, str], None]:
    """A notebook's `Report` that prints lines for `last_said`."""
    before, when = "", 0.0

    def report(done: int, total: int, heading: str, count: str) -> None:
        nonlocal before, when
        if heading != before or time.monotonic() - when > EVERY:
            before, when = heading, time.monotonic()
            print(f"{MARK}{done}/{total} {heading}  {count}", flush=True)

    return report


def last_said(log: Path) -> tuple[int, int, str] | None:
    """The cells done, of how many, and the heading that a worker's log says last; None if it says nothing yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    said = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if said is None:
        return None
    cells, _, doing = said.removeprefix(MARK).partition(" ")
    done, total = cells.split("/")
    return int(done), int(total), doing.strip()
