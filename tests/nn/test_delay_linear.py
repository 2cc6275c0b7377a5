"""Delay layers: delays land where they say, kernels equal DCLS's, discretising leaves the original
alone.
"""

import copy
import pickle
import sys
from typing import get_args

import numpy as np
import pytest
import torch
from DCLS.construct.modules import ConstructKernel1d, Dcls1d
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net_config import Kind


def peer_of(layer: DelayLinear) -> Dcls1d:
    """DCLS's own layer with the same parameters."""
    peer = Dcls1d(
        layer.in_features,
        layer.out_features,
        kernel_count=layer.kernel_count,
        dilated_kernel_size=layer.taps,
        bias=False,
        version="gauss",
    )
    peer.load_state_dict(layer.state_dict())
    return peer


@given(
    max_delay=st.integers(0, 30),
    n_in=st.integers(1, 5),
    n_out=st.integers(1, 5),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_an_impulse_comes_out_at_its_delay(max_delay, n_in, n_out, seed):
    torch.manual_seed(seed)
    layer = DelayLinear(n_in, n_out, max_delay, engine=("dense", "spectral")[seed // 5 % 2])
    whole = discretise(layer)
    j = seed % n_in
    x = torch.zeros(max_delay + 4, 1, n_in)
    x[2, 0, j] = 1
    y = whole(x)[:, 0]  # (T, N_out)
    for i in range(n_out):
        delay = int(whole.delay[i, j, 0])
        assert delay == (layer.taps - 1) // 2 - whole.P[0, i, j, 0].item()
        expected = torch.zeros(max_delay + 4)
        expected[2 + delay : 3 + delay] = layer.weight[i, j, 0].detach()
        assert torch.allclose(y[:, i], expected, atol=1e-6)


@pytest.mark.parametrize("max_delay", [1, 2, 11, 12, 24])
@pytest.mark.parametrize("kernel_count", [1, 3])
def test_layer_equals_dcls_forward_and_backward(max_delay, kernel_count):
    torch.manual_seed(0)
    layer = DelayLinear(6, 4, max_delay, kernel_count)
    layer.sigma = 1.3
    peer = peer_of(layer)
    x = torch.randn(17, 3, 6)
    theirs = peer(torch.nn.functional.pad(x.permute(1, 2, 0), (max_delay, 0))).permute(2, 0, 1)
    ours = layer(x)
    assert torch.allclose(ours, theirs, atol=1e-5)
    weight = torch.randn_like(ours)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    assert torch.allclose(layer.weight.grad, peer.weight.grad, atol=1e-4)
    assert torch.allclose(layer.P.grad, peer.P.grad, atol=1e-4)


@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    max_delay=st.integers(0, 40),
    kernel_count=st.integers(1, 3),
    more=st.integers(0, 10),
    whole=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_the_engine_changes_nothing(sizes, max_delay, kernel_count, more, whole, seed):
    t, b, n_in, n_out = sizes
    torch.manual_seed(seed)
    layer = DelayLinear(n_in, n_out, max_delay, kernel_count, engine="dense").double()
    layer.sigma = 0.5 + seed % 3
    layer = discretise(layer) if whole else layer
    x = torch.randn(t, b, n_in, dtype=torch.double)
    results = []
    for engine in ("dense", "spectral", "auto", "dcls"):
        other = DelayLinear(n_in, n_out, max_delay, kernel_count, engine=engine).double()
        other.load_state_dict(layer.state_dict())
        other.discrete = layer.discrete
        leaf = x.clone().requires_grad_()
        y = other(leaf, t + more)
        (y * torch.arange(1.0, t + more + 1)[:, None, None]).sum().backward()
        assert (
            y.shape == (t + more, b, n_out)
            and other.state_dict().keys() == layer.state_dict().keys()
        )
        results.append(
            [y.detach(), leaf.grad, other.weight.grad] + ([] if whole else [other.P.grad])
        )
    for others in results[1:]:
        for expected, got in zip(results[0], others, strict=True):
            assert (got - expected).abs().max() <= 1e-12 * expected.abs().max().clamp(min=1)


def test_more_steps_are_those_of_an_input_followed_by_silence():
    torch.manual_seed(0)
    for max_delay in (0, 5):
        layer = DelayLinear(3, 2, max_delay)
        x = torch.randn(8, 2, 3)
        silence = torch.zeros(4, 2, 3)
        assert torch.allclose(layer(x, 12), layer(torch.cat([x, silence])), atol=1e-6)
        assert torch.allclose(layer(x, 5), layer(x)[:5], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_auto_takes_the_dense_engine_for_other_types(dtype):
    layer = DelayLinear(32, 32, 20).to(dtype)
    x = torch.randn(40, 16, 32).to(dtype)
    expected = layer.float()(x.float())
    got = layer.to(dtype)(x)
    assert got.dtype == dtype and torch.allclose(got.float(), expected, atol=0.3)
    layer.engine = "spectral"
    with pytest.raises(
        SnnlabError, match="use the dense engine where both are float16, both bfloat16"
    ):
        layer(x)
    layer.engine = "dense"
    assert torch.equal(layer(x), got)
    with pytest.raises(
        SnnlabError, match="input of the type torch.float32 for weights of the type"
    ):
        layer(x.float())


def test_autocast_leaves_the_spectral_engine_exact():
    layer = DelayLinear(8, 4, 6, engine="spectral")
    x = torch.randn(20, 3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.float32 and torch.equal(y, layer(x))


def test_the_engine_dcls_builds_its_kernel_with_dcls(monkeypatch):
    calls = []
    forward = ConstructKernel1d.forward
    monkeypatch.setattr(
        ConstructKernel1d,
        "forward",
        lambda self, *given: calls.append(self.version) or forward(self, *given),
    )
    x = torch.randn(9, 2, 3)
    DelayLinear(3, 2, 4)(x)
    assert calls == []
    layer = DelayLinear(3, 2, 4, engine="dcls")
    layer(x)
    assert calls == ["gauss"]
    layer.round_delays()  # one tap a synapse, without DCLS's 1e-7
    assert layer.kernel().abs().sum() == layer.weight.abs().sum() and calls == ["gauss"]
    layer = DelayLinear(3, 2, 4, n_connections=1, engine="dcls")
    layer(x).square().sum().backward()
    assert (
        not layer.weight.grad[~layer.mask].any() and not layer.P.grad[0, ~layer.mask[..., 0]].any()
    )
    assert (layer.kernel() != 0).any(-1).sum() == 2  # each neuron has one input


def test_the_engine_dcls_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "DCLS.construct.modules", None)
    with pytest.raises(
        SnnlabError, match="DCLS, which builds the kernels .* Install it with: pip install DCLS.$"
    ):
        DelayLinear(3, 2, 4, engine="dcls")(torch.randn(9, 2, 3))


def test_the_engine_is_no_part_of_a_layers_parameters():
    layers = []
    for engine in ("dense", "spectral", "auto", "dcls"):
        torch.manual_seed(0)
        layers.append(DelayLinear(3, 2, 4, engine=engine))
    for other in layers[1:]:
        states = layers[0].state_dict(), other.state_dict()
        assert states[0].keys() == states[1].keys() == {"weight", "P", "SIG"}
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_unknown_engine_and_an_empty_batch_are_refused():
    with pytest.raises(
        SnnlabError, match="no engine called 'fft'.*valid names: auto, dense, spectral, dcls"
    ):
        DelayLinear(2, 2, 3, engine="fft")
    for engine in ("auto", "dense", "spectral", "dcls"):
        for shape in ((5, 0, 2), (0, 3, 2)):
            with pytest.raises(SnnlabError, match="expected at least one time step and one sample"):
                DelayLinear(2, 2, 3, engine=engine)(torch.zeros(shape))


def test_a_layer_that_has_run_can_be_copied_and_stored():
    layer = DelayLinear(4, 3, 6, engine="spectral")
    x = torch.randn(9, 2, 4)
    y = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), y) and torch.equal(
        pickle.loads(pickle.dumps(layer))(x), y
    )


def test_convolution_equals_shift_and_add():
    torch.manual_seed(0)
    layer = discretise(DelayLinear(5, 3, 7, kernel_count=2))
    x = torch.randn(20, 2, 5)
    expected = torch.zeros(20, 2, 3)
    for i in range(3):
        for j in range(5):
            for k in range(2):
                d = int(layer.delay[i, j, k])
                expected[d:, :, i] += layer.weight[i, j, k].detach() * x[: 20 - d, :, j]
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_kernel_axis_is_the_delay():
    layer = DelayLinear(1, 1, 8)
    layer.delay = torch.full_like(layer.delay, 3.0)
    layer.sigma = 0.5
    taps = layer.kernel()[0, 0] / layer.weight[0, 0, 0]
    assert taps.argmax() == 3 and taps.sum().item() == pytest.approx(1, abs=1e-5)
    # The mass on the peak tap at the final sigma
    assert taps[3].item() == pytest.approx(0.786, abs=1e-3)


def test_causal():
    torch.manual_seed(0)
    layer = DelayLinear(3, 4, 6)
    x = torch.randn(20, 2, 3)
    late = x.clone()
    late[12:] += 5
    assert torch.equal(layer(x)[:12], layer(late)[:12])


@pytest.mark.parametrize("max_delay", [0, 1, 12, 25])
def test_delays_are_clamped_into_their_range(max_delay):
    layer = DelayLinear(3, 3, max_delay)
    layer.delay = torch.linspace(-50, 50, 9).view(3, 3, 1)
    layer.clamp_delays()
    assert layer.delay.min() >= 0 and layer.delay.max() <= max_delay
    assert discretise(layer).delay.max() <= max_delay


def test_delays_start_uniform():
    torch.manual_seed(0)
    delays = DelayLinear(200, 200, 24).delay.flatten()
    counts = torch.histc(delays, bins=24, min=0, max=24)
    # 40,000 draws over 24 bins: 1,667 a bin with a standard deviation of 40
    assert ((counts - 40_000 / 24).abs() < 5 * 40).all()


def test_delays_in_ms():
    layer = DelayLinear(2, 2, 10)
    layer.delay = torch.tensor([[0.0, 10.0], [4.0, 6.0]])[..., None]
    assert torch.allclose(layer.delay_ms(20.0)[..., 0], torch.tensor([[0.0, 200.0], [80.0, 120.0]]))


def test_few_inputs_a_neuron():
    torch.manual_seed(0)
    layer = DelayLinear(40, 8, 5, n_connections=6)
    assert (layer.mask[..., 0].sum(1) == 6).all()
    silent = ~layer.mask[..., 0]
    assert (layer.kernel()[silent] == 0).all()
    layer(torch.randn(9, 2, 40)).square().sum().backward()
    assert (layer.weight.grad[silent] == 0).all() and (layer.P.grad[0][silent] == 0).all()
    assert layer.weight.grad[layer.mask].abs().min() > 0


@pytest.mark.parametrize("kind", get_args(Kind))
def test_moving_after_a_forward_pass(kind):
    layer = DelayLinear(3, 2, 4, kind=kind)
    layer(torch.randn(5, 1, 3))
    assert layer.to("meta")(torch.randn(5, 1, 3, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    "arguments", [(0, 1, 1), (1, 0, 1), (1, 1, -1), (1, 1, 2.5), (1, 1, True), (1, 1, 3, 0)]
)
def test_sizes_are_checked(arguments):
    with pytest.raises(SnnlabError, match="whole number"):
        DelayLinear(*arguments)


def test_wrong_input_names_both_shapes():
    with pytest.raises(SnnlabError, match=r"\(5, 2, 7\).*\(T, B, 3\)"):
        DelayLinear(3, 2, 4)(torch.zeros(5, 2, 7))


def test_sigma_has_a_floor():
    with pytest.raises(SnnlabError, match="0.27"):
        DelayLinear(3, 2, 4).sigma = 0.1


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("max_delay", [0, 4])
@pytest.mark.parametrize("engine", ["auto", "dense", "spectral", "dcls"])
def test_another_type_than_that_of_the_weights_is_refused_and_what_is_advised_works(
    dtype, max_delay, engine
):
    layer = DelayLinear(3, 2, max_delay, engine=engine)
    x = torch.ones(5, 2, 3).to(dtype)
    with pytest.raises(
        SnnlabError, match=rf"got input of the type {dtype} .* give it as x.to\(torch.float32\)"
    ):
        layer(x)
    assert layer(x.to(torch.float32)).isfinite().all()


def test_what_is_advised_for_small_floats_works():
    layer = DelayLinear(3, 2, 4, engine="dense")
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            layer(torch.ones(5, 2, 3).to(dtype)).sum().backward()
    assert layer.weight.grad.isfinite().all()


def test_whole_numbers_of_numpy_are_numbers():
    layer = DelayLinear(
        np.int64(3), np.uint8(2), np.int32(4), np.int16(1), n_connections=np.int64(2)
    )
    sizes = (
        layer.in_features,
        layer.out_features,
        layer.max_delay,
        layer.kernel_count,
        layer.n_connections,
    )
    assert sizes == (3, 2, 4, 1, 2) and all(type(size) is int for size in sizes)
    for wrong in (np.float64(3), np.bool_(True), True, "3", None):
        with pytest.raises(SnnlabError, match="max_delay = .*: expected a whole number from 0"):
            DelayLinear(3, 2, wrong)


@pytest.mark.parametrize("sigma", [float("nan"), float("inf")])
def test_sigma_is_finite(sigma):
    with pytest.raises(SnnlabError, match="sigma = "):
        DelayLinear(3, 2, 4).sigma = sigma


def test_whether_a_layer_is_rounded_is_part_of_its_state():
    torch.manual_seed(0)
    layer, x = DelayLinear(4, 5, 9), torch.randn(12, 2, 4)
    whole = discretise(layer)
    assert layer.state_dict().keys() == {"weight", "P", "SIG"} and "rounded" in whole.state_dict()
    for source in (whole, layer):
        for target in (DelayLinear(4, 5, 9), discretise(DelayLinear(4, 5, 9))):
            model = torch.nn.Sequential(target)  # under a prefix, too
            model.load_state_dict(torch.nn.Sequential(source).state_dict())
            assert target.discrete == source.discrete and torch.equal(model(x), source(x))
    assert copy.deepcopy(whole).discrete and pickle.loads(pickle.dumps(whole)).discrete
    whole.load_state_dict({"weight": layer.weight}, strict=False)
    assert whole.discrete  # nothing was said of its delays


@pytest.mark.parametrize(("rounded", "position"), [(True, 0.5), (True, 9.0), (False, 1.0)])
def test_a_state_that_is_not_rounded_as_it_says_is_not_loaded(rounded, position):
    layer = DelayLinear(3, 2, 6)
    before, state = layer.P.detach().clone(), DelayLinear(3, 2, 6).state_dict()
    state["P"] = torch.full_like(state["P"], position)
    with pytest.raises(
        RuntimeError,
        match="rounded says that its delays are rounded, but they are not whole .* 0 to 6",
    ):
        layer.load_state_dict(state | {"rounded": torch.tensor(rounded)})
    assert not layer.discrete and torch.equal(layer.P, before)


def test_a_state_of_another_size_leaves_it_open_whether_delays_are_rounded():
    layer, other = DelayLinear(3, 2, 6), discretise(DelayLinear(3, 4, 6))
    with pytest.raises(RuntimeError, match="size mismatch"):
        layer.load_state_dict(other.state_dict())
    assert not layer.discrete
    whole = discretise(layer)
    with pytest.raises(RuntimeError, match="size mismatch"):
        whole.load_state_dict(DelayLinear(3, 4, 6).state_dict())
    assert whole.discrete


# Less memory for more time
# ----------------------------------------------------------------------------------------------


def recomputed(run, x):
    return checkpoint(run, x, use_reentrant=False)


def moved_away(run, x):
    with torch.autograd.graph.save_on_cpu():
        return run(x)


@pytest.mark.parametrize("how", [recomputed, moved_away])
@pytest.mark.parametrize("engine", ["dense", "spectral", "dcls"])
def test_gradients_are_the_same_where_tensors_are_not_kept(how, engine):
    torch.manual_seed(0)
    layer, x = DelayLinear(6, 5, 9, engine=engine), torch.randn(12, 2, 6, requires_grad=True)
    parameters = (x, layer.weight, layer.P)
    expected = torch.autograd.grad(layer(x).square().sum(), parameters)
    got = torch.autograd.grad(how(layer, x).square().sum(), parameters)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_prune_removes_the_smallest_weights_by_hand_and_keeps_them_at_0():
    layer = DelayLinear(5, 2, max_delay=3)
    weights = [[0.5, -0.1, 0.3, 0.0, -0.9], [0.2, 0.7, -0.4, 0.6, -0.8]]
    layer.weight.data = torch.tensor(weights)[..., None]
    layer.prune(0.44)  # 4.4 of 10 weights
    left = [[0.0, 0.0, 0.0, 0.0, -0.9], [0.0, 0.7, 0.0, 0.6, -0.8]]
    assert torch.equal(layer.weight[..., 0], torch.tensor(left))
    assert torch.equal(layer.connections[..., 0], torch.tensor(left) != 0)
    layer.weight.data += 1.0  # a step of an optimiser
    layer.zero_pruned()
    assert torch.equal(layer.weight[..., 0] != 0, torch.tensor(left) != 0)
    assert "pruned" not in layer.state_dict()
    with torch.no_grad():
        layer.weight[1, 4] = 5e-9  # still a weight
    layer.prune(1.0)
    layer.weight.data += 1.0
    layer.zero_pruned()
    assert torch.equal(layer.connections[..., 0], torch.tensor(left) != 0)
    layer.prune(0.01)
    assert layer.connections.sum() == 1  # one weight remains


@pytest.mark.parametrize("kind", ["synaptic", "axonal", "dendritic", "axo-dendritic"])
@pytest.mark.parametrize("n_connections", [None, 6])
def test_prune_is_torchs_l1_unstructured_and_leaves_no_gradient_of_delays(kind, n_connections):
    torch.manual_seed(0)
    layer = DelayLinear(9, 8, 5, 2, kind=kind, n_connections=n_connections)
    with torch.no_grad():
        layer.weight.copy_(layer.existing_weight)
    theirs, existing = copy.deepcopy(layer), 8 * (n_connections or 9) * 2
    prune.l1_unstructured(theirs, "weight", layer.weight.numel() - round(0.3 * existing))
    layer.prune(0.3)
    assert torch.equal(layer.weight, theirs.weight)
    assert layer.connections.sum() == round(0.3 * existing)
    layer.weight.data[:, 4:] = 0  # channels without a synapse
    layer.weight.data[5:] = 0
    layer(torch.rand(7, 3, 9)).square().sum().backward()
    used = layer.delays_in_use
    assert 0 < used.sum() < used.numel()
    assert not layer.P.grad[0][~used].any() and layer.P.grad[0][used].any()


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), "half", True])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(SnnlabError, match="share = .*: expected the share of the synapses"):
        DelayLinear(2, 2, max_delay=3).prune(share)


def test_weights_that_torch_computes_are_not_pruned():
    layer = DelayLinear(2, 2, max_delay=3)
    prune.l1_unstructured(layer, "weight", 0.5)
    with pytest.raises(SnnlabError, match="computed by torch.nn.utils; make them permanent"):
        layer.prune(0.5)
    prune.remove(layer, "weight")
    layer.prune(0.25)
    assert layer.connections.sum() == 1
