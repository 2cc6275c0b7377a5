"""Exported networks give the spikes of the network itself, and files that cannot be are refused."""

import sys

import numpy as np
import pytest
import torch
from delay_nets import random_net, save_network
from exported import arrays_file, assert_same, reference, run_npz, run_script
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.delays.export import nir_import, nir_reader
from snnlab.delays.export.export import export_network
from snnlab.delays.export.plain import describe
from snnlab.delays.loading import convert_file, open_network
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.neurons import LIF

nir = pytest.importorskip("nir")
# Brian2 calls pyparsing by old names
OLD_NAMES = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KINDS = ("synaptic", "axonal", "dendritic", "axo-dendritic")


@pytest.fixture
def brian2():
    return pytest.importorskip("brian2")


def spiking_net(**settings):
    net = random_net(**{"dt_ms": 10.0, "max_delay": 7} | settings)
    for synapses in net.synapses:
        synapses.weight.data *= 3
    return net


def recording(n_in=12, steps=40, seed=0):
    return np.random.default_rng(seed).poisson(0.3, (steps, n_in)).astype(float)


def spikes_of_each_layer(net, x):
    expected = reference(net, x)
    assert all(0.05 < layer.mean() < 0.6 for layer in expected[0])  # or nothing is compared
    return expected


@pytest.mark.parametrize(
    "settings",
    [
        *({"delay_kind": kind} for kind in KINDS),
        {"kernel_count": 2},
        {"n_connections": 5, "tail": 3},
        {"max_delay": (7, 0, 2), "tau": (2.5, (1.2,) * 3 + (3.1,) * 4, 1.7)},
        {"delay_mode": "fixed", "max_delay": 1},
        {"weight_bits": 3, "delay_bits": 2},
    ],
    ids=str,
)
def test_plain_arrays_and_nir_give_the_same_spikes(settings, tmp_path):
    net, x = spiking_net(**settings), recording()
    expected = spikes_of_each_layer(net, x)
    plain = export_network(net, tmp_path / "net.npz", to="npz")
    assert_same(run_npz(tmp_path / "net.npz", x), expected)
    export_network(net, tmp_path / "net.nir", to="nir")
    again = nir_reader.read(tmp_path / "net.nir")
    assert (again.n_in, again.dt_ms, again.tail) == (plain.n_in, plain.dt_ms, plain.tail)
    assert_same(run_npz(arrays_file(again, tmp_path), x), expected)


def test_an_empty_recording_without_a_tail_has_one_step(tmp_path):
    net, x = spiking_net(tail=0), np.zeros((5, 12))
    export_network(net, tmp_path / "net.npz", to="npz")
    assert_same(run_npz(tmp_path / "net.npz", x), reference(net, x))


@OLD_NAMES
@pytest.mark.parametrize("x", [recording(), np.zeros((5, 12)), recording() * 0.7 - 0.1])
def test_brian2_gives_the_same_spikes(x, tmp_path, brian2):
    net = spiking_net()
    export_network(net, tmp_path / "net.py", to="brian2")
    assert_same(run_script(tmp_path / "net.py")(x), reference(net, x))


@OLD_NAMES
def test_brian2_runs_a_layer_without_synapses(tmp_path, brian2):
    net, x = spiking_net(), recording()
    net.synapses[1].weight.data.zero_()
    export_network(net, tmp_path / "net.py", to="brian2")
    assert_same(run_script(tmp_path / "net.py")(x), reference(net, x))


@OLD_NAMES
@pytest.mark.parametrize("x", [np.full((5, 12), np.nan), np.ones((5, 11)), np.ones(12)])
def test_brian2_refuses_what_is_no_recording(x, tmp_path, brian2):
    export_network(spiking_net(), tmp_path / "net.py", to="brian2")
    with pytest.raises(ValueError, match=r"expected finite numbers \(T, 12\)"):
        run_script(tmp_path / "net.py")(x)


def test_onnx_gives_the_same_spikes(tmp_path):
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    net, x = spiking_net(), recording()
    export_network(net, tmp_path / "net.onnx", to="onnx")
    expected = spikes_of_each_layer(net, x)
    padded = np.zeros((len(expected[1]), 12))
    padded[: len(x)] = x[: len(padded)]
    *spikes, potentials = evaluator(str(tmp_path / "net.onnx")).run(None, {"spikes": padded})
    assert_same((spikes, potentials), expected)


