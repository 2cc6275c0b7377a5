"""SpikingJelly's converter: at many steps it is the ReLU network, its neurons fire 0 or 1, and it
can be trained.
"""

import pickle

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch.nn import functional as F
from torch.nn.utils import prune

from snnlab._utils.errors import SnnlabError
from snnlab.nn.energy import cost
from snnlab.nn.vision.resnet import ResNet
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.nn.weight_transfer import reestimate_batch_norm
from snnlab.transfer.conversion import Converted, ConvertedConfig

HOWS = ("rate", "balanced")


def ann_and_inputs():
    """A network of which all layers do something, batch norm included, and what it was calibrated
    on.
    """
    torch.manual_seed(0)
    ann = SmallCNN(1, 6, channels=(6, 8, 10), pool=2, rectifier="relu")
    for layer in ann.layers:
        torch.nn.init.uniform_(layer[1].weight, 0.5, 1.5)
        torch.nn.init.normal_(layer[1].bias)
    inputs = [torch.randn(1, 40, 1, 8, 8) for _ in range(3)]
    reestimate_batch_norm(ann, inputs)
    return ann.eval(), inputs


@pytest.mark.parametrize("how", HOWS)
def test_at_many_steps_the_output_is_that_of_the_relu_network(how):
    """Within 8 % of the scores' spread at 256 steps; what is clipped, the top 0.1 % of a channel,
    stays different.
    """
    ann, inputs = ann_and_inputs()
    # It moves its thresholds by little for each batch
    inputs = inputs * (60 if how == "balanced" else 1)
    with torch.no_grad():
        expected = ann(inputs[0])
        net = Converted(ann, inputs, how).eval()
        errors, agree = [], []
        for steps in (4, 32, 256):
            scores = net.set_mode("soft", steps=steps)(inputs[0])
            errors.append(((scores - expected).square().mean().sqrt() / expected.std()).item())
            agree.append((scores.argmax(1) == expected.argmax(1)).double().mean().item())
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.08, errors
    assert agree[2] >= 0.95, agree


@pytest.mark.parametrize("how", HOWS)
def test_its_neurons_give_out_zeros_and_ones(how):
    ann, inputs = ann_and_inputs()
    net = Converted(ann, inputs, how).set_mode("soft", steps=7)
    found = []
    nodes = [m for m in net.modules() if isinstance(m, neuron.BaseNode)]
    for node in nodes:
        node.register_forward_hook(lambda m, i, out: found.append(out.detach()))
    net(inputs[0])
    assert len(nodes) == len(found) == 3
    for spikes in found:
        assert len(spikes) == 7 and set(spikes.unique().tolist()) == {0.0, 1.0}


def test_the_first_neurons_round_their_constant_input():
    """Their membranes begin half full, so the count of spikes is the nearest, not the next lower
    one.
    """
    ann, inputs = ann_and_inputs()
    net = Converted(ann, inputs).set_mode("soft", steps=4).eval()
    node = next(m for m in net.modules() if isinstance(m, neuron.BaseNode))
    found = []
    node.register_forward_hook(
        lambda m, i, out: found.append((4 * i[0][0].detach(), out.detach().sum(0)))
    )
    net(inputs[0])
    ((current, spikes),) = found
    sure = ((current + 0.5) % 1 - 0.5).abs() < 0.499  # away from ties
    assert (
        torch.equal(spikes[sure], (current[sure] + 0.5).floor().clamp(0, 4))
        and len(spikes[sure].unique()) == 5
    )


@pytest.mark.parametrize("how", HOWS)
def test_it_can_be_trained_and_leaves_the_ann_as_it_was(how):
    ann, inputs = ann_and_inputs()
    ann.train()
    before = {name: value.clone() for name, value in ann.state_dict().items()}
    net = Converted(ann, inputs, how).set_mode("soft", steps=4).train()
    assert all(m.training for m in ann.modules()) and ann.acts[0].mode == "relu"
    scales = [buffer for name, buffer in net.named_buffers() if name.endswith("scaler1.scale")]
    assert [scale.flatten().unique().numel() for scale in scales] == [6, 8, 10]  # one a channel
    x, y = inputs[0][:, :12], torch.arange(12) % 6
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses, weights = [], [p.detach().clone() for p in net.parameters()]
    for _ in range(15):
        loss = F.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert len(weights) == 2 * 4 and all(
        not torch.equal(p, q) for p, q in zip(net.parameters(), weights, strict=True)
    )
    assert all(torch.equal(value, before[name]) for name, value in ann.state_dict().items())


@pytest.mark.parametrize("how", HOWS)
def test_a_call_leaves_no_state_and_a_copy_is_the_same(how):
    ann, inputs = ann_and_inputs()
    net = Converted(ann, inputs, how).set_mode("soft", steps=3).eval()
    scores = net(inputs[0])
    assert torch.equal(net(inputs[0]), scores) and scores.shape == (40, 6)
    order = torch.randperm(40)
    assert torch.allclose(net(inputs[0][:, order]), scores[order], atol=1e-5)
    assert torch.equal(pickle.loads(pickle.dumps(net))(inputs[0]), scores)
    again = Converted(ann, [x * 2 for x in inputs], how).set_mode("soft", steps=3).eval()
    assert not torch.equal(again(inputs[0]), scores)  # other scales, which are in the state
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(inputs[0]), scores)
    hook = net.net.get_submodule("11").register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net(inputs[0])
    hook.remove()
    assert torch.equal(net(inputs[0]), scores)


