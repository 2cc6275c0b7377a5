"""The data of a run and the networks for it: the course's digits, or any set of the registry."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.course.config import (
    LearningDelays,
    PretrainAndTransfer,
    TransferToEvents,
)
from snnlab.course.data_check import camera_sets, recording_settings
from snnlab.data.datasets.digit_events import digit_events
from snnlab.data.protocols import Batches
from snnlab.data.registry import find
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.vision.base import VisionConfig
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.nn.vision.video import VideoNetConfig

# Pixels; of larger pictures only a few fit into memory with all that a network makes of them
SIDE = 32


@dataclass(frozen=True)
class ImageTask:
    """Pictures to classify.

    Attributes:
        data: pictures `(1, B, C, H, W)`.
        network: description of the network for them.
        source: what `result.json` says about the data.
    """

    data: DataSplits[Any]
    network: VisionConfig
    source: dict[str, Any]


@dataclass(frozen=True)
class TransferTask:
    """Events to classify, and what one may pretrain on.

    Attributes:
        data: by name, `pictures` and `edges` to pretrain on, of 1 or 3 channels, and the events,
            `target`, of ON and OFF.
        networks: by the same names, the description of each one's network.
        source: what `result.json` says about the data.
    """

    data: dict[str, DataSplits[Any]]
    networks: dict[str, VisionConfig]
    source: dict[str, Any]


@memory_errors("reading the pictures", "fewer samples or a smaller size")
def static(config: PretrainAndTransfer) -> ImageTask:
    """Return the pictures of notebook 02, and the network for them.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    entry, folder = find(config.data, "pictures")
    data = entry.read(folder, vars(config))
    _several_classes(data)
    return ImageTask(data, _network(config.model, data, config.channels), data.source)


@memory_errors("reading the recordings", "a smaller limit or n_in, or a larger dt_ms")
def recordings(config: LearningDelays) -> DataSplits[Any]:
    """Load the words of notebook 04, as spikes or as features.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    entry, folder = config.find_recordings()
    data: DataSplits[Any] = entry.read(folder, recording_settings(config))
    _several_classes(data)
    return data


def delay_network(
    config: LearningDelays,
    delay_mode: str,
    *,
    classes: int,
    tau_ms: float | None = None,
    **network: Any,
) -> DelayNetConfig:
    """Describe a network of notebook 04, as a configuration has it.

    Args:
        config: the configuration.
        delay_mode: "none", "fixed" or "learned".
        classes: of the recordings.
        tau_ms: membrane time constant, ms; None for the first one of the configuration.
        network: arguments of `DelayNet` that differ from the configuration's.
    """
    settings: dict[str, Any] = {
        "n_in": config.n_in,
        "hidden": config.hidden,
        "n_classes": classes,
        "max_delay": config.max_delay,
        "delay_kind": config.delay_kind,
        "kernel_count": config.kernel_count,
        "dropout": config.dropout,
        "n_connections": config.connections or None,
        "delay_mode": delay_mode,
        "tau": (tau_ms or config.tau_ms[0]) / config.dt_ms,
    }
    return DelayNetConfig(**(settings | network))


def delay_stage(
    config: LearningDelays,
    delay_mode: str,
    *,
    classes: int,
    seed: int,
    epochs: int,
    tau_ms: float | None = None,
    lr_weights: float | None = None,
    lr_delays: float | None = None,
    **network: Any,
) -> DelayStage:
    """Describe a network of notebook 04 and its training, as a configuration has them.

    Args:
        config: the configuration.
        delay_mode: see `delay_network`.
        classes: see `delay_network`.
        seed: of weights, delays, data order and dropout.
        epochs: passes through the training data.
        tau_ms: see `delay_network`.
        lr_weights: peak learning rate of the weights; None for that of the configuration.
        lr_delays: first learning rate of the delays; None for that of the configuration.
        network: see `delay_network`.
    """
    tau_ms = tau_ms or config.tau_ms[0]
    described = delay_network(config, delay_mode, classes=classes, tau_ms=tau_ms, **network)
    lr_weights = config.lr_weights if lr_weights is None else lr_weights
    lr_delays = config.lr_delays if lr_delays is None else lr_delays
    sparse = "" if described.n_connections is None else f"-inputs{described.n_connections}"
    kind = "" if described.delay_kind == "synaptic" else f"-{described.delay_kind}"
    size = f"hidden{described.hidden[0]}{sparse}"
    rates = f"rate{lr_weights:g}" + f"-{lr_delays:g}" * (lr_delays != config.lr_delays)
    return DelayStage(
        name=f"digits-{delay_mode}{kind}-tau{tau_ms:g}-{size}-{rates}-seed{seed}",
        network=described,
        test_each_epoch=True,
        epochs=epochs,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        keep="best" if config.protocol == "held-out" else "last",
        lr_weights=lr_weights,
        lr_delays=lr_delays,
        weight_decay=config.weight_decay,
        anneal_share=config.anneal_share,
        seed=seed,
        device=config.device,
        compile=config.compile,
    )


@memory_errors("reading pictures and events", "fewer pictures and labelled")
def events(config: TransferToEvents) -> TransferTask:
    """Return the pictures and events of notebook 03, and the networks for them.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    if config.data == "digits":
        data: dict[str, DataSplits[Any]] = dict(
            digit_events(pictures=config.pictures, labelled=config.labelled, seed=config.seed)
        )
    else:
        data = _event_files(config)
    for part in data.values():
        _several_classes(part)
    source = data["target"].source | {
        "pretraining": {name: data[name].source for name in ("pictures", "edges")}
    }
    networks = {
        name: _network(config.model, part, config.channels, events=True)
        for name, part in data.items()
    }
    networks["target"] = replace(networks["target"], decay=config.decay, learn_decay=True)
    return TransferTask(data, networks, source)


