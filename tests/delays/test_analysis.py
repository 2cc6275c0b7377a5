"""The explorer: numbers by hand on a tiny network, and the network's own on larger ones."""

import numpy as np
import pytest
import torch
from delay_nets import random_net, save_network

from snnlab._utils.errors import SnnlabError
from snnlab.delays import analysis, arrivals, snapshots
from snnlab.delays.ablation import discretise
from snnlab.delays.recipe import DelayRecipe
from snnlab.delays.statistics import active_delays
from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints
from snnlab.training.state import TrainState


def by_hand(delays=((1.0, 3.4), (0.0, 4.0)), weights=((0.4, 0.7), (0.5, -0.25))):
    """Two inputs, two hidden neurons and one class, with batch norm that does nothing and membranes
    that forget at once.
    """
    net = DelayNet(2, (2,), 1, max_delay=4, tau=1.000001, dropout=0.0).eval()
    net.norms[0].eps = 0.0
    layer = net.synapses[0]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights)[..., None])
    layer.delay = torch.tensor(delays)[..., None]
    return net


def recording(n_in=12, steps=20, seed=1):
    """Spike counts 0 to 2, (T, N)."""
    rate = torch.full((steps, n_in), 0.15)
    return torch.poisson(rate, generator=torch.Generator().manual_seed(seed))


def test_incoming_synapses_in_milliseconds():
    found = analysis.incoming(by_hand(), 0, 0, dt_ms=10.0)
    assert found.source.tolist() == [0, 1]
    assert found.delay_ms.tolist() == pytest.approx([10, 34], abs=1e-4)
    assert found.weight.tolist() == pytest.approx([0.4, 0.7])
    assert found.strongest(1).source.tolist() == [1]
    assert analysis.incoming(by_hand(), 0, 1, dt_ms=10.0).strongest(2).weight.tolist() == [
        0.5,
        -0.25,
    ]


def test_a_sparse_layer_gives_the_synapses_that_exist():
    net = random_net(n_connections=3, kernel_count=2)
    layer = net.synapses[0]
    found = analysis.incoming(net, 0, 4, dt_ms=5.0)
    inputs = layer.mask[4, :, 0].nonzero().flatten().tolist()
    assert found.source.tolist() == [j for j in inputs for _ in range(2)]
    expected = [layer.delay[4, j, k].item() * 5 for j in inputs for k in range(2)]
    assert found.delay_ms.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("bits", [None, 2])
def test_weights_of_zero_are_no_synapses_and_nothing_arrives_by_them(bits):
    net = random_net(kernel_count=2, weight_bits=bits)
    for layer in net.synapses:
        layer.prune(0.5)
    delays = []
    for number, layer in enumerate(net.synapses):
        for neuron in range(layer.out_features):
            found = analysis.incoming(net, number, neuron, dt_ms=1.0)
            assert found.weight.all()
            delays += found.delay_ms.tolist()
    assert delays == active_delays(net).tolist()
    simulated = arrivals.simulate(net, recording())
    assert arrivals.arrivals(net, simulated, 0, 4, dt_ms=1.0).push.all()


def test_weights_of_few_bits_are_those_that_the_network_computes_with():
    net = random_net(weight_bits=2)
    for layer in range(3):
        found, used = (analysis.incoming(n, layer, 1, dt_ms=5.0) for n in (net, discretise(net)))
        assert found.weight.tolist() == used.weight.tolist()


@pytest.mark.parametrize("changes", [{}, {"n_connections": 3}, {"kernel_count": 2}])
def test_the_kernel_of_a_neuron_is_its_row_of_the_layers(changes):
    net = random_net(**changes)
    for one in (net, discretise(net)):
        for layer, neuron in ((0, 8), (1, 0), (2, 3)):
            whole = one.synapses[layer].kernel()[neuron].detach().numpy()
            assert np.allclose(analysis.neuron_kernel(one, layer, neuron), whole, atol=1e-6)


def test_there_is_no_other_layer_or_neuron():
    net = random_net()
    for call in (
        analysis.incoming,
        lambda *a: arrivals.arrivals(net, arrivals.simulate(net, recording()), *a[1:]),
    ):
        with pytest.raises(SnnlabError, match="neuron = 7: layer 2 has neurons 0 to 6"):
            call(net, 1, 7, 10.0)
        with pytest.raises(SnnlabError, match="layer = 3: expected 0 to 2"):
            call(net, 3, 0, 10.0)
    with pytest.raises(SnnlabError, match="^Linear has no layer with delays; choose a network"):
        analysis.incoming(torch.nn.Linear(2, 2), 0, 0, 10.0)


