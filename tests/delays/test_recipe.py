"""The recipe of networks with delays."""

import pytest
import torch

from snnlab.delays.ablation import discretise
from snnlab.delays.recipe import DelayRecipe, sigma_schedule
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.checkpoints import load_network
from snnlab.training.trainer import fit


def test_sigma_schedule_is_the_papers_table():
    seen = [
        sigma_schedule(e, max_delay=24, anneal_epochs=37)
        for e in (0, 5, 10, 15, 20, 25, 30, 36, 37, 149)
    ]
    assert seen == pytest.approx(
        [12.27, 7.30, 4.39, 2.69, 1.69, 1.10, 0.76, 0.53, 0.50, 0.50], abs=6e-3
    )
    assert sigma_schedule(0, max_delay=30, anneal_epochs=15) == pytest.approx(15.27)
    assert sigma_schedule(0, max_delay=24, anneal_epochs=0) == 0.5


class StopAfterTwo(Callback):
    def on_epoch_end(self, progress):
        if len(progress.history) == 2:
            raise StopTraining


def test_a_training_with_dcls_is_the_same_and_another_engine_resumes_it(tmp_path):
    def train(engine, **options):
        torch.manual_seed(0)
        # Ramp outputs: a rounding error moves no spike
        settings = dict(tau=2.0, dropout=0.0, neuron="relu", n_connections=4, kernel_count=2)
        net = DelayNet(8, (6,), 4, max_delay=5, engine=engine, **settings)
        x, y = (torch.rand(20, 24, 8) < 0.2).float(), torch.arange(24) % 4
        recipe = DelayRecipe(epochs=4, batch_size=8, lr_delays=1.0, keep="last", device="cpu")
        result = fit(net, (x, y), (x, y), recipe, progress=False, **options)
        return result, discretise(result.model)(x)

    ours, our_scores = train("auto")
    file = tmp_path / "c.pt"
    with pytest.raises(StopTraining):
        train("dcls", checkpoint=file, callbacks=[StopAfterTwo()])
    for engine, options in (("dcls", {}), ("auto", {"checkpoint": file})):
        theirs, scores = train(engine, **options)
        assert [layer.engine for layer in theirs.model.synapses] == [engine] * 2
        assert [line["loss"] for line in theirs.history] == pytest.approx(
            [line["loss"] for line in ours.history], rel=1e-5
        )
        for name, value in theirs.model.state_dict().items():
            torch.testing.assert_close(value, ours.model.state_dict()[name], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(scores, our_scores, rtol=1e-4, atol=1e-4)
        assert all(
            layer.sigma == pytest.approx(0.5) and layer.holds(layer.P)
            for layer in theirs.model.synapses
        )
    assert load_network(file).synapses[0].engine == "auto"  # a file doesn't hold it
