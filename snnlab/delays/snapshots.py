"""The delays after each epoch of a training, a sample of which stays in the checkpoint.

Of each layer up to `MAX_SYNAPSES` delays are stored, evenly spaced among those that exist, in
float16: at most 4 kB a layer and epoch, 1.8 MB for the paper's network and its 150 epochs. The
error is below a hundredth of a step up to 32 steps.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.network_config import NetworkConfig
from snnlab.training import checkpoints

MAX_SYNAPSES = 2048


def sample_synapses(layer: DelayLinear) -> Tensor:
    """Choose synapses: positions in `delay_per_synapse.flatten()`, `(S,)`, always the same."""
    existing = torch.arange(layer.weight.numel())
    if layer.n_connections is not None:
        existing = existing[layer.mask.cpu().expand(layer.weight.shape).flatten()]
    count = min(MAX_SYNAPSES, len(existing))
    return existing[torch.arange(count) * len(existing) // count]


def snapshot_delays(model: nn.Module) -> list[Tensor]:
    """Return the sampled delays of each layer in steps, `(S,)` float16 on the CPU."""
    return [
        layer.delay_per_synapse.flatten()[sample_synapses(layer).to(layer.P.device)].half().cpu()
        for layer in delay_layers(model).values()
    ]


@dataclass(frozen=True)
class DelayTrajectory:
    """How the sampled delays of one layer changed during the training.

    Attributes:
        epochs: number of finished epochs, `(E,)`; 0 is before the first.
        neurons: neuron of each synapse, `(S,)`.
        inputs: input of each synapse, `(S,)`.
        delay_ms: delays, `(E, S)` ms.
    """

    epochs: NDArray[np.int64]
    neurons: NDArray[np.int64]
    inputs: NDArray[np.int64]
    delay_ms: NDArray[np.float32]

    @property
    def moved_ms(self) -> NDArray[np.float32]:
        """Mean distance of the delays from their start, `(E,)` ms."""
        distance: NDArray[np.float32] = np.abs(self.delay_ms - self.delay_ms[0]).mean(1)
        return distance


def delay_trajectory(path: str | Path, net: nn.Module, dt_ms: float) -> list[DelayTrajectory]:
    """Read how the delays of each layer changed during the training.

    Args:
        path: the checkpoint, or a file of a `state_dict` alone.
        net: its network.
        dt_ms: length of a step, ms.

    Returns:
        One trajectory a layer; an empty list if the file has no snapshots.

    Raises:
        SnnlabError: as `checkpoints.load`, or the checkpoint is of another network.
    """
    if checkpoints.is_state(checkpoints.read(path)):
        return []
    described = getattr(net, "config", None)
    network = described if isinstance(described, NetworkConfig) else None
    stored = checkpoints.load(path, network=network).get("snapshots", {})
    trajectories: list[DelayTrajectory] = []
    with checkpoints.as_written(path):
        if not stored:
            return []
        epochs = np.array([*stored], dtype=np.int64)
        for number, layer in enumerate(delay_layers(net).values()):
            where = sample_synapses(layer)
            steps = torch.stack([snapshot[number] for snapshot in stored.values()]).float()
            if steps.shape[1] != len(where):
                raise SnnlabError(
                    f"{path}: has {steps.shape[1]} delays of layer {number + 1}, expected "
                    f"{len(where)}; it was written by another snnlab. Train again to see how the "
                    "delays moved."
                )
            neuron, source = np.divmod((where // layer.kernel_count).numpy(), layer.in_features)
            trajectories.append(DelayTrajectory(epochs, neuron, source, (steps * dt_ms).numpy()))
    return trajectories
