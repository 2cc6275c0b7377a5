"""DelayNet: size and arithmetic of the reference; predictions depend on the sample alone."""

import inspect

import numpy as np
import pytest
import torch
from DCLS.construct.modules import Dcls1d
from spikingjelly.activation_based import neuron, surrogate
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.delays.experiments import DelayStage
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn import delay_net
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.transfer.stages import Stage


def small(delay_mode="learned", **changes):
    torch.manual_seed(0)
    arguments = (
        dict(max_delay=6, tau=1.5, delay_mode=delay_mode, dropout=0.0, hidden=(10, 9)) | changes
    )
    return DelayNet(8, arguments.pop("hidden"), 4, **arguments)


def spikes(steps=20, batch=5, n=8, seed=0):
    torch.manual_seed(seed)
    return torch.poisson(torch.full((steps, batch, n), 0.4))


def test_trainable_parameters_are_the_references():
    shd = DelayNet(140, (256, 256), 20, max_delay=24, tau=1.005)
    assert shd.trainable_parameters() == 214_016
    ssc = DelayNet(140, (512, 512, 512), 35, max_delay=30, tau=1.5)
    assert ssc.trainable_parameters() == 1_230_848


@pytest.mark.parametrize(("delay_mode", "share"), [("learned", 2), ("fixed", 1), ("none", 1)])
def test_trainable_parameters_of_each_delay_mode(delay_mode, share):
    synapses = 8 * 10 + 10 * 9 + 9 * 4
    assert small(delay_mode).trainable_parameters() == share * synapses + 2 * 19
    sparse = small(delay_mode, n_connections=3)
    assert sparse.trainable_parameters() == share * (3 * (10 + 9) + 9 * 4) + 2 * 19


@pytest.mark.parametrize("delay_mode", ["none", "fixed", "learned"])
def test_a_prediction_depends_on_its_sample_alone(delay_mode):
    net = small(delay_mode).eval()
    x = spikes()
    ends = [20, 11, 17, 5, 1]
    for b, end in enumerate(ends):
        x[end:, b] = 0
        x[end - 1, b, 0] = 1
    together = net(x)
    assert torch.allclose(net(F.pad(x, (0, 0, 0, 0, 0, 30))), together, atol=1e-6)  # zeros appended
    for b, end in enumerate(ends):
        # Batch of one, cut at its end
        assert torch.allclose(net(x[:end, b : b + 1]), together[b : b + 1], atol=1e-5)
        # Softmax sums to 1 in each step
        assert together[b].sum().item() == pytest.approx(end + 6, rel=1e-5)


def test_steps_in_large_portions_change_nothing(monkeypatch):
    """As on a GPU, where every other number of steps would have to be compiled."""
    torch.manual_seed(0)
    net = DelayNet(8, (6,), 3, max_delay=5, tau=2.0, dropout=0.0).double()
    x = spikes(steps=21).double()
    expected = net(x)
    assert net.activity(x).valid.shape[0] <= 26
    monkeypatch.setitem(delay_net.STEPS_AT_A_TIME, "cpu", 32)
    assert net.activity(x).valid.shape[0] == 32
    assert torch.allclose(net(x), expected, atol=1e-10)


def test_padding_stays_out_of_batch_norm():
    short, longer = spikes(10, 3, seed=1), spikes(25, 1, seed=2)
    short[-1, :, 0] = longer[-1, :, 0] = 1
    net = small(tail=0)
    net.train()(torch.cat([F.pad(short, (0, 0, 0, 0, 0, 15)), longer], dim=1))
    synapses = small(tail=0).synapses[0]
    current = torch.cat([synapses(short).flatten(0, 1), synapses(longer).flatten(0, 1)])
    assert torch.allclose(net.norms[0].running_mean, 0.1 * current.mean(0), atol=1e-5)
    assert torch.allclose(net.norms[0].running_var, 0.9 + 0.1 * current.var(0), atol=1e-5)


def test_an_empty_recording_is_scored():
    scores = small(tail=0).eval()(torch.zeros(12, 2, 8))
    assert scores.shape == (2, 4) and torch.allclose(scores.sum(1), torch.ones(2))


def test_reference_padding_equals_the_reference_arithmetic():
    net = small(padding="reference", max_delay=8).eval()
    x = spikes(15, 3)

    def lif(threshold, record):
        return neuron.LIFNode(1.5, False, threshold, 0.0, surrogate.ATan(5.0), True, "m", record)

    y = x
    for index, synapses in enumerate(net.synapses):
        peer = Dcls1d(
            synapses.in_features,
            synapses.out_features,
            kernel_count=1,
            dilated_kernel_size=9,
            bias=False,
            version="gauss",
        )
        peer.load_state_dict(synapses.state_dict())
        y = peer(F.pad(y.permute(1, 2, 0), (8, 4))).permute(2, 0, 1)
        if index < 2:
            y = lif(1.0, False)(net.norms[index](y.flatten(0, 1)).view(y.shape))
    readout = lif(1e9, True)
    readout(y)
    assert len(readout.v_seq) == 15 + 3 * 4
    assert torch.allclose(net(x), readout.v_seq.softmax(-1).sum(0), atol=1e-4)


