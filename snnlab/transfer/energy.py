"""What an inference costs: operations and spikes a sample, counted with SpikingJelly's op counter."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.op_counter import ACCounter, DispatchCounterMode, MACCounter
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import Activation
from snnlab.transfer.conversion import Converted

SYNAPTIC = ("aten.convolution.default", "aten.addmm.default", "aten.mm.default")
NEURONS = (Activation, neuron.BaseNode)  # the latter those of a converter
PICOJOULE_MAC, PICOJOULE_AC = 4.6, 0.9  # float32 in 45 nm: Horowitz, ISSCC 2014


@dataclass(frozen=True)
class Cost:
    """Of one sample, on average.

    A synaptic operation is a multiplication with an addition where the input is a number, and an
    addition alone, only for inputs that are 1, where it is a spike. Where a convolution reaches
    over the edge, multiplications with the padding count, since a dense kernel does them, and
    additions do not, since no spike comes from there. Batch norm (which a deployed network merges
    into the weights), neurons and memory are left out, and so is an LSTM, which the counter does
    not see, so the energy is that of arithmetic alone: good for comparing networks of one shape, no
    more.
    """

    multiply_accumulates: float
    accumulates: float
    spikes: float  # of all neurons and time steps; 0 for an ANN
    neurons: int

    @property
    def picojoules(self) -> float:
        """Energy of the synaptic operations in a 45 nm process."""
        return PICOJOULE_MAC * self.multiply_accumulates + PICOJOULE_AC * self.accumulates


@torch.no_grad()
@memory_errors("looking into a network", "a smaller one")
def cost(net: nn.Module, inputs: Iterable[Tensor]) -> Cost:
    """Count what `net` does for some inputs `(T, B, ...)`, in the mode it is in; scales of a converter are merged first.

    Raises:
        SnnlabError: there was no input.
    """
    if isinstance(net, Converted):
        net = net.merged()
    additions, products = ACCounter(), MACCounter()
    spikes, neurons, samples = 0.0, 0, 0
    training = net.training

    def look(module: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal spikes, neurons
        if bool(((out == 0) | (out == 1)).all()):
            spikes += out.sum().item()
        neurons += out[0, 0].numel()

    hooks = [
        module.register_forward_hook(look)
        for module in net.modules()
        if isinstance(module, NEURONS)
    ]
    net.eval()
    try:
        for x in inputs:
            neurons = 0
            with DispatchCounterMode([additions, products]):
                net(x)
            samples += x.shape[1]
    finally:
        for hook in hooks:
            hook.remove()
        net.train(training)

    if not samples:
        raise SnnlabError("no input to count the operations of: expected at least one batch.")

    def synaptic(counter: ACCounter | MACCounter) -> float:
        return (
            sum(
                n
                for operation, n in counter.get_counts()["Global"].items()
                if str(operation) in SYNAPTIC
            )
            / samples
        )

    return Cost(synaptic(products), synaptic(additions), spikes / samples, neurons)
