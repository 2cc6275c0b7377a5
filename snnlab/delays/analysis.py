"""Synapses and kernels of single neurons in a trained network with delays.

Any network will do that has layers with delays. Delays are in steps inside a network, and in
milliseconds in all results of this module. Layers are counted from 0.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet


def named_layers(net: nn.Module) -> dict[str, DelayLinear]:
    """Return the delay layers by the names that panels and alt texts give them.

    Those of a `DelayNet` are `layer 1`, `layer 2`, ..., `readout`; those of any other network are
    the names of its modules, and a bare `DelayLinear` is `layer`.
    """
    layers = delay_layers(net)
    names = [name or "layer" for name in layers]
    if isinstance(net, DelayNet):
        names = [f"layer {number}" for number in range(1, len(layers))] + ["readout"]
    return dict(zip(names, layers.values(), strict=True))


@dataclass(frozen=True)
class Incoming:
    """The synapses of one neuron: arrays with an entry for each weight, `(S,)`.

    Attributes:
        source: number of the input.
        delay_ms: delay, ms, not rounded.
        weight: weight in the layer, on the levels of `weight_bits`, before batch norm.
    """

    source: NDArray[np.int64]
    delay_ms: NDArray[np.float32]
    weight: NDArray[np.float32]

    def strongest(self, n: int) -> "Incoming":
        """Return the `n` synapses with the largest absolute weight, the strongest first."""
        order = np.argsort(-np.abs(self.weight), kind="stable")[:n]
        return Incoming(self.source[order], self.delay_ms[order], self.weight[order])


def incoming(net: nn.Module, layer: int, neuron: int, dt_ms: float) -> Incoming:
    """Return the synapses of a neuron; those whose weight is 0 are left out.

    Args:
        net: the network.
        layer: number of the layer, from 0.
        neuron: number of the neuron in the layer, from 0.
        dt_ms: length of a step, ms.

    Raises:
        SnnlabError: there is no such layer or neuron.
    """
    synapses = layer_synapses(net, layer, neuron)
    weight = synapses.existing_weight_of(neuron).cpu()  # (N_in, K)
    exists = weight != 0
    return Incoming(
        source=exists.nonzero()[:, 0].numpy(),
        delay_ms=(synapses.delay_per_synapse[neuron].cpu()[exists] * dt_ms).numpy(),
        weight=weight[exists].numpy(),
    )


@torch.no_grad()
def neuron_kernel(net: nn.Module, layer: int, neuron: int) -> NDArray[np.float32]:
    """Return the kernel of a neuron: the weight of each input at each delay.

    Args:
        net: the network; its present sigma decides the width.
        layer: number of the layer, from 0.
        neuron: number of the neuron in the layer, from 0.

    Returns:
        `(N_in, L)`, for delays of 0 to L - 1 steps.

    Raises:
        SnnlabError: there is no such layer or neuron.
    """
    synapses = layer_synapses(net, layer, neuron)
    kernel: Tensor = synapses.kernel(slice(neuron, neuron + 1))[0]
    return kernel.cpu().numpy()


def layer_synapses(net: nn.Module, layer: int, neuron: int) -> DelayLinear:
    """Return a layer's synapses, after checking that the neuron exists.

    Raises:
        SnnlabError: there is no layer with delays, or no such layer or neuron.
    """
    layers = [*named_layers(net).items()]
    if not layers:
        raise SnnlabError(
            f"{type(net).__name__} has no layer with delays; choose a network that has one."
        )
    if not 0 <= layer < len(layers):
        raise SnnlabError(
            f"layer = {layer}: expected 0 to {len(layers) - 1}, of which the last one is "
            f"{layers[-1][0]}."
        )
    name, synapses = layers[layer]
    if not 0 <= neuron < synapses.out_features:
        raise SnnlabError(
            f"neuron = {neuron}: {name} has neurons 0 to "
            f"{synapses.out_features - 1}; choose one of them."
        )
    return synapses
