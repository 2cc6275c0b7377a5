"""One activation in its modes: by hand, beside SpikingJelly's neurons, and where two modes have to
be the same.
"""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.nn.activations import (
    OVER_TIME,
    SPIKING,
    Activation,
    activations,
    firing_rate,
    matched_ramp,
    ramp_bounds,
    set_mode,
)

MODES = ("relu", "ramp", "liaf", "lif", "quantised", "soft")


def activation(mode, *, low=0.0, high=1.0, levels=1, scale=None, **arguments):
    made = Activation(learn_decay=True, learn_scale=True, **arguments).double()
    set_mode(made, mode, low=low, high=high, levels=levels)
    if scale is not None:
        nn.init.constant_(made.scale, scale)
    return made


def result(made, x, weight=None):
    """Output, and gradients of input, decay and scale, under random weights of the outputs."""
    torch.manual_seed(9)
    leaf = x.clone().requires_grad_()
    out = made(leaf)
    (out * torch.randn_like(out)).sum().backward()
    return out.detach(), leaf.grad, made.k.grad, made.scale.grad


def inputs(steps=20, seed=0):
    torch.manual_seed(seed)
    return torch.randn(steps, 3, 7, dtype=torch.double) * 0.6 + 0.25


def test_each_mode_by_hand():
    x = torch.tensor([-0.3, 0.2, 0.45, 0.5, 0.8, 1.7], dtype=torch.double)[None]
    expected = {
        "relu": [0, 0.2, 0.45, 0.5, 0.8, 1],
        "ramp": [0, 0, 0.25, 0.5, 1, 1],  # 0.4 to 0.6
        "liaf": [0, 0.2, 0.45, 0.5, 0.8, 1],
        "lif": [0, 0, 0, 1, 1, 1],  # the threshold is enough
        # X / 1.2 * 3 is -.75, .5 - , 1.125, 1.25, 2, 4.25
        "quantised": [0, 0, 1 / 3, 1 / 3, 2 / 3, 1],
        "soft": [0, 0, 0, 0, 1, 1],  # half of 1.2 fires a membrane that begins half full
    }
    x[0, 1] -= 1e-9  # no tie
    for mode, values in expected.items():
        out = activation(mode, low=0.4, high=0.6, levels=3, scale=1.2)(x)
        assert out.flatten().tolist() == pytest.approx(values, abs=1e-8), mode


def test_the_analogue_functions_and_the_membrane_behind_liaf_by_hand():
    x = torch.tensor([-1.0, 0.3, 2.0, 2.0], dtype=torch.double).view(4, 1)
    # u = 0.25 u (unless it fired) + x: -1, 0.05, 2.0125 (fires), 2 (fires)
    for analogue, values in {
        "relu": [0, 0.05, 2.0125, 2],
        "relu1": [0, 0.05, 1, 1],
        "leaky_relu": [-0.2, 0.05, 2.0125, 2],
    }.items():
        assert activation("liaf", rectifier=analogue)(x).flatten().tolist() == pytest.approx(values)
    assert activation("lif")(x).flatten().tolist() == [0, 0, 1, 1]


def paper(x, k, f):
    """u[t] = d u[t-1] (1 - s[t-1]) + x[t] with the gate detached, and what f makes of u; f None for
    the spike.
    """
    u, s, out = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    for x_t in x:
        u = k.sigmoid() * u * (1 - s.detach()) + x_t
        s = surrogate.Rect(1.0)(u - 0.5)
        out.append(s if f is None else f(u))
    return torch.stack(out)


