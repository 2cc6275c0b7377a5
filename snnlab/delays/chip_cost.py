"""What a chip is charged for by a network with delays: synaptic operations, and bits of memory."""

from dataclasses import dataclass

import torch
from torch import nn

from snnlab.delays.ablation import discretise
from snnlab.nn.any_network import delay_layers
from snnlab.nn.energy import cost
from snnlab.training.evaluation import Samples, as_batches, pick_device

CURRENT_BITS = 16  # of a slot of a ring buffer


@dataclass(frozen=True)
class DelayMemory:
    """The memory that delays need, in bits.

    Attributes:
        stored_bits: for the delays themselves.
        buffer_bits: for the spikes and currents that are still on their way.
    """

    stored_bits: int
    buffer_bits: int


@torch.no_grad()
def delay_memory(model: nn.Module) -> DelayMemory:
    r"""Compute the memory that the delays of a network need on a chip, once they are rounded.

    A delay of 0 to $d_{max}$ steps is stored in $\lceil\log_2(d_{max} + 1)\rceil$ bits, or in the
    layer's `delay_bits` where these are fewer. Only delays of weights that exist are stored; there
    is one for each synapse, input channel or neuron, as the kind of the layer says. No bits are
    counted for where a synapse is stored.

    The buffers of a layer reach as far as its longest delay in use, $d$:

    - axonal: the last spikes of each input channel, $d N_{in}$ bits;
    - dendritic and synaptic: the coming currents of each neuron, $16\,d N_{out}$ bits;
    - axo-dendritic: both, each with its own $d$.

    A buffer of currents is a ring: a spike is added to the slot of the step in which it arrives,
    for all synapses of the neuron together. SpiNNaker's slots have 16 bits (Rhodes et al. 2018,
    doi:10.3389/fnins.2018.00816); Loihi accumulates by time of arrival, too (Davies et al. 2018,
    doi:10.1109/MM.2018.112130359). That all buffers of a layer have one length, that a slot has 16
    bits on every chip, and that a channel sends at most one spike a step, are assumptions. The slot
    of the present step is not counted, since a network without delays needs it as well.

    Args:
        model: a `DelayLinear`, or any network; 0 bits without delays.

    Raises:
        SnnlabError: it is no network, or a delay is not finite.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(3, 2, max_delay=4, kind="axonal")
        >>> layer.delay = torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1)
        >>> delay_memory(layer)  # 3 delays of 3 bits; 3 channels, 2 steps
        DelayMemory(stored_bits=9, buffer_bits=6)
    """
    stored, buffers = 0, 0
    for layer in delay_layers(discretise(model)).values():
        layout = layer.layout
        parts = (layout.parts(values) for values in (layer.delay, layer.delays_in_use))
        for number, (delays, in_use) in enumerate(zip(*parts, strict=True)):
            bits = layout.limits[number].bit_length()
            stored += int(in_use.sum()) * min(bits, layer.delay_bits or bits)
            longest = int((delays * in_use).max())
            axons = number == 0 and layer.kind in ("axonal", "axo-dendritic")
            buffers += longest * (layer.in_features if axons else CURRENT_BITS * layer.out_features)
    return DelayMemory(stored, buffers)


def chip_cost(
    net: nn.Module, data: Samples, *, device: str = "auto", batch_size: int = 256
) -> dict[str, float]:
    """Measure what the rounded network costs on a chip, for an entry of `result.json`.

    Args:
        net: the network.
        data: recordings, each of which it passes once.
        device: where: auto, cpu or cuda.
        batch_size: recordings in a batch.

    Returns:
        `synaptic_operations`, the mean of a recording (see `snnlab.nn.energy.Cost`), and
        `stored_delay_bits` and `delay_buffer_bits` of `delay_memory`.

    Raises:
        SnnlabError: there is no recording, or a delay is not finite.

    Example:
        >>> from snnlab.nn.delay_net import DelayNet
        >>> net = DelayNet(n_in=16, hidden=[4], n_classes=3, max_delay=4, tau=1.5)
        >>> data = torch.zeros(10, 2, 16), torch.tensor([0, 1])
        >>> sorted(chip_cost(net, data))
        ['delay_buffer_bits', 'stored_delay_bits', 'synaptic_operations']
    """
    rounded, on = discretise(net), pick_device(device)
    recordings = (x.to(on) for x, _ in as_batches(data).batches(batch_size))
    counted, memory = cost(rounded.to(on), recordings), delay_memory(rounded)
    return {
        "synaptic_operations": counted.synaptic_operations,
        "stored_delay_bits": memory.stored_bits,
        "delay_buffer_bits": memory.buffer_bits,
    }
