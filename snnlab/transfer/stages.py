"""A stage: one network in one mode on one data set, as a recipe for `snnlab.training.trainer.fit`."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab.data.protocols import Batches
from snnlab.nn.activations import Mode, activations, ramp_bounds
from snnlab.nn.vision import VisionNet
from snnlab.nn.weight_transfer import INPUT_CONV
from snnlab.training.trainer import Keep, Recipe, check_numbers, evaluate
from snnlab.transfer.conversion import How

Optimiser = Literal["adam", "sgd"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Stage(Recipe):
    """One stage: Adam or SGD on every trainable parameter, the rate falling as half a cosine from step to step.

    A stage of 0 epochs only hands over and looks how well that does.
    """

    name: str = ""
    mode: Mode = "lif"
    steps: int = 1  # for how many time steps an image is shown
    lr: float = 1e-2
    # `config` of a network; None for that of the stage before
    network: dict[str, Any] | None = None
    data: str = "target"
    # Through SpikingJelly's converter; see `snnlab.transfer.conversion`
    convert: Literal["", How] = ""
    levels: int = 1  # of the mode "quantised"
    sharpen: bool = False  # from the ReLU1 to a step, epoch by epoch; for the mode "ramp"
    leave: tuple[str, ...] = ()  # what is not handed over
    input_conv: str = ""  # see `copy_weights`
    # Batch-norm statistics before the first epoch, if weights came from elsewhere
    reestimate: bool = True
    only: tuple[str, ...] = ()  # prefixes of the parameters that are trained: a warm-up; () for all
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    drops: tuple[int, ...] = ()  # epochs from which the rate is multiplied by `drop`, once each
    drop: float = 0.3
    # Validate the spiking twin of these many steps after every epoch, too
    twins: tuple[int, ...] = ()
    # Of convolutions and matrix products; membranes and parameters stay in float32
    precision: Precision = "float32"
    keep: Keep = "last"  # the rate ends at 0, and a ramp is only sharp at the end

    LEAST_EPOCHS: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, low=0, names=("lr", "weight_decay", "drops"))
        check_numbers(self, low=0, high=1, names=("drop",))
        check_numbers(self, low=1, names=("steps", "levels", "twins"))
        if not (self.network is None or isinstance(self.network, dict)):
            raise SnnlabError(
                f"network = {self.network!r}: expected the config of a network, a dict, "
                "or None for the network of the stage before."
            )
        known(self.mode, get_args(Mode), "mode of an activation")
        known(self.convert, ("", *get_args(How)), "way to convert")
        known(self.input_conv, ("", *INPUT_CONV), "way to adapt a first convolution")
        known(self.optimiser, get_args(Optimiser), "optimiser")
        known(self.schedule, get_args(Schedule), "schedule")
        known(self.precision, get_args(Precision), "precision")

    def optimisers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """One, for every parameter that may change."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.optimiser == "sgd":
            return [
                torch.optim.SGD(
                    parameters, lr=self.lr, momentum=0.9, weight_decay=self.weight_decay
                )
            ]
        return [
            torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)
        ]

    def enter(self, model: VisionNet, share: float = 1.0) -> dict[str, float]:
        """Put a network into the mode that it has after a share of the epochs; returns where its ramp begins and ends."""
        low, high = ramp_bounds(share) if self.sharpen else (0.0, 1.0)
        model.set_mode(self.mode, steps=self.steps, low=low, high=high, levels=self.levels)
        return {"low": low, "high": high} if self.mode == "ramp" else {}

    def before_epoch(self, model: VisionNet, epoch: int) -> dict[str, float]:
        """Sharpen the ramp."""
        return self.enter(model, (epoch + 1) / self.epochs)

    def before_step(
        self, model: nn.Module, optimisers: list[torch.optim.Optimizer], done: float
    ) -> None:
        """Set the learning rate."""
        share = (1 + math.cos(math.pi * done)) / 2 if self.schedule == "cosine" else 1.0
        # 15 / 22 * 22 is below 15
        share *= self.drop ** sum(done >= epoch / self.epochs for epoch in self.drops)
        for group in optimisers[0].param_groups:
            group["lr"] = self.lr * share

    def after_epoch(self, model: VisionNet, valid: Batches) -> dict[str, float]:
        """Validate the spiking twins: the same parameters, other activations."""
        return {
            f"twin_{steps}_accuracy": zero_shot(model, valid, steps=steps) for steps in self.twins
        }

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """torch's mixed precision; bfloat16 has the range of float32, so gradients need no scaling."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def time_steps(self, x: Tensor) -> int:
        return len(x) * self.steps


def zero_shot(net: VisionNet, data: Batches, *, steps: int, mode: Mode = "lif") -> float:
    """The accuracy of the same parameters with other activations; the network is left as it was."""
    found = [activation for _, activation in activations(net)]
    before = [(a.mode, a.low, a.high, a.levels) for a in found]
    shown = net.steps
    try:
        return evaluate(net.set_mode(mode, steps=steps), data).accuracy
    finally:
        net.steps = shown
        for activation, state in zip(found, before, strict=True):
            activation.mode, activation.low, activation.high, activation.levels = state
