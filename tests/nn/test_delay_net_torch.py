"""DelayNet with what torch offers around a network: types, compilation, processes, files."""

import pytest
import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from snnlab.delays.ablation import discretise
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet

KINDS = ("synaptic", "axonal", "dendritic", "axo-dendritic")


def network(kind, seed=0, **changes):
    torch.manual_seed(seed)
    sizes = dict(max_delay=6, tau=1.5, dropout=0.0, delay_kind=kind) | changes
    return DelayNet(8, (10, 9), 4, **sizes)


def spikes():
    torch.manual_seed(0)
    return torch.poisson(torch.full((20, 5, 8), 0.4))


def scores_and_gradients(net, call=None):
    scores = (call or net)(spikes().to(next(net.parameters()).dtype))
    scores.float().log()[:, 0].sum().backward()
    return scores, {
        name: parameter.grad
        for name, parameter in net.named_parameters()
        if parameter.requires_grad
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_bfloat16(kind):
    net = network(kind).to(torch.bfloat16)
    scores, gradients = scores_and_gradients(net)
    assert scores.dtype == torch.bfloat16
    assert torch.allclose(scores.float(), network(kind)(spikes()), atol=0.6)  # of 26 steps
    assert all(
        grad.dtype == torch.bfloat16 and grad.isfinite().all() for grad in gradients.values()
    )
    assert all(layer.P.grad.any() for layer in net.synapses)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast(kind):
    net = network(kind)
    with torch.autocast("cpu", torch.bfloat16):
        scores, gradients = scores_and_gradients(net)
    assert torch.allclose(scores.float(), network(kind)(spikes()), atol=0.6)
    assert all(grad.dtype == torch.float32 and grad.isfinite().all() for grad in gradients.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_layer(kind):
    torch._dynamo.reset()
    layer, x = DelayLinear(4, 3, 5, kind=kind, engine="dense"), torch.rand(9, 2, 4)
    layer.round_delays()
    results = []
    for call in (layer, torch.compile(layer, backend="eager")):
        y = call(x)
        results.append([y, *torch.autograd.grad(y.sin().sum(), layer.weight)])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("kind", ["synaptic", "axo-dendritic"])
def test_one_of_several_processes(kind, tmp_path):
    expected = scores_and_gradients(network(kind))
    init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        net = network(kind)
        result = scores_and_gradients(net, DistributedDataParallel(net))
    finally:
        destroy_process_group()
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_safetensors(kind, tmp_path):
    files = pytest.importorskip("safetensors.torch")
    net, path = discretise(network(kind, n_connections=3)), tmp_path / "net.safetensors"
    files.save_file(net.state_dict(), path)
    other = network(kind, seed=1, n_connections=3).eval()
    other.load_state_dict(files.load_file(path))
    assert torch.equal(other(spikes()), net(spikes()))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_where_activations_are_computed_again(kind):
    expected = scores_and_gradients(network(kind))
    net = network(kind)
    again = scores_and_gradients(net, lambda x: checkpoint(net, x, use_reentrant=False))
    torch.testing.assert_close(again, expected, rtol=0, atol=0)
