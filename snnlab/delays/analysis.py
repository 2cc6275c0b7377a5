"""What a trained network with delays does, neuron by neuron: whom it listens to, when what it heard arrives, why it fires.

Delays are in steps inside a network and in milliseconds in everything that is given out here.
Layers are counted from 0; the last one is the readout.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known
from snnlab._utils.files import given_path, paths_below, read_json
from snnlab.data.datasets.gsc import FEATURES
from snnlab.data.encoding.cochlea import centre_frequencies
from snnlab.data.encoding.mel import middles
from snnlab.data.io.events import N_CHANNELS
from snnlab.nn.delay_kernels import gaussian_taps, one_hot_taps
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints


def open_network(
    path: str | Path, *, dt_ms: float, features: str | None = None
) -> tuple[DelayNet, Path]:
    """The network of a checkpoint, in evaluation mode, delays not rounded; and where it was found.

    Args:
        path: a checkpoint, or a folder with some, such as that of a run of notebook 04: then of the
            networks with learned delays that have the most inputs (toys have few) the one that is
            best on validation. Other files in it are left out.
        dt_ms: length of its steps, ms. A checkpoint does not say it; the run that it lies in may.
        features: what the network has to hear, as `frequencies` has it; None for anything.

    Raises:
        SnnlabError: there is none, it is damaged, the network has no delays or no spikes, hears
            something else, or was trained with another step; `dt_ms` is no number above 0.
    """
    if not (is_number(dt_ms) and dt_ms > 0):
        raise SnnlabError(f"dt_ms = {dt_ms!r}: expected milliseconds above 0.")
    path = given_path(path)
    if path.is_dir():
        path = _best_in(path)
    net = checkpoints.load_network(path)
    if net.config.max_delay == 0 or net.config.delay_mode == "none":
        raise SnnlabError(
            f"{path}: a network without delays; choose one whose delays are learned or fixed."
        )
    if net.config.neuron != "lif":
        raise SnnlabError(
            f"{path}: a ReLU network, which does not fire; choose the spiking one that took over from it."
        )
    if features is not None:
        try:
            frequencies(net.config.n_in, features)
        except SnnlabError as error:
            raise SnnlabError(
                f"{path}: a network of another task, with {net.config.n_in} inputs, where features = {features!r} was "
                "given; choose the checkpoint of a network for these features."
            ) from error
    step = _step(path.parent / "config.json", dt_ms)
    if step != dt_ms:
        raise SnnlabError(
            f"{path}: trained with steps of {step:g} ms, not of {dt_ms:g}; give dt_ms = {step:g}."
        )
    return net, path


def _step(config: Path, dt_ms: float) -> float:
    """The time step in the file that `snnlab.runs.run` leaves beside checkpoints, ms; `dt_ms` where there is none.

    Raises:
        SnnlabError: the file cannot be read, or has no such number.
    """
    if not config.exists():
        return dt_ms
    advice = "move the checkpoint out of this folder, and its time step is the one that you give."
    content = read_json(config, advice)
    step: Any = content.get("dt_ms", dt_ms) if isinstance(content, dict) else None
    if not (is_number(step) and step > 0):
        raise SnnlabError(f"{config}: dt_ms = {step!r}; expected milliseconds above 0; {advice}")
    return float(step)


def _best_in(folder: Path) -> Path:
    ranked: list[tuple[float, float, float, Path]] = []
    foreign: list[SnnlabError] = []
    for path in paths_below(folder, "*.pt"):
        try:
            content = checkpoints.load(path)
        except SnnlabError as error:
            foreign.append(error)
            continue
        kind = content["network"].get("delay_mode"), content["network"].get("neuron")
        with checkpoints.as_written(path):
            if kind == ("learned", "lif") and content.get("history"):
                line = content["history"][content["best_epoch"]]
                accuracy, loss = float(line["valid_accuracy"]), float(line["valid_loss"])
                ranked.append((float(content["network"]["n_in"]), accuracy, -loss, path))
    if foreign and not ranked:
        raise foreign[0]
    if not ranked:
        raise SnnlabError(
            f"{folder}: no checkpoint of a network with learned delays was found there; give that of a run of notebook 04, "
            "or a checkpoint itself."
        )
    return max(ranked)[-1]


def layer_names(net: DelayNet) -> list[str]:
    """`layer 1`, `layer 2`, ..., `readout`."""
    return [f"layer {number}" for number in range(1, len(net.synapses))] + ["readout"]


def frequencies(n_in: int, features: str = "spikes") -> NDArray[np.float64]:
    """The frequency in the middle of each input, (n_in,) Hz.

    Args:
        n_in: inputs. Of the cochlea's channels each is 700 / n_in adjacent ones, and the middle is
            the geometric mean.
        features: "spikes" of the cochlea, or log-mel features, "paper" or "sane".

    Raises:
        SnnlabError: `n_in` does not divide the 700 channels, or is not that of the features.
    """
    if features != "spikes":
        hertz = middles(FEATURES[known(features, FEATURES, "set of features")])
        if len(hertz) != n_in:
            raise SnnlabError(
                f"n_in = {n_in}: the features {features} were expected to have {len(hertz)}."
            )
        return hertz
    if n_in < 1 or N_CHANNELS % n_in:
        raise SnnlabError(
            f"n_in = {n_in}: expected a divisor of the cochlea's {N_CHANNELS} channels; this network heard something else."
        )
    return np.exp(np.log(centre_frequencies()).reshape(n_in, -1).mean(1))


# One neuron
# ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Incoming:
    """The synapses of one neuron, one entry a weight: each (S,).

    Attributes:
        source: the input that it comes from.
        delay_ms: its delay, ms, not rounded.
        weight: as it stands in the layer, before batch norm.
    """

    source: NDArray[np.int64]
    delay_ms: NDArray[np.float32]
    weight: NDArray[np.float32]

    def strongest(self, n: int) -> "Incoming":
        """The `n` synapses with the largest absolute weight, the strongest first."""
        first = np.argsort(-np.abs(self.weight), kind="stable")[:n]
        return Incoming(self.source[first], self.delay_ms[first], self.weight[first])


def incoming(net: DelayNet, layer: int, neuron: int, dt_ms: float) -> Incoming:
    """Whom a neuron listens to, how much and with which delay; of a sparse layer, the synapses that exist.

    Raises:
        SnnlabError: there is no such layer or neuron.
    """
    synapses = picked(net, layer, neuron)
    heard = heard_inputs(synapses, neuron)
    count = synapses.kernel_count
    return Incoming(
        source=heard.repeat_interleave(count).numpy(),
        delay_ms=(synapses.delay_of(neuron).cpu()[heard].flatten() * dt_ms).numpy(),
        weight=synapses.weight[neuron].detach().cpu()[heard].flatten().numpy(),
    )


@torch.no_grad()
def neuron_kernel(net: DelayNet, layer: int, neuron: int) -> NDArray[np.float32]:
    """The kernel of a neuron as it is now, (N_in, L): what each input gives to it after 0 to L - 1 steps.

    Raises:
        SnnlabError: there is no such layer or neuron.
    """
    synapses = picked(net, layer, neuron)
    one = slice(neuron, neuron + 1)
    weight, delay = synapses.weight[one], synapses.delay_of(one)
    if synapses.n_connections is not None:
        weight = weight * synapses.mask[one]
    if synapses.discrete:
        return one_hot_taps(weight, delay, synapses.taps)[0].cpu().numpy()
    width = torch.full_like(delay, synapses.sigma)
    return gaussian_taps(weight, delay, width, synapses.taps)[0].cpu().numpy()


def picked(net: DelayNet, layer: int, neuron: int) -> DelayLinear:
    """The synapses of a layer that has such a neuron.

    Raises:
        SnnlabError: there is no such layer or neuron.
    """
    if not 0 <= layer < len(net.synapses):
        raise SnnlabError(
            f"layer = {layer}: expected 0 to {len(net.synapses) - 1}, the last one being the readout."
        )
    synapses = net.synapses[layer]
    assert isinstance(synapses, DelayLinear)
    if not 0 <= neuron < synapses.out_features:
        raise SnnlabError(
            f"{layer_names(net)[layer]} has neurons 0 to {synapses.out_features - 1}, and no {neuron}; choose a smaller number."
        )
    return synapses


def heard_inputs(synapses: DelayLinear, neuron: int) -> Tensor:
    """The inputs that a neuron listens to, (n,), all of them but in a sparse or pruned layer."""
    return synapses.connections[neuron].any(-1).cpu().nonzero().flatten()
