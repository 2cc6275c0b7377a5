"""The ramp that stands for a spike while a network is pretrained: by hand, and where it becomes
LIF.
"""

from dataclasses import replace

import pytest
import torch
from spikingjelly.activation_based import functional

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.nn.activations import RampNeuron
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.neurons import LIF
from snnlab.nn.weight_transfer import copy_delay_weights
from snnlab.training.evaluation import evaluate
from snnlab.training.experiments import run_experiment, run_experiments

NET = {"n_in": 16, "hidden": [6, 5], "n_classes": 5, "max_delay": 8, "tau": 1.005, "dropout": 0.0}


def test_by_hand():
    # H = 0.7, 0.7 / 2 + 0.7 = 1.05, 1.05 / 2 + 1.2 = 1.725, 1.725 / 2 - 0.5 = 0.3625
    neuron = RampNeuron(2.0)
    currents = torch.tensor([0.7, 0.7, 1.2, -0.5])[:, None, None]
    torch.testing.assert_close(neuron(currents).flatten(), torch.tensor([0.2, 0.55, 1.0, 0.0]))
    functional.reset_net(neuron)
    assert neuron.sharpen(0.6) == pytest.approx(0.4)
    torch.testing.assert_close(neuron(currents).flatten(), torch.tensor([0.0, 0.625, 1.0, 0.0]))


def test_a_step_at_a_time_is_the_same():
    currents = torch.randn(9, 3, 4)
    whole, steps = RampNeuron(1.7), RampNeuron(1.7)
    steps.step_mode = "s"
    torch.testing.assert_close(
        torch.stack([steps(current) for current in currents]), whole(currents)
    )


def test_sharpened_to_a_step_it_is_lif_where_nothing_is_remembered():
    torch.manual_seed(0)
    currents = 3 * torch.rand(20, 8, 30)
    currents[(currents - 1).abs() < 0.05] = (
        0.5  # beside the 0.5 % that is left of the membrane, and the ramp's last 1 %
    )
    ramp = RampNeuron(1.005)
    assert ramp.sharpen(1.0) == pytest.approx(0.01)
    assert torch.equal(ramp(currents), LIF(1.005)(currents))


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_gradient_is_that_of_a_window_whatever_the_width(share):
    current = torch.linspace(0.0, 2.0, 21).view(1, 1, 21).requires_grad_()
    neuron = RampNeuron(1.005)
    neuron.sharpen(share)
    neuron(current).sum().backward()
    expected = ((current.detach() > 0.55 - 1e-6) & (current.detach() < 1.45 + 1e-6)).float()
    torch.testing.assert_close(current.grad, expected)


def test_both_kinds_of_network_have_the_same_parameters():
    relu, lif = DelayNet(**NET, neuron="relu"), DelayNet(**NET)
    assert {name: p.shape for name, p in relu.state_dict().items()} == {
        n: p.shape for n, p in lif.state_dict().items()
    }
    with pytest.raises(SnnlabError, match=r"neuron = 'sigmoid': expected one of lif, relu\."):
        DelayNet(**NET, neuron="sigmoid")


def parts(net):
    """Weights, delays and batch norms of a network."""
    layers = list(delay_layers(net).values())
    return [p.weight for p in layers], [p.P for p in layers], list(net.norms.state_dict().values())


@pytest.mark.parametrize(
    ("transfer_parts", "expected"), [("both", "111"), ("weights", "101"), ("delays", "010")]
)
def test_what_is_handed_over(transfer_parts, expected):
    source, target, before = (DelayNet(**NET, neuron=kind) for kind in ("relu", "lif", "lif"))
    before.load_state_dict(target.state_dict())
    for norm in source.norms:  # as if trained
        torch.nn.init.uniform_(norm.weight)
        norm.running_mean += 0.3
    copy_delay_weights(source, target, transfer_parts=transfer_parts)
    for moved, now, theirs, mine in zip(
        expected, parts(target), parts(source), parts(before), strict=True
    ):
        whose = theirs if moved == "1" else mine
        assert all(torch.equal(a, b) for a, b in zip(now, whose, strict=True))


def test_delays_that_are_not_learned_arrive_as_whole_ones():
    source, target = DelayNet(**NET, neuron="relu"), DelayNet(**NET, delay_mode="fixed")
    copy_delay_weights(source, target)
    layers = (delay_layers(net).values() for net in (source, target))
    for theirs, ours in zip(*layers, strict=True):
        assert torch.equal(ours.delay, theirs.delay.round())
        assert ours.discrete and not ours.P.requires_grad


