"""Weights and delays of few bits: the levels, the gradient, and what is stored of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.quantisers import delay_grid, quantised_weight, whole_delay

KINDS = ("synaptic", "axonal", "dendritic", "axo-dendritic")


def test_the_levels_by_hand():
    # Steps of 0.1 with 3 bits, and of 0.2; the largest weight is the largest level
    weight = torch.tensor([[-0.3, -0.2, 0.1, 0.0], [-0.6, 0.2, 0.4, 0.2]])
    torch.testing.assert_close(quantised_weight(weight, 3), weight, rtol=2e-5, atol=0)
    # 2 bits: -1, 0 or 1 times the mean magnitude, 0.7 of the largest one
    weight = torch.tensor([[2.0, 1.2, -1.2, 1.2]])
    by_hand = torch.tensor([[1.4, 1.4, -1.4, 1.4]])
    torch.testing.assert_close(quantised_weight(weight, 2), by_hand, rtol=2e-5, atol=0)
    assert not quantised_weight(torch.zeros(3, 2), 4).any()


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_and_gradient_are_those_of_torch_at_the_best_scale(bits):
    torch.manual_seed(bits)
    weight, steps = torch.randn(30, 20, requires_grad=True), 2 ** (bits - 1) - 1
    ours = quantised_weight(weight, bits)
    largest = weight.detach().abs().amax(1) / steps

    def by_torch(scale):
        zeros = torch.zeros(30, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -steps, steps)

    scale = ours.detach().abs().amax(1) / steps
    torch.testing.assert_close(ours, by_torch(scale), rtol=2e-5, atol=1e-6)
    error = (ours - weight).square().sum(1)
    for share in torch.linspace(0.05, 1, 20):
        assert (error <= (by_torch(share * largest) - weight).square().sum(1) * 1.001).all()
    (gradient,) = torch.autograd.grad((ours * ours).sum(), weight)
    torch.testing.assert_close(gradient, 2 * ours.detach())  # as if it had not been rounded


@given(bits=st.integers(2, 8), seed=st.integers(0, 2**16), size=st.floats(1e-20, 1e20))
@settings(max_examples=50, deadline=None)
def test_quantised_weights_stay_as_they_are(bits, seed, size):
    torch.manual_seed(seed)
    first = quantised_weight(torch.randn(2, 20) * size, bits)
    assert all(len(row.unique()) <= 2**bits - 1 for row in first)
    assert torch.equal(quantised_weight(first, bits), first)
    assert torch.equal(quantised_weight(first.double(), bits), first.double())


def test_the_grid_by_hand():
    assert delay_grid(10, 2).tolist() == [0, 3, 7, 10]
    assert delay_grid(24, 1).tolist() == [0, 24]
    assert delay_grid(0, 3).tolist() == [0]
    assert delay_grid(8, 3).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]  # steps of 8 / 7: 4.57 is 5
    assert delay_grid(7, 3).tolist() == [*range(8)]
    delay = torch.tensor([-1.0, 1.5, 1.6, 5.0, 5.1, 8.4, 8.5, 8.6, 11.0])
    # Halfway to the shorter one
    assert whole_delay(delay, 10, 2).tolist() == [0, 0, 3, 3, 7, 7, 7, 10, 10]
    # Each whole step: halfway to the even one, as without bits
    halves = torch.tensor([0.5, 1.5, 2.5, 3.5])
    for bits in (None, 2):
        assert whole_delay(halves, 3, bits).tolist() == [0, 2, 2, 3]


@given(bits=st.integers(1, 8), largest=st.integers(0, 2000), seed=st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_each_delay_gets_the_nearest_of_the_grid(bits, largest, seed):
    torch.manual_seed(seed)
    grid, delay = delay_grid(largest, bits), torch.rand(30).double() * largest
    rounded = whole_delay(delay, largest, bits)
    assert len(grid) == min(2**bits, largest + 1) and grid[-1] == largest
    assert torch.equal(whole_delay(rounded, largest, bits), rounded)
    distance = (delay[:, None] - grid).abs().min(1).values
    torch.testing.assert_close((rounded - delay).abs(), distance)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_of_each_kind_has_its_grid_and_its_levels(kind):
    torch.manual_seed(0)
    layer = DelayLinear(20, 15, 21, 2, kind=kind, n_connections=8, weight_bits=3, delay_bits=2)
    before = layer.weight.detach().clone()
    rounded = discretise(layer)
    # Axons reach to 11 steps, dendrites to 10
    limits = [11, 10] if kind == "axo-dendritic" else [21]
    grids = {21: {0, 7, 14, 21}, 11: {0, 4, 7, 11}, 10: {0, 3, 7, 10}}
    parts = rounded.layout.parts(rounded.delay)
    assert [{*part.flatten().tolist()} for part in parts] == [grids[limit] for limit in limits]
    assert torch.equal(layer.whole_delays(), rounded.delay_per_synapse)
    assert all(3 < len(row.unique()) <= 7 for row in rounded.weight)
    assert torch.equal(rounded.weight, rounded.existing_weight)
    assert torch.equal(layer.weight, before)
    again = discretise(rounded).state_dict()
    assert all(torch.equal(again[name], value) for name, value in rounded.state_dict().items())
    x = torch.randn(30, 2, 20)
    (layer(x) * torch.randn(30, 2, 15)).sum().backward()
    assert layer.weight.grad[layer.connections].count_nonzero() == 15 * 8 * 2


def test_a_rounded_layer_is_stored_with_its_grid():
    coarse = discretise(DelayLinear(6, 4, 24, delay_bits=2))
    other = DelayLinear(6, 4, 24, delay_bits=2)
    other.load_state_dict(coarse.state_dict())
    assert other.discrete and torch.equal(other.kernel(), coarse.kernel())
    fine = discretise(DelayLinear(6, 4, 24))
    message = "not whole numbers from 0 to 24 on the grid of delay_bits = 2"
    with pytest.raises(RuntimeError, match=message):
        other.load_state_dict(fine.state_dict())
    DelayLinear(6, 4, 24).load_state_dict(coarse.state_dict())


@pytest.mark.parametrize("engine", ["dense", "spectral", "dcls"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_forward_pass_of_a_straight_through_layer_is_that_of_the_rounded_one(kind, engine):
    torch.manual_seed(0)
    bits = {"weight_bits": 4, "delay_bits": 3}
    layer = DelayLinear(8, 6, 12, 2, kind=kind, engine=engine, n_connections=5, **bits)
    layer.sigma, x, target = 0.5, torch.randn(20, 3, 8), torch.randn(20, 3, 6)
    (layer(x) * target).sum().backward()
    soft, layer.straight_through = layer.P.grad.clone(), True
    layer.P.grad = None
    y = layer(x)
    (y * target).sum().backward()
    rounded = discretise(layer)
    assert torch.equal(y, rounded(x))
    if kind != "axo-dendritic":  # where the gradient of one filter depends on the other one
        torch.testing.assert_close(layer.P.grad, soft, rtol=1e-4, atol=1e-5)
    heard = layer.layout.shared(layer.existing_weight != 0)  # small weights are on the level 0
    assert layer.P.grad[0][heard].all()
    layer.reset()
    in_turn = torch.stack([layer.step(x_t) for x_t in x])
    torch.testing.assert_close(in_turn, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"delay_mode": "fixed"}, {"delay_mode": "none"}])
def test_a_network_of_few_bits_is_described(changes):
    config = DelayNetConfig(6, (5, 4), 3, max_delay=9, weight_bits=2, delay_bits=1, **changes)
    net = config.build()
    assert DelayNetConfig.from_dict(config.to_dict()) == config == net.config
    assert "weight_bits=2, delay_bits=1" in repr(net.synapses[2])
    for layer in net.synapses:
        assert len(layer.weight[0].unique()) > 3 >= len(layer.existing_weight[0].unique())
        assert changes.get("delay_mode") != "fixed" or {*layer.delay.unique().tolist()} <= {0, 9}
    x = (torch.rand(12, 4, 6) < 0.4).float()
    net(x).square().sum().backward()
    assert all(layer.weight.grad.any() for layer in net.synapses)


def test_few_bits_in_other_types_and_compiled():
    layer, x = discretise(DelayLinear(6, 5, 9, weight_bits=3, delay_bits=2)), torch.ones(4, 1, 6)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(layer, backend="eager")(x), layer(x))
    assert layer.to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16
    with torch.device("meta"):
        assert DelayLinear(6, 5, 9, weight_bits=3)(torch.empty(4, 1, 6)).shape == (4, 1, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_bits": 1}, "weight_bits = 1: expected a whole number from 2 to 8"),
        ({"weight_bits": 4.0}, "weight_bits = 4.0: expected a whole number from 2 to 8"),
        ({"delay_bits": 0}, "delay_bits = 0: expected a whole number from 1 to 8"),
        ({"delay_bits": 9}, "delay_bits = 9: expected a whole number from 1 to 8"),
    ],
)
def test_numbers_of_bits_are_checked(changes, message):
    for build in (lambda: DelayNet(4, (3,), 2, **changes), lambda: DelayLinear(4, 3, 5, **changes)):
        with pytest.raises(SnnlabError, match=message):
            build()
