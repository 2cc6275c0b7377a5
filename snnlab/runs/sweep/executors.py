"""How the runs of a sweep are run: by processes of this machine, or by SLURM; submitit starts both."""

import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from snnlab._utils.errors import SnnlabError
from snnlab.runs.sweep.worker import GOODBYE, Outcome, Task, last_said

if TYPE_CHECKING:
    from snnlab.runs.sweep.sweep import Sweep, SweepRun

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
YEAR = 60 * 24 * 365  # minutes: submitit would end a local job after two of them


class Watcher(Protocol):
    """Who is told what happens."""

    def change(self, run: "SweepRun", what: str) -> None: ...
    def at(self, run: "SweepRun", done: int, total: int, doing: str) -> None: ...
    def refresh(self) -> None: ...


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


def share(
    slot: int, workers: int, processes: int, cores: int, gpus: Sequence[str]
) -> dict[str, str]:
    """The environment of a worker: its part of the cores, and a GPU for each process that trains, round robin."""
    mine = [gpus[(slot * processes + i) % len(gpus)] for i in range(min(processes, len(gpus)))]
    return dict.fromkeys(THREADS, str(max(1, cores // workers))) | {
        "CUDA_VISIBLE_DEVICES": ",".join(mine)
    }


def run_here(
    sweep: "Sweep", planned: Sequence["SweepRun"], *, workers: int, retries: int, watcher: Watcher
) -> list[Outcome]:
    """Run on this machine, so many at a time, each in a process of its own.

    A run that fails, or whose process dies, is tried again `retries` times; the others go on. When
    this process is interrupted or killed, the workers end, and what they finished stays.

    Returns:
        What became of each run, in their order.

    Raises:
        SnnlabError: submitit is not installed, or nothing can be written.
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
        return _Workers(sweep, planned, workers, retries, watcher, folder).run()


class _Workers:
    """So many threads, each of which submits a run, waits for it, and takes the next."""

    def __init__(
        self,
        sweep: "Sweep",
        planned: Sequence["SweepRun"],
        workers: int,
        retries: int,
        watcher: Watcher,
        folder: Path,
    ) -> None:
        self.sweep, self.planned, self.retries, self.watcher, self.folder = (
            sweep,
            planned,
            retries,
            watcher,
            folder,
        )
        self.workers = max(1, min(workers, len(planned)))
        self.gpus, self.cores = gpus(), cores()
        self.waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(planned)):
            self.waiting.put(number)
        self.outcomes: dict[int, Outcome] = {}
        self.stopping = threading.Event()

    def run(self) -> list[Outcome]:
        # A thread's children inherit which signals it blocks: Ctrl-C reaches the whole group, but
        # is for this thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool = ThreadPoolExecutor(self.workers)
        busy = [pool.submit(self._work, slot) for slot in range(self.workers)]
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            while wait(busy, 0.2, FIRST_EXCEPTION).not_done and not any(
                one.done() and one.exception() for one in busy
            ):
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

    def _tried(self, run: "SweepRun", slot: int) -> Outcome:
        """The outcome of a run's last attempt."""
        for attempt in range(self.retries + 1):
            self.watcher.change(run, "begins" if attempt == 0 else "tried again")
            outcome = self._attempt(run, slot)
            if outcome.status != "failed" or self.stopping.is_set():
                break
            self.watcher.change(
                run, f"failed: {outcome.text}" if attempt == self.retries else "failed"
            )
        if outcome.status != "failed" and not self.stopping.is_set():
            self.watcher.change(run, outcome.status)
        return outcome

    def _attempt(self, run: "SweepRun", slot: int) -> Outcome:
        config: Any = run.config
        environment = share(
            slot, self.workers, getattr(config, "processes", 1), self.cores, self.gpus
        )
        given = given_for(run, self.cores // self.workers)
        task = Task(self.sweep.notebook, run.code.sha256, given, environment, self.folder)
        executor = submitit().LocalExecutor(self.folder)
        executor.update_parameters(timeout_min=YEAR)
        job = executor.submit(task)
        told = 0
        while not job.done():
            if self.stopping.is_set():
                told += 1
                if told % 10 == 1:  # again and again, as one that comes too early is lost
                    os.kill(
                        int(job.job_id), signal.SIGKILL if told > 10 * GOODBYE else signal.SIGTERM
                    )
            if said := last_said(job.paths.stdout):
                self.watcher.at(run, *said)
            time.sleep(0.1)
        outcome = outcome_of(job)
        for file in (job.paths.submitted_pickle, job.paths.result_pickle):
            file.unlink(missing_ok=True)  # its number may come again
        return outcome


def given_for(run: "SweepRun", cores: int) -> dict[str, Any]:
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
        last = [
            line
            for line in str(error).splitlines()
            if line and not line.startswith((" ", "-", "You can"))
        ][-1]
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
        raise SnnlabError(
            "A sweep needs submitit, which is not installed; pip install 'snnlab[slurm]'."
        ) from error
    return submitit
