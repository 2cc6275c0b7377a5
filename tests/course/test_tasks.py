"""What the notebooks run on: digits, and the large data sets' layouts, from a file to a result."""

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import standins
import torch
from leftovers import checked, student_edition

from snnlab._utils.errors import SnnlabError
from snnlab.course import tasks
from snnlab.course.config import PROFILES, read_parameters, resolve
from snnlab.course.statements import MIME
from snnlab.data.batches.spike_set import BINNINGS
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.runs import train
from snnlab.runs.execute import execute, plan
from snnlab.runs.result import load_result

ROOT = Path(__file__).parents[2]
STATIC, EVENTS, DELAYS, EXPLORING = (
    "02_pretrain_and_transfer",
    "03_transfer_to_event_streams",
    "04_learning_delays",
    "05_exploring_delays",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stand-ins for every data set, side by side as below SNNLAB_DATA."""
    at = tmp_path_factory.mktemp("data")
    standins.imagenet(at / "imagenet", train=2, test=2)
    standins.es_imagenet(at / "es-imagenet", train=2, test=1)
    standins.cifar10_dvs(at / "cifar10-dvs", train=3, test=1)
    standins.mnist(at / "mnist")
    standins.n_mnist(at / "n-mnist")
    standins.gsc(at / "gsc")
    standins.shd(at / "shd")
    standins.es_ucf101(at / "ucf", groups=(1, 8, 11, 25))
    (at / "ucf/frames").rename(at / "ucf101")
    (at / "ucf/events").rename(at / "es-ucf101")
    return at


@pytest.fixture(autouse=True)
def below(folder, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(folder))


def test_digits_and_their_networks():
    task = tasks.static(resolve(STATIC, profile="tiny"))
    assert task.network == SmallCNNConfig(in_channels=1, classes=10, channels=(8, 16, 32))
    assert [len(part) for part in (task.data.train, task.data.valid, task.data.test)] == [
        300,
        50,
        75,
    ]
    assert "not MNIST" in task.source["note"]
    task = tasks.events(resolve(EVENTS, profile="tiny", decay=0.3))
    edges = SmallCNNConfig(1, 10, channels=(8, 16, 32), strides=(2, 1, 2), pool=3)
    assert task.networks["pictures"] == task.networks["edges"] == edges
    assert task.networks["target"] == replace(edges, in_channels=2, decay=0.3, learn_decay=True)


def test_pictures_below_the_data_folder_or_anywhere(folder):
    config = resolve(STATIC, profile="paper", loaders=0, size=32)
    task = tasks.static(config)
    assert task.network == ResNetConfig(in_channels=3, classes=3)
    assert task.source["path"] == str(folder / "imagenet")
    elsewhere = tasks.static(
        resolve(STATIC, profile="paper", loaders=0, size=32, data=str(folder / "imagenet"))
    )
    assert torch.equal(
        elsewhere.data.test.batch(torch.arange(2))[0], task.data.test.batch(torch.arange(2))[0]
    )
    with pytest.raises(SnnlabError, match="nowhere"):
        tasks.static(resolve(STATIC, profile="paper", data="nowhere"))


@pytest.mark.parametrize(
    ("data", "more", "shapes"),
    [
        ("es-imagenet", {}, [(1, 3, 224, 224), (1, 1, 224, 224), (8, 2, 224, 224)]),
        ("cifar10-dvs", {"size": 42}, [(1, 3, 42, 42), (1, 1, 42, 42), (8, 2, 42, 42)]),
        ("es-ucf101", {"model": "video"}, [(15, 3, 48, 64), (15, 1, 48, 64), (15, 2, 48, 64)]),
    ],
)
def test_events_and_what_one_may_pretrain_on(data, more, shapes):
    task = tasks.events(resolve(EVENTS, profile="paper", loaders=0, data=data, **more))
    for (name, part), shape in zip(task.data.items(), shapes, strict=True):
        (x, y) = tasks.first_of_each_class(part.train)
        assert (x.shape[0], *x.shape[2:]) == shape and y.tolist() == [0, 1, 2]
        network = task.networks[name]
        assert (network.in_channels, network.classes) == (shape[1], 3)
        if data != "es-imagenet":  # large
            assert network.build().eval()(x[:, :1]).shape == (1, 3)
    assert list(task.data) == ["pictures", "edges", "target"]
    assert (
        task.source["batch"] == [shapes[-1][0], "B", *shapes[-1][1:]]
        and "event" in task.source["unit"]
    )
    assert task.source["pretraining"]["pictures"]["batch"] == [shapes[0][0], "B", *shapes[0][1:]]
    assert (
        len(
            {
                task.source["sha256"],
                *(entry["sha256"] for entry in task.source["pretraining"].values()),
            }
        )
        >= 2
    )


def test_words_as_features_below_the_data_folder_or_anywhere(folder):
    asked = dict(profile="tiny", data="gsc", features="paper", dt_ms=10, n_in=140, limit=0)
    data = tasks.recordings(resolve(DELAYS, **asked))
    assert data.classes == ("cat", "dog", "yes") and data.source["batch"] == [101, "B", 140]
    assert (
        data.source["path"] == str(folder / "gsc")
        and data.source["preprocessing"]["f_max"] == 14_000
    )
    elsewhere = resolve(DELAYS, **asked | dict(data=str(folder / "gsc"), features="sane", n_in=40))
    data = tasks.recordings(elsewhere)
    assert data.source["batch"] == [101, "B", 40] and data.source["samples"]["train"] == 36
    x = torch.arange(3.0)
    assert torch.equal(data.train.rising(x), x)


def test_words_as_spikes_are_binned_as_asked_for(monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(ROOT / "data"))
    regular, event = (
        tasks.recordings(resolve(DELAYS, profile="tiny", dt_ms=10, limit=40, binning=binning))
        for binning in BINNINGS
    )
    assert event.train.lengths.sum() < regular.train.lengths.sum()
    assert event.source["preprocessing"]["binning"] == "event"
    assert regular.train.rising(torch.arange(3.0)).tolist() == [2, 1, 0]
    assert len(event.source["sha256"]) == 64 and "not SHD" in event.source["note"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": "gsc"}, "features = 'spikes': expected the features paper or sane for gsc"),
        ({"data": "shd", "features": "paper"}, "expected the features spikes for shd"),
        (
            {"data": "gsc", "features": "paper", "n_in": 70, "dt_ms": 10},
            "n_in = 70: expected 10 and 140",
        ),
        (
            {"data": "gsc", "features": "sane", "n_in": 40},
            "dt_ms = 20, n_in = 40: expected 10 and 40",
        ),
        ({"n_in": 40}, "n_in = 40: expected a divisor"),
        (
            {"data": "gsc", "features": "paper", "protocol": "published"},
            "gsc has a validation set, which is used",
        ),
    ],
)
def test_data_and_features_that_do_not_go_together(given, words):
    with pytest.raises(SnnlabError, match=words):
        tasks.recordings(resolve(DELAYS, profile="tiny", **given))


def test_the_published_protocol_trains_on_everything_and_keeps_the_last_epoch():
    held_out, published = (
        resolve(DELAYS, profile="paper", data="shd", protocol=protocol)
        for protocol in ("held-out", "published")
    )
    ours, theirs = tasks.recordings(held_out), tasks.recordings(published)
    assert len(theirs.train) == len(ours.train) + len(ours.valid) and theirs.valid is theirs.test
    keep = [
        tasks.delay_stage(config, "learned", classes=20, tau_ms=20.1, seed=0, epochs=1).keep
        for config in (held_out, published)
    ]
    assert keep == ["best", "last"]


def test_the_networks_of_recordings_are_compiled_if_the_notebook_says_so():
    for switch in (False, True):
        config = resolve(DELAYS, profile="tiny", compile=switch)
        described = dict(classes=20, tau_ms=20.1, seed=0, epochs=1)
        assert tasks.delay_stage(config, "learned", **described).compile is switch


def test_what_lies_elsewhere_is_not_called_by_the_name_of_a_published_set(folder, tmp_path):
    """A folder of one's own may be called as it likes: it is the place that decides."""
    ours, theirs = (
        tasks.static(resolve(STATIC, profile="paper", loaders=0, size=16, data=data))
        for data in (str(shutil.copytree(folder / "imagenet", tmp_path / "imagenet")), "imagenet")
    )
    assert (ours.source["name"], theirs.source["name"]) == ("pictures", "imagenet")
    assert ours.source["path"] == str(tmp_path / "imagenet")
    assert ours.source["sha256"] == theirs.source["sha256"]
    link = tmp_path / "link"
    link.symlink_to(folder / "imagenet")
    linked = resolve(STATIC, profile="paper", loaders=0, size=16, data=str(link))
    assert tasks.static(linked).source["name"] == "imagenet"

    own = shutil.copytree(folder / "cifar10-dvs", tmp_path / "cifar10-dvs")
    asked = dict(profile="paper", loaders=0, data="cifar10-dvs", size=42)
    for given, name in (({}, "cifar10-dvs"), ({"events_folder": str(own)}, "events")):
        source = tasks.events(resolve(EVENTS, **asked, **given)).source
        assert source["name"] == name and source["pretraining"]["pictures"]["name"] == "pictures"

    own = shutil.copytree(folder / "shd", tmp_path / "shd")
    asked = dict(profile="tiny", dt_ms=10, limit=0)
    for given, name in (("shd", "shd"), (str(folder / "shd"), "shd"), (str(own), "recordings")):
        data = tasks.recordings(resolve(DELAYS, **asked, data=given))
        assert data.source["name"] == name
        assert ("Heidelberg" in data.note) == (name == "shd")

    own = shutil.copytree(folder / "gsc", tmp_path / "gsc")
    words = resolve(DELAYS, **asked | dict(data=str(own), features="sane", n_in=40))
    assert tasks.recordings(words).source["name"] == "recordings"


def test_a_single_class_is_refused_before_anything_is_trained(tmp_path):
    standins.shd(tmp_path / "words", classes=1)
    with pytest.raises(SnnlabError, match="words: all .* samples for training are of one class"):
        tasks.recordings(resolve(DELAYS, profile="tiny", data=str(tmp_path / "words")))
    standins.imagenet(tmp_path / "imagenet", train=3, test=1)
    for part in ("train", "val"):
        for name in standins.WORDNET[1:]:
            shutil.rmtree(tmp_path / "imagenet" / part / name)
    asked = dict(profile="paper", loaders=0, size=32)
    with pytest.raises(SnnlabError, match="imagenet: all 2 samples for training are of one class"):
        tasks.static(resolve(STATIC, **asked, data=str(tmp_path / "imagenet")))
    given = asked | dict(data="cifar10-dvs", pictures_folder=str(tmp_path / "imagenet"))
    with pytest.raises(SnnlabError, match="imagenet: all 2 samples for training are of one class"):
        tasks.events(resolve(EVENTS, **given))


@pytest.mark.parametrize(
    ("data", "model"), [("es-ucf101", "resnet18"), ("digits", "video"), ("cifar10-dvs", "video")]
)
def test_a_model_that_does_not_fit(data, model):
    with pytest.raises(
        SnnlabError,
        match="expected the model video for films, such as es-ucf101, and for nothing else",
    ):
        tasks.events(resolve(EVENTS, data=data, model=model, loaders=0))


def test_recordings_of_a_camera_come_with_pictures_of_their_size_and_edges_of_these():
    given = dict(profile="tiny", data="n-mnist", folds=5, labelled=40)
    first, second = (tasks.events(resolve(EVENTS, **given, fold=fold)) for fold in (0, 1))
    shapes = {name: data.train.x.shape for name, data in first.data.items()}
    assert shapes["pictures"] == shapes["edges"] == (1, 200, 1, 34, 34)
    assert shapes["target"] == (9, 40, 2, 34, 34)
    assert first.data["pictures"].train.x.min() == 0 > first.data["edges"].train.x.min()
    assert not torch.equal(first.data["target"].test.x, second.data["target"].test.x)
    note = first.source["note"]
    assert "n-mnist; test is fold 0 of 5" in note and note.endswith("pretrained on mnist")


def test_the_notebook_on_recordings_of_a_camera(tmp_path):
    tiny = dataclasses.asdict(PROFILES[EVENTS]["tiny"])
    given = tiny | dict(data="n-mnist", folds=5, fold=2, labelled=50, out=str(tmp_path))
    given |= dict(channels=(2, 3, 4), films=12)
    notebook = student_edition(ROOT / f"notebooks/{EVENTS}.ipynb", tmp_path)
    result = checked(execute(plan(notebook, given)), notebook)
    assert result.data["name"] == "n-mnist" and result.data["batch"] == [9, "B", 2, 34, 34]
    split = [(entry["recordings"], entry["fold"]) for entry in result.results]
    assert split == [(50, 2)] * 6


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dict(fold=1), "fold = 1 changes nothing where folds = 0"),
        (dict(data="digits", folds=5), "folds = 5 changes nothing where data = 'digits'"),
        (dict(data="n-mnist", folds=5, fold=5), "fold = 5: expected a whole number from 0 to 4"),
        (dict(data="n-mnist", folds=5, labelled=120), "labelled is 120; 10 to 116 samples"),
    ],
)
def test_folds_that_do_not_fit(given, words):
    with pytest.raises(SnnlabError, match=words):
        tasks.events(resolve(EVENTS, profile="tiny", **given))


