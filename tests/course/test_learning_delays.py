"""The networks of notebook 04: which are trained for a choice of variants and controls."""

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.course import tasks
from snnlab.course.config import parse_parameters, resolve
from snnlab.course.learning_delays import FEW, WIDE, Arms
from snnlab.training import experiments

DELAYS = "04_learning_delays"


def configured(**given):
    return resolve(DELAYS, profile="tiny", **given)


@pytest.fixture(scope="module")
def words():
    return tasks.recordings(configured(limit=60))


@pytest.mark.parametrize(
    ("given", "controls"),
    [
        ({}, [WIDE, f"{FEW}fixed", f"{FEW}learned"]),
        ({"fan_in": 0}, [WIDE]),
        # 36 delays of neurons are fewer than half of the 92 numbers of one neuron more
        ({"delay_kind": "dendritic"}, [f"{FEW}fixed", f"{FEW}learned"]),
        ({"fan_in": 3, "connections": 3}, [WIDE]),
        ({"variants": ["fixed", "learned"]}, [WIDE, f"{FEW}fixed", f"{FEW}learned"]),
        ({"controls": False}, []),
        ({"variants": ["learned"]}, []),
        ({"variants": ["none", "fixed"]}, []),
    ],
)
def test_controls_are_trained_beside_what_they_are_compared_with(given, controls, words):
    config = configured(**given)
    assert [*Arms(config, words)] == [*config.variants, *controls]


def test_a_network_of_each_arm(words):
    arms = Arms(configured(hidden=[8, 4], fan_in=3, limit=4 * len(words.train)), words)
    stages = {arm: arms.experiment(arm, 40.0, 0.01, 5, 0.2).stages[0] for arm in arms}
    assert {stage.epochs for stage in stages.values()} == {arms.passes} == {2 * 4}
    assert {stage.seed for stage in stages.values()} == {5}
    assert {stage.network.tau for stage in stages.values()} == {2.0}
    assert {(stage.lr_weights, stage.lr_delays) for stage in stages.values()} == {(0.01, 0.2)}
    assert [stage.network.delay_mode for stage in stages.values()] == [
        *("none", "fixed", "learned", "fixed", "fixed", "learned")
    ]
    inputs = [stage.network.n_connections for stage in stages.values()]
    assert inputs == [None] * 4 + [3, 3]
    wide, learned = (
        stages[arm].network.build().trainable_parameters() for arm in (WIDE, "learned")
    )
    assert stages[WIDE].network.hidden[0] > 8 and abs(wide / learned - 1) < 0.1


def test_the_order_of_variants_makes_no_other_run():
    given = parse_parameters(DELAYS, {"variants": "[learned, none]", "toys": "false"})
    assert configured(**given) == configured(variants=("none", "learned", "none"), toys=False)
    assert not configured(**given).toys


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"variants": "[learnt]"}, "no value of variants called 'learnt' .did you mean learned"),
        ({"variants": "[]"}, "variants = .*: expected a list of none, fixed, learned"),
        ({"toys": "no"}, "toys = 'no': expected true or false"),
        ({"toys": "false", "toy_epochs": "3"}, "toy_epochs = 3 changes nothing where toys = False"),
        ({"controls": "false", "fan_in": "7"}, "fan_in = 7 changes nothing where controls = False"),
    ],
)
def test_a_wrong_choice_is_refused(given, words):
    with pytest.raises(SnnlabError, match=words):
        configured(**parse_parameters(DELAYS, given))


@pytest.mark.parametrize("profile", ["course", "paper"])
def test_a_single_variant_is_one_network_unless_more_are_asked_for(profile):
    config = resolve(DELAYS, profile=profile, variants=["learned"])
    first = resolve(DELAYS, profile=profile).tau_ms[0]
    assert (config.seeds, config.tau_ms, config.lr_factors) == (1, (first,), (1.0,))
    config = resolve(DELAYS, profile=profile, variants=["learned"], seeds=3, lr_factors=[0.5, 1.0])
    assert (config.seeds, config.tau_ms, config.lr_factors) == (3, (first,), (0.5, 1.0))
    assert resolve(DELAYS, profile=profile, variants=["fixed", "learned"]).seeds > 1


def test_a_single_variant_is_trained_once(words, monkeypatch, tmp_path):
    config = resolve(DELAYS, variants=["learned"], limit=60, epochs=1, hidden=[4], workers=1)
    arms, trained = Arms(config, words), []
    run = experiments.run_experiment
    monkeypatch.setattr(
        experiments, "run_experiment", lambda one, *rest: trained.append(one) or run(one, *rest)
    )
    valid = arms.search_tau(tmp_path)
    arms.search_rates({"learned": next(iter(valid["learned"]))}, tmp_path)
    assert len(set(trained)) == len([*tmp_path.glob("*.pt")]) == 1
