"""The networks of the transfer experiments: sizes, one set of parameters for all modes, causality,
and state that ends.
"""

import json

import pytest
import torch
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.nn.activations import Activation, activations
from snnlab.nn.network_config import NetworkConfig
from snnlab.nn.vision.resnet import ResNet
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.nn.vision.video import VideoNet
from snnlab.nn.weight_transfer import reestimate_batch_norm

MODES = ("relu", "ramp", "liaf", "lif", "quantised", "soft")
KINDS = {
    "SmallCNN": lambda **more: SmallCNN(2, 4, channels=(5, 6, 7), pool=2, **more),
    "ResNet": lambda **more: ResNet(2, 4, **more, depth=18, events=True),
    "VideoNet": lambda **more: VideoNet(2, 4, height=33, width=41, **more),
}
FRAMES = {"SmallCNN": (9, 8), "ResNet": (32, 35), "VideoNet": (33, 41)}


def network(kind, *, estimated=True, **more):
    """A network whose batch norm fits its input, so that neurons of every layer fire, in evaluation
    mode.
    """
    torch.manual_seed(0)
    net = KINDS[kind](**more)
    if estimated:
        reestimate_batch_norm(net.set_mode("lif"), [events(kind, steps=3, batch=4)])
    return net.eval()


def events(kind, *, steps=4, batch=3, seed=1):
    torch.manual_seed(seed)
    return torch.poisson(torch.full((steps, batch, 2, *FRAMES[kind]), 0.5))


def outputs(net, x):
    """What every activation gives out, and the scores."""
    found = {}
    hooks = [
        module.register_forward_hook(
            lambda m, i, out, name=name: found.__setitem__(name, out.detach())
        )
        for name, module in activations(net)
    ]
    found["scores"] = net(x).detach()
    for hook in hooks:
        hook.remove()
    return found


def parameters(net, *, without=("k", "scale")):
    return sum(
        p.numel() for name, p in net.named_parameters() if name.split(".")[-1] not in without
    )


def test_the_papers_numbers_of_parameters():
    with torch.device("meta"):
        assert parameters(ResNet(depth=18)) == 11_693_736
        assert parameters(ResNet(depth=34)) == 21_801_896
        video = VideoNet()
        decoder = parameters(video.lstm) + parameters(video.fc)
        # They have six decays
        assert decoder == 814_437 and parameters(video) - decoder == 18_900_862 - 6
        # theirs has a decay for each of 25 cells, and declares norms of identity shortcuts that it
        # does not use
        assert parameters(ResNet(2, 10, depth=18, events=True)) == 11_185_379 - 25 - 2 * (
            2 * 64 + 128 + 256 + 512
        )


def sizes(net, x):
    """Height and width at every activation, each size once, without computing."""
    seen = []

    def look(module, inputs, out):
        seen.append(tuple(out.shape[3:]))

    for _, module in activations(net):
        module.register_forward_hook(look)
    net(x)
    return list(dict.fromkeys(seen))


def test_the_papers_sizes_of_feature_maps():
    with torch.device("meta"):
        for depth in (18, 34):
            assert sizes(ResNet(depth=depth), torch.empty(1, 1, 3, 224, 224)) == [
                (n, n) for n in (112, 56, 28, 14, 7)
            ]
        for side, expected in ((42, (10, 5, 3, 2)), (128, (31, 16, 8, 4)), (224, (55, 28, 14, 7))):
            net = ResNet(2, 10, depth=18, events=True)
            assert sizes(net, torch.empty(2, 1, 2, side, side)) == [(n, n) for n in expected]
        net = VideoNet()
        assert sizes(net, torch.empty(2, 1, 2, 256, 342)) == [
            (126, 169),
            (62, 84),
            (30, 41),
            (14, 20),
            (),
        ]
        assert net.hidden.in_features == 17_920 and net.embed.out_features == 512
        assert sizes(SmallCNN(1, 10), torch.empty(1, 5, 1, 12, 12)) == [(12, 12), (6, 6), (3, 3)]


