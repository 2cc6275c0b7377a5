"""Many trainings side by side: the same numbers whatever the number of workers, and nothing
finished is done again.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.ablation import discretise
from snnlab.delays.experiments import (
    DelayStage,
    delay_experiment,
    matched_hidden,
)
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training.evaluation import evaluate
from snnlab.training.experiments import Experiment, run_experiment, run_experiments

DATA = DataSplits(*(interaural_lags(n, seed=s, steps=20) for s, n in enumerate((64, 40, 40))))


def stage(variant, seed, tau=1.005, **changes):
    network = DelayNetConfig(16, (6,), 5, max_delay=8, tau=tau, delay_mode=variant)
    settings = dict(name=f"{variant}-{seed}-{tau}", epochs=2, batch_size=16) | changes
    return DelayStage(network=network, seed=seed, device="cpu", **settings)


EXPERIMENTS = [
    delay_experiment(stage(variant, seed))
    for variant, seed in (("learned", 0), ("none", 1), ("fixed", 0))
]


def test_workers_change_nothing(tmp_path):
    alone = run_experiments(EXPERIMENTS, DATA, tmp_path / "one", workers=1)
    beside = run_experiments(EXPERIMENTS, DATA, tmp_path / "two", workers=2)
    for a, b, asked in zip(alone, beside, EXPERIMENTS, strict=True):
        assert a.experiment == asked == b.experiment
        assert a.test_accuracy == b.test_accuracy and a.last.best_epoch == b.last.best_epoch
        for p, q, r in zip(
            *(net.parameters() for net in (a.net, b.net, b.last.network())), strict=True
        ):
            assert torch.equal(p, q) and torch.equal(p, r)
        assert not b.net.training
        assert a.test_accuracy == evaluate(discretise(a.net), DATA.test).accuracy


def test_stages_that_differ_do_not_share_a_file(tmp_path):
    same, other = stage("none", 0), stage("none", 0, lr_weights=0.1)
    pair = [Experiment(name, (part,)) for name, part in (("A", same), ("B", other))]
    with pytest.raises(SnnlabError, match="none-0-1.005.pt: .* of the experiments 'A' and 'B'"):
        run_experiments(pair, DATA, tmp_path, workers=2)
    first = (stage("none", 1), stage("none", 3, name="b"))  # the same stage after different ones
    pair = [Experiment(name, (part, same)) for name, part in zip("AB", first, strict=True)]
    with pytest.raises(SnnlabError, match="none-0-1.005.pt: "):
        run_experiments(pair, DATA, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: run_experiments(EXPERIMENTS[0], DATA, f), "got Experiment, expected a list"),
        (lambda f: run_experiments([stage("none", 0)], DATA, f), "got DelayStage, expected an Exp"),
        (
            lambda f: run_experiments(EXPERIMENTS, DATA, f, workers="two"),
            "workers = 'two': expected",
        ),
        (
            lambda f: run_experiments(EXPERIMENTS, (DATA, DATA), f, workers=1),
            "data: got tuple with",
        ),
        (lambda f: run_experiment(EXPERIMENTS, DATA, f), "experiment: got list, expected an Exp"),
        (lambda f: Experiment("a", stage("none", 0)), "a: stages = DelayStage; expected a tuple"),
    ],
)
def test_a_slip_in_the_arguments_has_a_sentence(call, words, tmp_path):
    with pytest.raises(SnnlabError, match=words):
        call(tmp_path)


def test_how_the_field_reports(tmp_path):
    asked = stage("learned", 0, epochs=5, test_each_epoch=True)
    last = replace(asked, name="last", keep="last")
    best, kept = (run_experiment(delay_experiment(s), DATA, tmp_path) for s in (asked, last))
    each = [line["test_accuracy"] for line in best.last.history]
    assert each == [line["test_accuracy"] for line in kept.last.history] and len(set(each)) > 1
    for outcome in (best, kept):
        assert outcome.protocols() == {
            "last_epoch_accuracy": each[4],
            "best_on_test_accuracy": max(each),
        }
    assert best.test_accuracy == each[best.last.best_epoch] and kept.test_accuracy == each[4]


def test_what_is_finished_is_only_read(tmp_path):
    first = run_experiments(EXPERIMENTS[:2], DATA, tmp_path, workers=1)
    stamps = [outcome.last.checkpoint.stat().st_mtime_ns for outcome in first]
    again = run_experiments(EXPERIMENTS, DATA, tmp_path, workers=1)
    assert [outcome.last.checkpoint.stat().st_mtime_ns for outcome in again[:2]] == stamps
    assert [outcome.last.history for outcome in again[:2]] == [
        outcome.last.history for outcome in first
    ]


class Fatal:
    """Ends the process that unpickles it, as the kernel ends one that takes too much memory."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_worker_that_dies_is_told(tmp_path):
    with pytest.raises(SnnlabError, match="one of the 2 training processes died"):
        run_experiments(EXPERIMENTS, replace(DATA, train=Fatal()), tmp_path, workers=2)


def test_the_seed_decides_the_network():
    stages = [stage("learned", seed) for seed in (3, 3, 4)]
    a, b, c = (made.build(made.network) for made in stages)
    assert torch.equal(a.synapses[0].weight, b.synapses[0].weight)
    assert not torch.equal(a.synapses[0].weight, c.synapses[0].weight)


@pytest.mark.parametrize("n_connections", [None, 4])
def test_matched_hidden_matches(n_connections):
    network = DelayNetConfig(70, (32, 32), 20, max_delay=12, tau=2.0, n_connections=n_connections)
    learned = network.build().trainable_parameters()
    network = replace(network, delay_mode="fixed")
    hidden = matched_hidden(network, learned)
    fixed = replace(network, hidden=hidden).build().trainable_parameters()
    assert hidden[0] == hidden[1] > 32 and abs(fixed / learned - 1) < 0.02


def test_a_stage_that_cannot_be_is_refused():
    for changes, message in (
        (dict(keep="frist"), "keep = 'frist': expected one of best, last"),
        (dict(transfer_parts="delay"), "transfer_parts = 'delay': expected one of both, weights"),
        (dict(keep=np.array([1])), r"keep = array\(\[1\]\): expected one of best, last"),
        (dict(epochs=10**400), "epochs = 1000.*: expected a whole number from 1"),
        (dict(network="lif"), "network = 'lif': expected a NetworkConfig"),
        (dict(only="synapses"), "only = 'synapses': expected a list of texts, such as"),
        (dict(test_each_epoch="no"), "test_each_epoch = 'no': expected true or false"),
        (dict(lr_delays=-1), "lr_delays = -1: expected a number from 0"),
        (dict(sharpen=2), "sharpen = 2: expected a number from 0 to 1"),
    ):
        with pytest.raises(SnnlabError, match=message):
            replace(stage("learned", 0), **changes)


def test_an_experiment_has_stages_with_files_of_their_own():
    with pytest.raises(SnnlabError, match="^e: has no stage; expected one stage to train"):
        Experiment("e", ())
    with pytest.raises(SnnlabError, match="^none-0-1.005.pt: would be .* of two stages"):
        Experiment("e", (stage("none", 0), stage("none", 1), stage("none", 0)))


def test_a_folder_may_be_a_text(tmp_path):
    name = str(tmp_path / "runs")
    run_experiments([Experiment("e", (stage("none", 0, epochs=1),))], DATA, name, workers=1)
    assert {path.suffix for path in (tmp_path / "runs").iterdir()} == {".pt", ".jsonl"}
