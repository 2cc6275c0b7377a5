"""What the delays of a network were after each epoch: a sample of them, small enough to stay in the checkpoint.

Of each layer up to `SYNAPSES` delays are kept, evenly spaced among those that exist, in float16: 4
kB a layer and epoch at most, 1.8 MB for the paper's network and its 150 epochs. Up to 32 steps that
is exact to a hundredth of a step.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_linear import DelayLinear, delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints

SYNAPSES = 2048


def sampled(layer: DelayLinear) -> Tensor:
    """Which delays of a layer are kept: positions (S,) in `layer.delay.flatten()`, the same at every time."""
    there = torch.arange(layer.delay.numel())
    if layer.n_connections is not None:
        there = there[layer.mask.cpu().expand(layer.delay.shape).flatten()]
    chosen = torch.arange(min(SYNAPSES, len(there))) * len(there) // min(SYNAPSES, len(there))
    return there[chosen]


def snapshot_delays(model: nn.Module) -> list[Tensor]:
    """The sampled delays of each layer in steps, (S,) float16 on the CPU."""
    return [
        layer.delay.flatten()[sampled(layer).to(layer.delay.device)].half().cpu()
        for layer in delay_layers(model)
    ]


@dataclass(frozen=True)
class DelayTrajectory:
    """How the sampled delays of one layer moved.

    Attributes:
        epochs: (E,) how many epochs of training were over; 0 is before the first.
        neurons, inputs: (S,) whose synapses they are.
        delay_ms: (E, S) ms.
    """

    epochs: NDArray[np.int64]
    neurons: NDArray[np.int64]
    inputs: NDArray[np.int64]
    delay_ms: NDArray[np.float32]

    @property
    def moved_ms(self) -> NDArray[np.float32]:
        """(E,) how far the delays are from where they began, on average."""
        return np.abs(self.delay_ms - self.delay_ms[0]).mean(1)


def delay_trajectory(path: str | Path, net: DelayNet, dt_ms: float) -> list[DelayTrajectory]:
    """What a checkpoint tells of the way of its delays, layer by layer; an empty list if it tells nothing.

    Args:
        path: the checkpoint.
        net: its network.
        dt_ms: length of a step, ms.

    Raises:
        SnnlabError: as `checkpoints.load`, or the checkpoint is of another network.
    """
    kept = checkpoints.load(path, network=net.config).get("snapshots", {})
    found: list[DelayTrajectory] = []
    with checkpoints.as_written(path):
        if not kept:
            return []
        epochs = np.array([*kept], dtype=np.int64)
        for number, layer in enumerate(delay_layers(net)):
            where = sampled(layer)
            steps = torch.stack([snapshot[number] for snapshot in kept.values()]).float()
            if steps.shape[1] != len(where):
                raise SnnlabError(
                    f"{path}: keeps {steps.shape[1]} delays of layer {number + 1}, {len(where)} were expected; it was "
                    "written by another snnlab. Train again to see how the delays moved."
                )
            neuron, source = np.divmod((where // layer.kernel_count).numpy(), layer.in_features)
            found.append(DelayTrajectory(epochs, neuron, source, (steps * dt_ms).numpy()))
    return found
