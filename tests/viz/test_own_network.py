"""Monitor, panels and pictures of networks that are no `DelayNet`."""

import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from own_networks import CLASSES, HIDDEN, N_IN, NETWORKS, own_data, own_network
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet
from snnlab.delays import analysis
from snnlab.delays.ablation import discretise
from snnlab.delays.arrivals import arrivals, simulate
from snnlab.delays.recipe import DelayRecipe
from snnlab.delays.snapshots import delay_trajectory
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.training.callbacks import Callback
from snnlab.training.trainer import fit
from snnlab.viz import plots
from snnlab.viz.monitor.snapshot import take_snapshot
from snnlab.viz.monitor.view import MonitorView
from snnlab.viz.panels.ablation import AblationResults, ablation_panel
from snnlab.viz.panels.arrivals import ArrivalsPlot
from snnlab.viz.panels.network_view import NetworkView, RecordingViewer
from snnlab.viz.panels.synapses import SynapsesPlot, synapses_panel

ALL = pytest.mark.parametrize("name", NETWORKS)
RECIPE = DelayRecipe(epochs=2, batch_size=6, lr_weights=1e-4, device="cpu")


def alt(panel):
    return re.search('alt="([^"]*)"', panel.image.value)[1].replace("&quot;", '"')


@ALL
def test_every_panel_shows_every_layer_of_the_network(name, tmp_path):
    net, data = own_network(name), DenseSet(*own_data(name))
    fit(net, data, data, RECIPE, checkpoint=tmp_path / "c.pt", progress=False)
    trajectories = delay_trajectory(tmp_path / "c.pt", net, 10.0)
    network = NetworkView(net, 10.0)
    viewer = RecordingViewer(network, data, ("a", "b", "c"))
    panel = ablation_panel(AblationResults(network, data))
    layers = delay_layers(net)
    assert network.names == [*(place for place in layers)]
    for number, (place, layer) in enumerate(layers.items()):
        delays = layer.delay[1, :, 0][layer.connections[1, :, 0]].numpy()
        text, _ = SynapsesPlot(Figure(), network, trajectories).draw(layer=place, neuron=1)
        assert text.startswith(f"Neuron 1 of {place}: ")
        assert f"to {10 * delays.max():.0f} ms, {10 * delays.mean():.0f} ms on average" in text
        panel.controls["layer"].value = place
        text = alt(panel)
        assert text.startswith("Delays of all layers: shuffled, every delay times 1. ")
        assert f"In {place}, " in text
        plot = ArrivalsPlot(viewer).prepare(*Figure().subplots(2))
        text, columns = plot.draw(layer=place, neuron=1, sample=2, share=100)
        assert text.startswith(f'"c" at neuron 1 of {place} with 100 % of each delay: ')
        largest = columns["current"].max()
        assert f"the current is largest at {10 * columns['current'].argmax():.0f} ms" in text
        assert f" {largest:.2f}; without delays {columns['without delays'].max():.2f}." in text
        assert number < len(trajectories)
    assert all(len(trajectory.epochs) == 3 for trajectory in trajectories)


@ALL
def test_what_arrives_is_the_current_of_the_network_itself(name):
    net, (x, _) = own_network(name), own_data(name)
    recorded, currents = simulate(net, x[:, 3]), {}
    rounded = discretise(net)
    # What each layer gives when the network itself is called
    for place, layer in delay_layers(rounded).items():
        own_step = layer.step

        def step(x_t, place=place, own_step=own_step):
            currents.setdefault(place, []).append(own_step(x_t))
            return currents[place][-1]

        layer.step = step
        layer.register_forward_hook(
            lambda _m, _x, output, place=place: currents.update({place: [*output]})
        )
    with torch.no_grad():
        rounded(x[:, 3:4])
    for number, place in enumerate(delay_layers(net)):
        expected = torch.stack(currents[place])[:, 0]
        torch.testing.assert_close(recorded.charge[number], expected, rtol=1e-4, atol=1e-5)
        arriving = arrivals(net, recorded, number, 2, 10.0)
        assert np.allclose(arriving.charge, expected[:, 2], atol=1e-4)
        assert arriving.fired_ms.size == 0 and arriving.rest == 0


