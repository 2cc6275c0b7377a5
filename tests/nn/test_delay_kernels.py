"""Gaussian taps: values and closed-form gradients are DCLS's by autograd, and nothing of the size
of a kernel is kept.
"""

import pytest
import torch
from DCLS.construct.modules import ConstructKernel1d
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.nn import delay_kernels
from snnlab.nn.delay_kernels import gaussian_taps, one_hot_taps

sizes = st.fixed_dictionaries(
    {
        "n_out": st.integers(1, 4),
        "n_in": st.integers(1, 4),
        "kernel_count": st.integers(1, 3),
        "n_taps": st.integers(1, 40),
        "seed": st.integers(0, 2**16),
    }
)


def parameters(size, sigma):
    torch.manual_seed(size["seed"])
    shape = (size["n_out"], size["n_in"], size["kernel_count"])
    delay = torch.empty(shape, dtype=torch.double).uniform_(-2, size["n_taps"] + 1)
    delay.flatten()[0] = (0.0, size["n_taps"] - 1.0)[size["seed"] % 2]  # an end, exactly
    values = (
        torch.randn(shape, dtype=torch.double),
        delay,
        torch.full(shape, sigma, dtype=torch.double),
    )
    return [value.requires_grad_() for value in values]


def dcls(weight, delay, sigma, n_taps):
    """DCLS's kernel for the same synapses, with tap l for a delay of l steps."""
    construct = ConstructKernel1d(
        weight.shape[0], weight.shape[1], 1, weight.shape[2], [n_taps], "gauss"
    )
    return construct(weight, ((n_taps - 1) // 2 - delay)[None], (sigma - 0.27)[None]).flip(-1)


@given(sizes, st.floats(0.27, 10))
@settings(max_examples=120, deadline=None)
def test_values_and_gradients_are_those_of_dcls(size, sigma):
    results = []
    for make in (gaussian_taps, dcls):
        leaves = parameters(size, sigma + 1e-9)  # DCLS takes the absolute value of sigma - 0.27
        h = make(*leaves, size["n_taps"])
        torch.manual_seed(size["seed"] + 1)
        h.backward(torch.randn(h.shape, dtype=torch.double))
        results.append([h.detach(), *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_an_example_by_hand():
    # sigma 1, delay 1: exp(-1/2) = 0.60653 on both sides of 1, 2.21306 together
    h = gaussian_taps(torch.tensor([[[2.0]]]), torch.ones(1, 1, 1), torch.ones(1, 1, 1), 3)
    assert h.flatten().tolist() == pytest.approx([0.548137, 0.903726, 0.548137], abs=1e-6)


@given(sizes, st.floats(0.27, 10))
@settings(max_examples=30, deadline=None)
def test_the_weights_of_a_synapse_add_up(size, sigma):
    leaves = [value.detach() for value in parameters(size, sigma)]
    one_by_one = [
        gaussian_taps(*(value[..., k : k + 1] for value in leaves), size["n_taps"])
        for k in range(size["kernel_count"])
    ]
    assert torch.allclose(gaussian_taps(*leaves, size["n_taps"]), sum(one_by_one), atol=1e-13)


def test_far_from_the_delay_are_no_denormal_numbers():
    weight, delay, sigma = torch.ones(3, 1, 1, 1).unbind()
    h = gaussian_taps(weight, delay, 0.27 * sigma, 250)
    assert h.min() > torch.finfo(torch.float32).tiny and h[0, 0, 20:].max() < 1e-25


@given(sizes, st.floats(0.3, 5))
@settings(max_examples=15, deadline=None)
def test_gradcheck(size, sigma):
    size["n_taps"] = min(size["n_taps"], 9)
    assert torch.autograd.gradcheck(
        lambda *p: gaussian_taps(*p, size["n_taps"]), parameters(size, sigma)
    )


@pytest.mark.parametrize("block", [1, 30, 200, 1000])
def test_blocks_change_nothing(block, monkeypatch):
    size = {"n_out": 5, "n_in": 7, "kernel_count": 2, "n_taps": 11, "seed": 3}
    results = []
    for at_once in (2**20, block):
        monkeypatch.setitem(delay_kernels.BLOCK, "cpu", at_once)
        leaves = parameters(size, 1.4)
        h = gaussian_taps(*leaves, 11)
        (h * torch.arange(11)).sum().backward()
        results.append([h.detach(), *(leaf.grad for leaf in leaves)])
    for whole, pieces in zip(*results, strict=True):
        assert torch.allclose(whole, pieces, rtol=1e-14)


def test_gradients_only_for_what_asks():
    weight, delay, sigma = parameters(
        {"n_out": 3, "n_in": 2, "kernel_count": 1, "n_taps": 9, "seed": 0}, 1.0
    )
    gaussian_taps(weight.detach(), delay, sigma.detach(), 9).square().sum().backward()
    assert weight.grad is None and sigma.grad is None and delay.grad.shape == delay.shape


def test_backward_keeps_nothing_of_the_size_of_a_kernel():
    kept = {}
    for name, make in (("ours", gaussian_taps), ("dcls", dcls)):
        leaves = parameters(
            {"n_out": 64, "n_in": 64, "kernel_count": 2, "n_taps": 31, "seed": 0}, 2.0
        )
        storages = {}

        def keep(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            make(*leaves, 31)
        kept[name] = sum(storages.values())
    assert kept["ours"] == 3 * 64 * 64 * 2 * 8  # weight, delay and sigma
    assert kept["dcls"] > 31 * kept["ours"]


def test_one_hot_taps_are_exact():
    weight = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    delay = torch.tensor([[[0.0, 3.0], [2.0, 2.0]]])
    expected = torch.tensor([[[0.1, 0, 0, 0.2], [0, 0, 0.7, 0]]])
    assert torch.allclose(one_hot_taps(weight, delay, 4), expected, rtol=1e-7, atol=0)


def test_a_narrow_gaussian_tends_to_one_hot():
    weight, delay = torch.randn(3, 4, 1), torch.randint(0, 9, (3, 4, 1)).float()
    narrow = gaussian_taps(weight, delay, torch.full_like(weight, 0.1), 9)
    assert torch.allclose(narrow, one_hot_taps(weight, delay, 9), atol=1e-6)
