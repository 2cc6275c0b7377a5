"""Simulation of one recording spike by spike: when spikes arrive, and when neurons fire."""

from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.delays.analysis import layer_synapses
from snnlab.nn.any_network import delay_layers, forward_sequence, noted_calls
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.lif_scan import membrane
from snnlab.nn.network_config import Tau
from snnlab.nn.neurons import LIF, LeakyIntegrator, leak
from snnlab.training.evaluation import device_of


@dataclass(frozen=True)
class SimulatedRecording:
    """Input, membranes and spikes of each layer; T' steps are the recording and the network's tail.

    Attributes:
        inputs: `(T', N_in)` of each layer: the recording, then the spikes of each hidden layer.
        charge: membrane H before the reset, `(T', N_out)`; a hidden neuron fires at 1, the readout
            never. In a network that is no `DelayNet`, the current of all arriving spikes.
        fired: spikes, 0 or 1, `(T', N_out)` of each hidden layer of a `DelayNet`.
    """

    inputs: list[Tensor]
    charge: list[Tensor]
    fired: list[Tensor]


@torch.no_grad()
def simulate(net: nn.Module, recording: Tensor) -> SimulatedRecording:
    """Simulate a network with rounded delays on one recording.

    It adds spike by spike instead of a convolution, which is many times as fast for a single
    recording. Up to floating-point rounding the result is that of `discretise(net).activity`. What
    the neurons of a network are that is no `DelayNet` is not known: it is called once, and the
    input of each delay layer is recorded.

    Args:
        net: the network.
        recording: spike counts or features, `(T, N_in)`; for a network that is no `DelayNet`, one
            sample as it expects it, `(T, ...)`.

    Returns:
        Input, membranes and spikes of each layer.

    Raises:
        SnnlabError: the recording has another number of inputs, or is empty; or a delay layer is
            not called.

    Example:
        >>> net = DelayNet(n_in=2, hidden=[3], n_classes=2, max_delay=4, tau=2.0).eval()
        >>> recording = simulate(net, torch.eye(2))
        >>> [tuple(charge.shape) for charge in recording.charge]
        [(6, 3), (6, 2)]
    """
    layers = [*delay_layers(net).values()]
    inputs, charge, fired = (list[Tensor]() for _ in range(3))
    if not isinstance(net, DelayNet):
        inputs = _recorded_inputs(net, recording)
        charge = [delayed(layer, x) for layer, x in zip(layers, inputs, strict=True)]
        return SimulatedRecording(inputs, charge, fired)
    n_in = net.config.n_in
    if recording.dim() != 2 or recording.shape[1] != n_in or not recording.any():
        raise SnnlabError(
            f"recording of shape {tuple(recording.shape)}: expected (T, {n_in}), time first, "
            "with at least one spike."
        )
    steps = int(recording.any(1).nonzero().max()) + 1 + net.tail
    x = torch.zeros(steps, n_in)
    x[: min(steps, len(recording))] = recording[:steps]
    for number, synapses in enumerate(layers):
        gain, offset = bn_affine(net, number)
        current = gain * delayed(synapses, x) + offset
        inputs.append(x)
        x, h = _membranes(net, number, current)
        charge.append(h)
        fired.append(x)
    return SimulatedRecording(inputs, charge, fired[:-1])


def _recorded_inputs(net: nn.Module, recording: Tensor) -> list[Tensor]:
    """Call a network with rounded delays, and return the input `(T', N_in)` of each delay layer."""
    copied = discretise(net)
    calls: dict[str, list[Tensor]] = {name: [] for name in delay_layers(copied)}

    def record(name: str, x: Tensor, _: Tensor) -> None:
        calls[name].append(x.detach().cpu()[..., 0, :].reshape(-1, x.shape[-1]))

    with noted_calls(copied, record):
        forward_sequence(copied, recording[:, None].to(device_of(copied)))
    if idle := [name for name, inputs in calls.items() if not inputs]:
        raise SnnlabError(
            f"{type(net).__name__}: its forward does not call {', '.join(idle)}, neither as a "
            "module nor by step; without its input no spike arrives."
        )
    return [torch.cat(inputs) for inputs in calls.values()]


