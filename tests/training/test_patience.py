"""Patience: when a training stops, what it keeps, and that it stops there again when resumed."""

from dataclasses import replace

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.activations import RampNeuron
from snnlab.nn.delay_net import DelayNet
from snnlab.training import trainer
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.evaluation import EvalResult
from snnlab.training.trainer import fit
from snnlab.transfer.stages import Stage

DATA = interaural_lags(32, seed=0, steps=20)
RISING_ONCE = (0.2, 0.5, 0.4, 0.5, 0.3, 0.2, 0.9, 0.1)


@pytest.fixture
def scripted(monkeypatch):
    """Train with a recipe and given validation accuracies; the loss is the same in each epoch."""

    def train(recipe, accuracies, *, delay_mode="none", **options):
        def score(*_, **__):
            accuracy = accuracies[len(states[-1].history)]
            return EvalResult(accuracy, 1.0, torch.empty(0), torch.empty(0))

        states = []

        class Recording(trainer.TrainState):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                states.append(self)

        monkeypatch.setattr(trainer, "TrainState", Recording)
        monkeypatch.setattr(trainer, "evaluate", score)
        torch.manual_seed(0)
        net = DelayNet(16, (4,), 5, max_delay=8, tau=1.5, dropout=0.0, delay_mode=delay_mode)
        return fit(net, DATA, DATA, recipe, progress=False, **options)

    return train


def recipe(**changes):
    return DelayRecipe(**dict(epochs=8, batch_size=32, device="cpu") | changes)


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (4, 6), (5, 8), (None, 8)])
def test_training_stops_after_so_many_epochs_without_a_better_one(scripted, patience, epochs):
    result = scripted(recipe(patience=patience), RISING_ONCE)
    assert len(result.history) == epochs
    assert result.best_epoch == (1 if epochs < 8 else 6)  # an equal epoch is no better one


def test_a_stopped_training_returns_the_network_of_its_best_epoch(scripted):
    stopped = scripted(recipe(patience=3), RISING_ONCE)
    shown = []

    class Snapshot(Callback):
        def on_epoch_end(self, progress):
            shown.append({name: p.clone() for name, p in progress.model.state_dict().items()})

    scripted(recipe(), RISING_ONCE, callbacks=[Snapshot()])
    assert len(stopped.history) == 5 and stopped.best_epoch == 1
    state = stopped.model.state_dict()
    assert all(torch.equal(value, shown[1][name]) for name, value in state.items())
    assert any(not torch.equal(value, shown[4][name]) for name, value in state.items())


def test_a_resumed_training_stops_at_the_same_epoch_and_a_stopped_one_trains_no_more(
    scripted, tmp_path
):
    class StopAfterThree(Callback):
        def on_epoch_end(self, progress):
            if len(progress.history) == 3:
                raise StopTraining

    paths = dict(checkpoint=tmp_path / "net.pt", metrics=tmp_path / "net.jsonl")
    with pytest.raises(StopTraining):
        scripted(recipe(patience=3), RISING_ONCE, callbacks=[StopAfterThree()], **paths)
    resumed = scripted(recipe(patience=3), RISING_ONCE, **paths)
    alone = scripted(recipe(patience=3), RISING_ONCE)
    assert len(resumed.history) == len(alone.history) == 5 and resumed.best_epoch == 1
    paths["metrics"].unlink()
    again = scripted(recipe(patience=3), RISING_ONCE, **paths)
    assert again.history == resumed.history
    assert len(paths["metrics"].read_text().splitlines()) == 5  # written anew
    with pytest.raises(SnnlabError, match="patience = 3 instead of 4"):
        scripted(recipe(patience=4), RISING_ONCE, **paths)


def test_epochs_in_which_sigma_shrinks_do_not_count(scripted):
    falling = [0.9 - 0.1 * epoch for epoch in range(8)]
    annealed = recipe(patience=2, anneal_share=0.5)  # sigma shrinks in epochs 0 to 3
    result = scripted(annealed, falling, delay_mode="learned")
    assert [line["sigma"] for line in result.history][4:] == [0.5, 0.5]
    assert len(result.history) == 6 and result.best_epoch == 0
    assert len(scripted(annealed, falling, delay_mode="fixed").history) == 3  # has no sigma


def test_no_training_stops_before_its_ramp_is_sharp():
    net = DelayNet(16, (4,), 5, max_delay=8, tau=1.5, neuron="relu")
    assert any(isinstance(layer, RampNeuron) for layer in net.neurons)
    assert recipe(sharpen=0.8, patience=1).settled_from(net) == 8
    assert Stage(epochs=5, batch_size=8, mode="ramp", sharpen=True).settled_from(None) == 5
    assert Stage(epochs=5, batch_size=8).settled_from(None) == 0


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "3"])
def test_patience_is_a_whole_number_from_1(wrong):
    with pytest.raises(SnnlabError, match=r"patience = .*expected a whole number from 1"):
        recipe(patience=wrong)


def test_patience_needs_that_the_best_epoch_is_kept():
    with pytest.raises(SnnlabError, match=r"patience = 3, keep = 'last': .*or no patience"):
        recipe(patience=3, keep="last")
    assert replace(recipe(patience=3), patience=None, keep="last").keep == "last"
