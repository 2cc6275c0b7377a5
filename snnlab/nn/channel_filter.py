r"""Filters over time, one a channel: the depthwise convolution of axonal and dendritic delays.

$$ y_n[t] = \sum_{l=0}^{L-1} h_n[l]\, x_n[t - l], \qquad x[t < 0] = 0. \tag{1} $$

With g the gradient of y, the gradients are

$$ \frac{\partial\ell}{\partial x_n[t]} = \sum_l h_n[l]\, g_n[t + l], \qquad
   \frac{\partial\ell}{\partial h_n[l]} = \sum_t g_n[t]\, x_n[t - l]. \tag{2} $$

On a CPU, (1) and (2) are compiled loops over whole rows of channels, which leave time the first
axis; torch's grouped convolution takes three times as long, half of it to move the time axis.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab.nn.threads import run_in_threads
from snnlab.nn.tracing import recorded

# Products below which starting threads takes longer than they save
WORTH_THREADS = 2**22


def filter_channels(x: Tensor, taps: Tensor, steps: int) -> Tensor:
    """Compute equation (1).

    Args:
        x: input over time, `(T, B, N)`.
        taps: `(L, N)`, tap l acts after l steps.
        steps: steps of output; in steps after T, delayed input still arrives.

    Returns:
        The output, `(steps, B, N)`.
    """
    compiled = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    if compiled and x.dtype == taps.dtype and not (recorded() or torch.compiler.is_compiling()):
        y: Tensor = _Filter.apply(x, taps, steps)  # type: ignore[no-untyped-call]
        return y
    past = F.pad(x.permute(1, 2, 0), (len(taps) - 1, steps - len(x)))  # (B, N, L - 1 + steps)
    return F.conv1d(past, taps.T[:, None].flip(-1), groups=len(past[0])).permute(2, 0, 1)


class _Filter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, taps, steps):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, taps)
        y = x.new_empty(steps, *x.shape[1:])
        _by_samples(_filter, x, taps, y, 1)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x, taps = ctx.saved_tensors
        grad_x = grad_taps = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
            _by_samples(_filter, grad, taps, grad_x, -1)
        if ctx.needs_input_grad[1]:
            # (samples at a time, L, N): each thread has its own sum
            sums = _by_samples(_correlate, x, grad, len(taps))
            grad_taps = torch.from_numpy(np.sum(sums, 0))
        return grad_x, grad_taps, None


def _by_samples(loop: Callable[..., Any], x: Tensor, *others: Tensor | int) -> list[Any]:
    """Run a loop over the samples of a batch, in as many threads as torch has."""
    arrays = [v.detach().contiguous().numpy() if isinstance(v, Tensor) else v for v in (x, *others)]
    most = 1 + x.numel() // WORTH_THREADS
    return run_in_threads(lambda first, last: loop(*arrays, first, last), x.shape[1], most)


@numba.njit(cache=True, nogil=True)
def _filter(x, h, y, direction, first, last):  # type: ignore[no-untyped-def]
    """Equation (1), or (2) for x with direction = -1, of the samples from `first` to `last`."""
    for b in range(first, last):
        for t in range(len(y)):
            out, nearest, end = y[t, b], max(0, t - len(x) + 1), min(len(h), t + 1)
            if direction < 0:
                nearest, end = 0, min(len(h), len(x) - t)
            out[:] = 0
            l = nearest
            while l + 3 <= end:  # three taps at a time: the sum is read and written less often
                h0, h1, h2 = h[l], h[l + 1], h[l + 2]
                x0, x1 = x[t - direction * l, b], x[t - direction * (l + 1), b]
                x2 = x[t - direction * (l + 2), b]
                for n in range(len(out)):
                    out[n] += h0[n] * x0[n] + h1[n] * x1[n] + h2[n] * x2[n]
                l += 3
            for rest in range(l, end):
                h0, x0 = h[rest], x[t - direction * rest, b]
                for n in range(len(out)):
                    out[n] += h0[n] * x0[n]


@numba.njit(cache=True, nogil=True)
def _correlate(x, g, n_taps, first, last):  # type: ignore[no-untyped-def]
    """Equation (2) for h, `(L, N)`, summed over the samples from `first` to `last`."""
    h = np.zeros((n_taps, x.shape[2]), x.dtype)
    for b in range(first, last):
        for t in range(len(g)):
            g_t = g[t, b]
            for l in range(max(0, t - len(x) + 1), min(n_taps, t + 1)):
                out, x_t = h[l], x[t - l, b]
                for n in range(len(out)):
                    out[n] += g_t[n] * x_t[n]
    return h
