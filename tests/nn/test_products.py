"""Products by oneDNN: equal to torch's, in values and gradients, wherever they are used."""

import pytest
import torch

from snnlab.nn import products as module
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.products import linear, products

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch has no oneDNN here"
)


@pytest.fixture
def by_onednn(monkeypatch):
    """Let oneDNN compute all products, and return the list of them."""
    calls = []
    multiply = module._multiply
    monkeypatch.setattr(module, "WORTH_A_CALL", 1)
    monkeypatch.setattr(module, "_prefer_onednn", lambda: True)
    monkeypatch.setattr(module, "_multiply", lambda *a: calls.append(a) or multiply(*a))
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
