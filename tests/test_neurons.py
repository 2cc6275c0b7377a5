"""The LIF neuron against hand-computed numbers and against SpikingJelly's own."""

import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from snnlab.errors import SnnlabError
from snnlab.neurons import LIF, LeakyIntegrator, lif_step


def peer(tau: float, v_threshold: float = 1.0) -> neuron.LIFNode:
    return neuron.LIFNode(
        tau=tau,
        decay_input=False,
        v_threshold=v_threshold,
        v_reset=0.0,
        surrogate_function=surrogate.ATan(5.0),
        detach_reset=True,
        step_mode="m",
    )


def test_lif_step_by_hand():
    v, seen = torch.tensor(0.0), []
    for x in (0.6, 0.6, 0.6, 0.0, 1.2, -1.0):
        s, v, h = lif_step(v, torch.tensor(x), tau=2.0)
        seen.append((round(h.item(), 4), s.item(), round(v.item(), 4)))
    # H = V/2 + X; fires at H >= 1 and goes back to 0
    assert seen == [
        (0.6, 0, 0.6),
        (0.9, 0, 0.9),
        (1.05, 1, 0.0),
        (0.0, 0, 0.0),
        (1.2, 1, 0.0),
        (-1.0, 0, -1.0),
    ]


def test_reset_to_another_potential():
    _, v, h = lif_step(torch.tensor(0.0), torch.tensor(2.0), tau=4.0, v_reset=-0.5)
    assert h.item() == pytest.approx(0.25 * -0.5 + 2.0) and v.item() == pytest.approx(-0.5)


@pytest.mark.parametrize("tau", [1.005, 1.5, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scan_equals_spikingjelly(tau, dtype):
    torch.manual_seed(0)
    x = torch.randn(60, 7, 11, dtype=dtype) * 0.7 + 0.2
    weight = torch.randn_like(x)
    results = []
    for node in (LIF(tau), peer(tau)):
        leaf = x.clone().requires_grad_()
        spikes = node(leaf)
        ((spikes * weight).sum() + node.v.square().sum()).backward()
        results.append((spikes.detach(), node.v.detach(), leaf.grad))
    ours, theirs = results
    assert 0.02 < ours[0].mean() < 0.6  # the comparison is about neurons that fire, and not always
    assert torch.equal(ours[0], theirs[0])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(ours[1], theirs[1], atol=tolerance)
    assert torch.allclose(ours[2], theirs[2], atol=tolerance, rtol=tolerance)


def test_scan_equals_the_step():
    torch.manual_seed(1)
    x = torch.randn(40, 3, 5)
    grads = []
    for run in ("scan", "step"):
        leaf = x.clone().requires_grad_()
        if run == "scan":
            spikes = LIF(3.0)(leaf)
        else:
            v, steps = torch.zeros(3, 5), []
            for current in leaf:
                s, v, _ = lif_step(v, current, tau=3.0)
                steps.append(s)
            spikes = torch.stack(steps)
        (spikes * torch.arange(40.0).view(-1, 1, 1)).sum().backward()
        grads.append((spikes.detach(), leaf.grad))
    assert torch.equal(grads[0][0], grads[1][0])
    assert torch.allclose(grads[0][1], grads[1][1], rtol=1e-4, atol=1e-4)


def test_state_goes_on_until_it_is_reset():
    torch.manual_seed(2)
    x = torch.rand(20, 2, 3)
    whole, halves = LIF(5.0), LIF(5.0)
    assert torch.equal(whole(x), torch.cat([halves(x[:9]), halves(x[9:])]))
    functional.reset_net(halves)
    assert torch.equal(halves(x[:9]), LIF(5.0)(x[:9]))


def test_causal_and_accepts_any_layout():
    x = torch.rand(15, 4, 6)
    late = x.clone()
    late[10:] += 1
    assert torch.equal(LIF(2.0)(x)[:10], LIF(2.0)(late)[:10])
    permuted = torch.rand(4, 6, 15).permute(2, 0, 1)
    assert torch.equal(LIF(2.0)(permuted), LIF(2.0)(permuted.contiguous()))


def test_readout_is_an_infinite_threshold():
    x = torch.randn(30, 4, 5)
    node = peer(3.0, v_threshold=1e9)
    node.store_v_seq = True
    node(x)
    assert torch.allclose(LeakyIntegrator(3.0)(x), node.v_seq, atol=1e-5)


def test_readout_single_step_equals_multi_step_and_keeps_state():
    x = torch.randn(12, 2, 3)
    one = LeakyIntegrator(4.0)
    one.step_mode = "s"
    stepped = torch.stack([one(frame) for frame in x])
    parts = LeakyIntegrator(4.0)
    assert torch.allclose(stepped, torch.cat([parts(x[:5]), parts(x[5:])]), atol=1e-6)


@pytest.mark.parametrize("tau", [1, 1.0, 0.5, -2, float("nan"), float("inf"), "2"])
def test_tau_must_exceed_one(tau):
    for module in (LIF, LeakyIntegrator):
        with pytest.raises(SnnlabError, match="tau"):
            module(tau)
