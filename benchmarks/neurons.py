"""Time LIF neurons, forward and backward: the compiled scan beside SpikingJelly's loop.

    OMP_NUM_THREADS=1 python benchmarks/neurons.py

Both get the same currents (T, B, N), and give the same spikes. CPU seconds of one thread, the best
of five.
"""

import time
from collections.abc import Callable

import torch
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor

from snnlab.nn.neurons import LIF


def seconds(layer: Callable[[Tensor], Tensor], x: Tensor) -> float:
    def once() -> float:
        functional.reset_net(layer)
        leaf = x.clone().requires_grad_()
        start = time.process_time()
        layer(leaf).sum().backward()
        return time.process_time() - start

    once()  # compiles, and fills caches
    return min(once() for _ in range(5))


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'(T, B, N)':18s}{'SpikingJelly (ms)':>20s}{'snnlab (ms)':>14s}{'ratio':>8s}")
    for shape in ((40, 64, 16), (112, 256, 256)):
        x = torch.randn(shape)
        theirs = neuron.LIFNode(2.0, False, 1.0, 0.0, surrogate.ATan(5.0), True, "m")
        ours = LIF(2.0)
        assert torch.equal(theirs(x), ours(x))
        a, b = seconds(theirs, x), seconds(ours, x)
        print(f"{shape!s:18s}{1000 * a:20.2f}{1000 * b:14.2f}{a / b:8.1f}")


if __name__ == "__main__":
    main()
