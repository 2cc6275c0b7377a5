"""Experiments of Lin et al. 2022: pipe-S, pipe-D, and what they are compared with.

`common` are the fields that all stages share: batch_size, seed, device.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from snnlab._utils.fields import known
from snnlab.nn.activations import Mode
from snnlab.nn.vision.base import VisionConfig
from snnlab.nn.weight_transfer import InputConv
from snnlab.training.experiments import Experiment
from snnlab.transfer.stages import Schedule, Stage

Source = Literal["sharpened", "relu1", "one step"]


def scratch(
    label: str, network: VisionConfig, *, mode: Mode = "lif", **settings: Any
) -> Experiment:
    """Train the spiking network from its first weights, without pretraining."""
    return experiment(label, Stage(name="train", network=network, mode=mode, **settings))


def pipe_s(
    label: str,
    network: VisionConfig,
    *,
    source: Source = "sharpened",
    twins: tuple[int, ...] = (),
    **settings: Any,
) -> Experiment:
    """Make pipe-S: train an ANN whose ReLU is sharpened to a step, then fine-tune it as an SNN.

    Args:
        label: name of the recipe.
        network: description of both networks.
        source: what is pretrained: "sharpened"; or as controls "relu1", a ramp that stays as it is,
            and "one step", a spiking network of a single time step.
        twins: time steps of the spiking networks with the same parameters that are evaluated after
            each epoch of pretraining.
        **settings: of `fine_tuned`.

    Example:
        >>> from snnlab.nn.vision.small_cnn import SmallCNNConfig
        >>> net = SmallCNNConfig(in_channels=1, classes=10, channels=(8, 16, 32))
        >>> rates = dict(lr=1e-2, fine_tune_lr=1e-3, batch_size=64)
        >>> made = pipe_s("pipe-S", net, steps=4, pretrain_epochs=5, epochs=2, **rates)
        >>> [(stage.name, stage.mode, stage.epochs) for stage in made.stages]
        [('pretrain', 'ramp', 5), ('fine-tune', 'lif', 2)]
    """
    known(source, get_args(Source), "source of pipe-S")
    mode: Mode = "lif" if source == "one step" else "ramp"
    ann = dict(mode=mode, sharpen=source == "sharpened", twins=twins)
    return fine_tuned(label, network, ann, dict(mode="lif"), **settings)


def modern(label: str, network: VisionConfig, *, steps: int, **settings: Any) -> Experiment:
    """Train a quantised ANN (QCFS), then fine-tune soft-reset neurons that fire at its levels.

    Args:
        label: name of the recipe.
        network: description of both networks.
        steps: time steps of the spiking network, and levels of the ANN.
        **settings: of `fine_tuned`.
    """
    # The activation hardly changes, so the batch-norm statistics of the pretraining are better
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
    """Train a ReLU network, convert it with SpikingJelly's converter, and fine-tune the result.

    Args:
        label: name of the recipe.
        network: description of the ReLU network.
        how: see `snnlab.transfer.conversion.Converted`.
        **settings: of `fine_tuned`.
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
    pretraining: str = "",
    **common: Any,
) -> Experiment:
    """Make two stages of one network: pretraining as an ANN, and fine-tuning as an SNN.

    Experiments that differ only in the fine-tuning share the files of the pretraining, so that it
    is trained once.

    Args:
        label: name of the recipe.
        network: description of both networks.
        ann: further fields of the ANN's stage, such as its mode.
        snn: further fields of the SNN's stage.
        steps: time steps of the spiking network.
        pretrain_epochs: epochs of the ANN.
        epochs: epochs of the SNN.
        lr: learning rate of the ANN.
        fine_tune_lr: learning rate of the SNN, which ends the name of the experiment.
        schedule: schedule of the ANN.
        drops: epochs of the fine-tuning from which its rate is multiplied by `drop`; without any it
            has a cosine schedule.
        drop: the factor.
        pretraining: begins the name of the pretraining's files; "" for the label. Recipes with
            the same pretraining give the same name and share it.
        **common: fields of both stages: batch_size, seed, device, optimiser, precision.
    """
    first: dict[str, Any] = (
        dict(network=network, epochs=pretrain_epochs, lr=lr, schedule=schedule) | ann
    )
    second: dict[str, Any] = (
        dict(steps=steps, epochs=epochs, lr=fine_tune_lr, **falling(drops, drop)) | snn
    )
    pretrain = Stage(name="pretrain", **first, **common)
    shared = experiment(pretraining or label, pretrain)
    made = experiment(
        label,
        replace(pretrain, file=f"{shared.name}-pretrain"),
        Stage(name="fine-tune", **second, **common),
    )
    return replace(made, name=f"{made.name}-then{fine_tune_lr:g}")


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
    input_conv: InputConv = "signed",
    warm_up: tuple[str, ...] = (),
    schedule: Schedule = "cosine",
    on_events: Mapping[str, Any] = MappingProxyType({}),
    **common: Any,
) -> Experiment:
    """Make pipe-D: an ANN on pictures, then events with analogue output (LIAF), then with spikes.

    Args:
        label: name of the recipe.
        source: description of the network for pictures.
        network: description of the network for ON and OFF events.
        data: name of the data set of pictures; the events are the set "target".
        pretrain_epochs: epochs on pictures.
        warm_up_epochs: epochs of the new layers alone; 0 leaves the stage out.
        liaf_epochs: epochs with analogue output; 0 leaves the stage out.
        lif_epochs: epochs with spikes; 0 leaves the stage out.
        lr: learning rate of every stage; LIF after LIAF has half of it.
        leave: parameters that are not copied, see `copy_weights`; a last layer for other classes
            never is.
        input_conv: how the first convolution is adapted, see `copy_weights`.
        warm_up: prefixes of the new layers; () for the first layer and the head.
        schedule: schedule of the ANN.
        on_events: further fields of the stages on events, such as those of `falling`.
        **common: fields of all stages: batch_size, seed, device, precision, weight_decay.

    Example:
        >>> from snnlab.nn.vision.small_cnn import SmallCNNConfig
        >>> shape = dict(classes=10, channels=(8, 16, 32))
        >>> grey, events = (SmallCNNConfig(in_channels=n, **shape) for n in (1, 2))
        >>> lengths = dict(pretrain_epochs=5, warm_up_epochs=1, liaf_epochs=2, lif_epochs=2)
        >>> made = pipe_d("pipe-D", grey, events, data="edges", lr=1e-2, batch_size=8, **lengths)
        >>> [f"{stage.name} {stage.mode} {stage.data}" for stage in made.stages]
        ['pretrain relu edges', 'warm up liaf target', 'LIAF liaf target', 'LIF lif target']
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
    """Return the fields of a stage whose rate is multiplied by `drop` at some epochs.

    Without any epochs the rate has a cosine schedule.
    """
    return dict(schedule="constant" if drops else "cosine", drops=drops, drop=drop)


def experiment(label: str, *stages: Stage) -> Experiment:
    """Name an experiment after its label, and the rate and the seed of its first stage."""
    return Experiment(f"{label}-lr{stages[0].lr:g}-seed{stages[0].seed}", stages, label)