def test_no_video_network_for_pictures():
    with pytest.raises(SnnlabError, match="expected small, resnet18 or resnet34"):
        tasks.static(resolve(STATIC, profile="tiny", model="video"))


def test_of_large_pictures_only_a_few_are_looked_at():
    task = tasks.static(resolve(STATIC, profile="tiny"))
    assert tasks.a_few(task.data.test, 50).shape == (1, 50, 1, 12, 12)
    assert tasks.a_few(task.data.test, 500).shape == (1, 75, 1, 12, 12)
    large = tasks.static(resolve(STATIC, profile="paper", loaders=0, size=48))
    assert tasks.a_few(large.data.test, 32).shape == (1, 4, 3, 48, 48)


# One rate, one length, one pass, and bfloat16, slow on most CPUs, left to the tests of `fit`
SHORT = dict(
    profile="paper",
    loaders=0,
    precision="float32",
    batch_size=6,
    workers=1,
    pretrain_epochs=1,
    scratch_epochs=[1],
    lr=[0.01],
)
SMALL = dict(model="small", channels=[2, 3, 4])
IMAGES_SHORT = dict(size=16, steps=2, short=1, epochs=1)
EVENTS_SHORT = dict(warm_up_epochs=1, epochs=2)


def test_a_paper_scale_run_on_words_from_files_to_result(folder, tmp_path):
    """The paper's features and batches of GSC, and one variant without toys: what is said about
    the others is left out. `snnlab train` gives the same numbers.
    """
    tiny = dataclasses.asdict(PROFILES[DELAYS]["tiny"]) | {
        "profile": "paper",
        "out": str(tmp_path),
    }
    given = tiny | dict(
        data="gsc", features="paper", dt_ms=10.0, n_in=140, max_delay=30, tau_ms=(15.0,), limit=0
    )
    given |= dict(epochs=1, variants=["learned"], toys=False, toy_trials=None, toy_epochs=None)
    notebook = student_edition(ROOT / f"notebooks/{DELAYS}.ipynb", tmp_path)
    result = checked(execute(plan(notebook, given)), notebook)
    assert (
        result.profile == "paper"
        and result.data["path"] == str(folder / "gsc")
        and result.data["unit"] == "dB"
    )
    assert [entry["variant"] for entry in result.results] == ["learned"]
    assert 0 <= result.results[0]["test_accuracy"] <= 1
    assert result.more["controls"] == [] and result.more["two_ears"] == {}
    left_out = []
    for cell in nbformat.read(tmp_path / notebook.name, as_version=4).cells:
        for output in cell.get("outputs", ()):
            statements = output.get("data", {}).get(MIME, {})
            left_out += [text for text, holds in statements.items() if holds is None]
    assert "`none` stays at its ceiling of 40 %" in left_out
    assert "Random delays add more than 10 points" in left_out
    assert not any("Rounding" in text for text in left_out)
    given = {name: value for name, value in given.items() if name != "toys"}
    train.train(train.plan(given | {"out": str(tmp_path / "train")}))
    trained = load_result(tmp_path / "train")
    assert without_seconds(trained.results) == without_seconds(result.results)


