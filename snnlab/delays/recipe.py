"""Recipe of networks with delays: optimisers, schedules, annealing of sigma, pruning."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names
from snnlab.delays import snapshots
from snnlab.delays.ablation import discretise
from snnlab.nn.activations import RampNeuron
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_kernels import SIGMA_FLOOR
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_parameters import FINAL_SIGMA
from snnlab.training.optimisers import Adam
from snnlab.training.recipe import FROM_0, Recipe


def sigma_schedule(epoch: int, *, max_delay: int, anneal_epochs: int) -> float:
    r"""Compute the effective sigma of an epoch in steps (Hammouamri et al. 2024, annealing).

    $\text{SIG}_e = \text{SIG}_0\,(0.23 / \text{SIG}_0)^{e/E}$ for $e < E$ and 0.23 afterwards, with
    $\text{SIG}_0 = L // 2$ and $\sigma = \text{SIG} + 0.27$: geometric in SIG, from half a kernel
    to half a step.

    Args:
        epoch: the epoch, counted from 0.
        max_delay: largest delay in steps (L - 1).
        anneal_epochs: E, the number of epochs of the decrease; 0 for the final width throughout.

    Returns:
        The width of the Gaussian in steps.
    """
    if epoch >= anneal_epochs:
        return FINAL_SIGMA
    end = FINAL_SIGMA - SIGMA_FLOOR
    start = max((max_delay + 1) // 2, end)
    sigma: float = start * (end / start) ** (epoch / anneal_epochs) + SIGMA_FLOOR
    return sigma


def share_schedule(epoch: int, *, kept_share: float, prune_epochs: int) -> float:
    r"""Compute the share of synapses that are left in an epoch (Zhu & Gupta 2017, equation 1).

    $s_e = s + (1 - s)\,(1 - e/E)^3$ for $e < E$ and $s$ afterwards: many synapses are removed
    early, when most are of little use, and few at the end.

    Args:
        epoch: the epoch, counted from 0.
        kept_share: s, the share at the end.
        prune_epochs: E, the number of epochs of the decrease; 0 for the final share throughout.

    Returns:
        The share of the synapses, from 0 to 1.
    """
    if epoch >= prune_epochs:
        return kept_share
    return kept_share + (1 - kept_share) * (1 - epoch / prune_epochs) ** 3


@nearest_names
@dataclass(frozen=True)
class DelayRecipe(Recipe):
    """How to train a network with delays; defaults of Hammouamri et al. 2024 for SHD.

    It trains a `DelayNet`, and any `torch.nn.Module` from `(T, B, ...)` to class scores `(B,
    classes)`: its `DelayLinear`s are found wherever they are.

    Delays have Adam with a cosine schedule to 0; all other parameters have Adam with a one-cycle
    schedule (30 % rise, cosine, beta1 from 0.95 to 0.85 and back). Both schedules move once an
    epoch. Weight decay applies to parameters with two axes or more: weights, and not batch norm,
    biases or constants of neurons. The sigma of each delay layer that is not rounded shrinks from
    half of its own kernel. In the last `whole_share` of the epochs the forward pass sees the delays
    rounded, as `discretise` rounds them, and their gradient is that of Gaussians of the last sigma
    (straight-through).

    With a `kept_share` below 1, the weakest synapses of each delay layer are removed in the first
    half of the epochs (`share_schedule`), and `fit` keeps no epoch before. Weights that are 0 at
    the start stay 0, such as those of a network that was pruned before; with a `kept_share` of 1
    they are trained. With a `delay_pull`, each training step first shortens every learned delay, a
    proximal step of an L1 penalty: unless the loss needs a delay, it becomes 0.

    Raises:
        SnnlabError: a value has another type, or is out of its range.

    Example:
        >>> recipe = DelayRecipe(epochs=12, batch_size=64)
        >>> recipe.lr_weights, recipe.lr_delays
        (0.005, 0.1)
    """

    epochs: int = 150
    batch_size: int = 256
    lr_weights: float = 5e-3  # the peak of the one-cycle schedule
    lr_delays: float = 0.1  # in time steps
    weight_decay: float = 1e-5
    # Share of the epochs in which sigma shrinks; 0 for the final sigma throughout
    anneal_share: float = 0.25
    # Share of the epochs, the last ones, in which the forward pass sees rounded delays
    whole_share: float = 0.0
    # How far the ramp of a ReLU network is sharpened by the last epoch: 1 makes it a step
    sharpen: float = 0.0
    # Share of the synapses of each delay layer that is left at the end
    kept_share: float = 1.0
    # By how many time steps a training step shortens each delay; it falls with the learning rate
    delay_pull: float = 0.0

    LIMITS = (
        Recipe.LIMITS
        | dict.fromkeys(("lr_weights", "lr_delays", "weight_decay", "delay_pull"), FROM_0)
        | dict.fromkeys(("anneal_share", "whole_share", "sharpen", "kept_share"), (0, 1))
    )

    def __post_init__(self) -> None:
        """Check all fields."""
        super().__post_init__()
        if self.kept_share == 0:
            raise SnnlabError("kept_share = 0: expected a share of the synapses above 0.")

    def optimisers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """Return Adam for all parameters but delays, and another one for delays that are learned.

        Raises:
            SnnlabError: there is nothing to train.
        """
        layers = delay_layers(model).values()
        # once each: layers may share their delays
        delays = [*dict.fromkeys(layer.P for layer in layers if layer.P.requires_grad)]
        apart = {id(parameter) for layer in layers for parameter in (layer.P, layer.SIG)}
        others = [parameter for parameter in model.parameters() if id(parameter) not in apart]
        if not any(parameter.requires_grad for parameter in (*others, *delays)):
            raise SnnlabError(f"{type(model).__name__}: has no parameter that can be trained.")
        if any(isinstance(parameter, UninitializedParameter) for parameter in others):
            raise SnnlabError(
                f"{type(model).__name__}: has lazy modules, whose parameters have no shape yet; "
                "call the network on a batch once before its training."
            )
        groups = [
            {"params": [p for p in others if p.dim() >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in others if p.dim() < 2], "weight_decay": 0.0},
        ]
        optimisers: list[torch.optim.Optimizer] = [Adam(groups, lr=self.lr_weights, fused=True)]
        if delays:
            optimisers.append(Adam(delays, lr=self.lr_delays, fused=True))
        return optimisers

    def schedulers(self, optimisers: list[torch.optim.Optimizer]) -> list[Any]:
        """Return one cycle for the weights, half a cosine for the delays."""
        # OneCycleLR cannot be built for a single step
        steps = max(self.epochs, 2)
        rising = OneCycleLR(
            optimisers[0], max_lr=self.lr_weights, total_steps=steps, cycle_momentum=True
        )
        return [
            rising,
            *(CosineAnnealingLR(falling, T_max=self.epochs) for falling in optimisers[1:]),
        ]

    def settled_from(self, model: nn.Module) -> int:
        """Return the epoch in which sigma has shrunk and the last synapses are removed.

        Where ramps are sharpened it is the last one.
        """
        if self.sharpen:
            return self.epochs
        annealed = self._whole_from if self._whole_from < self.epochs else self._anneal_epochs
        return max(annealed if _learned(model) else 0, self.kept_from(model))

    @property
    def _anneal_epochs(self) -> int:
        """Epochs in which sigma shrinks: rounded delays have the last one."""
        return min(int(self.epochs * self.anneal_share), self._whole_from)

    @property
    def _whole_from(self) -> int:
        """The first epoch whose forward pass sees rounded delays."""
        return self.epochs - round(self.epochs * self.whole_share)

    def kept_from(self, model: nn.Module) -> int:
        """Return the epoch in which the last synapses are removed."""
        return self.epochs // 2 if self.kept_share < 1 and delay_layers(model) else 0

    def before_epoch(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """Set sigma by `sigma_schedule`, remove synapses, and sharpen the ramps.

        The last epochs see rounded delays.
        """
        numbers: dict[str, float] = {}
        for layer in delay_layers(model).values():
            layer.pruned = None  # by a training before this one
            if self.kept_share < 1:
                numbers["kept_share"] = share_schedule(
                    epoch, kept_share=self.kept_share, prune_epochs=self.kept_from(model)
                )
                layer.prune(numbers["kept_share"])
        sigmas = [0.0]
        for layer in _learned(model):
            layer.straight_through = epoch >= self._whole_from
            layer.sigma = sigma = sigma_schedule(
                epoch,
                max_delay=layer.max_delay,
                anneal_epochs=self._anneal_epochs,
            )
            sigmas.append(sigma)
        ramps = [neurons for neurons in model.modules() if isinstance(neurons, RampNeuron)]
        widths = [ramp.sharpen(self.sharpen * (epoch + 1) / self.epochs) for ramp in ramps]
        return numbers | {"sigma": max(sigmas), **({"ramp_width": widths[0]} if widths else {})}

    @torch.no_grad()
    def before_step(
        self, model: nn.Module, optimisers: list[torch.optim.Optimizer], done: float
    ) -> None:
        """Shorten the delays that are learned by `delay_pull`, and not below 0."""
        layers = [layer for layer in _learned(model) if layer.P.requires_grad]
        if layers and self.delay_pull and self.lr_delays:
            steps = self.delay_pull * optimisers[-1].param_groups[0]["lr"] / self.lr_delays
            for layer in {layer.P: layer for layer in layers}.values():
                layer.P.add_(steps)  # a delay is the shorter, the larger P is
                layer.clamp_delays()

    def after_step(self, model: nn.Module) -> None:
        """Clamp the delays to 0 to `max_delay`, and set pruned weights to 0."""
        for layer in delay_layers(model).values():
            layer.clamp_delays()
            layer.zero_pruned()

    def snapshot(self, model: nn.Module) -> list[Tensor]:
        """Return a sample of the delays that are learned."""
        return snapshots.snapshot_delays(model) if _learned(model) else []

    def as_used(self, model: nn.Module) -> nn.Module:
        """Return the network with rounded delays."""
        return discretise(model)


def _learned(model: nn.Module) -> list[DelayLinear]:
    """Return the layers whose delays are not rounded."""
    return [layer for layer in delay_layers(model).values() if not layer.discrete]
