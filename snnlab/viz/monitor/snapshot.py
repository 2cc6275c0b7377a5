"""Snapshots: arrays that show what a network does at one moment of its training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, nn

from snnlab.delays.analysis import named_layers
from snnlab.delays.statistics import active_delays
from snnlab.nn.activations import SPIKING, Activation, activations
from snnlab.nn.any_network import delay_layers, forward_sequence, own_copy
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import TrainingProgress
from snnlab.training.evaluation import device_of

SAMPLES = 16  # of the validation set, for the rates
LAYERS = 4  # of a vision network that are shown, evenly spaced
ROWS = 32  # neurons of each of them in the raster, evenly spaced

Arrays = dict[str, NDArray[np.float32]]  # by the name of a layer
StageHistory = tuple[str, list[dict[str, float]]]  # name of a stage, and a line for each epoch


@dataclass(frozen=True)
class MonitorSnapshot:
    """A network as it will be used, on the first samples of the validation set.

    Attributes:
        history: a line for each finished epoch, those of earlier stages first.
        stages: the name of each stage, and the number of epochs before it.
        total_epochs: epochs of the earlier stages and of this one.
        dt: length of a time step, in `unit`.
        unit: "ms", or "steps" where the data has no length of a step.
        n_classes: number of classes.
        sample: the class of the first sample.
        spiking: whether the neurons' outputs are spikes; else they are activations.
        over_time: whether the columns of `rasters` are time steps of the first sample; else they
            are samples, each seen for one step.
        rasters: outputs `(T, N)` of each layer, and the input of a `DelayNet`.
        rates: mean output of each neuron of a layer, `(N,)`, in `rate_unit`.
        rate_unit: such as "spikes a second".
        delays: delays of each layer's synapses, in `unit`; empty where there are none.
        max_delay: the largest possible delay, in `unit`.
        sigma: width of the delay kernels, in steps.
    """

    history: list[dict[str, float]]
    stages: tuple[tuple[str, int], ...]
    total_epochs: int
    dt: float
    unit: str
    n_classes: int
    sample: str
    spiking: bool
    over_time: bool
    rasters: Arrays
    rates: Arrays
    rate_unit: str
    delays: Arrays
    max_delay: float
    sigma: float

    @property
    def layout(self) -> tuple[Any, ...]:
        """What the parts of its picture depend on."""
        shapes = tuple((name, outputs.shape) for name, outputs in self.rasters.items())
        return shapes, self.stages, self.total_epochs, self.rate_unit, *self.delays


@torch.no_grad()
def take_snapshot(
    progress: TrainingProgress, earlier: Sequence[StageHistory] = ()
) -> MonitorSnapshot:
    """Look at a copy of the network, so that nothing of the training changes.

    Args:
        progress: where the training is.
        earlier: the names and histories of earlier stages.

    Returns:
        The snapshot.
    """
    model, recipe, valid = progress.model, progress.recipe, progress.valid
    device, (dt, unit) = device_of(model), step_of(valid)
    x, labels = valid.batch(torch.arange(min(SAMPLES, len(valid)), device=valid.labels.device))
    x, label = x.to(device), int(labels[0])
    over_time, scale, rate_unit = True, 1.0, "spikes a step"
    with recipe.autocast(device):
        net = recipe.as_used(own_copy(model)).eval()
        if isinstance(net, DelayNet):
            spiking = net.config.neuron == "lif"
            rasters, rates = _spikes(net, x, getattr(valid, "rising", lambda channels: channels))
            if unit == "ms" and spiking:
                scale, rate_unit = 1000 / dt, "spikes a second"
        else:
            spiking = all(activation.mode in SPIKING for _, activation in activations(net))
            rasters, rates, over_time = _activations(net, x)
    delays, max_delay = delays_of(model, dt)
    stages, history = [], list[dict[str, float]]()
    for name, lines in [*earlier, (getattr(recipe, "name", ""), progress.history)]:
        stages.append((name, len(history)))
        history += lines
    return MonitorSnapshot(
        history=history,
        stages=tuple(stages),
        total_epochs=stages[-1][1] + recipe.epochs,
        dt=dt,
        unit=unit,
        n_classes=int(valid.labels.max()) + 1,
        sample=classes[label] if (classes := getattr(valid, "classes", ())) else f"class {label}",
        spiking=spiking,
        over_time=over_time,
        rasters=rasters,
        rates={name: values * np.float32(scale) for name, values in rates.items()},
        rate_unit=rate_unit if spiking else "mean activation",
        delays=delays,
        max_delay=max_delay,
        sigma=max(
            (layer.sigma for layer in delay_layers(model).values() if layer.max_delay), default=0.0
        ),
    )


def delays_of(model: nn.Module, dt: float) -> tuple[Arrays, float]:
    """Return the finite delays of each layer by name, and the largest possible one.

    Args:
        model: the network.
        dt: length of a time step, in the unit of the delays.
    """
    delays, longest = {}, 0
    for name, layer in named_layers(model).items():
        if layer.max_delay:
            steps = active_delays(layer)
            delays[name] = steps[np.isfinite(steps)] * np.float32(dt)
            longest = max(longest, layer.max_delay)
    return delays, longest * dt


def step_of(data: Any) -> tuple[float, str]:
    """Return the length of a data set's time step and its unit: "ms", or "steps" if unknown."""
    dt_ms = getattr(data, "dt_ms", None)
    return (1.0, "steps") if dt_ms is None else (float(dt_ms), "ms")


