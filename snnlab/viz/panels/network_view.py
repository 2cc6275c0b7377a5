"""The network and the recordings that panels show."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray
from torch import nn

from snnlab._utils.arrays import check_dt
from snnlab._utils.errors import SnnlabError
from snnlab.data.protocols import Batches
from snnlab.delays import analysis
from snnlab.delays.arrivals import Arrivals, SimulatedRecording, arrivals, simulate
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.viz.plots.sound import frequency_ticks
from snnlab.viz.widgets.panel import Control, Dropdown, Panel, Slider


class NetworkView:
    """A network, the length of its steps, and the frequencies of its inputs.

    Args:
        net: the network: any one with layers that have delays, or such a layer.
        dt_ms: length of a time step, ms.
        hertz: the frequency of each input, (n_in,) Hz, or None.

    Raises:
        SnnlabError: the network has no delays, `dt_ms` is not above 0, or there is not one
            frequency for each input.
    """

    def __init__(
        self, net: nn.Module, dt_ms: float, hertz: NDArray[np.float64] | None = None
    ) -> None:
        layers = delay_layers(net, required=True).values()
        self.net, self.dt_ms, self.hertz = net, check_dt(dt_ms), hertz
        n_in = next(iter(layers)).in_features
        if hertz is not None and len(hertz) != n_in:
            raise SnnlabError(
                f"hertz: has {len(hertz)} frequencies for {n_in} inputs; expected one for each, or "
                "None."
            )
        self.names = [*analysis.named_layers(net)]
        self.max_delay = max(layer.max_delay for layer in layers)
        self.max_delay_ms = self.max_delay * dt_ms
        # What is known of the neurons of another network is the current that they get
        self.response = "membrane" if isinstance(net, DelayNet) else "current"

    def synapses(self, layer: int) -> DelayLinear:
        """Return the synapses of a layer."""
        return analysis.layer_synapses(self.net, layer, 0)

    def controls(self, layer: int, neuron: int) -> dict[str, Control]:
        """Return controls that choose a neuron; `layer` and `neuron` are the first choice."""
        last = self.synapses(layer).out_features - 1
        tooltip = "which layer's neuron; the readout has one for each class"
        return {
            "layer": Dropdown(self.names[layer], tuple(self.names), "layer", tooltip),
            "neuron": Slider(neuron, 0, last, 1, "neuron", "which neuron of the layer"),
        }

    def limit_neuron(self, panel: Panel) -> Panel:
        """Let the last neuron of the `controls` of a panel follow their layer.

        Args:
            panel: the panel.

        Returns:
            The panel.
        """
        if panel.controls:
            layer, neuron = panel.controls["layer"], panel.controls["neuron"]

            def limit(_change: Any) -> None:
                neuron.max = self.synapses(layer.index).out_features - 1

            layer.observe(limit, names="label")  # changes before the value, which is drawn
        return panel

    def _frequencies(self, layer: int) -> NDArray[np.float64] | None:
        return self.hertz if layer == 0 else None

    def rows(self, layer: int) -> NDArray[np.int64]:
        """Return the row of each input of a layer, (N_in,), sorted by frequency if there is one."""
        hertz = self._frequencies(layer)
        n_in = self.synapses(layer).in_features
        return np.arange(n_in) if hertz is None else np.argsort(np.argsort(hertz))

    def label_rows(self, ax: Axes, layer: int) -> None:
        """Label the y axis of `rows` with frequencies, or with the numbers of the inputs."""
        hertz, n_in = self._frequencies(layer), self.synapses(layer).in_features
        ax.set_ylim(-0.5, n_in - 0.5)
        places: NDArray[Any]
        if hertz is None:
            places = np.unique(np.linspace(0, n_in - 1, 5).astype(int))
            labels = [str(place) for place in places]
            ax.set_ylabel(f"neuron of {before}" if (before := self._before(layer)) else "input")
        else:
            labels, places = frequency_ticks(hertz)
            ax.set_ylabel("input (kHz)")
        # `set_yticks` would make artists for them
        ax.yaxis.set_major_locator(FixedLocator(places.tolist()))
        ax.yaxis.set_major_formatter(FixedFormatter(labels))

    def input_name(self, layer: int, source: int) -> str:
        """Return the name of an input of a layer, for alt texts."""
        hertz = self._frequencies(layer)
        if hertz is not None:
            return f"the input at {hertz[source] / 1000:.2g} kHz"
        return (
            f"neuron {source} of {before}" if (before := self._before(layer)) else f"input {source}"
        )

    def _before(self, layer: int) -> str:
        """Return the name of the layer whose spikes a layer gets; only a `DelayNet` is a chain."""
        return self.names[layer - 1] if layer and isinstance(self.net, DelayNet) else ""


class RecordingViewer:
    """The recordings of a data set in a network, simulated one at a time.

    Args:
        network: the network.
        recordings: the recordings.
        class_names: the name of each class.

    Raises:
        SnnlabError: the network has another number of classes, or there is no name for a label.
    """

    def __init__(
        self, network: NetworkView, recordings: Batches, class_names: Sequence[str]
    ) -> None:
        if isinstance(network.net, DelayNet):
            n_classes = network.net.config.n_classes
            if len(class_names) != n_classes:
                raise SnnlabError(
                    f"the network tells {n_classes} classes apart, and these recordings have "
                    f"{len(class_names)}; give the data that it was trained on."
                )
        if len(class_names) <= (last := int(recordings.labels.max())):
            raise SnnlabError(
                f"class_names: has {len(class_names)} names for labels up to {last}; expected one "
                "for each class."
            )
        self.network, self.recordings, self.class_names = network, recordings, class_names
        self.sample = lru_cache(1)(self._sample)

    def _sample(self, number: int) -> tuple[SimulatedRecording, str]:
        """Return a recording in the network, and the name of its class.

        Raises:
            SnnlabError: there is no such recording, or it has no spike for a `DelayNet`.
        """
        if not 0 <= number < len(self.recordings):
            raise SnnlabError(
                f"recording {number}: expected 0 to {len(self.recordings) - 1}; "
                "choose another sample."
            )
        x, label = self.recordings.batch(torch.tensor([number]))
        if isinstance(self.network.net, DelayNet) and not x.any():
            raise SnnlabError(
                f"recording {number}: has no spike; expected one at least. Choose another sample."
            )
        return simulate(self.network.net, x[:, 0]), self.class_names[int(label)]

    def arrivals(self, sample: int, layer: int, neuron: int, share: float = 1.0) -> Arrivals:
        """Return the spikes that arrive at a neuron if each delay is a share of the learned one."""
        network = self.network
        recording, _ = self.sample(sample)
        return arrivals(network.net, recording, layer, neuron, network.dt_ms, share=share)
