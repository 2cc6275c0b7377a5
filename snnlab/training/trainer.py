"""One training loop for every network: `fit` trains, validates, selects, saves and resumes."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from snnlab._utils.errors import DivergedError, SnnlabError
from snnlab._utils.files import given_path
from snnlab._utils.memory import keep_freed_memory, memory_errors
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.protocols import Batches
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import (
    Callback,
    CallbackBatches,
    CallbackRunner,
    TrainingProgress,
    check_callbacks,
)
from snnlab.training.checkpoint_checks import fingerprint
from snnlab.training.checkpoints import NEW_TRAINING
from snnlab.training.compiled import RunStep, compiled_steps
from snnlab.training.distributed import (
    all_reduce_scalar,
    own_seed,
    rank_and_world_size,
    same_as_first,
    sum_gradients,
    synchronised,
)
from snnlab.training.evaluation import (
    Samples,
    as_batches,
    check_finite,
    check_labels,
    check_scores,
    check_steps,
    class_scores,
    device_of,
    evaluate,
    pick_device,
    work_clock,
)
from snnlab.training.loggers import MetricsLogger, ProgressBar
from snnlab.training.recipe import Recipe
from snnlab.training.state import EpochState, TrainState

Model = TypeVar("Model", bound=nn.Module)
SAVE_EVERY = 300.0  # s; a kill costs at most the training since then


@dataclass(frozen=True)
class FitResult(Generic[Model]):
    """A trained network and the history of its training.

    Attributes:
        model: the network with the parameters of the epoch that was kept.
        history: a line for each epoch with `epoch`, `loss`, `train_accuracy`, `valid_accuracy`,
            `valid_loss`, and `test_accuracy` where there is a test set; `cpu_seconds`, the work
            (see `work_clock`) of all processes in the training steps; `sample_timesteps`, the time
            steps of all samples that they trained on; `seconds` of wall-clock time with validation;
            and what the recipe adds.
        best_epoch: the epoch that was kept, from 0.

    Example:
        >>> result = FitResult(nn.Linear(2, 2), [{"epoch": 0, "valid_accuracy": 0.75}], 0)
        >>> result.history[result.best_epoch]["valid_accuracy"]
        0.75
    """

    model: Model
    history: list[dict[str, float]]
    best_epoch: int


@persistent_workers()
@memory_errors("training")
def fit(
    model: Model,
    train: Samples,
    valid: Samples,
    recipe: Recipe,
    *,
    test: Samples | None = None,
    checkpoint: str | Path | None = None,
    metrics: str | Path | None = None,
    save_every: float = SAVE_EVERY,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> FitResult[Model]:
    """Train a network on the cross-entropy of its class scores; keep the best epoch, or the last.

    The best epoch has the highest accuracy on `valid`, and the lower loss on a tie, of the network
    as it will be used (`recipe.as_used`); it is one from `recipe.kept_from` on. With
    `recipe.patience`, training stops after so many epochs without a better one.

    Several processes train one network together where each calls this with the same arguments, in a
    group of `torch.distributed`, each with a GPU of its own or all on the CPU.
    `snnlab.training.launch.train_pool` starts them (`processes`); under `torchrun`, call
    `torch.distributed.init_process_group()` first. All start from the parameters of process 0,
    share every batch, and have batch norm over all of it: the result is that of one process up to
    rounding and dropout, and the same in each. Process 0 alone writes files and calls callbacks. A
    last batch of fewer samples than processes is left out.

    Args:
        model: the network, any module from `(T, B, ...)` to class scores `(B, classes)`; it is
            trained in place. The states of its neurons are reset before and after each batch: of
            every module that has a method `reset`, as SpikingJelly's have.
        train: the data set to train on, or tensors x `(T, B, N)` and y `(B,)`.
        valid: the data set to choose the epoch on, or tensors.
        recipe: how to train.
        test: a data set to evaluate on after each epoch, which nothing is chosen by; None leaves it
            alone, as is good practice.
        checkpoint: file that is written atomically after each epoch and, in a long one, in the
            middle of it. Where it exists, training resumes at the next batch: the end is then the
            same as without the interruption, bit for bit on a CPU with as many processes as before.
            All processes have to see it.
        metrics: file with a line of JSON for each epoch; a file of anything else is not replaced.
            TensorBoard or Weights & Biases get the same, see `snnlab.training.loggers`.
        save_every: seconds of wall-clock time without a checkpoint after which one is written in
            the middle of an epoch.
        progress: whether to show a progress bar, unless a callback shows the progress.
        callbacks: called at the start, before each epoch and batch, after each epoch, and at the
            end. Each may raise `StopTraining`: then the checkpoint is written, and the same call of
            `fit` resumes from it.

    Returns:
        The network, its history and the epoch that was kept.

    Raises:
        SnnlabError: the checkpoint is of another network or recipe, of other data (as far as their
            number and labels tell), without the accuracies on `test`, damaged or newer; a set has
            other time steps than the network; the disk is full; the loss is no longer finite; there
            are more processes than samples in a batch, or several though the recipe compiles;
            `save_every` is below 0, or the recipe has no epoch; tensors have other shapes; the
            network gives no class scores or none for a label, or keeps a state between batches; the
            file of metrics holds something else; memory does not suffice.
        StopTraining: a callback raised it; in all processes, at the same batch.

    Example:
        >>> from snnlab.delays.recipe import DelayRecipe
        >>> from snnlab.nn.delay_net import DelayNet
        >>> net = DelayNet(n_in=16, hidden=[4], n_classes=2, max_delay=4, tau=1.5, dropout=0.0)
        >>> x, y = torch.rand(10, 8, 16), torch.arange(8) % 2
        >>> recipe = DelayRecipe(epochs=2, batch_size=4, device="cpu")
        >>> result = fit(net, (x, y), (x, y), recipe, progress=False)
        >>> [line["epoch"] for line in result.history]
        [0, 1]
    """
    if not save_every >= 0:
        raise SnnlabError(
            f"save_every = {save_every!r}: expected seconds from 0, such as {SAVE_EVERY:g}."
        )
    check_callbacks(callbacks)
    if not isinstance(recipe, Recipe):
        raise SnnlabError(f"recipe: got {type(recipe).__name__}, expected a Recipe.")
    if recipe.epochs < 1:
        raise SnnlabError(
            f"epochs = {recipe.epochs}: expected at least one epoch to train; only an experiment "
            "may have a stage without one."
        )
    train, valid = as_batches(train, "train"), as_batches(valid, "valid")
    test = None if test is None else as_batches(test, "test")
    rank, world_size = rank_and_world_size()
    if min(recipe.batch_size, len(train)) < world_size:
        raise SnnlabError(
            f"batch_size = {recipe.batch_size} of {len(train)} samples for {world_size} processes: "
            "expected at least a sample each; start fewer processes or choose a larger batch."
        )
    device = pick_device(recipe.device)
    if device.type == "cpu":
        keep_freed_memory()
    device_of(model)  # a network at all
    model.to(device)
    net: Any = model
    dt_ms = getattr(train, "dt_ms", None)
    if isinstance(net, DelayNet) and dt_ms is not None:
        check_steps(model, train=train)
        net.config = replace(net.config, dt_ms=dt_ms)
    check_steps(model, dt_ms, valid=valid, test=test)
    optimisers = recipe.optimisers(model)
    schedulers = recipe.schedulers(optimisers)
    sets = {"train": fingerprint(train), "valid": fingerprint(valid)}
    state = TrainState(
        model, optimisers, schedulers, recipe, data=sets, every=save_every, dt_ms=dt_ms
    )
    path = None if checkpoint is None else given_path(checkpoint)
    own: list[Callback] = [] if metrics is None else [MetricsLogger(metrics)]
    if progress and not any(callback.shows_progress for callback in callbacks):
        own.append(ProgressBar())

    def progress_at(epoch_state: EpochState | None) -> TrainingProgress:
        batches = math.ceil(len(train) / recipe.batch_size)
        return TrainingProgress(model, recipe, valid, state.history, epoch_state, batches, path)

    with (
        CallbackRunner(state, [*own, *callbacks], progress_at) as run_hook,
        _check_labels_once(model, train=train, valid=valid, test=test),
        synchronised(model),
        compiled_steps(model, recipe, device) as run_step,
    ):
        if path is not None and path.exists():
            state.restore(path)
            if test is not None and not all("test_accuracy" in line for line in state.history):
                raise SnnlabError(
                    f"{path}: trained without a test set; leave test out and evaluate the trained "
                    f"network or, {NEW_TRAINING}."
                )
        same_as_first(model)
        state.path = path if rank == 0 else None
        while not state.over:
            line = _train_epoch(state, train, valid, test, device, run_hook, run_step)
            with warnings.catch_warnings():
                # An epoch that was resumed in its validation has made no step in this process
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                for scheduler in state.schedulers:
                    scheduler.step()
            state.finish(line)
            state.save()
            run_hook("on_epoch_end")
        assert state.best is not None
        model.load_state_dict(state.best)
        recipe.before_epoch(model, state.best_epoch)  # the rest of the network as it was then
    return FitResult(model, state.history, state.best_epoch)


def _check_labels_once(model: nn.Module, **sets: Batches | None) -> RemovableHandle:
    """Check the labels of all sets against the scores that the network gives at its first call."""

    def check(_model: nn.Module, inputs: tuple[Tensor, ...], scores: Tensor) -> None:
        hook.remove()
        check_scores(model, inputs[0], scores)
        check_labels(scores, **sets)

    hook = model.register_forward_hook(check)
    return hook


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
    """Update the parameters once, from one batch.

    With `recipe.accumulate` above 1, batch norm takes its mean and variance from each part by
    itself.

    Args:
        model: the network.
        x: the batch, `(T, B, ...)`.
        y: its labels, `(B,)`.
        optimisers: the optimisers of the parameters.
        recipe: how to train.
        share: this process's share of the batch, where several train together.

    Returns:
        The loss and the class scores `(B, classes)`.
    """
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss, all_scores = torch.zeros((), device=x.device), []
    for x_part, y_part in zip(
        x.chunk(recipe.accumulate, 1), y.chunk(recipe.accumulate), strict=True
    ):
        with recipe.autocast(x.device):
            scores = class_scores(model, x_part)
        part_loss = F.cross_entropy(scores, y_part) * (len(y_part) / len(y))
        # The mean over the whole batch is the sum of these
        _backward(model, part_loss * share)
        loss += part_loss.detach()
        all_scores.append(scores.detach())
    sum_gradients(optimisers)
    for optimiser in optimisers:
        optimiser.step()
    recipe.after_step(model)
    return loss, torch.cat(all_scores)


def _backward(model: nn.Module, loss: Tensor) -> None:
    """Compute the gradients.

    Raises:
        SnnlabError: the loss depends on no parameter, or on an earlier batch.
    """
    name = type(model).__name__
    if not loss.requires_grad:
        raise SnnlabError(
            f"{name}: its class scores depend on no parameter that is trained; look for a detach, "
            "a comparison without surrogate gradient, or torch.no_grad in its forward."
        )
    try:
        torch.autograd.backward(loss)
    except RuntimeError as error:
        if "through the graph a second time" not in str(error):
            raise
        raise SnnlabError(
            f"{name}: keeps a state from one batch to the next; set it anew in each forward, or "
            "give the module that has it a method reset(), which is called between batches."
        ) from error


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch's data order and dropout.

    It has 32 bits, as torch's generator of the CPU heeds no more.
    """
    combined = (seed << 20) + epoch
    # An odd factor spreads what stands above those bits
    return (combined + (combined >> 32) * 0x9E3779B1) % 2**32