def test_the_config_says_what_it_was_made_of():
    ann, inputs = ann_and_inputs()
    net = Converted(ann, inputs, "balanced")
    assert net.config == ConvertedConfig(ann.config, "balanced")


def test_what_cannot_be_is_refused():
    ann, inputs = ann_and_inputs()
    with pytest.raises(SnnlabError, match="did you mean balanced"):
        Converted(ann, inputs, "balance")
    net = Converted(ann, inputs)
    with pytest.raises(SnnlabError, match="steps = 0"):
        net.set_mode("soft", steps=0)
    for wrong in (torch.zeros(3, 2, 1, 8, 8), torch.zeros(1, 2, 3, 8, 8), torch.zeros(2, 1, 8, 8)):
        with pytest.raises(SnnlabError, match="expected|steps = 3 repeats an image"):
            net.set_mode("soft", steps=3)(wrong)
    with pytest.raises(SnnlabError, match="got input of 3 time steps; expected images"):
        net.set_mode("soft", steps=1)(torch.zeros(3, 2, 1, 8, 8))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], r"no inputs.*expected some \(1, B, 1, H, W\)"),
        ([torch.rand(40, 1, 8, 8)], r"got shape \(40, 1, 8, 8\); expected .* \(1, B, 1, H, W\)"),
        (torch.rand(1, 40, 1, 8, 8), r"got shape \(40, 1, 8, 8\); expected images"),
        ([torch.rand(2, 3, 1, 8, 8)], r"got shape \(2, 3, 1, 8, 8\)"),
        ([torch.rand(1, 3, 2, 8, 8)], r"got shape \(1, 3, 2, 8, 8\)"),
        ([torch.rand(1, 0, 1, 8, 8)], r"got shape \(1, 0, 1, 8, 8\)"),
        ([torch.rand(1, 3, 1, 8, 8).numpy()], "got a ndarray"),
        ([torch.ones(1, 3, 1, 8, 8, dtype=torch.long)], "got torch.int64; expected torch.float32"),
        ([torch.full((1, 3, 1, 8, 8), float("nan"))], "inputs: got values that are not finite"),
    ],
)
def test_inputs_that_give_no_scales_are_refused(wrong, words):
    ann, _ = ann_and_inputs()
    for how in HOWS:
        with pytest.raises(SnnlabError, match=words):
            Converted(ann, wrong, how)


def test_a_network_that_the_converter_does_not_know_is_refused():
    ann, inputs = ann_and_inputs()
    for foreign in (ResNet(1, depth=18), torch.nn.Sequential(torch.nn.Linear(8, 2))):
        with pytest.raises(SnnlabError, match=f"a {type(foreign).__name__} to convert.*SmallCNN"):
            Converted(foreign, inputs)
    with pytest.raises(SnnlabError, match="acts.0 is 'relu1' in mode 'relu'"):
        Converted(SmallCNN(1, 6), inputs)
    with pytest.raises(SnnlabError, match="acts.0 is 'relu' in mode 'lif'"):
        Converted(ann.set_mode("lif"), inputs)
    ann.set_mode("relu")
    with torch.no_grad():
        ann.fc.weight[0, 0] = float("nan")
    with pytest.raises(SnnlabError, match="network to convert has values that are not finite"):
        Converted(ann, inputs)


@pytest.mark.parametrize("how", HOWS)
def test_scales_can_be_merged_into_the_weights(how):
    """The scores stay; behind the first layer every convolution gets zeros and ones, and is counted
    as additions.
    """
    ann, inputs = ann_and_inputs()
    net = Converted(ann, inputs, how).eval().set_mode("soft", steps=5)
    merged = net.merged()
    torch.testing.assert_close(merged(inputs[0]), net(inputs[0]), rtol=1e-4, atol=1e-5)
    seen = []
    for layer in [m for m in merged.modules() if isinstance(m, torch.nn.Conv2d)][1:]:
        layer.register_forward_hook(lambda m, given, out: seen.append(given[0]))
    merged(inputs[0])
    assert len(seen) == 2 and all(set(x.unique().tolist()) == {0.0, 1.0} for x in seen)
    counted = cost(net, inputs[:1])
    # Of the first layer, once for an image as in other networks; the pooling of 2 x 2 is none here
    assert counted.multiply_accumulates == 6 * 9 * 64
    assert counted.accumulates > counted.spikes > 0 and counted.neurons == 6 * 64 + 8 * 16 + 10 * 4


def test_a_pruned_network_is_converted_as_if_its_weights_were_zero():
    ann, inputs = ann_and_inputs()
    for module in (ann.layers[0][0], ann.fc):
        prune.l1_unstructured(module, "weight", 0.5)
    ann(inputs[0])
    net = Converted(ann, inputs).set_mode("soft", steps=7)
    assert hasattr(ann.fc, "weight_orig")  # the first is left as it is
    for module in (ann.layers[0][0], ann.fc):
        prune.remove(module, "weight")
    expected = Converted(ann, inputs).set_mode("soft", steps=7)(inputs[0])
    assert torch.equal(net(inputs[0]), expected)
    last = [m for m in net.net.modules() if isinstance(m, torch.nn.Linear)][-1]
    prune.l1_unstructured(last, "weight", 0.8)
    pruned = net(inputs[0])
    assert torch.allclose(net.merged()(inputs[0]), pruned, atol=1e-5) and not torch.equal(
        pruned, expected
    )
