"""A network of one's own is trained, evaluated, saved and resumed as a `DelayNet` is."""

import math

import pytest
import torch
from own_networks import CLASSES, HIDDEN, N_IN, NETWORKS, Adaptive, own_data, own_network
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet
from snnlab.delays.ablation import ablate, discretise, scale_delays, shuffle_delays, zero_delays
from snnlab.delays.loading import open_network
from snnlab.delays.recipe import DelayRecipe, sigma_schedule
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import Callback, StopTraining
from snnlab.training.checkpoints import load_network
from snnlab.training.evaluation import evaluate
from snnlab.training.trainer import fit

RECIPE = DelayRecipe(epochs=4, batch_size=4, anneal_share=0.5, device="cpu")
ALL = pytest.mark.parametrize("name", NETWORKS)


def train(net, name, **options):
    return fit(net, own_data(name), own_data(name), RECIPE, progress=False, **options)


@ALL
def test_any_network_is_trained_with_delays_of_its_own_rate_and_width(name):
    net = own_network(name)
    before = {place: layer.delay for place, layer in delay_layers(net).items()}
    widths = []

    class Widths(Callback):
        def on_epoch_start(self, progress):
            layers = delay_layers(progress.model).values()
            widths.append([(layer.max_delay, layer.sigma) for layer in layers])

    result = train(net, name, callbacks=[Widths()])
    for epoch, layers in enumerate(widths):
        for max_delay, sigma in layers:
            expected = sigma_schedule(epoch, max_delay=max_delay, anneal_epochs=2)
            assert sigma == pytest.approx(expected)
        longest = max(max_delay for max_delay, _ in layers)
        line = result.history[epoch]
        assert line["sigma"] == sigma_schedule(epoch, max_delay=longest, anneal_epochs=2)
    for place, layer in delay_layers(net).items():
        assert not torch.equal(layer.delay, before[place])
        assert ((layer.delay >= 0) & (layer.delay <= layer.max_delay)).all()
        assert layer.arriving is None
    best = result.history[result.best_epoch]
    assert evaluate(discretise(net), own_data(name)).accuracy == best["valid_accuracy"]


@ALL
def test_each_parameter_has_one_rate_and_weights_alone_decay(name):
    net = own_network(name)
    weights, delays = RECIPE.optimisers(net)
    decayed, plain = (group["params"] for group in weights.param_groups)
    assert all(parameter.dim() >= 2 for parameter in decayed)
    assert all(parameter.dim() < 2 for parameter in plain)
    moved = [layer.P for layer in delay_layers(net).values()]
    widths = [layer.SIG for layer in delay_layers(net).values()]
    assert [*map(id, delays.param_groups[0]["params"])] == [*map(id, moved)]
    assert delays.param_groups[0]["lr"] == RECIPE.lr_delays
    every = [*decayed, *plain, *moved, *widths]
    assert sorted(map(id, every)) == sorted(map(id, net.parameters()))


def test_the_groups_of_a_delay_net_are_its_weights_and_its_norms():
    net = DelayNet(4, (3, 3), 2, max_delay=3)
    weights, _ = RECIPE.optimisers(net)
    decayed, plain = (group["params"] for group in weights.param_groups)
    assert [*map(id, decayed)] == [id(layer.weight) for layer in net.synapses]
    assert [*map(id, plain)] == [*map(id, net.norms.parameters())]


@ALL
def test_no_state_passes_from_a_batch_to_the_next(name):
    net, data = own_network(name), own_data(name)
    together, one_by_one = evaluate(net, data), evaluate(net, data, batch_size=1)
    again = evaluate(net, data, batch_size=5)
    for other in (one_by_one, again):
        assert torch.equal(other.predictions, together.predictions)
        assert other.loss == pytest.approx(together.loss, rel=1e-5)


def test_a_network_in_float64_is_told_that_batches_are_float32():
    x, y = own_data("")
    with pytest.raises(SnnlabError, match="Keep a network in float32 for fit and evaluate, whose"):
        evaluate(own_network("adaptive").double(), (x.double(), y))