def test_weights_and_delays_of_few_bits_are_exported_as_they_are():
    net = spiking_net(weight_bits=3, delay_bits=2, max_delay=10)
    for plain, norm in zip(describe(net).layers, [*net.norms, None], strict=True):
        scale = np.ones(len(plain.bias))
        if norm is not None:
            variance = norm.running_var.double() + norm.eps
            scale = (norm.weight / variance.sqrt()).detach().numpy()
        levels = plain.weight / scale[plain.target]
        for neuron in range(len(plain.bias)):
            steps = levels[plain.target == neuron]
            steps = steps / np.abs(steps).max() * 3
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
            assert 0 not in np.round(steps)  # synapses of weight 0 are left out
        assert {*plain.delay} == {0, 3, 7, 10}


def test_batch_norm_is_folded_by_hand():
    net = DelayNet(1, [1], 1, max_delay=2, tau=2.0, dt_ms=1).eval()
    norm = net.norms[0]
    norm.running_mean.fill_(0.5)
    norm.running_var.fill_(4 - norm.eps)
    norm.weight.data.fill_(3)
    norm.bias.data.fill_(0.25)
    net.synapses[0].weight.data.fill_(2)
    hidden = describe(net).layers[0]
    assert hidden.weight == pytest.approx(2 * 3 / 2)
    assert hidden.bias == pytest.approx(0.25 - 0.5 * 3 / 2)


@pytest.mark.parametrize(
    ("trained", "steps"), [(1.5, 2), (2.5, 2), (0.49, 0), (7.9, 4), (-3.0, 0), (4.0, 4), (3.51, 4)]
)
def test_delays_are_rounded_and_clamped_as_by_discretise(trained, steps, tmp_path):
    """Halves go to the even step, and the largest delay of 4 steps is 4, not 3 or 5."""
    net = DelayNet(1, [1], 1, max_delay=4, tau=2.0, dt_ms=2.5).eval()
    net.synapses[0].delay = torch.full((1, 1, 1), trained)
    export_network(net, tmp_path / "net.nir", to="nir")
    for plain in (describe(net), nir_reader.read(tmp_path / "net.nir")):
        assert plain.layers[0].delay.tolist() == [steps]
    assert discretise(net).synapses[0].delay.item() == steps
    nodes = nir.read(tmp_path / "net.nir").nodes
    seconds = nodes["layer0_delay0"].delay if steps else np.zeros(1)
    assert seconds == pytest.approx(steps * 0.0025)


@OLD_NAMES
def test_an_impulse_arrives_after_the_largest_delay(tmp_path, brian2):
    """By hand: through delays of 4 and 3 steps, a spike of step 1 reaches the readout in step 8."""
    net = DelayNet(1, [1], 1, max_delay=4, tau=2.0, dt_ms=1).eval()
    for synapses, delay in zip(net.synapses, (4.0, 3.0), strict=True):
        synapses.weight.data.fill_(1.5)
        synapses.delay = torch.full((1, 1, 1), delay)
    x = np.zeros((6, 1))
    x[1] = 1
    for to, run in (("npz", run_npz), ("brian2", lambda file, x: run_script(file)(x))):
        export_network(net, tmp_path / to, to=to, overwrite=True)
        (spikes,), potentials = run(tmp_path / to, x)
        assert spikes.nonzero()[0].tolist() == [5]
        assert potentials[:, 0] == pytest.approx([0] * 6)  # it ends 4 steps after the last spike
    net = DelayNet(1, [1], 1, max_delay=4, tail=8, tau=2.0, dt_ms=1).eval()
    for synapses, delay in zip(net.synapses, (4.0, 3.0), strict=True):
        synapses.weight.data.fill_(1.5)
        synapses.delay = torch.full((1, 1, 1), delay)
    export_network(net, tmp_path / "npz", to="npz", overwrite=True)
    assert run_npz(tmp_path / "npz", x)[1][:, 0] == pytest.approx([0] * 8 + [1.5, 0.75])


def test_a_delay_a_channel_is_one_delay_node(tmp_path):
    nodes = {}
    for kind in KINDS[:3]:
        net = spiking_net(delay_kind=kind)
        export_network(net, tmp_path / kind, to="nir")
        nodes[kind] = nir.read(tmp_path / kind).nodes
        assert nodes[kind]["input"].input_type["input"].tolist() == [12]
        assert nodes[kind]["output"].output_type["output"].tolist() == [4]
    delays = {kind: [n for n in nodes[kind] if n.startswith("layer0_delay")] for kind in nodes}
    assert [len(delays[kind]) for kind in KINDS[:3]] == [7, 1, 1]  # none for a delay of 0
    axons = discretise(spiking_net(delay_kind="axonal")).synapses[0].delay.flatten() * 0.01
    assert nodes["axonal"]["layer0_delay0"].delay == pytest.approx(axons.numpy())


