"""Notebook 05 on networks that somebody else trained, `DelayNet`s and others."""

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import own_networks
import pytest
import torch
from own_networks import CLASSES, NETWORKS, own_data, own_network

from notebooks import FOLDER, code_cells, has_tag
from snnlab._utils.errors import SnnlabError
from snnlab.course.config import resolve
from snnlab.course.exploring_delays import frequencies, recordings_for
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.encoding.cochlea import centre_frequencies
from snnlab.data.registry import load_dataset
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.runs.result import load_result
from snnlab.training import checkpoints
from snnlab.training.trainer import fit

EXPLORING = "05_exploring_delays"


@pytest.mark.parametrize(
    ("shape", "given", "words"),
    [
        ((16, 20), {}, "20 classes apart by 16 inputs, which do not fit .*divisor of the 700 .*14"),
        ((70, 5), {}, "5 classes apart by 70 inputs, and data = 'spoken-digits' has 20 classes; g"),
        ((70, 20), {"data": "gsc", "features": "paper"}, "20 classes .* do not fit data = .* 140"),
    ],
)
def test_a_network_of_another_task_is_refused_before_anything_is_shown(shape, given, words):
    net = DelayNet(shape[0], (3,), shape[1], max_delay=2)
    config = resolve(EXPLORING, profile="tiny", checkpoint="net.pt", **given)
    with pytest.raises(SnnlabError, match=f"^checkpoint: its network tells {words}"):
        recordings_for(net, config, 10.0)


def test_the_network_decides_the_inputs_of_the_recordings_that_it_is_explored_on():
    config = resolve(EXPLORING, profile="tiny", checkpoint="net.pt")
    data = recordings_for(DelayNet(35, (3,), 20, max_delay=2), config, 10.0)
    assert data.test.batch(torch.tensor([0]))[0].shape[-1] == 35


def in_hertz(n_in, *, channels=700, **given):
    config = resolve(EXPLORING, profile="tiny", checkpoint="net.pt", **given)
    net = DelayNet(n_in, (3,), 20, max_delay=2)
    return frequencies(net, config, SimpleNamespace(channels=channels))


def test_frequencies_are_those_of_the_groups():
    hertz = centre_frequencies()
    assert np.allclose(in_hertz(700), hertz)
    grouped = in_hertz(70)
    assert grouped.shape == (70,) and (np.diff(grouped) < 0).all()
    assert hertz[0] > grouped[0] > hertz[9] and hertz[690] > grouped[-1] > hertz[699]
    assert in_hertz(350)[0] == pytest.approx((hertz[0] * hertz[1]) ** 0.5)
    assert in_hertz(70, channels=140) is None


def test_frequencies_of_features_rise_evenly_on_the_mel_scale():
    mel = 2595 * np.log10(1 + in_hertz(40, data="gsc", features="sane") / 700)
    low, high = 2595 * np.log10(1 + np.array([50, 4000]) / 700)
    assert np.allclose(mel, np.linspace(low, high, 42)[1:-1])


def test_inputs_that_the_checkpoint_does_not_have_are_refused():
    config = resolve(EXPLORING, profile="tiny", checkpoint="net.pt", n_in=14)
    with pytest.raises(SnnlabError, match="n_in = 14: .* has 35 inputs; leave n_in out"):
        recordings_for(DelayNet(35, (3,), 20, max_delay=2), config, 10.0)


def explore(capsys, **given):
    """Execute the code of notebook 05 here, and return what it printed and its result."""
    variables = {"display": lambda panel: None}
    cells = code_cells(nbformat.read(FOLDER / f"{EXPLORING}.ipynb", 4))
    for cell in cells:
        if not has_tag(cell, "exercise") and not has_tag(cell, "solution"):
            exec(compile(cell.source, cell.id, "exec"), variables)  # noqa: S102
        if has_tag(cell, "parameters"):
            variables |= {"profile": "tiny", "out": "out", "recordings": 0, **given}
    return capsys.readouterr().out, load_result(Path("out")).results[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(own_networks.__file__).parent)
    return tmp_path


def spikes(name):
    x, y = own_data(name, n=60)
    return DenseSet((x > 0.7).float(), y, dt_ms=10.0)