def test_fit_resets_states_that_evaluation_alone_would_not_show():
    class Counting(nn.Module):
        calls, resets = 0, 0

        def __init__(self):
            super().__init__()
            self.delays = DelayLinear(N_IN, CLASSES, 3)
            self.v = 0.0

        def reset(self):
            self.v = 0.0

        def forward(self, x):
            assert isinstance(self.v, float), "a state of the batch before"
            self.v = self.v + self.delays(x)  # its graph would be run through twice
            return self.v.sum(0)

    net = Counting()
    fit(net, own_data(""), own_data(""), RECIPE, progress=False)
    assert net.v == 0.0

    def forward(self, x):
        self.v = self.v + self.delays(x).sum(0)
        return self.v

    Counting.reset, Counting.forward = None, forward
    with pytest.raises(SnnlabError, match=r"Counting: keeps a state .* a method reset\(\)"):
        fit(Counting(), own_data(""), own_data(""), RECIPE, progress=False)


@ALL
def test_a_stopped_training_resumes_bit_for_bit(name, tmp_path):
    class StopAfter(Callback):
        def on_batch_start(self, progress):
            if len(progress.history) == 2 and progress.epoch_state.batches == 1:
                raise StopTraining

    whole = train(own_network(name), name)
    path = tmp_path / "own.pt"
    with pytest.raises(StopTraining):
        train(own_network(name), name, checkpoint=path, callbacks=[StopAfter()])
    torch.manual_seed(5)
    resumed = train(NETWORKS[name](), name, checkpoint=path)
    expected = whole.model.state_dict()
    for key, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[key]), key
    losses = ([line["loss"] for line in result.history] for result in (whole, resumed))
    assert [*next(losses)] == [*next(losses)]
    loaded = load_network(path, model=NETWORKS[name]())[0]
    assert not loaded.training
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_a_checkpoint_of_a_class_needs_a_network_of_its_shape(tmp_path):
    train(own_network("adaptive"), "adaptive", checkpoint=tmp_path / "a.pt")
    with pytest.raises(SnnlabError, match=r"a.pt: a network of the class Adaptive, .* model=Adapt"):
        open_network(tmp_path / "a.pt", dt_ms=10)
    with pytest.raises(
        SnnlabError,
        match=r"a.pt: its parameters are not those of DelayLinear .*wei.*, for a new training, ano",
    ):
        open_network(tmp_path / "a.pt", model=DelayLinear(3, 2, 1), dt_ms=10)
    with pytest.raises(SnnlabError, match="does not say how long a time step is"):
        open_network(tmp_path / "a.pt", model=Adaptive())
    net, dt_ms = open_network(tmp_path / "a.pt", model=Adaptive(), dt_ms=10)
    assert dt_ms == 10 and isinstance(net, Adaptive)

    with pytest.raises(SnnlabError, match="^model: got type, .* an instance"):
        open_network(tmp_path / "a.pt", model=Adaptive, dt_ms=10)

    class Other(Adaptive):
        pass

    with pytest.raises(SnnlabError, match="class_name = 'Adaptive' instead of 'Other'"):
        train(Other(), "adaptive", checkpoint=tmp_path / "a.pt")


def test_a_checkpoint_of_a_class_knows_the_largest_delay_of_each_layer(tmp_path):
    """Positions are counted from the middle of the kernel: with another length, delays would
    shift.
    """

    def short(max_delay):
        return nn.Sequential(DelayLinear(N_IN, CLASSES, max_delay), SumOverTime())

    train(short(2), "", checkpoint=tmp_path / "a.pt")
    message = (
        r"a.pt: the layers of the model have max_delay = \[3\], .* network \[2\]; .*"
        "for a new training, another experiment name or file"
    )
    with pytest.raises(SnnlabError, match=message):
        open_network(tmp_path / "a.pt", model=short(3), dt_ms=10)
    with pytest.raises(SnnlabError, match=message):
        train(short(3), "", checkpoint=tmp_path / "a.pt")


