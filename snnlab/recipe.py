"""How a network is trained: what all recipes have in common, and what they need of data."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Protocol, cast, get_args

import torch
from torch import Tensor, nn

from snnlab.data.order import WHOLE, Part
from snnlab.errors import SnnlabError
from snnlab.parameters import known

Keep = Literal["best", "last"]


class Batches(Protocol):
    """What training and evaluation need of data: its size, its labels `(n,)`, and batches `(T, B, ...)` with theirs `(B,)`."""

    @property
    def labels(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]: ...

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, part: Part = WHOLE, first: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]: ...


class Data(Protocol):
    """A data set with its three parts."""

    @property
    def train(self) -> Batches: ...
    @property
    def valid(self) -> Batches: ...
    @property
    def test(self) -> Batches: ...


@dataclass(frozen=True)
class Recipe:
    """How to train a network. A subclass says which optimisers, and what is special about its networks.

    Raises:
        SnnlabError: a number is out of its range.
    """

    epochs: int
    batch_size: int
    seed: int = 0  # of data order and dropout; each epoch draws from (seed, epoch) alone
    device: str = "auto"  # "auto", "cpu" or "cuda"
    accumulate: int = 1  # parts of a batch that go through the network one by one, their gradients summed
    keep: Keep = "best"  # the epoch whose parameters stay: best on validation, or the last

    LEAST_EPOCHS: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_numbers(self, low=self.LEAST_EPOCHS, names=("epochs",))
        check_numbers(self, low=1, names=("batch_size", "accumulate"))
        known(self.keep, get_args(Keep), "epoch to keep")

    @property
    def at_once(self) -> int:
        """How many samples the network sees at once."""
        return math.ceil(self.batch_size / self.accumulate)

    def optimisers(self, model: Any) -> list[torch.optim.Optimizer]:
        """The optimisers of a network's parameters."""
        raise NotImplementedError

    def schedulers(self, optimisers: list[torch.optim.Optimizer]) -> list[Any]:
        """The schedules of their learning rates, which move once an epoch."""
        return []

    def before_epoch(self, model: Any, epoch: int) -> dict[str, float]:
        """Change the network for an epoch; what is returned goes into the history.

        Called again where a training goes on in the middle of the epoch, so it has to follow from the epoch alone.
        """
        return {}

    def before_step(self, model: Any, optimisers: list[torch.optim.Optimizer], done: float) -> None:
        """Called before each step of the optimisers; `done` is the share of the whole training, from 0 to below 1."""

    def augmented(self, model: Any, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What a batch `(T, B, ...)` for training becomes, and its labels `(B,)` or shares of the classes `(B, classes)`."""
        return x, y

    def after_step(self, model: Any) -> None:
        """Called after each step of the optimisers."""

    def after_epoch(self, model: Any, valid: Batches) -> dict[str, float]:
        """Called after each epoch; what is measured here goes into the history."""
        return {}

    def snapshot(self, model: Any) -> list[Tensor]:
        """What of the network is to be seen later as it was at this epoch: little, for the checkpoint keeps it of each."""
        return []

    def as_used(self, model: Any) -> nn.Module:
        """The network as it will be used, on which it is validated."""
        return cast(nn.Module, model)

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision in which the network is called; parameters, optimisers and losses stay in float32."""
        return nullcontext()

    def time_steps(self, x: Tensor) -> int:
        """For how many time steps a batch `(T, B, ...)` is shown."""
        return len(x)


def check_numbers(recipe: Recipe, *, low: float, names: Iterable[str]) -> None:
    """Raise unless these fields are finite numbers from `low`, whole ones where their type is int."""
    whole = {field.name for field in dataclasses.fields(recipe) if field.type is int}
    for name in names:
        value = getattr(recipe, name)
        fits = isinstance(value, Integral if name in whole else Real)
        if not (fits and math.isfinite(value) and value >= low):
            expected = "a whole number" if name in whole else "a number"
            raise SnnlabError(f"{name} = {value!r}: expected {expected} from {low}.")