def test_fixed_delays_are_whole_and_are_not_trained():
    net = small("fixed")
    assert all(
        layer.discrete and torch.equal(layer.delay, layer.delay.round()) for layer in net.synapses
    )
    net(spikes()).square().sum().backward()
    assert all(layer.P.grad is None for layer in net.synapses)
    assert torch.equal(net.eval()(spikes()), discretise(net)(spikes()))


def test_learned_delays_get_a_gradient_in_every_layer():
    net = small("learned")
    F.cross_entropy(net(spikes()), torch.tensor([0, 1, 2, 3, 0])).backward()
    assert all(layer.P.grad.abs().sum() > 0 for layer in net.synapses)


def test_no_delays_see_nothing_but_their_own_step():
    """With tau close to 1 the first hidden layer of the delay_mode 'none' is a function of each
    step alone.
    """
    net = small("none", tau=1 + 1e-6).eval()
    x = spikes()
    order = torch.randperm(20)
    assert torch.equal(net.activity(x[order]).spikes[0][:20], net.activity(x).spikes[0][:20][order])


def test_dropout_has_one_mask_for_all_time():
    net = small(dropout=0.5).train()
    mask = net.dropouts[0](torch.ones(7, 3, 10))
    assert torch.equal(mask, mask[:1].expand_as(mask)) and set(mask.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(
    "changes",
    [
        dict(delay_mode="sometimes"),
        dict(padding="same"),
        dict(dropout=1.0),
        dict(tail=-1),
        dict(tau=1.0),
        dict(dropout="0.5"),
        dict(hidden=()),
        dict(hidden=5),
        dict(hidden=(4.5,)),
        dict(tail=True),
    ],
)
def test_bad_arguments(changes):
    with pytest.raises(SnnlabError, match=next(iter(changes))):
        small(**changes)


def test_numbers_of_numpy_are_kept_as_ordinary_ones():
    net = DelayNet(
        np.int64(8),
        np.array([10, 9]),
        np.int32(4),
        max_delay=np.int64(6),
        tau=np.float32(1.5),
        dropout=np.float64(0.5),
        tail=np.int64(3),
        n_connections=np.int64(2),
        kernel_count=np.int64(2),
    )
    same = dict(max_delay=6, tau=1.5, dropout=0.5, tail=3, n_connections=2, kernel_count=2)
    assert net.config == DelayNet(8, (10, 9), 4, **same).config
    values = [*vars(net.config).values(), *net.config.hidden]
    assert {type(value) for value in values} == {int, float, str, tuple, type(None)}


def test_a_rounded_network_is_rounded_after_loading():
    net, x = small().eval(), spikes()
    whole = discretise(net)
    fresh = small().eval()
    fresh.load_state_dict(whole.state_dict())
    assert torch.equal(fresh(x), whole(x)) and not torch.equal(fresh(x), net(x))
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh(x), net(x))


def test_a_pruned_network_is_rounded():
    net = small()
    for module in (*net.synapses, net.norms[0]):
        prune.l1_unstructured(module, "weight", amount=0.3)
    x = spikes()
    net(x).sum().backward()
    whole = discretise(net)
    assert all(
        ((layer.kernel() != 0).sum() == (layer.weight != 0).sum()) for layer in whole.synapses
    )
    assert sum(int((layer.weight == 0).sum()) for layer in whole.synapses) == 24 + 27 + 11
    fresh = small().eval()
    fresh.load_state_dict(whole.state_dict())
    assert torch.equal(fresh(x), whole(x))


@pytest.mark.parametrize("neuron", ["lif", "relu"])
def test_gradients_are_the_same_where_activations_are_computed_again(neuron):
    net, x = small(neuron=neuron), spikes().requires_grad_()
    parameters = [x, *(parameter for parameter in net.parameters() if parameter.requires_grad)]
    results = []
    for run in (net, lambda x: checkpoint(net, x, use_reentrant=False)):
        results.append(torch.autograd.grad(run(x).log().sum(), parameters))
    with torch.autograd.graph.save_on_cpu():
        results.append(torch.autograd.grad(net(x).log().sum(), parameters))
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], again, strict=True))


@pytest.mark.parametrize(
    ("build", "wrong", "words"),
    [
        (DelayNet, "max_dely", "argument of DelayNet called .* mean max_delay"),
        (DelayNet, "engin", "argument of DelayNet called .* mean engine"),
        (DelayNetConfig, "droput", "argument of DelayNetConfig called .* mean dropout"),
        (ResNetConfig, "clases", "argument of ResNetConfig called .* mean classes"),
        (DelayRecipe, "lr_weight", "argument of DelayRecipe called .* mean lr_weights"),
        (DelayStage, "netwrk", "argument of DelayStage called .* mean network"),
        (Stage, "epoch", "argument of Stage called .* mean epochs"),
    ],
)
def test_an_unknown_argument_gets_the_nearest_name(build, wrong, words):
    with pytest.raises(SnnlabError, match=f"^There is no {words}"):
        build(**{wrong: 1})
    assert wrong not in inspect.signature(build).parameters
    assert words.rpartition(" ")[2] in inspect.signature(build).parameters