def without_seconds(entries):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in entries]


@pytest.mark.parametrize(
    ("notebook", "file", "more"),
    [
        (STATIC, "pipe_s_imagenet_resnet18", IMAGES_SHORT | dict(controls=False)),
        (EVENTS, "pipe_d_es_imagenet_resnet18", EVENTS_SHORT | SMALL | dict(controls=False)),
        (EVENTS, "pipe_d_cifar10_dvs", EVENTS_SHORT | dict(model="small", size=32)),
        (EVENTS, "pipe_d_es_ucf101", EVENTS_SHORT | dict(controls=False)),
    ],
    ids=["imagenet", "es-imagenet", "cifar10-dvs", "es-ucf101"],
)  # fmt: skip
def test_a_paper_scale_run_from_files_to_result(notebook, file, more, tmp_path):
    """The published settings but for lengths and sizes (ES-ImageNet has one size, so its network is
    small), on stand-ins.
    """
    given = read_parameters(ROOT / f"params/{file}.yaml") | SHORT | more | {"out": str(tmp_path)}
    path = student_edition(ROOT / f"notebooks/{notebook}.ipynb", tmp_path)
    result = checked(execute(plan(path, given)), path)
    assert result.profile == "paper" and result.data["path"].startswith(str(tmp_path.parents[1]))
    if notebook == STATIC:  # without controls; nbval runs the notebook with them
        arms = [entry["variant"] for entry in result.results]
        assert arms == ["scratch, 1 epochs (T = 2)", "pipe-S (T = 2)"]
        assert "pretrained from other first weights" not in result.more["similarity"]
    else:  # 12 cells of a grid, of which the comparison has 4; CIFAR10-DVS has all
        assert len(result.results) >= 5
        assert len(result.more["ablation"]) == (12 if given.get("controls", True) else 4)
    for entry in result.results:
        assert (
            entry["cpu_seconds"] > 0
            and entry["sample_timesteps"] > 0
            and 0 <= entry["test_accuracy"] <= 1
        )
