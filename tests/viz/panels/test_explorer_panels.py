"""Panels of a network with delays: their artists and alt texts, and no trace of earlier values."""

import re

import numpy as np
import pytest
import torch
from matplotlib.artist import Artist

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet
from snnlab.delays.snapshots import DelayTrajectory
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.viz.panels.ablation import AblationResults, ablation_panel
from snnlab.viz.panels.arrivals import arrivals_panel
from snnlab.viz.panels.network_view import NetworkView, RecordingViewer
from snnlab.viz.panels.synapses import SynapsesPlot, synapses_panel
from snnlab.viz.plots import figure
from snnlab.viz.widgets.panel import BACKGROUNDS, Slider, interact

WORDS = ("no", "yes", "perhaps")


@pytest.fixture
def network():
    """A network: 10 inputs of falling frequency, two hidden layers, 3 classes, 10 ms steps."""
    torch.manual_seed(0)
    net = DelayNet(10, (6, 4), 3, max_delay=5, tau=1.5).eval()
    for norm in net.norms:
        norm.running_var.fill_(0.2)
        norm.bias.data.fill_(0.3)
    return NetworkView(net, 10.0, np.geomspace(8000, 200, 10))


@pytest.fixture
def viewer(network):
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(20, 8, 10, generator=generator) < 0.2).float()
    return RecordingViewer(network, DenseSet(x, torch.arange(8) % 3), WORDS)


def trajectories(net):
    found = []
    for layer in delay_layers(net).values():
        neurons, inputs = np.divmod(np.arange(layer.weight.numel()), layer.in_features)
        end = 10 * layer.delay.flatten().numpy()
        found.append(
            DelayTrajectory(np.arange(3), neurons, inputs, np.stack([end - 10, end - 5, end]))
        )
    return found


def alt(panel):
    return re.search('alt="([^"]*)"', panel.image.value)[1].replace("&quot;", '"')


def picture(panel):
    return re.search('base64,([^"]*)', panel.image.value)[1]


def test_pruned_synapses_are_not_drawn_and_a_neuron_without_any_is_named(network):
    paths = trajectories(network.net)
    first = network.net.synapses[0]
    first.prune(0.2)  # 12 of 60
    first.weight.data[2] = 0
    for neuron in range(6):
        fig, _ = figure(8, 5)
        fig.clear()
        drawing = SynapsesPlot(fig, network, paths)
        alt_text, columns = drawing.draw(layer="layer 1", neuron=neuron)
        left = int(first.connections[neuron].sum())
        assert sum(len(line.get_xdata()) for line in drawing.points) == left
        assert (
            sum(len(line.get_xdata()) > 0 for line in drawing.paths)
            == left
            == len(columns["weight"])
        )
        if neuron == 2:
            assert alt_text.startswith("Neuron 2 of layer 1: all its synapses were pruned.")
    assert 0 < int(first.connections.sum()) <= 12


def test_the_synapses_are_where_their_delays_and_frequencies_are(network):
    fig, _ = figure(8, 5)
    fig.clear()
    drawing = SynapsesPlot(fig, network, trajectories(network.net))
    alt_text, columns = drawing.draw(layer="layer 1", neuron=2)
    weight, delay = (
        value[2, :, 0].detach().numpy()
        for value in (network.net.synapses[0].weight, network.net.synapses[0].delay)
    )
    red, blue = drawing.points
    assert np.allclose(red.get_xdata(), 10 * delay[weight > 0]) and np.allclose(
        red.get_ydata(), weight[weight > 0]
    )
    assert np.allclose(blue.get_xdata(), 10 * delay[weight < 0]) and np.allclose(
        blue.get_ydata(), weight[weight < 0]
    )
    excite = np.flatnonzero(weight > 0)
    expected = np.stack([10 * delay[excite], 9 - excite], 1)  # input 0 is the highest
    offsets = np.asarray(drawing.strongest[0].get_offsets())
    assert np.allclose(offsets[offsets[:, 1].argsort()], expected[::-1], atol=1e-3)
    kernel = network.net.synapses[0].kernel()[2].detach().numpy()
    assert np.allclose(drawing.kernel.get_array(), kernel[::-1], atol=1e-6)
    assert (
        len(drawing.paths) == 12
        and [len(line.get_xdata()) for line in drawing.paths] == [3] * 10 + [0] * 2
    )
    first = drawing.paths[0].get_ydata()
    strongest = np.abs(weight).argmax()
    assert np.allclose(first, 10 * delay[strongest] - [10, 5, 0], atol=1e-4)
    top = f"{network.hertz[strongest] / 1000:.2g} kHz ({weight[strongest]:+.2f}"
    assert f"Strongest: the input at {top} after {10 * delay[strongest]:.0f} ms" in alt_text
    assert f"{(weight > 0).sum()} synapses excite, {(weight < 0).sum()} inhibit" in alt_text
    assert "moved by 10 ms on average" in alt_text
    assert columns["strongest"][0] == f"the input at {network.hertz[strongest] / 1000:.2g} kHz"
    assert columns["weight"][0] == pytest.approx(weight[strongest], abs=6e-4)
    assert columns["delay (ms)"][0] == pytest.approx(10 * delay[strongest], abs=0.06)


