"""Import of NIR files: the `DelayNet` that a file describes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab.delays.export.nir_reader import read
from snnlab.delays.export.plain import Array, PlainLayer, PlainNetwork
from snnlab.nn.delay_net import DelayNet


def read_network(path: str | Path, *, dt_ms: float | None = None) -> DelayNet:
    """Read the network of a NIR file; `convert_file` makes a checkpoint of it.

    Args:
        path: see `read`.
        dt_ms: see `read`.

    Raises:
        SnnlabError: as `read` and `to_network`.
    """
    plain = read(path, dt_ms=dt_ms)
    with errors_at(path):
        return to_network(plain)


@torch.no_grad()
def to_network(plain: PlainNetwork) -> DelayNet:
    """Build the `DelayNet` of plain arrays, in evaluation mode, its delays rounded.

    Thresholds become 1 by a division of weights and bias; batch norm adds the bias.

    Raises:
        SnnlabError: the readout fires or another layer does not, a threshold is not above 0 or a
            time constant not above one step, or there are no delays.
    """
    *hidden, readout = plain.layers
    fires = [bool(np.isfinite(layer.threshold).all()) for layer in plain.layers]
    if not hidden or fires != [True] * len(hidden) + [False]:
        raise SnnlabError(
            "DelayNet has hidden layers of LIF neurons and a readout of LI neurons; got "
            f"{', '.join('LIF' if fire else 'LI' for fire in fires)}."
        )
    taus = tuple(tuple(layer.tau.tolist()) for layer in plain.layers)
    every = {tau for layer in taus for tau in layer}
    if not all((layer.threshold.astype(np.float32) > 0).all() for layer in plain.layers):
        raise SnnlabError("a neuron has a threshold that is not above 0.")
    longest = tuple(int(layer.delay.max(initial=0)) for layer in plain.layers)
    if not any(longest):
        raise SnnlabError("it has no delays; the panels of notebook 05 show networks with delays.")
    net = DelayNet(
        plain.n_in,
        [len(layer.bias) for layer in hidden],
        len(readout.bias),
        max_delay=longest if len(set(longest)) > 1 else longest[0],
        tau=taus if len(every) > 1 else every.pop(),
        delay_mode="fixed",
        kernel_count=max(_places(layer).max(initial=0) + 1 for layer in plain.layers),
        tail=plain.tail,
        dt_ms=plain.dt_ms,
    ).eval()
    for number, layer in enumerate(plain.layers):
        synapses: Any = net.synapses[number]
        threshold = np.where(np.isinf(layer.threshold), 1.0, layer.threshold)
        place = tuple(map(torch.from_numpy, (layer.target, layer.source, _places(layer))))
        delay = torch.zeros_like(synapses.weight)
        delay[place] = torch.from_numpy(layer.delay).to(delay)
        synapses.delay = delay
        synapses.weight.zero_()
        weight = layer.weight / threshold[layer.target]
        synapses.weight[place] = torch.from_numpy(weight).to(delay)
        bias = torch.from_numpy(layer.bias / threshold)
        if number < len(hidden):
            norm: Any = net.norms[number]
            norm.running_var.fill_(1 - norm.eps)  # its factor is 1
            norm.bias.copy_(bias)
        elif bias.any():
            raise SnnlabError("its readout has a bias, which that of DelayNet lacks.")
    return net


def _places(layer: PlainLayer) -> Array:
    """Count, for each synapse, those of shorter delays that join the same neurons: (S,)."""
    synapses = pd.DataFrame({name: getattr(layer, name) for name in ("target", "source", "delay")})
    joining = synapses.sort_values([*synapses]).groupby(["target", "source"])
    places: Array = joining.cumcount().sort_index().to_numpy(copy=True)
    return places