def test_what_batch_norm_and_biases_begin_with():
    with torch.device("meta"):
        images, frames = ResNet(depth=18), ResNet(2, 10, depth=18, events=True)
    assert images.conv1.bias is None and frames.conv1.bias is not None
    assert images.layer1[0].downsample is not None and frames.layer1[0].downsample is None
    torch.manual_seed(0)
    for net, scale in (
        (SmallCNN(1, 2), 0.5),
        (KINDS["VideoNet"](), 1.0),
        (ResNet(depth=18), 0.5),
        (KINDS["ResNet"](), 1.0),
    ):
        norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert norms and all((m.weight == scale).all() and (m.bias == 0).all() for m in norms)
    # The last of them, for events: Kaiming, variance 2 / (9 * 512)
    weight = net.layer4[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_all_modes_have_the_same_state_and_switching_changes_none(kind):
    net = network(kind)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = events(kind)
    expected = net.set_mode("relu")(x)
    for mode in (*MODES, "relu"):
        out = net.set_mode(mode, levels=3, low=0.4, high=0.6)(x)
        after = net.state_dict()
        assert list(after) == list(before) and all(
            torch.equal(after[name], before[name]) for name in before
        )
    assert torch.equal(out, expected)
    learned = KINDS[kind](decay=0.6, learn_decay=True, learn_scale=True)
    assert {name: value.shape for name, value in learned.state_dict().items()} == {
        name: value.shape for name, value in before.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_built_again_from_its_config(kind):
    net = network(kind, decay=0.6, learn_decay=True, rectifier="leaky_relu")
    again = net.config.build().eval()
    again.load_state_dict(net.state_dict())
    assert again.config == net.config and net.config.decay == 0.6
    assert [a.rectifier for _, a in activations(again)] == [
        a.rectifier for _, a in activations(net)
    ]
    assert [p.requires_grad for p in again.parameters()] == [
        p.requires_grad for p in net.parameters()
    ]
    x = events(kind)
    assert torch.equal(again.set_mode("liaf")(x), net.set_mode("liaf")(x))


@pytest.mark.parametrize("mode", ["lif", "soft"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_spiking_network_gives_out_zeros_and_ones_in_every_layer_trained_or_not(kind, mode):
    net = network(kind, learn_decay=True, learn_scale=True).set_mode(mode)
    x, y = events(kind), torch.arange(3)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    for trained in (False, True):
        for training in (False, True):
            layers = outputs(net.train(training), x)
            del layers["scores"]
            assert len(layers) == {"SmallCNN": 3, "ResNet": 17, "VideoNet": 5}[kind]
            assert all(set(out.unique().tolist()) <= {0.0, 1.0} for out in layers.values())
            assert all(out.shape[0] == 4 and out.any() for out in layers.values())
        if not trained:
            first = next(net.parameters())
            before = first.detach().clone()
            F.cross_entropy(net(x), y).backward()
            optimiser.step()
            assert not torch.equal(first, before)


@pytest.mark.parametrize("mode", ["liaf", "lif", "soft", "relu"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_nothing(kind, mode):
    net, x = network(kind).set_mode(mode), events(kind)
    late = x.clone()
    late[2:] = events(kind, seed=7)[2:]
    before, after = outputs(net, x), outputs(net, late)
    for name, _ in activations(net):
        assert torch.equal(before[name][:2], after[name][:2]), name
        assert not torch.equal(before[name][2:], after[name][2:]), name
    assert not torch.equal(before["scores"], after["scores"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_depends_on_its_sample_alone_and_not_on_the_sequence_before(kind):
    net, x = network(kind).set_mode("liaf"), events(kind)
    scores = net(x)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(net(x[:, order]), scores[order], atol=1e-5)
    assert torch.allclose(net(x[:, :1]), scores[:1], atol=1e-5)
    assert not torch.allclose(scores[0], scores[1], atol=1e-3)
    assert all(activation.v is None for _, activation in activations(net))
    assert torch.equal(net(x), scores)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_leaves_no_membrane_behind(kind):
    net, x = network(kind).set_mode("soft"), events(kind)
    scores = net(x)

    def fail(*_):
        raise KeyboardInterrupt

    hook = net.fc.register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        net(x)
    hook.remove()
    assert all(activation.v is None for _, activation in activations(net))
    assert torch.equal(net(x), scores)


@pytest.mark.parametrize("mode", ["liaf", "lif", "soft"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_shown_for_a_while_is_the_image_repeated(kind, mode):
    net, image = network(kind), events(kind, steps=1)
    seen = []
    first = net.conv1 if kind == "ResNet" else net.layers[0][0]
    hook = first.register_forward_hook(lambda m, i, out: seen.append(len(out)))
    for training in (False, True):
        net.train(training)
        shown = outputs(net.set_mode(mode, steps=5), image)
        repeated = outputs(net.set_mode(mode), image.expand(5, -1, -1, -1, -1))
        for name in shown:
            assert shown[name].shape == repeated[name].shape and torch.allclose(
                shown[name].mean(), repeated[name].mean(), atol=1e-3
            )
        # In training, sums over more samples round otherwise, and a spike may move
        if not training:
            assert all(torch.allclose(shown[name], repeated[name], atol=1e-5) for name in shown)
    hook.remove()
    assert seen == [3, 15, 3, 15]  # the first convolution of a shown image is done once


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_network_at_one_step_in_two_modes(kind):
    """LIAF equals the ANN, and the sharpest ramp LIF, in output and in all gradients."""
    net, x = network(kind).double(), events(kind, steps=1).double()
    results = []
    for mode, ends in (
        ("relu", ()),
        ("liaf", ()),
        ("ramp", (0.5 - 1e-12, 0.5 + 1e-12)),
        ("lif", ()),
    ):
        net.zero_grad()
        scores = net.set_mode(mode, **dict(zip(("low", "high"), ends, strict=False)))(x)
        F.cross_entropy(scores, torch.arange(3)).backward()
        results.append(
            [scores.detach(), *(p.grad.clone() for p in net.parameters() if p.requires_grad)]
        )
    for first, second in (results[:2], results[2:]):
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(first, second, strict=True))
        assert all(grad.any() for grad in first[-2:])
    assert not torch.allclose(results[0][0], results[2][0])


@pytest.mark.parametrize("kind", ["SmallCNN", "ResNet"])
def test_batch_norm_is_over_time_batch_height_and_width(kind):
    net, x = network(kind).train(), events(kind)
    conv, norm = (net.conv1, net.bn1) if kind == "ResNet" else net.layers[0]
    norm.reset_running_stats()
    norm.momentum = 1.0
    net(x)
    current = conv(x.flatten(0, 1))
    assert torch.allclose(norm.running_mean, current.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, current.transpose(0, 1).flatten(1).var(1), rtol=1e-4)


def test_a_residual_network_takes_the_mean_over_time_and_places():
    net, x = network("ResNet").set_mode("liaf"), events("ResNet")
    found = outputs(net, x)
    features = found["layer4.1.act2"]
    assert features.shape[0] == 4 and not torch.allclose(features[0], features[3], atol=1e-2)
    by_hand = features.flatten(3).mean(3).mean(0)
    assert torch.allclose(found["scores"], by_hand @ net.fc.weight.T + net.fc.bias, atol=1e-5)


def test_the_small_network_by_hand():
    torch.manual_seed(0)
    net = SmallCNN(1, 3, channels=(2, 4), strides=(1, 2), pool=2).set_mode("relu").eval()
    # Every frame alone, and the mean over time before the linear layer
    x = torch.randn(3, 5, 1, 8, 8)
    features = []
    for frame in x:
        for layer in net.layers:
            conv, norm = layer
            frame = conv(frame)
            # Statistics of no batch: 0 and 1
            frame = (norm.weight * (1 + norm.eps) ** -0.5).view(-1, 1, 1) * frame
            frame = frame.clamp(0, 1)
        features.append(frame.unflatten(3, (2, -1)).unflatten(2, (2, -1)).mean((3, 5)).flatten(1))
    expected = torch.stack(features).mean(0) @ net.fc.weight.T + net.fc.bias
    assert torch.allclose(net(x), expected, atol=1e-6)


def test_a_block_adds_its_shortcut_before_the_neuron():
    torch.manual_seed(0)
    net = ResNet(3, 4, depth=18, rectifier="relu").eval()
    x = torch.rand(2, 3, 64, 5, 5)
    for block in (net.layer1[0], net.layer1[1]):
        frames = x.flatten(0, 1)
        inner = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(frames)))))
        shortcut = frames if block.downsample is None else block.downsample(frames)
        expected = F.relu(inner + shortcut).unflatten(0, (2, 3))
        assert torch.allclose(block(x), expected, atol=1e-6)
        x = expected
    assert x.shape == (2, 3, 64, 3, 3)


def test_the_sizes_of_a_video_network():
    net = VideoNet(2, 6, height=33, width=33, hidden=20, embedding=12, memory=7)
    assert net(torch.zeros(3, 4, 2, 33, 33)).shape == (4, 6)
    shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
    assert shapes["hidden.weight"] == (20, 64) and shapes["embed.weight"] == (12, 20)
    assert shapes["lstm.weight_ih_l0"] == (28, 12) and shapes["fc.weight"] == (6, 7)
    with pytest.raises(SnnlabError, match="memory = 0"):
        VideoNet(2, 6, height=33, width=33, memory=0)


def test_the_video_network_ends_with_its_last_step():
    net, x = network("VideoNet").set_mode("liaf"), events("VideoNet")
    found = outputs(net, x)
    over_time, _ = net.lstm(net.embed(found["acts.4"]))
    assert torch.allclose(found["scores"], net.fc(over_time[3]), atol=1e-6)
    earlier = net(x[:3])
    assert torch.allclose(earlier, net.fc(over_time[2]), atol=1e-5) and not torch.allclose(
        earlier, found["scores"]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SmallCNN(2, 3)(torch.zeros(3, 2, 8, 8)),
            "shape (3, 2, 8, 8); expected (T, B, 2, H, W)",
        ),
        (
            lambda: SmallCNN(2, 3)(torch.zeros(3, 1, 2, 8)),
            "shape (3, 1, 2, 8); expected (T, B, 2, H, W)",
        ),
        (lambda: SmallCNN(2, 3)(torch.zeros(1, 3, 1, 8, 8)), "expected (T, B, 2, H, W)"),
        (
            lambda: SmallCNN(2, 3).set_mode("lif", steps=4)(torch.zeros(2, 3, 2, 8, 8)),
            "has 2 time steps already",
        ),
        (lambda: SmallCNN(2, 3).set_mode("lif", steps=0), "steps = 0"),
        (lambda: SmallCNN(2, 3).set_mode("fil"), "valid names: relu, ramp, liaf, lif"),
        (lambda: ResNet(depth=50), "depth = 50: expected one of 18, 34"),
        (lambda: VideoNet(height=32, width=60), "frames of 32 x 60: expected at least 33 x 33"),
        (lambda: VideoNet(height=60, width=32), "frames of 60 x 32"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(SnnlabError) as error:
        call()
    assert message in str(error.value)


def test_a_mode_that_is_refused_changes_nothing():
    net = SmallCNN(2, 3).set_mode("lif", steps=3)
    for wrong in (
        dict(mode="soft", steps=0),
        dict(mode="ramp", steps=2, low=1.0),
        dict(mode="x", steps=2),
    ):
        with pytest.raises(SnnlabError):
            net.set_mode(**wrong)
    assert net.steps == 3 and all(
        module.mode == "lif" for module in net.modules() if isinstance(module, Activation)
    )


@pytest.mark.parametrize("mode", ["quantised", "soft", "lif", "relu"])
def test_the_readout_is_scaled_with_the_last_activation_where_its_scale_counts(mode):
    net = (
        SmallCNN(1, 3, learn_scale=True)
        .train()
        .set_mode(mode, steps=2 if mode in ("soft", "lif") else 1, levels=2)
    )
    x = torch.rand(1, 4, 1, 8, 8)
    logits = []
    with torch.no_grad():
        net.fc.bias.zero_()
        for scale in (0.1, 1e6):  # so large that nothing fires, where it divides the input
            net.acts[-1].scale.fill_(scale)
            logits.append(net(x))
    last = net.acts[-1]
    assert last.amplitude == (1e6 if mode in ("quantised", "soft") else 1.0)
    if mode in ("lif", "relu"):
        assert torch.equal(*logits)
    else:
        assert not torch.equal(*logits) and torch.equal(logits[1], torch.zeros_like(logits[1]))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"kind": "SmalCNN"}, "did you mean SmallCNN"),
        ({"in_channels": 1}, "no network called None"),
        ({"kind": "SmallCNN", "in_channels": 1}, "missing or unknown: channels, classes, "),
        ({"kind": "ResNet", "length": 18}, "length, rectifier"),
    ],
)
def test_a_description_that_fits_no_network_is_refused(description, message):
    with pytest.raises(SnnlabError, match=message):
        NetworkConfig.from_dict(description)


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_is_the_same_after_plain_data(kind):
    config = network(kind, decay=0.6, learn_decay=True).config
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
