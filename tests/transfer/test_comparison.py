"""Recipes side by side: who chose which rate, and what the others reach in the same time."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from bars import COMMON, DATA, NET, same

from snnlab._utils.errors import SnnlabError
from snnlab.nn.energy import cost
from snnlab.training.experiments import run_experiment, run_experiments
from snnlab.transfer import comparison
from snnlab.transfer.pipelines import pipe_d, pipe_s, scratch


def recipes():
    return {
        "scratch": lambda lr, seed: scratch(
            "scratch", NET, steps=2, epochs=1, lr=lr, seed=seed, **COMMON
        ),
        "pipe-S": lambda lr, seed: pipe_s(
            "pipe",
            NET,
            steps=2,
            pretrain_epochs=2,
            epochs=1,
            lr=lr,
            fine_tune_lr=1e-2,
            seed=seed,
            **COMMON,
        ),
    }


def test_every_recipe_keeps_the_rate_that_is_best_on_validation(tmp_path):
    rates, seeds = (1e-6, 3e-2), (4, 5, 6)
    race = comparison.search_lr(recipes(), rates, seeds, DATA, tmp_path, workers=1, extensions=0)
    assert list(race) == ["scratch", "pipe-S"]
    for name, outcomes in race.items():
        tried = [run_experiment(recipes()[name](rate, 4), DATA, tmp_path) for rate in rates]
        chosen = max(tried, key=lambda o: o.valid_accuracy)
        assert same(outcomes[0].net, chosen.net)
        assert [o.experiment.seed for o in outcomes] == list(seeds)
        assert {o.experiment.stages[0].lr for o in outcomes} == {chosen.experiment.stages[0].lr}
        assert race.tried[name] == {
            rate: o.valid_accuracy for rate, o in zip(rates, tried, strict=True)
        }
    assert race["pipe-S"][0].experiment.stages[0].lr == race.chosen["pipe-S"] == 3e-2
    assert "pipe-S" in race.at_edge


@dataclass(frozen=True)
class Trained:
    name: str
    valid_accuracy: float


def search(accuracy_of, rates, seeds=(0, 1), **options):
    """`search_lr` with trainings that only have an accuracy; also returns what was trained."""
    trained = []

    def run(experiments, data, folder, *, then, **_):
        results = []
        while experiments:
            trained.extend(experiments)
            results += [Trained(e, accuracy_of(*e)) for e in experiments]
            experiments = then(results)
        return results

    recipes = {name: lambda rate, seed, name=name: (name, rate, seed) for name in ("a", "b")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run_experiments", run)
        return comparison.search_lr(recipes, rates, seeds, None, None, **options), trained


def test_a_choice_at_the_edge_of_the_grid_tries_the_next_rate():
    peak = {"a": 0.08, "b": 0.0025}

    def accuracy(name, rate, seed):
        return 1 - abs(math.log(rate / peak[name])) / 10

    race, trained = search(accuracy, (0.01, 0.02, 0.04))
    assert list(race.tried["a"]) == [0.01, 0.02, 0.04, 0.08, 0.16]
    assert list(race.tried["b"]) == [0.00125, 0.0025, 0.005, 0.01, 0.02, 0.04]
    assert race.chosen == peak and not race.at_edge
    assert [r.name for r in race["a"]] == [("a", 0.08, 0), ("a", 0.08, 1)]
    assert [r.name for r in race["b"]] == [("b", 0.0025, 0), ("b", 0.0025, 1)]
    assert len(set(trained)) == len(trained) == 5 + 6 + 2  # nothing twice, later seeds at the end
    race, _ = search(accuracy, (0.01, 0.02, 0.04), above=0.005)
    assert list(race.tried["b"]) == [0.01, 0.02, 0.04] and 0.16 in race.tried["a"]


def test_the_grid_is_extended_a_few_times_at_most_and_not_at_a_tie():
    race, _ = search(lambda name, rate, seed: rate, (0.1, 0.2), extensions=2)
    assert list(race.tried["a"]) == [0.1, 0.2, 0.4, 0.8] and race.chosen["a"] == 0.8
    assert race.at_edge == ["a", "b"]
    race, trained = search(lambda *run: 0.1, (0.01, 0.02, 0.04))
    assert race.chosen == {"a": 0.02, "b": 0.02} and len(trained) == 6 + 2
    race, trained = search(lambda *run: 0.1, (0.01,), seeds=(3,))
    assert race.chosen == {"a": 0.01, "b": 0.01} and len(trained) == 2


def test_a_second_rate_is_chosen_after_the_first_and_extended_at_an_edge():
    trained = []

    def run(experiments, data, folder, *, then, **_):
        results = []
        while experiments:
            trained.extend(experiments)
            results += [Trained(e, accuracy(*e)) for e in experiments]
            experiments = then(results)
        return results

    def accuracy(name, rate, seed, second=0.1):
        return 1 - abs(math.log(rate / 0.04)) / 10 - abs(math.log(second / 0.8)) / 100

    recipes = {name: lambda *run, name=name: (name, *run) for name in ("two", "one")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run_experiments", run)
        race = comparison.search_lr(
            recipes, (0.02, 0.04, 0.08), (0, 1), None, None, second={"two": (0.4, 0.1, 0.2)}
        )
    assert race.chosen == {"two": 0.04, "one": 0.04} and race.chosen_second == {"two": 0.8}
    assert list(race.tried["two"]) == [0.02, 0.04, 0.08]
    assert list(race.tried_second["two"]) == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert race.tried["two"][0.04] == accuracy("two", 0.04, 0, 0.2)  # the middle one
    first, second, other = race.listing().splitlines()
    assert first.split()[:2] == ["two", "0.04"] and other.split()[:2] == ["one", "0.04"]
    assert second.split()[:4] == ["then", "0.8", "of", "0.1:"] and "0.8: 100.0%" in second
    assert [r.name for r in race["two"]] == [("two", 0.04, 0, 0.8), ("two", 0.04, 1, 0.8)]
    assert [r.name for r in race["one"]] == [("one", 0.04, 0), ("one", 0.04, 1)]
    # Nothing twice, and no seed is trained before the choice
    assert len(set(trained)) == len(trained) == 3 + 4 + 1 + 3 + 1
    assert not race.at_edge


def test_a_second_rate_for_an_unknown_recipe_is_refused(tmp_path):
    with pytest.raises(SnnlabError, match="There is no recipe with a second rate called 'pipe'"):
        comparison.search_lr(recipes(), [1e-2], [0], DATA, tmp_path, second={"pipe": [1e-2]})
    with pytest.raises(SnnlabError, match="expected one seed and one rate above 0"):
        comparison.search_lr(recipes(), [1e-2], [0], DATA, tmp_path, second={"pipe-S": []})


def test_the_rate_of_the_fine_tuning_is_chosen_on_validation(tmp_path):
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    made = {
        "pipe-S": lambda lr, seed, fine_tune_lr: pipe_s(
            "pipe", NET, steps=2, pretrain_epochs=2, epochs=1, lr=lr,
            fine_tune_lr=fine_tune_lr, seed=seed, **COMMON,
        ),
    }  # fmt: skip
    second = {"pipe-S": (1e-6, 3e-2)}
    race = comparison.search_lr(
        made, [3e-2], [4, 5], DATA, shared, second=second, workers=1, extensions=0
    )
    tried = {
        rate: run_experiment(made["pipe-S"](3e-2, 4, rate), DATA, alone / f"{rate:g}")
        for rate in second["pipe-S"]
    }
    best = max(tried, key=lambda rate: tried[rate].valid_accuracy)
    assert race.tried_second["pipe-S"] == {r: o.valid_accuracy for r, o in tried.items()}
    assert race.chosen_second == {"pipe-S": best} and same(race["pipe-S"][0].net, tried[best].net)
    assert [o.experiment.stages[-1].lr for o in race["pipe-S"]] == [best, best]
    assert f"0.03, {best:g}" in comparison.as_text(race)
    # Each seed is pretrained once, whatever the rate of its fine-tuning is
    pretrained = sorted(path.name for path in shared.glob("*pretrain.pt"))
    assert pretrained == [f"pipe-lr0.03-seed{seed}-pretrain.pt" for seed in (4, 5)]
    assert len(list(shared.glob("*.pt"))) == 2 + 3  # and fine-tuned at both rates, or the best


def test_two_recipes_share_a_pretraining_by_its_name(tmp_path):
    settings = dict(pretrain_epochs=2, epochs=1, lr=3e-2, fine_tune_lr=1e-2, seed=4, **COMMON)
    short, long = (
        run_experiment(
            pipe_s(f"T{steps}", NET, steps=steps, pretraining="ramp", **settings), DATA, tmp_path
        )
        for steps in (2, 3)
    )
    alone = run_experiment(pipe_s("T3", NET, steps=3, **settings), DATA, tmp_path / "alone")
    assert short.stages[0].checkpoint == long.stages[0].checkpoint
    assert short.cpu_seconds > short.last.cpu_seconds  # the pretraining is on the clock of both
    assert long.stages[0].cpu_seconds == short.stages[0].cpu_seconds
    assert same(long.net, alone.net) and not same(short.net, long.net)


def test_a_rate_may_be_chosen_with_several_seeds():
    def accuracy(name, rate, seed):  # each of the first two seeds alone would choose another rate
        return {
            (0.02, 0): 0.9,
            (0.02, 1): 0.5,
            (0.01, 1): 0.7,
            (0.04, 0): 0.8,
            (0.04, 1): 0.64,
        }.get((rate, seed), 0.6)

    race, trained = search(accuracy, (0.01, 0.02, 0.04), seeds=(0, 1, 2), search_seeds=2)
    assert race.tried["a"][0.04] == pytest.approx(0.72) and race.tried["a"][0.02] == 0.7
    assert set(race.tried["a"]) == {0.01, 0.02, 0.04, 0.08}  # 0.04 was best, at the edge
    assert race.chosen == {"a": 0.04, "b": 0.04}
    assert [r.name for r in race["a"]] == [("a", 0.04, 0), ("a", 0.04, 1), ("a", 0.04, 2)]
    assert len(set(trained)) == len(trained) == 2 * (4 * 2 + 1)
    with pytest.raises(SnnlabError, match="search_seeds = 0: expected a whole number from 1"):
        search(accuracy, (0.01,), search_seeds=0)


def test_one_seed_needs_no_second_round_and_who_trains_is_passed_on(tmp_path, monkeypatch):
    given = {}

    def noted(*arguments, **options):
        given.update(options)
        return run_experiments(*arguments, **options)

    monkeypatch.setattr(comparison, "run_experiments", noted)
    race = comparison.search_lr(recipes(), [1e-2], [0], DATA, tmp_path, workers=1, title="race")
    assert [len(outcomes) for outcomes in race.values()] == [1, 1]
    assert (given["workers"], given["title"]) == (1, "race")


@dataclass(frozen=True)
class Done:
    cpu_seconds: float
    test_accuracy: float
    sample_timesteps: int = 100


def test_accuracy_at_equal_time_is_read_between_two_lengths_on_a_logarithmic_clock():
    race = {
        "long": [Done(16, 0.8, 400), Done(16, 1.0, 400)],
        "short": [Done(3, 0.5, 100), Done(5, 0.5, 100)],
        "other": [Done(7, 0.7, 100), Done(9, 0.9, 100)],
    }
    own, others = comparison.at_equal_time(race, "other", against=["long", "short"])
    assert own == pytest.approx(0.8)
    assert others == pytest.approx(0.5 + 0.4 / 2)  # 8 is halfway from 4 to 16 in doublings
    assert (
        comparison.at_equal_time(
            race, "other", against=["long", "short"], clock="sample_timesteps"
        )[1]
        == 0.5
    )
    race["other"] = [Done(100, 0.7)]
    assert comparison.at_equal_time(race, "other", against=["long", "short"])[1] == pytest.approx(
        0.9
    )


def test_which_length_took_as_long():
    """Nearest by ratio: 5 s lie nearer to 9 than to 2, though 4 s from one and 3 from the other."""
    race = {"pipe-S": [Done(4, 0), Done(6, 0)], "short": [Done(2, 0)], "long": [Done(9, 0)]}
    assert comparison.nearest_in_time(race, "pipe-S", against=["short", "long"]) == "long"
    assert comparison.nearest_in_time(race, "pipe-S", against=["short"]) == "short"


def test_the_table_and_the_summary_say_what_was_measured(tmp_path):
    outcome = run_experiment(recipes()["pipe-S"](1e-2, 3), DATA, tmp_path)
    line = comparison.as_text(
        {"pipe-S": [outcome, replace(outcome, test_accuracy=0.0)]}
    ).splitlines()[1]
    mean = outcome.test_accuracy / 2
    assert f"{mean:.1%} (0.0% to {outcome.test_accuracy:.1%})" in line and "0.01" in line
    assert f"{outcome.sample_timesteps:,d}" in line
    few = [DATA["target"].test.x]
    entry, other = comparison.summaries(
        {"a": [outcome], "b": [outcome]}, {"a": "pipe-S", "b": "scratch"}, few, suffix=" (T = 2)"
    )
    assert (entry["recipe"], entry["variant"]) == ("pipe-S", "a (T = 2)")
    assert other == entry | {"recipe": "scratch", "variant": "b (T = 2)"}
    assert entry["seed"] == 3 and entry["steps"] == 2
    assert entry["pretrain_cpu_seconds"] == outcome.stages[0].cpu_seconds < entry["cpu_seconds"]
    assert entry["spikes"] == cost(outcome.net, few).spikes > 0


def test_the_clock_of_a_curve_begins_with_the_pretraining(tmp_path):
    outcome = run_experiment(recipes()["pipe-S"](1e-2, 3), DATA, tmp_path)
    first, last = outcome.stages
    times, accuracies = outcome.curve()
    assert accuracies == [last.start.reestimated_accuracy, last.history[0]["valid_accuracy"]]
    assert times[-1] == pytest.approx(outcome.cpu_seconds)
    assert times[0] == pytest.approx(first.cpu_seconds + last.start.seconds)
    alone = run_experiment(recipes()["scratch"](1e-2, 3), DATA, tmp_path)
    assert alone.curve() == ([alone.cpu_seconds], [alone.valid_accuracy])


def test_a_stage_gives_back_its_network(tmp_path):
    outcome = run_experiment(recipes()["pipe-S"](1e-2, 3), DATA, tmp_path)
    ann, snn = (stage.network() for stage in outcome.stages)
    assert same(snn, outcome.net) and not same(ann, snn)
    modes = [
        (net.acts[0].mode, net.steps, net.acts[0].low, net.acts[0].high, net.training)
        for net in (ann, snn)
    ]
    assert modes == [("ramp", 1, 0.49, 0.5, False), ("lif", 2, 0.0, 1.0, False)]


@pytest.mark.parametrize(
    ("warm_up", "liaf", "lif", "expected"),
    [
        (1, 2, 2, ["pretrain relu", "warm up liaf", "LIAF liaf", "LIF lif"]),
        (1, 0, 2, ["pretrain relu", "warm up lif", "LIF lif"]),
        (0, 2, 0, ["pretrain relu", "LIAF liaf"]),
        (0, 0, 2, ["pretrain relu", "LIF lif"]),
    ],
)
def test_pipe_d_goes_from_pictures_to_events(tmp_path, warm_up, liaf, lif, expected):
    events = replace(NET, in_channels=2)
    epochs = dict(pretrain_epochs=1, warm_up_epochs=warm_up, liaf_epochs=liaf, lif_epochs=lif)
    made = pipe_d("d", NET, events, data="pictures", lr=1e-2, seed=1, **epochs, **COMMON)
    assert [f"{s.name} {s.mode}" for s in made.stages] == expected
    outcome = run_experiment(made, {"pictures": DATA["target"], "target": DATA["events"]}, tmp_path)
    report = outcome.stages[1].start.report
    assert report.adapted == ("layers.0.0.weight",) and not report.left_out
    assert [s.start.report for s in outcome.stages[2:]] == [None] * (len(expected) - 2)
    assert (
        outcome.net.config == outcome.stages[-1].network().config
        and outcome.net.config.in_channels == 2
    )
    if warm_up:
        before, after = (outcome.stages[i].network().state_dict() for i in (0, 1))
        assert torch.equal(before["layers.1.0.weight"], after["layers.1.0.weight"])
        assert not torch.equal(before["fc.weight"], after["fc.weight"])
    if liaf and lif:
        assert outcome.experiment.stages[-1].lr == 5e-3
        assert outcome.stages[-1].start.reestimated_accuracy is not None


def test_a_rate_at_which_training_diverges_is_tried_and_never_chosen(tmp_path):
    one = {"scratch": recipes()["scratch"]}
    race = comparison.search_lr(one, (1e-2, 1e40), [0], DATA, tmp_path, workers=1, extensions=0)
    assert race.chosen == {"scratch": 1e-2} and math.isnan(race.tried["scratch"][1e40])
    with pytest.raises(SnnlabError, match=r"scratch: seed 0 diverges at 1e\+40; give lower rates"):
        comparison.search_lr(one, (1e40,), [0], DATA, tmp_path, workers=1, extensions=0)


@pytest.mark.parametrize(("rates", "seeds"), [((), (0,)), ((0.1,), ()), ((0.0, 0.1), (0,))])
def test_a_search_needs_a_rate_and_a_seed(rates, seeds, tmp_path):
    with pytest.raises(SnnlabError, match="expected one seed and one rate above 0 at least"):
        comparison.search_lr(recipes(), rates, seeds, DATA, tmp_path)
