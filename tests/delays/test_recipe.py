"""The recipe of networks with delays."""

import math
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise, prune_synapses
from snnlab.delays.recipe import DelayRecipe, share_schedule, sigma_schedule
from snnlab.delays.statistics import delay_statistics
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.weight_transfer import copy_delay_weights
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.checkpoints import load_network
from snnlab.training.recipe import Recipe
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
        layer = net.synapses[0]
        rounded = discretise(layer)(x)
        assert torch.equal(layer.train()(x), rounded) == (epoch >= 6)
        assert not torch.equal(layer.eval()(x), rounded)  # as its checkpoint, when opened
        assert (measured["sigma"] == pytest.approx(0.5)) == (epoch >= 8 * min(anneal_share, 0.75))
    for optimiser in (optimisers := recipe.optimisers(net)):
        optimiser.zero_grad()
    net.train()(x).square().sum().backward()
    assert all(layer.P.grad.count_nonzero() == layer.P.numel() for layer in net.synapses)
    optimisers[1].step()
    DelayRecipe().before_epoch(net, 0)
    assert not torch.equal(layer.train()(x), discretise(layer)(x))


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
    assert load_network(file)[0].synapses[0].engine == "auto"  # a file doesn't hold it


def test_the_share_of_synapses_falls_as_zhu_and_gupta_have_it():
    seen = [share_schedule(e, kept_share=0.2, prune_epochs=4) for e in range(6)]
    assert seen == pytest.approx([1, 0.5375, 0.3, 0.2125, 0.2, 0.2])
    assert share_schedule(0, kept_share=0.2, prune_epochs=0) == 0.2


class OwnNetwork(torch.nn.Module):
    """Layers with delays below other modules, one of them sparse."""

    def __init__(self, kind):
        super().__init__()
        self.below = torch.nn.ModuleDict(
            {"first": DelayLinear(8, 6, 5, 2, kind=kind, n_connections=4)}
        )
        self.second = torch.nn.Sequential(torch.nn.ReLU(), DelayLinear(6, 4, 3, kind=kind))

    def forward(self, x):
        return self.second(self.below["first"](x)).mean(0)


def made(network, kind):
    torch.manual_seed(0)
    if network == "own":
        return OwnNetwork(kind)
    return DelayNet(8, (6,), 4, max_delay=5, tau=2.0, delay_kind=kind, n_connections=4)


@pytest.fixture(scope="module")
def task():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(15, 24, 8, generator=generator) < 0.2).float(), torch.arange(24) % 4


PRUNING = DelayRecipe(
    epochs=6, batch_size=8, accumulate=2, kept_share=0.25, delay_pull=0.03, device="cpu"
)


BATCHES = 3  # in an epoch
KINDS = ("synaptic", "axonal", "dendritic", "axo-dendritic")


class Watching(Callback):
    """Which weights are 0 before each step; it may stop before the step `(epoch, batch)`."""

    def __init__(self, stop=None):
        self.stop, self.zeros = stop, []

    def on_batch_start(self, progress):
        batch, layers = progress.epoch_state.batches, delay_layers(progress.model).values()
        if batch < BATCHES:
            self.zeros.append([layer.weight.detach() == 0 for layer in layers])
        if (len(progress.history), batch) == self.stop:
            raise StopTraining


@pytest.mark.parametrize(
    ("network", "kind"), [*(("own", kind) for kind in KINDS), ("DelayNet", "axo-dendritic")]
)
def test_synapses_are_removed_while_training_and_after_a_stop_in_an_epoch(
    network, kind, task, tmp_path
):
    def train(**options):
        return fit(made(network, kind), task, task, PRUNING, progress=False, **options)

    watch, file = Watching(), tmp_path / "c.pt"
    result = train(callbacks=[watch])
    shares = [1, 0.25 + 0.75 * 8 / 27, 0.25 + 0.75 / 27, 0.25, 0.25, 0.25]
    assert [line["kept_share"] for line in result.history] == pytest.approx(shares)
    assert result.best_epoch >= 3  # no epoch with more synapses
    for number, (name, layer) in enumerate(delay_layers(result.model).items()):
        existing = layer.out_features * (layer.n_connections or layer.in_features)
        existing *= layer.kernel_count
        left = [layer.weight.numel() - int(zeros[number].sum()) for zeros in watch.zeros]
        assert left == [round(share * existing) for share in shares for _ in range(BATCHES)], name
        assert layer.connections.sum() == round(0.25 * existing)
        for before, after in pairwise(watch.zeros):
            assert not (before[number] & ~after[number]).any()  # none grows again
    for stop in ((0, 1), (1, 2), (2, 1), (4, 2)):
        with pytest.raises(StopTraining):
            train(checkpoint=file, callbacks=[Watching(stop)])
    resumed = train(checkpoint=file)
    for name, value in result.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    if network == "DelayNet":
        assert load_network(file)[0].trainable_parameters() == result.model.trainable_parameters()


