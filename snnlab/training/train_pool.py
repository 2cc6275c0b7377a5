"""Many trainings at once: a process each, one progress bar, and a sentence when one of them dies."""

import contextlib
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder
from snnlab._utils.memory import memory_errors
from snnlab._utils.processes import end_with_parent
from snnlab.training.launch_ranks import launch_ranks


class Work(Protocol):
    """What is to be trained: a name that no other one has, and its length."""

    @property
    def name(self) -> str: ...
    @property
    def epochs(self) -> int: ...


Job = TypeVar("Job", bound=Work)
Data = TypeVar("Data")
Outcome = TypeVar("Outcome")
Tick = Callable[[int], object]  # told how many epochs have just become finished


@memory_errors("training in several processes", "fewer workers or less data")
def train_pool(
    jobs: Iterable[Job],
    train: Callable[[Job, Data, Path, Tick], Outcome],
    data: Data,
    folder: Path,
    *,
    workers: int = 0,
    processes: int = 1,
    title: str = "",
    then: Callable[[list[Outcome]], Sequence[Job]] | None = None,
) -> list[Outcome]:
    """Call `train(job, data, folder, tick)` for every job: several jobs at a time, or several processes for each.

    Many small trainings want many `workers`. One large one wants `processes`, such as one a GPU:
    they share every batch of `snnlab.training.trainer.fit`, and jobs come one after another. A
    killed training may go on with other numbers of both.

    Args:
        jobs: what to train; the most expensive one first shortens the wait at the end.
        train: a function of a module, as it is called in another process.
        data: copied to each worker once.
        folder: where files go; made if need be.
        workers: processes; 0 for one a core, and 1 for none besides this one, which is what a GPU
            wants. Above 1 only without `processes`.
        processes: how many train each job together, on GPUs as many as there are; 1 for none
            besides the worker.
        title: what the progress bar is called.
        then: given the outcomes, what to train besides; by the same processes, which take seconds
            to start.

    Returns:
        The outcomes in the order of `jobs`, then those of `then`.

    Raises:
        SnnlabError: as `train`, a process died, or `workers` and `processes` do not go together.
    """
    if processes < 1:
        raise SnnlabError(f"processes = {processes}: expected a whole number from 1.")
    if processes > 1 and workers > 1:
        raise SnnlabError(
            f"workers = {workers}, processes = {processes}: jobs that several processes train together come one after "
            "another; leave workers out."
        )
    jobs = list(jobs)
    assert len({job.name for job in jobs}) == len(jobs), (
        "two jobs of the same name would share a checkpoint"
    )
    make_folder(folder)
    cores = os.cpu_count() or 1
    workers = min(workers or cores, len(jobs))
    epochs = sum(job.epochs for job in jobs)
    with tqdm(total=epochs, unit="epoch", desc=title or None) as bar:

        def all_for(job: Job) -> Outcome:
            who = f"{folder}: one of the {processes} processes that train {job.name}"
            return launch_ranks(partial(train, job, data, folder), processes, bar.update, who)

        def run(work: Callable[[Iterable[Job]], Iterable[Outcome]]) -> list[Outcome]:
            outcomes = list(work(jobs))
            more = [] if then is None else then(outcomes)
            bar.total += sum(job.epochs for job in more)
            return outcomes + list(work(more))

        if processes > 1:
            return run(lambda some: [all_for(job) for job in some])
        if workers <= 1:
            return run(lambda some: [train(job, data, folder, bar.update) for job in some])
        # A fork would copy torch's thread pools in an unusable state
        context = multiprocessing.get_context("spawn")
        # Numbers this short are written whole: no lock that a kill leaves
        ticks, ticking = context.Pipe(duplex=False)
        counting = threading.Thread(target=_count, args=(ticks, bar), daemon=True)
        counting.start()
        try:
            with ProcessPoolExecutor(
                workers,
                mp_context=context,
                initializer=_enter,
                initargs=(train, data, folder, ticking, max(1, cores // workers)),
            ) as pool:
                return run(lambda some: map(pickle.loads, pool.map(_work, some)))
        except BrokenProcessPool as error:
            raise SnnlabError(
                f"{folder}: one of the {workers} training processes died, perhaps for want of memory; "
                "run the same again with fewer workers: finished epochs are kept."
            ) from error
        finally:
            ticking.close()  # the last end that can tick: the thread counts what is left, and ends
            counting.join()


_worker: dict[str, Any] = {}  # what a worker process was given when it started


def _enter(train: Any, data: Any, folder: Path, ticking: Any, threads: int) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    _worker.update(train=train, data=data, folder=folder, tick=ticking.send)


def _work(job: Any) -> bytes:
    """Train a job; a result in bytes needs no file descriptor for each of its tensors."""
    return pickle.dumps(_worker["train"](job, _worker["data"], _worker["folder"], _worker["tick"]))


def _count(ticks: Any, bar: Any) -> None:
    with contextlib.suppress(EOFError):
        while True:
            bar.update(ticks.recv())