def test_no_neuron_leaves_a_trace_on_the_next(network):
    panel = synapses_panel(network, trajectories(network.net))
    first = picture(panel), alt(panel)
    panel.controls["neuron"].value = 3
    assert picture(panel) != first[0] and alt(panel).startswith("Neuron 3 of layer 1")
    panel.controls["layer"].value = "layer 2"
    ways = [len(line.get_xdata()) for line in panel._draw.__self__.paths]
    assert ways == [3] * 6 + [0] * 6  # those of the 10 inputs before are gone
    assert "neuron" in alt(panel).split("Strongest: ")[1] and "kHz" not in alt(panel)
    panel.controls["layer"].value, panel.controls["neuron"].value = "layer 1", 0
    assert (picture(panel), alt(panel)) == first


def test_the_last_neuron_follows_the_layer_and_no_picture_is_refused(network, viewer):
    for panel in (synapses_panel(network), arrivals_panel(viewer)):
        layer, neuron, images = panel.controls["layer"], panel.controls["neuron"], []
        before = panel.image.value
        panel.image.observe(lambda change, images=images: images.append(change.new), names="value")
        neuron.value = 5
        layer.set_state({"index": 1})  # as a message of the browser does
        assert (neuron.max, neuron.value) == (3, 3) and "neuron 3 of layer 2" in alt(panel).lower()
        layer.value = "readout"
        assert (neuron.max, neuron.value) == (2, 2)
        layer.value = "layer 1"
        assert (neuron.max, neuron.value) == (5, 2)
        neuron.value = 0
        assert panel.image.value == before
        assert not any("alert" in image for image in images)


def test_without_movements_there_is_no_picture_of_them(network):
    panel = synapses_panel(network, live=False)
    assert "moved" not in panel.static.alt and not panel.controls


def test_spikes_are_drawn_where_they_arrive(viewer):
    panel = arrivals_panel(viewer, neuron=1, sample=4)
    drawing = panel._draw.__self__
    for share in (100, 0):
        panel.controls["share"].value = share
        now = viewer.arrivals(4, 0, 1, share / 100)
        for sign, marks in zip((1, -1), drawing.spikes, strict=True):
            kind = now.push * sign > 0
            expected = np.stack([now.arrived_ms[kind], 9 - now.source[kind]], 1)
            assert np.allclose(marks.get_offsets(), expected)
        assert np.allclose(drawing.charge.get_ydata(), now.charge)
        bars = drawing.bars[0].get_xdata()[::3]
        assert np.allclose(bars, now.fired_ms)
        counts = [now.fired_ms.size, viewer.arrivals(4, 0, 1, 0.0).fired_ms.size]
        assert [int(n) for n in re.findall(r"fires? (\d+) time", alt(panel))] == counts
    assert alt(panel).startswith('"yes" at neuron 1 of layer 1 with 0 % of each delay: ')
    shown, whole = panel.static.numbers, viewer.arrivals(4, 0, 1, 1.0)
    assert list(shown["time (ms)"][:2]) == [0, 10] and np.allclose(
        shown["membrane"], whole.charge, atol=0.006
    )
    assert np.allclose(shown["without delays"], now.charge, atol=0.006)


