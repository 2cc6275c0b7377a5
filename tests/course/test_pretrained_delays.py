"""The trainings of notebook 06: who gets how many epochs, at which rates, and from whom."""

import itertools

import pytest
import torch

from snnlab.course import config
from snnlab.course.pretrained_delays import Recipes, twin
from snnlab.delays.ablation import discretise
from snnlab.nn.any_network import delay_layers

CONFIG = config.resolve(
    "06_pretrained_delays",
    profile="tiny",
    neurons=7,
    layers=2,
    pretrain_epochs=5,
    epochs=3,
)
LEARNING = config.resolve("04_learning_delays", profile="tiny", lr_delays=0.2, anneal_share=0.4)
MAKE = Recipes(CONFIG, LEARNING, classes=20)


def test_every_recipe_has_the_same_number_of_epochs():
    relu = MAKE.relu(0.01, 0, sharpen=1.0)
    jobs = [MAKE.scratch(0.01, 0), MAKE.sharpened(0.01, 0), MAKE.fine_tuned(relu, 0.5)]
    assert [job.epochs for job in jobs] == [8, 8, 8]
    stages = [stage for job in jobs for stage in job.stages]
    assert [stage.epochs for stage in stages] == [8, 8, 5, 3]
    assert [stage.network.neuron for stage in stages] == ["lif", "relu", "relu", "lif"]
    assert all(stage.network.hidden == (7, 7) and stage.network.n_classes == 20 for stage in stages)


def test_how_sharp_and_which_epoch():
    stages = [job.stages[0] for job in (MAKE.sharpened(0.01, 0), MAKE.relu(0.01, 0, sharpen=0.3))]
    assert [(stage.sharpen, stage.keep) for stage in stages] == [(1.0, "last"), (0.3, "last")]
    assert MAKE.scratch(0.01, 0).stages[0].keep == "best"


def test_fine_tuning_is_slower_and_holds_the_delays():
    before = MAKE.relu(0.01, 4, sharpen=0.3)
    relu, spiking = MAKE.fine_tuned(before, 0.5, transfer_parts="weights").stages
    assert (relu,) == before.stages
    assert spiking.transfer_parts == "weights" and spiking.seed == relu.seed == 4
    assert (spiking.lr_weights, spiking.lr_delays) == pytest.approx((0.005, 0.1))
    assert (relu.lr_weights, relu.lr_delays) == pytest.approx((0.01, 0.2))
    assert (spiking.anneal_share, relu.anneal_share) == (0.0, 0.4)
    assert spiking.network.delay_mode == "fixed"


def test_the_controls_change_one_setting_each():
    before = MAKE.relu(0.01, 4, sharpen=0.0)

    def settings(**control):
        stage = MAKE.fine_tuned(before, 0.5, learn_delays=True, **control).stages[-1]
        return stage.network.delay_mode, stage.network.neuron, stage.anneal_share

    assert settings() == ("learned", "lif", 0.0)
    assert settings(spikes=False) == ("learned", "relu", 0.0)
    assert settings(anneal=True) == ("learned", "lif", 0.4)


def test_a_fresh_network_is_trained_as_fine_tuning_is_and_gets_nothing():
    (fresh,) = MAKE.fresh(0.005, 4).stages
    tuned = MAKE.fine_tuned(MAKE.relu(0.01, 4, sharpen=1.0), 0.5).stages[-1]
    for name in ("network", "epochs", "lr_weights", "seed", "batch_size", "weight_decay"):
        assert getattr(fresh, name) == getattr(tuned, name), name


def test_no_two_trainings_share_a_checkpoint():
    jobs = [
        MAKE.fine_tuned(
            MAKE.relu(rate, seed, sharpen=sharpen),
            share,
            transfer_parts=parts,
            learn_delays=learn,
            spikes=spikes,
            anneal=anneal,
        )
        for rate, seed, sharpen, share, parts, learn, spikes, anneal in itertools.product(
            (0.01, 0.02), (0, 1), (0.0, 0.5), (0.5, 1.0), ("both", "weights", "delays"),
            (False, True), (False, True), (False, True),
        )
        if learn or not anneal
    ]  # fmt: skip
    jobs += [make(0.01, 0) for make in (MAKE.scratch, MAKE.sharpened, MAKE.fresh)]
    jobs.append(MAKE.relu(0.01, 0, sharpen=1.0))
    stages = {}
    for stage in (stage for job in jobs for stage in job.stages):
        assert stages.setdefault(stage.name, stage) == stage


def test_the_twin_spikes_with_the_same_parameters():
    (stage,) = MAKE.relu(0.01, 0, sharpen=0.0).stages
    relu = stage.build(stage.network).eval()
    spiking = twin(relu)
    assert spiking.config.neuron == "lif" and not spiking.training
    for ours, theirs in zip(spiking.parameters(), relu.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    x = (torch.rand(12, 3, LEARNING.n_in) < 0.3).float()
    for neurons in relu.neurons:
        neurons.sharpen(1.0)
    outputs, spikes = (discretise(net).activity(x).spikes[0] for net in (relu, spiking))
    assert spikes.unique().tolist() == [0.0, 1.0]
    # A membrane that keeps 0.5 %, and a reset
    assert (outputs.round() != spikes).float().mean() < 0.01


def test_a_held_network_gets_the_delays_of_the_profile(tmp_path):
    stage = MAKE.fine_tuned(MAKE.relu(0.01, 0, sharpen=0.0), 0.5).stages[-1]
    assert all(
        layer.discrete and not layer.P.requires_grad
        for layer in delay_layers(stage.build(stage.network)).values()
    )
