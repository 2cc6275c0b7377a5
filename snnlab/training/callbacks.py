"""Callbacks of `fit`: the base class, what a callback is given, and how `fit` calls it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.data.protocols import Batches
from snnlab.training.distributed import all_reduce_sum, rank_and_world_size

if TYPE_CHECKING:  # the process that starts others that train need not import it
    from snnlab.training.state import EpochState, TrainState


class StopTraining(Exception):
    """Raised by a callback to stop the training.

    `fit` writes its checkpoint, in the middle of an epoch if need be, and raises this exception to
    its caller. The same call of `fit` resumes the training from the checkpoint.

    Example:
        >>> class StopAt(Callback):
        ...     def on_epoch_end(self, progress):
        ...         if progress.history[-1]["valid_accuracy"] > 0.9:
        ...             raise StopTraining
    """


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training is. A callback reads it and must not change the training by it.

    Attributes:
        model: the network. In `on_train_start` it has the parameters that `fit` was given, before a
            checkpoint is read; after the last epoch, those of the epoch that is kept.
        recipe: the recipe.
        valid: the validation set.
        history: a line for each finished epoch, as in `FitResult`.
        epoch_state: the counts of the epoch that is under way; None between epochs.
        batches_per_epoch: training batches in an epoch.
        checkpoint: the file from which the training can be resumed; None without one.
    """

    model: nn.Module
    recipe: Any
    valid: Any
    history: list[dict[str, float]]
    epoch_state: "EpochState | None"
    batches_per_epoch: int
    checkpoint: Path | None

    @property
    def epochs_done(self) -> float:
        """Finished epochs, with the finished share of the one that is under way."""
        batches = 0 if self.epoch_state is None else self.epoch_state.batches
        return len(self.history) + batches / self.batches_per_epoch

    def detached(self) -> "TrainingProgress":
        """Return a picklable copy without model, data and sums."""
        state = None if self.epoch_state is None else self.epoch_state.without_sums()
        model: Any = None
        return replace(self, model=model, valid=None, epoch_state=state)

    def __str__(self) -> str:
        """Name the epoch and batch that are under way: `epoch 3 of 12, batch 17 of 32`."""
        epochs, name = self.recipe.epochs, getattr(self.recipe, "name", "")
        prefix = f"{name}: " if name else ""
        if self.epoch_state is None:
            return f"{prefix}{len(self.history)} of {epochs} epochs"
        batch = self.epoch_state.batches + 1
        step = (
            f"batch {batch} of {self.batches_per_epoch}"
            if batch <= self.batches_per_epoch
            else "validation"
        )
        return f"{prefix}epoch {len(self.history) + 1} of {epochs}, {step}"


class Callback:
    """Base class of what `fit` calls while it trains; every hook is empty.

    Each hook may raise `StopTraining`. When several processes train one network, all of them are
    given the same callbacks, process 0 alone calls them, and the others wait and stop with it.

    Attributes:
        shows_progress: whether `fit` leaves out its own progress bar.

    Example:
        >>> import torch
        >>> from snnlab.data.datasets.toys import interaural_lags
        >>> from snnlab.delays.recipe import DelayRecipe
        >>> from snnlab.nn.delay_net import DelayNet
        >>> from snnlab.training.trainer import fit
        >>> class PrintEpochs(Callback):
        ...     def on_epoch_end(self, progress):
        ...         print(progress)
        >>> net = DelayNet(n_in=16, hidden=[4], n_classes=5, max_delay=4, tau=1.5, dropout=0.0)
        >>> data = interaural_lags(8, seed=0, steps=20)
        >>> recipe = DelayRecipe(epochs=2, batch_size=4, device="cpu")
        >>> _ = fit(net, data, data, recipe, progress=False, callbacks=[PrintEpochs()])
        1 of 2 epochs
        2 of 2 epochs
    """

    shows_progress = False

    def on_train_start(self, progress: TrainingProgress) -> None:
        """Run once at the start, before a checkpoint is read."""

    def on_epoch_start(self, progress: TrainingProgress) -> None:
        """Run before the first batch of an epoch, or of the rest of a resumed epoch."""

    def on_batch_start(self, progress: TrainingProgress) -> None:
        """Run before each batch of training and of validation."""

    def on_epoch_end(self, progress: TrainingProgress) -> None:
        """Run after each epoch, when its line is in the history and its checkpoint is written."""

    def on_train_end(self, progress: TrainingProgress) -> None:
        """Run once at the end; after `StopTraining` or another error, too."""


