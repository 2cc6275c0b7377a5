"""Files and modes of torch: an export agrees with the network or is refused, and what a mode made
does not outlive it.
"""

from typing import get_args

import pytest
import torch
from spikingjelly.activation_based import functional
from torch._subclasses.fake_tensor import FakeTensorMode

from snnlab._utils.errors import SnnlabError
from snnlab.nn import fft_convolution
from snnlab.nn.activations import Activation
from snnlab.nn.channel_filter import dense_convolution
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import Kind
from snnlab.nn.neurons import LIF, LeakyIntegrator
from snnlab.nn.vision.small_cnn import SmallCNN

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch says of its own tracers


@pytest.fixture(autouse=True)
def nothing_computed_before():
    fft_convolution._arrays.cache_clear()


def layer_and_input(rounded=True):
    torch.manual_seed(0)
    layer = DelayLinear(6, 5, 12, engine="spectral")
    if rounded:
        layer.round_delays()
    return layer, torch.randn(40, 3, 6)


def agrees_with_the_direct_sum():
    """Forward and backward of a new layer of the same shape."""
    layer, x = layer_and_input()
    y = layer(x)
    grads = torch.autograd.grad(y.square().sum(), layer.weight)
    expected = dense_convolution(x, layer.kernel(), len(x))
    by_sum = torch.autograd.grad(expected.square().sum(), layer.weight)
    close = torch.allclose(y, expected, atol=1e-5) and torch.allclose(
        *grads, *by_sum, rtol=1e-4, atol=1e-3
    )
    return y.isfinite().all() and close


def exported(net, x):
    return torch.export.export(net, (x,)).module()


def strictly_exported(net, x):
    return torch.export.export(net, (x,), strict=True).module()


def without_gradient(net, x):
    with torch.no_grad():
        return torch.export.export(net, (x,)).module()


def traced(net, x):
    return torch.jit.trace(net, (x,), check_trace=False)


@pytest.mark.parametrize("rounded", [True, False])
@pytest.mark.parametrize("to_file", [exported, strictly_exported, without_gradient, traced])
def test_an_exported_layer_gives_what_the_layer_does_and_leaves_nothing_behind(to_file, rounded):
    layer, x = layer_and_input(rounded)
    file = to_file(layer, x)
    other = torch.randn_like(x)
    for given in (x, other):
        assert torch.allclose(
            file(given), dense_convolution(given, layer.kernel(), len(given)), atol=1e-5
        )
    assert agrees_with_the_direct_sum()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_layer_is_exported_for_batches_of_any_size(kind):
    """Whatever it computes products with."""
    layer = DelayLinear(300, 200, 9, kind=kind)
    sizes = {"x": {1: torch.export.Dim("b")}, "steps": None}
    file = torch.export.export(layer, (torch.randn(20, 3, 300), 25), dynamic_shapes=sizes).module()
    x = torch.randn(20, 5, 300)
    assert torch.allclose(file(x, 25), layer(x, 25), atol=1e-4)


def export_by_tracing(net, x):
    """torch.onnx.export writes what it has traced, and without the package onnx stops at the last
    step.
    """
    try:
        torch.onnx.export(net, (x,), "/dev/null", dynamo=False)
    except torch.onnx.OnnxExporterError as error:
        assert "onnx is not installed" in str(error)


def test_nothing_outlives_an_export_to_onnx():
    layer, x = layer_and_input()
    export_by_tracing(layer, x)
    assert agrees_with_the_direct_sum()


@pytest.mark.parametrize("to_file", [exported, traced, export_by_tracing])
def test_a_network_whose_recordings_say_how_long_it_runs_is_not_exported(to_file):
    net = DelayNet(6, (8,), 4, max_delay=6, tau=2.0).eval()
    x = torch.poisson(torch.full((12, 3, 6), 0.4))
    before = net(x)
    with pytest.raises(
        SnnlabError, match=r"DelayNet: the number of steps .* padding = 'reference'"
    ):
        to_file(net, x)
    assert torch.equal(net(x), before)


