"""Profiles, and how a notebook's parameters become a configuration."""

import dataclasses
import re
from pathlib import Path

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


PARAMS = sorted(
    path
    for path in (Path(__file__).parents[1] / "params").glob("*.yaml")
    if "notebook" not in profiles.from_file(path)  # that would be a sweep
)


@pytest.mark.parametrize("path", PARAMS, ids=[path.stem for path in PARAMS])
def test_every_file_of_parameters_fits_the_notebook_that_its_first_lines_name(path):
    """Its command line is the one to type, and what it needs and what differs from the paper stand above it."""
    text = path.read_text()
    (notebook,) = re.findall(r"#   snnlab run (\d\d) --profile paper -f params/" + re.escape(path.name), text)
    (stem,) = (stem for stem in profiles.NOTEBOOKS if stem.startswith(notebook))
    given = profiles.from_file(path)
    config = profiles.resolve(stem, profile="paper", **given)
    assert all(getattr(config, name) == (tuple(v) if isinstance(v, list) else v) for name, v in given.items())
    assert "What differs, and why:" in text and "Not measured by this project." in text.replace("\n# ", " ")


def test_the_hyper_parameters_of_the_transfer_paper():
    """Lin et al. 2022: the rows of its three experiments, with a second rate to choose from."""
    pipe_s = profiles.resolve("02_pretrain_and_transfer", profile="paper")
    assert (pipe_s.model, pipe_s.steps, pipe_s.pretrain_epochs, pipe_s.epochs) == ("resnet18", 6, 100, 10)
    assert (pipe_s.optimiser, pipe_s.batch_size, 0.1 in pipe_s.lr, pipe_s.fine_tune_lr) == ("sgd", 256, True, 0.1)
    assert (pipe_s.schedule, pipe_s.drops, pipe_s.drop) == ("constant", (2, 4, 6, 8), 0.3)
    rows = {path.stem: profiles.resolve("03_transfer_to_event_streams", profile="paper", **profiles.from_file(path))
            for path in PARAMS if path.stem.startswith("pipe_d")}  # fmt: skip
    imagenet, cifar, ucf = (rows[f"pipe_d_{name}"] for name in ("es_imagenet_resnet18", "cifar10_dvs", "es_ucf101"))
    assert (3e-2 in imagenet.lr, imagenet.epochs, imagenet.drops, imagenet.drop) == (True, 25, (15,), 0.3)
    assert (1e-3 in cifar.lr, cifar.weight_decay, cifar.drops, cifar.drop) == (True, 1e-4, (20, 30, 40), 0.1)
    assert (cifar.batch_size, cifar.epochs, cifar.size) == (64, 60, 128)
    assert (1e-4 in ucf.lr, ucf.epochs, ucf.batch_size, ucf.drop, ucf.model) == (True, 60, 64, 1.0, "video")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "holds no parameters"),
        ("1: 2", "holds no parameters"),
        ("a: [", "no readable YAML"),
        ("a: 2026-13-45", "no readable YAML"),
        ("[" * 100_000, "more than 100 levels of nesting"),
        ("a: &a [*a]", "more than 100 levels of nesting"),
        ("epochs: " + "9" * 400, "more than 64 bits"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_that_holds_no_parameters(tmp_path, text, words):
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SnnlabError, match=words) as caught:
        profiles.from_file(path)
    assert "x.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_list_may_be_empty_only_where_that_means_something():
    assert profiles.resolve("02_pretrain_and_transfer", drops=[]).drops == ()
    assert profiles.parse("02_pretrain_and_transfer", {"drops": "[]"}) == {"drops": ()}
    assert profiles.parse("02_pretrain_and_transfer", {"drops": "[2, 4]"}) == {"drops": (2, 4)}
    with pytest.raises(SnnlabError, match="lr = "):
        profiles.resolve("02_pretrain_and_transfer", lr=[])
    with pytest.raises(SnnlabError, match="lr = "):
        profiles.parse("02_pretrain_and_transfer", {"lr": ""})


def test_the_smaller_number_of_steps_is_smaller():
    with pytest.raises(SnnlabError, match="short = 12, steps = 12"):
        profiles.resolve("02_pretrain_and_transfer", steps=12, short=12)
