"""Many small trainings side by side: variants, seeds and time constants, one process each, resumable."""

import multiprocessing
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

from snnlab import checkpoints
from snnlab.delays import discretise
from snnlab.errors import SnnlabError
from snnlab.files import make_folder
from snnlab.models import DelayNet
from snnlab.training import Batches, Recipe, evaluate, fit, pick_device


class Data(Protocol):
    """A data set with its three parts."""

    @property
    def train(self) -> Batches: ...
    @property
    def valid(self) -> Batches: ...
    @property
    def test(self) -> Batches: ...


@dataclass(frozen=True)
class Job:
    """One network to train: a name that no other job of the comparison has, `DelayNet`'s arguments, and a recipe."""

    name: str
    network: dict[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Outcome:
    """What became of a job. The test accuracy is that of the best validation epoch, with whole delays."""

    job: Job
    history: list[dict[str, float]]
    best_epoch: int
    test_accuracy: float
    trainable_parameters: int
    seconds: float
    checkpoint: Path

    @property
    def valid_accuracy(self) -> float:
        return self.history[self.best_epoch]["valid_accuracy"]

    def network(self) -> DelayNet:
        """The trained network at its best validation epoch, in evaluation mode, delays not rounded."""
        return checkpoints.load_network(self.checkpoint)


def untrained(job: Job) -> DelayNet:
    """The network of a job as it is before the first step: the seed decides weights and delays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.recipe.seed)
        return DelayNet(**job.network)


def train_all(jobs: Iterable[Job], data: Data, folder: Path, *, workers: int = 0, title: str = "") -> list[Outcome]:
    """Train every job, and score each on the test set once it is chosen.

    Each job keeps a checkpoint and a metrics file in `folder`, so that a comparison that was killed goes on where it
    stopped; what was finished is only read.

    Args:
        jobs: what to train; the most expensive one first shortens the wait at the end.
        data: where `train`, `valid` and `test` come from; copied to each worker once.
        folder: where checkpoints and metrics go.
        workers: processes; 0 for one a core, and 1 for none besides this one, which is what a GPU wants.
        title: what the progress bar is called.

    Returns:
        The outcomes in the order of `jobs`.

    Raises:
        SnnlabError: as `fit`, or a process died.
    """
    jobs = list(jobs)
    assert len({job.name for job in jobs}) == len(jobs), "two jobs of the same name would share a checkpoint"
    make_folder(folder)
    cores = os.cpu_count() or 1
    workers = min(workers or cores, len(jobs))
    epochs = sum(job.recipe.epochs for job in jobs)
    with tqdm(total=epochs, unit="epoch", desc=title or None) as bar:
        if workers <= 1:
            return [_train(job, data, folder, bar.update) for job in jobs]
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's thread pools in an unusable state
        ticks = context.SimpleQueue()
        counting = threading.Thread(target=_count, args=(ticks, bar), daemon=True)
        counting.start()
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_enter, initargs=(data, folder, ticks, max(1, cores // workers))
        ) as pool:
            try:
                outcomes = list(pool.map(_work, jobs))
            except BrokenProcessPool as error:
                raise SnnlabError(
                    f"{folder}: one of the {workers} training processes died, perhaps for want of memory; "
                    "run the same again with fewer workers: finished epochs are kept."
                ) from error
        ticks.put(0)
        counting.join()
        return outcomes


def best_by_validation(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome with the highest validation accuracy, the lower validation loss on a tie."""
    return max(outcomes, key=lambda o: (o.valid_accuracy, -o.history[o.best_epoch]["valid_loss"]))


def matched_hidden(network: dict[str, Any], target: int) -> list[int]:
    """Hidden sizes, all scaled alike, with which `network` comes closest to `target` trainable parameters."""
    widest = network["hidden"][0]

    def sizes(width: int) -> list[int]:
        return [max(1, round(width * size / widest)) for size in network["hidden"]]

    def parameters(width: int) -> int:
        with torch.random.fork_rng(devices=[]):
            return DelayNet(**(network | {"hidden": sizes(width)})).trainable_parameters()

    widths = range(1, 4 * widest + 1)
    above = bisect_left(widths, target, key=parameters)  # the count grows with the width
    return sizes(min(widths[max(0, above - 1) : above + 1], key=lambda width: abs(parameters(width) - target)))


def _train(job: Job, data: Data, folder: Path, tick: Any) -> Outcome:
    started = time.perf_counter()
    model = untrained(job)
    path = folder / f"{job.name}.pt"
    result = fit(
        model,
        data.train,
        data.valid,
        job.recipe,
        checkpoint=path,
        metrics=path.with_suffix(".jsonl"),
        progress=False,
        on_epochs=tick,
    )
    score = evaluate(discretise(result.model.to(pick_device(job.recipe.device))), data.test)
    seconds = time.perf_counter() - started
    return Outcome(job, result.history, result.best_epoch, score.accuracy, model.trainable_parameters(), seconds, path)


_worker: dict[str, Any] = {}  # what a worker process was given when it started


def _enter(data: Data, folder: Path, ticks: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    _worker.update(data=data, folder=folder, tick=ticks.put)


def _work(job: Job) -> Outcome:
    return _train(job, _worker["data"], _worker["folder"], _worker["tick"])


def _count(ticks: Any, bar: Any) -> None:
    while epochs := ticks.get():
        bar.update(epochs)
