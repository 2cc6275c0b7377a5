"""The cost of an inference, counted by hand for a network small enough."""

import pytest
import torch
from spikingjelly.activation_based import neuron

from snnlab._utils.errors import SnnlabError
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.transfer.energy import PICOJOULE_AC, PICOJOULE_MAC, Cost, cost

# 6 x 6 pixels: convolutions at 6 x 6 and 3 x 3 places; every tap counts for numbers, those over the
# edge included
FIRST, SECOND, LAST = 36 * 9 * 1 * 2, 9 * 9 * 2 * 4, 4 * 3


def net():
    torch.manual_seed(0)
    made = SmallCNN(1, 3, channels=(2, 4), strides=(1, 2))
    for layer in made.layers:
        torch.nn.init.constant_(layer[1].bias, 0.3)
    return made.eval()


@pytest.mark.parametrize("batches", [(1,), (5,), (2, 3)])
def test_an_ordinary_network_multiplies_in_every_layer(batches):
    found = cost(net().set_mode("relu"), [torch.rand(1, n, 1, 6, 6) for n in batches])
    assert found == Cost(FIRST + SECOND + LAST, 0, 0, 36 * 2 + 9 * 4)
    assert found.picojoules == pytest.approx(4.6 * (FIRST + SECOND + LAST)) and PICOJOULE_MAC == 4.6


def test_a_spiking_network_multiplies_where_numbers_come_in_and_adds_where_spikes_do():
    """Known spikes of the first layer: an addition for each of the second's taps that reads one,
    none over the edge.
    """
    made = net().set_mode("lif", steps=3)
    pattern = torch.zeros(3, 1, 2, 6, 6)
    # A corner: stride 2 and one of padding, read by the output at (0, 0) only
    pattern[0, 0, 0, 0, 0] = 1
    pattern[0, 0, 1, 1, 1] = 1  # between four outputs: (0, 0), (0, 1), (1, 0), (1, 1)
    pattern[2, 0, 0, 2, 3] = 1  # row 2 by output row 1; column 3 by output columns 1 and 2
    made.acts[0].register_forward_hook(lambda m, i, out: pattern)
    made.acts[1].register_forward_hook(lambda m, i, out: torch.ones_like(out))
    found = cost(made, [torch.rand(1, 1, 1, 6, 6)])
    # 4 channels; a mean that is all ones is read as spikes, too
    assert found.accumulates == (1 + 4 + 2) * 4 + LAST
    assert found.multiply_accumulates == FIRST  # once, not for each of the three steps
    assert found.spikes == 3 + 3 * 36 and found.neurons == 36 * 2 + 9 * 4
    assert found.leaky_updates == 3 * found.neurons and found.plain_updates == 0
    synapses, neurons = 4.6 * FIRST + 0.9 * (28 + LAST), 4.6 * 3 * found.neurons
    assert found.synaptic_picojoules == pytest.approx(synapses) and PICOJOULE_AC == 0.9
    assert found.picojoules == pytest.approx(synapses + neurons)


@pytest.mark.parametrize(
    ("mode", "leaky", "plain"),
    [("relu", 0, 0), ("ramp", 0, 0), ("liaf", 5, 0), ("lif", 5, 0), ("soft", 0, 5)],
)
def test_a_membrane_is_updated_in_every_step_by_a_product_only_where_it_leaks(mode, leaky, plain):
    steps = 5 if leaky or plain else 1
    counted = cost(net().set_mode(mode, steps=steps), [torch.rand(1, 2, 1, 6, 6)])
    updates = counted.leaky_updates, counted.plain_updates
    assert updates == (leaky * counted.neurons, plain * counted.neurons)
    assert counted.neuron_picojoules == pytest.approx(4.6 * updates[0] + 0.9 * updates[1])


@pytest.mark.parametrize(("node", "leaky"), [(neuron.LIFNode, 12), (neuron.IFNode, 0)])
def test_neurons_of_spikingjelly_leak_where_they_have_a_time_constant(node, leaky):
    made = torch.nn.Sequential(torch.nn.Linear(2, 3), node(step_mode="m"))
    counted = cost(made, [torch.rand(4, 1, 2)])
    assert (counted.leaky_updates, counted.plain_updates) == (leaky, 12 - leaky)


def test_the_numbers_are_those_of_one_sample():
    made, x = net().set_mode("lif", steps=4), torch.rand(1, 6, 1, 6, 6) * 2
    together, alone = cost(made, [x]), [cost(made, [x[:, i : i + 1]]) for i in range(6)]
    for field in ("multiply_accumulates", "accumulates", "spikes"):
        assert getattr(together, field) == pytest.approx(
            sum(getattr(one, field) for one in alone) / 6
        )
    assert together.spikes > 0 and together.neurons == alone[0].neurons
    with torch.no_grad():
        spikes = sum(out.sum().item() for out in spikes_of(made, x))
    assert together.spikes == spikes / 6


def spikes_of(made, x):
    found = []
    hooks = [act.register_forward_hook(lambda m, i, out: found.append(out)) for act in made.acts]
    made(x)
    for hook in hooks:
        hook.remove()
    return found


def test_the_network_is_left_as_it_was():
    made = net().set_mode("liaf").train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    found = cost(made, [torch.rand(2, 3, 1, 6, 6)])
    # Frame by frame, and the mean of both
    assert found.multiply_accumulates == 2 * (FIRST + SECOND) + LAST
    assert made.training and all(not m._forward_hooks for m in made.modules())
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    with pytest.raises(SnnlabError, match="no input"):
        cost(made, [])
    with pytest.raises(SnnlabError, match="expected"):
        cost(made, [torch.rand(1, 1, 3, 6, 6)])
    assert made.training and all(not m._forward_hooks for m in made.modules())
