"""Copies of a network: delays changed, weights and delays of few bits, or synapses pruned."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, whole_number
from snnlab.nn.any_network import delay_layers, own_copy
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import check_bits
from snnlab.training.recipe import SEEDS

Network = TypeVar("Network", bound=nn.Module)


def discretise(model: Network) -> Network:
    """Copy a network with whole delays and one-hot kernels, in evaluation mode.

    A neuromorphic chip runs this network, and only its accuracy is reported. Weights lie on their
    levels, where the network has `weight_bits`. Pruning by `torch.nn.utils.prune` is permanent in
    the copy. A network without delays stays as it is.

    Raises:
        SnnlabError: it is no network, or a delay is not finite.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(2, 1, max_delay=4)
        >>> rounded = discretise(layer)
        >>> bool((rounded.delay == layer.delay.round()).all()), rounded.sigma
        (True, 0.0)
    """
    copied = own_copy(model).eval()
    for layer in delay_layers(copied).values():
        layer.round_delays()
        layer.round_weights()
    return copied


def quantise(
    model: Network, *, weight_bits: int | None = None, delay_bits: int | None = None
) -> Network:
    """Copy a network with weights and delays of few bits, in evaluation mode, without training.

    The copy is rounded as by `discretise`. A network that is trained further with few bits is more
    accurate: `DelayNetConfig` has them, too.

    Args:
        model: the network.
        weight_bits: 2 to 8, for weights on $2^{bits} - 1$ levels a neuron; None for those that the
            network has.
        delay_bits: 1 to 8, for delays on at most $2^{bits}$ values in each layer; None for those
            that the network has.

    Returns:
        The copy; the `config` of a `DelayNet` has the bits.

    Raises:
        SnnlabError: a number is out of its range, or as `discretise`.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(20, 10, max_delay=24)
        >>> few = quantise(layer, weight_bits=2, delay_bits=2)
        >>> few.delay.unique().tolist(), len(few.weight[0].unique())
        ([0.0, 8.0, 16.0, 24.0], 3)
    """
    weight_bits, delay_bits = check_bits(weight_bits, delay_bits)
    copied = own_copy(model)
    given = {"weight_bits": weight_bits, "delay_bits": delay_bits}
    bits: dict[str, Any] = {name: n for name, n in given.items() if n is not None}
    for layer in delay_layers(copied).values():
        for name, number in bits.items():
            setattr(layer, name, number)
    if isinstance(copied, DelayNet):
        copied.config = replace(copied.config, **bits)
    return discretise(copied)


def prune_synapses(model: Network, share: float) -> Network:
    """Copy a network without the weakest synapses of each delay layer, in evaluation mode.

    Nothing is trained. `DelayRecipe(kept_share=...)` prunes while it trains, which costs less
    accuracy.

    Args:
        model: the network.
        share: share of the synapses of each layer that remains, above 0; see `DelayLinear.prune`.

    Raises:
        SnnlabError: it is no network or has no delay layer, or the share is out of its range.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(10, 10, max_delay=4)
        >>> int(prune_synapses(layer, 0.2).connections.sum()), int(layer.connections.sum())
        (20, 100)
    """
    if not delay_layers(model):
        raise SnnlabError(
            f"a network without delays: {type(model).__name__} has no DelayLinear to prune."
        )
    copied = own_copy(model).eval()
    for layer in delay_layers(copied).values():
        layer.prune(share)
    return copied


@torch.no_grad()
def shuffle_delays(model: Network, *, seed: int) -> Network:
    """Copy a network and permute the delays of each layer among its synapses, or its channels.

    The histogram of a layer's delays stays the same, in a layer of another kind that of `delay`;
    synapses that do not exist take no part.

    Raises:
        SnnlabError: the network has no delays, or the seed is no whole number that torch takes.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(20, 10, max_delay=4)
        >>> shuffled = shuffle_delays(layer, seed=0)
        >>> bool((shuffled.delay == layer.delay).all())
        False
        >>> bool((shuffled.delay.flatten().sort()[0] == layer.delay.flatten().sort()[0]).all())
        True
    """
    delay_layers(model, required=True)
    seed = whole_number("seed", seed, *SEEDS)
    copied = own_copy(model)
    generator = torch.Generator().manual_seed(seed)
    for layer in delay_layers(copied).values():
        delay = layer.delay
        parts = (layer.layout.parts(values) for values in (delay, layer.delays_in_use))
        for part, exists in zip(*parts, strict=True):
            permutation = torch.randperm(int(exists.sum()), generator=generator).to(delay.device)
            part[exists] = part[exists][permutation]
        layer.delay = delay
    return copied


def zero_delays(model: Network) -> Network:
    """Copy a network and set all its delays to 0.

    Raises:
        SnnlabError: the network has no delays.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> zero_delays(DelayLinear(2, 1, max_delay=4)).delay.flatten().tolist()
        [0.0, 0.0]
    """
    return scale_delays(model, 0.0)


@torch.no_grad()
def scale_delays(model: Network, factor: float) -> Network:
    """Copy a network and multiply its delays by `factor`, up to `max_delay`.

    Raises:
        SnnlabError: the factor is negative or not finite, or the network has no delays.

    Example:
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(1, 1, max_delay=4)
        >>> layer.delay = torch.full((1, 1, 1), 1.0)
        >>> scale_delays(layer, 2.0).delay.item()
        2.0
    """
    if not (is_number(factor) and factor >= 0):
        raise SnnlabError(
            f"factor = {factor!r}: expected a finite number from 0 by which to multiply the delays."
        )
    delay_layers(model, required=True)
    copied = own_copy(model)
    before = [(layer, layer.delay) for layer in delay_layers(copied).values()]
    for layer, delay in before:  # not one after the other: they may share their delays
        layer.delay = float(factor) * delay
        layer.clamp_delays()
        if layer.discrete:  # half a step is no tap
            layer.round_delays()
    return copied


ABLATIONS: Mapping[str, Callable[[Any, int], Any]] = {
    "as trained": lambda net, seed: net,
    "rounded": lambda net, seed: discretise(net),
    "shuffled": lambda net, seed: discretise(shuffle_delays(net, seed=seed)),
    "all zero": lambda net, seed: discretise(zero_delays(net)),
}


def ablate(model: Network, ablation: str, *, factor: float = 1.0, seed: int = 0) -> Network:
    """Copy a network, scale its delays, and change them by one of `ABLATIONS`.

    Args:
        model: the network.
        ablation: name of the change; all but "as trained" round the delays.
        factor: by which the delays are multiplied before, up to `max_delay`.
        seed: of the shuffling.

    Raises:
        SnnlabError: the ablation is unknown, the factor is negative, or the network has no delays.
    """
    change = ABLATIONS[known(ablation, ABLATIONS, "ablation")]
    changed: Network = change(scale_delays(model, factor), seed)
    return changed