@pytest.mark.parametrize("decay", [0.25, 0.622, 0.95])
@pytest.mark.parametrize("mode", ["lif", "relu", "relu1", "leaky_relu"])
def test_lif_and_liaf_are_the_papers_equation_and_so_are_all_gradients(mode, decay):
    x = inputs()
    f = {
        "lif": None,
        "relu": F.relu,
        "relu1": lambda u: u.clamp(0, 1),
        "leaky_relu": lambda u: F.leaky_relu(u, 0.2),
    }
    ours = (
        activation("lif", decay=decay)
        if mode == "lif"
        else activation("liaf", rectifier=mode, decay=decay)
    )
    out, grad, grad_k, grad_scale = result(ours, x)
    torch.manual_seed(9)
    leaf, k = (
        x.clone().requires_grad_(),
        torch.tensor(math.log(decay / (1 - decay))).double().requires_grad_(),
    )
    expected = paper(leaf, k, f[mode])
    (expected * torch.randn_like(expected)).sum().backward()
    assert torch.allclose(out, expected, atol=1e-6) and 0.1 < paper(x, k, None).mean() < 0.9
    assert torch.allclose(grad, leaf.grad, atol=1e-6) and grad_scale is None
    assert grad_k.item() == pytest.approx(k.grad.item(), rel=1e-5) and abs(grad_k) > 1e-3


def test_lif_is_spikingjellys_parametric_neuron():
    x = inputs()
    ours = activation("lif", decay=0.25)
    settings = dict(
        v_threshold=0.5, v_reset=0.0, surrogate_function=surrogate.Rect(1.0), detach_reset=True
    )
    node = neuron.ParametricLIFNode(
        init_tau=4 / 3, decay_input=False, step_mode="m", **settings
    ).double()
    out, grad, grad_k, _ = result(ours, x)
    torch.manual_seed(9)
    leaf = x.clone().requires_grad_()
    theirs = node(leaf)
    (theirs * torch.randn_like(theirs)).sum().backward()
    assert torch.equal(out, theirs) and torch.allclose(grad, leaf.grad, atol=1e-6)
    # Their w is the logit of what is lost
    assert grad_k.item() == pytest.approx(-node.w.grad.item(), rel=1e-5)


def test_soft_is_spikingjellys_integrate_and_fire_neuron_that_begins_half_full():
    x = inputs()
    out, grad, grad_k, grad_scale = result(activation("soft", scale=0.7), x)
    torch.manual_seed(9)
    leaf, scale = (
        x.clone().requires_grad_(),
        torch.tensor(0.7, dtype=torch.double, requires_grad=True),
    )
    settings = dict(
        v_reset=None, surrogate_function=surrogate.Rect(1.0), detach_reset=True, step_mode="m"
    )
    node = neuron.IFNode(v_threshold=1.0, **settings)
    node.v = torch.full_like(x[0], 0.5)
    theirs = node(leaf / scale)
    (theirs * torch.randn_like(theirs)).sum().backward()
    assert (
        torch.equal(out, theirs) and torch.allclose(grad, leaf.grad, atol=1e-9) and grad_k is None
    )
    assert grad_scale.item() == pytest.approx(scale.grad.item(), rel=1e-9)


def test_the_backward_pass_of_the_ramp_is_the_spikes_whatever_its_ends():
    x = torch.tensor([-0.1, 0.1, 0.4, 0.5, 0.9, 1.1], dtype=torch.double)[None].requires_grad_()
    for low, high in ((0, 1), (0.25, 0.75), (0.49, 0.5)):
        made = activation("ramp", low=low, high=high)
        (grad,) = torch.autograd.grad((made(x) * torch.arange(1.0, 7)).sum(), x)
        assert grad.tolist() == [[0, 2, 3, 4, 5, 0]]


def test_quantised_passes_the_gradient_of_the_clipped_line():
    x = torch.tensor([-0.2, 0.3, 0.55, 1.6], dtype=torch.double)[None].requires_grad_()
    made = activation("quantised", levels=4, scale=0.8)
    made(x).sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0, 1.25, 1.25, 0])
    assert made.scale.grad.item() == pytest.approx(-(0.3 + 0.55) / 0.8**2)


@pytest.mark.parametrize("analogue", ["relu", "relu1", "leaky_relu"])
def test_one_step_of_liaf_is_the_ordinary_network(analogue):
    for a, b in zip(
        result(activation("liaf", rectifier=analogue), inputs(1))[:2],
        result(activation("relu", rectifier=analogue), inputs(1))[:2],
        strict=True,
    ):
        assert torch.equal(a, b)


