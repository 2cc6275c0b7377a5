"""Profiles, and how a notebook's parameters become a configuration."""

import dataclasses
import re
from pathlib import Path

import pytest

from snnlab import course
from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import typed
from snnlab.course.config import (
    NOTEBOOKS,
    PROFILES,
    parameters_of,
    parse_parameters,
    read_parameters,
    resolve,
)
from snnlab.course.config.learning_delays import FEATURES
from snnlab.data.datasets import gsc
from snnlab.nn.delay_net_config import DelayNetConfig

DELAYS = "04_learning_delays"
STATIC, EVENTS = "02_pretrain_and_transfer", "03_transfer_to_event_streams"
EXPLORING, PRETRAINED = "05_exploring_delays", "06_pretrained_delays"
WORDS = dict(data="gsc", features="paper")


@pytest.fixture(autouse=True)
def no_profile_from_outside(monkeypatch):
    monkeypatch.delenv("SNNLAB_PROFILE", raising=False)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize("size", ["tiny", "course", "paper"])
def test_every_notebook_has_three_sizes_that_say_which_they_are(notebook, size):
    config = resolve(notebook, profile=size)
    assert config.profile == size
    assert config.notebook == notebook
    assert type(config) is NOTEBOOKS[notebook]


@pytest.mark.parametrize("config", NOTEBOOKS.values())
def test_every_parameter_says_what_it_is(config):
    for field in dataclasses.fields(config):
        assert len(field.metadata["spec"].help) > 5, field.name


def test_the_paper_profile_is_the_papers_row_for_shd():
    config = resolve(DELAYS, profile="paper")
    assert (config.data, config.dt_ms, config.n_in, config.hidden, config.max_delay) == (
        "shd",
        10,
        140,
        (256, 256),
        24,
    )
    assert (config.tau_ms, config.dropout, config.epochs, config.batch_size) == (
        (10.05,),
        0.4,
        150,
        256,
    )
    assert (config.lr_weights, config.lr_delays, config.weight_decay) == (5e-3, 0.1, 1e-5)
    assert (config.seeds, config.kernel_count, config.limit) == (10, 1, 0)


def test_the_paper_profile_has_the_defaults_of_the_network():
    config = resolve(DELAYS, profile="paper")
    net = DelayNetConfig(n_in=config.n_in, hidden=config.hidden, n_classes=20)
    assert (net.max_delay, net.kernel_count, net.dropout, net.tau) == (
        config.max_delay,
        config.kernel_count,
        config.dropout,
        pytest.approx(config.tau_ms[0] / config.dt_ms),
    )


def test_none_means_as_the_profile_says():
    config = resolve(DELAYS, profile="tiny", epochs=None, max_delay=7)
    assert config == dataclasses.replace(PROFILES[DELAYS]["tiny"], max_delay=7)


def test_the_profile_is_the_given_one_or_the_environments_or_course(monkeypatch):
    assert resolve(DELAYS).profile == "course"
    monkeypatch.setenv("SNNLAB_PROFILE", "tiny")
    assert resolve(DELAYS).profile == "tiny"
    assert resolve(DELAYS, profile="paper").profile == "paper"


