r"""A fully connected layer whose synapses have weights and learnable delays.

A layer of delays is a causal convolution. Synapse $j \to i$ with weights $w_{ijk}$ and delays
$d_{ijk}$ gives

$$ X_i[t] = \sum_j \sum_k w_{ijk}\, S_j[t - d_{ijk}], \qquad d \in \{0, \dots, \text{max\_delay}\}.
$$

An integer delay has no gradient, so while training each weight is spread over the $L =
\text{max\_delay} + 1$ taps by a normalised Gaussian of width $\sigma$ around a real-valued delay
(Hammouamri et al. 2024, eq. 7 to 10, as DCLS builds the kernel). During training $\sigma$
shrinks until the delay is nearly one tap; `DelayLinear.round_delays` then makes it exactly one.
"""

import math
from typing import Any, Literal, get_args

import torch
from spikingjelly.activation_based import base
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, whole_number
from snnlab._utils.memory import memory_errors
from snnlab.nn import fft_convolution
from snnlab.nn.delay_kernels import dcls_taps, gaussian_taps, one_hot_taps
from snnlab.nn.network_config import LONGEST
from snnlab.nn.tracing import recorded

Engine = Literal["auto", "dense", "spectral", "dcls"]

SIGMA_FLOOR = 0.27  # DCLS's Gaussian is |SIG| + 0.27 taps wide
FINAL_SIGMA = 0.5  # where the paper's annealing ends
# What torch.autocast converts, one to another
AUTOCAST = (torch.float16, torch.bfloat16, torch.float32)
ROUNDED = "rounded"  # an entry in the `state_dict` of a discrete layer, and of no other