def test_another_recording_and_layer_and_back(viewer):
    panel = arrivals_panel(viewer)
    first = panel.image.value
    panel.controls["sample"].value = 2
    assert alt(panel).startswith('"perhaps"')
    panel.controls["layer"].value = "readout"
    assert "a readout never fires" in alt(panel)
    view, legend = panel._draw.__self__, panel._draw.__self__.below.get_legend()
    entries = [*zip(legend.get_texts(), legend.legend_handles, strict=True)]
    shown = [text.get_text() for text, line in entries if text.get_visible() and line.get_visible()]
    assert shown == ["membrane", "without delays"]
    charge = viewer.sample(2)[0].charge[-1]
    assert view.above.get_ylim() == (-0.5, 3.5) and view.above.get_ylabel() == "neuron of layer 2"
    assert view.below.get_ylim()[0] < charge.min() and charge.max() < view.below.get_ylim()[1]
    panel.controls["layer"].value, panel.controls["sample"].value = "layer 1", 0
    assert panel.image.value == first


def test_a_membrane_that_ends_just_below_zero_is_said_to_end_at_zero(viewer):
    assert -0.05 < viewer.arrivals(0, 2, 1).charge[-1] < 0
    panel = arrivals_panel(viewer, live=False)
    alt_text, _ = panel._draw(layer="readout", neuron=1, sample=0, share=100)
    assert "the membrane ends at 0.0; " in alt_text


def test_unknown_recordings_and_classes_are_refused(network, viewer):
    with pytest.raises(SnnlabError, match="recording 8: expected 0 to 7"):
        viewer.sample(8)
    with pytest.raises(SnnlabError, match="tells 3 classes apart, and these recordings have 2"):
        RecordingViewer(network, viewer.recordings, WORDS[:2])


def test_treatments_are_measured_once_and_said(network, viewer, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "snnlab.viz.panels.ablation.evaluate",
        lambda net, test: calls.append(net) or type("", (), {"accuracy": 0.25 * len(calls)}),
    )
    panel = ablation_panel(AblationResults(network, viewer.recordings), treatment="all zero")
    assert len(calls) == 2  # the learned one to compare with
    assert alt(panel).startswith(
        "Delays of all layers: all zero, every delay times 1. In layer 1, 100.0 % of the synapses "
        "are at 0 ms, 0.0 % at 50 ms. Accuracy 50.0% on 8 recordings; "
    )
    assert "with the learned delays, rounded, 25.0%" in alt(panel)
    shown = panel.static.numbers
    assert list(shown["delay (ms)"]) == [0, 10, 20, 30, 40, 50]
    assert list(shown["now (%)"]) == [100, 0, 0, 0, 0, 0]
    assert sum(shown["learned (%)"]) == pytest.approx(100, abs=0.3)
    panel.controls["layer"].value = "readout"
    assert len(calls) == 2 and "all zero, every delay times 1. In readout, 100" in alt(panel)
    panel.controls["percent"].value, panel.controls["treatment"].value = 200, "rounded"
    whole = (2 * network.net.synapses[2].delay).clamp(max=5).round()
    assert f"{100 * (whole == 5).double().mean():.1f} % at 50 ms" in alt(panel)
    assert len(calls) == 4


def test_every_control_says_what_it_is(network, viewer):
    panels = [
        synapses_panel(network),
        arrivals_panel(viewer),
        ablation_panel(AblationResults(network, viewer.recordings)),
    ]
    for widget in (widget for panel in panels for widget in panel.controls.values()):
        assert widget.description and len(widget.tooltip) > 10


def test_a_panel_keeps_the_backgrounds_it_had():
    drawn = []

    def prepare(fig):
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], animated=True)
        ax.set_autoscale_on(False)
        ax.add_artist(Counted(drawn))

        def draw(*, level):
            ax.set_ylim(0, level)
            return f"A line, up to {level}."

        return draw

    panel = interact(prepare, level=Slider(1, 1, 20, 1, "level", "tip"))
    shown = {1: panel.image.value}
    for level in (2, 3, 1, 2):
        panel.controls["level"].value = level
        shown.setdefault(level, panel.image.value)
        assert panel.image.value == shown[level]
    assert len(drawn) == 3
    for level in range(4, 4 + BACKGROUNDS):
        panel.controls["level"].value = level
    panel.controls["level"].value = 1
    assert panel.image.value == shown[1] and len(drawn) == 4 + BACKGROUNDS


class Counted(Artist):
    """Counts how often the background is drawn."""

    def __init__(self, drawn):
        super().__init__()
        self.drawn = drawn

    def draw(self, renderer):
        self.drawn.append(1)
