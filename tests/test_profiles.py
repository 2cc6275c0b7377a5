"""Profiles, and how a notebook's parameters become a configuration."""

import dataclasses

import pytest

from snnlab import profiles
from snnlab.errors import SnnlabError

DELAYS = "04_learning_delays"


@pytest.fixture(autouse=True)
def no_profile_from_outside(monkeypatch):
    monkeypatch.delenv("SNNLAB_PROFILE", raising=False)


@pytest.mark.parametrize("notebook", profiles.NOTEBOOKS)
@pytest.mark.parametrize("size", ["tiny", "course", "paper"])
def test_every_notebook_has_three_sizes_that_say_which_they_are(notebook, size):
    config = profiles.resolve(notebook, profile=size)
    assert config.profile == size
    assert config.notebook == notebook
    assert type(config) is profiles.NOTEBOOKS[notebook]


@pytest.mark.parametrize("config", profiles.NOTEBOOKS.values())
def test_every_parameter_says_what_it_is(config):
    for field in dataclasses.fields(config):
        assert len(field.metadata["spec"].help) > 5, field.name


def test_the_paper_profile_is_the_papers_row_for_shd():
    config = profiles.resolve(DELAYS, profile="paper")
    assert (config.data, config.dt_ms, config.n_in, config.hidden, config.max_delay) == ("shd", 10, 140, (256, 256), 24)
    assert (config.tau_ms, config.dropout, config.epochs, config.batch_size) == ((10.05,), 0.4, 150, 256)
    assert (config.lr_weights, config.lr_delays, config.weight_decay) == (5e-3, 0.1, 1e-5)
    assert (config.seeds, config.kernel_count, config.limit) == (10, 1, 0)


def test_none_means_as_the_profile_says():
    config = profiles.resolve(DELAYS, profile="tiny", epochs=None, max_delay=7)
    assert config == dataclasses.replace(profiles.PROFILES[DELAYS]["tiny"], max_delay=7)


def test_the_profile_is_the_given_one_or_the_environments_or_course(monkeypatch):
    assert profiles.resolve(DELAYS).profile == "course"
    monkeypatch.setenv("SNNLAB_PROFILE", "tiny")
    assert profiles.resolve(DELAYS).profile == "tiny"
    assert profiles.resolve(DELAYS, profile="paper").profile == "paper"


def test_a_configuration_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        profiles.resolve(DELAYS).epochs = 3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"profile": "curse"}, "no profile called 'curse' (did you mean course?); valid names: tiny, course, paper"),
        (
            {"epoch": 3},
            "no parameter of 04_learning_delays called 'epoch' (did you mean epochs?); valid names: profile,",
        ),
        ({"max_delay": -1}, "max_delay = -1: expected a whole number from 1 to 1,000 steps"),
        ({"max_delay": 10**9}, "max_delay = 1000000000: expected a whole number from 1 to 1,000 steps"),
        ({"dt_ms": 0}, "dt_ms = 0: expected a number from 1 to 1,000 ms"),
        ({"tau_ms": [-5.0]}, "tau_ms = [-5.0]: expected a list of numbers"),
        ({"tau_ms": [40, 20], "dt_ms": 20}, "tau_ms = 20: expected more than one time step (dt_ms = 20)"),
        ({"n_in": 99}, "n_in = 99: expected a divisor of the 700 channels"),
        ({"device": "tpu"}, "no device called 'tpu'"),
        ({"seed": "0"}, "seed = '0': expected a whole number"),
    ],
)
def test_impossible_parameters_get_one_clear_sentence(parameters, words):
    with pytest.raises(SnnlabError) as caught:
        profiles.resolve(DELAYS, **parameters)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_of_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("SNNLAB_PROFILE", "Tiny")
    with pytest.raises(SnnlabError, match=r"no profile called 'Tiny' \(did you mean tiny"):
        profiles.resolve(DELAYS)


def test_an_unknown_notebook_is_refused():
    with pytest.raises(SnnlabError, match="did you mean 04_learning_delays"):
        profiles.resolve("04_learning_delay")


def test_command_line_texts_are_typed_by_their_fields():
    texts = {"lr_weights": "1e-3", "data": "3", "hidden": "[32, 32]", "live": "false"}
    assert profiles.parse(DELAYS, texts) == {"lr_weights": 1e-3, "data": "3", "hidden": (32, 32), "live": False}
    with pytest.raises(SnnlabError, match="did you mean hidden"):
        profiles.parse(DELAYS, {"hiden": "[32]"})
