"""Leaky integrate-and-fire neurons and leaky integrators, on the base classes of SpikingJelly.

All times are in steps: `tau` is the membrane time constant divided by `dt`. Time is the first axis,
`(T, B, N)`.
"""

from typing import Any

import torch
from spikingjelly.activation_based import base, neuron, surrogate
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab.nn.lif_scan import check_current, check_steps, membrane
from snnlab.nn.network_config import Tau, check_taus

ATAN_ALPHA = 5.0  # width of the surrogate gradient in Hammouamri et al. 2024


def lif_step(
    v: Tensor,
    x: Tensor,
    *,
    tau: float,
    v_threshold: float = 1.0,
    v_reset: float = 0.0,
    alpha: float = ATAN_ALPHA,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Compute one step of a leaky integrate-and-fire neuron that does not decay its input.

    Charge, fire, reset:

    $$ H[t] = V[t-1] - \tfrac{1}{\tau}(V[t-1] - V_{reset}) + X[t] $$
    $$ S[t] = \Theta(H[t] - \vartheta) $$
    $$ V[t] = H[t]\,(1 - S[t]) + V_{reset}\,S[t] $$

    In the backward pass, the step function has the slope of the ATan surrogate,
    $\frac{\alpha/2}{1 + (\frac{\pi}{2}\alpha(H-\vartheta))^2}$, and the reset passes no gradient to
    the spike.

    Args:
        v: membrane potential $V[t-1]$ after the last reset, any shape.
        x: input current $X[t]$, same shape.
        tau: membrane time constant in steps, above 1.
        v_threshold: $\vartheta$; a neuron fires at or above it.
        v_reset: the membrane potential after a spike (hard reset).
        alpha: width of the surrogate; its peak slope is alpha / 2.

    Returns:
        The spikes (0 or 1), the next membrane potential $V[t]$, and $H[t]$, all of the shape of
        `x`.

    Example:
        >>> spikes, v, h = lif_step(torch.tensor([0.0, 0.8]), torch.tensor([0.5, 0.5]), tau=2.0)
        >>> spikes, v
        (tensor([0., 0.]), tensor([0.5000, 0.9000]))
        >>> lif_step(v, torch.tensor([0.5, 0.6]), tau=2.0)[0]
        tensor([0., 1.])
    """
    h = v - (v - v_reset) / tau + x
    s = surrogate.atan.apply(h - v_threshold, alpha)
    silent = 1.0 - s.detach()
    return s, h * silent + v_reset * (1.0 - silent), h


def leak(tau: Tau, x: Tensor) -> float | Tensor:
    r"""Return $1/\tau$, the share of the membrane that is lost in a step.

    Args:
        tau: membrane time constant in steps.
        x: input current, `(..., N)`, whose neurons a sequence of constants has to fit.

    Raises:
        SnnlabError: there is not one constant for each neuron.
    """
    if isinstance(tau, float):
        return 1 / tau
    if len(tau) != x.shape[-1]:
        raise SnnlabError(
            f"tau: has {len(tau)} values for input of {x.shape[-1]} neurons; expected one for each."
        )
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return 1 / torch.tensor(tau, dtype=dtype, device=x.device)


class LIF(neuron.LIFNode):  # type: ignore[misc]
    r"""Leaky integrate-and-fire neurons: currents `(T, B, N)` to spikes `(T, B, N)`.

    SpikingJelly's `LIFNode` as Hammouamri et al. 2024 use it: `decay_input=False`, hard reset, ATan
    surrogate, detached reset, multi-step. Every step is `lif_step`. On a CPU a compiled scan
    replaces the loop over T; on a GPU, and under torch.compile, SpikingJelly's operator runs.

    Args:
        tau: membrane time constant in steps, above 1; a sequence has one for each neuron. These
            are a loop over T.
        v_threshold: firing threshold.
        alpha: width of the ATan surrogate.

    Raises:
        SnnlabError: `tau` is not above 1.

    Example:
        >>> neurons = LIF(tau=2.0)
        >>> neurons(torch.full((4, 1, 1), 0.7)).flatten()  # fires in every second step
        tensor([0., 1., 0., 1.])
        >>> neurons.reset()  # before the next sequence
    """

    v: Tensor | float  # SpikingJelly's state: a number until the first step gives it a shape

    def __init__(self, tau: Any, *, v_threshold: float = 1.0, alpha: float = ATAN_ALPHA) -> None:
        super().__init__(
            tau=2.0,  # SpikingJelly's has to be one number
            decay_input=False,
            v_threshold=v_threshold,
            v_reset=0.0,
            surrogate_function=surrogate.ATan(alpha),
            detach_reset=True,
            step_mode="m",
        )
        self.tau: Tau = check_taus(tau)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Compute the spikes of all steps."""
        check_steps(x_seq)
        scanned = x_seq.device.type == "cpu" and not torch.compiler.is_compiling()
        if isinstance(self.tau, float) and (self.store_v_seq or not scanned):
            spikes: Tensor = super().multi_step_forward(x_seq)
            return spikes
        spikes, charged = self._membrane(x_seq)
        if self.store_v_seq:
            self.v_seq = charged * (1 - spikes.detach())
        return spikes

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Compute the spikes of one step."""
        if isinstance(self.tau, float):
            spikes: Tensor = super().single_step_forward(x)
            return spikes
        spikes, _ = self._membrane(x[None])
        if self.store_v_seq:
            self._append_v_seq(self.v)
        return spikes[0]

    def _membrane(self, x_seq: Tensor) -> tuple[Tensor, Tensor]:
        """Compute spikes and H of all steps, from the membranes that are left, which it replaces.

        Args:
            x_seq: currents, `(T, B, N)`.
        """
        v = torch.zeros_like(x_seq[0]) if isinstance(self.v, float) else self.v
        spikes, charged, self.v = membrane(
            x_seq,
            v,
            leak=leak(self.tau, x_seq),
            v_threshold=self.v_threshold,
            slope=self.surrogate_function,
        )
        return spikes, charged


class LeakyIntegrator(base.MemoryModule):  # type: ignore[misc]
    r"""Membranes that leak and never fire: currents `(T, B, N)` to potentials `(T, B, N)`.

    $V[t] = (1 - 1/\tau)\,V[t-1] + X[t]$. It is linear, so all steps at once are one product with
    the matrix $(1 - 1/\tau)^{t-t'}$, $t' \le t$. `DelayNet` has it as readout.

    Args:
        tau: membrane time constant in steps, above 1; a sequence has one for each neuron.

    Raises:
        SnnlabError: `tau` is not above 1.

    Example:
        >>> LeakyIntegrator(tau=2.0)(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)).flatten()
        tensor([1.0000, 0.5000, 0.2500])
    """

    v: Tensor | float

    def __init__(self, tau: Any) -> None:
        super().__init__()
        self.tau = check_taus(tau)
        self.step_mode = "m"
        self.register_memory("v", 0.0)

    def extra_repr(self) -> str:
        """Return the time constant."""
        return f"tau={self.tau}"

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Compute the potentials of one step."""
        self.v = v = (1 - leak(self.tau, x)) * self.v + x
        return v

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Compute the potentials of all steps."""
        check_current(x_seq)
        check_steps(x_seq)
        if isinstance(self.tau, tuple):
            return torch.stack([self.single_step_forward(x) for x in x_seq])
        beta = 1 - 1 / self.tau
        # Powers of whole numbers would be float32 for a current in float64, too
        dtype = torch.promote_types(x_seq.dtype, torch.get_default_dtype())
        steps = torch.arange(len(x_seq), dtype=dtype, device=x_seq.device)
        elapsed = steps[:, None] - steps  # (T, T)
        decay = torch.where(elapsed >= 0, beta ** elapsed.clamp(min=0), 0.0).to(x_seq.dtype)
        v: Tensor = torch.tensordot(decay, x_seq, dims=1)
        if not isinstance(self.v, float):
            v = v + beta ** (steps + 1).view(-1, *[1] * (x_seq.dim() - 1)) * self.v
        self.v = v[-1]
        return v
