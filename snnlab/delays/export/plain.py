r"""A network as plain arrays: one list of synapses a layer, with batch norm folded into it.

Every layer computes, in float64,

$$ H_i[t] = (1 - 1/\tau_i)\,V_i[t-1] + b_i + \sum_{s:\,\text{target}_s = i} w_s\,
S_{\text{source}_s}[t - d_s], \qquad S_i[t] = \Theta(H_i[t] - \vartheta_i), $$

and $V_i[t] = 0$ after a spike, otherwise $H_i[t]$. The readout never fires ($\vartheta = \infty$)
and gives H.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import layer, surrogate
from torch import nn

from snnlab._utils.arrays import time_step
from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.delays.arrivals import bn_affine
from snnlab.nn.activations import RampNeuron
from snnlab.nn.any_network import check_network
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.neurons import LIF, LeakyIntegrator

Array = np.ndarray[Any, Any]

SUPPORTED = (
    DelayNet,
    DelayLinear,
    LIF,
    LeakyIntegrator,
    nn.ModuleList,
    nn.BatchNorm1d,
    layer.Dropout,
    surrogate.SurrogateFunctionBase,
)


@dataclass(frozen=True)
class PlainLayer:
    r"""Synapses and neurons of a layer; S synapses, N neurons.

    Attributes:
        source: input channel of each synapse, (S,) of int64.
        target: neuron of each synapse, (S,) of int64.
        delay: in steps, (S,) of int64.
        weight: (S,) of float64, with the factor of batch norm.
        bias: current of every step, (N,) of float64.
        tau: membrane time constant in steps, (N,) of float64.
        threshold: $\vartheta$, (N,) of float64; infinite for neurons that never fire.
    """

    source: Array
    target: Array
    delay: Array
    weight: Array
    bias: Array
    tau: Array
    threshold: Array


@dataclass(frozen=True)
class PlainNetwork:
    """A chain of layers.

    Attributes:
        n_in: input channels.
        layers: the hidden layers and the readout.
        dt_ms: length of a time step, ms.
        tail: steps after the last input spike that still count for the scores.
    """

    n_in: int
    layers: tuple[PlainLayer, ...]
    dt_ms: float
    tail: int

    def arrays(self) -> dict[str, Array]:
        """Return all numbers by name: those of a layer have its number, as `weight_0`."""
        named = {
            f"{name}_{number}": value
            for number, plain in enumerate(self.layers)
            for name, value in vars(plain).items()
        }
        numbers = {
            "layers": len(self.layers),
            "n_in": self.n_in,
            "tail": self.tail,
            "dt_ms": self.dt_ms,
        }
        return {name: np.array(number) for name, number in numbers.items()} | named


@torch.no_grad()
def describe(model: nn.Module, dt_ms: float | None = None) -> PlainNetwork:
    """Describe a `DelayNet` by plain arrays: delays rounded as by `discretise`, batch norm folded.

    Args:
        model: the network.
        dt_ms: length of a time step, ms; None for that of its `config`.

    Raises:
        SnnlabError: a layer cannot be exported, a delay is not finite, or the length of a time
            step is unknown, not above 0, or not that of the `config`.

    Example:
        >>> plain = describe(DelayNet(5, [3], 2, max_delay=4, tau=2.0, dt_ms=10))
        >>> [len(layer.weight) for layer in plain.layers], plain.layers[0].tau
        ([15, 6], array([2., 2., 2.]))
    """
    check_exportable(model)
    assert isinstance(model, DelayNet)
    config = model.config
    step_ms = time_step(dt_ms, config.dt_ms, type(model).__name__)
    net = discretise(model).cpu().double()
    layers = []
    for number, synapses in enumerate(net.synapses):
        assert isinstance(synapses, DelayLinear)
        exists = synapses.connections
        target, source, _ = exists.nonzero(as_tuple=True)
        scale, bias = bn_affine(net, number)
        weight = synapses.existing_weight * scale[:, None, None]
        threshold = np.inf
        if number < len(config.hidden):
            neurons: Any = net.neurons[number]
            threshold = float(neurons.v_threshold)
        size = synapses.out_features
        layers.append(
            PlainLayer(
                source=source.numpy(),
                target=target.numpy(),
                delay=synapses.delay_per_synapse.expand_as(exists)[exists].long().numpy(),
                weight=weight[exists].numpy(),
                bias=bias.double().numpy(),
                tau=np.broadcast_to(np.asarray(config.taus[number], dtype=float), size).copy(),
                threshold=np.full(size, threshold),
            )
        )
    return PlainNetwork(config.n_in, tuple(layers), step_ms, net.tail)


def check_exportable(model: nn.Module) -> None:
    """Refuse a network with a layer that an exported network cannot have.

    Raises:
        SnnlabError: the message names the layer and the reason.
    """
    check_network(model)
    kind = type(model).__name__
    if not isinstance(model, DelayNet):
        raise SnnlabError(
            f"{kind} cannot be exported: in which order a class of one's own calls its layers, and "
            "whether it feeds spikes back, is not known. Export a spiking DelayNet."
        )
    for name, module in model.named_modules():
        reason = "" if isinstance(module, SUPPORTED) else "has no counterpart there"
        if isinstance(module, RampNeuron):  # a leaky integrator, too
            reason = "sends a ramp where an exported neuron sends spikes"
        if reason:
            raise SnnlabError(
                f"{kind} cannot be exported: its layer {name} ({type(module).__name__}) {reason}. "
                "Export a spiking DelayNet, which has delays, batch norm, LIF neurons and a leaky "
                "readout."
            )
    if model.config.padding == "reference":
        raise SnnlabError(
            "a DelayNet with padding = 'reference' cannot be exported: it cuts off the spikes of "
            "each hidden layer at another step, and an exported network runs on; train it with "
            "padding = 'fixed', or import its checkpoint so."
        )
