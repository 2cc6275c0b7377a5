"""Handing parameters over: what moves is copied exactly, the rest is named, and what does not fit
is an error.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.delays.ablation import discretise
from snnlab.nn.activations import activations
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.vision.resnet import ResNet
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.nn.vision.video import VideoNet
from snnlab.nn.weight_transfer import copy_weights, reestimate_batch_norm, under


def net(in_channels=2, classes=3, seed=0, **more):
    torch.manual_seed(seed)
    made = SmallCNN(in_channels, classes, channels=(4, 5), strides=(1, 2), **more)
    for p in made.parameters():  # batch norm and learned decays of two networks differ, too
        if p.requires_grad:
            nn.init.normal_(p)
    for name, buffer in made.named_buffers():
        buffer.fill_(seed + 1) if name.endswith("tracked") else buffer.uniform_(0.5, 2)
    return made


def state(made):
    return {name: value.clone() for name, value in made.state_dict().items()}


def test_everything_moves_and_is_a_copy():
    source, target = (net(seed=s, learn_decay=True, learn_scale=True) for s in (1, 2))
    before = state(source)
    report = copy_weights(source, target)
    assert (
        report.moved == tuple(before)
        and not report.adapted
        and not report.left_out
        and not report.unused
    )
    assert str(report) == f"moved {len(before)} of {len(before)} tensors"
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    with torch.no_grad():
        for value in target.state_dict().values():
            value.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in target.parameters() if p.dim())


def test_what_is_left_keeps_its_values_and_its_name_is_told():
    source, target = net(classes=7, seed=1), net(classes=3, seed=2)
    theirs, ours = state(source), state(target)
    report = copy_weights(theirs, target, leave=("fc", "layers.1.1"))
    left = {name for name in ours if name.startswith(("fc.", "layers.1.1."))}
    assert len(left) == 2 + 5 and report.left_out == dict.fromkeys(report.left_out, "as asked")
    assert report.left_out.keys() == left and set(report.moved) == ours.keys() - left
    for name, value in target.state_dict().items():
        assert torch.equal(value, (ours if name in left else theirs)[name])
    assert "left out: fc.weight (as asked)" in str(report)


def test_a_prefix_ends_at_a_dot():
    assert (
        under("fc.weight", ["bn", "fc"])
        and under("fc", ["fc"])
        and not under("fc1.weight", ["fc"])
        and not under("fc", ["fc.w"])
    )


def test_a_first_convolution_of_colours_becomes_one_of_on_and_off():
    weight = torch.tensor([[1.0, 2.0, 6.0], [-3.0, 0.0, 0.0]])
    for how, expected in (("mean", [[3, 3], [-1, -1]]), ("signed", [[9, -9], [-3, 3]])):
        target = nn.Sequential(nn.Conv2d(2, 2, 1))
        source = {"0.weight": weight.view(2, 3, 1, 1), "0.bias": torch.tensor([4.0, 5.0])}
        report = copy_weights(source, target, input_conv=how)
        assert target[0].weight[:, :, 0, 0].tolist() == expected and target[0].bias.tolist() == [
            4,
            5,
        ]
        assert (report.adapted, report.moved) == (("0.weight",), ("0.bias",))
        assert "moved 1 of 2 tensors\nadapted to ON and OFF: 0.weight" in str(report)


def test_a_first_convolution_of_grey_becomes_one_of_on_and_off():
    grey = torch.randn(4, 1, 3, 3)
    for how, off in (("mean", grey), ("signed", -grey)):
        target = net()
        source = state(net(1, seed=3)) | {"layers.0.0.weight": grey}
        report = copy_weights(source, target, input_conv=how)
        assert report.adapted == ("layers.0.0.weight",)
        assert torch.equal(target.layers[0][0].weight, torch.cat([grey, off], 1))


@pytest.mark.parametrize(
    "shape",
    [
        (4, 3, 5, 5),
        (5, 3, 3, 3),
        (4, 4, 3, 3),
        (4, 3),
    ],  # another kernel, more channels out, four channels in, no kernel
)
def test_only_a_convolution_of_the_same_size_is_adapted(shape):
    source, target = state(net()) | {"layers.0.0.weight": torch.randn(shape)}, net(seed=2)
    with pytest.raises(SnnlabError, match="layers.0.0.weight: shape"):
        copy_weights(source, target, input_conv="mean")


def test_another_number_of_channels_is_an_error_unless_asked_for():
    with pytest.raises(
        SnnlabError, match=r"layers.0.0.weight: shape \(4, 3, 3, 3\) instead of \(4, 2, 3, 3\)"
    ):
        copy_weights(net(3), net())
    with pytest.raises(
        SnnlabError,
        match="no way to .* called .*; valid names: '', mean, signed",
    ):
        copy_weights(net(3), net(), input_conv="average")
    for before, after in ((2, 3), (3, 1), (1, 3)):  # only towards events
        with pytest.raises(SnnlabError, match="layers.0.0.weight: shape"):
            copy_weights(net(before), net(after), input_conv="mean")
    # And only convolutions
    with pytest.raises(SnnlabError, match="0.weight: shape .5, 3. instead of .5, 2."):
        copy_weights(
            nn.Sequential(nn.Linear(3, 5)), nn.Sequential(nn.Linear(2, 5)), input_conv="mean"
        )


def test_names_that_do_not_match_are_errors_or_listed():
    source, target = state(net(seed=1)), net(seed=2)
    source["gone.weight"] = source.pop("fc.bias")
    before = state(target)
    with pytest.raises(
        SnnlabError,
        match="fc.bias: not in the source; gone.weight: not in the target.*strict=False",
    ):
        copy_weights(source, target)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    # One of both is enough
    for name, value in (("fc.bias", before["fc.bias"]), ("more", torch.ones(1))):
        with pytest.raises(
            SnnlabError,
            match="SmallCNN: gone.weight: not in the target" if name == "fc.bias" else "more",
        ):
            copy_weights(source | {name: value}, target)
    report = copy_weights(source, target, strict=False)
    assert report.left_out == {"fc.bias": "not in the source"} and report.unused == ("gone.weight",)
    assert torch.equal(target.fc.bias, before["fc.bias"]) and torch.equal(
        target.fc.weight, source["fc.weight"]
    )
    assert "left out: fc.bias (not in the source)\nnot used: gone.weight" in str(report)


@pytest.mark.parametrize("strict", [False, True])
def test_nothing_that_moves_is_an_error(strict):
    source = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(SnnlabError, match="nothing moved into SmallCNN.*0.weight.*architecture"):
        copy_weights(source, net(), strict=strict)
    wrapped = {f"module.{name}": value for name, value in net().state_dict().items()}
    with pytest.raises(SnnlabError, match="nothing moved.*of the source begin with 'module.'"):
        copy_weights(wrapped, net(), strict=strict)
    buffers = {name: value for name, value in net().state_dict().items() if "running" in name}
    with pytest.raises(SnnlabError, match="nothing moved"):  # statistics alone are nothing
        copy_weights(buffers, net(), strict=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_an_error_and_change_nothing(value):
    source, target = state(net(seed=1)), net(seed=2)
    before = state(target)
    source["fc.weight"][1, 2] = value
    for strict in (True, False):
        with pytest.raises(
            SnnlabError, match="fc.weight: the source holds values that are not finite"
        ):
            copy_weights(source, target, strict=strict)
    assert all(torch.equal(now, before[name]) for name, now in target.state_dict().items())
    assert copy_weights(source, target, leave=["fc"]).left_out.keys() == {"fc.weight", "fc.bias"}


DECAY, ASKED = 0.25, 0.622


def decays(made):
    return [torch.sigmoid(activation.k).item() for _, activation in activations(made)]


@pytest.mark.parametrize("mode", ["relu", "lif"])
@pytest.mark.parametrize("learned", [False, True])
def test_a_decay_that_was_not_trained_does_not_replace_the_one_that_was_asked_for(mode, learned):
    source = SmallCNN(1, 3, decay=DECAY, learn_decay=learned).set_mode(mode)
    target = SmallCNN(2, 3, decay=ASKED, learn_decay=True)
    report = copy_weights(source, target, input_conv="signed")
    assert decays(target) == pytest.approx([ASKED] * 3)
    assert report.left_out.keys() == {f"acts.{i}.k" for i in range(3)}
    assert report.adapted == ("layers.0.0.weight",)
    assert "left out: acts.0.k (not learned in the source" in str(report)


def test_a_decay_that_both_learn_moves_and_one_that_the_target_holds_stays():
    source = SmallCNN(2, 3, decay=DECAY, learn_decay=True, learn_scale=True)
    for activation, decay in zip(source.acts, (0.1, 0.2, 0.3), strict=True):
        nn.init.constant_(activation.k, torch.logit(torch.tensor(decay)))
        nn.init.constant_(activation.scale, decay)
    source.requires_grad_(False)  # frozen by now, but it was learned
    target = SmallCNN(2, 3, decay=ASKED, learn_decay=True)
    report = copy_weights(source, target)
    assert decays(target) == pytest.approx([0.1, 0.2, 0.3])
    assert [a.scale.item() for a in target.acts] == [1, 1, 1]
    why = "not learned in the target, which keeps its own"
    assert report.left_out == {f"acts.{i}.scale": why for i in range(3)}
    target = SmallCNN(2, 3, decay=ASKED, learn_scale=True)
    report = copy_weights(source, target)
    assert decays(target) == pytest.approx([ASKED] * 3)
    assert [a.scale.item() for a in target.acts] == pytest.approx([0.1, 0.2, 0.3])
    assert set(report.left_out) == {f"acts.{i}.k" for i in range(3)}


def test_a_state_dict_does_not_say_what_was_learned():
    target = SmallCNN(2, 3, decay=ASKED, learn_decay=True)
    report = copy_weights(SmallCNN(2, 3, decay=DECAY).state_dict(), target)
    assert decays(target) == pytest.approx([ASKED] * 3)
    assert "pass the network itself" in report.left_out["acts.0.k"] and len(report.left_out) == 3
    without = state(net())
    for name in ("acts.0.k", "acts.0.scale", "acts.1.k", "acts.1.scale"):
        del without[name]  # as in networks that are not ours
    report = copy_weights(without, net(seed=2))
    assert set(report.left_out.values()) == {"not in the source"} and len(report.left_out) == 4


def test_values_of_numpy_and_of_other_precisions_move():
    source = state(net(seed=1))
    for kind in (torch.float16, torch.float64):
        target = net(seed=2)
        copy_weights({name: value.to(kind) for name, value in source.items()}, target)
        for name, value in target.state_dict().items():
            torch.testing.assert_close(value, source[name], rtol=1e-3, atol=1e-3)
    arrays = {name: value.numpy() for name, value in source.items()}
    arrays["fc.bias"] = arrays["fc.bias"].astype(">f8")
    arrays["fc.weight"].flags.writeable = False
    target = net(seed=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(copy_weights(arrays, target).moved) == len(source)
    assert all(torch.equal(value, source[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.ones(3, dtype=torch.long), "holds torch.int64; expected torch.float32"),
        (torch.ones(3, dtype=torch.complex64), "holds torch.complex64; expected torch.float32"),
        (torch.full((3,), 1e300, dtype=torch.double), "that are not finite in torch.float32"),
        (torch.ones(3, device="meta"), "the source's tensor is on the device meta"),
        ([1.0, 2.0, 3.0], "the source holds a list; expected a tensor or an array"),
        (np.array(["a", "b", "c"]), "the source holds a NumPy array of <U1"),
    ],
)
def test_values_that_are_no_such_numbers_are_an_error_and_change_nothing(value, words):
    target = net(seed=2)
    before = state(target)
    with pytest.raises(SnnlabError, match=f"fc.bias: .*{words}"):
        copy_weights(state(net(seed=1)) | {"fc.bias": value}, target, strict=False)
    assert all(torch.equal(now, before[name]) for name, now in target.state_dict().items())


def test_a_target_without_values_is_refused():
    with torch.device("meta"):
        target = SmallCNN(2, 3)
    with pytest.raises(SnnlabError, match="the target's tensor is on the device meta"):
        copy_weights(SmallCNN(2, 3), target)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"epoch": 3, "state_dict": {"fc.bias": torch.ones(3)}}, "has a dict under 'state_dict'"),
        ({"model": nn.Linear(1, 1)}, r"has a Linear under 'model'.*pass source\['model'\]"),
        ([("fc.bias", torch.ones(3))], "source is a list; expected a network or its state_dict"),
        ("ann.pt", "source is a str; expected a network"),
    ],
)
def test_what_is_no_state_dict_is_named(source, words):
    with pytest.raises(SnnlabError, match=words):
        copy_weights(source, net(), strict=False)


def test_an_unknown_prefix_is_an_error():
    with pytest.raises(
        SnnlabError, match="nothing in SmallCNN is called 'head'; names: layers.0.0.weight"
    ):
        copy_weights(net(), net(), leave=["head"])


def torchvision_resnet18():
    """Names and shapes of torchvision's ResNet-18, with random values."""
    torch.manual_seed(4)
    made: dict[str, torch.Tensor] = {}

    def conv(name, after, before, size):
        made[f"{name}.weight"] = torch.randn(after, before, size, size)

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            made[f"{name}.{part}"] = torch.rand(channels)
        made[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    before = 64
    for stage, after in enumerate((64, 128, 256, 512), start=1):
        for i in range(2):
            for j in (1, 2):
                conv(f"layer{stage}.{i}.conv{j}", after, before if (i, j) == (0, 1) else after, 3)
                norm(f"layer{stage}.{i}.bn{j}", after)
            if stage > 1 and i == 0:
                conv(f"layer{stage}.{i}.downsample.0", after, before, 1)
                norm(f"layer{stage}.{i}.downsample.1", after)
        before = after
    made["fc.weight"], made["fc.bias"] = torch.randn(1000, 512), torch.randn(1000)
    return made


def test_a_resnet_of_torchvision_moves():
    source = torchvision_resnet18()
    assert (
        len(source) == 122
        and sum(v.numel() for n, v in source.items() if "running" not in n) == 11_689_512 + 20
    )
    images = ResNet(depth=18)
    report = copy_weights(source, images, strict=False)
    assert set(report.moved) == set(source) and not report.unused and not report.adapted
    neurons = {name for name in images.state_dict() if name.endswith((".k", ".scale"))}
    first = {name for name in images.state_dict() if name.startswith("layer1.0.downsample")}
    assert len(neurons) == 2 * 17 and len(first) == 6
    assert report.left_out == dict.fromkeys(neurons | first, "not in the source")
    assert all(torch.equal(images.state_dict()[name], value) for name, value in source.items())
    frames = ResNet(2, 10, depth=18, events=True)
    report = copy_weights(source, frames, leave=["fc"], input_conv="mean", strict=False)
    assert report.adapted == ("conv1.weight",) and len(report.moved) == 122 - 3
    unexpected = {
        name
        for name, why in report.left_out.items()
        if why != "as asked" and not name.endswith((".k", ".scale"))
    }
    assert unexpected == {
        name.replace("weight", "bias")
        for name in source
        if "conv" in name or "downsample.0" in name
    }
    with pytest.raises(SnnlabError, match="conv1.bias: not in the source"):
        copy_weights(source, frames, leave=["fc"], input_conv="mean")


def test_batch_norm_statistics_are_averages_over_the_batches_by_hand():
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
    )
    batches = [torch.randn(n, 2, 6, 6) + n for n in (2, 5, 3)]
    means, variances = [], []
    for x in batches:
        current = made[0](x)
        mean, var = current.mean((0, 2, 3)), current.var((0, 2, 3))
        centred = current - mean.view(-1, 1, 1)
        normal = centred / (current.var((0, 2, 3), correction=0) + 1e-5).sqrt().view(-1, 1, 1)
        after = made[3](normal.relu())
        means.append((mean, after.mean((0, 2, 3))))
        variances.append((var, after.var((0, 2, 3))))
    grads = []
    made[0].register_forward_hook(lambda m, i, out: grads.append(out.requires_grad))
    reestimate_batch_norm(made.eval(), batches)
    assert grads == [False] * 3  # nothing is kept for a backward pass
    for norm, mean, var in zip(
        (made[1], made[4]), zip(*means, strict=True), zip(*variances, strict=True), strict=True
    ):
        assert torch.allclose(norm.running_mean, torch.stack(mean).mean(0), atol=1e-5)
        # Unbiased, batches weighed alike
        assert torch.allclose(norm.running_var, torch.stack(var).mean(0), rtol=1e-4)
        assert norm.num_batches_tracked == 3