def test_import_opens_in_the_explorer(tmp_path):
    net, x = spiking_net(kernel_count=2, tau=(2.5, 1.7, (1.2, 1.2, 3.1, 3.1))), recording()
    export_network(net, tmp_path / "net.nir", to="nir")
    convert_file(nir_import.read_network, tmp_path / "net.nir", tmp_path / "net.pt")
    imported, dt_ms = open_network(tmp_path / "net.pt")
    assert dt_ms == 10
    assert_same(reference(imported, x), reference(net, x), tolerance=1e-4)


def chain(*nodes, edges=None, **metadata):
    """A graph of these nodes, one after the other."""
    names = {f"n{i}": node for i, node in enumerate(nodes)}
    if edges is None:
        edges = [*zip(names, [*names][1:], strict=False)]
    return nir.NIRGraph(names, edges, type_check=False, metadata=metadata)


def lif(n=2, **changes):
    ones = np.ones(n)
    return nir.LIF(
        **{"tau": 0.02 * ones, "r": ones, "v_leak": 0 * ones, "v_threshold": ones} | changes
    )


def li(n=2, tau=0.02):
    return nir.LI(tau=np.full(n, tau), r=np.ones(n), v_leak=np.zeros(n))


def graph(*, between=None, neurons=None, last=None, **metadata):
    """An input of 3 channels, a delay and weights, LIF neurons, weights, a readout."""
    middle = between or [nir.Delay(np.array([0.0, 0.01, 0.025])), nir.Linear(np.ones((2, 3)))]
    nodes = [nir.Input(np.array([3])), *middle, neurons or lif(), nir.Linear(np.ones((2, 2)))]
    return chain(*nodes, *(last or [li()]), nir.Output(np.array([2])), **metadata)


def test_a_foreign_file_is_read_in_steps(tmp_path):
    """tau = 20 ms is 2 steps of 10 ms; an input resistance of 1 halves the weights; 25 ms is 2."""
    nir.write(tmp_path / "a.nir", graph())
    hidden = nir_reader.read(tmp_path / "a.nir", dt_ms=10).layers[0]
    assert hidden.delay.tolist() == [0, 1, 2] * 2
    assert (hidden.tau.tolist(), hidden.weight.tolist()) == ([2, 2], [0.5] * 6)
    assert (hidden.threshold > 1).all()  # NIR's neurons fire above it


def test_a_single_value_stands_for_all_neurons(tmp_path):
    between = [nir.Delay(np.array([0.01])), nir.Linear(np.ones((2, 3)))]
    nir.write(tmp_path / "a.nir", graph(between=between))
    assert nir_reader.read(tmp_path / "a.nir", dt_ms=10).layers[0].delay.tolist() == [1] * 6


def without_a_node():
    made = graph()
    made.edges.append(("n5", "n9"))
    return made


def recurrent():
    edges = [("n0", "n1"), ("n1", "n2"), ("n2", "n1"), ("n2", "n3")]
    return chain(
        nir.Input(np.array([2])),
        nir.Linear(np.ones((2, 2))),
        lif(),
        nir.Output(np.array([2])),
        edges=edges,
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: graph(neurons=nir.IF(np.ones(2), np.ones(2))), "n3 is of the type IF"),
        (recurrent, "not one link of a chain"),
        (without_a_node, "from n5 to n9, and there is no node n9"),
        (lambda: graph(neurons=lif(v_leak=np.ones(2))), "v_leak other than 0"),
        (lambda: graph(neurons=lif(v_reset=np.ones(2))), "v_reset other than 0"),
        (
            lambda: graph(between=[nir.Delay(np.zeros(2)), nir.Linear(np.ones((2, 3)))]),
            r"shape \(2,\), expected \(3,\)",
        ),
        (lambda: graph(between=[nir.Delay(np.zeros(3))]), "0 nodes of weights"),
        (
            lambda: graph(between=[nir.Delay(np.full(3, -1.0)), nir.Linear(np.ones((2, 3)))]),
            "negative delays",
        ),
        (
            lambda: graph(between=[nir.Affine(np.ones((2, 3)), np.ones(2)), nir.Delay(np.ones(2))]),
            "bias is delayed",
        ),
        (lambda: graph(last=[lif()]), "got LIF, LIF"),
        (lambda: graph(between=[nir.Linear(np.ones((2, 3)))]), "has no delays"),
        (
            lambda: graph(neurons=lif(tau=np.full(2, 0.01)), last=[li(tau=0.01)]),
            "tau_ms larger than",
        ),
        (lambda: graph(neurons=lif(3)), "expected"),
        (
            lambda: graph(between=[nir.Delay(np.full(3, 1e19)), nir.Linear(np.ones((2, 3)))]),
            "more than 1,000,000 steps",
        ),
        (lambda: graph(neurons=lif(tau=np.zeros(2))), "n3: has a tau that is not above 0"),
        (lambda: graph(neurons=lif(v_threshold=np.zeros(2))), "threshold that is not above 0"),
        *(
            (
                lambda weight=weight: graph(
                    between=[nir.Delay(np.ones(3)), nir.Linear(np.full((2, 3), weight))]
                ),
                "synapses.0.weight holds values that are not finite",
            )
            for weight in (np.nan, 1e300)
        ),
    ],
)
def test_files_that_no_layer_fits_are_refused(made, message, tmp_path):
    file = tmp_path / "a.nir"
    nir.write(file, made())
    with pytest.raises(SnnlabError, match=message) as caught:
        convert_file(nir_import.read_network, file, tmp_path / "a.pt", dt_ms=10)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "a.pt").exists()