def test_a_bare_layer_is_a_network():
    layer = DelayLinear(N_IN, HIDDEN, 4)
    network = NetworkView(layer, 5.0)
    assert network.names == ["layer"] and network.max_delay_ms == 20
    assert alt(synapses_panel(network, neuron=3)).startswith("Neuron 3 of layer: ")
    assert analysis.incoming(layer, 0, 3, 5.0).source.size == N_IN
    assert plots.delay_histogram(layer, dt_ms=5).get_xlabel() == "delay (ms)"
    with pytest.raises(
        SnnlabError, match="layer = 1: expected 0 to 0, of which the last one is la"
    ):
        analysis.incoming(layer, 1, 0, 5.0)


def test_a_layer_with_a_shorter_kernel_ends_before_the_other():
    net = own_network("recurrent")
    plot, kernel = SynapsesPlot(Figure(), NetworkView(net, 10.0)), analysis.neuron_kernel(net, 1, 0)
    plot.draw(layer="back", neuron=0)
    shown = plot.kernel.get_array()
    assert np.array_equal(shown[:, :4], kernel) and shown.shape == (HIDDEN, 9)
    assert not shown[:, 4:].any()
    axes = plots.delay_histogram(net, dt_ms=10)
    assert len(axes.patches[0].get_data().values) == 9


def test_what_no_panel_can_show_is_one_sentence():
    x, y = own_data("")
    with pytest.raises(SnnlabError, match="a network without delays: Linear has no DelayLinear"):
        NetworkView(nn.Linear(2, 2), 10.0)
    with pytest.raises(SnnlabError, match="hertz: has 3 frequencies for 6 inputs"):
        NetworkView(own_network("recurrent"), 10.0, np.arange(3.0))
    network = NetworkView(own_network("recurrent"), 10.0)
    with pytest.raises(SnnlabError, match="class_names: has 2 names for labels up to 2"):
        RecordingViewer(network, DenseSet(x, y), ("a", "b"))

    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = DelayLinear(N_IN, CLASSES, 2), DelayLinear(2, 2, 2)

        def forward(self, x):
            return self.used(x, steps=12).sum(0)

    with pytest.raises(SnnlabError, match="Idle: its forward does not call idle, neither as a mod"):
        simulate(Idle(), x[:, 0])


@ALL
def test_the_monitor_shows_its_delays_and_the_spikes_that_it_knows(name):
    snapshots = []

    class Look(Callback):
        def on_epoch_end(self, progress):
            snapshots.append(take_snapshot(progress))

    net, data = own_network(name), DenseSet(*own_data(name))
    fit(net, data, data, RECIPE, progress=False, callbacks=[Look()])
    snapshot = snapshots[-1]
    assert [*snapshot.delays] == [*delay_layers(net)]
    longest = max(layer.max_delay for layer in delay_layers(net).values())
    assert (snapshot.max_delay, snapshot.unit) == (longest, "steps")
    # The neurons of "adaptive" are not modules of their own
    neurons = {"recurrent": HIDDEN, "convolutional": CLASSES, "spikingjelly": HIDDEN}.get(name)
    assert [raster.shape for raster in snapshot.rasters.values()] == (
        [(10, neurons)] if neurons else []
    )
    if neurons:
        raster = snapshot.rasters["layer 1"]
        assert set(np.unique(raster)) <= {0, 1}
        assert raster.any() or name == "convolutional"  # whose batch norm has seen six steps
        assert snapshot.rates["layer 1"].shape == (neurons,)
    figure = plots.figure(9.5, 4.6)[0]
    figure.clear()
    text, _ = MonitorView(figure, snapshot).draw(snapshot, snapshots[0].delays)
    for place in delay_layers(net):
        assert f"delays of {place}: " in text