@pytest.mark.parametrize("training", [False, True])
def test_reestimation_touches_nothing_but_statistics(training):
    made = net().train(training)
    made.layers[0][1].momentum = 0.3
    made.layers[1][1].eval()
    modes = [module.training for module in made.modules()]
    before = state(made)
    x = torch.rand(2, 4, 2, 8, 8, requires_grad=True)
    reestimate_batch_norm(made, [x, x * 2])
    assert made.training == training and modes == [module.training for module in made.modules()]
    assert [layer[1].momentum for layer in made.layers] == [0.3, 0.1]
    assert x.grad is None and all(p.grad is None for p in made.parameters())
    for name, value in made.state_dict().items():
        statistic = name.split(".")[-1].startswith(("running", "num"))
        assert torch.equal(value, before[name]) != statistic, name
        assert not value.requires_grad


def test_reestimation_does_not_remember_the_statistics_before():
    made, x = net(), torch.rand(2, 4, 2, 8, 8)
    reestimate_batch_norm(made, [x])
    once = state(made)
    for p in (made.layers[0][1].running_mean, made.layers[1][1].running_var):
        p.fill_(9)
    reestimate_batch_norm(made, [x])
    assert all(torch.equal(value, once[name]) for name, value in made.state_dict().items())


def test_reestimation_leaves_dropout_off():
    batches = [torch.rand(9, 16, 5) for _ in range(3)]
    with_dropout = DelayNet(5, [8, 8], 2, max_delay=4, dropout=0.5)
    without = DelayNet(5, [8, 8], 2, max_delay=4, dropout=0.0)
    without.load_state_dict(with_dropout.state_dict())
    for made in (with_dropout, without):
        reestimate_batch_norm(made, batches)
    torch.testing.assert_close(dict(with_dropout.state_dict()), dict(without.state_dict()))


