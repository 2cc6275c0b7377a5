"""Energy of an inference: operations and spikes a sample, from SpikingJelly's op counter."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.op_counter import ACCounter, DispatchCounterMode, MACCounter
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import OVER_TIME, Activation
from snnlab.nn.any_network import (
    NotedCall,
    delay_layers,
    evaluation_mode,
    forward_sequence,
    noted_calls,
)
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.neurons import LeakyIntegrator

aten = torch.ops.aten
SYNAPTIC = (aten.convolution.default, aten.addmm.default, aten.mm.default)
NEURONS = (Activation, neuron.BaseNode, LeakyIntegrator)
PICOJOULE_MAC, PICOJOULE_AC = 4.6, 0.9  # float32 in 45 nm: Horowitz, ISSCC 2014


@dataclass(frozen=True)
class Cost:
    """Mean cost of one sample.

    A synaptic operation is a multiplication with an addition for a real-valued input, and an
    addition alone for a spike. At the edges of a convolution, multiplications with the padding are
    counted, since a dense kernel computes them, and additions are not, since no spike comes from
    there. In a `DelayLinear`, whatever its engine, each spike is an addition at each existing
    synapse at which it arrives before the end, after the whole delay; whole numbers are counts of
    spikes. A recording in a `DelayNet` ends where its steps that count end.

    In a `DelayLinear`, the inputs of a sample are spikes if all of them are whole numbers from 0.
    In other layers, the inputs of a whole batch are spikes if all of them are 0 or 1.

    A membrane is updated in every time step, with or without spikes: a leaky one costs a
    multiplication with an addition, one without leak an addition. Comparisons with the threshold,
    resets, batch norm (which a deployed network merges into the weights), memory and LSTMs are not
    counted. So the energy is that of arithmetic alone and compares networks of one shape.

    Attributes:
        multiply_accumulates: multiplications with an addition, in synapses.
        accumulates: additions without a multiplication, in synapses.
        spikes: spikes of all neurons and time steps; 0 for an ANN.
        neurons: number of neurons, those of a readout with membranes among them.
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
    def synaptic_operations(self) -> float:
        """Operations of both kinds in synapses."""
        return self.multiply_accumulates + self.accumulates

    @property
    def neuron_picojoules(self) -> float:
        """Energy of the updates of the membranes in a 45 nm process (Horowitz, ISSCC 2014)."""
        return PICOJOULE_MAC * self.leaky_updates + PICOJOULE_AC * self.plain_updates

    @property
    def picojoules(self) -> float:
        """Energy of synapses and neurons."""
        synapses = PICOJOULE_MAC * self.multiply_accumulates + PICOJOULE_AC * self.accumulates
        return synapses + self.neuron_picojoules