def _membranes(
    net: nn.Module, layer: int, current: Tensor, neuron: int | None = None
) -> tuple[Tensor, Tensor]:
    """Compute spikes and membranes before the reset from currents, all `(T, N)` or of a neuron."""
    if not isinstance(net, DelayNet):
        return torch.zeros_like(current), current
    if layer == len(net.neurons):
        readout = LeakyIntegrator(_tau(net.readout, neuron))
        return torch.zeros_like(current), readout.multi_step_forward(current)
    cells = net.neurons[layer]
    assert isinstance(cells, LIF)
    v, slope = torch.zeros_like(current[0]), cells.surrogate_function
    lost = leak(_tau(cells, neuron), current)
    spikes, h, _ = membrane(current, v, leak=lost, v_threshold=cells.v_threshold, slope=slope)
    return spikes, h


def _tau(cells: LIF | LeakyIntegrator, neuron: int | None) -> Tau:
    """Return the time constants of all neurons, or that of one."""
    return cells.tau if isinstance(cells.tau, float) or neuron is None else cells.tau[neuron]


def bn_affine(net: nn.Module, layer: int) -> tuple[Tensor, Tensor]:
    """Return the gain and offset, `(N_out,)` each, by which batch norm changes a layer's input.

    Both are in units of the threshold. They are 1 and 0 in a readout, which has no batch norm, and
    in a network that is no `DelayNet`.
    """
    if not isinstance(net, DelayNet) or layer == len(net.norms):
        n_out = layer_synapses(net, layer, 0).out_features
        return torch.ones(n_out), torch.zeros(n_out)
    norm = net.norms[layer]
    assert (
        isinstance(norm, nn.BatchNorm1d)
        and norm.running_var is not None
        and norm.running_mean is not None
    )
    gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().cpu()
    return gain, norm.bias.detach().cpu() - gain * norm.running_mean.cpu()


def delayed(synapses: DelayLinear, x: Tensor) -> Tensor:
    """Apply a delay layer with rounded delays to one recording, `(T, N_in)` to `(T, N_out)`."""
    when, source = x.nonzero(as_tuple=True)
    weight = synapses.existing_weight.detach().cpu().numpy()
    delay = synapses.whole_delays().int().cpu().contiguous().numpy()
    arriving = np.zeros((synapses.out_features, len(x) + synapses.max_delay), np.float32)
    spikes = when.int().numpy(), source.int().numpy(), x[when, source].numpy()
    _add_spikes(*spikes, weight, delay, arriving)
    # Spikes that arrive after the end have no effect
    return torch.from_numpy(arriving[:, : len(x)].T)


@numba.njit(cache=True, nogil=True)
def _add_spikes(when, source, size, weight, delay, arriving):  # type: ignore[no-untyped-def]
    """Add every spike to `arriving`, `(N_out, T + max_delay)`, when it arrives.

    The outer loop is over neurons, so that a neuron's weights and delays stay in the CPU's cache.
    """
    for i in range(weight.shape[0]):
        for k in range(weight.shape[2]):
            weights, delays, total = weight[i, :, k], delay[i, :, k], arriving[i]
            for e in range(len(when)):
                total[when[e] + delays[source[e]]] += size[e] * weights[source[e]]


@dataclass(frozen=True)
class Arrivals:
    """The spikes of a recording that reach one neuron: E entries, one for each spike and weight.

    Weights of 0 are left out.

    Attributes:
        source: number of the input, `(E,)`.
        sent_ms: when the input fired, `(E,)`.
        arrived_ms: when its spike arrives, `(E,)`.
        push: by how much it moves the membrane, in units of the threshold, `(E,)`.
        rest: what is added in every step without any spike: the offset of batch norm.
        charge: the membrane before its reset, `(T',)`.
        fired_ms: when the neuron fires, `(F,)`; empty for the readout.
    """

    source: NDArray[np.int64]
    sent_ms: NDArray[np.float64]
    arrived_ms: NDArray[np.float64]
    push: NDArray[np.float32]
    rest: float
    charge: NDArray[np.float32]
    fired_ms: NDArray[np.float64]