def _train_epoch(
    state: TrainState,
    train: Batches,
    valid: Batches,
    test: Batches | None,
    device: torch.device,
    run_hook: CallbackRunner,
    run_step: RunStep[tuple[Tensor, Tensor]],
) -> dict[str, float]:
    """Train one epoch, or its rest, and validate; its randomness follows from (seed, epoch)."""
    model, recipe, epoch = state.model, state.recipe, len(state.history)
    epoch_state = EpochState(device, partial(work_clock, device))
    measured = dict(recipe.before_epoch(model, epoch))
    model.train()
    seed = epoch_seed(recipe.seed, epoch)
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(own_seed(seed))
        if state.under_way is not None:
            epoch_state.restore(state.under_way)
            state.under_way = None
        run_hook("on_epoch_start", epoch_state)
        for x, y in train.batches(
            recipe.batch_size,
            generator=order,
            part=rank_and_world_size(),
            skip_batches=epoch_state.batches,
        ):
            total_samples = run_hook("on_batch_start", epoch_state, len(y))
            x, y = x.to(device), y.to(device)
            done = (epoch + epoch_state.seen / len(train)) / recipe.epochs
            recipe.before_step(model, state.optimisers, done)
            share = len(y) / total_samples
            step = partial(train_step, model, x, y, state.optimisers, recipe, share=share)
            loss, scores = run_step(step, x)
            epoch_state.add(
                loss,
                (scores.argmax(1) == y).sum(),
                samples=len(y),
                total_samples=total_samples,
                time_steps=recipe.time_steps(x),
            )
    mean_loss = all_reduce_scalar(epoch_state.loss.item()) / epoch_state.seen
    cpu_seconds = all_reduce_scalar(epoch_state.work_seconds)
    # The last step may have made weights infinite that no loss has seen
    finite = all(bool(p.isfinite().all()) for p in model.parameters())
    if not (finite and math.isfinite(mean_loss)):
        seen = 0
        for x, y in train.batches(recipe.at_once):
            check_finite("train: its inputs", x, torch.arange(seen, seen + len(y)))
            seen += len(y)
        rates = ", ".join(f"{opt.param_groups[0]['lr']:.2g}" for opt in state.optimisers)
        raise DivergedError(
            f"epoch {epoch}: the training loss or a weight is no longer finite; lower the "
            f"learning rate (now {rates}) or look for non-finite input."
        )
    stoppable = partial(
        CallbackBatches, on_batch_start=partial(run_hook, "on_batch_start", epoch_state)
    )
    with recipe.autocast(device):
        used = recipe.as_used(model)
        validation = evaluate(used, stoppable(valid), batch_size=recipe.at_once)
        if test is valid:
            measured["test_accuracy"] = validation.accuracy
        elif test is not None:
            tested = evaluate(used, stoppable(test), batch_size=recipe.at_once)
            measured["test_accuracy"] = tested.accuracy
        measured |= recipe.after_epoch(model, stoppable(valid))
    return {
        "epoch": epoch,
        "loss": mean_loss,
        "train_accuracy": all_reduce_scalar(epoch_state.correct.item()) / epoch_state.seen,
        "valid_accuracy": validation.accuracy,
        "valid_loss": validation.loss,
        **measured,
        "sample_timesteps": round(all_reduce_scalar(epoch_state.sample_timesteps)),
        "cpu_seconds": cpu_seconds,
        "seconds": epoch_state.seconds,
    }
