"""Training steps through torch.compile: the same losses from one graph, and what happens if not."""

import re
import warnings

import pytest
import torch
from torch import nn
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.testing import CompileCounterWithBackend
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from snnlab._utils.errors import SnnlabError
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn import delay_kernels
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.training import compiled, trainer
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.compiled import compiled_steps
from snnlab.training.trainer import fit
from snnlab.transfer.stages import Stage

N, CLASSES, CPU = 8, 4, torch.device("cpu")
SETTINGS = dict(epochs=3, batch_size=4, device="cpu")
DELAYS = {
    "synaptic": dict(),
    "synaptic, spectral": dict(engine="spectral"),
    "synaptic, reference": dict(padding="reference", engine="spectral"),
    "axonal": dict(delay_kind="axonal"),
    "a tau for each neuron": dict(tau=((1.2,) * 3 + (1.5,) * 3, 1.5)),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        # What torch's compiler itself warns of
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


@pytest.fixture
def backend(monkeypatch):
    """A function that replaces the compiler behind torch.compile."""
    real = torch.compile

    def replace(chosen):
        def compile_with(function, *, fullgraph, mode):
            assert fullgraph and mode == "default"
            return real(function, fullgraph=True, backend=chosen)

        monkeypatch.setattr(torch, "compile", compile_with)
        return chosen

    return replace


@pytest.fixture
def losses(monkeypatch):
    """The loss of each step of `fit`."""
    seen = []

    def step(*args, **kwargs):
        loss, scores = train_step(*args, **kwargs)
        seen.append(loss.item())
        return loss, scores

    train_step = trainer.train_step
    monkeypatch.setattr(trainer, "train_step", step)
    return seen


def delay_net(seed=0, **settings):
    torch.manual_seed(seed)
    settings = dict(max_delay=6, tau=1.5, dropout=0.0) | settings
    return DelayNet(N, (6,), CLASSES, **settings)


def recordings(n=8, steps=20):
    torch.manual_seed(1)
    x = torch.poisson(torch.full((steps, n, N), 0.2))
    x[steps // 2 :, ::4] = 0  # these end before the others
    return x, torch.arange(n) % CLASSES


def train(net, recipe, data, **options):
    return fit(net, data, data, recipe, progress=False, **options)


def compare(losses, make, recipe, data):
    """Train a network with and without the compiler, and compare the steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # it must not fall back
        nets = [make(), make()]
        for net, compile_ in zip(nets, (False, True), strict=True):
            train(net, recipe(compile=compile_), data)
    without, with_it = losses[: len(losses) // 2], losses[len(losses) // 2 :]
    assert with_it == pytest.approx(without, rel=1e-5) and len(set(without)) == len(without) > 5
    plain, other = (net.state_dict() for net in nets)
    assert plain.keys() == other.keys()
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", DELAYS.values(), ids=DELAYS)
def test_a_network_with_delays_is_one_graph_however_wide_its_gaussians_are(
    losses, backend, settings, monkeypatch
):
    monkeypatch.setattr(delay_kernels, "BLOCK", {"cpu": 100})  # as in a large layer
    graphs = backend(CompileCounterWithBackend("aot_eager"))
    compare(
        losses,
        lambda: delay_net(**settings),
        lambda **switch: DelayRecipe(anneal_share=1.0, **SETTINGS, **switch),
        recordings(),
    )
    assert graphs.frame_count == 1


def test_a_spiking_network_for_pictures(losses, backend):
    graphs = backend(CompileCounterWithBackend("aot_eager"))
    config = SmallCNNConfig(in_channels=1, classes=CLASSES, channels=(2, 2, 2))

    def make():
        torch.manual_seed(0)
        return config.build()

    torch.manual_seed(1)
    data = torch.rand(1, 8, 1, 8, 8), torch.arange(8) % CLASSES
    settings = dict(name="lif", mode="lif", steps=3) | SETTINGS
    compare(losses, make, lambda **switch: Stage(**settings, **switch), data)
    assert graphs.frame_count == 1


def test_the_second_size_of_a_batch_serves_all_others_and_so_does_the_second_ramp(backend):
    graphs = backend(CompileCounterWithBackend("eager"))
    net, recipe = delay_net(neuron="relu"), DelayRecipe(compile=True, sharpen=1.0, **SETTINGS)
    with compiled_steps(net, recipe, CPU) as run_step:
        for samples in (4, 3, 2, 5, 4):
            x = recordings(samples)[0]
            run_step(lambda x=x: net(x), x)
        assert graphs.frame_count == 2
        for epoch in range(4):
            recipe.before_epoch(net, epoch)
            run_step(lambda x=x: net(x), x)
        assert graphs.frame_count == 4


@pytest.mark.parametrize(("padding", "expected"), [("fixed", 1), ("reference", 3)])
def test_recordings_of_several_lengths_share_a_graph_where_empty_steps_change_nothing(
    backend, padding, expected
):
    graphs = backend(CompileCounterWithBackend("eager"))
    net = delay_net(padding=padding, engine="spectral")
    with compiled_steps(net, DelayRecipe(compile=True), CPU) as run_step:
        for steps in (20, 22, 25):
            x = recordings(steps=steps)[0]
            torch.testing.assert_close(run_step(lambda x=x: net(x), x), net(x))
    assert graphs.frame_count == expected


def cpp_compiler():
    try:
        return get_cpp_compiler()
    except InvalidCxxCompiler:
        return None


@pytest.mark.skipif(cpp_compiler() is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_the_compiler_itself(losses):
    def make():
        torch.manual_seed(0)
        return nn.Sequential(DelayLinear(N, CLASSES, 3), PowerOverTime())

    compare(losses, make, lambda **switch: DelayRecipe(**SETTINGS, **switch), recordings())


class PowerOverTime(nn.Module):
    def forward(self, x):
        return x.square().mean(0)


class Branching(nn.Module):
    """A network that cannot be one graph: its path depends on the data."""

    def __init__(self):
        super().__init__()
        self.net = delay_net(dropout=0.5)

    def forward(self, x):
        return self.net(x) if x.sum() > 0 else self.net(-x)


def refuse(*_):
    raise RuntimeError("no compiler today")


def refuse_backward(graph, inputs):
    return aot_autograd(fw_compiler=lambda graph, _: graph, bw_compiler=refuse)(graph, inputs)


def refuse_after_the_first(graph, inputs):
    """Compute, and thereby change the batch norm, before the failure."""

    def call(*arguments):
        graph(*arguments)
        raise RuntimeError("no compiler today")

    return call


@pytest.mark.parametrize(
    ("chosen", "make", "cause"),
    [
        (refuse, lambda: delay_net(dropout=0.5), "no compiler today"),
        (refuse_backward, lambda: delay_net(dropout=0.5), "no compiler today"),
        (refuse_after_the_first, lambda: delay_net(dropout=0.5), "no compiler today"),
        ("eager", Branching, "Data-dependent branching"),
    ],
    ids=["forward", "backward", "running", "data"],
)
def test_training_goes_on_without_it_where_it_fails(losses, backend, chosen, make, cause):
    backend(chosen)
    nets = []
    for compile_ in (False, True):
        torch.manual_seed(0)
        nets.append(make())
        recipe = DelayRecipe(compile=compile_, **SETTINGS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            train(nets[-1], recipe, recordings())
    (warning,) = [str(w.message) for w in caught if "torch.compile failed" in str(w.message)]
    assert warning.startswith(f"compile = True: torch.compile failed for {type(nets[0]).__name__}")
    assert "on cpu, so training goes on without it, with the same results" in warning
    assert cause in warning and "\n" not in warning
    half = len(losses) // 2
    assert losses[:half] == losses[half:]
    for plain, other in zip(*(net.state_dict().values() for net in nets), strict=True):
        assert torch.equal(plain, other)


def test_what_fails_later_is_an_error(backend):
    """Nothing is done twice: the step before can no longer be undone."""
    calls = []

    def fail_at_the_third(graph, inputs):
        def call(*arguments):
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("a later fault")
            return graph(*arguments)

        return call

    backend(fail_at_the_third)
    with pytest.raises(RuntimeError, match="a later fault"):
        train(delay_net(), DelayRecipe(compile=True, **SETTINGS), recordings())
    assert len(calls) == 3


def test_what_the_network_itself_refuses_is_no_failure_of_the_compiler(backend):
    backend("eager")
    x, y = recordings()
    with pytest.raises(SnnlabError, match=f"got input of shape .*expected .T, B, {N}."):
        train(delay_net(), DelayRecipe(compile=True, **SETTINGS), (x[..., 1:], y))


class StopAfter(Callback):
    def __init__(self, batches):
        self.left = batches

    def on_batch_start(self, progress):
        self.left -= 1
        if self.left < 0:
            raise StopTraining


def test_a_checkpoint_knows_nothing_of_it_but_the_recipe(backend, tmp_path):
    backend("eager")
    recipe, data = DelayRecipe(compile=True, **SETTINGS), recordings()
    whole = train(delay_net(dropout=0.3), recipe, data, checkpoint=tmp_path / "whole.pt")
    path = tmp_path / "net.pt"
    with pytest.raises(StopTraining):
        train(delay_net(dropout=0.3), recipe, data, checkpoint=path, callbacks=[StopAfter(5)])
    content = torch.load(path, weights_only=False)
    assert content["model"].keys() == delay_net().state_dict().keys()
    again = train(delay_net(1, dropout=0.3), recipe, data, checkpoint=path)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)
    assert "forward" not in vars(again.model)
    with pytest.raises(SnnlabError, match="recipe: compile = True instead of False"):
        train(delay_net(dropout=0.3), DelayRecipe(**SETTINGS), data, checkpoint=path)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(compiled, "rank_and_world_size", lambda: (0, 2))
    expected = re.escape("compile = True with 2 processes that train one network")
    with (
        pytest.raises(SnnlabError, match=expected),
        compiled_steps(delay_net(), DelayRecipe(compile=True), CPU),
    ):
        pass
    with compiled_steps(delay_net(), DelayRecipe(), CPU) as run_step:
        assert run_step(lambda: 3, torch.zeros(1)) == 3


def test_the_switch_is_true_or_false():
    with pytest.raises(SnnlabError, match="compile = 1: expected true or false"):
        DelayRecipe(compile=1)
