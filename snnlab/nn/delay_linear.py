r"""A fully connected layer with weights and learnable delays.

A layer of delays is a causal convolution. Synapse $j \to i$ with weights $w_{ijk}$ and delays
$d_{ijk}$ gives

$$ X_i[t] = \sum_j \sum_k w_{ijk}\, S_j[t - d_{ijk}], \qquad d \in \{0, \dots, \text{max\_delay}\}.
$$

An integer delay has no gradient, so while training each weight is spread over the $L =
\text{max\_delay} + 1$ taps by a normalised Gaussian of width $\sigma$ around a real-valued delay
(Hammouamri et al. 2024, eq. 7 to 10, as DCLS builds the kernel). During training $\sigma$
shrinks until the delay is nearly one tap; `DelayLinear.round_delays` then makes it exactly one.
Synapses may also share their delays, one for each input channel or each neuron:
`snnlab.nn.delay_kinds`.
"""

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab.nn import delay_kinds
from snnlab.nn.delay_kernels import dcls_taps, gaussian_taps, one_hot_taps
from snnlab.nn.delay_parameters import DelayParameters
from snnlab.nn.quantisers import straight_through, whole_delay
from snnlab.nn.tracing import recorded

# What torch.autocast converts, one to another
AUTOCAST = (torch.float16, torch.bfloat16, torch.float32)


def check_sequence(name: str, x: Tensor, n_in: int) -> None:
    """Refuse an input that is not `(T, B, n_in)`, or has no time step or no sample.

    Args:
        name: of the module, for the error message.
        x: the input.
        n_in: input channels of the module.

    Raises:
        SnnlabError: as above.
    """
    _check_shape(name, x, 3, n_in, f"(T, B, {n_in}), time first")
    if 0 in x.shape:
        raise SnnlabError(
            f"{name}: got input of shape {tuple(x.shape)}, expected at least one time step and one "
            "sample."
        )


def _check_shape(name: str, x: Tensor, axes: int, n_in: int, expected: str) -> None:
    if x.dim() != axes or x.shape[-1] != n_in:
        raise SnnlabError(f"{name}: got input of shape {tuple(x.shape)}, expected {expected}.")