def test_reestimation_of_nothing_is_an_error_and_a_bad_input_leaves_momentum_and_mode():
    made = net().eval()
    with pytest.raises(SnnlabError, match="no batch to estimate batch norm from"):
        reestimate_batch_norm(made, [])
    with pytest.raises(SnnlabError, match="expected"):
        reestimate_batch_norm(made, [torch.zeros(1, 1, 5, 8, 8)])
    assert not made.training and not made.layers[0].training and made.layers[0][1].momentum == 0.1


def test_the_video_encoder_moves_without_its_first_layer():
    torch.manual_seed(0)
    colour, frames = VideoNet(3, 5, height=33, width=33), VideoNet(2, 5, height=33, width=33)
    report = copy_weights(colour, frames, leave=("layers.0", "acts.0", "lstm", "fc"))
    assert {name.split(".")[0] for name in report.moved} == {"layers", "acts", "hidden", "embed"}
    assert torch.equal(frames.hidden.weight, colour.hidden.weight)
    assert not torch.equal(frames.lstm.weight_hh_l0, colour.lstm.weight_hh_l0)


@pytest.mark.parametrize("delay_mode", ["learned", "fixed"])
def test_a_network_keeps_whether_its_delays_are_rounded(delay_mode):
    torch.manual_seed(0)
    settings = dict(max_delay=6, tau=1.5, dropout=0.0)
    learned, whole = DelayNet(5, (4,), 3, **settings), discretise(DelayNet(5, (4,), 3, **settings))
    other = DelayNet(5, (4,), 3, delay_mode=delay_mode, **settings)
    for source in (learned, whole):
        moved = copy_weights(source, other)
        assert not moved.left_out and not moved.unused
        assert all(layer.discrete == (delay_mode == "fixed") for layer in other.synapses)
        for layer, theirs in zip(other.synapses, source.synapses, strict=True):
            assert torch.equal(
                layer.delay, theirs.delay if delay_mode == "learned" else theirs.delay.round()
            )


@pytest.mark.parametrize("strict", [False, True])
def test_a_state_dict_of_other_delays_or_another_number_of_inputs_is_seen(strict):
    made = {"max_delay": 4, "n_connections": 3, "tau": 1.5}
    for other, name, why in (
        ({"max_delay": 40}, "synapses.0.P", "delays outside of 0 to max_delay = 4"),
        ({"n_connections": 2}, "synapses.0.mask", "a mask that is not of n_connections = 3"),
    ):
        target, source = (
            DelayNet(6, (5,), 2, **made),
            DelayNet(6, (5,), 2, **made | other).state_dict(),
        )
        before = {key: value.clone() for key, value in target.state_dict().items()}
        if strict:
            with pytest.raises(SnnlabError, match=f"{name}: {why}"):
                copy_weights(source, target)
            assert all(
                torch.equal(value, before[key]) for key, value in target.state_dict().items()
            )
        else:
            assert copy_weights(source, target, strict=False).left_out[name] == why
            assert torch.equal(target.state_dict()[name], before[name])
