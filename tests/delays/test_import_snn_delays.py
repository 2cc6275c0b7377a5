"""Checkpoints of SNN-delays: the imported network computes what the authors' code computes, and
nothing else is read.
"""

import os
import pickle
from itertools import pairwise

import pytest
import torch
from click.testing import CliRunner
from DCLS.construct.modules import Dcls1d
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.delays.ablation import discretise
from snnlab.delays.import_snn_delays import read
from snnlab.delays.loading import convert_file, open_network
from snnlab.delays.recipe import DelayRecipe
from snnlab.training import checkpoints
from snnlab.training.trainer import fit

TAPS, TAU = 9, 1.5


class Theirs(nn.Module):
    """The network of SNN-delays as its file describes it, put together from DCLS's and
    SpikingJelly's layers.
    """

    def __init__(self, sizes, kernel_count=1, *, delayed=True, taps=TAPS):
        super().__init__()
        self.delayed, self.taps, parts = delayed, taps, []
        for before, after in pairwise(sizes):
            if delayed:
                parts.append(
                    Dcls1d(
                        before,
                        after,
                        kernel_count,
                        dilated_kernel_size=taps,
                        bias=False,
                        version="gauss",
                    )
                )
            else:
                parts.append(layer.Linear(before, after, bias=False, step_mode="m"))
            readout = len(parts) == 4 * (len(sizes) - 2) + 1
            if not readout:
                parts.append(layer.BatchNorm1d(after, step_mode="m"))
            threshold = 1e9 if readout else 1.0
            parts.append(
                neuron.LIFNode(
                    TAU, False, threshold, 0.0, surrogate.ATan(5.0), True, "m", store_v_seq=True
                )
            )
            if not readout:
                parts.append(layer.Dropout(0.4, step_mode="m"))
        self.model = nn.Sequential(*parts)

    @property
    def synapses(self):
        return self.model[::4]

    def forward(self, x):
        """`(T, B, N_in)` to the spikes of each hidden layer and the potentials of the readout, all
        time first.
        """
        functional.reset_net(self)
        spikes = []
        for part in self.model:
            if isinstance(part, Dcls1d):
                padded = F.pad(x.permute(1, 2, 0), (self.taps - 1, (self.taps - 1) // 2))
                x = part(padded).permute(2, 0, 1)
            elif isinstance(part, layer.BatchNorm1d):
                x = part(x.unsqueeze(3)).squeeze(3)
            else:
                x = part(x)
                if isinstance(part, neuron.LIFNode):
                    spikes.append(x)
        return spikes[:-1], self.model[-1].v_seq

    @torch.no_grad()
    def evaluated(self):
        """As their evaluation changes it: whole positions, and a kernel without width."""
        for part in self.synapses if self.delayed else []:
            part.P.round_().clamp_(-(self.taps // 2), self.taps // 2)
            part.SIG.zero_()
            part.version = part.DCK.version = "max"
        return self


@torch.no_grad()
def trained(hidden=2, kernel_count=1, *, delayed=True, seed=0):
    """Random parameters that make every layer spike, positions clamped and of sigma 0.5, as after
    training.
    """
    torch.manual_seed(seed)
    net = Theirs([7, *[11] * hidden, 5], kernel_count, delayed=delayed).eval()
    for part in net.model:
        if isinstance(part, layer.BatchNorm1d):
            part.weight.uniform_(0.8, 1.5)
            part.bias.uniform_(-0.3, 0.3)
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.3, 1.0)
            part.num_batches_tracked.fill_(17)
    for part in net.synapses:
        part.weight.normal_(0, 0.6)
        if delayed:
            part.P.uniform_(-TAPS // 2, TAPS // 2).clamp_(-(TAPS // 2), TAPS // 2)
            part.SIG.fill_(0.23)
    return net


@pytest.fixture
def file(tmp_path):
    def write(net):
        torch.save(net.state_dict(), tmp_path / "theirs.pt")
        return tmp_path / "theirs.pt"

    return write


def counts(steps=24, batch=3, silence=0):
    torch.manual_seed(5)
    return F.pad(
        torch.poisson(torch.full((steps, batch, 7), 0.5)), (0, 0, 0, 0, 0, silence)
    ).double()


def close(ours, theirs):
    """Equal up to the 1e-7 that DCLS's normalisation takes of each weight."""
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-5)


LAYOUTS = pytest.mark.parametrize(
    ("hidden", "kernel_count", "delayed"),
    [(2, 1, True), (3, 1, True), (2, 2, True), (3, 2, True), (2, 1, False), (3, 1, False)],
)


@LAYOUTS
def test_the_evaluated_network_is_theirs_in_every_layer(file, hidden, kernel_count, delayed):
    """With their padding both have the same steps, so that all spikes, potentials and scores are to
    agree.
    """
    net = trained(hidden, kernel_count, delayed=delayed)
    ours = discretise(read(file(net), tau=TAU, padding="reference")).double()
    spikes, potentials = net.double().evaluated()(counts())
    activity = ours.activity(counts())
    assert len(activity.spikes) == len(spikes) == hidden
    for mine, other in zip(activity.spikes, spikes, strict=True):
        assert 0.05 < other.mean() < 0.6 and torch.equal(mine, other)
    assert len(potentials) == 24 + (hidden + 1) * (TAPS // 2) * delayed
    assert close(activity.potentials, potentials)
    assert close(ours(counts()), potentials.softmax(-1).sum(0))


@LAYOUTS
def test_with_our_padding_the_steps_that_both_have_agree(file, hidden, kernel_count, delayed):
    """By design ours ends `max_delay` steps after the last input spike and theirs (L-1)//2 steps a
    layer after the input.

    Every layer is causal, so up to the first of the two ends each step has to be the same; silence
    after the input lets theirs last longer, and our scores are then sums over the first of its
    steps.
    """
    net = trained(hidden, kernel_count, delayed=delayed)
    x = counts(silence=10)
    x[23, :, 0] = 1
    ours = discretise(read(file(net), tau=TAU)).double()
    _, potentials = net.double().evaluated()(x)
    steps = 24 + (TAPS - 1) * delayed
    activity = ours.activity(x)
    assert len(activity.potentials) == steps < len(potentials)
    assert close(activity.potentials, potentials[:steps])
    assert close(ours(x), potentials[:steps].softmax(-1).sum(0))


@pytest.mark.parametrize("kernel_count", [1, 2])
def test_the_network_in_training_has_their_gaussian_kernels(file, kernel_count):
    net = trained(2, kernel_count)
    ours = read(file(net), tau=TAU, padding="reference")
    for mine, other in zip(ours.synapses, net.synapses, strict=True):
        assert mine.sigma == pytest.approx(0.5)
        assert torch.equal(mine.delay, (TAPS - 1) / 2 - other.P[0].detach())
        # Their last tap is a delay of 0
        theirs = other.DCK(other.weight, other.P, other.SIG).flip(-1)
        assert torch.allclose(mine.kernel(), theirs, atol=1e-6)
        assert (theirs != 0).sum(-1).min() > kernel_count
    spikes, potentials = net.double()(counts())
    activity = ours.double().activity(counts())
    assert all(
        torch.equal(mine, other) for mine, other in zip(activity.spikes, spikes, strict=True)
    )
    assert close(activity.potentials, potentials)


def test_their_names_and_what_is_found_in_them(file):
    net = trained(2, 2)
    assert list(net.state_dict())[:9] == [
        *("model.0.weight", "model.0.P", "model.0.SIG"),
        *("model.1.weight", "model.1.bias", "model.1.running_mean", "model.1.running_var"),
        *("model.1.num_batches_tracked", "model.4.weight"),
    ]
    ours = read(file(net), tau=1.005)
    expected = dict(
        n_in=7,
        hidden=(11, 11),
        n_classes=5,
        max_delay=8,
        tau=1.005,
        delay_mode="learned",
        kernel_count=2,
    )
    assert expected.items() <= ours.config.to_dict().items()
    assert (ours.config.padding, ours.config.tail, ours.config.n_connections) == (
        "fixed",
        None,
        None,
    )
    assert not ours.training
    assert int(ours.norms[1].num_batches_tracked) == 17


def test_random_delays_that_were_never_trained_are_fixed_ones(file):
    net = trained().evaluated()
    ours = read(file(net), tau=TAU, padding="reference")
    assert ours.config.delay_mode == "fixed"
    assert close(ours.double()(counts()), net.double()(counts())[1].softmax(-1).sum(0))
    with torch.no_grad():
        net.synapses[1].SIG.fill_(0.23)
        assert read(file(net), tau=TAU).config.delay_mode == "learned"
        net.synapses[1].SIG.zero_()
        net.synapses[1].P[0, 2, 3] += 0.25
    assert read(file(net), tau=TAU).config.delay_mode == "learned"


def test_without_positions_there_are_no_delays(file):
    ours = read(file(trained(delayed=False)), tau=TAU)
    assert ours.config.delay_mode == "none" and ours.config.max_delay == ours.tail == 0


def test_max_delay_can_be_given_and_has_to_be_where_no_position_ends(file):
    net = trained()
    with torch.no_grad():
        for part in net.synapses:
            part.P *= 0.9
    with pytest.raises(
        SnnlabError,
        match=r"theirs.pt: does not say how long its kernels are.*give max_delay \(--max-delay\)",
    ):
        read(file(net), tau=TAU)
    ours = read(file(net), tau=TAU, max_delay=12)
    assert torch.equal(ours.synapses[0].delay, 6 - net.synapses[0].P[0].detach())
    with pytest.raises(
        SnnlabError, match="positions up to 3.6, expected 3 at most; give at least 8"
    ):
        read(file(net), tau=TAU, max_delay=6)
    with pytest.raises(SnnlabError, match="max_delay = 9: makes an even number of taps, L = 10"):
        read(file(net), tau=TAU, max_delay=9)
    with pytest.raises(SnnlabError, match="max_delay = 8: .* without delays"):
        read(file(trained(delayed=False)), tau=TAU, max_delay=8)


def test_a_single_outermost_position_does_not_say_the_length(file):
    net = trained()
    with torch.no_grad():
        for part in net.synapses:
            part.P *= 0.7
        net.synapses[0].P[0, 0, 0] = 3
    with pytest.raises(SnnlabError, match="does not say how long its kernels are"):
        read(file(net), tau=TAU)


def test_the_checkpoint_is_one_that_the_rest_of_the_package_opens(file, tmp_path):
    path = file(trained())
    model = convert_file(read, path, tmp_path / "ours.pt", tau=TAU)
    again = checkpoints.load_network(tmp_path / "ours.pt")[0]
    assert again.config == model.config and not again.training
    assert torch.equal(discretise(again)(counts().float()), discretise(model)(counts().float()))
    assert checkpoints.load(tmp_path / "ours.pt")["imported"]["file"] == "theirs.pt"


def test_training_does_not_go_on_from_a_network_whose_optimisers_are_not_known(file, tmp_path):
    model = convert_file(read, file(trained()), tmp_path / "ours.pt", tau=TAU)
    data = counts().float(), torch.tensor([0, 1, 2])
    with pytest.raises(
        SnnlabError,
        match="ours.pt: a checkpoint without .*expected one that a training can be resumed",
    ):
        fit(
            model,
            data,
            data,
            DelayRecipe(epochs=1),
            checkpoint=tmp_path / "ours.pt",
            progress=False,
        )


def test_the_checkpoint_does_not_replace_the_file(file):
    path = file(trained())
    before = path.read_bytes()
    with pytest.raises(SnnlabError, match="is the file that is read"):
        convert_file(read, path, path.parent / "." / path.name, tau=TAU)
    assert path.read_bytes() == before


def test_an_existing_file_is_replaced_only_where_one_asks_for_it(file, tmp_path):
    out = tmp_path / "trained.pt"
    out.write_text("mine")
    command = ["import-checkpoint", str(file(trained())), "--tau", "1.5", "--out", str(out)]
    done = CliRunner().invoke(main.app, command)
    assert done.exit_code == 2 and f"{out}: exists already; choose another name" in done.stderr
    assert out.read_text() == "mine"
    done = CliRunner().invoke(main.app, [*command, "--overwrite"])
    assert done.exit_code == 0 and checkpoints.load_network(out)


def renamed(old, new):
    def change(state):
        return {key.replace(old, new): value for key, value in state.items()}

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: {k: v for k, v in s.items() if k != "model.4.SIG"},
            "model.4.SIG missing for 2 hidden layers",
        ),
        (
            lambda s: {k: v for k, v in s.items() if ".5." not in k},
            "model.5.weight.* and 2 more missing",
        ),
        (
            lambda s: s | {"model.2.w": torch.tensor(0.5)},
            "model.2.w unknown .* learned time constants",
        ),
        (lambda s: s | {"model.0.bias": torch.zeros(11)}, "model.0.bias unknown"),
        (lambda s: s | {"mask": torch.zeros(2)}, "mask unknown"),
        (renamed("model.8.", "model.9."), "model.8.weight, model.8.P, model.8.SIG missing"),
        (renamed("model.", "net."), "holds no network of SNN-delays"),
        (lambda s: {k: v for k, v in s.items() if k < "model.2"}, "holds no network of SNN-delays"),
        (lambda s: s | {f"model.{10**12}.w": torch.zeros(1)}, "holds no network of SNN-delays"),
        (lambda s: [1, 2], "holds no network of SNN-delays"),
        (
            lambda s: s | {"model.4.weight": torch.ones(11, 10, 1)},
            r"model.4.weight has shape \(11, 10, 1\), expected \(11, 11, 1\)",
        ),
        (
            lambda s: s | {"model.4.P": torch.zeros(1, 11, 11, 2)},
            r"model.4.P has shape .*, expected \(1, 11, 11, 1\)",
        ),
        (
            lambda s: s | {k: torch.zeros(0) for k in s if k.endswith(".P")},
            r"model.0.P has shape \(0,\), expected \(1, 11, 7, 1\)",
        ),
        (
            lambda s: s | {"model.4.SIG": torch.zeros(1)},
            r"model.4.SIG has shape \(1,\), expected \(1, 11, 11, 1\)",
        ),
        (
            lambda s: s | {"model.5.bias": torch.zeros(10)},
            r"model.5.bias has shape \(10,\), expected \(11,\)",
        ),
        (
            lambda s: s | {"model.0.weight": torch.ones(11, 7)},
            r"model.0.weight has shape .* \(N_out, N_in, K\)",
        ),
        (
            lambda s: s | {"model.8.weight": torch.full((5, 11, 1), torch.nan)},
            "model.8.weight is no tensor of finite",
        ),
        (
            lambda s: s | {"model.8.weight": torch.ones(5, 11, 1, dtype=torch.long)},
            "model.8.weight is no tensor of",
        ),
        (
            lambda s: s | {"model.8.weight": 3.0},
            "model.8.weight is no tensor of finite real numbers",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, change, words):
    path = tmp_path / "theirs.pt"
    torch.save(change(dict(trained().state_dict())), path)
    with pytest.raises(SnnlabError, match=f"^{path}: .*{words}"):
        read(path, tau=TAU)


def test_kernels_without_positions_are_no_linear_layers(tmp_path):
    state = {
        key: value
        for key, value in trained().state_dict().items()
        if not key.endswith((".P", ".SIG"))
    }
    torch.save(state, tmp_path / "dense.pt")
    with pytest.raises(
        SnnlabError, match=r"model.0.weight has shape \(11, 7, 1\), expected \(N_out, N_in\)"
    ):
        read(tmp_path / "dense.pt", tau=TAU)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_no_code_in_a_file_is_run(tmp_path, how):
    path, trace = tmp_path / "theirs.pt", tmp_path / "trace"
    state = dict(trained().state_dict()) | {"model.0.weight": Malicious(trace)}
    path.write_bytes(pickle.dumps(state)) if how == "pickle" else torch.save(state, path)
    with pytest.raises(SnnlabError, match=f"^{path}: not a complete file of tensors"):
        read(path, tau=TAU)
    assert not trace.exists()


def test_a_file_that_is_not_there_or_half_there(file, tmp_path):
    with pytest.raises(SnnlabError, match="nothing.pt: there is no such file"):
        read(tmp_path / "nothing.pt", tau=TAU)
    path = file(trained())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SnnlabError, match="not a complete file of tensors"):
        read(path, tau=TAU)


def test_a_time_constant_of_one_step_is_refused(file):
    with pytest.raises(SnnlabError, match="tau = 1.0"):
        read(file(trained()), tau=1.0)


def test_the_command_says_what_it_found(file, tmp_path):
    path = file(trained(2, 2))
    done = CliRunner().invoke(
        main.app, ["import-checkpoint", str(path), "--tau", "1.5", "--padding", "reference"]
    )
    out = path.with_name("theirs.snnlab.pt")
    assert done.exit_code == 0, done.output
    assert (
        done.output
        == f"{out}: 7-11-11-5, delay_mode = learned, max_delay = 8, kernel_count = 2, tau = 1.5,"
        " padding = reference, dt_ms = None\n"
    )
    assert checkpoints.load_network(out)[0].config.padding == "reference"
    options = [*"--tau 1.5 --dt-ms 10 --max-delay 12 --out".split(), str(tmp_path / "other.pt")]
    assert (
        "max_delay = 12"
        in CliRunner().invoke(main.app, ["import-checkpoint", str(path), *options]).output
    )
    net, dt_ms = open_network(tmp_path / "other.pt")
    assert (net.config.max_delay, dt_ms) == (12, 10)
    done = CliRunner().invoke(
        main.app, ["import-checkpoint", str(tmp_path / "none.pt"), "--tau", "1.5"]
    )
    assert (
        done.exit_code == 2
        and done.stderr.count("\n") == 1
        and "there is no such file" in done.stderr
    )