def test_a_configuration_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        resolve(DELAYS).epochs = 3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"profile": "curse"},
            "no profile called 'curse' (did you mean course?); valid names: tiny, course, paper",
        ),
        (
            {"epoch": 3},
            (
                "no parameter of 04_learning_delays called 'epoch' (did you mean epochs?); valid "
                "names: profile,"
            ),
        ),
        ({"max_delay": -1}, "max_delay = -1: expected a whole number from 1 to 1,000 steps"),
        (
            {"max_delay": 10**9},
            "max_delay = 1000000000: expected a whole number from 1 to 1,000 steps",
        ),
        ({"dt_ms": 0}, "dt_ms = 0: expected a number from 1 to 1,000 ms"),
        ({"tau_ms": [-5.0]}, "tau_ms = [-5.0]: expected a list of numbers"),
        ({"lr_factors": [1, 1.0]}, "lr_factors = [1, 1.0]: 1.0 is there twice; expected each"),
        (
            {"tau_ms": [40, 20], "dt_ms": 20},
            "tau_ms = 20: expected more than one time step (dt_ms = 20)",
        ),
        ({"n_in": 99}, "n_in = 99: expected a divisor of the 700 channels"),
        ({"device": "tpu"}, "no device called 'tpu'"),
        ({"seed": "0"}, "seed = '0': expected a whole number"),
    ],
)
def test_impossible_parameters_get_one_clear_sentence(parameters, words):
    with pytest.raises(SnnlabError) as caught:
        resolve(DELAYS, **parameters)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("notebook", "beside", "name", "value", "cure"),
    [
        (STATIC, dict(data="imagenet"), "samples", 600, "another data: digits."),
        (STATIC, dict(data="/elsewhere"), "noise", 0.5, "another data: digits."),
        (STATIC, dict(data="digits"), "loaders", 2, "another data."),
        (STATIC, dict(model="resnet18"), "channels", [2, 3, 4], "another model: small."),
        (STATIC, dict(drops=[]), "drop", 0.5, "another drops."),
        (EVENTS, dict(data="digits"), "events_folder", "A", "another data."),
        (EVENTS, dict(data="digits"), "pictures_folder", "A", "another data."),
        (EVENTS, dict(data="digits"), "loaders", 2, "another data."),
        (EVENTS, dict(data="es-imagenet"), "size", 64, "another data."),
        (EVENTS, dict(data="es-imagenet"), "pictures", 100, "data: digits or n-mnist."),
        (EVENTS, dict(data="cifar10-dvs"), "labelled", 100, "data: digits or n-mnist."),
        (EVENTS, dict(data="es-ucf101", model="video"), "channels", [2, 3, 4], "model: small."),
        (EVENTS, dict(drops=[]), "drop", 0.5, "another drops."),
        (DELAYS, WORDS | dict(dt_ms=10, n_in=140), "binning", "event", "another features: spikes."),
        (PRETRAINED, WORDS | dict(dt_ms=10, n_in=140), "binning", "event", "features: spikes."),
        (EXPLORING, dict(checkpoint="net.pt"), "epochs", 3, "another checkpoint: ''."),
        (EXPLORING, dict(checkpoint="net.pt"), "device", "cpu", "another checkpoint: ''."),
    ],
)
@pytest.mark.parametrize("size", ["tiny", "course", "paper"])
def test_a_parameter_that_changes_nothing_is_refused(size, notebook, beside, name, value, cure):
    with pytest.raises(SnnlabError, match=f"^{name} = .* changes nothing where ") as caught:
        resolve(notebook, profile=size, **beside, **{name: value})
    assert f"leave {name} out" in str(caught.value) and str(caught.value).endswith(cure)
    assert "\n" not in str(caught.value)
    for usual in (PROFILES[notebook][which] for which in (size, "course")):
        resolve(notebook, profile=size, **beside, **{name: getattr(usual, name)})
    resolve(notebook, profile=size, **beside, **{name: None})


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        (STATIC, dict(data="digits", samples=600, noise=0.5, channels=[2, 3, 4])),
        (STATIC, dict(data="imagenet", loaders=2, drops=[1], drop=0.5)),
        (EVENTS, dict(data="digits", pictures=100, labelled=100, drops=[1], drop=0.5)),
        (EVENTS, dict(data="cifar10-dvs", events_folder="A", pictures_folder="B", size=64)),
        (DELAYS, dict(binning="event")),
        (EXPLORING, dict(epochs=3, device="cpu", binning="event")),
    ],
)
@pytest.mark.parametrize("size", ["tiny", "course"])
def test_where_it_changes_something_it_is_taken(size, notebook, given):
    config = resolve(notebook, profile=size, **given)
    assert {name: getattr(config, name) for name in given} == {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_conditions_name_parameters_and_values_that_there_are(notebook):
    fields = {field.name: field for field in dataclasses.fields(NOTEBOOKS[notebook])}
    for field in fields.values():
        spec = field.metadata["spec"]
        for other, values in (*spec.needs.items(), *spec.unless.items()):
            assert all(typed(fields[other], value) == value for value in values)


@pytest.mark.parametrize(
    ("notebook", "given", "words"),
    [
        (STATIC, dict(model="video"), "model = 'video': expected small, resnet18 or resnet34"),
        (EVENTS, dict(model="video"), "expected the model video for films"),
        (DELAYS, dict(workers=2, processes=2), "workers = 2, processes = 2: .*; leave workers out"),
        (DELAYS, dict(compile=True, processes=2), "compile = True, processes = 2: .*; leave one"),
        (EXPLORING, dict(data="gsc"), "expected the features paper or sane for gsc"),
        (EXPLORING, WORDS, "dt_ms = 20, n_in = 70: expected 10 and 140"),
        (PRETRAINED, dict(features="sane"), "expected the features spikes for spoken-digits"),
        (PRETRAINED, dict(limit=1), "limit = 1: expected at least 2, or 0 for all recordings"),
        (DELAYS, dict(limit=1), "limit = 1: expected at least 2, or 0 for all recordings"),
        (PRETRAINED, dict(n_in=99), "n_in = 99: expected a divisor"),
        (PRETRAINED, dict(dt_ms=50), "expected more than one time step"),
        (STATIC, dict(data=""), "data = '' is blank"),
        (DELAYS, dict(data=" "), "data = ' ' is blank"),
    ],
)
def test_values_that_do_not_go_together_are_refused_before_a_run(notebook, given, words):
    with pytest.raises(SnnlabError, match=words):
        resolve(notebook, **given)


@pytest.mark.parametrize(
    ("notebook", "name"),
    [
        (STATIC, "lr"),
        (STATIC, "fine_tune_lr"),
        (EVENTS, "lr"),
        (EVENTS, "film_lr"),
        (DELAYS, "lr_weights"),
        (DELAYS, "lr_factors"),
        ("04_real_voices", "lr_factors"),
        (PRETRAINED, "lr_weights"),
        (PRETRAINED, "fine_tune"),
        ("08_delays_on_chips", "lr_weights"),
    ],
)
def test_a_learning_rate_is_above_0_but_delays_may_stay(notebook, name):
    with pytest.raises(SnnlabError, match=rf"^{name} = .*0.*: expected .* from 1e-06 to 1"):
        parse_parameters(notebook, {name: "0"})
    assert resolve(DELAYS, lr_delays=0).lr_delays == 0


def test_a_checkpoint_says_how_many_inputs_it_has():
    assert resolve(EXPLORING, checkpoint="net.pt", dt_ms=10, **WORDS).features == "paper"


def test_the_shapes_of_features_are_those_of_the_reader():
    shapes = {name: (mel.dt_ms, mel.n_mels) for name, mel in gsc.FEATURES.items()}
    assert shapes == FEATURES


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_text_is_empty_only_where_that_means_something(notebook):
    for field in dataclasses.fields(NOTEBOOKS[notebook]):
        if field.type is str and not field.metadata["spec"].choices:
            if "empty" in field.metadata["spec"].help:
                resolve(notebook, **{field.name: ""})
            else:
                with pytest.raises(SnnlabError, match=f"{field.name} = '' is blank"):
                    resolve(notebook, **{field.name: ""})


def test_a_profile_of_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("SNNLAB_PROFILE", "Tiny")
    with pytest.raises(SnnlabError, match=r"no profile called 'Tiny' \(did you mean tiny"):
        resolve(DELAYS)


def test_an_unknown_notebook_is_refused():
    with pytest.raises(SnnlabError, match="did you mean 04_learning_delays"):
        resolve("04_learning_delay")


def test_a_notebook_is_known_by_the_parameters_among_its_variables():
    given = dict.fromkeys(parameters_of(DELAYS)) | {"profile": "tiny", "epochs": 5}
    more = {"size": 3, "folder": "", "trainings": 7, "plots": None}  # parameters of others too
    assert course.configure(given | more) == resolve(DELAYS, profile="tiny", epochs=5)
    with pytest.raises(SnnlabError, match=rf"nearest is {DELAYS} \(missing: fan_in, limit\)"):
        course.configure({n: v for n, v in given.items() if n not in ("limit", "fan_in")})


def test_another_notebook_trains_as_notebook_04_does_but_for_what_it_says_itself():
    config = resolve(PRETRAINED, profile="tiny", limit=100, lr_weights=[0.5], epochs=3)
    own = resolve(DELAYS, profile="tiny")
    assert course.delay_config(config) == dataclasses.replace(own, limit=100)
    config = resolve(EXPLORING, profile="tiny", epochs=3, data="shd")
    shown = dataclasses.replace(own, epochs=3, data="shd", tau_ms=(30.0,))
    assert course.delay_config(config, n_in=None, tau_ms=[30.0]) == shown


def test_command_line_texts_are_typed_by_their_fields():
    texts = {"lr_weights": "1e-3", "data": "3", "hidden": "[32, 32]", "live": "false"}
    assert parse_parameters(DELAYS, texts) == {
        "lr_weights": 1e-3,
        "data": "3",
        "hidden": (32, 32),
        "live": False,
    }
    with pytest.raises(SnnlabError, match="did you mean hidden"):
        parse_parameters(DELAYS, {"hiden": "[32]"})


PARAMS = sorted(
    path
    for path in (Path(__file__).parents[2] / "params").glob("*.yaml")
    if "notebook" not in read_parameters(path)  # that would be a sweep
)


@pytest.mark.parametrize("path", PARAMS, ids=[path.stem for path in PARAMS])
def test_every_file_of_parameters_fits_the_notebook_that_its_first_lines_name(path):
    """Its first lines have the command to type, and what differs from the paper."""
    text = path.read_text()
    (notebook,) = re.findall(
        r"#   snnlab run (\d\d) --profile paper -f params/" + re.escape(path.name), text
    )
    stem = next(stem for stem in NOTEBOOKS if stem.startswith(notebook))  # the lesson
    given = read_parameters(path)
    config = resolve(stem, profile="paper", **given)
    assert all(
        getattr(config, name) == (tuple(v) if isinstance(v, list) else v)
        for name, v in given.items()
    )
    assert "What differs, and why:" in text and "Not measured by this project." in text.replace(
        "\n# ", " "
    )


def test_the_hyper_parameters_of_the_transfer_paper():
    """Lin et al. 2022: the rows of its three experiments, with a second rate to choose from."""
    pipe_s = resolve("02_pretrain_and_transfer", profile="paper")
    assert (pipe_s.model, pipe_s.steps, pipe_s.pretrain_epochs, pipe_s.epochs) == (
        "resnet18",
        6,
        100,
        10,
    )
    assert (pipe_s.optimiser, pipe_s.batch_size, 0.1 in pipe_s.lr, pipe_s.fine_tune_lr) == (
        "sgd",
        256,
        True,
        (0.1,),
    )
    assert (pipe_s.schedule, pipe_s.drops, pipe_s.drop) == ("constant", (2, 4, 6, 8), 0.3)
    rows = {
        path.stem: resolve(EVENTS, profile="paper", **read_parameters(path))
        for path in PARAMS
        if path.stem.startswith("pipe_d")
    }
    imagenet, cifar, ucf = (
        rows[f"pipe_d_{name}"] for name in ("es_imagenet_resnet18", "cifar10_dvs", "es_ucf101")
    )
    assert (3e-2 in imagenet.lr, imagenet.epochs, imagenet.drops, imagenet.drop) == (
        True,
        25,
        (15,),
        0.3,
    )
    assert (1e-3 in cifar.lr, cifar.weight_decay, cifar.drops, cifar.drop) == (
        True,
        1e-4,
        (20, 30, 40),
        0.1,
    )
    assert (cifar.batch_size, cifar.epochs, cifar.size) == (64, 60, 128)
    assert (1e-4 in ucf.lr, ucf.epochs, ucf.batch_size, ucf.drop, ucf.model) == (
        True,
        60,
        64,
        1.0,
        "video",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "holds no parameters"),
        ("a: [", "no readable YAML"),
        ("a: 2026-13-45", "no readable YAML"),
        ("[" * 100_000, "more than 100 levels of nesting"),
        ("a: &a [*a]", "no readable YAML"),
        ("epochs: " + "9" * 400, "more than 64 bits"),
        ("a: 1__", "no readable YAML"),
        (None, "No such file or directory"),
        ("a: 1\n\tb: 2", "line 2: found character '\\\\t' that cannot start any token"),
        ("a: 1\n<<: 3", "line 2: expected a mapping or list of mappings for merging"),
        ("live: !!bool foo", "no readable YAML"),
        ("out: !!timestamp foo", "no readable YAML"),
        ("a: 1\nb: 2\na: 3", "line 3: a is there twice"),
        ("b: {a: 1, a: 1}", "line 1: a is there twice"),
        ("b:\n  1: 2\n  '1': 2", "line 3: 1 is there twice"),
        ("? [1, 2]\n: 3", "line 1: a list or an object is used as a name"),
    ],
)
def test_a_file_that_holds_no_parameters(tmp_path, text, words):
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SnnlabError, match=words) as caught:
        read_parameters(path)
    assert "x.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_number_in_a_file_has_any_usual_spelling_and_a_name_is_text(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "a: [1e-2, 1_000, 1e3, 1.5e3, 010, -.5, +7, 1E2, 0.1_5]\nb: [1:30, 0x10, 1.2.3, .inf, true]"
    )
    content = read_parameters(path)
    numbers = [0.01, 1000, 1000, 1500.0, 10, -0.5, 7, 100, 0.15]
    assert content["a"] == numbers and list(map(type, content["a"])) == list(map(type, numbers))
    assert content["b"] == ["1:30", "0x10", "1.2.3", ".inf", True]
    path.write_text("c: {1: a, true: b, null: c, 1.0: d}")
    assert read_parameters(path) == {"c": {"1": "a", "true": "b", "null": "c", "1.0": "d"}}
    texts = {"lr_weights": "1e-2", "limit": "1_000", "batch_size": "1e2"}
    assert parse_parameters(DELAYS, texts) == {"lr_weights": 0.01, "limit": 1000, "batch_size": 100}
    for text in ("1.0", "1e-2", "nan", "1e999", "0x10"):
        with pytest.raises(SnnlabError, match="batch_size = .*expected a whole number"):
            parse_parameters(DELAYS, {"batch_size": text})