@pytest.mark.parametrize(
    ("transfer_parts", "moves"), [("both", True), ("weights", False), ("delays", True)]
)
def test_the_width_of_a_kernel_goes_with_its_delay(transfer_parts, moves):
    source, target = DelayNet(**NET, neuron="relu"), DelayNet(**NET)
    for layer in delay_layers(source).values():
        layer.sigma = 0.5
    before = target.synapses[0].sigma
    copy_delay_weights(source, target, transfer_parts=transfer_parts)
    assert target.synapses[0].sigma == pytest.approx(0.5 if moves else before) and before > 1


def test_delays_do_not_move_between_layers_of_other_kernels():
    """A position counts from the middle of the kernel: the same number is another delay."""
    source, target = DelayNet(**NET), DelayNet(**NET | {"max_delay": NET["max_delay"] + 4})
    before = [layer.delay.clone() for layer in delay_layers(target).values()]
    for transfer_parts in ("both", "delays"):
        with pytest.raises(SnnlabError, match=r"synapses.0.P: max_delay = \d+ instead of"):
            copy_delay_weights(source, target, transfer_parts=transfer_parts)
    copy_delay_weights(source, target, transfer_parts="weights")
    after = [layer.delay for layer in delay_layers(target).values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(target.synapses[0].weight, source.synapses[0].weight)
    with pytest.raises(SnnlabError, match="synapses.0.mask: n_connections = 1 instead of 2"):
        copy_delay_weights(
            DelayNet(**NET, n_connections=1),
            DelayNet(**NET, n_connections=2),
            transfer_parts="weights",
        )


def test_an_unknown_part_is_refused():
    with pytest.raises(SnnlabError, match="delay"):
        copy_delay_weights(DelayNet(**NET), DelayNet(**NET), transfer_parts="delay")


DATA = DataSplits(*(interaural_lags(n, seed=s, steps=20) for s, n in enumerate((64, 40, 40))))
RECIPE = DelayStage(
    name="relu",
    network=DelayNetConfig(**NET, neuron="relu"),
    epochs=4,
    batch_size=16,
    keep="last",
    sharpen=0.8,
    device="cpu",
)


def test_pretrained_and_handed_over(tmp_path):
    relu = run_experiment(delay_experiment(RECIPE), DATA, tmp_path)
    assert [line["ramp_width"] for line in relu.last.history] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    net = relu.last.network()  # as sharp as it was in the epoch that was kept
    assert evaluate(RECIPE.as_used(net), DATA.valid).loss == pytest.approx(
        relu.last.history[-1]["valid_loss"]
    )
    net.neurons[0].sharpen(0.0)
    assert evaluate(RECIPE.as_used(net), DATA.valid).loss != pytest.approx(
        relu.last.history[-1]["valid_loss"]
    )

    kept = replace(
        RECIPE,
        network=DelayNetConfig(**NET),
        epochs=1,
        anneal_share=0.0,
        lr_weights=0.0,
        lr_delays=0.0,
    )
    asked = [
        delay_experiment(RECIPE, replace(kept, name=f"lif-{parts}", transfer_parts=parts))
        for parts in ("both", "delays")
    ]
    both, delays = run_experiments(asked, DATA, tmp_path, workers=1)
    assert both.stages[0].history == relu.last.history  # it was there, and only read
    assert both.experiment.epochs == 5 and both.cpu_seconds == pytest.approx(
        relu.cpu_seconds + both.last.history[0]["cpu_seconds"]
    )
    fresh = kept.build(kept.network)
    for handed, half, theirs, own in zip(
        *(delay_layers(n).values() for n in (both.net, delays.net, relu.net, fresh)), strict=True
    ):
        torch.testing.assert_close(handed.weight, theirs.weight)
        torch.testing.assert_close(handed.delay, theirs.delay)
        torch.testing.assert_close(half.weight, own.weight)
        torch.testing.assert_close(half.delay, theirs.delay)
    assert "ramp_width" not in both.last.history[0]


def test_a_share_of_sharpening():
    with pytest.raises(SnnlabError, match=r"sharpen = 1\.2: expected a number from 0 to 1"):
        replace(RECIPE, sharpen=1.2)
