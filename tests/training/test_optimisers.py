"""Adam and SGD without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from snnlab.training import optimisers

KINDS = {
    "Adam": {"lr": 0.01, "weight_decay": 0.1, "fused": True},
    "SGD": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1},
}


def network():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def step(net, optimiser, seed):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    optimiser.zero_grad()
    net(x).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_torchs_bit_for_bit_and_each_reads_the_others_state(kind):
    """With a change of learning rate by a scheduler, and the state handed over between steps."""
    nets, made = [network(), network()], []
    for net, source in zip(nets, (optimisers, torch.optim), strict=True):
        made.append(getattr(source, kind)(net.parameters(), **KINDS[kind]))
    plans = [torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5) for optimiser in made]
    for seed in range(3):
        for net, optimiser, plan in zip(nets, made, plans, strict=True):
            step(net, optimiser, seed)
            plan.step()
    states = [optimiser.state_dict() for optimiser in made]
    for optimiser, state in zip(made, reversed(states), strict=True):
        optimiser.load_state_dict(state)
    for net, optimiser in zip(nets, made, strict=True):
        step(net, optimiser, 3)
    ours, theirs = ([*net.parameters()] for net in nets)
    assert all(map(torch.equal, ours, theirs)) and not torch.equal(ours[0], network().weight)
    assert all(parameter.requires_grad for parameter in ours)


def test_a_closure_gets_gradients():
    net = network()
    optimiser = optimisers.SGD(net.parameters(), lr=0.1)

    def closure():
        loss = net(torch.ones(1, 3)).sum()
        loss.backward()
        return loss

    loss = optimiser.step(closure)
    assert loss.requires_grad and torch.equal(net.bias, network().bias - 0.1)


def test_a_training_imports_neither_torchs_compiler_nor_what_fetches_files(tmp_path):
    """Nor does one that resumes from a checkpoint; a process of its own, as others import it."""
    script = """if True:
        import sys, torch, snnlab as sl
        from snnlab.nn.vision.small_cnn import SmallCNNConfig
        x, y = torch.rand(2, 8, 1, 8, 8), torch.arange(8) % 2
        settings = dict(epochs=1, batch_size=4, device="cpu")
        for recipe, x in [
            (sl.DelayRecipe(**settings), x.flatten(2)),
            (sl.Stage(name="sgd", mode="relu", optimiser="sgd", lr=0.1, **settings), x),
        ]:
            for _ in range(2):
                net = sl.DelayNet(64, (4,), 2, max_delay=3, tau=2.0)
                if x.dim() == 5:
                    net = SmallCNNConfig(in_channels=1, classes=2, channels=(2, 2, 2)).build()
                data, path = (x, y), f"{sys.argv[1]}/{x.dim()}.pt"
                sl.fit(net, data, data, recipe, checkpoint=path, progress=False)
        print(*(name in sys.modules for name in ("torch", "torch._dynamo", "requests")))
    """
    command = [sys.executable, "-c", script, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False", "False"], done.stderr
