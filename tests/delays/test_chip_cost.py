"""The bits that delays need on a chip, by hand, and the entry of a result."""

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise, quantise
from snnlab.delays.chip_cost import DelayMemory, chip_cost, delay_memory
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.energy import cost


def layer(kind, delays, weights=None, max_delay=9):
    made = DelayLinear(3, 2, max_delay=max_delay, kind=kind)
    made.delay = torch.tensor(delays).view(made.delay.shape)
    if weights is not None:
        made.weight.data = torch.tensor(weights).view(2, 3, 1)
    return made


PRUNED = [1.0, 0.0, 1.0, 0.0, 0.0, -1.0]  # neurons x inputs; nobody hears the second input


@pytest.mark.parametrize(
    ("kind", "delays", "weights", "stored", "buffers"),
    [
        # 9 steps: 4 bits a delay
        ("synaptic", [0.0, 1, 2, 3, 4, 6.6], None, 6 * 4, 7 * 2 * 16),
        ("synaptic", [0.0, 9, 2, 8, 8, 6.4], PRUNED, 3 * 4, 6 * 2 * 16),
        ("axonal", [2.0, 5.4, 1], None, 3 * 4, 5 * 3),
        ("axonal", [2.0, 5.0, 1], PRUNED, 2 * 4, 2 * 3),
        ("dendritic", [3.0, 8], None, 2 * 4, 8 * 2 * 16),
        # inputs 0 to 5 steps, neurons 0 to 4: 3 bits each
        ("axo-dendritic", [1.0, 5, 2, 4, 3], None, 5 * 3, 5 * 3 + 4 * 2 * 16),
        ("axo-dendritic", [1.0, 5, 2, 4, 3], PRUNED, 4 * 3, 2 * 3 + 4 * 2 * 16),
        ("axonal", [0.0, 0, 0], None, 3 * 4, 0),
        ("synaptic", [5.0] * 6, [0.0] * 6, 0, 0),
    ],
)
def test_bits_by_hand(kind, delays, weights, stored, buffers):
    made = layer(kind, delays, weights)
    assert delay_memory(made) == DelayMemory(stored, buffers)
    assert not made.discrete  # a copy was rounded


@pytest.mark.parametrize(
    ("max_delay", "bits"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (31, 5)]
)
def test_the_bits_of_one_delay(max_delay, bits):
    made = layer("dendritic", [0.0, max_delay], max_delay=max_delay)
    assert delay_memory(made) == DelayMemory(2 * bits, max_delay * 2 * 16)


@pytest.mark.parametrize(("delay_bits", "bits", "longest"), [(2, 2, 9), (4, 4, 8), (6, 4, 8)])
def test_a_grid_needs_fewer_bits_unless_each_step_is_on_it(delay_bits, bits, longest):
    # 9 steps; 2 bits are for 0, 3, 6 and 9
    made = quantise(layer("dendritic", [0.0, 7.6]), delay_bits=delay_bits)
    assert delay_memory(made) == DelayMemory(2 * bits, longest * 2 * 16)


def test_layers_add_up_and_a_network_without_any_needs_nothing():
    first, second = layer("axonal", [2.0, 5, 1]), DelayLinear(2, 4, max_delay=3, kind="dendritic")
    second.delay = torch.ones(4, 1, 1)
    assert delay_memory(torch.nn.Sequential(first, torch.nn.ReLU(), second)) == DelayMemory(
        12 + 8, 15 + 4 * 16
    )
    assert delay_memory(torch.nn.Linear(3, 2)) == DelayMemory(0, 0)
    assert delay_memory(DelayNet(3, [4], 2, delay_mode="none")) == DelayMemory(0, 0)
    first.P.data.fill_(float("nan"))
    with pytest.raises(SnnlabError, match="not finite"):
        delay_memory(first)


def test_the_entry_of_a_result_is_that_of_the_rounded_network_whatever_the_batches():
    torch.manual_seed(0)
    net = DelayNet(8, [6], 3, max_delay=4, tau=2.0).eval()
    torch.nn.init.constant_(net.norms[0].bias, 0.6)
    data = (torch.rand(12, 7, 8) < 0.3).float(), torch.zeros(7, dtype=torch.long)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    entry = chip_cost(net, data, device="cpu")
    rounded = discretise(net)
    memory = delay_memory(rounded)
    assert entry == {
        "synaptic_operations": cost(rounded, [data[0]]).accumulates,
        "stored_delay_bits": memory.stored_bits,
        "delay_buffer_bits": memory.buffer_bits,
    }
    assert entry["synaptic_operations"] != cost(net, [data[0]]).accumulates > 0
    assert chip_cost(net, data, device="cpu", batch_size=2) == pytest.approx(entry)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
