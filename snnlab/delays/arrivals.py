"""One recording in a network with whole delays: when each spike arrives at a neuron, and the coincidence that makes it fire."""

from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.delays.analysis import heard_inputs, picked
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.lif_scan import membrane
from snnlab.nn.neurons import LIF, LeakyIntegrator


@dataclass(frozen=True)
class SimulatedRecording:
    """One recording in a network with whole delays. T' is the recording with the network's tail.

    Attributes:
        heard: what each layer hears, (T', N_in): the recording, then the spikes of each hidden
            layer.
        charge: the membrane H of each layer before its reset, (T', N_out); a hidden neuron fires at
            1, the readout never.
        fired: 0 or 1, (T', N_out), of each hidden layer.
    """

    heard: list[Tensor]
    charge: list[Tensor]
    fired: list[Tensor]


@torch.no_grad()
def simulate(net: DelayNet, recording: Tensor) -> SimulatedRecording:
    """Let a network with rounded delays hear one recording, (T, N_in) spike counts or features.

    Spike by spike and not as a convolution: of a single recording that is many times as fast. The
    result is that of `discretise(net).activity`, up to rounding, as long as the recording and its
    tail last.

    Raises:
        SnnlabError: the recording has another number of inputs, or nothing in it.
    """
    n_in = net.config.n_in
    if recording.dim() != 2 or recording.shape[1] != n_in or not recording.any():
        raise SnnlabError(
            f"recording of shape {tuple(recording.shape)}: expected (T, {n_in}), time first, with a spike at least."
        )
    steps = int(recording.any(1).nonzero().max()) + 1 + net.tail
    x = torch.zeros(steps, n_in)
    x[: min(steps, len(recording))] = recording[:steps]
    heard, charge, fired = [], [], []
    for number, synapses in enumerate(net.synapses):
        assert isinstance(synapses, DelayLinear)
        gain, offset = bn_affine(net, number)
        current = gain * delayed(synapses, x) + offset
        heard.append(x)
        x, h = _membranes(net, number, current)
        charge.append(h)
        fired.append(x)
    return SimulatedRecording(heard, charge, fired[:-1])


