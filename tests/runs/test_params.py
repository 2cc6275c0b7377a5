"""Every file in params/ takes a step at the paper's shape, on stand-in data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import standins
import torch

from snnlab.course import tasks
from snnlab.course.config import read_parameters, resolve
from snnlab.data.datasets import spoken_commands
from snnlab.runs.sweep import sweep
from snnlab.training.trainer import train_step
from snnlab.transfer.stages import Stage

PARAMS = Path(__file__).parents[2] / "params"
FILES = {path.stem for path in PARAMS.glob("*.yaml")}
FOLDS = "speech_commands_test_folds"
SWEEPS = {stem for stem in FILES if "notebook" in read_parameters(PARAMS / f"{stem}.yaml")}


def configurations():
    """Yield the first run of every sweep, of each shape of networks and batches.

    And which variants take a step: all of the first shape, which is the smallest, and of the others
    the one that is most.
    """
    for stem in sorted(SWEEPS - {"spoken_digits_sweep", FOLDS}):
        seen = set()
        for run in sweep.Sweep(PARAMS / f"{stem}.yaml").runs:
            config = run.config
            shape = (config.hidden, config.kernel_count, config.connections, config.batch_size)
            if shape not in seen:
                variants = ("learned",) if seen else ("none", "fixed", "learned")
                seen.add(shape)
                yield pytest.param(config, variants, id=f"{stem}: {run.configuration}")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """As many recordings as a batch, and as many classes, as the paper has."""
    at = tmp_path_factory.mktemp("words")
    # 256 of them are left to train on
    standins.shd(at / "shd", recordings=400, classes=20, spikes=2000)
    standins.shd(at / "ssc", "ssc", recordings=140, classes=35, spikes=2000)
    standins.gsc(at / "gsc", words=[f"word{k}" for k in range(35)], speakers=(4, 1, 1), takes=1)
    return at


@pytest.mark.parametrize(("config", "variants"), list(configurations()))
def test_a_step_of_a_network_with_delays(config, variants, words, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(words))
    data = tasks.recordings(config)
    x, y = data.train.batch(torch.arange(config.batch_size))
    # About a second in steps of 10 ms
    assert 90 <= len(x) <= 102 and x.shape[1:] == (config.batch_size, 140)
    x, y = x[:, :16], y[:16]  # enough to move each parameter
    (tau_ms,) = config.tau_ms
    for variant in variants:
        stage = tasks.delay_stage(
            config, variant, classes=len(data.classes), tau_ms=tau_ms, seed=0, epochs=config.epochs
        )
        recipe = replace(stage, device="cpu")
        net = stage.build(stage.network).train()
        before = {
            name: value.clone() for name, value in net.named_parameters() if value.requires_grad
        }
        optimisers = recipe.optimisers(net)
        recipe.before_epoch(net, 0)
        loss, _ = train_step(net, x, y, optimisers, recipe)
        assert loss.isfinite() and len(data.classes) == net.config.n_classes
        still = [
            name
            for name, value in net.named_parameters()
            if value.requires_grad and torch.equal(value, before[name])
        ]
        assert still == []


SHAPES = (  # of a batch
    ("pipe_s_imagenet_resnet18", (1, 2, 3, 224, 224)),
    ("pipe_s_imagenet_resnet34", (1, 2, 3, 224, 224)),
    ("pipe_d_es_imagenet_resnet18", (8, 2, 2, 224, 224)),
    ("pipe_d_es_imagenet_resnet34", (8, 2, 2, 224, 224)),
    ("pipe_d_cifar10_dvs", (8, 2, 2, 128, 128)),
    ("pipe_d_cifar10_dvs_42", (8, 2, 2, 42, 42)),
    ("pipe_d_es_ucf101", (15, 2, 2, 240, 320)),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Stand-ins for the sets of pictures and events; each in its own size."""
    at = tmp_path_factory.mktemp("pictures")
    standins.imagenet(at / "imagenet", train=4, test=1)
    standins.es_imagenet(at / "es-imagenet", train=4, test=1)
    standins.cifar10_dvs(at / "cifar10-dvs", train=4, test=1)
    standins.es_ucf101(at / "ucf", height=240, width=320, groups=(1, 8, 11))
    (at / "ucf/frames").rename(at / "ucf101")
    (at / "ucf/events").rename(at / "es-ucf101")
    return at


@pytest.mark.parametrize(("stem", "shape"), SHAPES)
def test_a_step_of_a_spiking_network_after_its_ann(stem, shape, pictures, monkeypatch):
    """Two samples a batch and float32: a CPU has little memory, and emulates bfloat16."""
    monkeypatch.setenv("SNNLAB_DATA", str(pictures))
    notebook = (
        "02_pretrain_and_transfer" if stem.startswith("pipe_s") else "03_transfer_to_event_streams"
    )
    given = read_parameters(PARAMS / f"{stem}.yaml") | {"profile": "paper", "loaders": 0}
    config = resolve(notebook, **given)
    if notebook.startswith("02"):
        task = tasks.static(config)
        data, network, steps = task.data, task.network, config.steps
    else:
        task = tasks.events(config)
        data, network, steps = task.data["target"], task.networks["target"], 1
    x, y = data.train.batch(torch.arange(2))
    assert x.shape == shape
    stage = Stage(
        epochs=1,
        batch_size=2,
        device="cpu",
        mode="lif",
        steps=steps,
        lr=min(config.lr),
        optimiser=getattr(config, "optimiser", "adam"),
        weight_decay=getattr(config, "weight_decay", 0.0),
    )
    torch.manual_seed(0)
    net = network.build().train()
    stage.enter(net)
    before = {name: value.clone() for name, value in net.named_parameters()}
    loss, _ = train_step(net, x, y, stage.optimisers(net), stage)
    still = [
        name
        for name, value in net.named_parameters()
        if name.endswith("weight") and torch.equal(value, before[name])
    ]
    assert loss.isfinite() and still == []


def test_no_file_is_left_out():
    transfer = {stem for stem, _ in SHAPES}
    assert transfer | SWEEPS == FILES


def test_the_sweep_over_folds(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    standins.speech_commands_test(tmp_path / "speech-commands-test")
    click = lambda job: (np.array([0.0, 0.905]), np.array([3, 5]))
    monkeypatch.setattr(spoken_commands, "_encode", click)
    configs = [run.config for run in sweep.Sweep(PARAMS / f"{FOLDS}.yaml").runs]
    pairs = [(config.fold, config.seed) for config in configs]
    assert sorted(pairs) == [(fold, seed) for fold in range(5) for seed in range(3)]
    speakers = []
    for config in configs[::3]:
        data = tasks.recordings(replace(config, workers=1))
        x, _ = data.train.batch(torch.arange(2))
        assert x.shape == (91, 2, 140) and data.preprocessing["fold"] == config.fold
        speakers += data.test.speakers.unique().tolist()
    assert sorted(speakers) == [0, 1, 2, 3, 4, 5]
