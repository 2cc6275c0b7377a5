"""Training steps on a device beside the CPU, without a GPU: nothing in them is made on the CPU.

`other_device` pretends to be CUDA, so the branches of a GPU run, and losses equal those of the CPU.
"""

import copy

import pytest
import torch
from other_device import OtherTensor, other_device
from torch.nn import functional as F

from snnlab.delays.ablation import discretise
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.nn.vision.video import VideoNetConfig
from snnlab.nn.weight_transfer import copy_weights, reestimate_batch_norm
from snnlab.training.evaluation import class_scores
from snnlab.training.trainer import train_step
from snnlab.transfer.stages import Stage

T, B, N, CLASSES = 14, 4, 10, 3
VISION = {
    "small CNN": (SmallCNNConfig(in_channels=2, classes=CLASSES, channels=(4, 4, 4)), (2, 8, 8)),
    "ResNet": (ResNetConfig(in_channels=2, classes=CLASSES), (2, 8, 8)),
    "video": (VideoNetConfig(classes=CLASSES, height=40, width=40), (2, 40, 40)),
}
DELAYS = {
    "dense": dict(engine="dense"),
    "spectral": dict(engine="spectral"),
    "auto": dict(),
    "dcls": dict(engine="dcls"),
    "axonal": dict(delay_kind="axonal"),
    "dendritic": dict(delay_kind="dendritic"),
    "axo-dendritic": dict(delay_kind="axo-dendritic", kernel_count=2),
    "axo-dendritic, dcls": dict(delay_kind="axo-dendritic", engine="dcls"),
    "ramps": dict(neuron="relu"),
    "reference": dict(padding="reference"),
    "ramps, reference": dict(neuron="relu", padding="reference"),
    "a tau for each neuron": dict(tau=((1.5,) * 4 + (2.0,) * 4, 1.2, (1.5, 2.0, 3.0))),
    "few connections and bits": dict(n_connections=5, weight_bits=4, delay_bits=2),
    "fixed": dict(delay_mode="fixed"),
    "none": dict(delay_mode="none"),
    "delays for each layer": dict(max_delay=(0, 4, 9), kernel_count=2),
}
RECIPES = {
    "plain": dict(),
    "straight through": dict(whole_share=1.0, delay_pull=0.05),
    "pruned": dict(kept_share=0.5),
    "in parts": dict(accumulate=2),
}


def trained(model, batches, recipe):
    """Take a step on each batch as `fit` does, evaluate, and return the losses."""
    optimisers = recipe.optimisers(model)
    recipe.before_epoch(model, 0)
    model.train()
    losses = []
    for number, (x, y) in enumerate(batches):
        recipe.before_step(model, optimisers, number / len(batches))
        loss, _ = train_step(model, x, y, optimisers, recipe)
        losses.append(loss.item())
    with torch.no_grad():
        scores = class_scores(recipe.as_used(model).eval(), x)
    return [*losses, F.cross_entropy(scores, y).item()]


def compare(model, recipe, shape, steps=T):
    """Compare the losses on the CPU with those on the other device."""
    torch.manual_seed(1)
    spikes = [(torch.rand(steps, B, *shape) < 0.3).double() for _ in range(2)]
    spikes[0][steps // 2 :, 0] = 0  # one that ends before the others
    batches = [(x, torch.arange(B) % CLASSES) for x in spikes]
    here = trained(copy.deepcopy(model), batches, recipe)
    with other_device():
        there = trained(
            copy.deepcopy(model).to("cuda"),
            [(x.to("cuda"), y.to("cuda")) for x, y in batches],
            recipe,
        )
    assert there == pytest.approx(here, rel=1e-6)
    assert len(set(here)) == 3


def delay_net(**settings):
    torch.manual_seed(0)
    settings = dict(max_delay=5, tau=1.5, dropout=0.0) | settings
    return DelayNet(N, (8, 6), CLASSES, **settings).double()


@pytest.mark.parametrize("settings", DELAYS.values(), ids=DELAYS)
def test_networks_with_delays(settings):
    compare(delay_net(**settings), DelayRecipe(epochs=2, batch_size=B), (N,))


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_recipes(settings):
    compare(delay_net(), DelayRecipe(epochs=2, batch_size=B, **settings), (N,))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(("small CNN", mode) for mode in ("relu", "ramp", "liaf", "lif", "quantised", "soft")),
        *((name, mode) for name in ("ResNet", "video") for mode in ("relu", "lif")),
    ],
)
def test_vision_networks(name, mode):
    torch.manual_seed(0)
    config, shape = VISION[name]
    stage = Stage(name="train", mode=mode, epochs=1, batch_size=B)
    compare(config.build().double().set_mode(mode), stage, shape, steps=2)


def test_a_step_waits_three_times_for_the_device_however_many_layers_there_are():
    torch.manual_seed(0)
    net = DelayNet(N, (8, 6, 5), CLASSES, max_delay=5, tau=1.5, dropout=0.3)
    x = (torch.rand(T, B, N) < 0.3).float()
    x[T // 2 :, 0] = 0  # the batch norm leaves out what follows
    recipe = DelayRecipe(batch_size=B)
    with other_device() as waits:
        net, x, y = net.to("cuda"), x.to("cuda"), torch.arange(B, device="cuda") % CLASSES
        train_step(net, x, y, recipe.optimisers(net), recipe)
    # The number of steps, whether all count, and which do
    assert waits == ["_local_scalar_dense", "_local_scalar_dense", "nonzero"]


def test_weight_transfer_copies_on_the_device_and_measures_batch_norm_there():
    torch.manual_seed(0)
    config, shape = VISION["small CNN"]
    source, target = (config.build() for _ in range(2))
    x = torch.rand(T, B, *shape)
    with other_device():
        source, target = source.to("cuda"), target.to("cuda")
        copy_weights(source, target)
        reestimate_batch_norm(target.set_mode("lif"), [x.to("cuda")])
        assert all(type(value) is OtherTensor for value in target.state_dict().values())


def test_dropout_and_rounding_on_the_device():
    net, x = delay_net(dropout=0.5, delay_kind="axonal"), torch.rand(T, B, N).double()
    with other_device():
        net, x, y = net.to("cuda"), x.to("cuda"), torch.arange(B, device="cuda") % CLASSES
        recipe = DelayRecipe(batch_size=B)
        assert train_step(net, x, y, recipe.optimisers(net), recipe)[0].isfinite()
        assert isinstance(discretise(net)(x), OtherTensor)
        kernels = [layer.kernel() for layer in delay_layers(net).values()]
        assert all(isinstance(kernel, OtherTensor) for kernel in kernels)


def test_the_device_refuses_what_a_gpu_would():
    with other_device():
        there = torch.zeros(3, device="cuda")
        with pytest.raises(RuntimeError, match="is on the CPU"):
            there + torch.zeros(3, device="cpu")
        with pytest.raises(RuntimeError, match="is on the CPU"):
            torch.tensor(0.0).add_(there.sum())
        with pytest.raises(RuntimeError, match="arange without device="):
            torch.arange(3)
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
        assert (there + torch.tensor(2.0)).to("cpu").tolist() == [2.0] * 3
