"""Energy of an inference: operations and spikes a sample, from SpikingJelly's op counter."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.op_counter import ACCounter, DispatchCounterMode, MACCounter
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import OVER_TIME, Activation
from snnlab.nn.any_network import forward_sequence
from snnlab.transfer.conversion import Converted

SYNAPTIC = ("aten.convolution.default", "aten.addmm.default", "aten.mm.default")
NEURONS = (Activation, neuron.BaseNode)  # the latter those of a converter
PICOJOULE_MAC, PICOJOULE_AC = 4.6, 0.9  # float32 in 45 nm: Horowitz, ISSCC 2014


@dataclass(frozen=True)
class Cost:
    """Mean cost of one sample.

    A synaptic operation is a multiplication with an addition for a real-valued input, and an
    addition alone for a spike. At the edges of a convolution, multiplications with the padding are
    counted, since a dense kernel computes them, and additions are not, since no spike comes from
    there. A membrane is updated in every time step, with or without spikes: a leaky one costs a
    multiplication with an addition, one without leak an addition. Comparisons with the threshold,
    resets, batch norm (which a deployed network merges into the weights), memory and LSTMs are not
    counted. So the energy is that of arithmetic alone and compares networks of one shape.

    Attributes:
        multiply_accumulates: multiplications with an addition, in synapses.
        accumulates: additions without a multiplication, in synapses.
        spikes: spikes of all neurons and time steps; 0 for an ANN.
        neurons: number of neurons.
        leaky_updates: updates of membranes with a leak: neurons times time steps.
        plain_updates: updates of membranes without a leak.
    """

    multiply_accumulates: float
    accumulates: float
    spikes: float
    neurons: int
    leaky_updates: float = 0.0
    plain_updates: float = 0.0

    @property
    def synaptic_picojoules(self) -> float:
        """Energy of the synaptic operations in a 45 nm process (Horowitz, ISSCC 2014)."""
        return PICOJOULE_MAC * self.multiply_accumulates + PICOJOULE_AC * self.accumulates

    @property
    def neuron_picojoules(self) -> float:
        """Energy of the updates of the membranes."""
        return PICOJOULE_MAC * self.leaky_updates + PICOJOULE_AC * self.plain_updates

    @property
    def picojoules(self) -> float:
        """Energy of synapses and neurons."""
        return self.synaptic_picojoules + self.neuron_picojoules


@torch.no_grad()
@memory_errors("looking into a network", "a smaller one")
def cost(net: nn.Module, inputs: Iterable[Tensor]) -> Cost:
    """Count the operations of a network in its present mode; a converter's scales are merged first.

    Args:
        net: the network.
        inputs: batches `(T, B, ...)`.

    Returns:
        The mean cost of a sample.

    Raises:
        SnnlabError: there was no input.

    Example:
        >>> from torch.nn import Linear
        >>> cost(Linear(3, 2), [torch.rand(1, 4, 3)]).multiply_accumulates
        6.0
    """
    if isinstance(net, Converted):
        net = net.merged()
    additions, products = ACCounter(), MACCounter()
    spikes, neurons, samples = 0.0, 0, 0
    updates = {"leaky": 0, "plain": 0, "": 0}
    training = net.training

    def count_spikes(module: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal spikes, neurons
        if bool(((out == 0) | (out == 1)).all()):
            spikes += out.sum().item()
        neurons += out[0, 0].numel()
        updates[_membrane_kind(module)] += out.numel()

    hooks = [
        module.register_forward_hook(count_spikes)
        for module in net.modules()
        if isinstance(module, NEURONS)
    ]
    net.eval()
    try:
        for x in inputs:
            neurons = 0
            with DispatchCounterMode([additions, products]):
                forward_sequence(net, x)
            samples += x.shape[1]
    finally:
        for hook in hooks:
            hook.remove()
        net.train(training)

    if not samples:
        raise SnnlabError("no input to count the operations of: expected at least one batch.")

    def synaptic(counter: ACCounter | MACCounter) -> float:
        counts: dict[Any, int] = counter.get_counts()["Global"]
        return sum(n for operation, n in counts.items() if str(operation) in SYNAPTIC) / samples

    return Cost(
        synaptic(products),
        synaptic(additions),
        spikes / samples,
        neurons,
        leaky_updates=updates["leaky"] / samples,
        plain_updates=updates["plain"] / samples,
    )


def _membrane_kind(module: nn.Module) -> str:
    """Return "leaky", "plain" for a membrane without a leak, or "" for an activation of an ANN."""
    if isinstance(module, Activation):
        if module.mode not in OVER_TIME:
            return ""
        return "plain" if module.mode == "soft" else "leaky"
    return "leaky" if hasattr(module, "tau") else "plain"
