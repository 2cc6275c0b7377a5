"""Training in bfloat16: the products are coarse, everything that adds up or compares is not."""

from dataclasses import replace

import pytest
import torch
from bars import COMMON, DATA, NET
from spikingjelly.activation_based import neuron
from torch import nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.activations import Activation
from snnlab.training import checkpoints
from snnlab.training.experiments import run_experiment
from snnlab.training.trainer import train_step
from snnlab.transfer.pipelines import converted, experiment, pipe_s
from snnlab.transfer.stages import Stage

CPU = torch.device("cpu")
SETTINGS = dict(steps=3, lr=3e-2, fine_tune_lr=1e-2, **COMMON)
LONG = dict(pretrain_epochs=6, epochs=3, **SETTINGS)
SHORT = dict(pretrain_epochs=1, epochs=1, **SETTINGS)
BFLOAT = dict(precision="bfloat16")


@pytest.fixture
def seen():
    """What every module of these kinds gives out, wherever it is called: (training, dtype,
    tensor)."""
    found = {nn.Conv2d: [], Activation: [], neuron.BaseNode: []}

    def note(module, inputs, output):
        for kind, outputs in found.items():
            if isinstance(module, kind):
                outputs.append((module.training, output.dtype, output.detach()))

    hook = nn.modules.module.register_module_forward_hook(note)
    yield found
    hook.remove()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_every_product_has_the_precision_of_its_stage(tmp_path, seen, precision, dtype):
    """In training and evaluation, in statistics made anew, for twins, and at the end."""
    made = pipe_s("pipe", NET, source="relu1", twins=(2,), precision=precision, **SHORT)
    run_experiment(made, DATA, tmp_path)
    assert {(training, d) for training, d, _ in seen[nn.Conv2d]} == {(True, dtype), (False, dtype)}
    assert {d for _, d, _ in seen[Activation]} == {torch.float32}


def test_it_learns_and_ends_near_float32(tmp_path):
    coarse = run_experiment(pipe_s("coarse", NET, **BFLOAT, **LONG), DATA, tmp_path)
    fine = run_experiment(pipe_s("fine", NET, **LONG), DATA, tmp_path)
    assert coarse.test_accuracy > 0.8  # a third by chance
    assert abs(coarse.test_accuracy - fine.test_accuracy) < 0.15
    losses = [outcome.stages[0].history[0]["loss"] for outcome in (coarse, fine)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02) and losses[0] != losses[1]


def test_parameters_optimisers_and_statistics_stay_in_float32(tmp_path):
    outcome = run_experiment(pipe_s("pipe", NET, **BFLOAT, **SHORT), DATA, tmp_path)
    content = checkpoints.load(outcome.stages[1].checkpoint)
    tensors = [*content["model"].values(), *outcome.net.parameters()]
    tensors += [
        value for state in content["moving"][0]["state"].values() for value in state.values()
    ]
    # Whole: the batches that were counted
    assert {value.dtype for value in tensors} == {torch.float32, torch.int64}


@pytest.mark.parametrize("mode", ["lif", "soft"])
def test_spikes_are_0_or_1(mode, seen):
    stage = Stage(epochs=1, steps=3, mode=mode, **BFLOAT, **COMMON)
    torch.manual_seed(0)
    net = NET.build()
    stage.enter(net)
    x, y = DATA["target"].train.batch(torch.arange(8))
    train_step(net.train(), x, y, stage.optimisers(net), stage)
    spikes = torch.cat([output.flatten() for _, _, output in seen[Activation]])
    assert set(spikes.unique().tolist()) == {0.0, 1.0} and seen[nn.Conv2d][0][1] == torch.bfloat16


@pytest.mark.parametrize("mode", ["relu", "ramp", "liaf", "quantised"])
def test_analogue_outputs_and_gradients_are_near_those_of_float32(mode):
    x, y = DATA["target"].train.batch(torch.arange(28))
    losses, gradients = [], []
    for precision in ("float32", "bfloat16"):
        stage = Stage(epochs=1, steps=3, mode=mode, levels=3, precision=precision, **COMMON)
        torch.manual_seed(0)
        net = replace(NET, learn_scale=True).build()
        stage.enter(net)
        losses.append(train_step(net, x, y, stage.optimisers(net), stage)[0])
        gradients.append(
            torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        )
    assert losses[1].dtype == torch.float32 and losses[1].item() == pytest.approx(
        losses[0].item(), rel=2e-2
    )
    assert F.cosine_similarity(*gradients, dim=0) > 0.97


def test_levels_are_exact():
    """x is a bfloat16; with lambda = 0.7 its level is that of the exact quotient."""
    act = Activation()
    act.mode, act.levels = "quantised", 3
    act.scale.data.fill_(0.7)
    x = torch.linspace(-0.2, 1, 500).bfloat16()
    expected = ((x.double() / act.scale.double()).clamp(0, 1) * 3 + 0.5).floor() / 3
    assert (
        torch.allclose(act(x).double(), expected, atol=1e-7, rtol=0) and len(expected.unique()) == 4
    )


def test_the_loss_has_all_digits():
    """Scores of bfloat16 whose cross-entropy in bfloat16 would be off in the third digit."""

    class Scores(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, x):
            return self.fc(x.mean((0, 2, 3)))

    torch.manual_seed(0)
    net, (x, y) = Scores(), DATA["target"].train.batch(torch.arange(28))
    stage = Stage(epochs=1, **BFLOAT, **COMMON)
    with stage.autocast(CPU):
        scores = net(x)
    assert scores.dtype == torch.bfloat16
    loss, given = train_step(net, x, y, stage.optimisers(net), stage)
    assert loss.double() == pytest.approx(F.cross_entropy(scores.double(), y).item(), rel=1e-6)
    assert given.dtype == torch.float32


def test_the_neurons_of_a_converted_network_are_in_float32(tmp_path, seen):
    outcome = run_experiment(converted("c", NET, **BFLOAT, **SHORT), DATA, tmp_path)
    assert {d for _, d, _ in seen[neuron.BaseNode]} == {torch.float32}
    assert seen[nn.Conv2d][-1][1] == torch.bfloat16 and 0 <= outcome.test_accuracy <= 1


def test_a_checkpoint_of_one_precision_is_refused_by_the_other(tmp_path):
    stage = Stage(epochs=1, network=NET, **COMMON)
    run_experiment(experiment("p", stage), DATA, tmp_path)
    with pytest.raises(
        SnnlabError, match="another recipe: precision = 'float32' instead of 'bfloat16'"
    ):
        run_experiment(experiment("p", replace(stage, **BFLOAT)), DATA, tmp_path)


def test_what_precisions_there_are():
    with pytest.raises(SnnlabError, match="precision = 'bfloat': .* .did you mean bfloat16"):
        Stage(epochs=1, precision="bfloat", **COMMON)
    with DelayRecipe(epochs=1, device="cpu").autocast(CPU):
        assert not torch.is_autocast_enabled("cpu")
