"""Networks. They know tensors, not data sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from spikingjelly.activation_based import functional, layer
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, whole_number
from snnlab._utils.memory import memory_errors
from snnlab.nn.delay_linear import LONGEST, DelayLinear, delay_layers
from snnlab.nn.neurons import LIF, LeakyIntegrator, check_tau
from snnlab.nn.ramp_neuron import RampNeuron
from snnlab.nn.tracing import recorded

Variant = Literal["none", "fixed", "learned"]
Padding = Literal["fixed", "reference"]
Neuron = Literal["lif", "relu"]

# SpikingJelly's GPU kernels are compiled once for every number of time steps, which takes longer
# than a few more of them
STEPS_AT_A_TIME = {"cuda": 32}


@dataclass(frozen=True)
class Activity:
    """What happened in a network: everything that a raster or a loss can be made from."""

    # Of each hidden layer, (T', B, N), before dropout; from 0 to 1 where a ReLU stands for them
    spikes: list[Tensor]
    potentials: Tensor  # of the readout, (T', B, classes)
    valid: Tensor  # (T', B), False where a recording and its tail have ended


class DelayNet(nn.Module):
    r"""The network of Hammouamri et al. 2024: hidden layers of delays, batch norm, LIF and dropout, and a readout.

    A hidden layer is `DelayLinear` - batch norm - `LIF` - dropout (one mask a sample and channel
    for all time); the readout is `DelayLinear` and membranes that never fire. Class scores are
    $\hat y_c = \sum_t \mathrm{softmax}_c(V_{out}[t])$, summed from the first step to `tail` steps
    after the last input spike. Each sample ends there whatever else is in the batch and however
    many empty steps follow, so neither changes a prediction; batch norm leaves the steps after the
    end out of its statistics.

    Args:
        n_in: input channels.
        hidden: neurons of each hidden layer; the paper has (256, 256) for SHD, (512, 512, 512) for
            SSC and GSC.
        n_classes: outputs.
        max_delay: largest delay in steps; 24 for SHD, 30 for SSC and GSC. Ignored by the variant
            "none".
        tau: membrane time constant of all neurons in steps, above 1; 1.005 for SHD, 1.5 for SSC and
            GSC.
        variant: "learned" delays; "fixed" ones, random, whole and one-hot from the start; or "none"
            at all.
        kernel_count: weights with a delay of their own per synapse.
        dropout: probability; 0.4 for SHD, 0.25 for SSC and GSC.
        tail: steps after the last input spike that still count; None for `max_delay`.
        padding: "fixed" as above, or "reference" for the authors' code, where each delay layer
            appends (L-1)//2 steps, and padding takes part in statistics and scores.
        n_connections: inputs that each hidden neuron listens to, drawn at random (the paper's sparse
            ablation has 10); None for all.
        neuron: "lif", or for pretraining "relu", neurons that give out a ramp (`RampNeuron`). Both
            have the same parameters.

    Raises:
        SnnlabError: an argument is out of its range, or memory does not suffice.
    """

    @memory_errors("building a network", "a smaller one")
    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        max_delay: int,
        tau: float,
        variant: Variant = "learned",
        kernel_count: int = 1,
        dropout: float = 0.4,
        tail: int | None = None,
        padding: Padding = "fixed",
        n_connections: int | None = None,
        neuron: Neuron = "lif",
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("variant", variant, get_args(Variant)),
            ("padding", padding, get_args(Padding)),
            ("neuron", neuron, get_args(Neuron)),
        ):
            if value not in choices:
                raise SnnlabError(f"{name} = {value!r}: expected one of {', '.join(choices)}.")
        if not hasattr(hidden, "__len__") or len(hidden) == 0:
            raise SnnlabError(
                f"hidden = {hidden!r}: expected the number of neurons of at least one hidden layer."
            )
        hidden = [whole_number("hidden, neurons of a layer", neurons, 1) for neurons in hidden]
        n_in, n_classes = whole_number("n_in", n_in, 1), whole_number("n_classes", n_classes, 1)
        max_delay = whole_number("max_delay", max_delay, 0, LONGEST)
        kernel_count = whole_number("kernel_count", kernel_count, 1)
        n_connections = (
            None if n_connections is None else whole_number("n_connections", n_connections, 1)
        )
        tau = check_tau(tau)
        if not (is_number(dropout) and 0 <= dropout < 1):
            raise SnnlabError(f"dropout = {dropout!r}: expected a probability from 0 to below 1.")
        self.variant: Variant = variant
        self.padding: Padding = padding
        self.neuron: Neuron = neuron
        self.tail = max_delay if tail is None else whole_number("tail", tail, 0, LONGEST)
        self.config: dict[str, Any] = {
            "n_in": n_in,
            "hidden": hidden,
            "n_classes": n_classes,
            "max_delay": max_delay,
            "tau": tau,
            "variant": variant,
            "kernel_count": kernel_count,
            "dropout": float(dropout),
            "tail": self.tail,
            "padding": padding,
            "n_connections": n_connections,
            "neuron": neuron,
        }
        sizes = [n_in, *hidden, n_classes]
        inputs = [
            None if n_connections is None else min(n_connections, size) for size in sizes[:-2]
        ] + [None]
        self.synapses = nn.ModuleList(
            DelayLinear(
                before,
                after,
                0 if variant == "none" else max_delay,
                kernel_count,
                n_connections=heard,
            )
            for (before, after), heard in zip(pairwise(sizes), inputs, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in hidden)
        self.neurons = nn.ModuleList(
            LIF(tau) if neuron == "lif" else RampNeuron(tau) for _ in hidden
        )
        self.dropouts = nn.ModuleList(layer.Dropout(dropout, step_mode="m") for _ in hidden)
        self.readout = LeakyIntegrator(tau)
        if variant != "learned":
            for synapses in delay_layers(self):
                synapses.P.requires_grad_(False)
                synapses.round_delays()

    def forward(self, x: Tensor) -> Tensor:
        """`(T, B, N_in)` spike counts to class scores `(B, classes)`, positive, summing to the steps that counted."""
        activity = self.activity(x)
        chances = activity.potentials.softmax(-1)
        return (chances * activity.valid[..., None]).sum(0)

    def activity(self, x: Tensor) -> Activity:
        """`(T, B, N_in)` spike counts to the spikes and membranes of every layer; T' is T with its tail.

        Raises:
            SnnlabError: the call is recorded by torch.jit.trace, torch.onnx.export or torch.export,
                and the padding is "fixed".
        """
        if recorded() and self.padding == "fixed":
            raise SnnlabError(
                "DelayNet: how many steps are computed depends on the last spike of a recording, which a traced or exported "
                "file cannot hold; export its layers one by one, or the network made with padding = 'reference'."
            )
        try:
            return self._activity(x)
        finally:
            functional.reset_net(self)  # no sequence starts from the membranes of the one before

    def _activity(self, x: Tensor) -> Activity:
        more, valid = 0, None  # steps that a delay layer appends, and the steps that count
        if self.padding == "fixed":
            valid = self._valid(x)
        elif self.variant != "none":
            more = self.config["max_delay"] // 2
        steps = len(x) if valid is None else len(valid)
        spikes = []
        for synapses, norm, neurons, dropout in zip(
            self.synapses, self.norms, self.neurons, self.dropouts, strict=False
        ):
            steps += more
            spikes.append(neurons(_normalise(norm, synapses(x, steps), valid)))
            x = dropout(spikes[-1])
        potentials = self.readout(self.synapses[-1](x, steps + more))
        if valid is None:
            valid = torch.ones(potentials.shape[:2], dtype=torch.bool, device=x.device)
        return Activity(spikes, potentials, valid)

    def _valid(self, x: Tensor) -> Tensor:
        """Which steps of a recording and its tail count, (T', B); T' is that of the longest in the batch, or a bit more."""
        steps = torch.arange(1, len(x) + 1, device=x.device)
        ends = ((x != 0).any(-1) * steps[:, None]).amax(0) + self.tail  # (B,)
        ends = ends.clamp(min=1)  # an empty recording without a tail still has to be scored
        at_a_time = STEPS_AT_A_TIME.get(x.device.type, 1)
        return (
            torch.arange(-(-int(ends.max()) // at_a_time) * at_a_time, device=x.device)[:, None]
            < ends
        )

    def trainable_parameters(self) -> int:
        """How many numbers training may change; silent synapses of a sparse network do not count."""
        total = sum(p.numel() for p in self.parameters() if p.requires_grad)
        for synapses in delay_layers(self):
            if synapses.n_connections is not None:
                silent = int((~synapses.mask).sum()) * synapses.kernel_count
                total -= silent * (1 + synapses.P.requires_grad)
        return total


def _normalise(norm: nn.Module, x: Tensor, valid: Tensor | None) -> Tensor:
    """Batch norm of (T, B, N) over time and batch; while training, over the steps that count only."""
    if valid is None or not norm.training or bool(valid.all()):
        return norm(x.flatten(0, 1)).view(x.shape)
    return torch.zeros_like(x).index_put((valid,), norm(x[valid]))