@torch.no_grad()
@memory_errors("looking into a network", "a smaller one")
def cost(net: nn.Module, inputs: Iterable[Tensor]) -> Cost:
    """Count the operations of a network in its present mode; a converter's scales are merged first.

    Args:
        net: the network; one with a method `merged`, as `snnlab.transfer.conversion.Converted` has,
            is replaced by what it returns.
        inputs: batches `(T, B, ...)`.

    Returns:
        The mean cost of a sample.

    Raises:
        SnnlabError: there was no input, or a delay is not finite.

    Example:
        >>> from torch.nn import Linear
        >>> cost(Linear(3, 2), [torch.rand(1, 4, 3)]).multiply_accumulates
        6.0
    """
    if callable(merged := getattr(net, "merged", None)):
        net = merged()
    by_spikes, by_values = ACCounter(), MACCounter()
    for counter in (by_spikes, by_values):
        counter.rules = {operation: counter.rules[operation] for operation in SYNAPTIC}
        counter.ignore_modules = [DelayLinear, NotedCall, LeakyIntegrator]
    additions, products, spikes, samples = 0.0, 0.0, 0.0, 0
    neurons: dict[nn.Module, int] = {}
    layers = delay_layers(net)
    stepped: dict[str, list[Tensor]] = {}  # by layer, its inputs in `DelayLinear.step`
    updates = {"leaky": 0.0, "plain": 0.0, "": 0.0}
    ends: Tensor | None = None  # the steps that count, of each recording; None for all

    def note_ends(module: Any, args: tuple[Tensor, ...]) -> None:
        nonlocal ends
        ends = module.valid_steps(args[0]).sum(0) if module.config.padding == "fixed" else None

    def note_synapses(name: str, x: Tensor, out: Tensor) -> None:
        if x.dim() == 3:
            count_synapses(name, x, len(out))
        else:  # one step of a sequence whose end is not known yet
            stepped.setdefault(name, []).append(x.clone())

    def count_synapses(name: str, x: Tensor, steps: int) -> None:
        nonlocal additions, products
        spikes_only = ((x >= 0) & (x == x.round())).all(-1).all(0)  # of each sample, (B,)
        operations = torch.where(spikes_only[:, None], x, torch.ones_like(x))
        counted = _deliveries(layers[name], operations, steps, ends)
        additions += counted[spikes_only].sum().item()
        products += counted[~spikes_only].sum().item()

    def count_spikes(module: Any, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal spikes
        neurons[module] = out[(0,) * (2 if module.step_mode == "m" else 1)].numel()
        if ends is not None:
            out = out[_steps_left(out, len(out), ends) >= 0]  # (steps that count, N)
        if bool(((out == 0) | (out == 1)).all()) and not isinstance(module, LeakyIntegrator):
            spikes += out.sum(dtype=torch.float64).item()
        updates[_membrane_kind(module)] += out.numel()

    with ExitStack() as hooks, evaluation_mode(net):
        for module in net.modules():
            if isinstance(module, DelayNet):
                hooks.enter_context(module.register_forward_pre_hook(note_ends))
            elif isinstance(module, NEURONS):
                hooks.enter_context(module.register_forward_hook(count_spikes))
        hooks.enter_context(noted_calls(net, note_synapses))
        for x in inputs:
            stepped, ends = {}, None
            with DispatchCounterMode([by_spikes, by_values]):
                forward_sequence(net, x)
            for name, sequence in stepped.items():
                count_synapses(name, torch.stack(sequence), len(sequence))
            samples += x.shape[1]

    if not samples:
        raise SnnlabError("no input to count the operations of: expected at least one batch.")
    return Cost(
        (by_values.get_total() + products) / samples,
        (by_spikes.get_total() + additions) / samples,
        spikes / samples,
        sum(neurons.values()),
        leaky_updates=updates["leaky"] / samples,
        plain_updates=updates["plain"] / samples,
    )


def _steps_left(x: Tensor, steps: int, ends: Tensor | None) -> Tensor:
    """Return how many steps of output follow each step of input, `(T, B)`; below 0 behind the end.

    Args:
        x: the input, `(T, B, ...)`.
        steps: steps of the output.
        ends: those that count, `(B,)`; None for all of them.
    """
    if ends is None:
        ends = torch.full(x.shape[1:2], steps, device=x.device)
    return ends.to(x.device) - 1 - torch.arange(len(x), device=x.device)[:, None]


def _deliveries(layer: DelayLinear, x: Tensor, steps: int, ends: Tensor | None) -> Tensor:
    """Sum the inputs `(T, B, N_in)` of each sample, `(B,)`, by the synapses that they arrive at."""
    delays, exists = layer.whole_delays(), layer.connections  # (N_out, N_in, K)
    by_input = [values.transpose(0, 1).flatten(1) for values in (delays.long(), exists)]
    counts = torch.zeros(layer.in_features, layer.taps, device=x.device)
    counts.scatter_add_(1, by_input[0], by_input[1].to(counts.dtype))
    reached = counts.cumsum(1).T  # (L, N_in): synapses of at most so long a delay
    left = _steps_left(x, steps, ends)
    arrived = reached[left.clamp(0, layer.max_delay)] * (left >= 0)[..., None]
    return (arrived * x).sum((0, 2), dtype=torch.float64)


def _membrane_kind(module: nn.Module) -> str:
    """Return "leaky", "plain" for a membrane without a leak, or "" for an activation of an ANN."""
    if isinstance(module, Activation):
        if module.mode not in OVER_TIME:
            return ""
        return "plain" if module.mode == "soft" else "leaky"
    return "leaky" if hasattr(module, "tau") else "plain"
