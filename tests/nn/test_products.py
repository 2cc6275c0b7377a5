"""Products by oneDNN: equal to torch's, in values and gradients, wherever they are used."""

import pytest
import torch

from snnlab.nn import products as module
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.products import linear, products


@pytest.fixture
def by_onednn(monkeypatch):
    """Let oneDNN compute all products, and return the list of them."""
    if not module.onednn_is_there():
        pytest.skip("torch has no oneDNN here")
    calls = []
    multiply = module.multiply_by_onednn
    monkeypatch.setattr(module, "WORTH_ONEDNN", 1)
    monkeypatch.setattr(module, "_is_amd_with_avx512", lambda: True)
    monkeypatch.setattr(module, "multiply_by_onednn", lambda *a: calls.append(a) or multiply(*a))
    return calls


def test_products_are_torchs_for_any_strides(by_onednn):
    torch.manual_seed(0)
    for a, b in (
        (torch.randn(3, 5, 7), torch.randn(3, 4, 7)),
        (torch.randn(3, 7, 5).mT, torch.randn(3, 7, 4).mT),
        (torch.randn(3, 10, 14)[:, ::2, ::2], torch.randn(3, 4, 1).expand(3, 4, 7)),
    ):
        assert torch.allclose(products(a, b), a @ b.mT, atol=1e-5)
    assert len(by_onednn) == 3 * 3


def test_a_linear_layer_has_torchs_values_and_gradients(by_onednn):
    torch.manual_seed(0)
    x, weight = torch.randn(4, 3, 5, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    grad = torch.randn(4, 3, 6)
    results = [
        [y, *torch.autograd.grad(y, (x, weight), grad)]
        for y in (linear(x, weight), torch.nn.functional.linear(x, weight))
    ]
    for ours, torchs in zip(*results, strict=True):
        assert torch.allclose(ours, torchs, atol=1e-5)
    assert len(by_onednn) == 3


# vmap calls oneDNN once a sample, of which torch warns
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_linear_layer_has_second_derivatives_and_vmap(by_onednn):
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    for run in (linear, torch.nn.functional.linear):
        (by_x,) = torch.autograd.grad(run(x, weight).square().sum(), x, create_graph=True)
        second = torch.autograd.grad(by_x.square().sum(), (x, weight))
        each = torch.func.vmap(torch.func.grad(lambda w, run=run: run(x, w).square().sum()))(
            torch.stack([weight, 2 * weight])
        )
        if run is linear:
            ours, ours_each = second, each
    torch.testing.assert_close(ours, second, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours_each, each, rtol=1e-4, atol=1e-4)
    assert by_onednn


@pytest.mark.parametrize(
    ("frozen", "expected"), [("none", [3 * 5, 6 * 5]), ("x", [3 * 5]), ("weight", [6 * 5])]
)
def test_saved_is_what_a_gradient_needs(by_onednn, frozen, expected):
    x = torch.randn(3, 5, requires_grad=frozen != "x")
    weight = torch.randn(6, 5, requires_grad=frozen != "weight")
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(t.numel()) or t, lambda t: t
    ):
        linear(x, weight)
    assert saved == expected and by_onednn


# One product of each, or one a factor, at 16 frequencies; forward, and two backward
@pytest.mark.parametrize(
    ("kind", "calls"), [("synaptic", 3 * 3 * 16), ("axonal", 3), ("dendritic", 3)]
)
def test_a_layer_of_delays_has_the_gradients_of_float64(by_onednn, kind, calls):
    torch.manual_seed(0)
    layer = DelayLinear(6, 5, 9, kernel_count=2, kind=kind, engine="spectral")
    x = torch.randn(20, 3, 6, requires_grad=True)
    results = []
    for dtype in (torch.float32, torch.float64):
        layer.to(dtype).zero_grad()
        y = layer(x.to(dtype))
        x.grad = None
        y.sum().backward()
        results.append([each.double() for each in (y, x.grad, layer.weight.grad, layer.P.grad)])
    for ours, exact in zip(*results, strict=True):
        assert torch.allclose(ours, exact, atol=1e-4)
    assert len(by_onednn) == calls


def test_autocast_and_float64_keep_torchs_products(by_onednn):
    x, weight = torch.randn(4, 5), torch.randn(6, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
    assert linear(x.double(), weight.double()).dtype == torch.float64
    assert by_onednn == []


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [("znver5", "AVX512", True), ("znver3", "AVX2", False), ("sapphirerapids", "AVX512", False)],
)
def test_onednn_multiplies_on_processors_of_amd_with_avx512(
    monkeypatch, name, capability, expected
):
    monkeypatch.setattr(module, "get_host_cpu_name", lambda: name)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert module._is_amd_with_avx512.__wrapped__() is expected


def test_small_products_are_torchs(by_onednn, monkeypatch):
    monkeypatch.setattr(module, "WORTH_ONEDNN", 1000)
    x, weight = torch.randn(4, 5), torch.randn(6, 5)
    assert torch.equal(linear(x, weight), torch.nn.functional.linear(x, weight))
    assert torch.equal(products(x[None], weight[None]), x[None] @ weight[None].mT)
    assert by_onednn == []
