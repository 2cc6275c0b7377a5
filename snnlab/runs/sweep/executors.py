"""Run the runs of a sweep in processes of this machine."""

import itertools
import multiprocessing
import os
import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from snnlab._utils.cuda import cuda_devices
from snnlab._utils.system import available_cores, interrupts_blocked
from snnlab.runs import sharing
from snnlab.runs.sweep.worker import STOP_SECONDS, RunOutcome, Task, last_progress, work

if TYPE_CHECKING:
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.search_file import Search
    from snnlab.runs.sweep.sweep import Sweep

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
    sweep: "Sweep",
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
        sweep: the sweep.
        planned: those of its runs that are to be run.
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

    def take_turns(pool: LocalWorkers) -> None:
        with suppress(IndexError):  # nothing is pending
            while not pool.stopping.is_set():
                number, run = pending.popleft()
                if number in outcomes and sharing.in_work(run):
                    pool.stopping.wait(HELD_SECONDS)
                else:
                    outcomes[number] = pool.run(run)
                if outcomes[number].status == "held":  # the others first
                    pending.append((number, run))

    in_workers(sweep, [take_turns] * workers, workers=workers, retries=retries, watcher=watcher)
    return [outcomes[number] for number in range(len(planned))]


def in_workers(
    sweep: "Sweep | Search",
    calls: "Sequence[Callable[[LocalWorkers], T]]",
    *,
    workers: int,
    retries: int,
    watcher: "SweepProgress",
) -> list[T]:
    """Make calls in threads, of which each runs its runs in processes, as `run_local`.

    Args:
        sweep: what the runs belong to.
        calls: each is given the workers, whose `run` it calls.
        workers: how many runs there are at a time.
        retries: how often a run is tried again.
        watcher: shows the progress.

    Returns:
        The results of the calls.

    Raises:
        SnnlabError: nothing can be written, or a call raised it.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    from snnlab._utils.files import make_folder, now

    make_folder(sweep.folder / "workers")
    folder = Path(
        tempfile.mkdtemp(prefix=f"{now().replace(':', '')[:17]}-", dir=sweep.folder / "workers")
    )
    return LocalWorkers(sweep.notebook, folder, workers, retries, watcher).call(calls)


class LocalWorkers:
    """A thread for each worker, which submits a run, waits for its process, and takes the next.

    Attributes:
        stopping: set as soon as no further run is to begin.
    """

    def __init__(
        self, notebook: Path, folder: Path, workers: int, retries: int, watcher: "SweepProgress"
    ) -> None:
        self.notebook, self.folder, self.workers = notebook, folder, workers
        self.retries, self.watcher = retries, watcher
        self.gpus, self.cores = gpus(), available_cores()
        self._attempts = itertools.count(1)
        self.slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(workers):
            self.slots.put(slot)
        self.stopping = threading.Event()

    def call(self, calls: "Sequence[Callable[[LocalWorkers], T]]") -> list[T]:
        """Make the calls, and return their results."""
        pool = ThreadPoolExecutor(self.workers)
        futures: list[Future[T]] = []
        try:
            # Ctrl-C reaches the whole process group, but is for this thread alone
            with interrupts_blocked():
                futures += [pool.submit(call, self) for call in calls]
            while wait(futures, 0.2, FIRST_EXCEPTION).not_done and not any(
                future.done() and future.exception() for future in futures
            ):
                self.watcher.refresh()
        finally:
            self.stopping.set()
            pool.shutdown(cancel_futures=True)
        return [future.result() for future in futures]

    def run(self, run: "NotebookRun", stop: Callable[[], bool] = lambda: False) -> RunOutcome:
        """Return the outcome of a run's last attempt; "pruned" as soon as `stop` returns True."""
        slot = self.slots.get()
        self.watcher.change(run, "begins")
        for attempt in range(self.retries + 1):
            if attempt > 0:
                self.watcher.change(run, "failed")
                self.watcher.change(run, "tried again")
            outcome = self._attempt(run, slot, stop)
            if outcome.status != "failed" or self.stopping.is_set():
                break
        if not self.stopping.is_set():
            self.watcher.change(run, outcome.summary)
        self.slots.put(slot)
        return outcome

    def _attempt(self, run: "NotebookRun", slot: int, stop: Callable[[], bool]) -> RunOutcome:
        processes = getattr(run.config, "processes", 1)
        environment = worker_environment(slot, self.workers, processes, self.cores, self.gpus)
        given = with_cores(run, self.cores // self.workers)
        task = Task(self.notebook, run.code.sha256, given, environment)
        log = self.folder / f"{next(self._attempts)}.log"
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
