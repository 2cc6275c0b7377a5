"""Run the runs of a sweep in processes of this machine; submitit starts them, here and on SLURM."""

import os
import queue
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from snnlab._utils.cuda import cuda_devices
from snnlab._utils.errors import SnnlabError
from snnlab.runs import sharing
from snnlab.runs.sweep.worker import STOP_SECONDS, RunOutcome, Task, last_progress

if TYPE_CHECKING:
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.search_file import Search
    from snnlab.runs.sweep.sweep import Sweep, SweepRun

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
HELD_SECONDS = 5.0  # until a run that another process has in work is tried again
YEAR = 60 * 24 * 365  # minutes: submitit would end a local job after two of them


def cores() -> int:
    """Return how many cores this process may use, or all where the system does not know."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    planned: Sequence["SweepRun"],
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
        SnnlabError: submitit is not installed, or nothing can be written.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    workers = max(1, min(workers, len(planned)))
    pending = deque(enumerate(planned))
    outcomes: dict[int, RunOutcome] = {}

    def work(pool: LocalWorkers) -> None:
        with suppress(IndexError):  # nothing is pending
            while not pool.stopping.is_set():
                number, run = pending.popleft()
                if number in outcomes and sharing.in_work(run.notebook, run.config):
                    pool.stopping.wait(HELD_SECONDS)
                else:
                    outcomes[number] = pool.run(run)
                if outcomes[number].status == "held":  # the others first
                    pending.append((number, run))

    in_workers(sweep, [work] * workers, workers=workers, retries=retries, watcher=watcher)
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
        SnnlabError: as `run_local`, or a call raised it.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    from snnlab._utils.files import make_folder, now
    from snnlab.runs import manifest

    submitit()
    make_folder(sweep.folder / "workers")
    folder = Path(
        tempfile.mkdtemp(prefix=f"{now().replace(':', '')[:17]}-", dir=sweep.folder / "workers")
    )
    with manifest.hold(folder, "sweep", 0):
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
        self.gpus, self.cores = gpus(), cores()
        self.slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(workers):
            self.slots.put(slot)
        self.stopping = threading.Event()

    def call(self, calls: "Sequence[Callable[[LocalWorkers], T]]") -> list[T]:
        """Make the calls, and return their results."""
        # Ctrl-C reaches the whole process group, but is for this thread alone. Processes that a
        # thread starts inherit the signals that it blocks.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool = ThreadPoolExecutor(self.workers)
        futures = [pool.submit(call, self) for call in calls]
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            while wait(futures, 0.2, FIRST_EXCEPTION).not_done and not any(
                future.done() and future.exception() for future in futures
            ):
                self.watcher.refresh()
        finally:
            self.stopping.set()
            pool.shutdown(cancel_futures=True)
        return [future.result() for future in futures]

    def run(self, run: "SweepRun", stop: Callable[[], bool] = lambda: False) -> RunOutcome:
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

    def _attempt(self, run: "SweepRun", slot: int, stop: Callable[[], bool]) -> RunOutcome:
        processes = getattr(run.config, "processes", 1)
        environment = worker_environment(slot, self.workers, processes, self.cores, self.gpus)
        given = with_cores(run, self.cores // self.workers)
        executor = submitit().LocalExecutor(self.folder)
        executor.update_parameters(timeout_min=YEAR)
        job = executor.submit(Task(self.notebook, run.code.sha256, given, environment, self.folder))
        pruned, polls = False, 0  # since it is to stop
        while not job.done():
            pruned = pruned or stop()
            if pruned or self.stopping.is_set():
                if polls % 10 == 0:  # again and again: a process that has just begun ignores it
                    kill = polls > 10 * STOP_SECONDS
                    os.kill(int(job.job_id), signal.SIGKILL if kill else signal.SIGTERM)
                polls += 1
            if progress := last_progress(job.paths.stdout):
                self.watcher.update(run, *progress)
            time.sleep(0.1)
        outcome = outcome_of(job)
        if pruned and outcome.status == "failed":  # else it was finished before
            outcome = RunOutcome("pruned")
        for file in (job.paths.submitted_pickle, job.paths.result_pickle):
            file.unlink(missing_ok=True)  # a later process may have the same number
        return outcome


def with_cores(run: "SweepRun", cores: int) -> dict[str, Any]:
    """Return a run's parameters; `workers` = 0, one process a core, is replaced by the cores."""
    own = {"workers": max(1, cores)} if getattr(run.config, "workers", None) == 0 else {}
    return {**run.given, **own}


def outcome_of(job: Any) -> RunOutcome:
    """Return the outcome of a job of submitit that is over."""
    log = job.paths.stderr
    if not job.paths.result_pickle.exists():
        return RunOutcome(
            "failed",
            "its worker died, perhaps killed for want of memory; run fewer at a time (--workers). "
            f"Its log: {log}",
        )
    error = job.exception()
    if error is None:
        outcome: RunOutcome = job.result()
        return outcome
    lines = str(error).splitlines()  # a traceback, and advice of submitit
    reason = [line for line in lines if line and not line.startswith((" ", "-", "You can"))][-1]
    return RunOutcome("failed", f"its worker broke ({reason}); see {log}")


def submitit() -> Any:
    """Return the module that starts processes here and on SLURM.

    Raises:
        SnnlabError: it is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise SnnlabError(
            "A sweep needs submitit, which is not installed; pip install 'snnlab[slurm]'."
        ) from error
    return submitit