@pytest.mark.parametrize(
    "changes", [{}, {"n_connections": 3}, {"kernel_count": 2}, {"tail": 0}, {"delay_mode": "fixed"}]
)
def test_a_recording_goes_through_as_in_the_network_itself(changes):
    net = random_net(**changes)
    x = recording()
    found, expected = arrivals.simulate(net, x), discretise(net).activity(x[:, None])
    assert sum(fired.sum() for fired in found.fired) > 20
    for ours, theirs in zip(found.fired, expected.spikes, strict=True):
        assert torch.equal(ours, theirs[:, 0])
    assert torch.allclose(found.charge[-1], expected.potentials[:, 0], atol=1e-5)
    assert [len(heard) for heard in found.inputs] == [int(expected.valid.sum())] * 3
    again = arrivals.simulate(net, x)  # nothing is left of the recording before
    assert torch.equal(again.charge[-1], found.charge[-1])


def test_a_recording_of_another_network_is_refused():
    for wrong in (torch.ones(5, 11), torch.ones(5, 1, 12), torch.zeros(5, 12)):
        with pytest.raises(SnnlabError, match=r"expected \(T, 12\), time first"):
            arrivals.simulate(random_net(), wrong)


def test_arrivals_by_hand():
    """Input 0 fires at step 2 and input 1 at step 0: after 1 and 3 steps they meet at step 3, and
    0.4 + 0.7 fires.
    """
    net = by_hand()
    x = torch.zeros(4, 2)
    x[2, 0] = x[0, 1] = 1
    found = arrivals.arrivals(net, arrivals.simulate(net, x), 0, 0, dt_ms=10.0)
    assert found.source.tolist() == [1, 0]
    assert found.sent_ms.tolist() == [0, 20] and found.arrived_ms.tolist() == [30, 30]
    assert found.push.tolist() == pytest.approx([0.7, 0.4]) and found.rest == pytest.approx(
        0, abs=1e-6
    )
    assert found.fired_ms.tolist() == [30]
    # 3 steps and a tail of 4
    assert found.charge.tolist() == pytest.approx([0, 0, 0, 1.1, 0, 0, 0], abs=1e-5)
    without = arrivals.arrivals(net, arrivals.simulate(net, x), 0, 0, dt_ms=10.0, share=0.0)
    assert without.arrived_ms.tolist() == without.sent_ms.tolist() == [0, 20]
    assert without.fired_ms.tolist() == []
    half = arrivals.arrivals(net, arrivals.simulate(net, x), 0, 0, dt_ms=10.0, share=0.5)
    assert half.arrived_ms.tolist() == [20, 20]  # 1.7 and 0.5 steps, rounded to even
    with pytest.raises(SnnlabError, match=r"share = 1.5: expected a share"):
        arrivals.arrivals(net, arrivals.simulate(net, x), 0, 0, dt_ms=10.0, share=1.5)


def test_batch_norm_is_in_the_push_and_in_what_rests():
    net = by_hand()
    norm = net.norms[0]
    norm.running_mean[0], norm.running_var[0] = 0.5, 4.0
    norm.weight.data[0], norm.bias.data[0] = 3.0, 1.0
    x = torch.zeros(1, 2)
    x[0, 0] = 2  # two spikes at once
    found = arrivals.arrivals(net, arrivals.simulate(net, x), 0, 0, dt_ms=10.0)
    assert found.push.tolist() == pytest.approx([2 * 0.4 * 1.5])
    assert found.rest == pytest.approx(1 - 0.75)
    assert found.charge.tolist() == pytest.approx([0.25, 1.45, 0.25, 0.25, 0.25], abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_connections": 3},
        {"kernel_count": 2},
        {"weight_bits": 2},
        {"weight_bits": 3, "n_connections": 3},
    ],
)
def test_every_neuron_fires_as_in_the_whole_network(changes):
    net = random_net(**changes)
    what = arrivals.simulate(net, recording())
    for layer, charge in enumerate(what.charge):
        for neuron in range(charge.shape[1]):
            found = arrivals.arrivals(net, what, layer, neuron, dt_ms=10.0)
            assert np.allclose(found.charge, charge[:, neuron], atol=1e-4)
            if layer < 2:
                assert found.fired_ms.tolist() == [
                    10 * t for t in what.fired[layer][:, neuron].nonzero().flatten()
                ]
            else:
                assert found.fired_ms.size == 0 and found.rest == 0


def test_each_weight_of_a_synapse_has_a_spike_and_a_delay_of_its_own():
    net = random_net(kernel_count=2)
    what = arrivals.simulate(net, recording())
    found = arrivals.arrivals(net, what, 0, 3, dt_ms=10.0)
    when, inputs = what.inputs[0].nonzero(as_tuple=True)
    assert found.source.tolist() == [j for j in inputs.tolist() for _ in range(2)]
    assert found.sent_ms.tolist() == [10 * t for t in when.tolist() for _ in range(2)]
    delay = net.synapses[0].delay[3][inputs].round().flatten().numpy()
    assert np.array_equal(found.arrived_ms - found.sent_ms, 10 * delay)


