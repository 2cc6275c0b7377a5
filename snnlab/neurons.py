"""The leaky integrate-and-fire neuron: one pure step, the same step over time, and the modules on SpikingJelly's base.

Everything is in time steps: `tau` is the membrane time constant divided by `dt`. Time is the first axis, `(T, B, N)`.
"""

import math

import numba
import numpy as np
import torch
from spikingjelly.activation_based import base, neuron, surrogate
from torch import Tensor

from snnlab.errors import SnnlabError

ATAN_ALPHA = 5.0  # width of the surrogate gradient in Hammouamri et al. 2024


def check_tau(tau: float) -> float:
    """Return `tau` in steps as a float, or say why it cannot be one.

    Raises:
        SnnlabError: `tau` is not a finite number above 1 (at 1 the membrane keeps nothing from step to step).
    """
    if not (isinstance(tau, (int, float)) and math.isfinite(tau) and tau > 1):
        raise SnnlabError(
            f"tau = {tau!r}: expected a membrane time constant in steps above 1; choose tau_ms larger than dt_ms."
        )
    return float(tau)


def lif_step(
    v: Tensor, x: Tensor, *, tau: float, v_threshold: float = 1.0, v_reset: float = 0.0, alpha: float = ATAN_ALPHA
) -> tuple[Tensor, Tensor, Tensor]:
    r"""One time step of a leaky integrate-and-fire neuron that does not decay its input.

    Charge, fire, reset:

    $$ H[t] = V[t-1] - \tfrac{1}{\tau}(V[t-1] - V_{reset}) + X[t] $$
    $$ S[t] = \Theta(H[t] - \vartheta) $$
    $$ V[t] = H[t]\,(1 - S[t]) + V_{reset}\,S[t] $$

    Backward, the step function has the ATan surrogate's slope
    $\frac{\alpha/2}{1 + (\frac{\pi}{2}\alpha(H-\vartheta))^2}$, and the reset passes no gradient to the spike.

    Args:
        v: membrane potential $V[t-1]$ after the last reset, any shape.
        x: input current $X[t]$, same shape.
        tau: membrane time constant in steps, above 1.
        v_threshold: $\vartheta$; a neuron fires at or above it.
        v_reset: where the membrane goes after a spike (hard reset).
        alpha: width of the surrogate; its peak slope is alpha / 2.

    Returns:
        The spikes (0 or 1), the next membrane potential $V[t]$, and $H[t]$, all of the shape of `x`.
    """
    h = v - (v - v_reset) / tau + x
    s = surrogate.atan.apply(h - v_threshold, alpha)
    kept = 1.0 - s.detach()
    return s, h * kept + v_reset * (1.0 - kept), h


class LIF(neuron.LIFNode):
    r"""Leaky integrate-and-fire neurons over time, `(T, B, N)` currents to `(T, B, N)` spikes: `lif_step` for every t.

    SpikingJelly's `LIFNode` as Hammouamri et al. 2024 use it: `decay_input=False`, hard reset, ATan surrogate,
    detached reset, multi-step. On a CPU one compiled scan replaces its loop over T; on a GPU its own kernels run.

    Args:
        tau: membrane time constant in steps, above 1.
        v_threshold: firing threshold.
        alpha: width of the ATan surrogate.

    Raises:
        SnnlabError: `tau` is not above 1.
    """

    v: Tensor | float  # SpikingJelly's state: a number until the first step gives it a shape

    def __init__(self, tau: float, *, v_threshold: float = 1.0, alpha: float = ATAN_ALPHA) -> None:
        super().__init__(
            tau=check_tau(tau),
            decay_input=False,
            v_threshold=v_threshold,
            v_reset=0.0,
            surrogate_function=surrogate.ATan(alpha),
            detach_reset=True,
            step_mode="m",
        )

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        if x_seq.device.type != "cpu" or self.store_v_seq:
            return super().multi_step_forward(x_seq)
        v = torch.zeros_like(x_seq[0]) if isinstance(self.v, float) else self.v
        spikes, self.v = _LIFScan.apply(x_seq, v, self.tau, self.v_threshold, self.surrogate_function.alpha)
        return spikes


