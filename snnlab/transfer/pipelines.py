"""Experiments of Lin et al. 2022: pipe-S, pipe-D, and what they are compared with.

`common` holds the settings that all stages share: batch_size, seed, device.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from snnlab.nn.activations import Mode
from snnlab.nn.vision.base import VisionConfig
from snnlab.training.experiments import Experiment
from snnlab.transfer.stages import Schedule, Stage


def scratch(
    label: str, network: VisionConfig, *, mode: Mode = "lif", **settings: Any
) -> Experiment:
    """No pretraining: the spiking network from its first weights."""
    return experiment(label, Stage(name="train", network=network, mode=mode, **settings))


def pipe_s(
    label: str,
    network: VisionConfig,
    *,
    source: Literal["sharpened", "relu1", "one step"] = "sharpened",
    twins: tuple[int, ...] = (),
    **settings: Any,
) -> Experiment:
    """pipe-S: an ANN whose ReLU is sharpened to a step, the same parameters in the spiking network, a short fine-tuning.

    The controls are other sources: a ReLU1 that stays as it is, and a spiking network of a single
    step, which is no ANN. `settings` are those of `fine_tuned`.
    """
    mode: Mode = "lif" if source == "one step" else "ramp"
    ann = dict(mode=mode, sharpen=source == "sharpened", twins=twins)
    return fine_tuned(label, network, ann, dict(mode="lif"), **settings)


def modern(label: str, network: VisionConfig, *, steps: int, **settings: Any) -> Experiment:
    """What one would take today: a quantised ANN (QCFS) and soft-reset neurons that fire at exactly its levels.

    `settings` are those of `fine_tuned`.
    """
    # nothing changes but the activation, and that hardly: the statistics of the pretraining are the
    # better ones
    snn = dict(mode="soft", reestimate=False)
    return fine_tuned(
        label, network, dict(mode="quantised", levels=steps), snn, steps=steps, **settings
    )


def converted(
    label: str,
    network: VisionConfig,
    *,
    how: Literal["rate", "balanced"] = "rate",
    **settings: Any,
) -> Experiment:
    """An ordinary ReLU network through SpikingJelly's converter, and the same fine-tuning.

    `settings` are those of `fine_tuned`.
    """
    return fine_tuned(
        label,
        replace(network, rectifier="relu"),
        dict(mode="relu"),
        dict(mode="soft", convert=how),
        **settings,
    )


def fine_tuned(
    label: str,
    network: VisionConfig,
    ann: dict[str, Any],
    snn: dict[str, Any],
    *,
    steps: int,
    pretrain_epochs: int,
    epochs: int,
    lr: float,
    fine_tune_lr: float,
    schedule: Schedule = "cosine",
    drops: tuple[int, ...] = (),
    drop: float = 0.3,
    **common: Any,
) -> Experiment:
    """Two stages of one network: an ANN, and the spiking network that it becomes, trained on for a short while.

    Args:
        label: its name.
        network: description of both.
        ann, snn: what else the two stages are told, their mode first.
        steps: T of the spiking network.
        pretrain_epochs, epochs: of the two stages.
        lr, fine_tune_lr: their rates.
        schedule: of the ANN.
        drops, drop: epochs of the fine-tuning from which its rate is multiplied by `drop`; without
            any it falls as a cosine.
        common: what both share: batch_size, seed, device, optimiser, precision.
    """
    first: dict[str, Any] = (
        dict(network=network, epochs=pretrain_epochs, lr=lr, schedule=schedule) | ann
    )
    second: dict[str, Any] = (
        dict(steps=steps, epochs=epochs, lr=fine_tune_lr, **falling(drops, drop)) | snn
    )
    return experiment(
        label,
        Stage(name="pretrain", **first, **common),
        Stage(name="fine-tune", **second, **common),
    )


def pipe_d(
    label: str,
    source: VisionConfig,
    network: VisionConfig,
    *,
    data: str,
    pretrain_epochs: int,
    warm_up_epochs: int,
    liaf_epochs: int,
    lif_epochs: int,
    lr: float,
    leave: tuple[str, ...] = (),
    input_conv: str = "signed",
    warm_up: tuple[str, ...] = (),
    schedule: Schedule = "cosine",
    on_events: Mapping[str, Any] = MappingProxyType({}),
    **common: Any,
) -> Experiment:
    """pipe-D: an ANN on pictures, its parameters in a network for events, first with analogue output (LIAF), then spiking.

    Args:
        label: its name.
        source, network: descriptions of the network for pictures, and of the one for ON and OFF events.
        data: the set of pictures; events are the set "target".
        pretrain_epochs, warm_up_epochs, liaf_epochs, lif_epochs: of each stage; 0 epochs of LIAF or
            LIF leave it out.
        lr: rate of every stage; half of it for LIF after LIAF.
        leave, input_conv: see `copy_weights`; a last layer for other classes is left in any case.
        warm_up: what is new, and trained alone at first; () for the first layer and the head.
        schedule: of the ANN.
        on_events: further settings of the stages on events, such as those of `falling`.
        common: what all stages share: batch_size, seed, device, precision, weight_decay.
    """
    mode: Mode = "liaf" if liaf_epochs else "lif"
    warm_up = warm_up or network.INPUT_LAYERS + network.HEAD_LAYERS
    if source.classes != network.classes:
        leave = tuple({*leave, network.HEAD_LAYERS[-1]})
    ann: dict[str, Any] = dict(
        network=source, mode="relu", data=data, epochs=pretrain_epochs, lr=lr, schedule=schedule
    )
    stages = [Stage(name="pretrain", **ann, **common)]
    common |= on_events
    arrive = dict(network=network, leave=leave, input_conv=input_conv, mode=mode, lr=lr, **common)
    if warm_up_epochs:
        stages.append(Stage(name="warm up", epochs=warm_up_epochs, only=warm_up, **arrive))
        arrive = dict(mode=mode, lr=lr, reestimate=False, **common)
    if liaf_epochs:
        stages.append(Stage(name="LIAF", epochs=liaf_epochs, **arrive))
        arrive = dict(mode="lif", lr=lr / 2, **common)
    if lif_epochs:
        stages.append(Stage(name="LIF", epochs=lif_epochs, **(arrive | {"mode": "lif"})))
    return experiment(label, *stages)


def falling(drops: tuple[int, ...], drop: float) -> dict[str, Any]:
    """A stage's settings for a rate that is multiplied by `drop` at these epochs, or falls as a cosine if there are none."""
    return dict(schedule="constant" if drops else "cosine", drops=drops, drop=drop)


def experiment(label: str, *stages: Stage) -> Experiment:
    """Name an experiment after its label, and the rate and the seed of its first stage."""
    return Experiment(f"{label}-lr{stages[0].lr:g}-seed{stages[0].seed}", stages, label)
