"""Training on the device that SNNLAB_TEST_DEVICE names: `cuda`, or by default the CPU.

On a machine with a GPU, `SNNLAB_TEST_DEVICE=cuda python -m pytest -p no:nbval tests/test_device.py`
compares the GPU with the CPU. On a CPU the tests compare it with itself, so that a mistake in them
does not wait for a GPU.
"""

import copy
import os
from dataclasses import dataclass

import pytest
import torch
from spikingjelly.activation_based import functional, surrogate

import snnlab as sl
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.ablation import discretise
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.lif_scan import membrane
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.nn.vision.video import VideoNetConfig
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.evaluation import evaluate
from snnlab.training.experiments import run_experiment
from snnlab.training.launch import train_pool
from snnlab.transfer import pipelines

pytestmark = pytest.mark.gpu

NETWORKS = {
    "small CNN": (SmallCNNConfig(in_channels=2, classes=10, channels=(8, 8, 8)), (2, 16, 16)),
    "ResNet": (ResNetConfig(in_channels=2, classes=10), (2, 16, 16)),
    "video": (VideoNetConfig(classes=10, height=40, width=40), (2, 40, 40)),
}


@pytest.fixture(scope="module")
def device():
    name = os.environ.get("SNNLAB_TEST_DEVICE", "cpu")
    with pytest.MonkeyPatch.context() as patch:
        # The CPU has no TF32; the comparison is between full precisions
        patch.setattr(torch.backends.cudnn, "allow_tf32", False)
        yield torch.device(name)


def spikes(*shape, share=0.2):
    return (torch.rand(shape) < share).float()


def gradients(module, x, weight):
    """Return output, and the gradients of the input and the parameters, on the CPU."""
    leaf = x.clone().requires_grad_()
    functional.reset_net(module)
    output = module(leaf)
    (output * weight.to(output)).sum().backward()
    grads = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return [value.detach().cpu() for value in (output, leaf.grad, *grads)]


def same(here, there, **tolerance):
    assert len(here) == len(there) > 2
    for ours, theirs in zip(here, there, strict=True):
        torch.testing.assert_close(theirs, ours, **tolerance)


@pytest.mark.parametrize("soft_reset", [False, True])
@pytest.mark.parametrize("slope", [surrogate.ATan(5.0), surrogate.Rect(1.0)])
def test_membranes_are_those_of_the_cpu(device, soft_reset, slope):
    torch.manual_seed(0)
    x, v = torch.randn(40, 8, 16), torch.rand(8, 16)
    weight = torch.randn(40, 8, 16)
    results = []
    for where in ("cpu", device):
        leaf = x.clone().to(where).requires_grad_()
        fired, charged, _ = membrane(
            leaf, v.to(where), leak=0.3, v_threshold=1.0, slope=slope, soft_reset=soft_reset
        )
        ((fired + charged) * weight.to(where)).sum().backward()
        results.append([value.detach().cpu() for value in (fired, charged, leaf.grad)])
    assert 0.05 < results[0][0].mean() < 0.6
    same(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["dense", "spectral", "auto", "dcls"])
@pytest.mark.parametrize("n_connections", [None, 6])
def test_delay_layers_are_those_of_the_cpu(device, engine, n_connections):
    torch.manual_seed(1)
    layer = DelayLinear(24, 16, 20, 2, n_connections=n_connections, engine=engine)
    layer.sigma = 2.0
    x, weight = spikes(50, 4, 24), torch.randn(50, 4, 16)
    there = copy.deepcopy(layer).to(device)
    # A sum of 50 * 4 products in another order, of values up to some tens
    same(gradients(layer, x, weight), gradients(there, x.to(device), weight), rtol=1e-3, atol=2e-4)


