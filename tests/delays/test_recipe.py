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


@pytest.mark.parametrize("anneal_share", [0.25, 1.0])
def test_the_last_epochs_see_whole_delays(anneal_share):
    torch.manual_seed(0)
    net = DelayNet(8, (6,), 4, max_delay=12, tau=2.0, delay_bits=3)
    x = (torch.rand(20, 24, 8) < 0.2).float()
    recipe = DelayRecipe(epochs=8, batch_size=8, anneal_share=anneal_share, whole_share=0.25)
    assert recipe.settled_from(net) == 6
    for epoch in range(8):
        measured = recipe.before_epoch(net, epoch)
        net.eval()
        same = torch.equal(net(x), discretise(net)(x))
        assert same == (epoch >= 6)
        assert (measured["sigma"] == pytest.approx(0.5)) == (epoch >= 8 * min(anneal_share, 0.75))
    for optimiser in (optimisers := recipe.optimisers(net)):
        optimiser.zero_grad()
    net.train()(x).square().sum().backward()
    assert all(layer.P.grad.count_nonzero() == layer.P.numel() for layer in net.synapses)
    optimisers[1].step()
    DelayRecipe().before_epoch(net, 0)
    assert not torch.equal(net.eval()(x), discretise(net)(x))


def test_a_training_that_resumes_sees_whole_delays_in_the_same_epochs(tmp_path):
    def train(**options):
        torch.manual_seed(0)
        net = DelayNet(8, (6,), 4, max_delay=9, tau=2.0, weight_bits=3, delay_bits=2)
        x, y = (torch.rand(20, 24, 8) < 0.2).float(), torch.arange(24) % 4
        recipe = DelayRecipe(epochs=4, batch_size=8, whole_share=0.75, keep="last", device="cpu")
        return fit(net, (x, y), (x, y), recipe, progress=False, **options).model.state_dict()

    file = tmp_path / "c.pt"
    with pytest.raises(StopTraining):
        train(checkpoint=file, callbacks=[StopAfterTwo()])
    resumed = train(checkpoint=file)
    for name, value in train().items():
        assert torch.equal(resumed[name], value)


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