def spiking(mode):
    activation = Activation(decay=0.5)
    activation.mode = mode
    return activation


@pytest.mark.parametrize(
    "make",
    [
        lambda: DelayNet(6, (8,), 4, max_delay=6, tau=2.0, padding="reference"),
        lambda: LIF(2.0),
        lambda: LeakyIntegrator(2.0),
        lambda: spiking("lif"),
        lambda: spiking("soft"),
    ],
)
@pytest.mark.parametrize("to_file", [exported, traced])
def test_spiking_layers_are_exported_step_by_step(make, to_file):
    torch.manual_seed(0)
    net = make().eval()
    recordings = 2 * torch.poisson(torch.full((2, 12, 3, 6), 0.4))
    expected = []
    for x in recordings:
        expected.append(net(x))
        functional.reset_net(net)
    assert not torch.equal(*expected)
    file = to_file(net, recordings[0])
    for x, y in zip(recordings, expected, strict=True):
        functional.reset_net(net)
        assert torch.allclose(file(x), y, atol=1e-6)


def test_a_vision_network_that_spikes_is_exported():
    torch.manual_seed(0)
    net = SmallCNN(2, 4, channels=(4,), strides=(2,)).eval()
    for module in net.modules():
        if isinstance(module, Activation):
            module.mode = "lif"
    x = 10 * torch.rand(2, 5, 1, 2, 8, 8)
    file = traced(net, x[0])
    assert torch.allclose(file(x[1]), net(x[1]), atol=1e-6) and not torch.equal(
        net(x[0]), net(x[1])
    )


def under_fake_tensors():
    layer, x = layer_and_input()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert layer(mode.from_tensor(x)).shape == (40, 3, 5)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_layer_of_each_kind_takes_fake_tensors(kind):
    with FakeTensorMode():
        layer, x = DelayLinear(6, 5, 12, kind=kind), torch.randn(40, 3, 6, requires_grad=True)
        y = layer(x)
        y.sum().backward()
    assert y.shape == (40, 3, 5) and x.grad.shape == x.shape


def under_inference_mode():
    layer, x = layer_and_input()
    with torch.inference_mode():
        layer(x)


def under_autocast():
    layer, x = layer_and_input()
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)


def under_another_default_device():
    layer, x = layer_and_input()
    with torch.device("meta"):
        layer(x)


def under_another_default_type():
    layer, x = layer_and_input()
    torch.set_default_dtype(torch.float64)
    try:
        layer(x)
    finally:
        torch.set_default_dtype(torch.float32)


def compiled():
    layer, x = layer_and_input()
    torch._dynamo.reset()
    y = torch.compile(layer, backend="eager")(x)
    assert torch.allclose(y, dense_convolution(x, layer.kernel(), len(x)), atol=1e-5)


@pytest.mark.parametrize(
    "run",
    [
        under_fake_tensors,
        under_inference_mode,
        under_autocast,
        under_another_default_device,
        under_another_default_type,
        compiled,
    ],
)
def test_what_a_mode_made_does_not_outlive_it(run):
    run()
    assert agrees_with_the_direct_sum()


def test_of_other_devices_only_ordinary_tensors_are_kept():
    like = torch.empty(1, device="meta")  # the one other device that every machine has
    for mode in (torch.inference_mode, lambda: FakeTensorMode(allow_non_fake_inputs=True)):
        with mode() as active:
            given = like if mode is torch.inference_mode else active.from_tensor(like)
            made = fft_convolution._tables(11, given)
        again = fft_convolution._tables(11, like)
        assert again is not made
        assert all(type(table) is torch.Tensor and not table.is_inference() for table in again)
        assert fft_convolution._tables(11, like) is again
        fft_convolution._arrays.cache_clear()


def test_training_goes_on_from_a_membrane_of_an_evaluation():
    neurons = LIF(2.0)
    x = torch.rand(5, 2, 3, requires_grad=True)
    with torch.inference_mode():
        neurons(x)
    neurons(x).sum().backward()
    assert x.grad.isfinite().all() and x.grad.any()
