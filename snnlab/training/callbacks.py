"""Between two batches: where a training is, for somebody who looks at it or stops it there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from snnlab.training.distributed import all_reduce_sum, rank_and_world_size
from snnlab.training.state import EpochState, TrainState


class Stopped(Exception):
    """Raised by an `on_batch`: the training writes its checkpoint, from which it can go on, and ends with this exception."""


@dataclass(frozen=True)
class Moment:
    """What there is to see at the start, before each batch of training or validation, and at the end.

    Looking must change none of it.

    Attributes:
        model: the network: at the start as it came, before a checkpoint is read, and at the end as
            it is kept.
        recipe: how it is trained.
        valid: what it is validated on.
        history: a line for each epoch that is finished.
        tally: what was counted in the epoch that is under way; None at the start and at the end.
        batches: of training in an epoch.
        checkpoint: the file from which the training can go on; None without one.
    """

    model: nn.Module
    recipe: Any
    valid: Any
    history: list[dict[str, float]]
    tally: EpochState | None
    batches: int
    checkpoint: Path | None

    @property
    def at_start(self) -> bool:
        """Whether the training has not begun."""
        return self.tally is None and not self.history

    @property
    def done(self) -> float:
        """How many epochs are done, with the share of the one that is under way."""
        return len(self.history) + (
            self.tally.batches / self.batches if self.tally is not None else 0
        )

    def from_afar(self) -> "Moment":
        """The same without network, data and sums: little enough for another process to be told of it."""
        nothing: Any = None
        return replace(
            self,
            model=nothing,
            valid=None,
            tally=None if self.tally is None else self.tally.place(),
        )

    def __str__(self) -> str:
        """`epoch 3 of 12, batch 17 of 32`, where both are the ones under way."""
        epochs, name = self.recipe.epochs, getattr(self.recipe, "name", "")
        place = f"{name}: " if name else ""
        if self.tally is None:
            return f"{place}{len(self.history)} of {epochs} epochs"
        batch = self.tally.batches + 1
        what = f"batch {batch} of {self.batches}" if batch <= self.batches else "validation"
        return f"{place}epoch {len(self.history) + 1} of {epochs}, {what}"


class Between:
    """What happens between two batches: process 0 looks, and all processes save, wait or stop there.

    What they have to agree on travels with the number of their samples, which is summed anyway.

    Args:
        state: what is saved.
        on_batch: called in process 0, where it may wait or raise `Stopped`; None for nobody who
            looks, in any process.
        moment: what it is given, made of a tally.
    """

    def __init__(
        self,
        state: TrainState,
        on_batch: Callable[[Moment], object] | None,
        moment: Callable[[EpochState | None], Moment],
    ) -> None:
        self._state, self._on_batch, self._moment = state, on_batch, moment

    def __call__(self, tally: EpochState | None, samples: int = 0) -> int:
        """Before a batch of training, of which this process has `samples`, returns how many all of them have.

        Each process has to call this as often as the others.

        Raises:
            Stopped: `on_batch` raised it; the checkpoint is written where there is a tally.
        """
        if self._on_batch is None and not samples:
            return 0
        stop, aside, first = False, 0.0, rank_and_world_size()[0] == 0
        if self._on_batch is not None and first:
            began = 0.0 if tally is None else tally.started
            try:
                self._on_batch(self._moment(tally))
            except Stopped:
                stop = True
            aside = 0.0 if tally is None else tally.started - began
        due = samples > 0 and self._state.due()  # true in process 0 alone, as all of what it says
        said = (
            round(1000 * aside) << 2 | stop << 1 | due
        )  # one number: gloo takes a third longer for three than for two
        whole, said = map(
            round, all_reduce_sum(torch.tensor([samples, said], dtype=torch.double)).tolist()
        )
        due, stop, waited = bool(said & 1), bool(said & 2), (said >> 2) / 1000
        if tally is not None:
            if not first:
                tally.wait(waited)
            if due or stop:
                self._state.save(tally)
        if stop:
            raise Stopped
        return whole


class Interrupted:
    """A set whose batches are interrupted: before each, `look` is called, in all processes equally often."""

    def __init__(self, data: Any, look: Callable[[], object]) -> None:
        self._data, self._look = data, look

    @property
    def labels(self) -> Tensor:
        return self._data.labels

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return self._data.batch(index)

    def batches(self, batch_size: int, **options: Any) -> Iterator[tuple[Tensor, Tensor]]:
        batches = iter(self._data.batches(batch_size, **options))
        for _ in range(-(-len(self) // batch_size)):
            batch = next(batches, None)
            self._look()
            if batch is not None:  # of the last one, perhaps not every process has a part
                yield batch
