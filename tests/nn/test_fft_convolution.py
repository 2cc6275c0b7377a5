"""The spectral convolution: equal to the direct sum, in values, gradients, causality, whatever the
sizes and strides.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab._utils.errors import SnnlabError
from snnlab.nn import fft_convolution, transform_loops
from snnlab.nn.channel_filter import dense_convolution
from snnlab.nn.fft_convolution import causal_convolution, operations, prefer_spectral

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}

sizes = st.fixed_dictionaries(
    {
        "t": st.integers(1, 40),
        "b": st.integers(1, 4),
        "n_in": st.integers(1, 5),
        "n_out": st.integers(1, 5),
        "n_taps": st.integers(1, 60),
        "more": st.integers(-5, 12),  # steps of output beyond the input's
        "seed": st.integers(0, 2**16),
    }
)


def close(ours, truth, without_signs):
    """Within the tolerance of the largest value; the truth is computed in float64.

    In one number, or few, the terms may happen to cancel, and no convolution knows the small rest
    to many digits. There the scale is a tenth of the same sum without its signs.
    """
    scale = max(truth.abs().max(), 0.1 * without_signs.max())
    return (ours.double() - truth).abs().max() <= TOLERANCE[ours.dtype] * scale


def direct(x, taps, steps):
    """The formula, delay by delay: y[t] = sum over d of taps[d] x[t - d]."""
    y = x.new_zeros(steps, x.shape[1], taps.shape[0])
    for d in range(min(steps, taps.shape[2])):
        heard = x[: steps - d] @ taps[:, :, d].T
        y[d : d + len(heard)] += heard
    return y


@given(sizes, st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=150, deadline=None)
def test_values_and_gradients_are_those_of_the_direct_sum(size, dtype):
    torch.manual_seed(size["seed"])
    steps = max(1, size["t"] + size["more"])
    x, taps = (
        torch.randn(size["t"], size["b"], size["n_in"]),
        torch.randn(size["n_out"], size["n_in"], size["n_taps"]),
    )
    weight = torch.randn(steps, size["b"], size["n_out"])
    results = []
    for convolve, precision, signed in (
        (causal_convolution, dtype, True),
        (dense_convolution, torch.float64, True),
        (direct, torch.float64, True),
        (direct, torch.float64, False),
    ):
        values = [(value if signed else value.abs()).to(precision) for value in (x, taps, weight)]
        leaves = [value.clone().requires_grad_() for value in values[:2]]
        y = convolve(*leaves, steps)
        y.backward(values[2])
        results.append([y.detach(), *(leaf.grad for leaf in leaves)])
    for ours, dense, formula, without_signs in zip(*results, strict=True):
        assert ours.shape == dense.shape and ours.dtype == dtype
        assert torch.allclose(dense, formula, atol=1e-12)
        assert close(ours, dense, without_signs)


@pytest.mark.parametrize(
    ("t", "n_taps", "steps"), [(243, 61, 251), (256, 1, 256), (500, 13, 512), (601, 424, 777)]
)
def test_many_steps_too(t, n_taps, steps):
    torch.manual_seed(0)
    leaves = [
        torch.randn(t, 2, 3, dtype=torch.double, requires_grad=True),
        torch.randn(2, 3, n_taps, dtype=torch.double, requires_grad=True),
    ]
    grad = torch.randn(steps, 2, 2, dtype=torch.double)
    results = []
    for convolve in (causal_convolution, direct):
        y = convolve(*leaves, steps)
        results.append([y.detach(), *torch.autograd.grad(y, leaves, grad)])
    for ours, truth in zip(*results, strict=True):
        assert torch.allclose(ours, truth, atol=1e-11)


def convolved(x, taps, steps):
    """The convolution and both gradients."""
    y = causal_convolution(x, taps, steps)
    return [y, *torch.autograd.grad(y.square().sum(), (x, taps))]


# 600 columns are a whole tile and a part of one; r is 4, 8 and 16
@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize(
    ("dtype", "threads"), [(torch.float32, 1), (torch.float32, 2), (torch.float64, 1)]
)
@pytest.mark.parametrize(("t", "n_taps", "steps"), [(30, 7, 35), (300, 30, 290), (520, 40, 600)])
def test_compiled_loops_give_what_products_of_torch_give(
    monkeypatch, dtype, t, n_taps, steps, threads
):
    torch.manual_seed(0)
    monkeypatch.setattr(transform_loops, "WORTH_THREADS", 1)
    torch.set_num_threads(threads)
    x = torch.randn(t, 60, 10, dtype=dtype, requires_grad=True)
    taps = torch.randn(7, 10, n_taps, dtype=dtype, requires_grad=True)
    ours = convolved(x, taps, steps)
    monkeypatch.setattr(fft_convolution, "is_plain_on_cpu", lambda signal: False)
    for got, expected in zip(ours, convolved(x, taps, steps), strict=True):
        assert (got - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max()


def test_an_example_by_hand():
    x, taps = torch.tensor([1.0, 2, 3]).view(3, 1, 1), torch.tensor([1.0, 0, -1, 5]).view(1, 1, 4)
    for steps, expected in ((None, [1, 2, 2]), (2, [1, 2]), (7, [1, 2, 2, 3, 7, 15, 0])):
        assert causal_convolution(x, taps, steps).flatten().tolist() == pytest.approx(
            expected, abs=1e-5
        )


def view_of(shape, kind):
    """A tensor of a shape that does not lie contiguously in memory."""
    if kind == "permuted":
        return torch.randn(*reversed(shape), dtype=torch.double).permute(2, 1, 0)
    if kind == "strided":
        return torch.randn(*(2 * size for size in shape), dtype=torch.double)[::2, 1::2, ::2]
    return torch.randn(shape[0], 1, shape[2], dtype=torch.double).expand(shape)


@given(sizes, *[st.sampled_from(["permuted", "strided", "expanded"])] * 2)
@settings(max_examples=60, deadline=None)
def test_any_strides_and_an_expanded_gradient(size, kind_of_x, kind_of_taps):
    torch.manual_seed(size["seed"])
    x = view_of((size["t"], size["b"], size["n_in"]), kind_of_x)
    taps = view_of((size["n_out"], size["n_in"], size["n_taps"]), kind_of_taps)
    weight = view_of((size["t"], size["b"], size["n_out"]), kind_of_x)
    results = []
    for a, b, g in ((x, taps, weight), (x.contiguous(), taps.contiguous(), weight.contiguous())):
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        y = causal_convolution(a, b)
        # The gradient is one number, expanded
        of_sum = torch.autograd.grad(y.sum(), (a, b), retain_graph=True)
        results.append((y.detach(), *of_sum, *torch.autograd.grad(y, (a, b), g)))
    for ours, contiguous in zip(*results, strict=True):
        assert torch.allclose(ours, contiguous, atol=1e-12)


@given(sizes)
@settings(max_examples=15, deadline=None)
def test_gradcheck(size):
    torch.manual_seed(size["seed"])
    t, n_taps = min(size["t"], 6), min(size["n_taps"], 8)
    x = torch.randn(t, 2, size["n_in"], dtype=torch.double, requires_grad=True)
    taps = torch.randn(size["n_out"], size["n_in"], n_taps, dtype=torch.double, requires_grad=True)
    steps = max(1, t + size["more"])
    assert torch.autograd.gradcheck(lambda x, taps: causal_convolution(x, taps, steps), (x, taps))


@given(sizes, st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=60, deadline=None)
def test_what_comes_later_changes_nothing(size, dtype):
    torch.manual_seed(size["seed"])
    x = torch.randn(size["t"] + 1, size["b"], size["n_in"], dtype=dtype)
    taps = torch.randn(size["n_out"], size["n_in"], size["n_taps"], dtype=dtype)
    late = x.clone()
    late[-1] += 3
    before, after = causal_convolution(x, taps)[:-1], causal_convolution(late, taps)[:-1]
    assert (before - after).abs().max() <= TOLERANCE[dtype] * direct(
        late.abs(), taps.abs(), len(x)
    ).max()


@given(sizes, st.integers(1, 10))
@settings(max_examples=40, deadline=None)
def test_a_delayed_input_gives_a_delayed_output_and_sums_give_sums(size, shift):
    torch.manual_seed(size["seed"])
    x, other = torch.randn(2, size["t"], size["b"], size["n_in"], dtype=torch.double)
    taps = torch.randn(size["n_out"], size["n_in"], size["n_taps"], dtype=torch.double)
    y = causal_convolution(x, taps)
    delayed = causal_convolution(
        torch.cat([torch.zeros(shift, *x.shape[1:], dtype=x.dtype), x]), taps
    )
    assert torch.allclose(delayed[shift:], y, atol=1e-11) and delayed[:shift].abs().max() < 1e-11
    assert torch.allclose(
        causal_convolution(x + 2 * other, taps), y + 2 * causal_convolution(other, taps), atol=1e-11
    )


def test_an_input_that_asks_for_no_gradient_gets_none():
    x, taps = torch.randn(9, 2, 3), torch.randn(4, 3, 5, requires_grad=True)
    causal_convolution(x, taps).sum().backward()
    assert x.grad is None and taps.grad.shape == taps.shape
    x.requires_grad_()
    causal_convolution(x, taps.detach()).sum().backward()
    assert x.grad.shape == x.shape


def test_what_is_computed_once_serves_again():
    torch.manual_seed(0)
    x, taps = torch.randn(83, 2, 3, requires_grad=True), torch.randn(4, 3, 29, requires_grad=True)
    with torch.inference_mode():  # what is first made here must do for training too
        expected = causal_convolution(x, taps)
    grads = []
    for _ in range(2):
        y = causal_convolution(x, taps)
        assert torch.equal(y, expected)
        grads.append(torch.autograd.grad(y.square().sum(), (x, taps)))
    assert all(torch.equal(first, second) for first, second in zip(*grads, strict=True))


def test_autocast_does_not_reach_inside():
    torch.manual_seed(0)
    x, taps = torch.randn(20, 3, 4), torch.randn(5, 4, 7, requires_grad=True)
    expected = causal_convolution(x, taps)
    with torch.autocast("cpu", torch.bfloat16):
        got = causal_convolution(x, taps)
        assert torch.equal(got, expected)
        (grad,) = torch.autograd.grad(got.sum(), taps)
    assert torch.equal(grad, torch.autograd.grad(expected.sum(), taps)[0])


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        # 20 frequencies, as N = 30 + 11 - 1 = 40; three factors each
        ("x taps", [3 * 20 * 4 * 5, 6 * 5 * 11]),
        ("taps", [3 * 20 * 4 * 5]),  # the first layer of a network
        ("x", [6 * 5 * 11]),
    ],
)
def test_saved_for_backward_are_the_factors_of_the_input_and_the_taps(leaves, expected):
    saved = []
    x = torch.randn(30, 4, 5, requires_grad="x" in leaves.split())
    taps = torch.randn(6, 5, 11, requires_grad="taps" in leaves)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(t.numel()) or t, lambda t: t
    ):
        causal_convolution(x, taps)
    assert saved == expected


@pytest.mark.parametrize(
    ("dtype", "other", "message"),
    [
        (torch.half, torch.half, "torch.float16"),
        (torch.bfloat16, torch.bfloat16, "use the dense engine"),
        (torch.double, torch.float, "both in float32 or both in float64"),
    ],
)
def test_what_cannot_be_convolved_is_refused(dtype, other, message):
    with pytest.raises(SnnlabError, match=message):
        causal_convolution(torch.zeros(5, 2, 3, dtype=dtype), torch.zeros(2, 3, 4, dtype=other))


def test_operations_by_hand():
    # T = 4, L = 1: N = 8, four frequencies; B = 3, N_in = 5, N_out = 7; one row of four steps each
    assert operations(4, 3, 5, 7, 1) == (
        2 * 4 * 1 * 3 * 5 * 7,
        4 * (4 + 12 * 4) * (3 * 12 + 35) + 6 * 4 * 3 * 5 * 7,
    )
    direct_g, spectral_g = (value / 1e9 for value in operations(112, 256, 256, 256, 25))
    assert direct_g == pytest.approx(94, abs=0.5)
    assert spectral_g == pytest.approx(1.43 + 0.34 + 6.84, abs=0.02)
    direct_g, spectral_g = (value / 1e9 for value in operations(112, 256, 256, 256, 101))
    assert direct_g == pytest.approx(380, abs=1)
    assert spectral_g == pytest.approx(2.26 + 1.08 + 10.87, abs=0.02)
    # What is longer than the input is not heard
    assert operations(4, 3, 5, 7, 100) == operations(4, 3, 5, 7, 4)


@pytest.mark.parametrize(
    ("shape", "n_out", "n_taps", "expected"),
    [
        ((112, 256, 256), 256, 25, True),  # 94 G beside 9 G
        # 100 steps, samples and neurons: direct 0.2 G a tap, spectral 0.49 G for 3 or 4 taps
        ((100, 100, 100), 100, 3, False),  # 0.60 G is less than 1.5 times 0.493 G
        ((100, 100, 100), 100, 4, True),  # 0.80 G is more than 1.5 times 0.493 G
        # 9.7 M and 11.1 M operations, more than twice the spectral ones: below 10 M the
        # number of calls decides
        ((20, 23, 23), 23, 20, False),
        ((20, 24, 24), 24, 20, True),
    ],
)
def test_the_rule_asks_for_size_and_type(shape, n_out, n_taps, expected):
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = torch.empty(shape, dtype=dtype, device="meta")
        assert prefer_spectral(x, n_out, n_taps) == (expected and dtype in TOLERANCE)
