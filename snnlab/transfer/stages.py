"""A stage of transfer: one network of `snnlab.nn.vision` in one mode on one data set."""

import contextlib
import math
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names
from snnlab.data.batches.samplers import SINGLE, RankInfo
from snnlab.data.protocols import Batches, Data
from snnlab.nn.activations import Mode, ramp_bounds
from snnlab.nn.any_network import own_copy
from snnlab.nn.vision.base import VisionNet
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.nn.weight_transfer import InputConv, copy_weights, reestimate_batch_norm
from snnlab.training.distributed import all_reduce_scalar, rank_and_world_size, synchronised
from snnlab.training.evaluation import evaluate, pick_device, work_clock
from snnlab.training.experiments import ExperimentStage, StageStart
from snnlab.training.optimisers import SGD, Adam
from snnlab.training.recipe import FROM_0, FROM_1, Keep
from snnlab.transfer.conversion import Converted, How

Optimiser = Literal["adam", "sgd"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["float32", "bfloat16"]
REESTIMATE_BATCHES = 10


@nearest_names
@dataclass(frozen=True)
class Stage(ExperimentStage):
    """Training of one network in one mode: Adam or SGD, a cosine schedule from step to step.

    A stage of 0 epochs copies the weights and evaluates them. After a stage with another network
    the parameters are copied; after one with another mode they stay where they are.

    Raises:
        SnnlabError: a value has another type, or is out of its range.

    Example:
        >>> stage = Stage(name="fine-tune", mode="lif", steps=4, epochs=2, batch_size=32)
        >>> stage.optimiser, stage.schedule, stage.lr
        ('adam', 'cosine', 0.01)
    """

    mode: Mode = "lif"
    steps: int = 1  # for how many time steps an image is shown
    lr: float = 1e-2
    # Through SpikingJelly's converter; see `snnlab.transfer.conversion`
    convert: Literal["", How] = ""
    levels: int = 1  # of the mode "quantised"
    sharpen: bool = False  # from the ReLU1 to a step, epoch by epoch; for the mode "ramp"
    leave: tuple[str, ...] = ()  # prefixes of the parameters that are not copied
    input_conv: InputConv = ""  # see `copy_weights`
    # Measure the batch-norm statistics anew before the first epoch, unless it is the first stage
    reestimate: bool = True
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
    # Name of the stage's files; experiments that begin with the same stage share them
    file: str = ""

    LIMITS = (
        ExperimentStage.LIMITS
        | dict.fromkeys(("epochs", "lr", "weight_decay", "drops"), FROM_0)
        | dict.fromkeys(("steps", "levels", "twins"), FROM_1)
        | {"drop": (0, 1)}
    )

    def file_name(self, experiment: str, number: int) -> str:
        """Name the files after `file`, else after the experiment."""
        return self.file or super().file_name(experiment, number)

    def start(self, before: VisionNet | None, sets: Data) -> tuple[VisionNet, StageStart]:
        """Copy weights, convert the network, or measure its batch-norm statistics anew, as asked.

        Raises:
            SnnlabError: as `copy_weights`, or the network cannot be converted.
        """
        device = pick_device(self.device)
        net, report = before, None
        if self.network is not None:
            net = self.network.build()
            if before is not None:
                report = copy_weights(before, net, leave=self.leave, input_conv=self.input_conv)
        assert net is not None
        seconds = 0.0
        if self.convert:
            started = work_clock(device)
            net = Converted(
                cast(SmallCNN, net), some_inputs(sets.train, self, device), self.convert
            )
            seconds = work_clock(device) - started
        self.enter(net.to(device), 0.0)
        if before is None:
            return net, StageStart(seconds=seconds)
        copied = reestimated = None
        with self.autocast(device):
            copied = evaluate(net, sets.valid).accuracy
            # The converter merges batch norm into the weights
            if self.reestimate and not self.convert:
                started = work_clock(device)
                with synchronised(net):
                    part = rank_and_world_size()
                    reestimate_batch_norm(net, some_inputs(sets.train, self, device, part=part))
                seconds = all_reduce_scalar(work_clock(device) - started)
                reestimated = evaluate(net, sets.valid).accuracy
        return net, StageStart(report, copied, reestimated, seconds)

    def optimisers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """Return one optimiser of all trainable parameters."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.optimiser == "sgd":
            return [SGD(parameters, lr=self.lr, momentum=0.9, weight_decay=self.weight_decay)]
        return [Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)]

    def enter(self, model: VisionNet, share: float = 1.0) -> dict[str, float]:
        """Set the mode that a network has after a share of the epochs; return its ramp's ends.

        Raises:
            SnnlabError: it is no network of `snnlab.nn.vision`.
        """
        if not isinstance(model, VisionNet):
            raise SnnlabError(
                f"a Stage trains a network of snnlab.nn.vision, got {type(model).__name__}; train "
                "it with a DelayRecipe."
            )
        low, high = ramp_bounds(share) if self.sharpen else (0.0, 1.0)
        model.set_mode(self.mode, steps=self.steps, low=low, high=high, levels=self.levels)
        return {"low": low, "high": high} if self.mode == "ramp" else {}

    def settled_from(self, model: VisionNet) -> int:
        """Return 0, or the number of epochs where the ramp is sharpened to the end."""
        return self.epochs if self.sharpen else 0

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
        """Return torch's mixed precision; bfloat16 needs no scaling of gradients."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def time_steps(self, x: Tensor) -> int:
        """Return the time steps of a batch."""
        return len(x) * self.steps


def zero_shot(net: VisionNet, data: Batches, *, steps: int) -> float:
    """Evaluate the same parameters with the spiking activations of the mode `lif`.

    Args:
        net: the network, which is not changed.
        data: the samples to evaluate it on.
        steps: time steps for which each sample is shown.

    Returns:
        The accuracy.
    """
    return evaluate(own_copy(net).set_mode("lif", steps=steps), data).accuracy


def some_inputs(
    train: Batches, stage: Stage, device: torch.device, *, part: RankInfo = SINGLE
) -> list[Tensor]:
    """Return a few batches, or this rank's share of each, for batch-norm statistics."""
    order = torch.Generator().manual_seed(stage.seed)
    batches = train.batches(stage.batch_size, generator=order, part=part)
    return [x.to(device) for x, _ in islice(batches, REESTIMATE_BATCHES)]
