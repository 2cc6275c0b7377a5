"""What a training says of itself: lines of JSON, TensorBoard's event files as TensorBoard reads
them, and Weights & Biases."""

import json
import os
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.course import config
from snnlab.training import log_choice, loggers

LINES = [{"epoch": epoch, "loss": 2.0 - epoch, "valid_accuracy": epoch / 4} for epoch in range(4)]


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    monkeypatch.delenv(log_choice.GIVEN, raising=False)
    monkeypatch.delenv(log_choice.DEFAULT, raising=False)


def log(path, history, lines):
    """Log these lines of a training that has a history; the log is closed then, whatever
    happens."""
    logger, history = loggers.MetricsLogger(path), [*history]
    progress = SimpleNamespace(history=history, recipe=SimpleNamespace(epochs=4))
    if lines:
        logger.on_epoch_start(progress)
    try:
        for line in lines:
            history.append(line)
            logger.on_epoch_end(progress)
    finally:
        logger.on_train_end(progress)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(folder):
    found = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_a_line_an_epoch(tmp_path):
    path = tmp_path / "net.jsonl"
    log(path, [], LINES[:3])
    assert read(path) == LINES[:3]
    with path.open("a") as file:
        file.write('{"epoch": 3, "lo')  # a kill
    log(path, LINES[:2], LINES[2:])
    assert read(path) == LINES
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.jsonl"]


@pytest.mark.parametrize("text", ["notes of mine\n", bytes(range(128, 256)).decode("latin-1")])
@pytest.mark.parametrize("done", [0, 2])
def test_a_file_of_something_else_is_not_replaced(text, done, tmp_path):
    path = tmp_path / "net.jsonl"
    path.write_text(text, "latin-1")
    with pytest.raises(SnnlabError, match="net.jsonl: exists already, and has no lines of a"):
        log(path, LINES[:done], LINES[done:])
    assert path.read_text("latin-1") == text


def test_the_lines_of_another_training_are_replaced(tmp_path):
    """Its checkpoint was removed, or it had none."""
    path = tmp_path / "net.jsonl"
    path.write_text(json.dumps(LINES[0] | {"loss": 3.0}) + "\n", "utf-8")
    log(path, [], LINES)
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == LINES


def test_tensorboard_has_the_same_also_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setenv(log_choice.GIVEN, "tensorboard")
    path = tmp_path / "net.jsonl"
    log(path, [], [*LINES[:2], LINES[2] | {"loss": 77.0}])  # the last one beyond its checkpoint
    log(path, LINES[:2], LINES[2:])
    assert events(tmp_path / "tensorboard/net") == {
        "loss": [(0, 2.0), (1, 1.0), (2, 0.0), (3, -1.0)],
        "valid_accuracy": [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)],
    }
    before = len(list((tmp_path / "tensorboard/net").iterdir()))
    log(path, LINES, [])
    assert len(list((tmp_path / "tensorboard/net").iterdir())) == before == 2


def test_weights_and_biases_when_asked_for(tmp_path, monkeypatch):
    """A stand-in for the package, whose runs are on its makers' machines."""
    begun, logged = [], []

    @contextmanager
    def init(**arguments):
        begun.append(arguments)
        yield SimpleNamespace(log=lambda numbers, step: logged.append((step, numbers)))

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    monkeypatch.setenv(log_choice.GIVEN, "wandb")
    path = tmp_path / "net.jsonl"
    log(path, [], LINES[:2])
    log(path, LINES[:2], LINES[2:])
    assert logged == [
        (line["epoch"], {k: v for k, v in line.items() if k != "epoch"}) for line in LINES
    ]
    assert begun[0] == begun[1] and begun[0]["name"] == "net" and begun[0]["resume"] == "allow"
    log(tmp_path / "other.jsonl", [], LINES[:1])
    assert begun[2]["id"] != begun[0]["id"]


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setenv(log_choice.GIVEN, "wandb")
    with pytest.raises(
        SnnlabError,
        match="^wandb, which SNNLAB_LOG asks for unless it is set to none, .*pip install wandb.$",
    ):
        log(tmp_path / "net.jsonl", [], LINES)


def test_which_log_is_on(tmp_path, monkeypatch):
    assert log_choice.chosen() == "none"
    for profile, expected in (("paper", "tensorboard"), ("tiny", "none")):
        runs.start(config.resolve("01_lif_dynamics", profile=profile, out=str(tmp_path / profile)))
        assert log_choice.chosen() == expected == os.environ[log_choice.DEFAULT]
    monkeypatch.setenv(log_choice.GIVEN, "wandb")
    assert log_choice.chosen() == "wandb"
    monkeypatch.setenv(log_choice.GIVEN, "tensorbord")
    with pytest.raises(SnnlabError, match="no log called 'tensorbord' .did you mean tensorboard"):
        log_choice.chosen()
