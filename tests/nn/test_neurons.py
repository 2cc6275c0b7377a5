"""The LIF neuron against hand-computed numbers and against SpikingJelly's own."""

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from snnlab._utils.errors import SnnlabError
from snnlab.nn.activations import RampNeuron
from snnlab.nn.lif_scan import WORTH_THREADS, membrane
from snnlab.nn.neurons import LIF, LeakyIntegrator, lif_step


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


@pytest.mark.usefixtures("own_threads")
def test_threads_do_not_change_a_bit():
    torch.manual_seed(0)
    shape = 3, WORTH_THREADS // 3 + 1
    x, grad = torch.randn(shape, requires_grad=True), torch.randn(shape)
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        neurons = LIF(2.0)
        spikes = neurons(x)
        results.append([spikes.detach(), neurons.v.detach(), *torch.autograd.grad(spikes, x, grad)])
    assert results[0][0].mean() > 0.1
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


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


def membranes(x, v, leak, *, soft_reset, v_threshold=0.5):
    """The equation of `membrane`, a step at a time, differentiated by autograd alone."""
    spikes, charged = [], []
    for x_t in x:
        h = (1 - leak) * v + x_t
        s = surrogate.Rect(1.0)(h - v_threshold)
        v = h - v_threshold * s.detach() if soft_reset else h * (1 - s.detach())
        spikes.append(s)
        charged.append(h)
    return torch.stack(spikes), torch.stack(charged), v


def test_a_hard_and_a_soft_reset_by_hand():
    x = torch.tensor([0.5, 0.5, 1.5, 0.5, -1.0, 0.25]).view(6, 1)
    arguments = dict(leak=0.5, v_threshold=1.0, slope=surrogate.Rect(1.0))
    s, h, v = membrane(x, torch.tensor([1.0]), **arguments)
    # H = V/2 + X; 1 is enough to fire
    assert h.flatten().tolist() == [1.0, 0.5, 1.75, 0.5, -0.75, -0.125]
    assert s.flatten().tolist() == [1, 0, 1, 0, 0, 0] and v.tolist() == [-0.125]
    s, h, v = membrane(x, torch.tensor([1.0]), soft_reset=True, **arguments)
    assert h.flatten().tolist() == [1.0, 0.5, 1.75, 0.875, -0.5625, -0.03125]
    assert s.flatten().tolist() == [1, 0, 1, 0, 0, 0] and v.tolist() == [-0.03125]


@pytest.mark.parametrize("kind", ["LIF", "IF"])
@pytest.mark.parametrize("v_reset", [0.0, None])
def test_membrane_equals_spikingjelly_with_a_rectangle(kind, v_reset):
    torch.manual_seed(0)
    x = torch.randn(30, 4, 9, dtype=torch.double) * 0.7 + 0.2
    first, weight = torch.rand(4, 9, dtype=torch.double) / 2, torch.randn_like(x)
    settings = dict(
        v_threshold=0.5, v_reset=v_reset, surrogate_function=surrogate.Rect(2.0), detach_reset=True
    )
    node = (
        neuron.LIFNode(tau=1.6, decay_input=False, step_mode="m", **settings)
        if kind == "LIF"
        else neuron.IFNode(step_mode="m", **settings)
    )
    leak = 1 / 1.6 if kind == "LIF" else 0.0
    results = []
    for ours in (True, False):
        leaves = [x.clone().requires_grad_(), first.clone().requires_grad_()]
        if ours:
            slope = surrogate.Rect(2.0)
            spikes, _, v = membrane(
                *leaves, leak=leak, v_threshold=0.5, slope=slope, soft_reset=v_reset is None
            )
        else:
            node.v = leaves[1]
            spikes, v = node(leaves[0]), node.v
        ((spikes * weight).sum() + v.square().sum()).backward()
        results.append((spikes.detach(), v.detach(), *(leaf.grad for leaf in leaves)))
    assert 0.1 < results[0][0].mean() < 0.9 and torch.equal(results[0][0], results[1][0])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_a_learned_leak_equals_spikingjellys():
    torch.manual_seed(1)
    x = torch.randn(25, 3, 8, dtype=torch.double) * 0.6 + 0.2
    weight = torch.randn_like(x)
    settings = dict(
        v_threshold=0.5, v_reset=0.0, surrogate_function=surrogate.Rect(1.0), detach_reset=True
    )
    node = neuron.ParametricLIFNode(
        init_tau=1.7, decay_input=False, step_mode="m", **settings
    ).double()
    w = node.w.detach().clone().requires_grad_()
    theirs, leaf = node(x), x.clone().requires_grad_()
    (theirs * weight).sum().backward()
    zero = torch.zeros(3, 8, dtype=torch.double)
    spikes, _, _ = membrane(
        leaf, zero, leak=w.sigmoid(), v_threshold=0.5, slope=surrogate.Rect(1.0)
    )
    (spikes * weight).sum().backward()
    assert torch.equal(spikes, theirs) and w.grad.item() == pytest.approx(
        node.w.grad.item(), rel=1e-9
    )
    assert abs(w.grad) > 0.1


class Elsewhere(torch.Tensor):
    """A tensor that says that it is not on the CPU, so that the path of a GPU runs here."""

    @property
    def device(self):
        return torch.device("cuda")


