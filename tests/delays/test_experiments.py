"""Many trainings side by side: the same numbers whatever the number of workers, and nothing finished is done again."""

import os
from dataclasses import replace

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.splits import DataSplits
from snnlab.data.datasets.toys import interaural_lags
from snnlab.delays.ablation import discretise
from snnlab.delays.experiments import (
    Job,
    best_by_validation,
    build_network,
    matched_hidden,
    train_all,
)
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_net import DelayNet
from snnlab.training.trainer import evaluate

DATA = DataSplits(*(interaural_lags(n, seed=s, steps=20) for s, n in enumerate((64, 40, 40))))


def job(variant, seed, tau=1.005):
    network = {
        "n_in": 16,
        "hidden": [6],
        "n_classes": 5,
        "max_delay": 8,
        "tau": tau,
        "variant": variant,
    }
    return Job(
        f"{variant}-{seed}-{tau}",
        network,
        DelayRecipe(epochs=2, batch_size=16, seed=seed, device="cpu"),
    )


JOBS = [job("learned", 0), job("none", 1), job("fixed", 0)]


def test_workers_change_nothing(tmp_path):
    alone = train_all(JOBS, DATA, tmp_path / "one", workers=1)
    beside = train_all(JOBS, DATA, tmp_path / "two", workers=2)
    for a, b, asked in zip(alone, beside, JOBS, strict=True):
        assert a.job == asked == b.job
        assert a.test_accuracy == b.test_accuracy and a.best_epoch == b.best_epoch
        for p, q in zip(a.network().parameters(), b.network().parameters(), strict=True):
            assert torch.equal(p, q)
        assert a.test_accuracy == evaluate(discretise(a.network()), DATA.test).accuracy


def test_how_the_field_reports(tmp_path):
    asked = replace(job("learned", 0), test_each_epoch=True)
    asked = replace(asked, recipe=replace(asked.recipe, epochs=5))
    last = replace(asked, name="last", recipe=replace(asked.recipe, keep="last"))
    best, kept = train_all([asked, last], DATA, tmp_path, workers=1)
    each = [line["test_accuracy"] for line in best.history]
    assert each == [line["test_accuracy"] for line in kept.history] and len(set(each)) > 1
    for outcome in (best, kept):
        assert outcome.protocols() == {
            "last_epoch_accuracy": each[4],
            "best_on_test_accuracy": max(each),
        }
    assert best.test_accuracy == each[best.best_epoch] and kept.test_accuracy == each[4]


def test_what_is_finished_is_only_read(tmp_path):
    first = train_all(JOBS[:2], DATA, tmp_path, workers=1)
    stamps = [outcome.checkpoint.stat().st_mtime_ns for outcome in first]
    again = train_all(JOBS, DATA, tmp_path, workers=1)
    assert [outcome.checkpoint.stat().st_mtime_ns for outcome in again[:2]] == stamps
    assert [outcome.history for outcome in again[:2]] == [outcome.history for outcome in first]


class Fatal:
    """Ends the process that unpickles it, as the kernel ends one that takes too much memory."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_worker_that_dies_is_told(tmp_path):
    with pytest.raises(SnnlabError, match="one of the 2 training processes died"):
        train_all(JOBS, replace(DATA, train=Fatal()), tmp_path, workers=2)


def test_the_seed_decides_the_network():
    a, b, c = (
        build_network(job("learned", 3)),
        build_network(job("learned", 3)),
        build_network(job("learned", 4)),
    )
    assert torch.equal(a.synapses[0].weight, b.synapses[0].weight)
    assert not torch.equal(a.synapses[0].weight, c.synapses[0].weight)


def test_choice_is_by_validation_then_by_loss(tmp_path):
    outcomes = train_all(JOBS, DATA, tmp_path, workers=1)
    line = {"valid_accuracy": 0.5, "valid_loss": 2.0}
    worse = replace(outcomes[0], history=[line], best_epoch=0, test_accuracy=1.0)
    better = replace(
        outcomes[1], history=[line | {"valid_loss": 1.0}], best_epoch=0, test_accuracy=0.0
    )
    assert best_by_validation([worse, better]) is better


@pytest.mark.parametrize("n_connections", [None, 4])
def test_matched_hidden_matches(n_connections):
    network = {
        "n_in": 70,
        "n_classes": 20,
        "max_delay": 12,
        "tau": 2.0,
        "n_connections": n_connections,
    }
    learned = DelayNet(**network, hidden=[32, 32], variant="learned").trainable_parameters()
    hidden = matched_hidden(network | {"hidden": [32, 32], "variant": "fixed"}, learned)
    fixed = DelayNet(**network, hidden=hidden, variant="fixed").trainable_parameters()
    assert hidden[0] == hidden[1] > 32 and abs(fixed / learned - 1) < 0.02