def _event_files(config: TransferToEvents) -> dict[str, DataSplits[Any]]:
    (entry, folder), (pictures, pictures_folder) = camera_sets(config)
    target = entry.read(folder, vars(config))
    # Pictures are as large as the events where their size can be chosen
    settings = vars(config) | {"size": target.train.batch(torch.arange(1))[0].shape[-1]}
    edges, edges_folder = (entry, folder) if entry.edges else (pictures, pictures_folder)
    return {
        "pictures": replace(pictures.read(pictures_folder, settings), name="pictures"),
        "edges": replace(edges.read(edges_folder, settings, edges.edges), name="edges"),
        "target": replace(target, note=f"{target.note}; pretrained on {pictures_folder.name}"),
    }


def first_of_each_class(part: Batches) -> tuple[Tensor, Tensor]:
    """Return a sample `(T, n, C, H, W)` of each of the first 8 classes, and their labels `(n,)`."""
    there = part.labels.unique()[:8]
    return part.batch(torch.stack([(part.labels == label).nonzero()[0, 0] for label in there]))


def a_few(part: Batches, most: int) -> Tensor:
    """Up to `most` samples, `(T, n, C, H, W)`; of large pictures an eighth as many."""
    if part.batch(torch.arange(1))[0].shape[-1] > SIDE:
        most = max(1, most // 8)
    return part.batch(torch.arange(min(len(part), most)))[0]


def _several_classes(data: DataSplits[Any]) -> None:
    """Refuse training data of a single class, of which nothing can be learned.

    Raises:
        SnnlabError: they are.
    """
    if len(data.train.labels.unique()) < 2:
        raise SnnlabError(
            f"{data.path or data.name}: all {len(data.train):,} samples for training are of one "
            "class; expected samples of at least two. Add another class."
        )


def _network(
    model: str, data: DataSplits[Any], channels: tuple[int, ...], *, events: bool = False
) -> VisionConfig:
    x, _ = data.train.batch(torch.arange(1))
    shape = x.shape[2], int(data.train.labels.max()) + 1
    if model == "small":
        smaller: dict[str, Any] = {"strides": (2, 1, 2), "pool": 3} if events else {}
        return SmallCNNConfig(*shape, channels=channels, **smaller)
    if model == "video":
        return VideoNetConfig(*shape, height=x.shape[3], width=x.shape[4])
    return ResNetConfig(*shape, depth=int(model.removeprefix("resnet")), events=events)