def test_a_file_without_a_time_step_or_content_is_refused(tmp_path):
    nir.write(tmp_path / "a.nir", graph())
    with pytest.raises(SnnlabError, match="give dt_ms"):
        nir_reader.read(tmp_path / "a.nir")
    (tmp_path / "b.nir").write_bytes(b"no file of HDF5")
    with pytest.raises(SnnlabError, match="cannot be read as a NIR graph"):
        nir_reader.read(tmp_path / "b.nir")
    with pytest.raises(SnnlabError, match="no such file"):
        nir_reader.read(tmp_path / "c.nir")
    with pytest.raises(SnnlabError, match="is a folder; a file in NIR was expected"):
        nir_reader.read(tmp_path)


def with_layer_norm():
    net = DelayNet(4, [3], 2, dt_ms=1)
    net.norms[0] = nn.LayerNorm(3)
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(DelayLinear(4, 3, 2), LIF(2.0)), "Sequential cannot be exported: in which"),
        (with_layer_norm(), r"norms.0 \(LayerNorm\) has no counterpart there. Export a spiking"),
        (DelayNet, "model: got type, expected a torch.nn.Module"),
        (DelayNet(4, [3], 2, neuron="relu", dt_ms=1), r"neurons.0 \(RampNeuron\) sends a ramp"),
        (DelayNet(4, [3], 2, padding="reference", dt_ms=1), "padding = 'reference'"),
        (DelayNet(4, [3], 2), "give dt_ms"),
        ("a network", "there is no such"),
    ],
)
def test_networks_that_cannot_be_exported_are_refused(net, message, tmp_path):
    with pytest.raises(SnnlabError, match=message):
        export_network(net, tmp_path / "out", to="npz")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("dt_ms", "message"),
    [
        *((bad, "^dt_ms = .*: expected a time step above 0 ms") for bad in (-1, np.nan, 0, "a")),
        (7, "^DelayNet: trained with steps of 10 ms, not of 7; leave dt_ms out, or give dt_ms"),
    ],
)
def test_a_time_step_that_the_network_does_not_have_is_refused(dt_ms, message, tmp_path):
    with pytest.raises(SnnlabError, match=message):
        export_network(spiking_net(), tmp_path / "out", to="npz", dt_ms=dt_ms)
    assert not [*tmp_path.iterdir()]


def test_files_are_not_replaced_and_a_missing_package_has_a_sentence(tmp_path, monkeypatch):
    save_network(tmp_path / "net.pt", spiking_net(), 0.5)
    out = tmp_path / "net.nir"
    out.write_text("mine")
    with pytest.raises(SnnlabError, match="exists already"):
        export_network(tmp_path / "net.pt", out, to="nir")
    with pytest.raises(SnnlabError, match="net.pt: exists already"):
        convert_file(nir_import.read_network, out, tmp_path / "net.pt")
    with pytest.raises(SnnlabError, match="is the file that is read"):
        export_network(tmp_path / "net.pt", tmp_path / "net.pt", to="npz", overwrite=True)
    with pytest.raises(SnnlabError, match="is the file that is read"):
        export_network(tmp_path, tmp_path / "net.pt", to="npz", overwrite=True)
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(SnnlabError, match=r'pip install "snnlab\[export\]"'):
        export_network(tmp_path / "net.pt", out, to="nir", overwrite=True)
    assert out.read_text() == "mine"
    with pytest.raises(SnnlabError, match="format"):
        export_network(tmp_path / "net.pt", out, to="nirr")