class LeakyIntegrator(base.MemoryModule):
    r"""The readout: membranes that leak and never fire, `(T, B, N)` currents to `(T, B, N)` potentials.

    $V[t] = (1 - 1/\tau)\,V[t-1] + X[t]$. It is linear, so all steps at once are one product with the matrix
    $(1 - 1/\tau)^{t-t'}$, $t' \le t$.

    Args:
        tau: membrane time constant in steps, above 1.

    Raises:
        SnnlabError: `tau` is not above 1.
    """

    v: Tensor | float

    def __init__(self, tau: float) -> None:
        super().__init__()
        self.tau = check_tau(tau)
        self.step_mode = "m"
        self.register_memory("v", 0.0)

    def extra_repr(self) -> str:
        return f"tau={self.tau}"

    def single_step_forward(self, x: Tensor) -> Tensor:
        self.v = (1 - 1 / self.tau) * self.v + x
        return self.v

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        steps = torch.arange(len(x_seq), device=x_seq.device)
        elapsed = steps[:, None] - steps  # (T, T)
        decay = torch.where(elapsed >= 0, (1 - 1 / self.tau) ** elapsed.clamp(min=0), 0.0).to(x_seq.dtype)
        v = torch.tensordot(decay, x_seq, dims=1)
        if not isinstance(self.v, float):
            v = v + (1 - 1 / self.tau) ** (steps + 1.0).view(-1, *[1] * (x_seq.dim() - 1)) * self.v
        self.v = v[-1]
        return v


class _LIFScan(torch.autograd.Function):
    """`lif_step` over T in one compiled loop a direction; H is all that the backward pass needs.

    With incoming gradients gS of the spikes and gV of the last membrane potential, and beta = 1 - 1/tau:
        d[t] = gS[t] * slope(H[t]) + (gV or beta * d[t+1]) * (1 - S[t])       dL/dX[t] = d[t]
    """

    @staticmethod
    def forward(ctx, x, v, tau, v_threshold, alpha):  # type: ignore[no-untyped-def]
        flat = x.detach().reshape(len(x), -1).contiguous()
        spikes, h = torch.empty_like(flat), torch.empty_like(flat)
        last = v.detach().reshape(-1).clone()
        _scan_forward(flat.numpy(), last.numpy(), spikes.numpy(), h.numpy(), tau, v_threshold)
        ctx.save_for_backward(h)
        ctx.constants = tau, v_threshold, alpha
        return spikes.view(x.shape), last.view(x.shape[1:])

    @staticmethod
    def backward(ctx, grad_spikes, grad_v):  # type: ignore[no-untyped-def]
        (h,) = ctx.saved_tensors
        tau, v_threshold, alpha = ctx.constants
        grad = torch.empty_like(h)
        carry = grad_v.reshape(-1).to(h.dtype).clone()
        flat = grad_spikes.reshape(h.shape).contiguous()
        _scan_backward(h.numpy(), flat.numpy(), carry.numpy(), grad.numpy(), tau, v_threshold, alpha)
        return grad.view(grad_spikes.shape), carry.view(grad_v.shape), None, None, None


@numba.njit(cache=True, nogil=True)
def _scan_forward(x: np.ndarray, v: np.ndarray, spikes: np.ndarray, h: np.ndarray, tau: float, theta: float) -> None:
    """x, spikes, h: (T, M); v: (M,), read as V[-1] and left as V[T-1]."""
    decay, threshold = x.dtype.type(1 / tau), x.dtype.type(theta)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for t in range(x.shape[0]):
        x_t, h_t, s_t = x[t], h[t], spikes[t]  # rows, or LLVM does not vectorise
        for m in range(len(v)):
            charged = v[m] - v[m] * decay + x_t[m]
            fires = charged >= threshold
            h_t[m] = charged
            s_t[m] = one if fires else zero
            v[m] = zero if fires else charged


@numba.njit(cache=True, nogil=True)
def _scan_backward(
    h: np.ndarray,
    grad_spikes: np.ndarray,
    carry: np.ndarray,
    grad: np.ndarray,
    tau: float,
    theta: float,
    alpha: float,
) -> None:
    """h, grad_spikes, grad: (T, M); carry: (M,), read as dL/dV[T-1] and left as dL/dV[-1]."""
    beta, threshold = h.dtype.type(1 - 1 / tau), h.dtype.type(theta)
    peak, width = h.dtype.type(alpha / 2), h.dtype.type(np.pi / 2 * alpha)
    one, zero = h.dtype.type(1), h.dtype.type(0)
    for t in range(h.shape[0] - 1, -1, -1):
        h_t, gs_t, g_t = h[t], grad_spikes[t], grad[t]
        for m in range(len(carry)):
            over = h_t[m] - threshold
            scaled = width * over
            kept = carry[m]  # read in any case, or LLVM does not vectorise
            through_membrane = kept if over < zero else zero
            d = gs_t[m] * peak / (one + scaled * scaled) + through_membrane
            g_t[m] = d
            carry[m] = beta * d