class DelayLinear(DelayParameters):
    r"""Synapses with delays of 0 to `max_delay` steps: `(T, B, N_in)` to `(T, B, N_out)`.

    The output at time t depends on inputs up to t only; the input is taken as zero before its first
    step. There is no bias. Parameters carry DCLS's names, so that its checkpoints load: `weight`
    $(N_{out}, N_{in}, K)$, `P` (the centred position, `delay = (L-1)//2 - P`) and `SIG`, both $(1,
    N_{out}, N_{in}, K)$ for synaptic delays and otherwise 1 before the shape of `delay`
    below. `SIG` holds one value for the whole layer and is annealed, not trained.
    The `state_dict` of a rounded layer has the entry `rounded` too; a layer is rounded after
    loading where the entry is there, and otherwise is not.

    Args:
        in_features: $N_{in}$.
        out_features: $N_{out}$.
        max_delay: the largest delay in steps, 0 to a million.
        kernel_count: $K$, weights with a delay of their own of each synapse.
        kind: which synapses share a delay; it decides the shape of `delay`:

            - "synaptic": each synapse $j \to i$ has its own, $(N_{out}, N_{in}, K)$;
            - "axonal": one for each input channel j, $(1, N_{in}, K)$;
            - "dendritic": one for each neuron i, $(N_{out}, 1, K)$;
            - "axo-dendritic": the sum of both, $(1, N_{in} + N_{out}, K)$, inputs first.

            In an axo-dendritic layer each summand is at most half of `max_delay`, the input's
            rounded up. `delay_per_synapse` has the same shape for each kind.
        n_connections: inputs of each neuron, drawn once at random; None for all.
        weight_bits: 2 to 8, for weights on $2^{bits} - 1$ levels with one scale a neuron; the
            gradient is that of `weight`, which stays as precise as it is. None for no levels.
        delay_bits: 1 to 8, for rounded delays on a grid of at most $2^{bits}$ steps from 0 to
            `max_delay`, or to the limit of each summand; None for each whole step. Delays are real
            numbers until they are rounded. `snnlab.nn.quantisers` has both formulas.
        engine: how the convolution is computed: "dense" over time, "spectral" in the frequency
            domain (`snnlab.nn.fft_convolution`), "auto" by the faster of the two; "dcls" over time
            with the kernel that DCLS's own module builds, the paper's layer, slower and with more
            memory. The results are the same up to rounding. It may be changed at any time and is
            not part of the `state_dict`. Delays of channels are computed in one way, and only
            "dcls" differs from the others.

    The first weights are Kaiming-uniform over the inputs of a neuron, the first delays uniform over
    0 to `max_delay`, and the first sigma is half of the kernel.

    Raises:
        SnnlabError: a size is not a positive whole number, `max_delay` not a whole number from 0 to
            a million, the number of bits is out of its range, or the kind or engine is unknown.

    Example:
        >>> layer = DelayLinear(in_features=1, out_features=1, max_delay=3)
        >>> layer.delay = torch.full((1, 1, 1), 2.0)
        >>> layer.round_delays()
        >>> impulse = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(4, 1, 1)
        >>> layer(impulse).flatten().nonzero().item()  # the step in which it arrives
        2
        >>> paper = DelayLinear(1, 1, max_delay=3, engine="dcls")  # DCLS builds the kernel
        >>> layer = DelayLinear(1, 1, max_delay=3)
        >>> layer.load_state_dict(paper.state_dict())
        <All keys matched successfully>
        >>> torch.allclose(paper(impulse), layer(impulse), atol=1e-6)
        True
        >>> axons = DelayLinear(3, 5, max_delay=4, kind="axonal")
        >>> axons.delay.shape, axons.delay_per_synapse.shape
        (torch.Size([1, 3, 1]), torch.Size([5, 3, 1]))
    """

    def extra_repr(self) -> str:
        """Return the sizes."""
        kind = "" if self.kind == "synaptic" else f", kind={self.kind}"
        numbers = ("n_connections", "weight_bits", "delay_bits")
        given = [f", {name}={value}" for name in numbers if (value := getattr(self, name))]
        return (
            f"{self.in_features}, {self.out_features}, max_delay={self.max_delay}, "
            f"kernel_count={self.kernel_count}{kind}{''.join(given)}"
        )

    def spread(self, weight: Tensor, delay: Tensor, width: Tensor, taps: int) -> Tensor:
        """Spread weights over taps, all `(n, m, K)` to `(n, m, taps)`; over one if rounded."""
        if self.discrete:  # not DCLS's narrowest kernel: its normalisation takes 1e-7 of the weight
            return one_hot_taps(weight, delay, taps)
        by_dcls = self.engine == "dcls" and not recorded()
        spread = (dcls_taps if by_dcls else gaussian_taps)(weight, delay, width, taps)
        if not (self.straight_through and self.training):
            return spread
        rounded = whole_delay(delay.detach(), taps - 1, self.delay_bits)
        return straight_through(one_hot_taps(weight.detach(), rounded, taps), spread)

    def kernel(self, neurons: slice = slice(None)) -> Tensor:
        """Compute the kernel, `(N_out, N_in, L)`: `[i, j, d]` is from j to i after d steps.

        Only synaptic delays are computed by it; for channels it is the response to impulses.

        Args:
            neurons: of the layer, whose rows are returned.
        """
        if self.kind != "synaptic":
            weight = self.weight
            # A sample an input
            impulses = torch.eye(self.in_features, dtype=weight.dtype, device=weight.device)[None]
            return delay_kinds.currents(self, impulses, self.taps).permute(2, 1, 0)[neurons]
        delay, width = self.delay_and_width()
        return self.spread(self.existing_weight[neurons], delay[neurons], width[neurons], self.taps)

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Compute currents `(steps, B, N_out)` of spikes or currents `(T, B, N_in)`.

        Args:
            x: the input.
            steps: steps of output; None for T. In steps after T, delayed input still arrives.

        Raises:
            SnnlabError: shape or type do not fit the layer.
        """
        check_sequence("DelayLinear", x, self.in_features)
        self._check_type(x)
        steps = len(x) if steps is None else steps
        if steps < 1:
            raise SnnlabError(
                f"DelayLinear: steps = {steps}: expected at least one step of output."
            )
        return delay_kinds.currents(self, x, steps)

    def step(self, x: Tensor) -> Tensor:
        """Compute the currents `(B, N_out)` of one time step from its spikes `(B, N_in)`.

        Called for each step of a sequence in turn, it gives what `forward` gives for all of them,
        so a network can feed its own spikes back. Currents that are still on their way wait in a
        buffer of `max_delay` steps. `reset()`, or SpikingJelly's `functional.reset_net` of a
        network, ends the sequence; kernels are computed once in each.

        Raises:
            SnnlabError: shape or type do not fit the layer, or another batch size than that of the
                sequence's first step.

        Example:
            >>> layer, x = DelayLinear(2, 3, max_delay=4), torch.rand(10, 1, 2)
            >>> torch.allclose(torch.stack([layer.step(x_t) for x_t in x]), layer(x), atol=1e-6)
            True
            >>> layer.reset()  # before the next sequence
        """
        _check_shape(
            "DelayLinear", x, 2, self.in_features, f"(B, {self.in_features}), one time step"
        )
        self._check_type(x)
        if self.arriving is None:
            self.arriving = [(stage, None) for stage in delay_kinds.stages(self)]
        samples = len(x)
        following: list[tuple[delay_kinds.Stage, Tensor | None]] = []
        for stage, later in self.arriving:
            total = stage(x)
            if later is not None and later.shape[1] != samples:
                raise SnnlabError(
                    f"DelayLinear: got {samples} samples in this step and {later.shape[1]} before; "
                    "expected one sequence. Call reset() before the next one."
                )
            x, *rest = (total if later is None else later + total).unbind()
            following.append((stage, torch.stack([*rest, torch.zeros_like(x)])))
        self.arriving = following
        return x

    def _check_type(self, x: Tensor) -> None:
        """Check the type of an input."""
        if x.dtype != self.weight.dtype and not (
            x.dtype in AUTOCAST
            and x.device.type != "meta"
            and torch.is_autocast_enabled(x.device.type)
        ):
            raise SnnlabError(
                f"DelayLinear: got input of the type {x.dtype} for weights of the type "
                f"{self.weight.dtype}; give it as x.to({self.weight.dtype}). Keep a network in "
                "float32 for fit and evaluate, whose batches are float32; otherwise in float32 or "
                "float64. For mixed precision there is torch.autocast."
            )
