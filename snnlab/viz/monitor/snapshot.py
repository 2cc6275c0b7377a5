"""Snapshots: arrays that show what a network does at one moment of its training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab.delays.statistics import active_delays
from snnlab.nn.activations import SPIKING, activations
from snnlab.nn.delay_linear import delay_layers, own_copy
from snnlab.nn.delay_net import DelayNet
from snnlab.training.callbacks import TrainingProgress
from snnlab.transfer.similarity import layer_outputs

SAMPLES = 16  # of the validation set, for the rates; the rasters show the first of them

Arrays = dict[str, NDArray[np.float32]]  # by the name of a layer


@dataclass(frozen=True)
class MonitorSnapshot:
    """A network as it will be used, on the first samples of the validation set.

    Attributes:
        history: a line for each finished epoch, those of earlier stages first.
        total_epochs: epochs of the earlier stages and of this one.
        dt: length of a time step, in `unit`.
        unit: "ms", or "steps" where the data has no length of a step.
        n_classes: number of classes.
        sample: the class of the sample in the rasters.
        rasters: spikes of that sample, `(T, N)`, of the input and of each layer; empty but for a
            `DelayNet`.
        rates: mean output of each layer's neurons, in `rate_unit`.
        rate_unit: such as "spikes a neuron and second".
        delays: delays of each layer's synapses, in `unit`; empty where there are none.
        max_delay: the largest possible delay, in `unit`.
        sigma: width of the delay kernels, in steps.
    """

    history: list[dict[str, float]]
    total_epochs: int
    dt: float
    unit: str
    n_classes: int
    sample: str
    rasters: Arrays
    rates: dict[str, float]
    rate_unit: str
    delays: Arrays
    max_delay: float
    sigma: float

    @property
    def layout(self) -> tuple[Any, ...]:
        """What the parts of its picture depend on."""
        shapes = tuple((name, spikes.shape) for name, spikes in self.rasters.items())
        return shapes, *self.rates, self.rate_unit, *self.delays, self.sigma > 0


@torch.no_grad()
def take_snapshot(
    progress: TrainingProgress, earlier: Sequence[dict[str, float]] = ()
) -> MonitorSnapshot:
    """Look at a copy of the network, so that nothing of the training changes.

    Args:
        progress: where the training is.
        earlier: the history of earlier stages.

    Returns:
        The snapshot.
    """
    model, recipe, valid = progress.model, progress.recipe, progress.valid
    device, (dt, unit) = next(model.parameters()).device, step_of(valid)
    x, labels = valid.batch(torch.arange(min(SAMPLES, len(valid)), device=valid.labels.device))
    x, label = x.to(device), int(labels[0])
    rasters: Arrays = {}
    with recipe.autocast(device):
        net = recipe.as_used(own_copy(model)).eval()
        if isinstance(net, DelayNet):
            spiking, per_second = net.config.neuron == "lif", unit == "ms"
            rasters, rates = _spikes(net, x, getattr(valid, "rising", lambda channels: channels))
        else:
            spiking, per_second = all(a.mode in SPIKING for _, a in activations(net)), False
            outputs = layer_outputs(net, [x]).items()
            rates = {name: float(output.float().mean()) for name, output in outputs}
    delays, max_delay = delays_of(model, dt)
    return MonitorSnapshot(
        history=[*earlier, *progress.history],
        total_epochs=len(earlier) + recipe.epochs,
        dt=dt,
        unit=unit,
        n_classes=int(valid.labels.max()) + 1,
        sample=classes[label] if (classes := getattr(valid, "classes", ())) else f"class {label}",
        rasters=rasters,
        rates={name: rate * (1000 / dt if per_second else 1) for name, rate in rates.items()},
        rate_unit=f"{'spikes' if spiking else 'output'} a neuron and "
        f"{'second' if per_second else 'step'}",
        delays=delays,
        max_delay=max_delay,
        sigma=max((layer.sigma for layer in delay_layers(model) if layer.max_delay), default=0.0),
    )


def delays_of(model: nn.Module, dt: float) -> tuple[Arrays, float]:
    """Return the finite delays of each layer by name, and the largest possible one.

    Args:
        model: the network.
        dt: length of a time step, in the unit of the delays.
    """
    layers = [layer for layer in delay_layers(model) if layer.max_delay]
    names = [*(f"layer {number}" for number in range(1, len(layers))), "readout"]
    delays = {}
    for name, layer in zip(names, layers, strict=False):
        steps = active_delays(layer)
        delays[name] = steps[np.isfinite(steps)] * np.float32(dt)
    return delays, max((layer.max_delay for layer in layers), default=0) * dt


def step_of(data: Any) -> tuple[float, str]:
    """Return the length of a data set's time step and its unit: "ms", or "steps" if unknown."""
    dt_ms = getattr(data, "dt_ms", None)
    return (1.0, "steps") if dt_ms is None else (float(dt_ms), "ms")


def _spikes(
    net: DelayNet, x: Tensor, rising: Callable[[Tensor], Tensor]
) -> tuple[Arrays, dict[str, float]]:
    """Return the first sample's spikes until its tail ends, and all samples' rates in a step.

    Args:
        net: the network.
        x: the samples, `(T, B, N)`.
        rising: sorts the input channels by frequency.
    """
    activity = net.activity(x)
    steps = int(activity.valid[:, 0].sum())
    inputs = torch.zeros(max(steps, len(x)), x.shape[2])
    inputs[: len(x)] = rising(x[:, 0]).float().cpu()
    rasters, rates = {"input": inputs[:steps].numpy()}, {}
    for number, spikes in enumerate(activity.spikes, 1):
        rasters[f"layer {number}"] = spikes[:steps, 0].float().cpu().numpy()
        # A layer of padding="reference" ends before the next one
        rates[f"layer {number}"] = float(spikes[activity.valid[: len(spikes)]].mean())
    return rasters, rates
