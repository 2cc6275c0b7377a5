"""How a network is trained: what all recipes have in common."""

import dataclasses
import math
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast, get_args, get_origin

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab.data.protocols import Batches

Keep = Literal["best", "last"]
LOWEST_SEED, HIGHEST_SEED = -(2**63), 2**63 - 1  # what torch.manual_seed takes


@dataclass(frozen=True)
class Recipe:
    """How to train a network. A subclass says which optimisers, and what is special about its networks.

    Raises:
        SnnlabError: a value has another type, or a number is out of its range.
    """

    epochs: int
    batch_size: int
    seed: int = 0  # of data order and dropout; each epoch draws from (seed, epoch) alone
    device: str = "auto"  # "auto", "cpu" or "cuda"
    # Parts of a batch that go through the network one by one, their gradients summed
    accumulate: int = 1
    keep: Keep = "best"  # the epoch whose parameters stay: best on validation, or the last

    LEAST_EPOCHS: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_numbers(self, low=self.LEAST_EPOCHS, names=("epochs",))
        check_numbers(self, low=1, names=("batch_size", "accumulate"))
        check_numbers(self, low=LOWEST_SEED, high=HIGHEST_SEED, names=("seed",))
        _check_texts(self)
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

        Called again where a training goes on in the middle of the epoch, so it has to follow from
        the epoch alone.
        """
        return {}

    def before_step(self, model: Any, optimisers: list[torch.optim.Optimizer], done: float) -> None:
        """Called before each step of the optimisers; `done` is the share of the whole training, from 0 to below 1."""

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


def check_numbers(
    recipe: Recipe, *, low: float, names: Iterable[str], high: float = sys.float_info.max
) -> None:
    """Raise unless these fields hold numbers in a range, whole ones where their type is int.

    Args:
        recipe: whose fields are checked.
        low, high: the limits; both are allowed values.
        names: of the fields, each of a number or of a tuple of numbers.

    Raises:
        SnnlabError: a field holds something else.
    """
    types = {field.name: field.type for field in dataclasses.fields(recipe)}
    for name in names:
        value, kind = getattr(recipe, name), types[name]
        several = get_origin(kind) is tuple
        whole = (get_args(kind)[0] if several else kind) is int
        items = value if several and isinstance(value, list | tuple) else (value,)
        right = isinstance(value, list | tuple) or not several
        number = Integral if whole else Real
        if not (right and all(_in_range(item, number, low, high) for item in items)):
            expected = "a whole number" if whole else "a number"
            if several:
                expected = f"a tuple, such as (2, 4), each {expected}"
            upto = f" to {high}" if high < sys.float_info.max else ""
            raise SnnlabError(f"{name} = {value!r}: expected {expected} from {low}{upto}.")


def _in_range(value: Any, kind: Any, low: float, high: float) -> bool:
    # not math.isfinite, which fails for whole numbers that no float can hold
    return isinstance(value, kind) and not isinstance(value, bool) and bool(low <= value <= high)


def _check_texts(recipe: Recipe) -> None:
    """Raise unless fields of texts, of tuples of texts and of truth values hold such."""
    for field in dataclasses.fields(recipe):
        value, kind = getattr(recipe, field.name), field.type
        if kind is bool and not isinstance(value, bool):
            expected = "True or False"
        elif kind is str and not isinstance(value, str):
            expected = "a text"
        elif kind == tuple[str, ...] and not (
            isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        ):
            expected = 'a tuple of names, such as ("fc",)'  # a text would be read letter by letter
        else:
            continue
        raise SnnlabError(f"{field.name} = {value!r}: expected {expected}.")