HOOKS = ("on_train_start", "on_epoch_start", "on_batch_start", "on_epoch_end", "on_train_end")


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Raise unless all of these are callbacks.

    Raises:
        SnnlabError: one of them is not.
    """
    if not isinstance(callbacks, Iterable):
        raise SnnlabError(
            f"callbacks: got {type(callbacks).__name__}, expected a list of callbacks, such as "
            "[callback]."
        )
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise SnnlabError(
                f"callbacks: {callback!r} is no callback; expected objects of a class that is "
                "derived from snnlab.training.callbacks.Callback."
            )


class EpochCounter(Callback):
    """Report how many epochs have become finished; those of a checkpoint are reported at once.

    Args:
        report: called with the number of epochs.
    """

    def __init__(self, report: Callable[[int], object]) -> None:
        self._report, self._reported = report, 0

    def on_train_start(self, progress: TrainingProgress) -> None:
        """Begin to count."""
        self._reported = 0

    def on_epoch_start(self, progress: TrainingProgress) -> None:
        """Report the epochs that were not reported before."""
        if epochs := len(progress.history) - self._reported:
            self._reported += epochs
            self._report(epochs)

    on_epoch_end = on_train_end = on_epoch_start


class CallbackRunner:
    """Call hooks in process 0, and save, stop or wait in all processes at the same batch.

    What the processes have to agree on travels with the number of their samples, which they sum
    anyway. A hook that no callback overrides costs nothing. As a context manager, it calls
    `on_train_start` and `on_train_end`, the latter after an error, too.

    Args:
        state: what is saved.
        callbacks: the same ones in each process.
        progress: makes what a hook is given from the state of the epoch.
    """

    def __init__(
        self,
        state: "TrainState",
        callbacks: Sequence[Callback],
        progress: "Callable[[EpochState | None], TrainingProgress]",
    ) -> None:
        self._state, self._progress = state, progress
        self._epoch_state: EpochState | None = None
        self._hooks = {
            name: [
                getattr(callback, name)
                for callback in callbacks
                if getattr(type(callback), name) is not getattr(Callback, name)
            ]
            for name in HOOKS
        }

    def __call__(self, hook: str, epoch_state: "EpochState | None" = None, samples: int = 0) -> int:
        """Call one hook of all callbacks; each process has to call this as often as the others.

        Args:
            hook: the name of the hook.
            epoch_state: the epoch that is under way; None between epochs.
            samples: this process's samples of the training batch that follows; 0 without one.

        Returns:
            The samples of that batch in all processes.

        Raises:
            StopTraining: a callback raised it; in the middle of an epoch, the state is saved.
        """
        self._epoch_state = epoch_state
        if not self._hooks[hook] and not samples:
            return 0
        stop, started = False, 0.0 if epoch_state is None else epoch_state.started
        first = rank_and_world_size()[0] == 0
        if first:
            try:
                self._call(hook)
            except StopTraining:
                stop = True
        excluded = 0.0 if epoch_state is None else epoch_state.started - started
        due = samples > 0 and self._state.due()  # only process 0 writes, so only there it is due
        # One number: gloo takes a third longer for three than for two
        flags = round(1000 * excluded) << 2 | stop << 1 | due
        sums = all_reduce_sum(torch.tensor([samples, flags], dtype=torch.double))
        total_samples, flags = int(sums[0]), int(sums[1])
        due, stop = bool(flags & 1), bool(flags & 2)
        if epoch_state is not None:
            if not first:
                epoch_state.exclude((flags >> 2) / 1000)
            if due or stop:
                self._state.save(epoch_state)
        if stop:
            raise StopTraining
        return total_samples

    def _call(self, hook: str) -> None:
        for call in self._hooks[hook]:
            call(self._progress(self._epoch_state))

    def __enter__(self) -> Self:
        self("on_train_start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self("on_train_end")
        elif rank_and_world_size()[0] == 0:  # the others may have stopped elsewhere
            self._call("on_train_end")


class CallbackBatches:
    """A data set that calls `on_batch_start` before each batch, as often in each process.

    Args:
        data: the data set.
        on_batch_start: called before each batch.
    """

    def __init__(self, data: Batches, on_batch_start: Callable[[], object]) -> None:
        self._data, self._on_batch_start = data, on_batch_start

    @property
    def labels(self) -> Tensor:
        """The labels of the data set, `(n,)`."""
        return self._data.labels

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the samples `index` of the data set."""
        return self._data.batch(index)

    def index_batches(self, batch_size: int, **options: Any) -> Sequence[Tensor]:
        """Return the indices of the data set's batches."""
        return self._data.index_batches(batch_size, **options)

    def batches(self, batch_size: int, **options: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the data set."""
        batches = iter(self._data.batches(batch_size, **options))
        for _ in range(-(-len(self) // batch_size)):
            batch = next(batches, None)
            self._on_batch_start()
            if batch is not None:  # a process may have no share of the last batch
                yield batch