@torch.no_grad()
def arrivals(
    net: nn.Module,
    recording: SimulatedRecording,
    layer: int,
    neuron: int,
    dt_ms: float,
    *,
    share: float = 1.0,
) -> Arrivals:
    """Compute when the spikes of a recording arrive at one neuron, and how its membrane responds.

    Args:
        net: the network.
        recording: its simulation of the recording, from `simulate`.
        layer: number of the layer, from 0.
        neuron: number of the neuron in the layer, from 0.
        dt_ms: length of a step, ms.
        share: factor from 0 to 1 of this neuron's delays, which are rounded afterwards; at 0 spikes
            arrive when they are sent. The neurons before it do not change.

    Returns:
        The arriving spikes and the membrane.

    Raises:
        SnnlabError: there is no such layer or neuron, or the share is out of its range.
    """
    synapses = layer_synapses(net, layer, neuron)
    if not 0 <= share <= 1:
        raise SnnlabError(f"share = {share!r}: expected a share of the delays from 0 to 1.")
    x = recording.inputs[layer]
    gain, offset = bn_affine(net, layer)
    weight = synapses.existing_weight_of(neuron).cpu()  # (N_in, K)
    when, source = x.nonzero(as_tuple=True)
    spike, k = (weight[source] != 0).nonzero(as_tuple=True)  # one for each arrival, (E,)
    when, source = when[spike], source[spike]
    push = gain[neuron] * x[when, source] * weight[source, k]
    arrives = when + synapses.whole_delays(share)[neuron].int().cpu()[source, k]
    current = torch.full((len(x) + synapses.max_delay,), float(offset[neuron]))
    current.index_add_(0, arrives, push)
    current = current[: len(x), None]  # spikes that arrive after the end have no effect
    spikes, charge = _membranes(net, layer, current, neuron)
    return Arrivals(
        source=source.numpy(),
        sent_ms=when.numpy() * dt_ms,
        arrived_ms=arrives.numpy() * dt_ms,
        push=push.numpy(),
        rest=float(offset[neuron]),
        charge=charge[:, 0].numpy(),
        fired_ms=spikes[:, 0].nonzero().flatten().numpy() * dt_ms,
    )


def most_delay_dependent(net: nn.Module, recording: SimulatedRecording, dt_ms: float) -> int:
    """Find the neuron of the first layer whose response depends most on its delays.

    Spikes of the recording arrive at it. Without input its membrane stays below half of the
    threshold, and with its delays it fires more often than without. Of these neurons it is the one
    that fires least without its delays, and of those the one that fires most with them. In a
    network that is no `DelayNet` it is the one whose delays raise its largest current most.

    Args:
        net: the network.
        recording: its simulation of a recording.
        dt_ms: length of a step, ms.

    Returns:
        The number of the neuron.

    Raises:
        SnnlabError: no spike arrives at any neuron.
    """
    _, offset = bn_affine(net, 0)

    def rank(neuron: int) -> tuple[float, ...]:
        with_delays, without = (
            arrivals(net, recording, 0, neuron, dt_ms, share=share) for share in (1.0, 0.0)
        )
        in_time = with_delays.arrived_ms < len(with_delays.charge) * dt_ms
        arrives = bool(with_delays.push[in_time].any())
        if not isinstance(net, DelayNet):
            return arrives, float(with_delays.charge.max() - without.charge.max())
        cells, delayed, undelayed = net.neurons[0], with_delays.fired_ms.size, without.fired_ms.size
        assert isinstance(cells, LIF)
        needs_input = bool(offset[neuron] * _tau(cells, neuron) < cells.v_threshold / 2)
        return arrives, needs_input and delayed > undelayed, -undelayed, delayed

    ranks = [rank(neuron) for neuron in range(len(offset))]
    best = max(range(len(ranks)), key=ranks.__getitem__)
    if not ranks[best][0]:
        raise SnnlabError(
            "no spike of this recording arrives in the first layer before it ends, or its neurons "
            "do not respond; choose another recording, or another network."
        )
    return best
