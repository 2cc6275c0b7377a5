"""How the runs of a sweep are run: by processes of this machine, or by SLURM; submitit starts both.

Nothing here imports torch at the top: a worker reads its environment from its task first.
"""

import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from snnlab.errors import SnnlabError

if TYPE_CHECKING:
    from snnlab.sweep import Planned, Sweep

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
MARK = "snnlab at "  # a line of a worker's log that says how far it is begins so
EVERY = 10.0  # s between two such lines under one heading
GOODBYE = 20.0  # s for a worker to end after it was told to
YEAR = 60 * 24 * 365  # minutes: submitit would end a local job after two of them


class Outcome(NamedTuple):
    """What became of a run: "finished", "failed", or "held" by another process; with a sentence unless finished."""

    status: str
    text: str = ""


class Watcher(Protocol):
    """Who is told what happens."""

    def change(self, run: "Planned", what: str) -> None: ...
    def at(self, run: "Planned", done: int, total: int, doing: str) -> None: ...
    def refresh(self) -> None: ...


@dataclass
class Task:
    """One run, to be called in a process of its own.

    Attributes:
        notebook: the file.
        given: its parameters, `profile` and `out` among them.
        environment: variables to set before anything is imported.
        sweep: folder whose lock the sweep holds: this process ends when that one has; None if it need not.
        retries: how often to try again, here, if the notebook fails.
    """

    notebook: Path
    given: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    sweep: Path | None = None
    retries: int = 0

    def __call__(self) -> Outcome:
        if self.sweep is not None:
            _leave_with(self.sweep)
        os.environ.update(self.environment)

        from snnlab.execute import NotebookFailed, configure, execute, finished
        from snnlab.manifest import Held

        for attempt in range(self.retries + 1):
            try:
                config = configure(self.notebook, self.given)
                if finished(config) is None:  # another sweep may have done it
                    execute(self.notebook, self.given, _sayer())
                if finished(config) is None:
                    return Outcome(
                        "failed", f"{self.notebook.name}: ran, but not with the parameters that it was given."
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


def cores() -> int:
    """The cores that this process may use, where the system knows; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def share(slot: int, workers: int, processes: int, cores: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of a worker: its part of the cores, and a GPU for each process that trains, round robin."""
    mine = [gpus[(slot * processes + i) % len(gpus)] for i in range(min(processes, len(gpus)))]
    return dict.fromkeys(THREADS, str(max(1, cores // workers))) | {"CUDA_VISIBLE_DEVICES": ",".join(mine)}


def run_here(
    sweep: "Sweep", planned: Sequence["Planned"], *, workers: int, retries: int, watcher: Watcher
) -> list[Outcome]:
    """Run on this machine, so many at a time, each in a process of its own.

    A run that fails, or whose process dies, is tried again `retries` times; the others go on. When this process is
    interrupted or killed, the workers end, and what they finished stays.

    Returns:
        What became of each run, in their order.

    Raises:
        SnnlabError: submitit is not installed, or nothing can be written.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    from snnlab import manifest
    from snnlab.files import make_folder, now

    submitit()
    make_folder(sweep.folder / "workers")
    folder = Path(tempfile.mkdtemp(prefix=f"{now().replace(':', '')[:17]}-", dir=sweep.folder / "workers"))
    with manifest.hold(folder, "sweep", 0):
        return _Workers(sweep, planned, workers, retries, watcher, folder).run()


class _Workers:
    """So many threads, each of which submits a run, waits for it, and takes the next."""

    def __init__(
        self, sweep: "Sweep", planned: Sequence["Planned"], workers: int, retries: int, watcher: Watcher, folder: Path
    ) -> None:
        self.sweep, self.planned, self.retries, self.watcher, self.folder = sweep, planned, retries, watcher, folder
        self.workers = max(1, min(workers, len(planned)))
        self.gpus, self.cores = gpus(), cores()
        self.waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(planned)):
            self.waiting.put(number)
        self.outcomes: dict[int, Outcome] = {}
        self.stopping = threading.Event()

    def run(self) -> list[Outcome]:
        # A thread's children inherit which signals it blocks: Ctrl-C reaches the whole group, but is for this thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool = ThreadPoolExecutor(self.workers)
        busy = [pool.submit(self._work, slot) for slot in range(self.workers)]
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            while wait(busy, 0.2, FIRST_EXCEPTION).not_done and not any(one.done() and one.exception() for one in busy):
                self.watcher.refresh()
        finally:
            self.stopping.set()
            pool.shutdown()
        for one in busy:
            one.result()
        return [self.outcomes[number] for number in range(len(self.planned))]

    def _work(self, slot: int) -> None:
        while not self.stopping.is_set():
            try:
                number = self.waiting.get_nowait()
            except queue.Empty:
                return
            self.outcomes[number] = self._tried(self.planned[number], slot)

    def _tried(self, run: "Planned", slot: int) -> Outcome:
        """The outcome of a run's last attempt."""
        for attempt in range(self.retries + 1):
            self.watcher.change(run, "begins" if attempt == 0 else "tried again")
            outcome = self._attempt(run, slot)
            if outcome.status != "failed" or self.stopping.is_set():
                break
            self.watcher.change(run, f"failed: {outcome.text}" if attempt == self.retries else "failed")
        if outcome.status != "failed" and not self.stopping.is_set():
            self.watcher.change(run, outcome.status)
        return outcome

    def _attempt(self, run: "Planned", slot: int) -> Outcome:
        config: Any = run.config
        environment = share(slot, self.workers, getattr(config, "processes", 1), self.cores, self.gpus)
        task = Task(self.sweep.notebook, given_for(run, self.cores // self.workers), environment, self.folder)
        executor = submitit().LocalExecutor(self.folder)
        executor.update_parameters(timeout_min=YEAR)
        job = executor.submit(task)
        told = 0
        while not job.done():
            if self.stopping.is_set():
                told += 1
                if told % 10 == 1:  # again and again, as one that comes too early is lost
                    os.kill(int(job.job_id), signal.SIGKILL if told > 10 * GOODBYE else signal.SIGTERM)
            if said := last_said(job.paths.stdout):
                self.watcher.at(run, *said)
            time.sleep(0.1)
        outcome = outcome_of(job)
        for file in (job.paths.submitted_pickle, job.paths.result_pickle):
            file.unlink(missing_ok=True)  # its number may come again
        return outcome


def given_for(run: "Planned", cores: int) -> dict[str, Any]:
    """A run's parameters, where `workers`, if it would take all cores of the machine, takes so many."""
    mine = {"workers": max(1, cores)} if getattr(run.config, "workers", None) == 0 else {}
    return {**run.given, **mine}


def outcome_of(job: Any) -> Outcome:
    """What a job of submitit that is over came to."""
    if not job.paths.result_pickle.exists():
        return Outcome(
            "failed",
            f"its worker died, perhaps killed for want of memory; run fewer at a time (--workers). Its log: {job.paths.stderr}",
        )
    error = job.exception()
    if error is not None:
        last = [line for line in str(error).splitlines() if line and not line.startswith((" ", "-", "You can"))][-1]
        return Outcome("failed", f"its worker broke ({last}); see {job.paths.stderr}")
    outcome: Outcome = job.result()
    return outcome


def submitit() -> Any:
    """The module that starts processes here and on SLURM.

    Raises:
        SnnlabError: it is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise SnnlabError("A sweep needs submitit, which is not installed; pip install 'snnlab[slurm]'.") from error
    return submitit
