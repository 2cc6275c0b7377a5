"""Many trainings at once: a process each, one progress bar, and a sentence when one of them dies."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from tqdm.auto import tqdm

from snnlab.errors import SnnlabError
from snnlab.files import make_folder


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


def run_all(
    jobs: Iterable[Job],
    train: Callable[[Job, Data, Path, Tick], Outcome],
    data: Data,
    folder: Path,
    *,
    workers: int = 0,
    title: str = "",
    then: Callable[[list[Outcome]], Sequence[Job]] | None = None,
) -> list[Outcome]:
    """Call `train(job, data, folder, tick)` for every job, several at a time.

    Args:
        jobs: what to train; the most expensive one first shortens the wait at the end.
        train: a function of a module, as it is called in another process.
        data: copied to each worker once.
        folder: where files go; made if need be.
        workers: processes; 0 for one a core, and 1 for none besides this one, which is what a GPU wants.
        title: what the progress bar is called.
        then: given the outcomes, what to train besides; by the same processes, which take seconds to start.

    Returns:
        The outcomes in the order of `jobs`, then those of `then`.

    Raises:
        SnnlabError: as `train`, or a process died.
    """
    jobs = list(jobs)
    assert len({job.name for job in jobs}) == len(jobs), "two jobs of the same name would share a checkpoint"
    make_folder(folder)
    cores = os.cpu_count() or 1
    workers = min(workers or cores, len(jobs))
    epochs = sum(job.epochs for job in jobs)
    with tqdm(total=epochs, unit="epoch", desc=title or None) as bar:

        def run(work: Callable[[Iterable[Job]], Iterable[Outcome]]) -> list[Outcome]:
            outcomes = list(work(jobs))
            more = [] if then is None else then(outcomes)
            bar.total += sum(job.epochs for job in more)
            return outcomes + list(work(more))

        if workers <= 1:
            return run(lambda some: [train(job, data, folder, bar.update) for job in some])
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's thread pools in an unusable state
        ticks = context.SimpleQueue()
        counting = threading.Thread(target=_count, args=(ticks, bar), daemon=True)
        counting.start()
        with ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=_enter,
            initargs=(train, data, folder, ticks, max(1, cores // workers)),
        ) as pool:
            try:
                outcomes = run(lambda some: pool.map(_work, some))
            except BrokenProcessPool as error:
                raise SnnlabError(
                    f"{folder}: one of the {workers} training processes died, perhaps for want of memory; "
                    "run the same again with fewer workers: finished epochs are kept."
                ) from error
        ticks.put(0)
        counting.join()
        return outcomes


_worker: dict[str, Any] = {}  # what a worker process was given when it started


def _enter(train: Any, data: Any, folder: Path, ticks: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    _worker.update(train=train, data=data, folder=folder, tick=ticks.put)


def _work(job: Any) -> Any:
    return _worker["train"](job, _worker["data"], _worker["folder"], _worker["tick"])


def _count(ticks: Any, bar: Any) -> None:
    while epochs := ticks.get():
        bar.update(epochs)