def test_a_checkpoint_knows_the_time_step_of_its_data(tmp_path):
    data = DenseSet(*own_data(""), dt_ms=5.0)
    net = nn.Sequential(DelayLinear(N_IN, CLASSES, 4), SumOverTime())
    fit(net, data, data, RECIPE, checkpoint=tmp_path / "a.pt", progress=False)
    assert open_network(tmp_path / "a.pt", model=net)[1] == 5
    with pytest.raises(SnnlabError, match="trained with steps of 5 ms, not of 7"):
        open_network(tmp_path / "a.pt", model=net, dt_ms=7)


def test_a_state_dict_alone_is_opened_with_a_network(tmp_path):
    layer, other = DelayLinear(3, 2, 4), DelayLinear(3, 2, 4)
    torch.save(discretise(layer).state_dict(), tmp_path / "s.pt")
    with pytest.raises(SnnlabError, match=r"s.pt: holds parameters alone.*model=MyNetwork"):
        open_network(tmp_path / "s.pt", dt_ms=10)
    opened, dt_ms = open_network(tmp_path / "s.pt", model=other, dt_ms=10)
    assert opened is other and opened.discrete and dt_ms == 10
    assert torch.equal(opened.delay, layer.delay.round())
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "l.pt")
    with pytest.raises(SnnlabError, match="l.pt: a network without delays: Linear"):
        open_network(tmp_path / "l.pt", model=nn.Linear(2, 2), dt_ms=10)


class SumOverTime(nn.Module):
    def forward(self, x):
        return x.sum(0)


class Scores(nn.Module):
    """Delays, and something wrong after them."""

    def __init__(self, wrong):
        super().__init__()
        self.delays, self.wrong = DelayLinear(N_IN, CLASSES, 3), wrong

    def forward(self, x):
        return self.wrong(self.delays(x))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Scores(lambda x: x), r"shape \(10, 4, 3\) .*: sum its scores over time"),
        (Scores(lambda x: (x.sum(0), x)), "of the type tuple .*: return the class scores alone"),
        (Scores(lambda x: x.sum(0)[:1]), r"shape \(1, 3\) .* B = 4: keep the samples apart"),
        (Scores(lambda x: x.sum(0) > 0), "torch.bool .*: keep the samples apart, and give real"),
        (Scores(lambda x: x.sum(0).detach()), "depend on no parameter that is trained"),
        (Scores(lambda x: x.sum(0)[:, :2]), "train: has labels from 0 to 2, but the network gives"),
        (nn.Flatten(), "Flatten: has no parameter that can be trained"),
        (nn.Sequential(nn.LazyLinear(3), SumOverTime()), "has lazy modules.* call the network"),
        (print, "model: got builtin_function_or_method, expected a torch.nn.Module"),
    ],
)
def test_a_network_that_cannot_work_is_one_sentence(net, message):
    with pytest.raises(SnnlabError, match=message):
        train(net, "")


def test_a_network_without_delays_is_trained_and_evaluated_but_has_no_delays_to_change():
    net = nn.Sequential(nn.Linear(N_IN, CLASSES), SumOverTime())
    assert [line["sigma"] for line in train(net, "").history] == [0.0] * 4
    assert torch.equal(discretise(net)[0].weight, net[0].weight)
    for change in (
        lambda: shuffle_delays(net, seed=0),
        lambda: zero_delays(net),
        lambda: scale_delays(net, 2.0),
        lambda: ablate(net, "all zero"),
        lambda: shuffle_delays(DelayNet(2, (2,), 2, delay_mode="none"), seed=0),
    ):
        with pytest.raises(SnnlabError, match="^a network without delays: "):
            change()
    with pytest.raises(SnnlabError, match="model: got str, expected a torch.nn.Module"):
        discretise("net")


@ALL
def test_ablations_change_every_layer_of_a_network(name):
    net = own_network(name)
    zero, scaled, shuffled = (
        delay_layers(changed)
        for changed in (zero_delays(net), scale_delays(net, 0.5), ablate(net, "shuffled"))
    )
    for place, layer in delay_layers(discretise(net)).items():
        assert not zero[place].delay.any()
        half = delay_layers(net)[place].delay / 2
        torch.testing.assert_close(scaled[place].delay, half)
        other = shuffled[place].delay
        assert not torch.equal(other, layer.delay)
        assert torch.equal(other.flatten().sort().values, layer.delay.flatten().sort().values)