def test_the_ramp_at_its_sharpest_is_one_step_of_lif():
    x = inputs(1)
    x = torch.where((x - 0.5).abs() < 1e-6, 0.0, x)
    sharp = activation("ramp", low=0.5 - 1e-9, high=0.5 + 1e-9)
    for a, b in zip(result(sharp, x)[:2], result(activation("lif"), x)[:2], strict=True):
        assert torch.allclose(a, b, atol=1e-12)


@given(
    st.integers(1, 32),
    st.floats(0.05, 3),
    st.lists(st.tuples(st.integers(-3, 35), st.floats(-0.49, 0.49)), min_size=1, max_size=20),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=150, deadline=None)
def test_soft_fires_at_the_rate_that_quantised_gives_out(steps, scale, levels, dtype):
    """Inputs that are nearest to level j of `steps`, away from a tie by 0.01 levels; below 0 and
    above 1 as well.
    """
    soft, quantised = Activation().to(dtype), Activation().to(dtype)
    for made in (soft, quantised):
        nn.init.constant_(made.scale, scale)
    set_mode(soft, "soft")
    set_mode(quantised, "quantised", levels=steps)
    x = torch.tensor([(j + offset) / steps * scale for j, offset in levels], dtype=dtype)[None]
    expected = [min(max(j, 0), steps) for j, _ in levels]
    spikes = soft(x.expand(steps, -1))
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}
    assert spikes.sum(0).tolist() == expected
    assert (quantised(x) * steps).flatten().tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 4, 16])
def test_on_a_tie_both_round_up(steps):
    """Powers of two, so that all sums are exact."""
    x = (torch.arange(-2, steps + 3) + 0.5)[None] / steps
    soft, quantised = Activation(), Activation()
    set_mode(soft, "soft")
    set_mode(quantised, "quantised", levels=steps)
    expected = [min(max(j + 1, 0), steps) for j in range(-2, steps + 3)]
    assert soft(x.expand(steps, -1)).sum(0).tolist() == expected
    assert (quantised(x) * steps).flatten().tolist() == expected


def test_the_firing_curve_has_the_papers_steps():
    current = torch.tensor(
        [0.375, 0.376, 0.38, 0.382, 0.399, 0.401, 0.499, 0.5, 0.9], dtype=torch.double
    )
    spikes = (firing_rate(current, steps=6) * 6).round(decimals=9).tolist()
    assert spikes == [0, 1, 1, 2, 2, 3, 3, 6, 6]
    current = torch.tensor(
        [0.193, 0.195, 0.222, 0.224, 0.308, 0.309, 0.499, 0.501], dtype=torch.double
    )
    rates = firing_rate(current, steps=8, decay=1 / (1 + math.exp(-0.5)))
    assert (rates * 8).tolist() == [0, 1, 1, 2, 2, 4, 4, 8]


