"""Callbacks: which hook runs when, what stops a training, and that a resumed one has the same
bits."""

import pytest
import torch
from bars import same_fits

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints
from snnlab.training.callbacks import HOOKS, Callback, StopTraining
from snnlab.training.trainer import fit

RECIPE = DelayRecipe(epochs=2, batch_size=16, seed=5, device="cpu")
TRAIN, VALID = interaural_lags(40, seed=0, steps=20), interaural_lags(20, seed=1, steps=20)
BATCHES = 3


def train(path=None, **options):
    torch.manual_seed(1)
    net = DelayNet(16, (6,), 5, max_delay=8, tau=1.5, dropout=0.2)
    return fit(net, TRAIN, VALID, RECIPE, checkpoint=path, progress=False, **options)


class Recorder(Callback):
    """Records its hooks, and raises an error in the hook of this number."""

    def __init__(self, error=StopTraining, at=-1):
        self.error, self.at, self.hooks, self.progress = error, at, [], []

    def record(self, hook, progress):
        self.hooks.append(hook)
        self.progress.append(str(progress))
        if len(self.hooks) - 1 == self.at:
            raise self.error


for name in HOOKS:

    def hook(self, progress, name=name):
        self.record(name, progress)

    setattr(Recorder, name, hook)


EPOCH = ["on_epoch_start", *["on_batch_start"] * (BATCHES + 2), "on_epoch_end"]
ALL = ["on_train_start", *EPOCH, *EPOCH, "on_train_end"]


def test_each_hook_runs_at_its_turn():
    recorder = Recorder()
    train(callbacks=[recorder])
    assert recorder.hooks == ALL
    assert recorder.progress[:5] == [
        "0 of 2 epochs",
        *["epoch 1 of 2, batch 1 of 3"] * 2,
        "epoch 1 of 2, batch 2 of 3",
        "epoch 1 of 2, batch 3 of 3",
    ]
    assert recorder.progress[5:8] == [*["epoch 1 of 2, validation"] * 2, "1 of 2 epochs"]
    assert recorder.progress[-2:] == ["2 of 2 epochs"] * 2


def test_a_stop_in_any_hook_is_resumed_with_the_same_bits(tmp_path):
    expected = train(tmp_path / "whole.pt")
    for at, name in enumerate(ALL):
        path, recorder = tmp_path / f"{at}.pt", Recorder(at=at)
        with pytest.raises(StopTraining):
            train(path, callbacks=[recorder])
        # After a stop the end is told, too, but for one in the first hook or the last
        end = [] if at in (0, len(ALL) - 1) else ["on_train_end"]
        assert recorder.hooks == [*ALL[: at + 1], *end]
        assert path.exists() == (at > 0), name
        again = Recorder()
        same_fits(train(path, callbacks=[again]), expected)
        trained = again.hooks.count("on_batch_start") + recorder.hooks.count("on_batch_start")
        # Only validation is repeated
        assert trained <= ALL.count("on_batch_start") + 3


def test_an_error_ends_the_training_and_the_other_callbacks_are_told(tmp_path):
    recorder, other = Recorder(error=ZeroDivisionError, at=4), Recorder()
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "c.pt", callbacks=[other, recorder])
    assert other.hooks[-2:] == ["on_batch_start", "on_train_end"]
    assert not (tmp_path / "c.pt").exists()


def test_metrics_are_written_before_a_callback_stops(tmp_path):
    with pytest.raises(StopTraining):
        train(tmp_path / "c.pt", metrics=tmp_path / "m.jsonl", callbacks=[Recorder(at=7)])
    assert len((tmp_path / "m.jsonl").read_text().splitlines()) == 1
    assert len(checkpoints.load(tmp_path / "c.pt")["history"]) == 1


def test_what_is_no_callback_is_refused():
    with pytest.raises(SnnlabError, match="^callbacks: <built-in function print> is no callback; "):
        train(callbacks=[print])
    with pytest.raises(SnnlabError, match="^callbacks: got Recorder, expected a list"):
        train(callbacks=Recorder())


def test_a_callback_that_shows_the_progress_replaces_the_bar(monkeypatch, capsys):
    class Shows(Callback):
        shows_progress = True

    net = DelayNet(16, (6,), 5, max_delay=8, tau=1.5, dropout=0.2)
    fit(net, TRAIN, VALID, RECIPE, callbacks=[Shows()])
    assert capsys.readouterr().err == ""
    fit(net, TRAIN, VALID, RECIPE, callbacks=[Callback()])
    shown = capsys.readouterr().err
    assert "2/2" in shown and "loss=" in shown
