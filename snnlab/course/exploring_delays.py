"""Notebook 05 on a network that somebody else trained: its class, its data, its limits."""

import inspect
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import sha256
from snnlab._utils.references import import_reference
from snnlab.course import tasks
from snnlab.course.config import ExploringDelays, delay_config
from snnlab.course.config.exploring_delays import BUILDS, EXPLORING_DELAYS
from snnlab.course.data_check import recording_settings
from snnlab.data.datasets.gsc import FEATURES
from snnlab.data.encoding.cochlea import centre_frequencies
from snnlab.data.encoding.mel import middles
from snnlab.data.io.events import N_CHANNELS
from snnlab.data.protocols import Batches
from snnlab.data.splits import DataSplits
from snnlab.delays import analysis
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.network_config import describe_network
from snnlab.training.evaluation import evaluate


def own_network(model: str) -> nn.Module | None:
    """Build the network whose trained parameters are in a file.

    Args:
        model: `module:NAME` of a class or function without arguments; "" for none.

    Returns:
        The network; None without a name, for a file that describes its network.

    Raises:
        SnnlabError: it cannot be imported, or gives no network.
    """
    if not model:
        return None
    build = import_reference(model, BUILDS)
    try:
        inspect.signature(build).bind()
    except (TypeError, ValueError) as error:
        raise SnnlabError(
            f"model = {model!r} cannot be called without arguments ({error}); expected {BUILDS}. "
            "Write a function that gives the arguments."
        ) from error
    net = build()
    if not isinstance(net, nn.Module):
        raise SnnlabError(
            f"model = {model!r} gives {type(net).__name__}; expected a torch.nn.Module."
        )
    return net


def recordings_for(net: nn.Module, config: ExploringDelays, dt_ms: float) -> DataSplits[Any]:
    """Load the recordings on which notebook 05 explores a trained network.

    A `DelayNet` decides the number of inputs. Any other network gets samples in steps as they were
    saved, and spikes with the `n_in` of the configuration.

    Args:
        net: the network.
        config: which recordings.
        dt_ms: length of the network's time steps, ms.

    Raises:
        SnnlabError: as `tasks.recordings`, the network was trained on another task, or all weights
            of a layer are 0.
    """
    for name, layer in analysis.named_layers(net).items():
        if not layer.delays_in_use.any():
            raise SnnlabError(
                f"checkpoint: all weights of its {name} are 0, so that none of its delays is in "
                "use; expected one weight at least. Prune fewer synapses, or choose another "
                "checkpoint."
            )
    if not isinstance(net, DelayNet):
        entry, folder = config.find_recordings()
        as_saved = any(Path(folder).glob("*.npz"))
        settings = {"dt_ms": dt_ms, "n_in": None if as_saved else config.n_in}
        data: DataSplits[Any] = entry.read(folder, recording_settings(config) | settings)
        return data
    inputs, classes = net.config.n_in, net.config.n_classes
    if config.n_in not in (inputs, EXPLORING_DELAYS[config.profile].n_in):
        raise SnnlabError(
            f"n_in = {config.n_in}: the network of the checkpoint has {inputs} inputs; leave n_in "
            "out."
        )
    task = f"checkpoint: its network tells {classes} classes apart by {inputs} inputs"
    cure = "give the data and features that it was trained on, or another checkpoint"
    tau_ms = (2 * dt_ms,)  # read by no data set; it has to be longer than a step
    try:
        data = tasks.recordings(delay_config(config, n_in=inputs, tau_ms=tau_ms, dt_ms=dt_ms))
    except SnnlabError as error:
        if f"n_in = {inputs}" not in str(error):
            raise
        raise SnnlabError(
            f"{task}, which do not fit data = {config.data!r} ({str(error).rstrip('.')}); {cure}."
        ) from error
    if len(data.classes) != classes:
        raise SnnlabError(
            f"{task}, and data = {config.data!r} has {len(data.classes)} classes; {cure}."
        )
    return data


def frequencies(net: nn.Module, config: ExploringDelays, test: Batches) -> NDArray[Any] | None:
    """Return the centre frequency of each input of the first layer, `(n_in,)` Hz.

    An input of spikes is a group of adjacent channels of the cochlea, and its centre is their
    geometric mean. None where inputs have no frequency, such as other channels, or where the
    network is no `DelayNet`, whose first layer with delays may get anything.
    """
    if not isinstance(net, DelayNet):
        return None
    if config.features != "spikes":
        return middles(FEATURES[config.features])
    if getattr(test, "channels", 0) != N_CHANNELS:
        return None
    groups = np.log(centre_frequencies()).reshape(net.config.n_in, -1)
    return cast(NDArray[Any], np.exp(groups.mean(1)))


def why_unscored(net: nn.Module, test: Any) -> str:
    """Return why a network's accuracy cannot be measured on a data set, in words; "" if it can."""
    try:
        evaluate(net, test.subset(torch.arange(1)))
    except SnnlabError as error:
        return f"No accuracies are measured. {error}"
    return ""


def described(path: Path, net: nn.Module, dt_ms: float) -> dict[str, Any]:
    """Return what `result.json` says about the network of a file: its checksum and description."""
    about = describe_network(net, dt_ms).to_dict()
    return {"file": path.name, "sha256": sha256(path), **about}