def test_each_layer_has_its_largest_delay():
    net = small(max_delay=[2, 9, 4])
    assert [layer.max_delay for layer in net.synapses] == [2, 9, 4] and net.tail == 9
    assert net.config.max_delay == (2, 9, 4)
    assert net.activity(spikes()).potentials.shape[0] == 20 + 9
    reference = small(max_delay=[2, 9, 4], padding="reference")
    shapes = [len(value) for value in reference.activity(spikes()).spikes]
    assert shapes == [20 + 1, 20 + 1 + 4]
    assert len(reference.activity(spikes()).potentials) == 20 + 1 + 4 + 2
    same, x = small(max_delay=(6, 6, 6)), spikes()
    assert torch.equal(same.eval()(x), small().eval()(x))
    none = small("none", max_delay=[2, 9, 4])
    assert [layer.max_delay for layer in none.synapses] == [0, 0, 0]


@pytest.mark.parametrize("neuron", ["lif", "relu"])
def test_each_neuron_has_its_time_constant(neuron):
    torch.manual_seed(1)
    taus = [1.1 + torch.rand(10), 1.5, 1.1 + torch.rand(4)]
    net, x = small(tau=taus, neuron=neuron).eval(), spikes().requires_grad_()
    built = net.config.build()
    assert built.config == net.config and hash(net.config) and type(net.config.tau[0][0]) is float
    activity = net.activity(x)
    current = net.norms[0](net.synapses[0](x, 26).flatten(0, 1)).view(26, 5, 10)
    for i in (0, 7):  # the same as a layer of this neuron alone
        alone = type(net.neurons[0])(net.config.tau[0][i])
        torch.testing.assert_close(
            activity.spikes[0][..., i : i + 1], alone(current[..., i : i + 1]), atol=1e-5, rtol=1e-4
        )
    v = torch.zeros(5, 4)
    for t, arriving in enumerate(net.synapses[-1](activity.spikes[-1], 26)):
        v = (1 - 1 / taus[2]) * v + arriving
        torch.testing.assert_close(activity.potentials[t], v, atol=1e-4, rtol=1e-4)
    same = small(tau=[[1.5] * 10, [1.5] * 9, [1.5] * 4], neuron=neuron)
    scores = [network(x) for network in (same, small(neuron=neuron))]
    torch.testing.assert_close(*scores, atol=1e-4, rtol=1e-4)
    grads = [torch.autograd.grad(score.log().sum(), x)[0] for score in scores]
    torch.testing.assert_close(*grads, atol=1e-4, rtol=1e-3)
    assert grads[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(max_delay=(3, 4)),
            "max_delay = .3, 4.: expected one value, or 3, one for each layer",
        ),
        (dict(max_delay=(3, 4, -1)), "max_delay = -1"),
        (dict(tau=(2.0, 3.0)), "tau = .2.0, 3.0.: expected one value, or 3"),
        (dict(tau=(2.0, [3.0] * 8, 2.0)), "tau: has 8 values for a layer of 9 neurons"),
        (dict(tau=(2.0, 1.0, 2.0)), "tau = 1.0"),
        (dict(tau="2.0"), "tau = '2.0'"),
    ],
)
def test_values_of_each_layer_are_checked(changes, message):
    with pytest.raises(SnnlabError, match=message):
        small(**changes)


@pytest.mark.parametrize("padding", ["fixed", "reference"])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 7, 8), "expected at least one time step and one sample"),
        ((5, 0, 8), "expected at least one time step and one sample"),
        ((5, 7, 2, 4), r"expected \(T, B, 8\), time first"),
        ((5, 8), r"expected \(T, B, 8\), time first"),
        ((5, 7, 3), r"expected \(T, B, 8\), time first"),
    ],
)
def test_an_input_of_another_shape_is_refused(padding, shape, message):
    with pytest.raises(SnnlabError, match=f"^DelayNet: got input of shape .*, {message}"):
        small(padding=padding)(torch.zeros(shape))


@pytest.mark.parametrize("scalar", [torch.tensor, np.array])
def test_a_tensor_without_axes_is_a_number(scalar):
    assert small(tau=scalar(2.0), max_delay=scalar(5)).config == small(tau=2.0, max_delay=5).config
    with pytest.raises(SnnlabError, match="^hidden = .*at least one hidden layer"):
        small(hidden=scalar(5))


@pytest.mark.parametrize("steps", [1, 3])
def test_batch_norm_of_a_single_step_is_refused(steps):
    net, x = small("none", tail=0, neuron="relu"), torch.zeros(steps, 1, 8)
    x[0] = 1
    with pytest.raises(SnnlabError, match=r"^DelayNet: .* a single step counts.*batch_size"):
        net(x)
    assert net(x.expand(steps, 2, 8)).shape == (2, 4) and net.eval()(x).shape == (1, 4)