class DelayLinear(base.MemoryModule):  # type: ignore[misc]
    r"""Synapses with delays of 0 to `max_delay` steps: `(T, B, N_in)` to `(T, B, N_out)`.

    The output at time t depends on inputs up to t only; the input is taken as zero before its first
    step. There is no bias. Parameters carry DCLS's names, so that its checkpoints load: `weight`
    $(N_{out}, N_{in}, K)$, `P` (the centred position, `delay = (L-1)//2 - P`) and `SIG`, both $(1,
    N_{out}, N_{in}, K)$. `SIG` holds one value for the whole layer and is annealed, not trained.
    The `state_dict` of a rounded layer has the entry `rounded` too; a layer is rounded after
    loading where the entry is there, and otherwise is not.

    Args:
        in_features: $N_{in}$.
        out_features: $N_{out}$.
        max_delay: the largest delay in steps, 0 to a million.
        kernel_count: $K$, weights with a delay of their own of each synapse.
        n_connections: inputs of each neuron, drawn once at random; None for all.
        engine: how the convolution is computed: "dense" over time, "spectral" in the frequency
            domain (`snnlab.nn.fft_convolution`), "auto" by the faster of the two; "dcls" over time
            with the kernel that DCLS's own module builds, the paper's layer, slower and with more
            memory. The results are the same up to rounding. It may be changed at any time and is
            not part of the `state_dict`.

    The first weights are Kaiming-uniform over the inputs of a neuron, the first delays uniform over
    0 to `max_delay`, and the first sigma is half of the kernel.

    Raises:
        SnnlabError: a size is not a positive whole number, `max_delay` not a whole number from 0 to
            a million, or the engine is unknown.

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
    """

    mask: Tensor  # (N_out, N_in, 1), only where n_connections is given: which synapses exist
    arriving: tuple[Tensor, Tensor] | None  # in `step`: the kernel, and currents still to come

    @memory_errors("building a network", "a smaller one")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        max_delay: int,
        kernel_count: int = 1,
        *,
        n_connections: int | None = None,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        self.in_features = whole_number("in_features", in_features, 1)
        self.out_features = whole_number("out_features", out_features, 1)
        self.max_delay = whole_number("max_delay", max_delay, 0, LONGEST)
        self.kernel_count = whole_number("kernel_count", kernel_count, 1)
        self.n_connections = (
            None
            if n_connections is None
            else whole_number("n_connections", n_connections, 1, self.in_features)
        )
        if engine not in get_args(Engine):
            raise SnnlabError(
                f"engine = {engine!r}: expected one of {', '.join(get_args(Engine))}."
            )
        self.engine: Engine = engine
        # Whether each synapse is exactly one tap (`round_delays`) instead of a Gaussian
        self.discrete = False
        self.register_memory("arriving", None)

        shape = (self.out_features, self.in_features, self.kernel_count)
        bound = math.sqrt(6 / ((self.n_connections or self.in_features) * self.kernel_count))
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.P = nn.Parameter(
            self._centre - torch.empty((1, *shape)).uniform_(0, 1) * self.max_delay
        )
        self.SIG = nn.Parameter(torch.zeros(1, *shape), requires_grad=False)
        self.sigma = max(self.taps // 2 + SIGMA_FLOOR, FINAL_SIGMA)
        if self.n_connections is not None:
            mask = torch.rand(shape[:2]).argsort(1) < self.n_connections
            self.register_buffer("mask", mask[..., None])

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.discrete:
            destination[prefix + ROUNDED] = torch.ones((), dtype=torch.bool, device=self.P.device)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        rest = {name: value for name, value in state_dict.items() if name != prefix + ROUNDED}
        positions, errors = rest.get(prefix + "P"), args[-1]
        rounded = prefix + ROUNDED in state_dict
        if rounded and isinstance(positions, Tensor) and not positions.is_meta:
            is_rounded = torch.equal(positions, positions.round()) and self.holds(positions)
            if not (is_rounded and torch.as_tensor(state_dict[prefix + ROUNDED]).all()):
                errors.append(
                    f"{prefix}{ROUNDED} says that its delays are rounded, but they are not whole "
                    f"numbers from 0 to {self.max_delay}, or it is not True"
                )
                return
        before = len(errors)
        super()._load_from_state_dict(rest, prefix, *args)
        if positions is not None and len(errors) == before:  # None with strict=False
            self.discrete = rounded

    def holds(self, positions: Tensor) -> bool:
        """Return whether all these values of `P` are delays from 0 to `max_delay`."""
        steps = self._centre - positions
        return bool(((steps >= 0) & (steps <= self.max_delay)).all())

    @property
    def taps(self) -> int:
        """L, the number of taps of a kernel."""
        return self.max_delay + 1

    @property
    def _centre(self) -> int:
        return (self.taps - 1) // 2

    def extra_repr(self) -> str:
        """Return the sizes."""
        sparse = "" if self.n_connections is None else f", n_connections={self.n_connections}"
        return (
            f"{self.in_features}, {self.out_features}, max_delay={self.max_delay}, "
            f"kernel_count={self.kernel_count}{sparse}"
        )

    @property
    def connections(self) -> Tensor:
        """Which weights exist, `(N_out, N_in, K)` of bool: neither masked nor 0 (pruned)."""
        exists = self.weight.detach() != 0
        return exists if self.n_connections is None else exists & self.mask

    @property
    def delay(self) -> Tensor:
        """The delays in steps, `(N_out, N_in, K)`, real-valued, detached."""
        return self.delay_of(slice(None))

    @delay.setter
    def delay(self, steps: Tensor) -> None:
        with torch.no_grad():
            self.P[0] = self._centre - steps

    def delay_of(self, neuron: int | slice) -> Tensor:
        """Return the delays of one neuron, `(N_in, K)`, or of several."""
        return self._centre - self.P[0, neuron].detach()

    def delay_ms(self, dt_ms: float) -> Tensor:
        """Return the delays in milliseconds, `(N_out, N_in, K)`, for steps of `dt_ms`."""
        return self.delay * dt_ms

    @property
    def sigma(self) -> float:
        """The effective width of the Gaussian in steps; 0 once the layer is discrete."""
        return 0.0 if self.discrete else float(self.SIG.detach().abs().max()) + SIGMA_FLOOR

    @sigma.setter
    def sigma(self, steps: float) -> None:
        if not (is_number(steps) and steps >= SIGMA_FLOOR):
            raise SnnlabError(
                f"sigma = {steps}: DCLS's Gaussian is at least {SIGMA_FLOOR} steps wide."
            )
        with torch.no_grad():
            self.SIG.fill_(steps - SIGMA_FLOOR)

    @torch.no_grad()
    def clamp_delays(self) -> None:
        """Clamp every delay to 0 to `max_delay`; called after each step of the optimiser."""
        self.P.clamp_(self._centre - self.max_delay, self._centre)

    @torch.no_grad()
    def round_delays(self) -> None:
        """Make every delay a whole number of steps and every kernel one-hot, in place.

        Raises:
            SnnlabError: a delay is not finite.
        """
        if not (self.P.is_meta or self.P.isfinite().all()):
            raise SnnlabError(
                "a layer has delays that are not finite; choose a network whose training did not "
                "diverge, and look for non-finite input."
            )
        self.delay = self.delay.round().clamp(0, self.max_delay)
        self.discrete = True

    def kernel(self) -> Tensor:
        """Compute the kernel, `(N_out, N_in, L)`: `[i, j, d]` is from j to i after d steps."""
        weight = self.weight if self.n_connections is None else self.weight * self.mask
        if self.discrete:  # not DCLS's narrowest kernel: its normalisation takes 1e-7 of the weight
            return one_hot_taps(weight, self.delay, self.taps)
        if self.engine == "dcls" and not recorded():
            return dcls_taps(weight, self.P, self.SIG, self.taps)
        return gaussian_taps(
            weight, self._centre - self.P[0], self.SIG[0].abs() + SIGMA_FLOOR, self.taps
        )

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Compute currents `(steps, B, N_out)` of spikes or currents `(T, B, N_in)`.

        Args:
            x: the input.
            steps: steps of output; None for T. In steps after T, delayed input still arrives.

        Raises:
            SnnlabError: shape or type do not fit the layer.
        """
        self._check(x, 3, f"(T, B, {self.in_features}), time first")
        steps = len(x) if steps is None else steps
        if 0 in x.shape or steps < 1:
            raise SnnlabError(
                f"DelayLinear: got input of shape {tuple(x.shape)} for {steps} steps of output, "
                "expected at least one time step and one sample."
            )
        if self.max_delay == 0:
            # the same product without the convolution's copies
            return F.pad(x, (0, 0, 0, 0, 0, steps - len(x))) @ self.kernel()[..., 0].T
        spectrally = not recorded() and (  # a file is written with the direct sum
            fft_convolution.prefer_spectral(x, self.out_features, self.taps)
            if self.engine == "auto"
            else self.engine == "spectral"
        )
        return (fft_convolution.causal_convolution if spectrally else dense_convolution)(
            x, self.kernel(), steps
        )

    def step(self, x: Tensor) -> Tensor:
        """Compute the currents `(B, N_out)` of one time step from its spikes `(B, N_in)`.

        Called for each step of a sequence in turn, it gives what `forward` gives for all of them,
        so a network can feed its own spikes back. Currents that are still on their way wait in a
        buffer of `max_delay` steps. `reset()`, or SpikingJelly's `functional.reset_net` of a
        network, ends the sequence; the kernel is computed once in each.

        Raises:
            SnnlabError: shape or type do not fit the layer, or another batch size than that of the
                sequence's first step.

        Example:
            >>> layer, x = DelayLinear(2, 3, max_delay=4), torch.rand(10, 1, 2)
            >>> torch.allclose(torch.stack([layer.step(x_t) for x_t in x]), layer(x), atol=1e-6)
            True
            >>> layer.reset()  # before the next sequence
        """
        self._check(x, 2, f"(B, {self.in_features}), one time step")
        if self.arriving is None:
            taps = self.kernel().permute(2, 1, 0)  # (L, N_in, N_out)
            later = x.new_zeros(len(taps), len(x), self.out_features)
        else:
            taps, later = self.arriving
        if later.shape[1] != len(x):
            raise SnnlabError(
                f"DelayLinear: got {len(x)} samples in this step and {later.shape[1]} before; "
                "expected one sequence. Call reset() before the next one."
            )
        now, *rest = (later + x @ taps).unbind()
        self.arriving = taps, torch.stack([*rest, torch.zeros_like(now)])
        return now

    def _check(self, x: Tensor, axes: int, expected: str) -> None:
        """Check the shape and the type of an input."""
        if x.dim() != axes or x.shape[-1] != self.in_features:
            raise SnnlabError(
                f"DelayLinear: got input of shape {tuple(x.shape)}, expected {expected}."
            )
        if x.dtype != self.weight.dtype and not (
            x.dtype in AUTOCAST
            and x.device.type != "meta"
            and torch.is_autocast_enabled(x.device.type)
        ):
            raise SnnlabError(
                f"DelayLinear: got input of the type {x.dtype} for weights of the type "
                f"{self.weight.dtype}; give it as x.to({self.weight.dtype}), and keep a network in "
                "float32 or float64: for mixed precision there is torch.autocast."
            )


def dense_convolution(x: Tensor, taps: Tensor, steps: int) -> Tensor:
    """Sum over delays: `(T, B, N_in)` and taps `(N_out, N_in, L)` to `(steps, B, N_out)`."""
    # (B, N_in, L - 1 + steps)
    past = F.pad(x.permute(1, 2, 0), (taps.shape[-1] - 1, steps - len(x)))
    return F.conv1d(past, taps.flip(-1)).permute(2, 0, 1)
