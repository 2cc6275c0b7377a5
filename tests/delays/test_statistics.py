"""Statistics of the delays in use."""

import pytest
import torch
from delay_nets import random_net
from torch.nn.utils import prune

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.delays.statistics import active_delays, delay_statistics, rounded_delays
from snnlab.nn.delay_linear import DelayLinear


def test_statistics_are_in_milliseconds():
    layer = DelayLinear(2, 2, 10)
    layer.delay = torch.tensor([[0.0, 10.0], [4.0, 6.0]])[..., None]
    statistics = delay_statistics(layer, 20.0)
    assert statistics.mean_ms == pytest.approx(100) and statistics.sd_ms == pytest.approx(5200**0.5)
    assert statistics.share_at_zero == 0.25 and statistics.share_at_max == 0.25


def test_a_layer_without_a_weight_has_no_delays():
    layer = DelayLinear(3, 2, 4)
    prune.l1_unstructured(layer, "weight", amount=1.0)
    with pytest.raises(SnnlabError, match="every weight is 0"):
        delay_statistics(layer, 10.0)


def test_a_weight_that_few_bits_round_to_0_has_no_delay():
    net = random_net(weight_bits=2)
    steps, used = active_delays(net, rounded=True), active_delays(discretise(net))
    assert steps.tolist() == used.tolist()
    assert used.size < sum(int(layer.connections.sum()) for layer in net.synapses)


def test_delays_that_are_not_finite_are_not_counted():
    layer = DelayLinear(3, 2, 4)
    layer.delay = torch.full((2, 3, 1), float("nan"))
    for count in (lambda: delay_statistics(layer, 10.0), lambda: rounded_delays(layer)):
        with pytest.raises(SnnlabError, match="delays that are not finite"):
            count()


def test_the_statistics_of_a_network_are_those_of_all_its_layers_each_with_its_own_longest():
    net = torch.nn.ModuleDict({"a": DelayLinear(2, 1, 4), "b": DelayLinear(2, 1, 9)})
    net["a"].delay = torch.tensor([[[0.0], [4.0]]])
    net["b"].delay = torch.tensor([[[4.0], [8.0]]])
    statistics = delay_statistics(net, 10.0)
    assert (statistics.mean_ms, statistics.share_at_zero, statistics.share_at_max) == (
        40,
        0.25,
        0.25,
    )
    with pytest.raises(
        SnnlabError, match="^model: got Linear, expected a DelayLinear or a network"
    ):
        delay_statistics(torch.nn.Linear(2, 2), 10.0)
    net = random_net()
    with pytest.raises(SnnlabError, match="dt_ms = 0"):
        delay_statistics(net.synapses[0], 0)
