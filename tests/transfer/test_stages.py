"""Stages and plans: the rates they train with, what they train, and that nothing depends on kills
or on workers.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from bars import COMMON, DATA, NET, same
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.nn.activations import activations
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNN, SmallCNNConfig
from snnlab.nn.vision.video import VideoNetConfig
from snnlab.nn.weight_transfer import reestimate_batch_norm
from snnlab.training import checkpoints
from snnlab.training.callbacks import EpochCounter
from snnlab.training.evaluation import evaluate
from snnlab.training.experiments import run_experiment, run_experiments, trainable_only
from snnlab.training.trainer import fit
from snnlab.transfer import stages
from snnlab.transfer.pipelines import (
    converted,
    experiment,
    falling,
    modern,
    pipe_d,
    pipe_s,
    scratch,
)
from snnlab.transfer.stages import Stage, some_inputs, zero_shot


def stage(**changes):
    return Stage(**(COMMON | dict(epochs=2, network=NET) | changes))


def without_clocks(outcome):
    clocks = ("seconds", "cpu_seconds")
    return [
        [{k: v for k, v in line.items() if k not in clocks} for line in s.history]
        for s in outcome.stages
    ]


PIPE = pipe_s(
    "pipe",
    NET,
    steps=3,
    pretrain_epochs=2,
    epochs=2,
    lr=2e-2,
    fine_tune_lr=1e-2,
    twins=(1, 2),
    **COMMON,
)


@dataclass(frozen=True)
class Watched(Stage):
    rates: ClassVar[list] = []

    def before_step(self, model, optimisers, done):
        super().before_step(model, optimisers, done)
        self.rates.append([group["lr"] for group in optimisers[0].param_groups])


def test_the_rate_falls_as_half_a_cosine_from_step_to_step(tmp_path):
    Watched.rates.clear()
    # 28 samples: 16 and 12
    watched = Watched(**COMMON | dict(batch_size=16, epochs=3, network=NET, lr=0.5))
    run_experiment(experiment("watched", watched), DATA, tmp_path)
    done = [(epoch + part) / 3 for epoch in range(3) for part in (0, 16 / 28)]
    assert [rate for (rate,) in Watched.rates] == pytest.approx(
        [0.25 * (1 + math.cos(math.pi * d)) for d in done]
    )
    assert Watched.rates[0] == [0.5]


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "network": ("x", 3),
        "leave": ("fc", 3, (1,)),
        "only": ("fc", None, (b"fc",)),
        "drops": (3, ("x",), (1.5,), (-1,), "12"),
        "twins": (3, ("x",), (0,), (True,)),
        "seed": (None, "x", 1.5, True, 10**40, -(10**400)),
        "sharpen": ("no", 1),
        "reestimate": ("no",),
        "drop": (5, -1, math.nan, "x"),
        "lr": (10**400, math.inf, True),
        "data": (3,),
    }.items(),
)
def test_a_stage_refuses_what_it_cannot_use(name, values):
    for value in values:
        with pytest.raises(SnnlabError, match=rf"^{name} = .*: expected [^\n]*\.$"):
            stage(**{name: value})


def test_a_stage_trains_no_network_without_modes():
    data = torch.zeros(2, 4, 3), torch.tensor([0, 1, 0, 1])
    with pytest.raises(SnnlabError, match="a Stage trains a network of .*, got Linear; train it"):
        fit(torch.nn.Linear(3, 2), data, data, stage(name="a"), progress=False)


def test_a_stage_takes_numbers_of_any_type_and_lists():
    stage(seed=np.int64(3), drops=(np.int32(0),), twins=[2], drop=np.float32(1), only=["fc"])


def test_labels_beyond_the_network_are_refused_before_training(tmp_path):
    few = replace(NET, classes=2)
    words = (
        "labels from 0 to 2, but the network gives scores for 2 classes, whose labels are 0 to 1"
    )
    with pytest.raises(SnnlabError, match="^train: has " + words):
        run_experiment(experiment("few", stage(network=few)), DATA, tmp_path)
    with pytest.raises(SnnlabError, match="^data: has " + words):  # as handed over, on validation
        run_experiment(
            experiment("few", stage(), stage(network=few, leave=("fc",))), DATA, tmp_path
        )


def rate(made, done):
    optimiser = SimpleNamespace(param_groups=[{"lr": 7.0}])
    made.before_step(None, [optimiser], done)
    return optimiser.param_groups[0]["lr"]


def test_the_rate_drops_at_the_beginning_of_an_epoch():
    papers = stage(epochs=10, lr=0.1, schedule="constant", drops=(2, 4, 6, 8))
    for done, drops in (
        (0, 0),
        (0.199, 0),
        (0.2, 1),
        (0.39, 1),
        (0.4, 2),
        (0.7, 3),
        (0.8, 4),
        (0.99, 4),
    ):
        assert rate(papers, done) == pytest.approx(0.1 * 0.3**drops)
    for epochs in range(1, 60):  # 15 / 22 * 22 is less than 15
        for epoch in range(epochs):
            made = stage(epochs=epochs, lr=1.0, schedule="constant", drops=(epoch,), drop=0.5)
            assert rate(made, (epoch + 0 / 28) / epochs) == 0.5
    both = stage(epochs=4, lr=1.0, drops=(2,), drop=0.5)
    assert [rate(both, d) for d in (0, 0.25, 0.5, 0.75)] == pytest.approx(
        [1, 0.853553, 0.25, 0.0732233]
    )


def test_the_optimisers_have_the_settings_of_the_stage():
    net = replace(NET, learn_scale=True).build()
    (adam,) = stage(lr=0.3, weight_decay=0.1).optimisers(net)
    (sgd,) = stage(lr=0.3, weight_decay=0.1, optimiser="sgd").optimisers(net)
    assert isinstance(adam, torch.optim.Adam) and isinstance(sgd, torch.optim.SGD)
    for optimiser in (adam, sgd):
        (group,) = optimiser.param_groups
        assert group["lr"] == 0.3 and group["weight_decay"] == 0.1
        assert {id(p) for p in group["params"]} == {
            id(p) for p in net.parameters() if p.requires_grad
        }
        # Convolutions with their norms, fc, and two scales
        assert len(group["params"]) == 2 * 3 + 2 + 2
    assert sgd.param_groups[0]["momentum"] == 0.9


def test_a_ramp_is_sharpened_epoch_by_epoch(tmp_path):
    made = stage(mode="ramp", sharpen=True, epochs=4, steps=1)
    outcome = run_experiment(experiment("ramp", made), DATA, tmp_path)
    ends = [(line["low"], line["high"]) for line in outcome.stages[0].history]
    assert ends == [(0.125, 0.875), (0.25, 0.75), (0.375, 0.625), (0.49, 0.5)]
    assert all((a.low, a.high) == (0.49, 0.5) for _, a in activations(outcome.net))
    flat = run_experiment(experiment("flat", replace(made, sharpen=False)), DATA, tmp_path)
    assert {(line["low"], line["high"]) for line in flat.stages[0].history} == {(0, 1)}
    again = run_experiment(experiment("ramp", made), DATA, tmp_path)  # only read, and just as sharp
    assert all((a.low, a.high) == (0.49, 0.5) for _, a in activations(again.net))
    assert (again.test_accuracy, again.valid_accuracy) == (
        outcome.test_accuracy,
        outcome.valid_accuracy,
    )


def test_only_these_are_trained_and_then_all_again():
    net = SmallCNN(1, 3, channels=(4, 5), strides=(1, 2), learn_scale=True)
    asked = {name: p.requires_grad for name, p in net.named_parameters()}
    with trainable_only(net, ("fc", "layers.0")):
        now = {name for name, p in net.named_parameters() if p.requires_grad}
        assert now == {
            "fc.weight",
            "fc.bias",
            "layers.0.0.weight",
            "layers.0.1.weight",
            "layers.0.1.bias",
        }
    assert {name: p.requires_grad for name, p in net.named_parameters()} == asked and not asked[
        "acts.0.k"
    ]
    with trainable_only(net, ()):
        assert {name: p.requires_grad for name, p in net.named_parameters()} == asked
    with pytest.raises(ZeroDivisionError), trainable_only(net, ("fc",)):
        raise ZeroDivisionError
    assert {name: p.requires_grad for name, p in net.named_parameters()} == asked
    with (
        pytest.raises(SnnlabError, match="nothing in SmallCNN is called 'head'"),
        trainable_only(net, ("head",)),
    ):
        pass


def test_a_warm_up_leaves_the_other_parameters_bit_for_bit(tmp_path):
    made = experiment("warm", stage(), stage(network=None, only=("fc",), name="warm-up"))
    outcome = run_experiment(made, DATA, tmp_path)
    before = checkpoints.load(tmp_path / f"{made.name}-0.pt")["model"]
    for name, value in outcome.net.state_dict().items():
        changes = name.startswith("fc") or "running" in name or "tracked" in name
        assert torch.equal(value, before[name]) != changes, name
    assert [p.requires_grad for p in outcome.net.parameters()] == [
        p.requires_grad for p in NET.build().parameters()
    ]


class Stop(Exception):
    pass


class Stopping:
    """A training set that breaks off after a number of batches."""

    def __init__(self, data, left):
        self.data, self.left = data, left
        self.labels = data.labels

    def __len__(self):
        return len(self.data)

    def index_batches(self, *args, **kwargs):
        return self.data.index_batches(*args, **kwargs)

    def batches(self, *args, **kwargs):
        for batch in self.data.batches(*args, **kwargs):
            if self.left == 0:
                raise Stop
            self.left -= 1
            yield batch


@pytest.mark.parametrize(
    ("left", "finished"),
    [(2, None), (6, (1,)), (8, (2,)), (10, (2,)), (13, (2,)), (18, (2, 1)), (20, None)],
    # four batches an epoch, and four for the statistics between the stages
)
def test_a_plan_that_was_killed_ends_with_the_same_bits(tmp_path, left, finished):
    whole = run_experiment(PIPE, DATA, tmp_path / "whole")
    target = DATA["target"]
    stopping = SimpleNamespace(
        train=Stopping(target.train, left), valid=target.valid, test=target.test
    )
    told = []
    if left < 20:
        with pytest.raises(Stop):
            run_experiment(PIPE, {"target": stopping}, tmp_path / "killed")
        found = sorted((tmp_path / "killed").glob("*.pt"))
        assert tuple(len(checkpoints.load(p)["history"]) for p in found) == (finished or ())
    resumed = run_experiment(PIPE, DATA, tmp_path / "killed", [EpochCounter(told.append)])
    assert same(resumed.net, whole.net) and without_clocks(resumed) == without_clocks(whole)
    assert sum(told) == PIPE.epochs == 4
    assert (resumed.test_accuracy, resumed.valid_accuracy) == (
        whole.test_accuracy,
        whole.valid_accuracy,
    )
    for a, b in zip(resumed.stages, whole.stages, strict=True):
        assert (a.start.copied_accuracy, a.start.reestimated_accuracy) == (
            b.start.copied_accuracy,
            b.start.reestimated_accuracy,
        )
    for done in resumed.stages:
        lines = done.checkpoint.with_suffix(".jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [0, 1]
    # Everything is only read, the clocks as well
    again = run_experiment(PIPE, DATA, tmp_path / "killed")
    assert [s.history for s in again.stages] == [s.history for s in resumed.stages]
    assert same(again.net, whole.net) and again.test_accuracy == whole.test_accuracy


@pytest.mark.parametrize("left", [2, 6, 10, 14])
def test_a_converted_plan_that_was_killed_ends_with_the_same_bits(tmp_path, left):
    """Four batches an epoch: before the first one of the ANN, in its second, while it is converted,
    and after an epoch of fine-tuning.
    """
    settings = dict(steps=2, pretrain_epochs=2, epochs=2, lr=2e-2, fine_tune_lr=1e-2)
    made = converted("c", NET, **settings, **COMMON)
    whole = run_experiment(made, DATA, tmp_path / "whole")
    target = DATA["target"]
    stopping = SimpleNamespace(
        train=Stopping(target.train, left), valid=target.valid, test=target.test
    )
    with pytest.raises(Stop):
        run_experiment(made, {"target": stopping}, tmp_path / "killed")
    resumed = run_experiment(made, DATA, tmp_path / "killed")
    assert same(resumed.net, whole.net) and without_clocks(resumed) == without_clocks(whole)


def test_workers_change_nothing(tmp_path, one_thread):
    settings = dict(steps=2, pretrain_epochs=1, epochs=1, lr=2e-2, fine_tune_lr=1e-2)
    plans = [
        PIPE,
        converted("converted", NET, **settings, **COMMON),
        modern("modern", NET, **settings, **COMMON),
    ]
    alone = run_experiments(plans, DATA, tmp_path / "one", workers=1)
    beside = run_experiments(plans, DATA, tmp_path / "two", workers=2)
    for a, b, asked in zip(alone, beside, plans, strict=True):
        assert a.experiment == b.experiment == asked
        assert same(a.net, b.net) and without_clocks(a) == without_clocks(b)
        assert a.test_accuracy == b.test_accuracy == evaluate(b.net, DATA["target"].test).accuracy
        assert not b.net.training


def test_the_seed_decides(tmp_path):
    outcomes = [
        run_experiment(experiment("seeded", stage(seed=seed)), DATA, tmp_path / str(number))
        for number, seed in enumerate((3, 3, 4))
    ]
    assert same(outcomes[0].net, outcomes[1].net)
    assert not torch.equal(outcomes[0].net.fc.weight, outcomes[2].net.fc.weight)
    torch.manual_seed(8)
    expected = torch.rand(1)
    torch.manual_seed(8)
    run_experiment(experiment("seeded", stage()), DATA, tmp_path / "other")
    assert torch.equal(torch.rand(1), expected)  # the caller's randomness is left alone


def test_it_learns_and_the_outcome_says_what_was_done(tmp_path):
    made = pipe_s(
        "learns", NET, steps=3, pretrain_epochs=6, epochs=3, lr=3e-2, fine_tune_lr=1e-2, **COMMON
    )
    outcome = run_experiment(made, DATA, tmp_path)
    assert outcome.test_accuracy > 0.8  # a third by chance
    first, second = outcome.stages
    assert (
        first.start.report
        is first.start.copied_accuracy
        is first.start.reestimated_accuracy
        is None
    )
    assert first.start.seconds == 0 < second.start.seconds
    assert (
        0 <= second.start.copied_accuracy <= 1
        and 0 <= second.start.reestimated_accuracy <= 1
        and second.start.report is None
    )
    assert first.sample_timesteps == 6 * 28 and second.sample_timesteps == 3 * 28 * 3
    assert outcome.sample_timesteps == 6 * 28 + 3 * 28 * 3
    seconds = [sum(line["cpu_seconds"] for line in s.history) for s in outcome.stages]
    assert outcome.cpu_seconds == pytest.approx(sum(seconds) + second.start.seconds)
    assert first.cpu_seconds == pytest.approx(seconds[0]) and min(seconds) > 0
    assert outcome.net.steps == 3 and all(a.mode == "lif" for _, a in activations(outcome.net))
    assert not outcome.net.training and all(a.v is None for _, a in activations(outcome.net))
    assert outcome.test_accuracy == evaluate(outcome.net, DATA["target"].test).accuracy
    assert outcome.valid_accuracy == second.history[-1]["valid_accuracy"]  # the last epoch is kept
    assert same(checkpoints_net(second), outcome.net)


def checkpoints_net(done):
    net = NET.build()
    net.load_state_dict(checkpoints.load(done.checkpoint)["model"])
    return net


def test_the_time_steps_of_event_frames_are_their_own(tmp_path):
    network = replace(NET, in_channels=2)
    outcome = run_experiment(
        experiment("events", stage(network=network, data="events")), DATA, tmp_path
    )
    assert outcome.sample_timesteps == 2 * 28 * 3 and outcome.net.steps == 1


def test_from_images_to_events(tmp_path):
    """pipe-D: another network, an adapted first convolution, a new head, and what became of each
    tensor.
    """
    grey = stage(name="ann", mode="relu")
    arrive = stage(
        name="liaf",
        mode="liaf",
        data="events",
        network=replace(NET, in_channels=2),
        leave=("fc",),
        input_conv="signed",
        epochs=0,
    )
    spike = stage(name="lif", network=None, data="events")
    outcome = run_experiment(experiment("pipe-d", grey, arrive, spike), DATA, tmp_path)
    report = outcome.stages[1].start.report
    assert report.adapted == ("layers.0.0.weight",) and report.left_out.keys() == {
        "fc.weight",
        "fc.bias",
    }
    assert outcome.stages[2].start.report is None and outcome.sample_timesteps == 2 * 28 * (1 + 3)
    assert outcome.net.config.in_channels == 2


def test_the_network_for_events_begins_with_the_decay_that_was_asked_for(tmp_path):
    events = replace(NET, in_channels=2, decay=0.622, learn_decay=True)
    epochs = dict(pretrain_epochs=1, warm_up_epochs=1, liaf_epochs=0, lif_epochs=1)
    data = DATA | {"pictures": DATA["target"], "target": DATA["events"]}
    made = pipe_d("d", NET, events, data="pictures", lr=1e-2, **epochs, **COMMON)
    outcome = run_experiment(made, data, tmp_path)
    _, warm_up, _ = outcome.stages  # which leaves the decay alone
    assert [torch.sigmoid(a.k).item() for a in warm_up.network().acts] == pytest.approx([0.622] * 2)
    assert warm_up.start.report.left_out.keys() == {"acts.0.k", "acts.1.k"}
    assert all(0.5 < torch.sigmoid(a.k).item() < 0.75 for a in outcome.net.acts)


def test_experiments_that_begin_with_the_same_stage_train_it_once(tmp_path):
    first = stage(mode="relu", file="ann")
    made = [
        experiment(f"to-{lr}", first, stage(network=None, mode="lif", steps=4, lr=lr, epochs=1))
        for lr in (1e-3, 1e-2)
    ]
    epochs = []
    one, other = (run_experiment(e, DATA, tmp_path, [EpochCounter(epochs.append)]) for e in made)
    assert one.stages[0].checkpoint == other.stages[0].checkpoint == tmp_path / "ann.pt"
    assert one.stages[0].history == other.stages[0].history  # its seconds, too
    alone = run_experiment(
        experiment("alone", replace(first, file=""), made[1].stages[1]), DATA, tmp_path
    )
    assert same(other.net, alone.net) and not same(other.net, one.net)


def test_a_stage_of_no_epochs_only_hands_over(tmp_path):
    made = experiment(
        "zero",
        stage(mode="relu"),
        stage(epochs=0, network=None, mode="lif", steps=4, reestimate=False),
    )
    told = []
    outcome = run_experiment(made, DATA, tmp_path, [EpochCounter(told.append)])
    before = checkpoints.load(outcome.stages[0].checkpoint)["model"]
    assert all(torch.equal(value, before[name]) for name, value in outcome.net.state_dict().items())
    done = outcome.stages[1]
    assert done.history == [] and done.sample_timesteps == 0 and done.cpu_seconds == 0
    assert not done.checkpoint.exists() and sum(told) == 2
    assert (
        done.start.reestimated_accuracy is None
        and done.start.copied_accuracy == outcome.valid_accuracy
    )
    assert outcome.net.steps == 4

    again = run_experiment(
        replace(made, stages=(made.stages[0], replace(made.stages[1], reestimate=True))),
        DATA,
        tmp_path,
    )
    net = NET.build()
    net.load_state_dict(before)
    reestimate_batch_norm(
        net.set_mode("lif", steps=4),
        some_inputs(DATA["target"].train, made.stages[1], torch.device("cpu")),
    )
    assert (
        same(again.net, net) and again.stages[1].start.reestimated_accuracy == again.valid_accuracy
    )
    assert again.stages[1].start.copied_accuracy == done.start.copied_accuracy


def test_levels_and_steps_are_set_where_nothing_is_trained(tmp_path):
    made = experiment("levels", stage(mode="quantised", levels=4, steps=2, epochs=0))
    outcome = run_experiment(made, DATA, tmp_path)
    net, target = outcome.net, DATA["target"]
    scores = [evaluate(net, part).accuracy for part in (target.valid, target.test, target.train)]
    assert [outcome.valid_accuracy, outcome.test_accuracy] == scores[:2] and len(set(scores)) == 3
    assert net.steps == 2 and all(
        (a.mode, a.levels) == ("quantised", 4) for _, a in activations(net)
    )


def test_a_converted_network_has_no_batch_norm_to_estimate_anew(tmp_path):
    settings = dict(steps=2, pretrain_epochs=1, epochs=0, lr=2e-2, fine_tune_lr=1e-2)
    outcome = run_experiment(converted("c", NET, **settings, **COMMON), DATA, tmp_path)
    with pytest.raises(SnnlabError, match="a stage without epochs saves no network; the last"):
        outcome.last.network()
    done = outcome.stages[1]
    assert (
        done.start.copied_accuracy == outcome.valid_accuracy
        and done.start.reestimated_accuracy is None
    )
    assert outcome.net.config.of.rectifier == "relu" and done.cpu_seconds == done.start.seconds > 0


def test_the_file_of_a_converted_network_cannot_restore_it(tmp_path):
    settings = dict(steps=2, pretrain_epochs=1, epochs=1, lr=2e-2, fine_tune_lr=1e-2)
    outcome = run_experiment(converted("c", NET, **settings, **COMMON), DATA, tmp_path)
    with pytest.raises(SnnlabError, match="pt: a network that SpikingJelly's converter built"):
        outcome.last.network()
    assert outcome.stages[0].network().config.rectifier == "relu"


def test_the_clock_runs_while_statistics_are_made(tmp_path, monkeypatch):
    ticks = iter(range(100, 200))
    monkeypatch.setattr(stages, "work_clock", lambda device: next(ticks))
    made = experiment("clock", stage(epochs=0), stage(epochs=0, network=None))
    outcome = run_experiment(made, DATA, tmp_path)
    assert [s.cpu_seconds for s in outcome.stages] == [0, 1] and outcome.cpu_seconds == 1


def test_some_inputs_are_few_and_always_the_same():
    made = stage(batch_size=2, seed=6)
    first, second = (some_inputs(DATA["target"].train, made, torch.device("cpu")) for _ in range(2))
    assert len(first) == 10 and all(x.shape == (1, 2, 1, 6, 6) for x in first)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    other = some_inputs(DATA["target"].train, replace(made, seed=7), torch.device("cpu"))
    assert not torch.equal(first[0], other[0])


def test_the_spiking_twin_is_the_same_network_in_another_mode_and_leaves_no_trace():
    torch.manual_seed(0)
    net, valid = NET.build(), DATA["target"].valid
    reestimate_batch_norm(net.set_mode("lif"), [DATA["target"].train.x])
    net.set_mode("ramp", low=0.2, high=0.7, levels=3, steps=2).train()
    net.acts[1].mode = "liaf"  # modes need not be the same everywhere
    before = {name: value.clone() for name, value in net.state_dict().items()}
    accuracy = zero_shot(net, valid, steps=5)
    assert net.training and net.steps == 2
    assert [(a.mode, a.low, a.high, a.levels) for a in net.acts] == [
        ("ramp", 0.2, 0.7, 3),
        ("liaf", 0.2, 0.7, 3),
    ]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert accuracy == evaluate(net.set_mode("lif", steps=5), valid).accuracy
    net.set_mode("liaf", steps=3)
    with pytest.raises(SnnlabError):
        zero_shot(net, valid, steps=0)
    with pytest.raises(SnnlabError):
        zero_shot(net, DATA["events"].valid, steps=2)
    assert net.steps == 3 and all(a.mode == "liaf" for a in net.acts)


def test_twins_are_in_the_history(tmp_path):
    outcome = run_experiment(PIPE, DATA, tmp_path)
    for line in outcome.stages[0].history + outcome.stages[1].history:
        present = "twin_1_accuracy" in line and "twin_2_accuracy" in line
        assert present == (line in outcome.stages[0].history)
    net = NET.build()
    net.load_state_dict(checkpoints.load(outcome.stages[0].checkpoint)["model"])
    last = outcome.stages[0].history[-1]
    assert (
        last["twin_2_accuracy"]
        == evaluate(net.set_mode("lif", steps=2), DATA["target"].valid).accuracy
    )


def test_the_plans_that_are_compared():
    settings = dict(
        steps=6, pretrain_epochs=5, epochs=2, lr=0.02, fine_tune_lr=0.01, seed=3, **COMMON
    )

    def facts(made):
        return [
            (s.mode, s.steps, s.epochs, s.lr, s.levels, s.sharpen, s.convert) for s in made.stages
        ]

    made = pipe_s("pipe", NET, **settings)
    assert (made.name, made.label, made.epochs, made.seed) == (
        "pipe-lr0.02-seed3-then0.01",
        "pipe",
        7,
        3,
    )
    assert facts(made) == [("ramp", 1, 5, 0.02, 1, True, ""), ("lif", 6, 2, 0.01, 1, False, "")]
    assert facts(pipe_s("x", NET, source="relu1", **settings))[0] == (
        "ramp",
        1,
        5,
        0.02,
        1,
        False,
        "",
    )
    assert facts(pipe_s("x", NET, source="one step", **settings))[0] == (
        "lif",
        1,
        5,
        0.02,
        1,
        False,
        "",
    )
    assert facts(modern("x", NET, **settings)) == [
        ("quantised", 1, 5, 0.02, 6, False, ""),
        ("soft", 6, 2, 0.01, 1, False, ""),
    ]
    of = converted("x", NET, how="balanced", **settings)
    assert facts(of) == [
        ("relu", 1, 5, 0.02, 1, False, ""),
        ("soft", 6, 2, 0.01, 1, False, "balanced"),
    ]
    assert of.stages[0].network == replace(NET, rectifier="relu")
    alone = scratch("scratch", NET, steps=6, epochs=4, lr=0.02, **COMMON)
    assert facts(alone) == [("lif", 6, 4, 0.02, 1, False, "")] and alone.stages[0].network == NET
    assert all(s.seed == 3 and s.batch_size == 8 for s in (*made.stages, *of.stages))


def test_a_quantised_network_is_its_spiking_twin_on_constant_input(tmp_path):
    """Up to the sums' rounding each neuron of the first layer fires at its level; see
    test_activations for the proof.
    """
    made = modern(
        "m", NET, steps=4, pretrain_epochs=3, epochs=0, lr=0.03, fine_tune_lr=0.01, **COMMON
    )
    made = replace(made, stages=(made.stages[0], replace(made.stages[1], reestimate=False)))
    net = run_experiment(made, DATA, tmp_path).net
    x, found = DATA["target"].test.x, []
    for mode, steps in (("quantised", 1), ("soft", 4)):
        net.set_mode(mode, steps=steps, levels=4)
        hook = net.acts[0].register_forward_hook(
            lambda m, i, out: found.append(out.detach().mean(0))
        )
        net(x)
        hook.remove()
    assert found[0].any() and torch.allclose(*found, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(epochs=-1), "epochs = -1: expected a whole number from 0"),
        (dict(epochs=2.5), "epochs = 2.5: expected a whole number"),
        (dict(lr="0.1"), "lr = '0.1': expected a number from 0"),
        (dict(lr=-1), "lr = -1: expected a number from 0"),
        (dict(lr=float("nan")), "lr = nan"),
        (dict(weight_decay=-1.0), "weight_decay"),
        (dict(batch_size=0), "batch_size = 0"),
        (dict(steps=0), "steps = 0"),
        (dict(levels=0), "levels = 0"),
        (dict(optimiser="SGD"), "optimiser = 'SGD': expected one of adam, sgd"),
        (dict(schedule="cosin"), "did you mean cosine"),
        (dict(keep="frist"), "keep = 'frist': expected one of best, last"),
        (dict(accumulate=0), "accumulate = 0"),
        (dict(drop=-0.1), "drop = -0.1"),
        (dict(mode="liff"), "did you mean li"),
        (dict(convert="balance"), "did you mean balanced"),
        (dict(input_conv="sign"), "did you mean signed"),
        (dict(precision="bfloat"), "did you mean bfloat16"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(changes, message):
    with pytest.raises(SnnlabError, match=message):
        stage(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(data="event"),
            "no data set called 'event' .did you mean events.*; valid names: target, events",
        ),
        (dict(network=None), "the first stage, 'begin', names no network"),
        (dict(only=("head",)), "nothing in SmallCNN is called 'head'"),
        (dict(device="tpu"), "tpu"),
    ],
)
def test_a_plan_that_cannot_be_is_told_in_a_sentence(tmp_path, changes, message):
    with pytest.raises(SnnlabError, match=message):
        run_experiment(experiment("wrong", stage(name="begin", **changes)), DATA, tmp_path)


def test_a_later_stage_that_cannot_be_is_told_before_the_first_is_trained(tmp_path):
    with pytest.raises(SnnlabError, match="no data set called 'event'"):
        run_experiment(
            experiment("late", stage(), stage(name="later", data="event")), DATA, tmp_path
        )
    assert not list(tmp_path.iterdir())


def test_another_recipe_does_not_go_on_from_the_checkpoint(tmp_path):
    run_experiment(experiment("p", stage()), DATA, tmp_path)
    with pytest.raises(SnnlabError, match="another recipe: drop = 0.3 instead of 0.5"):
        run_experiment(experiment("p", stage(drop=0.5)), DATA, tmp_path)
    with pytest.raises(SnnlabError, match="another network"):
        run_experiment(
            experiment("p", stage(network=replace(NET, channels=[4, 6]))), DATA, tmp_path
        )


def test_a_batch_trains_by_the_gradient_of_the_cross_entropy(tmp_path):
    """One step of SGD by hand, without momentum yet."""
    made = stage(
        mode="relu", optimiser="sgd", schedule="constant", lr=0.1, epochs=1, batch_size=100
    )
    outcome = run_experiment(experiment("one", made), DATA, tmp_path)
    torch.manual_seed(0)
    net = NET.build().set_mode("relu")
    x, y = DATA["target"].train.x, DATA["target"].train.labels
    F.cross_entropy(net(x), y).backward()
    for (name, p), q in zip(net.named_parameters(), outcome.net.parameters(), strict=True):
        expected = p if p.grad is None else p - 0.1 * p.grad
        assert torch.allclose(q, expected, atol=1e-6), name
    assert dataclasses.asdict(made)["optimiser"] == "sgd"


def test_how_the_rates_of_a_fine_tuned_network_fall():
    settings = dict(steps=2, pretrain_epochs=3, epochs=4, lr=2e-2, fine_tune_lr=1e-2, **COMMON)
    ann, snn = pipe_s("cosines", NET, **settings).stages
    assert (ann.schedule, snn.schedule, snn.drops) == ("cosine", "cosine", ())
    ann, snn = pipe_s(
        "published", NET, schedule="constant", drops=(1, 3), drop=0.5, **settings
    ).stages
    assert (ann.schedule, ann.drops, snn.schedule, snn.drops, snn.drop) == (
        "constant",
        (),
        "constant",
        (1, 3),
        0.5,
    )
    rates = []
    net = NET.build()
    optimisers = snn.optimisers(net)
    for epoch in range(4):
        snn.before_step(net, optimisers, epoch / 4)
        rates.append(optimisers[0].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-2, 5e-3, 5e-3, 2.5e-3])


@pytest.mark.parametrize(
    ("kind", "settings", "first", "head"),
    [
        (SmallCNNConfig, {}, ("layers.0",), ("fc",)),
        (ResNetConfig, {}, ("conv1", "bn1"), ("fc",)),
        (VideoNetConfig, dict(height=33, width=33), ("layers.0",), ("lstm", "fc")),
    ],
    ids=["SmallCNN", "ResNet", "VideoNet"],
)
def test_pipe_d_knows_what_is_new_in_a_network(kind, settings, first, head):
    """The first layer, which has other channels, and the head; a last layer for other classes stays
    as it is.
    """
    rest = dict(
        data="events",
        pretrain_epochs=1,
        warm_up_epochs=1,
        liaf_epochs=0,
        lif_epochs=1,
        lr=1e-2,
        **COMMON,
    )
    source, target = (kind(channels, 3, **settings) for channels in (3, 2))
    _, warm_up, lif = pipe_d(
        "d", source, target, on_events=falling((4,), 0.1), schedule="constant", **rest
    ).stages
    assert warm_up.only == first + head and warm_up.leave == () and lif.only == ()
    assert (lif.schedule, lif.drops, lif.drop) == ("constant", (4,), 0.1)
    _, warm_up, _ = pipe_d("d", replace(source, classes=5), target, **rest).stages
    assert warm_up.leave == ("fc",) and warm_up.schedule == "cosine"
    net = target.build()
    assert set(net.features).isdisjoint(head)
    other = source.build().state_dict()
    different = {
        name for name, value in net.state_dict().items() if value.shape != other[name].shape
    }
    assert len(different) == 1 and all(name.startswith(first[0]) for name in different)
    assert {name.split(".")[0] for name in net.state_dict()} == {*net.features, *head}
