"""Between two batches: where a training is, for somebody who looks at it or stops it there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from snnlab.resume import Tally


class Stopped(Exception):
    """Raised by an `on_batch`: the training writes its checkpoint, from which it can go on, and ends with this exception."""


@dataclass(frozen=True)
class Moment:
    """What there is to see at the start, before each batch of training or validation, and at the end.

    Looking must change none of it.

    Attributes:
        model: the network: at the start as it came, before a checkpoint is read, and at the end as it is kept.
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
    tally: Tally | None
    batches: int
    checkpoint: Path | None

    @property
    def at_start(self) -> bool:
        """Whether the training has not begun."""
        return self.tally is None and not self.history

    @property
    def done(self) -> float:
        """How many epochs are done, with the share of the one that is under way."""
        return len(self.history) + (self.tally.batches / self.batches if self.tally is not None else 0)

    def __str__(self) -> str:
        """`epoch 3 of 12, batch 17 of 32`, where both are the ones under way."""
        epochs, name = self.recipe.epochs, getattr(self.recipe, "name", "")
        place = f"{name}: " if name else ""
        if self.tally is None:
            return f"{place}{len(self.history)} of {epochs} epochs"
        batch = self.tally.batches + 1
        what = f"batch {batch} of {self.batches}" if batch <= self.batches else "validation"
        return f"{place}epoch {len(self.history) + 1} of {epochs}, {what}"


class Interrupted:
    """A set whose batches are interrupted: before each, `look` is called."""

    def __init__(self, data: Any, look: Callable[[], object]) -> None:
        self._data, self._look = data, look

    @property
    def labels(self) -> Tensor:
        return self._data.labels

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return self._data.batch(index)

    def batches(self, *arguments: Any, **options: Any) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self._data.batches(*arguments, **options):
            self._look()
            yield batch
