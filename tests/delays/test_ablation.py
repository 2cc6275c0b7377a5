"""Copies of a network with changed delays or fewer synapses, and of pruned networks."""

import copy

import numpy as np
import pytest
import torch
from delay_nets import random_net
from torch.nn.utils import prune

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import (
    ablate,
    discretise,
    prune_synapses,
    quantise,
    shuffle_delays,
)
from snnlab.delays.export.plain import describe
from snnlab.delays.statistics import active_delays
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear


def test_discretise_is_one_hot_and_leaves_the_original():
    torch.manual_seed(0)
    model = torch.nn.Sequential(DelayLinear(4, 5, 9), DelayLinear(5, 2, 9))
    before = copy.deepcopy(model.state_dict())
    whole = discretise(model)
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True)
    )
    assert model.training and not model[0].discrete and model[0].sigma > 4
    for layer, original in zip(whole, model, strict=True):
        kernel = layer.kernel()
        assert ((kernel != 0).sum(-1) == 1).all()
        assert torch.equal(kernel.abs().argmax(-1), original.delay[..., 0].round().long())
        assert torch.equal(kernel.sum(-1), original.weight[..., 0])
        assert layer.sigma == 0


def test_a_network_of_few_bits_is_a_copy():
    net, x = random_net(), torch.ones(10, 2, 12)
    before = copy.deepcopy(net.state_dict())
    few = quantise(net.train(), weight_bits=2, delay_bits=1)
    assert net.training and not few.training and net.config.weight_bits is None
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert (few.config.weight_bits, few.config.delay_bits) == (2, 1)
    for layer in few.synapses:
        assert all(len(row.unique()) <= 3 for row in layer.weight)
        assert {*layer.delay.flatten().tolist()} == {0, 6}
    built = few.config.build().eval()
    built.load_state_dict(few.state_dict())
    assert torch.equal(built(x), few(x))
    fine = quantise(few, delay_bits=2)
    assert (fine.config.weight_bits, fine.config.delay_bits) == (2, 2)
    assert torch.equal(fine(x), few(x)) and torch.equal(quantise(net)(x), discretise(net)(x))
    with pytest.raises(SnnlabError, match="weight_bits = 16: expected a whole number from 2 to 8"):
        quantise(net, weight_bits=16)


def test_shuffle_keeps_the_histogram():
    layer = DelayLinear(10, 10, 20)
    shuffled = shuffle_delays(layer, seed=1)
    assert torch.equal(shuffled.delay.flatten().sort().values, layer.delay.flatten().sort().values)
    assert not torch.equal(shuffled.delay, layer.delay)
    assert torch.equal(shuffled.delay, shuffle_delays(layer, seed=1).delay)


def pruned(**changes):
    torch.manual_seed(0)
    layer = DelayLinear(6, 5, 9, **changes)
    prune.random_unstructured(layer, "weight", amount=0.5)
    layer(torch.randn(12, 2, 6))
    with torch.no_grad():
        # A step of an optimiser, after which the weight is that of the step before
        layer.weight_orig *= 2
    return layer


@pytest.mark.parametrize("changes", [{}, {"n_connections": 3}, {"kernel_count": 2}])
def test_a_pruned_layer_is_rounded_and_the_rounded_one_is_an_ordinary_one(changes):
    layer, x = pruned(**changes), torch.randn(12, 2, 6)
    before = copy.deepcopy(layer.state_dict())
    whole = discretise(layer)
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), layer.state_dict().values(), strict=True)
    )
    assert whole.state_dict().keys() - {"mask"} == {"weight", "P", "SIG", "rounded"}
    assert torch.equal(whole.weight, layer.weight_orig * layer.weight_mask)
    again = DelayLinear(6, 5, 9, **changes)
    again.load_state_dict(whole.state_dict())
    assert torch.equal(again(x), whole(x))
    assert (
        not layer.discrete and torch.equal(layer(x), layer(x)) and layer.weight.grad_fn is not None
    )