def test_a_delay_network_takes_the_same_training_step_and_rounds_alike(device):
    torch.manual_seed(2)
    # Double precision: a rounding error in float32 moves a spike that is exactly at threshold
    net = DelayNet(24, (16, 16), 5, max_delay=12, tau=1.5, dropout=0.0).double()
    x = spikes(40, 8, 24).double()
    there = copy.deepcopy(net).to(device)
    for model in (net, there):
        for layer in delay_layers(model).values():
            layer.sigma = 1.5
    weight = torch.randn(8, 5).double()
    same(gradients(net, x, weight), gradients(there, x.to(device), weight), rtol=1e-6, atol=1e-8)
    with torch.no_grad():
        rounded, there = discretise(net)(x), discretise(there)(x.to(device))
    torch.testing.assert_close(there.cpu(), rounded, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mode", ["relu", "ramp", "liaf", "lif", "quantised", "soft"])
@pytest.mark.parametrize("name", NETWORKS)
def test_vision_networks_are_those_of_the_cpu(device, name, mode):
    torch.manual_seed(3)
    config, shape = NETWORKS[name]
    net = config.build().double().set_mode(mode)
    x = spikes(4, 2, *shape).double()
    there = copy.deepcopy(net).to(device)
    weight = torch.randn(2, config.classes).double()
    here = gradients(net, x, weight)
    same(here, gradients(there, x.to(device), weight), rtol=1e-6, atol=1e-8)


def recipe(device, **changes):
    settings = dict(epochs=12, batch_size=64, seed=5, device=device.type)
    return sl.DelayRecipe(**(settings | changes))


def lags():
    return [interaural_lags(n, seed=seed) for seed, n in enumerate((1000, 300, 1000))]


def fresh():
    torch.manual_seed(1)
    return DelayNet(16, (12,), 5, max_delay=16, tau=1.005, dropout=0.0)


@dataclass(frozen=True)
class NamedRecipe(sl.DelayRecipe):
    """A job of `train_pool`."""

    name: str = "together"


class StopAt(Callback):
    """Stop before an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_start(self, progress):
        if len(progress.history) == self.epoch:
            raise StopTraining


def test_delays_learn(device):
    if device.type == "cpu":
        pytest.skip("test_trainer trains on a CPU")
    train, valid, test = lags()
    net = sl.fit(fresh(), train, valid, recipe(device), progress=False).model
    # without delays 0.4 at most; 0.54 to 0.63 over seeds on CPUs
    assert evaluate(discretise(net), test).accuracy > 0.5


def test_a_training_that_was_stopped_resumes_and_its_file_opens_without_the_device(
    device, tmp_path
):
    train, valid = (interaural_lags(n, seed=n, steps=20) for n in (128, 32))
    short = recipe(device, epochs=4, batch_size=32)
    whole = sl.fit(fresh(), train, valid, short, progress=False)
    options = dict(checkpoint=tmp_path / "net.pt", progress=False)
    with pytest.raises(StopTraining):
        sl.fit(fresh(), train, valid, short, callbacks=[StopAt(2)], **options)
    resumed = sl.fit(fresh(), train, valid, short, **options)
    losses = [[line["loss"] for line in run.history] for run in (whole, resumed)]
    # A GPU adds up in an order that changes from run to run; on a CPU they are equal
    assert losses[1] == pytest.approx(losses[0], rel=0 if device.type == "cpu" else 0.05)
    net, dt_ms = sl.open_network(tmp_path / "net.pt", dt_ms=1.0)
    assert dt_ms == 1.0 and {value.device.type for value in net.parameters()} == {"cpu"}


def losses_of(job, data, folder, callbacks=()):
    return [line["loss"] for line in sl.fit(fresh(), *data, job, progress=False).history]


def test_two_cards_train_one_network_as_one_card_does(device, tmp_path):
    if device.type == "cpu":
        pytest.skip("test_distributed does so on a CPU")
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two cards")
    data = tuple(interaural_lags(n, seed=n, steps=20) for n in (128, 32))
    job = NamedRecipe(epochs=2, batch_size=32, seed=5, device=device.type)
    (together,) = train_pool([job], losses_of, data, tmp_path, processes=2)
    assert together == pytest.approx(losses_of(job, data, tmp_path), rel=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        dict(kept_share=0.5),
        dict(whole_share=0.5, delay_pull=0.01),
        dict(accumulate=2),
        dict(sharpen=0.5),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "network", [dict(), dict(delay_kind="axonal"), dict(neuron="relu")], ids=str
)
def test_recipes_train_on_the_device(device, network, settings):
    if device.type == "cpu":
        pytest.skip("test_other_device takes the steps of all recipes")
    train, valid = (interaural_lags(n, seed=n, steps=20) for n in (128, 32))
    net = DelayNet(16, (12,), 5, max_delay=16, tau=1.005, dropout=0.2, **network)
    history = sl.fit(
        net, train, valid, recipe(device, epochs=2, **settings), progress=False
    ).history
    assert len(history) == 2 and all(line["loss"] < 3 for line in history)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    "network", [dict(engine="spectral"), dict(padding="reference", delay_kind="axonal")], ids=str
)
def test_compiled_steps_are_those_of_the_device(device, network, accumulate):
    """A failure of the compiler is a warning, and thereby an error here."""
    if device.type == "cpu":
        pytest.skip("tests/training/test_compiled.py takes compiled steps on a CPU")
    train, valid = (interaural_lags(n, seed=n, steps=20) for n in (120, 32))
    histories = []
    for switch in (False, True):
        torch.manual_seed(0)
        net = DelayNet(16, (12,), 5, max_delay=16, tau=1.005, dropout=0.0, **network)
        settings = recipe(device, epochs=3, accumulate=accumulate, compile=switch)
        histories.append(sl.fit(net, train, valid, settings, progress=False).history)
    plain, compiled = ([line["loss"] for line in history] for history in histories)
    assert compiled == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_pipe_s_learns(device, precision, tmp_path):
    torch.manual_seed(0)
    parts = []
    for n in (512, 128, 256):
        y = torch.arange(n) % 4
        x = 0.3 * torch.rand(n, 1, 12, 12)
        x[torch.arange(n), 0, 3 * (y // 2) + 3, 3 * (y % 2) + 3] += 1.0
        parts.append(sl.DenseSet(x[None], y, ("a", "b", "c", "d")))
    experiment = pipelines.pipe_s(
        "pipe-S",
        SmallCNNConfig(in_channels=1, classes=4, channels=(8, 8, 8)),
        steps=4,
        pretrain_epochs=3,
        epochs=2,
        lr=1e-2,
        fine_tune_lr=3e-3,
        batch_size=32,
        device=device.type,
        precision=precision,
    )
    result = run_experiment(experiment, DataSplits(*parts), tmp_path)
    assert result.test_accuracy > 0.6  # chance is 0.25
