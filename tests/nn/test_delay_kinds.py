"""Delays of channels: equal to a synaptic layer with the same delays, and their own filter."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise, scale_delays, shuffle_delays, zero_delays
from snnlab.delays.analysis import incoming, neuron_kernel
from snnlab.delays.arrivals import arrivals, simulate
from snnlab.delays.snapshots import sample_synapses, snapshot_delays
from snnlab.delays.statistics import active_delays, delay_statistics
from snnlab.nn import channel_filter
from snnlab.nn.channel_filter import filter_channels
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.network_config import NetworkConfig

KINDS = ("axonal", "dendritic", "axo-dendritic")


def synaptic(layer: DelayLinear) -> DelayLinear:
    """A synaptic layer with the same weights, and the delays set alike."""
    other = DelayLinear(
        layer.in_features,
        layer.out_features,
        layer.max_delay,
        layer.kernel_count,
        n_connections=layer.n_connections,
        engine="dense",
    ).to(layer.weight)
    other.load_state_dict(
        {name: value for name, value in layer.state_dict().items() if name in ("weight", "mask")},
        strict=False,
    )
    other.delay = layer.delay_per_synapse
    if layer.discrete:
        other.round_delays()
    else:
        other.sigma = layer.sigma
    return other


def gradients(layer, x, steps):
    leaf = x.clone().requires_grad_()
    y = layer(leaf, steps)
    (y * torch.arange(1.0, y.numel() + 1).view_as(y).sin()).sum().backward()
    return y.detach(), leaf.grad, layer.weight.grad, layer.P.grad


@given(
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    max_delay=st.integers(0, 14),
    kernel_count=st.integers(1, 3),
    kind=st.sampled_from(KINDS),
    sparse=st.booleans(),
    rounded=st.booleans(),
    more=st.integers(-5, 6),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_it_is_a_synaptic_layer_whose_delays_are_set_alike(
    sizes, max_delay, kernel_count, kind, sparse, rounded, more, seed
):
    t, b, n_in, n_out = sizes
    torch.manual_seed(seed)
    connections = 1 + seed % n_in if sparse else None
    layer = DelayLinear(n_in, n_out, max_delay, kernel_count, kind=kind, n_connections=connections)
    layer = layer.double()
    layer.sigma = 0.5 + seed % 3
    rounded = rounded or kind == "axo-dendritic"  # two Gaussians are wider than one
    if rounded:
        layer.round_delays()
    peer, x = synaptic(layer), torch.randn(t, b, n_in, dtype=torch.double)
    y, by_x, by_weight, by_position = gradients(layer, x, max(1, t + more))
    expected = gradients(peer, x, max(1, t + more))
    torch.testing.assert_close([y, by_x, by_weight], [*expected[:3]])
    if not rounded:  # a shared delay has the sum of its synapses' gradients
        shared = expected[3].sum(1 if kind == "axonal" else 2, keepdim=True)
        torch.testing.assert_close(by_position, shared)
    torch.testing.assert_close(layer.kernel(), peer.kernel())


def test_the_spread_of_an_axo_dendritic_synapse_is_that_of_both_gaussians():
    layer = DelayLinear(1, 1, 40, kind="axo-dendritic").double()
    layer.delay = torch.tensor([[[10.0], [9.0]]])
    layer.sigma = 2.0
    taps = layer.kernel()[0, 0] / layer.weight[0, 0]
    d = torch.arange(41.0)
    mean = (taps * d).sum().item()
    assert mean == pytest.approx(19, abs=1e-3)
    assert (taps * (d - mean) ** 2).sum().item() == pytest.approx(2 * 2.0**2, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "delay", "arrivals"),
    [  # of input 1 at neurons 0, 1, 2; the impulse is sent in step 2
        ("axonal", [[1.0], [4.0]], [6, 6, 6]),
        ("dendritic", [[0.0], [3.0], [5.0]], [2, 5, 7]),
        ("axo-dendritic", [[1.0], [2.0], [0.0], [1.0], [2.0]], [4, 5, 6]),
    ],
)
def test_an_impulse_arrives_after_the_delay_of_its_channels(kind, delay, arrivals):
    layer = DelayLinear(2, 3, 5, kind=kind)
    layer.delay = torch.tensor(delay).view(layer.delay.shape)
    layer.round_delays()
    x = torch.zeros(9, 1, 2)
    x[2, 0, 1] = 1
    expected = torch.zeros(9, 3)
    expected[arrivals, [0, 1, 2]] = layer.weight[:, 1, 0].detach()
    torch.testing.assert_close(layer(x)[:, 0], expected)
    torch.testing.assert_close(torch.stack([layer.step(x_t) for x_t in x])[:, 0], expected)


@pytest.mark.parametrize("steps", [3, 6, 10])
def test_the_gradients_of_the_filter(steps):
    torch.manual_seed(0)
    x, taps = (torch.randn(s, dtype=torch.double, requires_grad=True) for s in ((6, 2, 3), (4, 3)))
    assert torch.autograd.gradcheck(lambda x, taps: filter_channels(x, taps, steps), (x, taps))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_of_a_layer(kind):
    torch.manual_seed(0)
    layer = DelayLinear(3, 2, 5, 2, kind=kind).double()
    x = torch.randn(6, 2, 3, dtype=torch.double, requires_grad=True)

    def call(x, weight, positions):
        values = {"weight": weight, "P": positions}
        return torch.func.functional_call(layer, values, (x,))

    assert torch.autograd.gradcheck(call, (x, layer.weight, layer.P))


# 530 channels are two blocks and a part of one
@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize(("threads", "channels"), [(1, 7), (2, 7), (5, 7), (2, 530)])
def test_the_compiled_filter_is_torchs_convolution_in_any_number_of_threads(
    monkeypatch, threads, channels
):
    torch.manual_seed(0)
    monkeypatch.setattr(channel_filter, "WORTH_THREADS", 1)
    torch.set_num_threads(threads)
    # (T, B, N), time is not first
    x = torch.randn(4, 20, channels).transpose(0, 1).requires_grad_()
    taps = torch.randn(9, channels, requires_grad=True)
    results = []
    for compiled in (True, False):
        monkeypatch.setattr(channel_filter, "is_plain_on_cpu", lambda _, plain=compiled: plain)
        for steps in (12, 25):
            y = filter_channels(x, taps, steps)
            results.append([y, *torch.autograd.grad(y.square().sum(), (x, taps))])
    torch.testing.assert_close(results[:2], results[2:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounded", [False, True])
def test_the_engine_dcls_gives_the_same(kind, rounded):
    torch.manual_seed(0)
    layer, x = DelayLinear(4, 3, 9, 2, kind=kind).double(), torch.randn(12, 2, 4).double()
    if rounded:
        layer.round_delays()
    expected = gradients(layer, x, 12)
    layer.zero_grad()
    layer.engine = "dcls"
    for ours, theirs in zip(expected, gradients(layer, x, 12), strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_delays_stay_in_their_range_and_are_stored(kind):
    torch.manual_seed(0)
    layer = DelayLinear(40, 30, 7, 2, kind=kind)
    assert layer.state_dict().keys() == {"weight", "P", "SIG"} and layer.holds(layer.P)
    assert layer.P.shape == layer.SIG.shape == (1, *layer.delay.shape)
    layer.delay = 100 * torch.rand_like(layer.delay) - 50
    assert not layer.holds(layer.P)
    layer.clamp_delays()
    assert layer.holds(layer.P)
    total = layer.delay_per_synapse
    assert total.shape == layer.weight.shape and total.min() == 0 and total.max() == 7
    rounded = discretise(layer)
    assert torch.equal(rounded.delay_per_synapse, layer.whole_delays())
    fresh = DelayLinear(40, 30, 7, 2, kind=kind)
    fresh.load_state_dict(rounded.state_dict())
    assert fresh.discrete and torch.equal(fresh.delay, rounded.delay)
    with pytest.raises(RuntimeError, match="size mismatch for P"):
        DelayLinear(40, 30, 7, 2).load_state_dict(rounded.state_dict())
    outside = rounded.state_dict() | {"P": torch.full_like(rounded.P, -9.0)}
    with pytest.raises(RuntimeError, match="not whole numbers from 0 to 7"):
        fresh.load_state_dict(outside)


def test_half_of_an_odd_largest_delay_is_rounded_up_for_axons():
    layer = DelayLinear(2, 3, 7, kind="axo-dendritic")
    layer.delay = torch.full_like(layer.delay, 9.0)
    layer.round_delays()
    assert layer.delay.flatten().tolist() == [4, 4, 3, 3, 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{}, {"max_delay": 0}, {"kernel_count": 2}], ids=str)
def test_steps_in_turn_are_the_whole_sequence(kind, changes):
    torch.manual_seed(0)
    sizes = {"in_features": 4, "out_features": 3, "max_delay": 6, "kind": kind}
    layer = DelayLinear(**sizes | changes)
    x = torch.rand(15, 2, 4)
    for _ in range(2):  # the second time after a reset
        stepped = torch.stack([layer.step(x_t) for x_t in x])
        layer.reset()
        torch.testing.assert_close(stepped, layer(x), rtol=1e-4, atol=1e-5)
    parameters = (layer.weight, layer.P)
    grads = [torch.autograd.grad(y.sin().sum(), parameters) for y in (stepped, layer(x))]
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-4)


def test_a_layer_can_be_stored_between_two_steps():
    layer = DelayLinear(2, 2, 3, kind="axo-dendritic")
    layer.round_delays()
    with torch.no_grad():
        layer.step(torch.ones(1, 2))
        again = pickle.loads(pickle.dumps(layer))
        assert torch.equal(layer.step(torch.zeros(1, 2)), again.step(torch.zeros(1, 2)))


def net_of(kind, **changes):
    torch.manual_seed(0)
    sizes = dict(max_delay=6, tau=2.0, dropout=0.0, delay_kind=kind) | changes
    return DelayNet(8, (10, 9), 4, **sizes)


def recordings():
    torch.manual_seed(1)
    return torch.poisson(torch.full((20, 5, 8), 0.4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_any_kind_is_described_trained_changed_and_simulated(kind):
    net, x = net_of(kind), recordings()
    assert NetworkConfig.from_dict(net.config.to_dict()).build().config == net.config
    net(x).log().sum().backward()
    assert all(layer.P.grad.abs().sum() > 0 for layer in net.synapses)
    net.eval()
    rounded = discretise(net)
    result, activity = simulate(net, x[:, 0]), rounded.activity(x[:, :1])
    steps = len(result.charge[0])
    assert torch.equal(result.fired[1], activity.spikes[1][:steps, 0])
    assert torch.allclose(result.charge[-1], activity.potentials[:steps, 0], atol=1e-4)
    reached = arrivals(net, result, 1, 3, 10.0)
    assert torch.allclose(torch.from_numpy(reached.charge), result.charge[1][:, 3], atol=1e-4)
    layer = net.synapses[0]
    listening = incoming(net, 0, 2, 10.0)
    assert torch.allclose(
        torch.from_numpy(listening.delay_ms), 10 * layer.delay_per_synapse[2, :, 0]
    )
    assert torch.allclose(torch.from_numpy(neuron_kernel(net, 0, 2)), layer.kernel()[2])
    assert torch.equal(
        snapshot_delays(net)[0],
        layer.delay_per_synapse.flatten()[sample_synapses(layer)].half(),
    )
    shuffled = shuffle_delays(net, seed=0).synapses[0]
    assert not torch.equal(shuffled.delay, layer.delay) and shuffled.holds(shuffled.P)
    for before, after in zip(
        *(layer.layout.parts(delay) for delay in (layer.delay, shuffled.delay)), strict=True
    ):
        assert torch.equal(before.flatten().sort()[0], after.flatten().sort()[0])
    assert not zero_delays(net).synapses[1].delay.any()
    assert scale_delays(rounded, 0.5).synapses[1].holds(rounded.synapses[1].P / 1.0)
    assert delay_statistics(rounded, 10.0).mean_ms == pytest.approx(
        10 * active_delays(rounded).mean(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "delays"),
    [
        ("axonal", 8 + 10 + 9),
        ("dendritic", 10 + 9 + 4),
        ("axo-dendritic", 8 + 2 * 10 + 2 * 9 + 4),
    ],
)
def test_trainable_parameters(kind, delays):
    synapses = 8 * 10 + 10 * 9 + 9 * 4
    assert net_of(kind).trainable_parameters() == synapses + delays + 2 * 19
    fixed = net_of(kind, delay_mode="fixed")
    assert fixed.trainable_parameters() == synapses + 2 * 19
    assert all(layer.discrete for layer in fixed.synapses)
    sparse = net_of(kind, n_connections=1)
    unused = [layer.layout.shared(layer.mask) for layer in sparse.synapses[:2]]
    expected = 10 + 9 + 9 * 4 + delays + 2 * 19 - sum(int((~used).sum()) for used in unused)
    assert sparse.trainable_parameters() == expected


def test_a_delay_of_a_silent_channel_is_not_in_use():
    for kind, used in (
        ("axonal", [[True, False, True]]),
        ("dendritic", [[True], [False]]),
        ("axo-dendritic", [[True, False, True, True, False]]),
    ):
        layer = DelayLinear(3, 2, 4, kind=kind)
        layer.weight.data[:, 1] = layer.weight.data[1] = 0
        assert layer.delays_in_use[..., 0].tolist() == used


def test_an_unknown_kind_is_refused():
    with pytest.raises(SnnlabError, match="no kind called 'somatic'.*; valid names: synaptic, "):
        DelayLinear(2, 2, 3, kind="somatic")
    with pytest.raises(SnnlabError, match="delay_kind = 'somatic': expected one of synaptic, axo"):
        DelayNetConfig(2, (2,), 2, delay_kind="somatic")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_same_where_activations_are_computed_again(kind):
    torch.manual_seed(0)
    layer, x = DelayLinear(6, 5, 9, kind=kind), torch.randn(12, 2, 6, requires_grad=True)
    parameters = (x, layer.weight, layer.P)
    expected = torch.autograd.grad(layer(x).square().sum(), parameters)
    again = torch.autograd.grad(
        checkpoint(layer, x, use_reentrant=False).square().sum(), parameters
    )
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
