"""One training loop for every network: selection on validation, checkpoint and resume. A recipe says what differs."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import keep_freed_memory, memory_errors
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.protocols import Batches
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import Between, Interrupted, Moment
from snnlab.training.distributed import (
    all_reduce_scalar,
    own_seed,
    rank_and_world_size,
    same_as_first,
    sum_gradients,
    synchronised,
)
from snnlab.training.evaluation import EvalResult, check_labels, evaluate, pick_device, work_clock
from snnlab.training.loggers import written
from snnlab.training.recipe import Keep, Recipe, check_numbers
from snnlab.training.state import EpochState, TrainState

__all__ = [
    "EvalResult",
    "FitResult",
    "Keep",
    "Recipe",
    "check_numbers",
    "epoch_seed",
    "evaluate",
    "fit",
    "pick_device",
    "train_step",
    "work_clock",
]  # all that one needs to train, wherever it is defined

Model = TypeVar("Model", bound=nn.Module)
SAVE_EVERY = 300.0  # s; what a kill costs at most


@dataclass(frozen=True)
class FitResult(Generic[Model]):
    """What a training run leaves: the model holds the parameters of the epoch that was kept.

    A line of the history has `epoch`, `loss`, `train_accuracy`, `valid_accuracy`, `valid_loss`, and
    `test_accuracy` where there is a test set; `cpu_seconds`, the work (see `work_clock`) of all
    processes in the training steps of the epoch; `sample_timesteps`, the time steps of all samples
    that they trained on; `seconds` of wall-clock time with validation; and what the recipe adds.
    """

    model: Model
    history: list[dict[str, float]]
    best_epoch: int


@persistent_workers()
@memory_errors("training")
def fit(
    model: Model,
    train: Batches,
    valid: Batches,
    recipe: Recipe,
    *,
    test: Batches | None = None,
    checkpoint: str | Path | None = None,
    metrics: str | Path | None = None,
    save_every: float = SAVE_EVERY,
    progress: bool = True,
    on_epochs: Callable[[int], object] | None = None,
    on_batch: Callable[[Moment], object] | None = None,
) -> FitResult[Model]:
    """Train a network on the cross-entropy of its class scores; keep the epoch that is best on `valid`, or the last.

    Best is the highest accuracy, and the lower loss on a tie, of the network as it will be used
    (`recipe.as_used`).

    Several processes train one network together where each calls this with the same arguments, in a
    group of `torch.distributed`, each with a GPU of its own or all on the CPU.
    `snnlab.training.train_pool.train_pool` starts them (`processes`); under `torchrun`, call
    `torch.distributed.init_process_group()` first. All start from the parameters of process 0,
    share every batch, and have batch norm over all of it: the result is that of one process up to
    rounding and dropout, and the same in each. Process 0 alone writes, shows progress and calls
    `on_epochs`. A last batch of fewer samples than processes is left out.

    Args:
        model: the network, with `config`, the arguments that built it; it is trained in place.
        train: what the parameters are fitted to.
        valid: what the epoch is chosen on.
        recipe: how.
        test: scored after each epoch, too, and never chosen by; None leaves it alone, as is good
            practice.
        checkpoint: file that is written whole after each epoch and, in a long one, in the middle of
            it. When it is there, training goes on at the batch where it stood: the end is then the
            same as without the interruption, bit for bit on a CPU with as many processes as before.
            All processes have to see it.
        metrics: file with one JSON object a line and epoch; TensorBoard or Weights & Biases get the
            same, see `snnlab.training.loggers`.
        save_every: seconds of wall-clock time without a checkpoint after which one is written in
            the middle of an epoch.
        progress: whether to show a progress bar; there is none where `on_batch` looks.
        on_epochs: called with the number of epochs that have just become finished, restored ones at
            once.
        on_batch: called at the start, before each batch of training and validation, and at the end.
            It may look, wait, or raise `Stopped`: then the checkpoint is written, and the same call
            goes on from there another time. Of several processes, all have to be given one: process
            0 calls it, and the others wait and stop with it.

    Raises:
        SnnlabError: the checkpoint is of another network or recipe, damaged or newer; the disk is
            full; the loss is no longer finite; there are more processes than samples in a batch;
            `save_every` is below 0; the network has no score for a label; memory does not suffice.
        Stopped: `on_batch` raised it; in all processes, at the same batch.
    """
    if not save_every >= 0:
        raise SnnlabError(
            f"save_every = {save_every!r}: expected seconds from 0, such as {SAVE_EVERY:g}."
        )
    number, processes = rank_and_world_size()
    if min(recipe.batch_size, len(train)) < processes:
        raise SnnlabError(
            f"batch_size = {recipe.batch_size} of {len(train)} samples for {processes} processes: expected at least a "
            "sample each; start fewer processes or choose a larger batch."
        )
    device = pick_device(recipe.device)
    if device.type == "cpu":
        keep_freed_memory()
    model.to(device)
    net: Any = model
    if isinstance(net, DelayNet) and net.config.dt_ms is None:
        net.config = replace(net.config, dt_ms=getattr(train, "dt_ms", None))
    optimisers = recipe.optimisers(model)
    schedulers = recipe.schedulers(optimisers)
    state = TrainState(model, optimisers, schedulers, recipe, every=save_every)

    place = None if checkpoint is None else Path(checkpoint)

    def moment(tally: EpochState | None) -> Moment:
        return Moment(
            model, recipe, valid, state.history, tally, -(-len(train) // recipe.batch_size), place
        )

    between = Between(state, on_batch, moment)
    between(None)
    if place is not None and place.exists():
        state.restore(place)
    same_as_first(model)
    if number != 0:  # process 0 writes and tells for all
        place = metrics = on_epochs = None
    state.path = place
    epochs = range(len(state.history), recipe.epochs)
    if on_epochs is not None and epochs.start:
        on_epochs(epochs.start)
    hidden = not progress or number != 0 or on_batch is not None
    logged = nullcontext(_unlogged) if metrics is None else written(Path(metrics), state.history)
    with (
        _labels_checked(model, train=train, valid=valid, test=test),
        synchronised(model),
        logged as log,
        tqdm(
            epochs, initial=epochs.start, total=recipe.epochs, unit="epoch", disable=hidden
        ) as bar,
    ):
        for epoch in bar:
            line = _epoch(
                model, train, valid, test, recipe, epoch, device, optimisers, state, between
            )
            for scheduler in schedulers:
                scheduler.step()
            state.finish(line)
            state.save()
            log(line)
            if on_epochs is not None:
                on_epochs(1)
            bar.set_postfix(loss=f"{line['loss']:.3f}", valid=f"{line['valid_accuracy']:.3f}")
    assert state.best is not None
    model.load_state_dict(state.best)
    between(None)
    return FitResult(model, state.history, state.best_epoch)


@contextmanager
def _labels_checked(model: nn.Module, **sets: Batches | None) -> Iterator[None]:
    """Check the labels of all sets against the scores that the network gives at its first call."""

    def check(_model: nn.Module, _inputs: object, scores: Tensor) -> None:
        hook.remove()
        check_labels(scores, **sets)

    hook = model.register_forward_hook(check)
    try:
        yield
    finally:
        hook.remove()


def _unlogged(line: dict[str, float]) -> None:
    """Where no metrics are wanted."""


@memory_errors("training")
def train_step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    optimisers: list[torch.optim.Optimizer],
    recipe: Recipe,
    *,
    share: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """One update from a batch `(T, B, ...)` and labels `(B,)`; returns the loss and the class scores `(B, classes)`.

    Where several processes train together, theirs are parts of one batch, and `share` is the share that this one has. With
    `recipe.accumulate` above 1, batch norm takes its mean and variance from each part by itself.
    """
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss, scores = torch.zeros((), device=x.device), []
    for some_x, some_y in zip(
        x.chunk(recipe.accumulate, 1), y.chunk(recipe.accumulate), strict=True
    ):
        with recipe.autocast(x.device):
            found = model(some_x)
        found = found.float()  # a loss needs all digits
        part = F.cross_entropy(found, some_y) * (len(some_y) / len(y))
        (part * share).backward()  # the mean over the whole batch is the sum of these
        loss += part.detach()
        scores.append(found.detach())
    sum_gradients(optimisers)
    for optimiser in optimisers:
        optimiser.step()
    recipe.after_step(model)
    return loss, torch.cat(scores)


def epoch_seed(seed: int, epoch: int) -> int:
    """What an epoch's data order and dropout are drawn from: 32 bits, as torch's generator of the CPU heeds no more."""
    both = (seed << 20) + epoch
    # An odd factor spreads what stands above those bits
    return (both + (both >> 32) * 0x9E3779B1) % 2**32


def _epoch(
    model: nn.Module,
    train: Batches,
    valid: Batches,
    test: Batches | None,
    recipe: Recipe,
    epoch: int,
    device: torch.device,
    optimisers: list[torch.optim.Optimizer],
    state: TrainState,
    between: Between,
) -> dict[str, float]:
    """Train one epoch, or what is left of it, and validate; all of its randomness comes from (seed, epoch)."""
    tally = EpochState(device, partial(work_clock, device))
    more = recipe.before_epoch(model, epoch)
    model.train()
    seed = epoch_seed(recipe.seed, epoch)
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(own_seed(seed))
        if state.under_way is not None:
            tally.restore(state.under_way)
            state.under_way = None
        for x, y in train.batches(
            recipe.batch_size,
            generator=order,
            part=rank_and_world_size(),
            skip_batches=tally.batches,
        ):
            whole = between(tally, len(y))
            x, y = x.to(device), y.to(device)
            recipe.before_step(model, optimisers, (epoch + tally.seen / len(train)) / recipe.epochs)
            loss, scores = train_step(model, x, y, optimisers, recipe, share=len(y) / whole)
            correct = (scores.argmax(1) == y).sum()
            tally.add(loss, correct, samples=len(y), whole=whole, time_steps=recipe.time_steps(x))
    mean_loss = all_reduce_scalar(tally.loss.item()) / tally.seen
    cpu_seconds = all_reduce_scalar(tally.work_seconds)
    if not math.isfinite(mean_loss):
        rates = ", ".join(f"{optimiser.param_groups[0]['lr']:.2g}" for optimiser in optimisers)
        raise SnnlabError(
            f"epoch {epoch}: the training loss is no longer finite; lower the learning rate (now {rates}) "
            "or look for non-finite input."
        )
    with recipe.autocast(device):
        used, stoppable = recipe.as_used(model), partial(Interrupted, look=partial(between, tally))
        validation = evaluate(used, stoppable(valid), batch_size=recipe.at_once)
        if test is not None:
            tested = (
                validation
                if test is valid
                else evaluate(used, stoppable(test), batch_size=recipe.at_once)
            )
            more = {**more, "test_accuracy": tested.accuracy}
        more = {**more, **recipe.after_epoch(model, stoppable(valid))}
    return {
        "epoch": epoch,
        "loss": mean_loss,
        "train_accuracy": all_reduce_scalar(tally.correct.item()) / tally.seen,
        "valid_accuracy": validation.accuracy,
        "valid_loss": validation.loss,
        **more,
        "sample_timesteps": round(all_reduce_scalar(tally.sample_timesteps)),
        "cpu_seconds": cpu_seconds,
        "seconds": tally.seconds,
    }
