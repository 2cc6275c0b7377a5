"""The network with learned delays."""

import inspect
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from spikingjelly.activation_based import layer
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import nearest_names
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import RampNeuron
from snnlab.nn.any_network import delay_layers, reset_states
from snnlab.nn.delay_linear import DelayLinear, check_sequence
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.delay_parameters import Engine
from snnlab.nn.neurons import LIF, LeakyIntegrator
from snnlab.nn.tracing import recorded

# SpikingJelly's GPU kernels are compiled once for every number of time steps, which takes longer
# than a few more of them
STEPS_AT_A_TIME = {"cuda": 32}


@dataclass(frozen=True)
class Activity:
    """Spikes and potentials of a network; T' is T with its tail.

    Attributes:
        spikes: of each hidden layer before dropout, (T', B, N); ramp outputs from 0 to 1 in a
            network with `neuron="relu"`.
        potentials: of the readout, (T', B, classes).
        valid: (T', B), False where a recording and its tail have ended.
    """

    spikes: list[Tensor]
    potentials: Tensor
    valid: Tensor


@nearest_names
class DelayNet(nn.Module):
    r"""The network of Hammouamri et al. 2024: hidden layers with delays, and a readout.

    A hidden layer is `DelayLinear` - batch norm - `LIF` - dropout (one mask a sample and channel
    for all time); the readout is `DelayLinear` and membranes that never fire. Class scores are
    $\hat y_c = \sum_t \mathrm{softmax}_c(V_{out}[t])$, summed from the first step to `tail` steps
    after the last input spike. Each sample ends there whatever else is in the batch and however
    many empty steps follow, so neither changes a prediction; batch norm leaves the steps after the
    end out of its statistics.

    Its arguments are the fields of `DelayNetConfig`, which `config` holds, and `engine`: how its
    `DelayLinear`s are computed, which changes no result and is not part of `config`.

    Raises:
        SnnlabError: an argument is out of its range, or memory does not suffice.

    Example:
        >>> net = DelayNet(n_in=70, hidden=[16, 16], n_classes=20, max_delay=12, tau=1.005)
        >>> spikes = torch.zeros(50, 8, 70)  # (T, B, N)
        >>> net(spikes).shape
        torch.Size([8, 20])
        >>> net.config.max_delay
        12
    """

    __signature__ = inspect.signature(DelayNetConfig)
    __signature__ = __signature__.replace(
        parameters=[
            *__signature__.parameters.values(),
            inspect.Parameter("engine", inspect.Parameter.KEYWORD_ONLY, default="auto"),
        ]
    )

    @memory_errors("building a network", "a smaller one")
    def __init__(self, *arguments: Any, engine: Engine = "auto", **settings: Any) -> None:
        super().__init__()
        config = self.config = DelayNetConfig(*arguments, **settings)
        sizes = [config.n_in, *config.hidden, config.n_classes]
        self.synapses = nn.ModuleList(
            DelayLinear(
                before,
                after,
                max_delay,
                config.kernel_count,
                kind=config.delay_kind,
                n_connections=None
                if config.n_connections is None or number == len(config.hidden)
                else min(config.n_connections, before),
                weight_bits=config.weight_bits,
                delay_bits=config.delay_bits,
                engine=engine,
            )
            for number, ((before, after), max_delay) in enumerate(
                zip(pairwise(sizes), config.max_delays, strict=True)
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in config.hidden)
        neuron = LIF if config.neuron == "lif" else RampNeuron
        self.neurons = nn.ModuleList(neuron(tau) for tau in config.taus[:-1])
        self.dropouts = nn.ModuleList(
            layer.Dropout(config.dropout, step_mode="m") for _ in config.hidden
        )
        self.readout = LeakyIntegrator(config.taus[-1])
        if config.delay_mode != "learned":
            for synapses in delay_layers(self).values():
                synapses.P.requires_grad_(False)
                synapses.round_delays()

    @property
    def tail(self) -> int:
        """Steps after the last input spike that still count."""
        if self.config.tail is not None:
            return self.config.tail
        longest = self.config.max_delay
        return max(longest) if isinstance(longest, tuple) else longest

    def forward(self, x: Tensor) -> Tensor:
        """Compute class scores `(B, classes)` of spike counts `(T, B, N_in)`.

        They are positive and add up to the number of steps that count.
        """
        activity = self.activity(x)
        return (activity.potentials.softmax(-1) * activity.valid[..., None]).sum(0)

    def activity(self, x: Tensor) -> Activity:
        """Compute spikes and potentials of every layer for spike counts `(T, B, N_in)`.

        Raises:
            SnnlabError: the shape does not fit the network, there is no time step or no sample, or
                batch norm in training has a single step of all recordings; or the call is recorded
                by torch.jit.trace, torch.onnx.export or torch.export, and the padding is "fixed".
        """
        check_sequence("DelayNet", x, self.config.n_in)
        if recorded() and self.config.padding == "fixed":
            raise SnnlabError(
                "DelayNet: the number of steps depends on the last spike of a recording, which a "
                "traced or exported file cannot hold; export its layers one by one, or the network "
                "made with padding = 'reference'."
            )
        try:
            return self._activity(x)
        finally:
            reset_states(self)  # membranes do not pass from one sequence to the next

    def _activity(self, x: Tensor) -> Activity:
        valid = self.valid_steps(x) if self.config.padding == "fixed" else None  # steps that count
        # Steps that each delay layer appends
        more = [0 if valid is not None else longest // 2 for longest in self.config.max_delays]
        steps = len(x) if valid is None else len(valid)
        places: Tensor | tuple[Tensor, ...] | None = None
        if valid is not None and any(norm.training for norm in self.norms):
            torchs = all(type(norm) is nn.BatchNorm1d for norm in self.norms)
            if torch.compiler.is_compiling() and torchs:
                places = valid  # a graph has no sizes that depend on the data
            elif not valid.all():  # once for all layers, because the CPU waits for a GPU here
                places = valid.nonzero(as_tuple=True)
        spikes = []
        for synapses, norm, neurons, dropout, appended in zip(
            self.synapses, self.norms, self.neurons, self.dropouts, more, strict=False
        ):
            steps += appended
            spikes.append(neurons(_normalise(norm, synapses(x, steps), places)))
            # A membrane is float32 in a network of bfloat16
            x = dropout(spikes[-1]).to(synapses.weight.dtype)
        potentials = self.readout(self.synapses[-1](x, steps + more[-1]))
        if valid is None:
            valid = torch.ones(potentials.shape[:2], dtype=torch.bool, device=x.device)
        return Activity(spikes, potentials, valid)

    def valid_steps(self, x: Tensor) -> Tensor:
        """Return which steps of each recording and its tail count, (T', B).

        The longest recording has T' steps; under torch.compile, T' is T with the tail.
        """
        steps = torch.arange(1, len(x) + 1, device=x.device)
        ends = ((x != 0).any(-1) * steps[:, None]).amax(0) + self.tail  # (B,)
        ends = ends.clamp(min=1)  # an empty recording without a tail still has to be scored
        if torch.compiler.is_compiling():
            longest = len(x) + self.tail
        else:
            at_a_time = STEPS_AT_A_TIME.get(x.device.type, 1)
            longest = -(-int(ends.max()) // at_a_time) * at_a_time
        return torch.arange(longest, device=x.device)[:, None] < ends

    def trainable_parameters(self) -> int:
        """Count the trained numbers; synapses that are missing or pruned do not count."""
        total = sum(p.numel() for p in self.parameters() if p.requires_grad)
        for synapses in delay_layers(self).values():
            if synapses.weight.requires_grad:
                total -= int((~synapses.connections).sum())
            if synapses.P.requires_grad:
                total -= int((~synapses.delays_in_use).sum())
        return total


def _normalise(norm: nn.Module, x: Tensor, places: Tensor | tuple[Tensor, ...] | None) -> Tensor:
    """Apply batch norm over time and batch; in training over the steps at `places`, if given.

    Args:
        norm: the batch norm.
        x: `(T, B, N)`.
        places: where the steps are that count, as a mask `(T, B)` or as indices.
    """
    if places is None or not norm.training:
        return _norm_of_steps(norm, x.flatten(0, 1)).view(x.shape)
    if isinstance(places, Tensor):
        return masked_batch_norm(norm, x, places)
    return torch.zeros_like(x).index_put(places, _norm_of_steps(norm, x[places]))


def masked_batch_norm(norm: Any, x: Tensor, counts: Tensor) -> Tensor:
    """Apply a batch norm in training mode, whose statistics are of the steps that count.

    It gives what `norm(x[counts])` gives, up to rounding, and updates the running statistics.

    Args:
        norm: an `nn.BatchNorm1d`.
        x: `(T, B, N)`.
        counts: which steps of each sample count, `(T, B)` of bool.

    Returns:
        The normalised steps, `(T, B, N)`, 0 where a step does not count.
    """
    wide = x if x.dtype == torch.double else x.float()
    mask, n = counts[..., None], counts.sum()
    mean = torch.where(mask, wide, 0).sum((0, 1)) / n
    centred = torch.where(mask, wide - mean, 0)
    variance = centred.square().sum((0, 1)) / n
    if norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
            unbiased = variance * (n / (n - 1).clamp(min=1))  # of a single step it is 0
            for running, value in ((norm.running_mean, mean), (norm.running_var, unbiased)):
                running.add_((value.to(running.dtype) - running) * share)
    normal = centred * (variance + norm.eps).rsqrt()
    if norm.affine:
        normal = normal * norm.weight + norm.bias
    result: Tensor = torch.where(mask, normal, 0).to(x.dtype)
    return result


def _norm_of_steps(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply batch norm to steps `(n, N)`; of a single one, torch's has no statistics."""
    if norm.training and isinstance(norm, nn.BatchNorm1d) and len(x) == 1:
        raise SnnlabError(
            "DelayNet: batch norm cannot be trained with a batch in which a single step counts, up "
            "to the last spike and the tail; choose a batch_size with which the last batch has "
            "more recordings, or longer recordings."
        )
    normalised: Tensor = norm(x)
    return normalised
