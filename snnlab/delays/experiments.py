"""Many small trainings of delays side by side: variants, seeds and time constants, one process each, resumable."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from snnlab._utils.memory import memory_errors
from snnlab.data.protocols import Data
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_linear import discretise
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.weight_transfer import Takes, copy_delay_weights
from snnlab.training import checkpoints
from snnlab.training.callbacks import Callback
from snnlab.training.launch import train_pool
from snnlab.training.trainer import evaluate, fit, pick_device


@dataclass(frozen=True)
class Job:
    """One network to train: a name that no other job of the comparison has, `DelayNet`'s arguments, and a recipe.

    With `test_each_epoch`, its history has the accuracy on the test set, too, which nothing is
    chosen by. With `after`, that job is done first, and this one begins with what it `takes` of its
    network: see `copy_delay_weights`.
    """

    name: str
    network: dict[str, Any]
    recipe: DelayRecipe
    test_each_epoch: bool = False
    after: "Job | None" = None
    takes: Takes = "both"

    @property
    def epochs(self) -> int:
        """Of this job and of the one before it."""
        return self.recipe.epochs + (0 if self.after is None else self.after.epochs)


@dataclass(frozen=True)
class Outcome:
    """What became of a job. The test accuracy is that of the epoch that was kept, with whole delays."""

    job: Job
    history: list[dict[str, float]]
    best_epoch: int
    test_accuracy: float
    trainable_parameters: int
    seconds: float
    checkpoint: Path
    before: "Outcome | None" = None

    @property
    def cpu_seconds(self) -> float:
        """Work of the training steps (`snnlab.training.trainer.work_clock`), with those of the job before it."""
        before = 0.0 if self.before is None else self.before.cpu_seconds
        return before + sum(line["cpu_seconds"] for line in self.history)

    @property
    def valid_accuracy(self) -> float:
        return self.history[self.best_epoch]["valid_accuracy"]

    def protocols(self) -> dict[str, float]:
        """The test accuracy by which the field reports: of the last epoch, and of that which was best on the test set itself.

        The second one is the highest of many draws, and so too high; it stands beside others who
        report it.
        """
        each = [line["test_accuracy"] for line in self.history]
        return {"last_epoch_accuracy": each[-1], "best_on_test_accuracy": max(each)}

    def network(self) -> DelayNet:
        """The trained network at the epoch that was kept, in evaluation mode, delays not rounded."""
        net = checkpoints.load_network(self.checkpoint)
        # A checkpoint does not know how sharp a ramp was
        self.job.recipe.before_epoch(net, self.best_epoch)
        return net


@memory_errors("building a network", "a smaller one")
def build_network(job: Job) -> DelayNet:
    """The network of a job as it is before the first step, and before it gets another's: the seed decides weights and delays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.recipe.seed)
        return DelayNet(**job.network)


def train_all(
    jobs: Iterable[Job],
    data: Data,
    folder: Path,
    *,
    workers: int = 0,
    processes: int = 1,
    title: str = "",
    then: Callable[[list[Outcome]], Sequence[Job]] | None = None,
) -> list[Outcome]:
    """Train every job, and score each on the test set once it is chosen.

    Each job keeps a checkpoint and a metrics file in `folder`, so that a comparison that was killed
    goes on where it stopped; what was finished is only read.

    Args:
        jobs: what to train; the most expensive one first shortens the wait at the end.
        data: where `train`, `valid` and `test` come from; copied to each worker once.
        folder: where checkpoints and metrics go.
        workers, processes, then: as `snnlab.training.launch.train_pool` has them.
        title: what the progress bar is called.

    Returns:
        The outcomes in the order of `jobs`, then those of `then`.

    Raises:
        SnnlabError: as `fit`, or a process died.
    """
    return train_pool(
        jobs, train_job, data, folder, workers=workers, processes=processes, title=title, then=then
    )


@memory_errors("training")
def train_job(
    job: Job,
    data: Data,
    folder: Path,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Train one job as `train_all` does, which then finds it done; `callbacks` are those of `fit`.

    Raises:
        SnnlabError, StopTraining: as `fit`.
    """
    return _trained(job, data, folder, callbacks)[0]


def _trained(
    job: Job,
    data: Data,
    folder: Path,
    callbacks: Sequence[Callback],
) -> tuple[Outcome, DelayNet]:
    """The outcome of a job and its network; not the one in the file, which another process may still be writing."""
    before, source = (
        (None, None) if job.after is None else _trained(job.after, data, folder, callbacks)
    )
    started = time.perf_counter()
    model = build_network(job)
    if source is not None:
        copy_delay_weights(source, model, takes=job.takes)
    path = folder / f"{job.name}.pt"
    result = fit(
        model,
        data.train,
        data.valid,
        job.recipe,
        test=data.test if job.test_each_epoch else None,
        checkpoint=path,
        metrics=path.with_suffix(".jsonl"),
        progress=False,
        callbacks=callbacks,
    )
    if job.test_each_epoch:
        accuracy = result.history[result.best_epoch]["test_accuracy"]
    else:
        accuracy = evaluate(
            discretise(model.to(pick_device(job.recipe.device))), data.test
        ).accuracy
    seconds = time.perf_counter() - started
    trainable = model.trainable_parameters()
    return Outcome(
        job, result.history, result.best_epoch, accuracy, trainable, seconds, path, before
    ), model


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
    return sizes(
        min(
            widths[max(0, above - 1) : above + 1], key=lambda width: abs(parameters(width) - target)
        )
    )
