"""The cost of an inference, counted by hand for a network small enough."""

import pytest
import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.op_counter import ACCounter, DispatchCounterMode
from torch.nn.utils import prune

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.energy import PICOJOULE_AC, PICOJOULE_MAC, Cost, cost
from snnlab.nn.vision.small_cnn import SmallCNN

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
    assert found.picojoules == pytest.approx(synapses + neurons) and PICOJOULE_AC == 0.9


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
    made.acts[0].eval()
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
    assert made.acts.training and not made.acts[0].training


KINDS = ["synaptic", "axonal", "dendritic", "axo-dendritic"]


def test_spikes_of_a_delay_layer_by_hand():
    """Two inputs, two neurons; the second input is pruned at the second neuron."""
    layer = DelayLinear(2, 2, max_delay=4)
    layer.delay = torch.tensor([[[0.0], [3.0]], [[1.2], [4.0]]])
    layer.weight.data = torch.tensor([[[0.5], [-1.0]], [[2.0], [0.0]]])
    x = torch.zeros(5, 1, 2)
    x[0, 0, 0] = 1  # at both neurons, after 0 steps and 1
    x[4, 0, 0] = 1  # in the last step: at the first neuron, without a delay
    x[1, 0, 1] = 2  # both at the first neuron, after 3 steps: in the last step
    x[2, 0, 1] = 1  # arrives after the end
    counted = cost(layer, [x])
    assert counted == Cost(0, 2 + 1 + 2, 0, 0)
    assert counted.synaptic_operations == 5
    # numbers: the first input multiplies 5 + 4 times, the second 2 times
    assert cost(layer, [x / 4]) == Cost(11, 0, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sparse", [{}, {"n_connections": 3, "kernel_count": 2}])
def test_a_delay_layer_costs_what_spikingjelly_counts_in_its_dense_kernel(kind, sparse):
    torch.manual_seed(3)
    layer = DelayLinear(6, 5, max_delay=7, kind=kind, **sparse)
    layer.weight.data[torch.rand(layer.weight.shape) < 0.3] = 0
    layer.round_delays()
    x = (torch.rand(9, 4, 6) < 0.4).float()
    counted = [cost(layer, [x])]
    # of a kernel of ones and zeros the counter sums what arrives; each of the K in its turn
    peer = 0
    for k in range(layer.kernel_count):
        dense = DelayLinear(6, 5, max_delay=7, engine="dense")
        dense.delay = layer.delay_per_synapse[..., k : k + 1]
        dense.weight.data = layer.connections[..., k : k + 1].float()
        dense.round_delays()
        with torch.no_grad(), DispatchCounterMode([counter := ACCounter()]):
            dense(x)
        peer += counter.get_counts()["Global"][torch.ops.aten.convolution.default]
    for engine in ("dense", "spectral", "dcls"):
        layer.engine = engine
        counted.append(cost(layer, [x]))
    assert {one.accumulates for one in counted} == {peer / 4} and peer > 100
    assert {one.multiply_accumulates for one in counted} == {0.0}


@pytest.mark.parametrize("kind", KINDS)
def test_the_cost_of_a_recording_depends_on_it_alone(kind):
    """Neither on the longer ones of its batch, nor on empty steps after it."""
    torch.manual_seed(1)
    net = DelayNet(8, [6, 5], 3, max_delay=4, tau=2.0, delay_kind=kind).eval()
    for norm in net.norms:
        torch.nn.init.constant_(norm.bias, 0.6)  # fires without input
    x = (torch.rand(12, 3, 8) < 0.3).float()
    x[7:, 0] = 0
    alone = [cost(net, [x[:, i : i + 1]]) for i in range(3)]
    together, padded = cost(net, [x]), cost(net, [torch.cat([x, torch.zeros(20, 3, 8)])])
    for field in ("accumulates", "spikes", "leaky_updates"):
        mean = sum(getattr(one, field) for one in alone) / 3
        assert getattr(together, field) == getattr(padded, field) == pytest.approx(mean)
    assert together.neurons == 6 + 5 + 3 and together.multiply_accumulates == 0
    steps = [int(x[:, i].any(-1).nonzero().max()) + 1 + net.tail for i in range(3)]
    assert together.leaky_updates == pytest.approx(14 * sum(steps) / 3)
    activity = net.activity(x)
    assert together.spikes == pytest.approx(
        sum((layer * activity.valid[..., None]).sum().item() for layer in activity.spikes) / 3
    )


def test_spikes_beside_real_numbers_in_a_batch_are_spikes():
    layer = DelayLinear(8, 5, max_delay=4)
    layer.round_delays()
    x = torch.zeros(10, 2, 8)
    x[2, :, 0] = torch.tensor([1.0, 0.5])
    spikes, numbers = (cost(layer, [x[:, i : i + 1]]) for i in range(2))
    assert spikes.accumulates == 5 and numbers.multiply_accumulates > 100
    assert cost(layer, [x]) == Cost(numbers.multiply_accumulates / 2, 5 / 2, 0, 0)


class Recurrent(torch.nn.Module):
    """Its neurons, in step mode "s", get their own spikes back."""

    def __init__(self, kind, feed_steps):
        super().__init__()
        self.feed, self.back = DelayLinear(6, 5, 7, kind=kind), DelayLinear(5, 5, 3, kind=kind)
        self.cells, self.feed_steps = neuron.LIFNode(tau=2.0), feed_steps

    def forward(self, x):
        current = (
            torch.stack([self.feed.step(one) for one in x]) if self.feed_steps else self.feed(x)
        )
        spikes = [x.new_zeros(x.shape[1], 5)]
        for one in current:
            spikes.append(self.cells(one + self.back.step(spikes[-1])))
        self.spikes = torch.stack(spikes[1:])
        return self.spikes.mean(0)


@pytest.mark.parametrize("feed_steps", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_recurrent_network_costs_what_its_layers_cost_whether_they_step_or_not(kind, feed_steps):
    torch.manual_seed(2)
    net, x = Recurrent(kind, feed_steps), (torch.rand(12, 4, 6) < 0.4).float()
    for layer in (net.feed, net.back):
        layer.weight.data.abs_()
        layer.round_delays()
    counted = cost(net, [x])
    sent = torch.cat([torch.zeros(1, 4, 5), net.spikes[:-1]])
    assert (
        counted.accumulates == cost(net.feed, [x]).accumulates + cost(net.back, [sent]).accumulates
    )
    assert counted.spikes == net.spikes.sum() / 4 > 5
    assert (counted.neurons, counted.leaky_updates) == (5, 12 * 5)
    assert "step" not in vars(net.back) and "forward" not in vars(net.back)


def test_a_delay_layer_beside_a_linear_one_and_a_pruned_one():
    layer, linear = DelayLinear(4, 3, max_delay=2), torch.nn.Linear(3, 2)
    layer.delay = torch.zeros(3, 4, 1)
    x = torch.ones(5, 2, 4)
    assert cost(torch.nn.Sequential(layer, linear), [x]) == Cost(5 * 3 * 2, 5 * 12, 0, 0)
    prune.random_unstructured(layer, "weight", amount=5)
    assert cost(layer, [x]).accumulates == 5 * 7
    layer.P.data.fill_(float("nan"))
    with pytest.raises(SnnlabError, match="not finite"):
        cost(layer, [x])
