"""A spiking membrane over time: one autograd function with compiled loops."""

import logging

import numba
import numpy as np
import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab.nn.threads import count_parts, run_parts
from snnlab.nn.tracing import is_plain_on_cpu

# SpikingJelly registers its GPU kernels at first use, and torch warns on every machine without a
# GPU
logging.getLogger("torch._library.triton").setLevel(logging.ERROR)

NONE, ATAN, RECTANGLE = 0, 1, 2  # which slope the compiled loop multiplies by
# Membranes over time, T x M, below which starting threads takes longer than they save
WORTH_THREADS = 2**19


def membrane(
    x: Tensor,
    v: Tensor,
    *,
    leak: float | Tensor,
    v_threshold: float,
    slope: surrogate.ATan | surrogate.Rect,
    soft_reset: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Compute a membrane over time: $H[t] = (1 - leak)\,V[t-1] + X[t]$, spike, and reset.

    The reset goes to 0 (hard) or down by the threshold (soft), and passes no gradient to the spike.
    On a CPU this is one compiled loop over T each way; elsewhere, for a file, under torch.compile,
    and where each neuron has a leak of its own, the same equations, a step at a time.

    Args:
        x: input current, `(T, ...)`.
        v: membrane potential before the first step, `(...)`.
        leak: share of the membrane that is lost in a step, $1/\tau$; it may be a tensor of one
            number that is trained, or of one for each neuron.
        v_threshold: $\vartheta$; a neuron fires at or above it.
        slope: the surrogate gradient.
        soft_reset: whether a spike takes the threshold away instead of everything.

    Returns:
        Spikes and H, both `(T, ...)`, and the membrane potential after the last step, `(...)`.

    Raises:
        SnnlabError: `x` and `v` do not have the same neurons, or `x` is not of a floating-point
            type.
    """
    if v.shape != x.shape[1:]:  # the compiled loop would read beyond its arrays
        raise SnnlabError(
            f"got membranes of shape {tuple(v.shape)} for input of shape {tuple(x.shape)}; "
            f"expected {tuple(x.shape[1:])}: reset the network between sequences, as "
            "SpikingJelly's functional.reset_net does."
        )
    check_current(x)
    compiling = torch.compiler.is_compiling()
    if not compiling and v.is_inference() and not torch.is_inference_mode_enabled():
        v = v.clone()  # a membrane of an evaluation, where training goes on from it
    # Mixed precision: a membrane adds up too much for these
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    one_leak = not isinstance(leak, Tensor) or leak.numel() == 1
    if one_leak and is_plain_on_cpu(x):
        result: tuple[Tensor, Tensor, Tensor] = _Scan.apply(  # type: ignore[no-untyped-call]
            x, v, leak, v_threshold, slope, soft_reset
        )
        return result
    spikes, charged = [], []
    for x_t in x:
        h = v - v * leak + x_t
        s = slope(h - v_threshold)
        fired = s.detach()
        v = h - v_threshold * fired if soft_reset else h * (1 - fired)
        spikes.append(s)
        charged.append(h)
    return torch.stack(spikes), torch.stack(charged), v


def check_current(x: Tensor) -> None:
    """Refuse a current in whole numbers, in which a leak would be rounded to nothing.

    Raises:
        SnnlabError: `x` is not of a floating-point type.
    """
    if not x.is_floating_point():
        raise SnnlabError(
            f"got a current of the type {x.dtype}: a membrane needs floating point; give it as "
            "x.float()."
        )


def check_steps(x: Tensor) -> None:
    """Refuse a sequence without time steps, which has no last membrane potential.

    Raises:
        SnnlabError: the first axis of `x` is empty.
    """
    if len(x) == 0:
        raise SnnlabError(
            f"got a current of shape {tuple(x.shape)}; expected at least one time step, which is "
            "the first axis."
        )


class _Scan(torch.autograd.Function):
    """`membrane` in one compiled loop a direction; H is all that the backward pass needs.

    With incoming gradients gS of the spikes, gH of H and gV of the last membrane potential, beta =
    1 - leak, and r[t] the slope of the reset (1 - S[t] if hard, 1 if soft):
        d[t] = gS[t] * slope(H[t]) + gH[t] + (gV or beta * d[t+1]) * r[t]     dL/dX[t] = d[t]
        dL/dleak = -sum over t of d[t] * V[t-1]
    """

    @staticmethod
    def forward(ctx, x, v, leak, v_threshold, slope, soft_reset):  # type: ignore[no-untyped-def]
        flat = x.detach().reshape(len(x), -1).contiguous()
        spikes, h = torch.empty_like(flat), torch.empty_like(flat)
        first = v.detach().reshape(-1).to(flat.dtype).contiguous()
        last = first.clone()
        arguments = flat, last, spikes, h, float(leak), v_threshold, soft_reset
        run_parts(_scan_forward, _scan_forward_in_threads, arguments, _parts(h))
        ctx.save_for_backward(h, first)
        ctx.constants = float(leak), v_threshold, slope, soft_reset
        ctx.set_materialize_grads(False)
        return spikes.view(x.shape), h.view(x.shape), last.view(x.shape[1:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_spikes, grad_h, grad_v):  # type: ignore[no-untyped-def]
        # What follows passes no gradient on
        if grad_spikes is None and grad_h is None and grad_v is None:
            return None, None, None, None, None, None
        h, first = ctx.saved_tensors
        leak, v_threshold, slope, soft_reset = ctx.constants
        shape = (
            next(g for g in (grad_spikes, grad_h) if g is not None).shape
            if grad_v is None
            else (len(h), *grad_v.shape)
        )
        kind = ATAN if isinstance(slope, surrogate.ATan) else RECTANGLE
        if grad_h is None and grad_spikes is not None:
            given = grad_spikes.reshape(h.shape).contiguous()
        else:  # the slope is in it already
            kind, given = NONE, torch.zeros_like(h)
            if grad_h is not None:
                given += grad_h.reshape(h.shape)
            if grad_spikes is not None:
                with torch.enable_grad():
                    over = (h - v_threshold).requires_grad_()
                    given += torch.autograd.grad(slope(over), over, grad_spikes.reshape(h.shape))[0]
        grad = torch.empty_like(h)
        carry = (
            torch.zeros_like(first) if grad_v is None else grad_v.reshape(-1).to(h.dtype).clone()
        )
        alpha = float(slope.alpha)
        arguments = h, given, carry, grad, leak, v_threshold, kind, alpha, soft_reset
        run_parts(_scan_backward, _scan_backward_in_threads, arguments, _parts(h))
        grad_leak = None
        if ctx.needs_input_grad[2]:
            fired = (h >= v_threshold).to(h.dtype)
            after = h - v_threshold * fired if soft_reset else h * (1 - fired)
            grad_leak = -((grad[1:] * after[:-1]).sum() + (grad[0] * first).sum())
        return grad.view(shape), carry.view(shape[1:]), grad_leak, None, None, None


def _parts(h: Tensor) -> int:
    """Return into how many parts to divide the M neurons of H, `(T, M)`."""
    m = h.shape[1]
    return count_parts(m, m if h.numel() >= WORTH_THREADS else 1)


@numba.njit(cache=True, nogil=True)
def _scan_forward(
    x: np.ndarray,
    v: np.ndarray,
    spikes: np.ndarray,
    h: np.ndarray,
    leak: float,
    theta: float,
    soft: bool,
    part: int,
    parts: int,
) -> None:
    """x, spikes, h: (T, M), a part of the neurons; v: (M,), read as V[-1] and left as V[T-1]."""
    lost, threshold = x.dtype.type(leak), x.dtype.type(theta)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    start, stop = len(v) * part // parts, len(v) * (part + 1) // parts
    v = v[start:stop]
    for t in range(x.shape[0]):
        # rows, or LLVM does not vectorise
        x_t, h_t, s_t = x[t][start:stop], h[t][start:stop], spikes[t][start:stop]
        for m in range(len(v)):
            charged = v[m] - v[m] * lost + x_t[m]
            fires = charged >= threshold
            left = charged - threshold if soft else zero
            h_t[m] = charged
            s_t[m] = one if fires else zero
            v[m] = left if fires else charged


@numba.njit(cache=True, nogil=True)
def _scan_backward(
    h: np.ndarray,
    given: np.ndarray,
    carry: np.ndarray,
    grad: np.ndarray,
    leak: float,
    theta: float,
    kind: int,
    alpha: float,
    soft: bool,
    part: int,
    parts: int,
) -> None:
    """h, given, grad: (T, M), a part of the neurons; carry: (M,), dL/dV at T-1, then at -1."""
    beta, threshold = h.dtype.type(1 - leak), h.dtype.type(theta)
    peak, width = h.dtype.type(alpha / 2), h.dtype.type(np.pi / 2 * alpha)  # of the ATan
    height, half = h.dtype.type(alpha), h.dtype.type(0.5 / alpha)  # of the rectangle
    one, zero = h.dtype.type(1), h.dtype.type(0)
    start, stop = len(carry) * part // parts, len(carry) * (part + 1) // parts
    carry = carry[start:stop]
    for t in range(h.shape[0] - 1, -1, -1):
        h_t, given_t, g_t = h[t][start:stop], given[t][start:stop], grad[t][start:stop]
        for m in range(len(carry)):
            over = h_t[m] - threshold
            scaled = width * over
            if kind == ATAN:
                slope = peak / (one + scaled * scaled)
            elif kind == RECTANGLE:
                slope = height if abs(over) < half else zero
            else:
                slope = one
            kept = carry[m]  # read in any case, or LLVM does not vectorise
            through_membrane = kept if soft or over < zero else zero
            d = given_t[m] * slope + through_membrane
            g_t[m] = d
            carry[m] = beta * d


@numba.njit(cache=True, nogil=True, parallel=True)
def _scan_forward_in_threads(  # type: ignore[no-untyped-def]
    x, v, spikes, h, leak, theta, soft, parts
):
    for part in numba.prange(parts):
        _scan_forward(x, v, spikes, h, leak, theta, soft, part, parts)


@numba.njit(cache=True, nogil=True, parallel=True)
def _scan_backward_in_threads(  # type: ignore[no-untyped-def]
    h, given, carry, grad, leak, theta, kind, alpha, soft, parts
):
    for part in numba.prange(parts):
        _scan_backward(h, given, carry, grad, leak, theta, kind, alpha, soft, part, parts)