def _spikes(net: DelayNet, x: Tensor, rising: Callable[[Tensor], Tensor]) -> tuple[Arrays, Arrays]:
    """Return the first sample's spikes until its tail ends, and all samples' rates in a step.

    Args:
        net: the network.
        x: the samples, `(T, B, N)`.
        rising: sorts the input channels by frequency.
    """
    activity = net.activity(x)
    steps = int(activity.valid[:, 0].sum())
    outputs = {"input": rising(x[:, 0])}
    rates = {}
    for number, spikes in enumerate(activity.spikes, 1):
        outputs[f"layer {number}"] = spikes[:, 0]
        # A layer of padding="reference" ends before the next one
        rates[f"layer {number}"] = _array(spikes[activity.valid[: len(spikes)]].mean(0))
    rasters = {}
    for name, output in outputs.items():
        rasters[name] = np.zeros((steps, output.shape[1]), dtype=np.float32)
        rasters[name][: len(output)] = _array(output[:steps])
    return rasters, rates


def _activations(net: nn.Module, x: Tensor) -> tuple[Arrays, Arrays, bool]:
    """Return outputs of some neurons of any network, and the mean outputs of all of them.

    Its layers are its modules of the types `Activation` and SpikingJelly's `BaseNode`.

    Args:
        net: the network.
        x: the samples, `(T, B, ...)`.

    Returns:
        Outputs `(columns, rows)` and mean outputs `(N,)` of each layer; whether the columns are
        time steps of the first sample, or else samples.
    """
    # By layer, for each call: outputs of the first sample and in the first step, means
    calls: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}

    def record(name: str, module: nn.Module, _inputs: object, output: Tensor) -> None:
        one_step = getattr(module, "step_mode", "m") == "s"
        output = (output[None] if one_step else output).flatten(2)  # (T, B, N)
        neurons = output.shape[2]
        rows = torch.linspace(0, neurons - 1, min(ROWS, neurons), device=output.device).long()
        call = output[:, 0, rows], output[0][:, rows], output.mean((0, 1))
        calls.setdefault(name, []).append(call)

    # A converted network has SpikingJelly's neurons
    hooks = [
        module.register_forward_hook(partial(record, name))
        for name, module in net.named_modules()
        if isinstance(module, Activation | BaseNode)
    ]
    try:
        forward_sequence(net, x)
    finally:
        for hook in hooks:
            hook.remove()
    names = [*calls]
    numbers = np.linspace(0, len(names) - 1, min(LAYERS, len(names))).astype(int)
    steps = [sum(len(output) for output, *_ in calls[names[number]]) for number in numbers]
    over_time = max(steps, default=2) > 1
    rasters, rates = {}, {}
    for number, own_steps in zip(numbers, steps, strict=True):
        outputs, at_once, means = zip(*calls[names[number]], strict=True)
        raster = _array(torch.cat(outputs) if over_time else at_once[0])
        if over_time:  # a layer may have fewer steps than others
            raster = np.pad(raster, ((0, max(steps) - own_steps), (0, 0)))
        rasters[f"layer {number + 1}"] = raster
        rates[f"layer {number + 1}"] = _array(torch.stack(means).mean(0))
    return rasters, rates, over_time


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
