"""Recipe of networks with delays: optimisers, schedules, annealing of sigma."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from snnlab._utils.fields import nearest_names
from snnlab.delays import snapshots
from snnlab.delays.ablation import discretise
from snnlab.nn.activations import RampNeuron
from snnlab.nn.delay_linear import FINAL_SIGMA, SIGMA_FLOOR, delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.training.recipe import Recipe, check_numbers


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


@nearest_names
@dataclass(frozen=True)
class DelayRecipe(Recipe):
    """How to train a `DelayNet`; the defaults are those of Hammouamri et al. 2024 for SHD.

    Weights and batch norm have Adam with a one-cycle schedule (30 % rise, cosine, beta1 from 0.95
    to 0.85 and back); delays have Adam with a cosine schedule to 0. Both schedules move once an
    epoch. Weight decay applies to weights only.

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
    # How far the ramp of a ReLU network is sharpened by the last epoch: 1 makes it a step
    sharpen: float = 0.0

    def __post_init__(self) -> None:
        """Check all fields."""
        super().__post_init__()
        check_numbers(self, low=0, names=("lr_weights", "lr_delays", "weight_decay"))
        check_numbers(self, low=0, high=1, names=("anneal_share", "sharpen"))

    def optimisers(self, model: DelayNet) -> list[torch.optim.Optimizer]:
        """Return Adam for weights and batch norm, and another one for delays that are learned."""
        delays = [layer.P for layer in delay_layers(model) if layer.P.requires_grad]
        # A pruned weight is computed from a parameter of another name
        weights = [
            parameter
            for layer in delay_layers(model)
            for name, parameter in layer.named_parameters()
            if name not in ("P", "SIG")
        ]
        norms = list(model.norms.parameters())
        groups = [
            {"params": weights, "weight_decay": self.weight_decay},
            {"params": norms, "weight_decay": 0.0},
        ]
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(groups, lr=self.lr_weights, fused=True)
        ]
        if delays:
            optimisers.append(torch.optim.Adam(delays, lr=self.lr_delays, fused=True))
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

    def settled_from(self, model: DelayNet) -> int:
        """Return the epoch in which sigma has shrunk, or the last one where ramps are sharpened."""
        if self.sharpen:
            return self.epochs
        learned = model.config.delay_mode == "learned"
        return int(self.epochs * self.anneal_share) if learned else 0

    def before_epoch(self, model: DelayNet, epoch: int) -> dict[str, float]:
        """Set the sigma of learned delays by `sigma_schedule`, and sharpen the ramps."""
        sigma = 0.0
        if model.config.delay_mode == "learned":
            sigma = sigma_schedule(
                epoch,
                max_delay=model.config.max_delay,
                anneal_epochs=int(self.epochs * self.anneal_share),
            )
            for layer in delay_layers(model):
                layer.sigma = sigma
        ramps = [neurons for neurons in model.neurons if isinstance(neurons, RampNeuron)]
        widths = [ramp.sharpen(self.sharpen * (epoch + 1) / self.epochs) for ramp in ramps]
        return {"sigma": sigma, **({"ramp_width": widths[0]} if widths else {})}

    def after_step(self, model: DelayNet) -> None:
        """Clamp the delays to 0 to `max_delay`."""
        for layer in delay_layers(model):
            layer.clamp_delays()

    def snapshot(self, model: DelayNet) -> list[Tensor]:
        """Return a sample of the delays that are learned."""
        return snapshots.snapshot_delays(model) if model.config.delay_mode == "learned" else []

    def as_used(self, model: DelayNet) -> nn.Module:
        """Return the network with rounded delays."""
        return discretise(model)
