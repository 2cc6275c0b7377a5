"""The trainings of notebook 06: who gets how many epochs, at which rates, and from whom."""

import itertools
from dataclasses import replace

import pytest
import torch

from snnlab.course import config
from snnlab.course.pretrained_delays import Recipes, twin
from snnlab.delays.ablation import discretise
from snnlab.delays.experiments import build_network
from snnlab.nn.delay_linear import delay_layers

CONFIG = config.resolve(
    "06_pretrained_delays",
    profile="tiny",
    neurons=7,
    pretrain_epochs=5,
    epochs=3,
    fine_tune=0.5,
    sharpen=[0.0, 0.8],
)
LEARNING = config.resolve("04_learning_delays", profile="tiny", lr_delays=0.2, anneal_share=0.4)
MAKE = Recipes(CONFIG, LEARNING, classes=20)


def test_every_recipe_has_the_same_number_of_epochs():
    jobs = [make(2, 0.01, 0) for make in (MAKE.scratch, MAKE.sharpened, MAKE.pretrained)]
    assert [job.epochs for job in jobs] == [8, 8, 8]
    assert [job.recipe.epochs for job in (jobs[2].after, jobs[2])] == [5, 3]
    assert [job.network["neuron"] for job in (*jobs, jobs[2].after)] == [
        "lif",
        "relu",
        "lif",
        "relu",
    ]
    assert all(job.network["hidden"] == [7, 7] and job.network["n_classes"] == 20 for job in jobs)


def test_how_sharp_and_which_epoch():
    kept = {
        job.name: (job.recipe.sharpen, job.recipe.keep)
        for job in (MAKE.sharpened(1, 0.01, 0), MAKE.relu(1, 0.01, 0, sharpen=0.3))
    }
    assert list(kept.values()) == [(1.0, "last"), (0.3, "last")]
    assert MAKE.scratch(1, 0.01, 0).recipe.keep == "best"
    # The last of those that are looked at
    assert MAKE.pretrained(1, 0.01, 0).after.recipe.sharpen == 0.8
    assert MAKE.pretrained(1, 0.01, 0, sharpen=0.0).after == MAKE.relu(1, 0.01, 0, sharpen=0.0)


def test_fine_tuning_is_slower_and_holds_the_delays():
    job = MAKE.pretrained(1, 0.01, 4, transfer_parts="weights")
    assert job.transfer_parts == "weights" and job.recipe.seed == job.after.recipe.seed == 4
    assert (job.recipe.lr_weights, job.recipe.lr_delays) == pytest.approx((0.005, 0.1))
    assert (job.after.recipe.lr_weights, job.after.recipe.lr_delays) == pytest.approx((0.01, 0.2))
    assert (job.recipe.anneal_share, job.after.recipe.anneal_share) == (0.0, 0.4)
    assert job.network["variant"] == "fixed"
    assert MAKE.pretrained(1, 0.01, 4, learn_delays=True).network["variant"] == "learned"


def test_no_two_trainings_share_a_checkpoint():
    jobs = [
        MAKE.pretrained(
            layers, rate, seed, sharpen=sharpen, transfer_parts=transfer_parts, learn_delays=learn
        )
        for layers, rate, seed, sharpen, transfer_parts, learn in itertools.product(
            (1, 2), (0.01, 0.02), (0, 1), (0.0, 0.5), ("both", "weights", "delays"), (False, True)
        )
    ]
    jobs += {job.after.name: job.after for job in jobs}.values()
    jobs += [make(layers, 0.01, 0) for make in (MAKE.scratch, MAKE.sharpened) for layers in (1, 2)]
    jobs.append(MAKE.relu(1, 0.01, 0, sharpen=1.0))
    assert len({job.name for job in jobs}) == len(jobs)


def test_the_twin_spikes_with_the_same_parameters():
    relu = build_network(MAKE.relu(2, 0.01, 0, sharpen=0.0)).eval()
    spiking = twin(relu)
    assert spiking.neuron == "lif" and not spiking.training
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
    job = replace(MAKE.pretrained(1, 0.01, 0), after=None)
    assert all(
        layer.discrete and not layer.P.requires_grad for layer in delay_layers(build_network(job))
    )