MODELS = {
    "recurrent": "own_networks:Recurrent",
    "convolutional": "own_networks:Convolutional",
    "adaptive": "own_networks:Adaptive",
    "spikingjelly": "own_networks:spiking_jelly",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_notebook_05_explores_a_network_of_ones_own(name, folder, capsys):
    data = spikes(name)
    data.save("./mine")
    net = own_network(name)
    fit(net, data, data, DelayRecipe(epochs=2, batch_size=20, device="cpu"), checkpoint="c.pt")
    printed, result = explore(capsys, checkpoint="c.pt", model=MODELS[name], data="./mine")
    assert result["variant"] == type(net).__name__ and 0 <= result["test_accuracy"] <= 1
    assert "only X is known" in printed and "the longest delay is" in printed


@pytest.mark.parametrize(
    "shape",
    [
        dict(delay_kind="axo-dendritic", max_delay=12),
        dict(max_delay=(0, 12)),
        dict(weight_bits=2, max_delay=12),
        dict(weight_bits=4, n_connections=5, kernel_count=2, max_delay=12),
    ],
)
def test_notebook_05_explores_hardly_trained_networks(shape, folder, capsys):
    data = load_dataset("spoken-digits", dt_ms=20, n_in=70)
    torch.manual_seed(0)
    net = DelayNet(70, (16,), 20, tau=1.5, dropout=0.1, **shape)
    recipe = DelayRecipe(epochs=2, batch_size=64, device="cpu")
    fit(net, data.train, data.valid, recipe, checkpoint="c.pt")
    printed, _ = explore(capsys, checkpoint="c.pt")
    assert "all that arrive" in printed


def own_delay_net(change=lambda net: None, seed=0, **shape):
    """Save a network that was not trained as c.pt, and spikes that it can be explored on."""
    torch.manual_seed(seed)
    arguments = dict(max_delay=4, tau=2.0, dt_ms=10) | shape
    net = DelayNet(6, (5, 4), CLASSES, **arguments)
    with torch.no_grad():
        change(net)
    checkpoints.save("c.pt", network=net.config, best=net.state_dict())
    DenseSet(torch.ones(12, 20, 6), torch.arange(20) % CLASSES, dt_ms=10.0).save("./mine")


def at_threshold(net):
    """Let the spikes of six inputs add up to the threshold, or not, depending on their order."""
    weight = net.synapses[0].weight.abs_()
    weight /= weight.sum(1, keepdim=True)
    net.norms[0].running_var.fill_(1 - 1e-5)


@pytest.mark.parametrize(
    ("change", "shape", "words"),
    [
        (lambda net: net.norms[0].bias.fill_(-1e3), {}, "all that arrive: "),
        (lambda net: net.norms[0].weight.mul_(1e6), {}, "all that arrive: "),
        (lambda net: net.synapses[0].weight[0].zero_(), {}, "these two: "),
        (at_threshold, {"tau": 1.000001, "seed": 7}, "these two: "),
        (lambda net: net.synapses[0].P.fill_(0.0), {}, "this one: "),
        (lambda net: None, {"n_connections": 1}, "this one: "),
    ],
    ids=["dead", "huge", "pruned", "threshold", "equal", "single"],
)
def test_notebook_05_explores_networks_in_which_little_happens(
    change, shape, words, folder, capsys
):
    own_delay_net(change, **shape)
    printed, result = explore(capsys, checkpoint="c.pt", data="./mine")
    assert words in printed and "test_accuracy" in result


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda net: net.norms[0].weight.zero_(), {}),
        (lambda net: net.synapses[0].P.fill_(-30.0), {"max_delay": 60, "tail": 0}),
    ],
    ids=["no gain", "too late"],
)
def test_a_network_in_which_no_spike_arrives_is_refused_in_a_sentence(
    change, shape, folder, capsys
):
    own_delay_net(change, **shape)
    with pytest.raises(SnnlabError, match="^no spike of this recording arrives in the first layer"):
        explore(capsys, checkpoint="c.pt", data="./mine")


def test_a_layer_without_weights_is_refused_before_anything_is_shown(folder, capsys):
    own_delay_net(lambda net: net.synapses[1].weight.zero_())
    with pytest.raises(SnnlabError, match="^checkpoint: all weights of its layer 2 are 0, .* Pru"):
        explore(capsys, checkpoint="c.pt", data="./mine")


def test_a_recording_without_spikes_is_refused_in_a_sentence(folder, capsys):
    own_delay_net()
    DenseSet(torch.zeros(12, 20, 6), torch.arange(20) % CLASSES, dt_ms=10.0).save("./mine")
    with pytest.raises(SnnlabError, match="^recording 0: has no spike; .* Choose another sample"):
        explore(capsys, checkpoint="c.pt", data="./mine", sample=0)


def test_notebook_05_explores_parameters_alone(folder, capsys):
    net = own_network("recurrent")
    torch.save(net.state_dict(), "state.pt")
    spikes("recurrent").save("./mine")
    given = {"model": MODELS["recurrent"], "data": "./mine"}
    printed, result = explore(capsys, checkpoint="state.pt", dt_ms=10.0, **given)
    assert result["variant"] == "Recurrent" and "test_accuracy" in result
    assert "state.pt does not say how its delays moved" in printed
    with pytest.raises(SnnlabError, match="does not say how long a time step is"):
        explore(capsys, checkpoint="state.pt", **given)


def test_notebook_05_leaves_out_what_a_bare_layer_cannot_show(folder, capsys):
    Path("bare.py").write_text(
        "from snnlab import DelayLinear\n\n\ndef layer():\n    return DelayLinear(6, 5, 4)\n"
    )
    torch.manual_seed(0)
    torch.save(DelayLinear(6, 5, 4).state_dict(), "layer.pt")
    spikes("").save("./mine")
    printed, result = explore(
        capsys, checkpoint="layer.pt", model="bare:layer", data="./mine", dt_ms=10.0
    )
    assert result["variant"] == "DelayLinear" and "test_accuracy" not in result
    sentence = (
        r"^No accuracies are measured. DelayLinear: gives output .*: sum its scores over time"
    )
    assert len(re.findall(sentence, printed, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nowhere:Net", "nowhere:Net: expected module:NAME, a module that Python finds"),
        ("own_networks", "own_networks: expected module:NAME"),
        ("own_networks:Recurent", "own_networks:Recurent cannot be imported .*no attribute"),
        ("own_networks:own_data", "cannot be called without arguments .*: 'name'.; exp"),
        ("own_networks:no_network", "gives dict; expected a torch.nn.Module"),
    ],
)
def test_a_model_that_builds_no_network_is_refused(folder, capsys, model, words):
    torch.save(DelayLinear(6, CLASSES, 4).state_dict(), "layer.pt")
    with pytest.raises(SnnlabError, match=words):
        explore(capsys, checkpoint="layer.pt", model=model, dt_ms=10.0)


def test_another_function_of_the_same_file_is_another_run(folder):
    torch.save(DelayLinear(6, CLASSES, 4).state_dict(), "layer.pt")
    first, second = (
        resolve(EXPLORING, profile="tiny", checkpoint="layer.pt", model=model).deciding()
        for model in ("own_networks:Recurrent", "own_networks:Adaptive")
    )
    assert {name for name in first if first[name] != second[name]} == {"model"}
