"""Time LIF neurons, forward and backward: the compiled scan beside SpikingJelly's loop.

    python benchmarks/neurons.py [--json FILE]

Both get the same currents (T, B, N), and give the same spikes. CPU seconds of one thread, the best
of five.
"""

import time
from collections.abc import Callable

import click
import torch
from report import json_option, write
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor

from snnlab.nn.neurons import LIF

SHAPES = {"small": (40, 64, 16), "large": (112, 256, 256)}


def seconds(layer: Callable[[Tensor], Tensor], x: Tensor) -> float:
    def once() -> float:
        functional.reset_net(layer)
        leaf = x.clone().requires_grad_()
        start = time.process_time()
        layer(leaf).sum().backward()
        return time.process_time() - start

    once()  # compiles, and fills caches
    return min(once() for _ in range(5))


@click.command()
@json_option
def main(out: str | None) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'(T, B, N)':18s}{'SpikingJelly (ms)':>20s}{'snnlab (ms)':>14s}{'ratio':>8s}")
    figures = {}
    for name, shape in SHAPES.items():
        x = torch.randn(shape)
        theirs = neuron.LIFNode(2.0, False, 1.0, 0.0, surrogate.ATan(5.0), True, "m")
        ours = LIF(2.0)
        assert torch.equal(theirs(x), ours(x))
        a, b = 1000 * seconds(theirs, x), 1000 * seconds(ours, x)
        figures[name] = {"peer_ms": a, "snnlab_ms": b, "ratio": a / b}
        print(f"{shape!s:18s}{a:20.2f}{b:14.2f}{a / b:8.1f}")
    write(out, figures)


if __name__ == "__main__":
    main()
