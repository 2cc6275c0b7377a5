"""Run the runs of a sweep in processes of this machine."""

import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from snnlab._utils.cuda import cuda_devices
from snnlab._utils.system import available_cores, interrupts_blocked
from snnlab.runs.sharing import in_work
from snnlab.runs.sweep.worker import STOP_SECONDS, RunOutcome, Task, last_progress, work

if TYPE_CHECKING:
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.progress import SweepProgress

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
HELD_SECONDS = 5.0  # until a run that another process has in work is tried again


def gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(i) for i in range(len(cuda_devices()))]


def worker_environment(
    slot: int, workers: int, processes: int, cores: int, gpus: Sequence[str]
) -> dict[str, str]:
    """Return the environment of a worker: its part of the cores and its GPUs, round robin.

    Args:
        slot: number of the worker, from 0.
        workers: how many there are.
        processes: that train each network, one a GPU.
        cores: of the machine.
        gpus: of the machine.
    """
    own = [gpus[(slot * processes + i) % len(gpus)] for i in range(min(processes, len(gpus)))]
    return dict.fromkeys(THREADS, str(max(1, cores // workers))) | {
        "CUDA_VISIBLE_DEVICES": ",".join(own)
    }


def run_local(
    folder: Path,
    planned: Sequence["NotebookRun"],
    *,
    workers: int,
    retries: int,
    watcher: "SweepProgress",
) -> list[RunOutcome]:
    """Run several runs at a time on this machine, each in a process of its own.

    A run that fails, or whose process dies, is tried again; the others continue. A run that another
    process has in work is waited for, after all others, and its result is copied. When this
    process is interrupted or killed, the workers end, and what they finished stays.

    Args:
        folder: of all runs, for the workers' logs.
        planned: the runs.
        workers: how many run at a time.
        retries: how often a run is tried again.
        watcher: shows the progress.

    Returns:
        The outcome of each run, in their order.

    Raises:
        SnnlabError: nothing can be written.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    workers = max(1, min(workers, len(planned)))
    pending = deque(enumerate(planned))
    outcomes: dict[int, RunOutcome] = {}

    def take_turns(worker: LocalWorker) -> None:
        with suppress(IndexError):  # nothing is pending
            while not worker.stopping.is_set():
                number, run = pending.popleft()
                if number in outcomes and in_work(run):
                    worker.stopping.wait(HELD_SECONDS)
                else:
                    outcomes[number] = worker.run(run, wait=False)
                if outcomes[number].status == "held":  # the others first
                    pending.append((number, run))

    in_workers(folder, take_turns, workers=workers, retries=retries, watcher=watcher)
    return [outcomes[number] for number in range(len(planned))]


def in_workers(
    folder: Path,
    call: "Callable[[LocalWorker], T]",
    *,
    workers: int,
    retries: int,
    watcher: "SweepProgress",
) -> list[T]:
    """Make a call for each worker, in a thread of its own.

    Args:
        folder: of all runs, for the workers' logs.
        call: is given the worker, whose `run` it calls.
        workers: how many there are.
        retries: how often a run is tried again.
        watcher: shows the progress.

    Returns:
        The results of the calls.

    Raises:
        SnnlabError: nothing can be written, or a call raised it.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    from snnlab._utils.files import make_folder, now

    make_folder(folder / "workers")
    logs = tempfile.mkdtemp(prefix=f"{now().replace(':', '')[:17]}-", dir=folder / "workers")
    stopping = threading.Event()
    threads = ThreadPoolExecutor(workers)
    futures: list[Future[T]] = []
    try:
        # Ctrl-C reaches the whole process group, but is for this thread alone
        with interrupts_blocked():
            for slot in range(workers):
                worker = LocalWorker(slot, workers, Path(logs), retries, watcher, stopping)
                futures.append(threads.submit(call, worker))
        while wait(futures, 0.2, FIRST_EXCEPTION).not_done and not any(
            future.done() and future.exception() for future in futures
        ):
            watcher.refresh()
    finally:
        stopping.set()
        threads.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


@dataclass
class LocalWorker:
    """A worker of this machine: one run after another, each in a process of its own.

    Attributes:
        slot: its number, from 0.
        workers: how many there are.
        logs: folder for the output of the processes.
        retries: how often a run is tried again.
        watcher: shows the progress.
        stopping: set as soon as no further run is to begin.
        attempts: numbers those of all runs.
    """

    slot: int
    workers: int
    logs: Path
    retries: int
    watcher: "SweepProgress"
    stopping: threading.Event
    attempts: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(
        self, run: "NotebookRun", *, wait: bool, stop: Callable[[], bool] = lambda: False
    ) -> RunOutcome:
        """Return the outcome of a run's last attempt.

        Args:
            run: the run.
            wait: see `Task`.
            stop: ends the run, which is "pruned", as soon as it returns True.
        """
        self.watcher.change(run, "begins")
        for attempt in range(self.retries + 1):
            if attempt > 0:
                self.watcher.change(run, "failed")
                self.watcher.change(run, "tried again")
            outcome = self._attempt(run, wait, stop)
            if outcome.status != "failed" or self.stopping.is_set():
                break
        if not self.stopping.is_set():
            self.watcher.change(run, outcome.summary)
        return outcome

    def _attempt(self, run: "NotebookRun", wait: bool, stop: Callable[[], bool]) -> RunOutcome:
        processes, cores = getattr(run.config, "processes", 1), available_cores()
        environment = worker_environment(self.slot, self.workers, processes, cores, gpus())
        given = with_cores(run, cores // self.workers)
        task = Task(run.notebook, run.code.sha256, given, environment, wait=wait)
        log = self.logs / f"{self.slot}-{next(self.attempts)}.log"
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(task, log, sender))
        process.start()
        sender.close()  # or the end of the process would not be noticed
        pruned, stop_at = False, 0.0  # when it is killed if it has not ended
        while process.is_alive():
            pruned = pruned or stop()
            if pruned or self.stopping.is_set():
                if not stop_at:
                    process.terminate()
                    stop_at = time.monotonic() + STOP_SECONDS
                elif time.monotonic() > stop_at:
                    process.kill()
            if progress := last_progress(log):
                self.watcher.update(run, *progress)
            process.join(0.1)
        outcome = RunOutcome(
            "failed",
            "its worker died, perhaps killed for want of memory; run fewer at a time (--workers). "
            f"Its log: {log}",
        )
        with receiver, suppress(EOFError, OSError):
            if receiver.poll():
                outcome = receiver.recv()
        return RunOutcome("pruned") if pruned and outcome.status == "failed" else outcome


def with_cores(run: "NotebookRun", cores: int) -> dict[str, Any]:
    """Return a run's parameters; `workers` = 0, one process a core, is replaced by the cores."""
    own = {"workers": max(1, cores)} if getattr(run.config, "workers", None) == 0 else {}
    return {**run.given, **own}