@given(st.floats(-0.5, 1.5), st.floats(0.05, 0.95), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_the_firing_curve_is_the_time_that_a_constant_current_needs(current, decay, steps):
    """Without a reset u after n steps is I (1 - d^n) / (1 - d); it fires every n steps, the first n
    with u at 0.5.
    """
    reached = [current * (1 - decay**n) / (1 - decay) for n in range(1, steps + 1)]
    assume(all(abs(u - 0.5) > 1e-5 for u in reached))
    needed = next((n for n, u in enumerate(reached, start=1) if u > 0.5), math.inf)
    rate = firing_rate(torch.tensor([current], dtype=torch.double), steps=steps, decay=decay)
    assert rate.item() * steps == pytest.approx(steps // needed)


def test_the_ramp_that_is_closest_to_the_firing_curve():
    for steps, decay, expected in (
        (6, 0.25, (0.34, 0.54, 0.049)),
        (8, 0.6225, (0.16, 0.60, 0.064)),
    ):
        assert matched_ramp(steps=steps, decay=decay) == pytest.approx(expected, abs=0.006)
    low, high, error = matched_ramp(steps=6)
    assert error == pytest.approx(0.049, abs=5e-4)
    x = torch.linspace(-0.2, 1.2, 1401, dtype=torch.double)
    rate = firing_rate(x, steps=6)
    for ends, rms in (((0, 1), 0.207), ((0.49, 0.5), 0.135), ((low, high), error)):
        ramp = ((x - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)
        assert (ramp - rate).square().mean().sqrt().item() == pytest.approx(rms, abs=6e-4)


def test_the_sharpening_is_the_papers():
    for epoch, ends in (
        (0, (0, 1)),
        (1, (0.005, 0.995)),
        (50, (0.25, 0.75)),
        (98, (0.49, 0.51)),
        (100, (0.49, 0.5)),
    ):
        assert ramp_bounds(epoch / 100) == pytest.approx(ends)


@pytest.mark.parametrize("mode", MODES)
def test_only_modes_with_a_membrane_remember(mode):
    x = inputs(12)
    whole, parts = activation(mode, levels=4), activation(mode, levels=4)
    expected = whole(x)
    assert torch.equal(torch.cat([parts(x[:5]), parts(x[5:])]), expected)
    alone = activation(mode, levels=4)(x[5:])
    assert torch.equal(alone, expected[5:]) == (mode not in OVER_TIME)
    functional.reset_net(parts)
    assert torch.equal(parts(x), expected)
    parts.step_mode = "s"
    functional.reset_net(parts)
    assert torch.equal(torch.stack([parts(frame) for frame in x]), expected)
    assert (set(expected.unique().tolist()) == {0.0, 1.0}) == (mode in SPIKING)


def test_modes_have_the_same_parameters_and_switching_changes_none():
    made = Activation(decay=0.3)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    assert before.keys() == {"k", "scale"} and torch.sigmoid(before["k"]).item() == pytest.approx(
        0.3
    )
    for mode in (*MODES, "relu"):
        set_mode(made, mode)
        assert made.mode == mode and f"mode={mode}" in repr(made)
        after = made.state_dict()
        assert after.keys() == before.keys() and all(
            torch.equal(after[name], before[name]) for name in before
        )
    assert not any(p.requires_grad for p in made.parameters())
    assert [p.requires_grad for p in Activation(learn_decay=True).parameters()] == [True, False]
    assert [p.requires_grad for p in Activation(learn_scale=True).parameters()] == [False, True]


def test_activations_are_found_by_name_in_order():
    net = nn.Sequential(nn.Linear(2, 2), Activation(), nn.Sequential(Activation()))
    assert [name for name, _ in activations(net)] == ["1", "2.0"]
    set_mode(net, "ramp", low=0.1, high=0.4, levels=3)
    assert all(
        (a.mode, a.low, a.high, a.levels) == ("ramp", 0.1, 0.4, 3) for _, a in activations(net)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Activation(rectifier="relu2"), "did you mean relu"),
        (lambda: Activation(decay=0), "decay = 0: expected the share"),
        (lambda: Activation(decay=1.0), "decay = 1.0"),
        (lambda: Activation(decay=float("nan")), "decay = nan"),
        (lambda: set_mode(Activation(), "liff"), "did you mean lif"),
        (lambda: set_mode(Activation(), "ramp", low=0.5, high=0.5), "a ramp has to rise"),
        (lambda: set_mode(Activation(), "quantised", levels=0), "levels = 0"),
        (
            lambda: set_mode(nn.Linear(1, 1), "lif"),
            "Linear has no snnlab.nn.activations.Activation",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(SnnlabError, match=message):
        call()


@pytest.mark.parametrize("mode", OVER_TIME)
def test_a_sequence_without_steps_is_refused(mode):
    layer = Activation()
    set_mode(layer, mode)
    with pytest.raises(SnnlabError, match=r"shape \(0, 2, 3\); expected at least one time step"):
        layer(torch.zeros(0, 2, 3))
