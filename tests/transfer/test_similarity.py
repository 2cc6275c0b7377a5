"""Cosines and CKA by their properties, and the outputs of layers beside hooks written by hand."""

import math

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.nn.activations import activations
from snnlab.nn.vision.small_cnn import SmallCNN
from snnlab.nn.vision.video import VideoNet
from snnlab.nn.weight_transfer import reestimate_batch_norm
from snnlab.transfer.similarity import cka, cosines, layer_outputs


def test_cosines_by_hand():
    a = {"w": torch.tensor([[3.0, 0.0], [0.0, 4.0]]), "bias": torch.ones(2), "n": torch.tensor(1)}
    b = {"n": torch.tensor(2), "w": torch.tensor([[1.0, 5.0], [5.0, 1.0]]), "bias": torch.ones(2)}
    assert cosines(a, b) == pytest.approx({"w": 7 / (5 * math.sqrt(52))})
    assert cosines(a, a) == pytest.approx({"w": 1}) and cosines(a, {**a, "w": -2 * a["w"]})[
        "w"
    ] == pytest.approx(-1)


def test_cosines_of_networks():
    torch.manual_seed(0)
    first, second = (SmallCNN(1, 10, channels=(64, 64), strides=(1, 1)) for _ in range(2))
    found = cosines(first.state_dict(), second.state_dict())
    assert list(found) == ["layers.0.0.weight", "layers.1.0.weight", "fc.weight"]
    assert abs(found["layers.1.0.weight"]) < 4 / math.sqrt(64 * 64 * 9)
    assert all(
        value == pytest.approx(1, abs=1e-5)
        for value in cosines(first.state_dict(), first.state_dict()).values()
    )


def test_networks_that_do_not_match_are_told():
    a = {"w": torch.ones(2, 2), "v": torch.ones(2, 2)}
    for b, message in (
        (
            {"w": torch.ones(2, 2)},
            r"v: got \(2, 2\) in the first network and nothing in the second",
        ),
        (a | {"w": torch.ones(2, 3)}, r"w: got \(2, 2\) in the first network and \(2, 3\)"),
    ):
        with pytest.raises(SnnlabError, match=message):
            cosines(a, b)
    with pytest.raises(SnnlabError, match="v: got nothing in the first"):
        cosines({"w": torch.ones(2, 2)}, a)


def rotation(n):
    return torch.linalg.qr(torch.randn(n, n, dtype=torch.double))[0]


def test_cka_is_its_definition_and_knows_no_rotation_scale_shift_or_order():
    torch.manual_seed(0)
    x, y = torch.randn(30, 6, dtype=torch.double), torch.randn(30, 9, dtype=torch.double)
    y[:, :3] += 2 * x[:, :3]
    u, v = x - x.mean(0), y - y.mean(0)
    definition = (v.T @ u).norm() ** 2 / ((u.T @ u).norm() * (v.T @ v).norm())
    value = cka(x, y)
    assert 0.2 < value < 0.9 and value == pytest.approx(definition.item()) == pytest.approx(
        cka(y, x)
    )
    assert cka(x, x) == pytest.approx(1) == pytest.approx(cka(x, -3 * x @ rotation(6) + 5))
    assert cka(x @ rotation(6) * 0.1 + 1, y[:, torch.randperm(9)]) == pytest.approx(value)
    samples = torch.randperm(30)
    assert cka(x[samples], y[samples]) == pytest.approx(value) and cka(x[samples], y) < value
    assert cka(x, y.float()) == pytest.approx(value, abs=1e-6)


def test_cka_of_what_has_nothing_in_common_is_near_zero():
    torch.manual_seed(1)
    assert cka(torch.randn(4000, 5), torch.randn(4000, 5)) < 0.01  # about 5 / 4000
    assert cka(torch.ones(5, 3), torch.randn(5, 3)) == 0  # no variance
    x = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert cka(x, torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])) == pytest.approx(0)


def test_cka_needs_the_same_samples():
    for n, m in ((3, 4), (1, 1), (0, 0)):
        with pytest.raises(SnnlabError, match=f"got {n} and {m} samples"):
            cka(torch.ones(n, 2), torch.ones(m, 2))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mode", ["lif", "relu"])
def test_layer_outputs_are_the_rates_that_hooks_see(mode, training):
    torch.manual_seed(0)
    batches = [torch.rand(3, n, 2, 8, 8) * 2 for n in (4, 2)]
    net = SmallCNN(2, 3)
    reestimate_batch_norm(net.set_mode("lif"), batches)
    net.set_mode(mode).train(training)
    net.acts[0].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = layer_outputs(net, batches)
    assert net.training == net.acts[1].training == training and not net.acts[0].training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    seen = {name: [] for name, _ in activations(net)}
    hooks = [
        module.register_forward_hook(lambda m, i, out, name=name: seen[name].append(out.detach()))
        for name, module in activations(net)
    ]
    net.eval()
    for x in batches:
        net(x)
    for hook in hooks:
        hook.remove()
    assert list(found) == list(seen) == ["acts.0", "acts.1", "acts.2"]
    for name, parts in seen.items():
        by_hand = torch.cat([part.sum(0).reshape(part.shape[1], -1) / 3 for part in parts])
        assert found[name].shape == (6, by_hand.shape[1]) and torch.allclose(
            found[name], by_hand, atol=1e-6
        )
        assert not found[name].requires_grad and by_hand.any()
    assert all(not module._forward_hooks for module in net.modules())


def test_layer_outputs_put_everything_back_after_an_error():
    net = SmallCNN(2, 3).train()
    with pytest.raises(SnnlabError):
        layer_outputs(net, [torch.zeros(1, 1, 3, 8, 8)])
    assert net.training and all(not module._forward_hooks for module in net.modules())


def test_layer_outputs_of_layers_without_height_and_width():
    net = VideoNet(2, 3, height=33, width=33).set_mode("liaf")
    assert layer_outputs(net, [torch.rand(2, 3, 2, 33, 33)])["acts.4"].shape == (3, 1024)


def test_cka_of_what_is_no_representation():
    good = torch.rand(6, 3)
    with pytest.raises(SnnlabError, match=r"^y: of shape \(6,\), 2 axes were expected"):
        cka(good, good[:, 0])
    bad = good.clone()
    bad[2, 1] = float("nan")
    with pytest.raises(SnnlabError, match="^x: holds NaN or infinite values"):
        cka(bad, good)
    assert cka(torch.ones(6, 2), good) == cka(good, torch.zeros(6, 2)) == 0.0  # no spikes


def test_cka_of_the_same_output_for_all_samples_is_zero_whatever_it_is():
    x = torch.full((3, 2), 0.1, dtype=torch.float64)  # its mean is rounded
    assert cka(x, x) == cka(x, torch.rand(3, 4)) == cka(torch.rand(3, 4), x) == 0


def test_cka_takes_arrays_and_lists():
    torch.manual_seed(0)
    x, y = torch.rand(5, 3), torch.rand(5, 4)
    for other in (y.numpy(), y.numpy()[:, ::-1], y.tolist()):
        assert cka(x, other) == pytest.approx(cka(x, y)) == pytest.approx(cka(other, x))
