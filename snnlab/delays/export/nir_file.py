r"""NIR files: the graph of a network with delays, and how its numbers are stated.

NIR gives no unit for `tau` and `delay`, which share one unit of time; like the simulators that read
NIR, snnlab takes seconds. A neuron of NIR follows $\tau\,\dot v = v_{leak} - v + R\,I$. One Euler
step of length dt is ours, $H[t] = (1 - dt/\tau)\,V[t-1] + X[t]$, for `r` $= \tau / dt$. NIR's
neurons fire above `v_threshold`, ours at the threshold too, so the file has the largest number
below it. The metadata of the graph has `dt_ms` and `tail`.

A layer is one branch `Delay -> Linear` for each distinct delay, and their sum is the input of `LIF`
(or `LI`, the readout). Where all synapses of each input channel have the same delay, it is one
`Delay -> Linear`; where all of each neuron have, one `Linear -> Delay`. The bias is in an `Affine`
that no delay follows.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.optional import import_optional
from snnlab.delays.export.plain import Array, PlainLayer, PlainNetwork

PURPOSE = "reads and writes NIR files"


def write(plain: PlainNetwork, path: Path) -> None:
    """Write a network as a NIR file."""
    nir = import_optional("nir", PURPOSE, "export")
    dt = plain.dt_ms / 1000
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([plain.n_in])})}
    edges: list[tuple[str, str]] = []
    before, n_in = "input", plain.n_in
    for number, layer in enumerate(plain.layers):
        name = f"layer{number}"
        neurons = {"tau": layer.tau * dt, "r": layer.tau, "v_leak": np.zeros_like(layer.tau)}
        if np.isfinite(layer.threshold).all():
            threshold = np.nextafter(layer.threshold, -np.inf)
            reset = np.zeros_like(layer.tau)
            nodes[name] = nir.LIF(**neurons, v_threshold=threshold, v_reset=reset)
        else:
            nodes[name] = nir.LI(**neurons)
        for branch, (first, weight, last) in enumerate(_branches(layer, n_in)):
            chain = []
            if first.any():
                chain.append((f"{name}_delay{branch}", nir.Delay(first * dt)))
            bias = layer.bias if branch == 0 else np.zeros_like(layer.bias)
            linear = nir.Affine(weight, bias) if bias.any() else nir.Linear(weight)
            chain.append((f"{name}_linear{branch}", linear))
            if last.any():
                chain.append((f"{name}_delay{branch}", nir.Delay(last * dt)))
            nodes.update(chain)
            names = [before, *(node for node, _ in chain), name]
            edges += pairwise(names)
        before, n_in = name, len(layer.bias)
    nodes["output"] = nir.Output({"output": np.array([n_in])})
    edges.append((before, "output"))
    metadata = {"dt_ms": plain.dt_ms, "tail": plain.tail}
    nir.write(path, nir.NIRGraph(nodes, edges, metadata=metadata))


def _branches(layer: PlainLayer, n_in: int) -> list[tuple[Array, Array, Array]]:
    """Return the branches of a layer: delays of the inputs, (N, N_in) weights, delays of neurons.

    No delay of neurons is in the first branch, which gets the bias.
    """
    n_out = len(layer.bias)
    of_inputs, of_neurons = _shared(layer, layer.source, n_in), _shared(layer, layer.target, n_out)
    none, everything = np.zeros(n_out, dtype=np.int64), np.ones(len(layer.weight), dtype=bool)
    if of_inputs is not None:
        return [(of_inputs, _matrix(layer, everything, n_in), none)]
    silent = np.zeros(n_in, dtype=np.int64)
    if of_neurons is not None:
        bias_only = (silent, np.zeros((n_out, n_in)), none)
        return [bias_only, (silent, _matrix(layer, everything, n_in), of_neurons)]
    return [
        (np.full(n_in, delay), _matrix(layer, layer.delay == delay, n_in), none)
        for delay in np.unique(layer.delay)
    ]


def _shared(layer: PlainLayer, channel: Array, size: int) -> Array | None:
    """Return the delay of each channel, or None where synapses of one differ in theirs."""
    delay = np.zeros(size, dtype=np.int64)
    delay[channel] = layer.delay
    return delay if np.array_equal(delay[channel], layer.delay) else None


def _matrix(layer: PlainLayer, chosen: Array, n_in: int) -> Array:
    """Return the weights of the chosen synapses as a matrix (N, N_in)."""
    weight = np.zeros((len(layer.bias), n_in))
    np.add.at(weight, (layer.target[chosen], layer.source[chosen]), layer.weight[chosen])
    return weight