def test_an_epoch_with_more_synapses_is_not_kept_and_does_not_count_for_patience(task):
    class Falling(DelayRecipe):
        def as_used(self, model):
            used = super().as_used(model)
            used.register_forward_hook(lambda *_: scores.pop(0))
            return used

    good, bad = (torch.eye(4)[(torch.arange(24) + shift) % 4] for shift in (0, 1))
    recipe = dict(epochs=8, batch_size=24, device="cpu")
    for settings, best, epochs in (
        (dict(kept_share=0.5), 4, 8),
        (dict(kept_share=0.5, patience=2), 4, 7),
        (dict(patience=2, anneal_share=0.0), 0, 3),
        (dict(kept_share=0.5, keep="last"), 7, 8),
    ):
        scores = [good, good, good, good, *[bad] * 4]
        result = fit(
            made("DelayNet", "axonal"),
            task,
            task,
            Falling(**recipe | settings),
            progress=False,
        )
        assert (result.best_epoch, len(result.history)) == (best, epochs), settings
    net = made("DelayNet", "axonal")
    assert DelayRecipe(epochs=9, kept_share=0.5, anneal_share=0.2).settled_from(net) == 4
    assert DelayRecipe(epochs=9, kept_share=0.5, anneal_share=0.8).settled_from(net) == 7
    assert DelayRecipe(epochs=1, kept_share=0.5).before_epoch(net, 0)["kept_share"] == 0.5


def test_a_pruned_network_stays_pruned_in_another_stage_with_its_share(task):
    net = prune_synapses(made("DelayNet", "synaptic"), 0.25)
    before, numbers = net.synapses[0].connections, net.trainable_parameters()
    for share, same in ((0.25, True), (1.0, False)):
        other = made("DelayNet", "synaptic")
        copy_delay_weights(net, other)
        assert other.trainable_parameters() == numbers
        recipe = DelayRecipe(epochs=2, batch_size=8, kept_share=share, keep="last", device="cpu")
        fit(other, task, task, recipe, progress=False)
        assert torch.equal(other.synapses[0].connections, before) is same
        assert (other.trainable_parameters() == numbers) is same
        # The mask of a training is not that of the next one
        fit(other, task, task, replace(recipe, kept_share=1.0), progress=False)
        assert other.trainable_parameters() > numbers


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_pulls_delays_to_0_by_hand(kind):
    net = made("DelayNet", kind)
    net.synapses[1].P.requires_grad_(False)
    recipe = DelayRecipe(epochs=4, batch_size=8, lr_delays=0.2, delay_pull=0.5)
    optimisers = recipe.optimisers(net)
    (delays, still), rates = [layer.delay for layer in net.synapses], [0.2, 0.05]
    for rate in rates:
        optimisers[1].param_groups[0]["lr"] = rate
        recipe.before_step(net, optimisers, 0.0)
        delays = (delays - 0.5 * rate / 0.2).clamp(min=0)
        torch.testing.assert_close(net.synapses[0].delay, delays)
    assert torch.equal(net.synapses[1].delay, still)
    for unmoved in (DelayRecipe(), DelayRecipe(lr_delays=0.0, delay_pull=0.5)):
        before = net.synapses[0].P.clone()
        unmoved.before_step(net, optimisers, 0.0)
        assert torch.equal(net.synapses[0].P, before)


def test_pulled_delays_end_at_0(task):
    def share_at_zero(pull):
        recipe = DelayRecipe(epochs=4, batch_size=8, delay_pull=pull, keep="last", device="cpu")
        result = fit(made("DelayNet", "axonal"), task, task, recipe, progress=False)
        return delay_statistics(result.model, dt_ms=1.0).share_at_zero

    assert share_at_zero(0.0) < 0.2 < share_at_zero(0.3) < share_at_zero(5.0) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(kept_share=0), "kept_share = 0: expected a share of the synapses above 0"),
        (dict(kept_share=1.5), "kept_share = 1.5: expected a number from 0 to 1"),
        (dict(delay_pull=-1), "delay_pull = -1: expected a number from 0"),
    ],
)
def test_impossible_shares_and_pulls_are_refused(changes, words):
    with pytest.raises(SnnlabError, match=words):
        DelayRecipe(**changes)


def test_fields_of_a_recipe_of_ones_own_may_hold_what_they_like():
    @dataclass(frozen=True)
    class Own(Recipe):
        clip: float = math.inf
        pair: tuple[int, str] = (1, "x")
        note: str = "~10 ms, " + 300 * "long "
        hint: bool = False

    own = partial(Own, epochs=1, batch_size=1)
    assert own().clip == math.inf and own(note="").pair == (1, "x")
    with pytest.raises(SnnlabError, match="note = 3: expected text"):
        own(note=3)
    with pytest.raises(SnnlabError, match="hint = 1: expected true or false"):
        own(hint=1)