def test_a_mapping_overrides_what_it_merges(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")
    assert read_parameters(tmp_path / "x.yaml")["b"] == {"x": 1, "y": 3}


def test_the_identity_of_a_run_has_what_its_checkpoints_hold(tmp_path):
    def deciding(checkpoint):
        return resolve("05_exploring_delays", checkpoint=str(checkpoint)).deciding()["checkpoint"]

    (tmp_path / "a.pt").write_bytes(b"one")
    (tmp_path / "b.pt").write_bytes(b"one")
    before = deciding(tmp_path / "a.pt"), deciding(tmp_path)
    assert deciding(tmp_path / "b.pt") == before[0] != before[1]
    (tmp_path / "a.pt").write_bytes(b"two")
    assert before[0] != deciding(tmp_path / "a.pt") and before[1] != deciding(tmp_path)
    assert deciding(tmp_path / "none.pt") == str(tmp_path / "none.pt") and deciding("") == ""


def test_a_file_of_parameters_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.yaml").write_text("epochs: 3")
    assert read_parameters(Path("~/x.yaml")) == {"epochs": 3}
    with pytest.raises(SnnlabError, match="no such home folder"):
        read_parameters(Path("~nobody-of-this-name/x.yaml"))


def test_a_list_may_be_empty_only_where_that_means_something():
    assert resolve("02_pretrain_and_transfer", drops=[]).drops == ()
    assert parse_parameters("02_pretrain_and_transfer", {"drops": "[]"}) == {"drops": ()}
    assert parse_parameters("02_pretrain_and_transfer", {"drops": "[2, 4]"}) == {"drops": (2, 4)}
    with pytest.raises(SnnlabError, match="lr = "):
        resolve("02_pretrain_and_transfer", lr=[])
    with pytest.raises(SnnlabError, match="lr = "):
        parse_parameters("02_pretrain_and_transfer", {"lr": ""})


def test_the_smaller_number_of_steps_is_smaller():
    with pytest.raises(SnnlabError, match="short = 12, steps = 12"):
        resolve("02_pretrain_and_transfer", steps=12, short=12)
