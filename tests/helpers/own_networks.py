"""Networks as a reader writes them: `(T, B, ...)` to class scores, none of them a `DelayNet`."""

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import nn

from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.neurons import LIF

N_IN, HIDDEN, CLASSES = 6, 5, 3


class Recurrent(nn.Module):
    """Spikes are fed back with delays, step by step; two layers with kernels of other lengths."""

    def __init__(self):
        super().__init__()
        self.feed, self.back = DelayLinear(N_IN, HIDDEN, 8), DelayLinear(HIDDEN, HIDDEN, 3)
        self.cells = neuron.LIFNode(2.0, surrogate_function=surrogate.ATan(), step_mode="s")
        self.out = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        spikes, scores = x.new_zeros(x.shape[1], HIDDEN), 0
        for x_t in x:
            spikes = self.cells(3 * self.feed.step(x_t) + self.back.step(spikes))
            scores = scores + self.out(spikes)
        return scores


class Convolutional(nn.Module):
    """Pictures `(T, B, 1, 4, 4)` through a convolution with batch norm, then delays."""

    def __init__(self):
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU())
        self.delays, self.cells = DelayLinear(32, CLASSES, 4), LIF(2.0)

    def forward(self, x):
        features = self.front(x.flatten(0, 1)).flatten(1).unflatten(0, x.shape[:2])
        return self.cells(self.delays(features)).sum(0)


class Adaptive(nn.Module):
    """A neuron of one's own: its threshold rises with each spike; a learned constant, no reset."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"in": DelayLinear(N_IN, HIDDEN, 4, n_connections=3)})
        self.rise = nn.Parameter(torch.full((HIDDEN,), 0.1))
        self.readout = nn.Linear(HIDDEN, CLASSES)
        self.register_buffer("mask", torch.full((2,), -torch.inf))

    def forward(self, x):
        v = threshold = total = x.new_zeros(x.shape[1], HIDDEN)
        for current in self.layers["in"](x):
            v = 0.5 * v + current
            spike = surrogate.atan.apply(v - 0.2 - threshold, 2.0)
            v, threshold = v * (1 - spike), 0.8 * threshold + self.rise * spike
            total = total + spike
        return self.readout(total)


def spiking_jelly():
    """A plain `Sequential` with SpikingJelly's LIF over all steps, and no class of its own."""

    class Sum(nn.Module):
        def forward(self, x):
            return x.sum(0)

    cells = neuron.LIFNode(2.0, surrogate_function=surrogate.ATan(), step_mode="m")
    return nn.Sequential(DelayLinear(N_IN, HIDDEN, 5), cells, nn.Linear(HIDDEN, CLASSES), Sum())


NETWORKS = {
    "recurrent": Recurrent,
    "convolutional": Convolutional,
    "adaptive": Adaptive,
    "spikingjelly": spiking_jelly,
}


def no_network():
    return {}


def own_network(name):
    """A network of `NETWORKS` that spikes, the same in every call."""
    torch.manual_seed(0)
    net = NETWORKS[name]()
    for layer in delay_layers(net).values():
        layer.weight.data.abs_()
    return net


def own_data(name, n=12, steps=10):
    """Input for it, and labels."""
    shape = (1, 4, 4) if name == "convolutional" else (N_IN,)
    x = torch.rand(steps, n, *shape, generator=torch.Generator().manual_seed(1))
    return x, torch.arange(n) % CLASSES