@pytest.mark.parametrize("changes", [{}, {"n_connections": 3}, {"kernel_count": 2}])
def test_the_delays_of_pruned_synapses_are_not_in_use(changes):
    layer = pruned(**changes)
    there = (
        layer.weight_mask.bool()
        if layer.n_connections is None
        else layer.weight_mask.bool() & layer.mask
    )
    assert np.array_equal(active_delays(layer), layer.delay[there].numpy())
    assert np.array_equal(active_delays(discretise(layer)), layer.delay[there].round().numpy())
    shuffled = shuffle_delays(layer, seed=1)
    assert np.array_equal(np.sort(active_delays(shuffled)), np.sort(active_delays(layer)))
    assert torch.equal(shuffled.delay[~there], layer.delay[~there]) and not torch.equal(
        shuffled.delay, layer.delay
    )


def test_ablations_leave_the_network_alone_and_do_what_they_say():
    net = random_net()
    before = [layer.delay.clone() for layer in delay_layers(net).values()]
    rounded = ablate(net, "rounded")
    shuffled = ablate(net, "shuffled", seed=3)
    zero, long = ablate(net, "all zero"), ablate(net, "as trained", factor=1.5)
    for i, delay in enumerate(before):
        assert torch.equal(net.synapses[i].delay, delay) and not net.synapses[i].discrete
        assert (
            torch.equal(rounded.synapses[i].delay, delay.round()) and rounded.synapses[i].discrete
        )
        order = shuffled.synapses[i].delay
        assert not torch.equal(order, delay.round()) and torch.equal(
            order.sort(0)[0].sum(), delay.round().sum()
        )
        assert zero.synapses[i].discrete and not zero.synapses[i].delay.any()
        assert torch.allclose(long.synapses[i].delay, (1.5 * delay).clamp(max=6), atol=1e-5)
        assert not long.synapses[i].discrete
    with pytest.raises(SnnlabError, match="no ablation called 'round' .did you mean rounded"):
        ablate(net, "round")
    with pytest.raises(SnnlabError, match="factor = -1: expected a finite number from 0"):
        ablate(net, "rounded", factor=-1)


def test_whole_delays_stay_whole_when_they_are_scaled():
    net = random_net(delay_mode="fixed")
    half = ablate(net, "as trained", factor=0.5)
    for before, after in zip(net.synapses, half.synapses, strict=True):
        assert torch.equal(after.delay, (before.delay / 2).round()) and after.discrete


@pytest.mark.parametrize("kind", ["synaptic", "axonal", "dendritic", "axo-dendritic"])
@pytest.mark.parametrize("n_connections", [None, 5])
def test_pruned_synapses_are_gone_in_the_copy_alone(kind, n_connections):
    net = random_net(delay_kind=kind, n_connections=n_connections).train()
    before = copy.deepcopy(net.state_dict())
    less = prune_synapses(net, 0.3)
    assert net.training and not less.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    numbers = sum(p.numel() for norm in net.norms for p in norm.parameters())
    for layer, original in zip(less.synapses, net.synapses, strict=True):
        there = layer.connections
        assert there.sum() == round(0.3 * int(original.connections.sum()))
        weakest = original.weight[original.connections & ~there].abs().max()
        assert weakest <= original.weight[there].abs().min()
        assert torch.equal(layer.P, original.P)
        assert active_delays(layer).size == there.sum()
        numbers += int(there.sum() + layer.delays_in_use.sum())
    assert less.trainable_parameters() == numbers < net.trainable_parameters()
    assert [plain.weight.size for plain in describe(less, dt_ms=10).layers] == [
        int(layer.connections.sum()) for layer in less.synapses
    ]
    with pytest.raises(SnnlabError, match="Linear has no DelayLinear to prune"):
        prune_synapses(torch.nn.Linear(2, 2), 0.5)


def test_the_seed_of_a_shuffle_is_a_whole_number_of_any_type():
    layer = DelayLinear(4, 5, 9)
    assert torch.equal(
        shuffle_delays(layer, seed=np.int64(3)).delay, shuffle_delays(layer, seed=3).delay
    )
    with pytest.raises(SnnlabError, match=r"seed = 1\.5: expected a whole number"):
        shuffle_delays(layer, seed=1.5)
