"""What the notebooks can be run on: the course's digits, or the data sets of the papers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.course.config import LearningDelays, PretrainAndTransfer, TransferToEvents
from snnlab.course.data_check import folder_of
from snnlab.data.batches.dense_set import DataSplits
from snnlab.data.batches.feature_set import FeatureSet
from snnlab.data.batches.spike_set import SpikeSet
from snnlab.data.datasets import (
    cifar10_dvs,
    digit_events,
    digits,
    es_imagenet,
    es_ucf101,
    gsc,
    imagenet,
    shd,
)
from snnlab.data.datasets.catalogue import published_name
from snnlab.data.protocols import Batches, Data
from snnlab.data.provenance import record
from snnlab.data.splits import Splits
from snnlab.delays.experiments import DelayStage
from snnlab.nn.delay_net import DelayNetConfig
from snnlab.nn.vision.base import VisionConfig
from snnlab.nn.vision.resnet import ResNetConfig
from snnlab.nn.vision.small_cnn import SmallCNNConfig
from snnlab.nn.vision.video import VideoNetConfig

DEPTHS = {"resnet18": 18, "resnet34": 34}
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

    data: DataSplits
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

    data: dict[str, DataSplits]
    networks: dict[str, VisionConfig]
    source: dict[str, Any]


@memory_errors("reading the pictures", "fewer samples or a smaller size")
def static(config: PretrainAndTransfer) -> ImageTask:
    """The pictures of notebook 02, and the network for them.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    if config.data == "digits":
        parts = digits.originals((0.55, 0.15, 0.30))
        counts = (config.samples, config.samples // 6, config.samples // 4)
        sets = [
            digits.place(*originals, count, size=config.size, noise=config.noise, seed=number)
            for number, (originals, count) in enumerate(zip(parts, counts, strict=True))
        ]
        made = {"size": config.size, "noise": config.noise}
        data = DataSplits(*sets, unit="brightness, 0 to 1, with noise", preprocessing=made)
        source = record("digits", digits.NOTE, data)
    else:
        folder = folder_of("" if config.data == "imagenet" else config.data, "imagenet")
        data = imagenet.pictures(folder, size=config.size, loaders=config.loaders)
        name = published_name(folder, "imagenet", "pictures")
        source = record(name, "pictures in the layout of ImageNet-1K", data, folder)
    _several_classes(data, source["path"])
    return ImageTask(data, _network(config.model, data, config.channels), source)


@memory_errors("reading the recordings", "a smaller limit or n_in, or a larger dt_ms")
def recordings(config: LearningDelays) -> Splits[SpikeSet] | Splits[FeatureSet]:
    """The words of notebook 04, as spikes or as features.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    data = _recordings(config)
    _several_classes(data, data.path)
    return data


def _recordings(config: LearningDelays) -> Splits[SpikeSet] | Splits[FeatureSet]:
    limit = config.limit or None
    if config.features == "spikes":
        return shd.load(
            config.data,
            dt_ms=config.dt_ms,
            n_in=config.n_in,
            binning=config.binning,
            seed=config.seed,
            limit=limit,
            hold_out=config.protocol == "held-out",
        )
    folder = folder_of("" if config.data == "gsc" else config.data, "gsc")
    return gsc.load(
        folder,
        features=config.features,
        limit=limit,
        seed=config.seed,
        workers=config.workers or None,
    )


def delay_stage(
    config: LearningDelays,
    delay_mode: str,
    *,
    classes: int,
    tau_ms: float,
    seed: int,
    epochs: int,
    **network: Any,
) -> DelayStage:
    """Describe a network of notebook 04 and its training, with the sizes and rates of a configuration.

    Args:
        config: the configuration.
        delay_mode: "none", "fixed" or "learned".
        classes: of the recordings.
        tau_ms: membrane time constant, ms.
        seed: of weights, delays, data order and dropout.
        epochs: passes through the training data.
        network: arguments of `DelayNet` that differ from the configuration's.
    """
    settings: dict[str, Any] = {
        "n_in": config.n_in,
        "hidden": config.hidden,
        "n_classes": classes,
        "max_delay": config.max_delay,
        "kernel_count": config.kernel_count,
        "dropout": config.dropout,
        "n_connections": config.connections or None,
        "delay_mode": delay_mode,
        "tau": tau_ms / config.dt_ms,
    }
    described = DelayNetConfig(**(settings | network))
    return DelayStage(
        name=f"digits-{delay_mode}-tau{tau_ms:g}-hidden{described.hidden[0]}-seed{seed}",
        network=described,
        test_each_epoch=True,
        epochs=epochs,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        keep="best" if config.protocol == "held-out" else "last",
        lr_weights=config.lr_weights,
        lr_delays=config.lr_delays,
        weight_decay=config.weight_decay,
        anneal_share=config.anneal_share,
        seed=seed,
        device=config.device,
    )


@memory_errors("reading pictures and events", "fewer pictures and labelled")
def events(config: TransferToEvents) -> TransferTask:
    """The pictures and events of notebook 03, and the networks for them.

    Raises:
        SnnlabError: as the readers, or there is one class only.
    """
    if config.data == "digits":
        data = digit_events.digit_events(
            pictures=config.pictures, labelled=config.labelled, seed=config.seed
        )
        at = other = None
        name, note = "digit-events", digit_events.NOTE
    else:
        at = folder_of(config.events_folder, config.data)
        other = folder_of(config.pictures_folder, config.pictures_set)
        loaders = config.loaders
        if config.data == "es-ucf101":
            pictures, edges = (
                es_ucf101.frames(other, loaders=loaders),
                es_ucf101.edges(at, loaders=loaders),
            )
            target = es_ucf101.events(at, loaders=loaders)
        elif config.data == "cifar10-dvs":
            pictures = imagenet.pictures(other, size=config.size, loaders=loaders)
            edges = cifar10_dvs.edges(at, size=config.size, loaders=loaders)
            target = cifar10_dvs.events(at, size=config.size, loaders=loaders)
        else:
            pictures = imagenet.pictures(other, loaders=loaders)
            edges, target = (
                es_imagenet.edges(at, loaders=loaders),
                es_imagenet.events(at, loaders=loaders),
            )
        data = {"pictures": pictures, "edges": edges, "target": target}
        name = published_name(at, config.data, "events")
        note = f"files in the layout of {config.data}, pretrained on {other.name}"
    for what, folder in (("pictures", other), ("edges", at), ("target", at)):
        _several_classes(data[what], folder or name)
    source = record(name, note, data["target"], at) | {
        "pretraining": {
            what: record(what, note, data[what], folder)
            for what, folder in (("pictures", other), ("edges", at))
        }
    }
    small: dict[str, Any] = dict(strides=(2, 1, 2), pool=3)
    networks = {
        name: _network(config.model, part, config.channels, events=True, **small)
        for name, part in data.items()
    }
    networks["target"] = replace(networks["target"], decay=config.decay, learn_decay=True)
    return TransferTask(data, networks, source)


def first_of_each_class(part: Batches, classes: int = 8) -> tuple[Tensor, Tensor]:
    """A sample `(T, n, C, H, W)` of each of the first n classes, and their labels `(n,)`."""
    there = part.labels.unique()[:classes]
    return part.batch(torch.stack([(part.labels == label).nonzero()[0, 0] for label in there]))


def a_few(part: Batches, most: int) -> Tensor:
    """Up to `most` samples, `(T, n, C, H, W)`; of large pictures an eighth as many."""
    first, _ = part.batch(torch.arange(1))
    return part.batch(
        torch.arange(min(len(part), most if first.shape[-1] <= SIDE else max(1, most // 8)))
    )[0]


def _several_classes(data: Data, where: str | Path) -> None:
    """Refuse training data of a single class, of which nothing can be learned.

    Raises:
        SnnlabError: they are.
    """
    classes = data.train.labels.unique().tolist()
    if len(classes) < 2:
        raise SnnlabError(
            f"{where}: all {len(data.train):,} samples for training are of one class; "
            "expected samples of at least two. Add another class."
        )


def _network(
    model: str, data: DataSplits, channels: tuple[int, ...], *, events: bool = False, **small: Any
) -> VisionConfig:
    x, _ = data.train.batch(torch.arange(1))
    shape = x.shape[2], int(data.train.labels.max()) + 1
    if model == "small":
        return SmallCNNConfig(*shape, channels=channels, **small)
    if model == "video":
        return VideoNetConfig(*shape, height=x.shape[3], width=x.shape[4])
    return ResNetConfig(*shape, depth=DEPTHS[model], events=events)