def test_the_most_telling_neuron_owes_its_spike_to_its_delays():
    x = torch.zeros(4, 2)
    x[2, 0] = x[0, 1] = 1
    net = by_hand(weights=((1.5, 1.5), (0.4, 0.7)), delays=((0.0, 4.0), (1.0, 3.4)))
    assert (
        arrivals.most_delay_dependent(net, arrivals.simulate(net, x), 10.0) == 1
    )  # the other one fires without delays, too
    net.norms[0].bias.data[1] = 1.2
    assert (
        arrivals.most_delay_dependent(net, arrivals.simulate(net, x), 10.0) == 0
    )  # now the first needs an input, and it does not


def test_a_neuron_at_which_spikes_arrive_is_chosen_before_one_that_gets_none():
    x = torch.zeros(4, 2)
    x[2, 0] = x[0, 1] = 1
    net = by_hand(weights=((0.0, 0.0), (1.5, 1.5)))
    what = arrivals.simulate(net, x)  # the first is always silent, the second never
    assert arrivals.most_delay_dependent(net, what, 10.0) == 1


@pytest.mark.parametrize("changes", [{"weight_bits": 2}, {"weight_bits": 4, "n_connections": 3}])
def test_synapses_have_the_weights_on_the_levels_of_their_bits(changes):
    net = random_net(**changes)
    rounded = discretise(net)
    for neuron in range(net.synapses[0].out_features):
        found, expected = (analysis.incoming(which, 0, neuron, 10.0) for which in (net, rounded))
        assert np.array_equal(found.source, expected.source)
        assert np.array_equal(found.weight, expected.weight) and found.weight.all()


def line(epoch):
    return {"epoch": epoch, "valid_accuracy": 0.5, "valid_loss": 1.0}


def trained(path, net, epochs=2):
    """A checkpoint of a training in which every delay grew by a quarter of a step an epoch."""
    recipe = DelayRecipe(epochs=epochs, batch_size=1)
    state = TrainState(net, [], [], recipe, data={})
    state.path = path
    for epoch in range(epochs):
        for layer in net.synapses:
            layer.delay = layer.delay + 0.25
        state.finish(line(epoch))
        state.save()
    return recipe


def test_movement_is_what_the_delays_were_after_each_epoch(tmp_path):
    net = random_net(max_delay=12)
    for layer in net.synapses:
        layer.delay = (layer.delay * 4).round() / 4  # what float16 keeps
    starts = [layer.delay.clone() for layer in net.synapses]
    trained(tmp_path / "c.pt", net)
    found = snapshots.delay_trajectory(tmp_path / "c.pt", net, dt_ms=10.0)
    for moved, start in zip(found, starts, strict=True):
        assert moved.epochs.tolist() == [0, 1, 2]
        assert moved.moved_ms.tolist() == [0, 2.5, 5]
        places = start[moved.neurons, moved.inputs, 0].numpy()
        assert moved.delay_ms.shape == (3, start.numel())  # few enough to be all of them
        assert np.allclose(moved.delay_ms[0], 10 * places)


def test_of_a_large_layer_a_fair_sample_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(snapshots, "MAX_SYNAPSES", 50)
    net = random_net(kernel_count=2, n_connections=6)
    trained(tmp_path / "c.pt", net)
    first = snapshots.delay_trajectory(tmp_path / "c.pt", net, dt_ms=1.0)[0]
    assert first.delay_ms.shape == (3, 50)
    assert set(first.neurons) == set(range(9))  # of every neuron some
    assert net.synapses[0].mask[first.neurons, first.inputs, 0].all()
    layer = net.synapses[0].delay
    nearest = (
        (layer[first.neurons, first.inputs] - torch.from_numpy(first.delay_ms[-1])[:, None])
        .abs()
        .min(1)
        .values
    )
    assert nearest.max() < 0.01


def test_a_training_that_goes_on_keeps_the_snapshots_before(tmp_path):
    net = random_net()
    for layer in net.synapses:
        layer.delay = layer.delay / 2  # with room to grow
    recipe = trained(tmp_path / "c.pt", net)
    before = checkpoints.load(tmp_path / "c.pt")["snapshots"]
    state = TrainState(random_net(seed=5), [], [], recipe, data={})
    state.restore(tmp_path / "c.pt")
    state.finish(line(2))
    assert list(state.snapshots) == [0, 1, 2, 3]
    assert all(torch.equal(a, b) for a, b in zip(state.snapshots[1], before[1], strict=True))


def test_where_nothing_is_learned_nothing_is_kept(tmp_path):
    net = random_net(delay_mode="fixed")
    save_network(tmp_path / "old.pt", net, 0.5)
    assert snapshots.delay_trajectory(tmp_path / "old.pt", net, dt_ms=1.0) == []
    assert DelayRecipe(epochs=1, batch_size=1).snapshot(net) == []
    with pytest.raises(SnnlabError, match="a checkpoint of another network"):
        snapshots.delay_trajectory(tmp_path / "old.pt", random_net(), dt_ms=1.0)


def test_the_sample_stays_small():
    net = DelayNet(140, (256, 256), 20, max_delay=24, tau=1.005)
    kept = snapshots.snapshot_delays(net)
    assert [len(part) for part in kept] == [2048] * 3 and kept[0].dtype == torch.float16