def test_delays_that_two_layers_share_change_once():
    net = nn.Sequential(DelayLinear(3, 3, 8), DelayLinear(3, 3, 8))
    net[1].P = net[0].P
    torch.testing.assert_close(scale_delays(net, 0.5)[1].delay, net[0].delay / 2)
    recipe = DelayRecipe(delay_pull=0.1, lr_delays=0.5)
    _, of_delays = optimisers = recipe.optimisers(net)
    assert [len(group["params"]) for group in of_delays.param_groups] == [1]
    before = net[0].delay
    recipe.before_step(net, optimisers, 0.0)
    torch.testing.assert_close(net[1].delay, (before - 0.1).clamp(min=0))


@ALL
def test_a_network_is_copied_after_a_call_that_left_states_with_gradients(name):
    net = own_network(name).eval()
    expected = discretise(net).state_dict()
    net(own_data(name)[0])
    torch.testing.assert_close(discretise(net).state_dict(), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_name_their_samples(value):
    x, y = own_data("", n=8)
    net = nn.Sequential(DelayLinear(N_IN, CLASSES, 3), SumOverTime())
    bad = x.clone()
    bad[3, 5] = value
    with pytest.raises(SnnlabError, match=r"data: its inputs .* for 1 of 4 .* first .* sample 5;"):
        evaluate(net, (bad, y), batch_size=4)
    with pytest.raises(SnnlabError, match="train: its inputs are not finite .* sample 5;"):
        fit(net, (bad, y), (x, y), RECIPE, progress=False)
    # The gradients of such an input leave delays that are no numbers
    assert not net[0].P.isfinite().all()
    with pytest.raises(SnnlabError, match="delays that are not finite"):
        discretise(net)
    nan = nn.Sequential(DelayLinear(N_IN, CLASSES, 3), SumOverTime())
    nan[0].weight.data.fill_(value)
    with pytest.raises(SnnlabError, match="scores of Sequential are not finite .* 4 of 4"):
        evaluate(nan, (x, y), batch_size=4)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(
    "changes", [{}, {"max_delay": 0}, {"kernel_count": 2}, {"n_connections": 2}], ids=str
)
def test_steps_in_turn_are_the_whole_sequence(changes, rounded):
    torch.manual_seed(0)
    layer = DelayLinear(**{"in_features": 4, "out_features": HIDDEN, "max_delay": 6} | changes)
    if rounded:
        layer.round_delays()
    x = torch.rand(15, 3, 4)
    for _ in range(2):  # the second time after a reset
        stepped = torch.stack([layer.step(x_t) for x_t in x])
        layer.reset()
        torch.testing.assert_close(stepped, layer(x), rtol=1e-4, atol=1e-5)
    grads = []
    for output in (stepped, layer(x)):
        layer.zero_grad()
        (output * torch.arange(15.0).view(-1, 1, 1)).sum().backward()
        grads.append([p.grad for p in (layer.weight, layer.P) if p.grad is not None])
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-3)


def test_a_spike_arrives_after_its_delay_step_by_step():
    layer = DelayLinear(1, 1, max_delay=3)
    layer.weight.data.fill_(0.5)
    layer.delay = torch.full((1, 1, 1), 2.0)
    layer.round_delays()
    currents = [layer.step(torch.tensor([[s]])).item() for s in (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)]
    assert currents == [0, 0, 0.5, 0, 0, 0.5]
    with pytest.raises(SnnlabError, match=r"got 2 samples in this step and 1 before.*reset\(\)"):
        layer.step(torch.zeros(2, 1))
    with pytest.raises(SnnlabError, match=r"shape \(1, 1, 1\), expected \(B, 1\), one time step"):
        layer.step(torch.zeros(1, 1, 1))