def _membranes(net: DelayNet, layer: int, current: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and membranes before the reset of a layer, or of some of its neurons, both as (T, N) like their currents."""
    if layer == len(net.neurons):
        readout = LeakyIntegrator(net.readout.tau)
        return torch.zeros_like(current), readout.multi_step_forward(current)
    cells = net.neurons[layer]
    assert isinstance(cells, LIF)
    v, slope = torch.zeros_like(current[0]), cells.surrogate_function
    spikes, h, _ = membrane(
        current, v, leak=1 / cells.tau, v_threshold=cells.v_threshold, slope=slope
    )
    return spikes, h


def bn_affine(net: DelayNet, layer: int) -> tuple[Tensor, Tensor]:
    """What batch norm makes of the sum of weighted spikes, in units of the threshold: a gain and an offset, (N_out,) each.

    The readout has neither.
    """
    if layer == len(net.norms):
        n_out = net.config.n_classes
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
    """A delay layer with whole delays on one recording, (T, N_in) to (T, N_out)."""
    when, source = x.nonzero(as_tuple=True)
    weight = (
        synapses.weight.detach()
        if synapses.n_connections is None
        else synapses.weight.detach() * synapses.mask
    )
    arriving = np.zeros((synapses.out_features, len(x) + synapses.max_delay), np.float32)
    spikes = when.int().numpy(), source.int().numpy(), x[when, source].numpy()
    _arrive(*spikes, weight.cpu().numpy(), _whole(synapses.delay, synapses).numpy(), arriving)
    return torch.from_numpy(arriving[:, : len(x)].T)  # what arrives later is not felt


def _whole(delay: Tensor, synapses: DelayLinear) -> Tensor:
    """Delays rounded as `DelayLinear.round_delays` rounds them."""
    return delay.round().clamp_(0, synapses.max_delay).int().cpu()


@numba.njit(cache=True, nogil=True)
def _arrive(when, source, size, weight, delay, arriving):  # type: ignore[no-untyped-def]
    """Add every spike to every neuron when it arrives: `arriving` (N_out, T + max_delay).

    Neuron by neuron, so that its delays, its weights and what arrives stay in the processor's
    cache.
    """
    for i in range(weight.shape[0]):
        for k in range(weight.shape[2]):
            weight_of, delay_of, felt = weight[i, :, k], delay[i, :, k], arriving[i]
            for e in range(len(when)):
                felt[when[e] + delay_of[source[e]]] += size[e] * weight_of[source[e]]


# One neuron in one recording
# ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrivals:
    """How the spikes of a recording reach one neuron: one entry a spike and weight, each (E,), and its membrane, (T',).

    Attributes:
        source: the input.
        sent_ms, arrived_ms: when it fired, and when that is felt.
        push: by how much it moves the membrane, in units of the threshold.
        rest: what arrives in every step without any spike (the offset of batch norm).
        charge: the membrane before its reset.
        fired_ms: when the neuron fires, (F,); nothing for the readout.
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
    net: DelayNet,
    what: SimulatedRecording,
    layer: int,
    neuron: int,
    dt_ms: float,
    *,
    share: float = 1.0,
) -> Arrivals:
    """The spikes that one neuron hears, with the delays of its synapses, and what it makes of them.

    Args:
        net: the network.
        what: the recording in it, from `simulate`.
        layer, neuron: which one.
        dt_ms: length of a step, ms.
        share: of each of its delays, 0 to 1, then rounded to steps: at 0 everything arrives when it
            is sent. What the neurons before it do stays as it is.

    Raises:
        SnnlabError: there is no such layer or neuron, or the share is out of its range.
    """
    synapses = picked(net, layer, neuron)
    if not 0 <= share <= 1:
        raise SnnlabError(f"share = {share!r}: expected a share of the delays from 0 to 1.")
    x = what.heard[layer]
    heard = heard_inputs(synapses, neuron)
    gain, offset = bn_affine(net, layer)
    when, place = x[:, heard].nonzero(as_tuple=True)
    source = heard[place]
    # (E, K)
    push = gain[neuron] * x[when, source][:, None] * synapses.weight[neuron].detach().cpu()[source]
    later = _whole(share * synapses.delay_of(neuron).cpu()[source], synapses)
    arrives = when[:, None] + later
    current = torch.full((len(x) + synapses.max_delay,), float(offset[neuron]))
    current.index_add_(0, arrives.flatten(), push.flatten())
    current = current[: len(x), None]  # what arrives after the end is not felt
    spikes, charge = _membranes(net, layer, current)
    count = synapses.kernel_count
    return Arrivals(
        source=source.repeat_interleave(count).numpy(),
        sent_ms=when.repeat_interleave(count).numpy() * dt_ms,
        arrived_ms=arrives.flatten().numpy() * dt_ms,
        push=push.flatten().numpy(),
        rest=float(offset[neuron]),
        charge=charge[:, 0].numpy(),
        fired_ms=spikes[:, 0].nonzero().flatten().numpy() * dt_ms,
    )


def most_delay_dependent(net: DelayNet, what: SimulatedRecording, dt_ms: float) -> int:
    """The neuron of the first layer whose firing in this recording is most clearly the work of its delays.

    It needs its inputs: with none of them its membrane stays below half of the threshold. With its
    delays it fires more often than without; of these neurons, it is one that fires least without
    them, and then most with them.
    """
    cells = net.neurons[0]
    assert isinstance(cells, LIF)
    _, offset = bn_affine(net, 0)

    def rank(neuron: int) -> tuple[bool, int, int]:
        fired, plain = (
            arrivals(net, what, 0, neuron, dt_ms, share=share).fired_ms.size for share in (1.0, 0.0)
        )
        needs = bool(offset[neuron] * cells.tau < cells.v_threshold / 2)
        return needs and fired > plain, -plain, fired

    return max(range(len(offset)), key=rank)