@pytest.mark.parametrize("soft_reset", [False, True])
@pytest.mark.parametrize("used", ["s", "h", "v", "sh", "shv"])
def test_every_output_passes_its_gradient_on_and_both_paths_agree(soft_reset, used):
    torch.manual_seed(2)
    x, first = torch.randn(12, 2, 5, dtype=torch.double), torch.rand(2, 5, dtype=torch.double)
    weights = [torch.randn_like(x), torch.randn_like(x), torch.randn_like(first)]
    results = []
    for path in ("scan", "steps", "autograd"):
        leaves = [
            x.clone().requires_grad_(),
            first.clone().requires_grad_(),
            torch.tensor(0.3).double().requires_grad_(),
        ]
        if path == "autograd":
            outputs = membranes(*leaves, soft_reset=soft_reset)
        else:
            current = leaves[0].as_subclass(Elsewhere) if path == "steps" else leaves[0]
            slope = surrogate.Rect(1.0)
            outputs = membrane(
                current,
                leaves[1],
                leak=leaves[2],
                v_threshold=0.5,
                slope=slope,
                soft_reset=soft_reset,
            )
        loss = sum(
            (o * w).sum()
            for name, o, w in zip("shv", outputs, weights, strict=True)
            if name in used
        )
        loss.backward()
        results.append([*(o.detach() for o in outputs), *(leaf.grad for leaf in leaves)])
    assert 0.1 < results[0][0].mean() < 0.9
    for scan, steps, truth in zip(*results, strict=True):
        assert torch.allclose(scan, truth, atol=1e-12) and torch.allclose(steps, truth, atol=1e-12)


@pytest.mark.parametrize("soft_reset", [False, True])
def test_the_gradient_of_the_charged_membrane_is_exact(soft_reset):
    """The spikes stay where they are under a small change, so what the reset lets through can be
    differentiated.
    """
    torch.manual_seed(3)
    x = torch.randn(6, 2, 3, dtype=torch.double, requires_grad=True)
    v = torch.rand(2, 3, dtype=torch.double, requires_grad=True)
    leak = torch.tensor(0.3, dtype=torch.double, requires_grad=True)

    def charged_and_last(x, v, leak):
        slope = surrogate.Rect(1.0)
        return membrane(x, v, leak=leak, v_threshold=0.5, slope=slope, soft_reset=soft_reset)[1:]

    assert torch.autograd.gradcheck(charged_and_last, (x, v, leak))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_membrane_adds_up_in_float32_whatever_comes_in(dtype):
    x = torch.full((1000, 1), 0.001, dtype=dtype)
    _, h, v = membrane(x, torch.zeros(1), leak=0.0, v_threshold=9.0, slope=surrogate.Rect(1.0))
    assert h.dtype == v.dtype == torch.float32
    assert v.item() == pytest.approx(1000 * x[0].item(), rel=1e-4)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_membrane_left_from_another_batch_is_refused_and_not_read_beyond_its_end(batch):
    node = LIF(2.0)
    node(torch.rand(5, 4, 6))
    with pytest.raises(SnnlabError, match=r"got membranes of shape \(4, 6\).*expected .*reset"):
        node(torch.rand(5, batch, 6))
    functional.reset_net(node)
    assert node(torch.rand(5, batch, 6)).shape == (5, batch, 6)


@pytest.mark.parametrize("make", [LIF, LeakyIntegrator])
def test_a_current_in_whole_numbers_is_refused(make):
    # where 1 - 1/tau would be rounded to 0, and the membrane would keep nothing
    for dtype in (torch.int64, torch.uint8, torch.bool):
        x = torch.ones(4, 2, 3).to(dtype)
        with pytest.raises(
            SnnlabError, match=f"current of the type {dtype}: a membrane needs floating point"
        ):
            make(2.0)(x)
    assert make(2.0)(x.float()).isfinite().all()


def test_a_time_constant_is_a_number_of_any_kind():
    for tau in (np.float32(1.5), np.float64(1.5), np.int64(2), 2):
        assert type(LIF(tau).tau) is float and LeakyIntegrator(tau).tau == tau
    for tau in (True, np.bool_(True), "2", None, np.float32("nan"), np.float64("inf")):
        with pytest.raises(SnnlabError, match="tau = "):
            LIF(tau)


@pytest.mark.parametrize("make", [LeakyIntegrator, RampNeuron])
def test_a_current_in_float64_is_added_up_in_float64(make):
    x = torch.full((400, 1, 1), 1e-3, dtype=torch.float64)
    one, each = make(1000.0), make((1000.0,))
    for _ in range(2):  # the second sequence goes on from a membrane
        torch.testing.assert_close(one(x), each(x), rtol=1e-9, atol=0)


@pytest.mark.parametrize("make", [LIF, LeakyIntegrator, RampNeuron])
@pytest.mark.parametrize("tau", [2.0, (1.5, 2.0, 3.0)])
def test_a_sequence_without_steps_is_refused(make, tau):
    with pytest.raises(SnnlabError, match=r"shape \(0, 2, 3\); expected at least one time step"):
        make(tau)(torch.zeros(0, 2, 3))


def test_neurons_with_a_time_constant_each_go_step_by_step_and_store_their_membranes():
    torch.manual_seed(0)
    taus, x = (1.5, 2.0, 3.0), torch.rand(12, 2, 3)
    steps, sequence = LIF(taus), LIF(taus)
    steps.step_mode = "s"
    steps.store_v_seq = sequence.store_v_seq = True
    spikes = sequence(x)
    assert 0.1 < spikes.mean() < 0.9
    assert torch.equal(torch.stack([steps(frame) for frame in x]), spikes)
    assert torch.equal(steps.v_seq, sequence.v_seq)
    assert torch.equal(sequence.v_seq[-1], sequence.v)
    for i, tau in enumerate(taus):
        alone = peer(tau)
        alone.store_v_seq = True
        assert torch.equal(alone(x[..., i]), spikes[..., i])
        torch.testing.assert_close(alone.v_seq, sequence.v_seq[..., i])
