"""Recipes: how a network is trained. This module has the base class."""

import dataclasses
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast, get_origin

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import Spec, typed, whole_number
from snnlab.data.protocols import Batches

Keep = Literal["best", "last"]
SEEDS = -(2**63), 2**63 - 1  # what torch.manual_seed takes
FROM_0, FROM_1 = (0, math.inf), (1, math.inf)


@dataclass(frozen=True)
class Recipe:
    """How to train a network: the base class of recipes, whose hooks `fit` calls.

    A subclass has at least `optimisers`.

    Args:
        epochs: number of epochs.
        batch_size: samples of a training step.
        seed: of data order and dropout; each epoch draws from (seed, epoch) alone.
        device: "auto", "cpu" or "cuda".
        accumulate: parts of a batch that go through the network one by one; their gradients are
            summed.
        keep: the epoch whose parameters are kept: "best" on validation, from `kept_from` on, or
            "last".
        patience: epochs without a better one on validation after which training stops; None for all
            epochs. Those before `settled_from` do not count. Schedules are laid out for `epochs`,
            so that a training that stops early has not had their lowest learning rates.
        compile: whether the network goes through `torch.compile` in training steps; see
            `snnlab.training.compiled`.

    Raises:
        SnnlabError: a value has another type, a number is out of its range, or there is patience
            though the last epoch is kept.

    Example:
        >>> class SGDRecipe(Recipe):
        ...     def optimisers(self, model):
        ...         return [torch.optim.SGD(model.parameters(), lr=0.1)]
        >>> SGDRecipe(epochs=3, batch_size=32, accumulate=4).at_once
        8
    """

    epochs: int
    batch_size: int
    seed: int = 0
    device: str = "auto"
    accumulate: int = 1
    keep: Keep = "best"
    patience: int | None = None
    compile: bool = False

    # The lowest and highest values of fields, of each number of a tuple
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "epochs": FROM_1,
        "batch_size": FROM_1,
        "seed": SEEDS,
        "accumulate": FROM_1,
    }

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _plain(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            limits = self.LIMITS.get(field.name)
            words = field.type in (bool, str, tuple[str, ...]) or get_origin(field.type) is Literal
            if limits or words:
                low, high = limits or (-math.inf, math.inf)
                spec = Spec("", low=low, high=high, empty=True, repeats=True, path=False)
                typed(field, value, spec)
        if self.patience is not None:
            whole_number("patience", self.patience, 1)
            if self.keep == "last":
                raise SnnlabError(
                    f"patience = {self.patience}, keep = 'last': a training that stops after worse "
                    "epochs would keep one of them; expected keep = 'best', or no patience."
                )

    @property
    def at_once(self) -> int:
        """Samples that go through the network at once."""
        return math.ceil(self.batch_size / self.accumulate)

    def optimisers(self, model: Any) -> list[torch.optim.Optimizer]:
        """Return the optimisers of a network's parameters; a subclass decides."""
        raise SnnlabError(
            f"{type(self).__name__} has no optimisers; use DelayRecipe or Stage, or a subclass of "
            "Recipe that has them."
        )

    def schedulers(self, optimisers: list[torch.optim.Optimizer]) -> list[Any]:
        """Return the schedules of their learning rates, which move once an epoch."""
        return []

    def before_epoch(self, model: Any, epoch: int) -> dict[str, float]:
        """Change the network for an epoch, as a function of the epoch alone.

        A training that resumes in the middle of the epoch calls it again, and `fit` calls it at the
        end for the epoch that is kept.

        Returns:
            Numbers for the history.
        """
        return {}

    def settled_from(self, model: Any) -> int:
        """Return the first epoch from which `before_epoch` leaves the network as it is.

        `patience` counts from there, so that no training stops while the network is annealed.
        """
        return 0

    def kept_from(self, model: Any) -> int:
        """Return the first epoch that may be kept as the best one, where there is such an epoch."""
        return 0

    def before_step(self, model: Any, optimisers: list[torch.optim.Optimizer], done: float) -> None:
        """Change network or optimisers before a step.

        Args:
            model: the network.
            optimisers: its optimisers.
            done: finished share of the training, from 0 to below 1.
        """

    def after_step(self, model: Any) -> None:
        """Change the network after a step of the optimisers."""

    def after_epoch(self, model: Any, valid: Batches) -> dict[str, float]:
        """Measure the network after an epoch; return numbers for the history."""
        return {}

    def snapshot(self, model: Any) -> list[Tensor]:
        """Return tensors that the checkpoint keeps of each epoch; they should be small."""
        return []

    def as_used(self, model: Any) -> nn.Module:
        """Return the network as it will be used, which is validated."""
        return cast(nn.Module, model)

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return the precision of the network's calls.

        Parameters, optimisers and losses stay in float32.
        """
        return nullcontext()

    def time_steps(self, x: Tensor) -> int:
        """Return the time steps for which the network gets a batch `(T, B, ...)`."""
        return len(x)


def _plain(value: Any) -> Any:
    """Return a number or text of NumPy as Python's own, also those in a list or tuple.

    A checkpoint with others could not be read.
    """
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
