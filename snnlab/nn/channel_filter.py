r"""Filters over time, one a channel: the depthwise convolution of axonal and dendritic delays.

$$ y_n[t] = \sum_{l=0}^{L-1} h_n[l]\, x_n[t - l], \qquad x[t < 0] = 0. \tag{1} $$

With g the gradient of y, the gradients are

$$ \frac{\partial\ell}{\partial x_n[t]} = \sum_l h_n[l]\, g_n[t + l], \qquad
   \frac{\partial\ell}{\partial h_n[l]} = \sum_t g_n[t]\, x_n[t - l]. \tag{2} $$

On a CPU, all three are one compiled loop over rows of channels: in reversed time, (2) has the form
of (1). It takes a sample's steps out of the tensor first, since they lie far apart there.
"""

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab.nn.threads import count_parts, run_parts
from snnlab.nn.tracing import is_plain_on_cpu

# Products below which starting threads takes longer than they save
WORTH_THREADS = 2**22
# Steps, and taps, that are added up at a time
TILE = 4
# Channels at a time, so that a sample stays in a core's cache, and the length of their rows there:
# rows a power of two apart would displace one another.
BLOCK = 256
ROW = BLOCK + 16


def filter_channels(x: Tensor, taps: Tensor, steps: int) -> Tensor:
    """Compute equation (1).

    Args:
        x: input over time, `(T, B, N)`.
        taps: `(L, N)`, tap l acts after l steps.
        steps: steps of output; in steps after T, delayed input still arrives.

    Returns:
        The output, `(steps, B, N)`.
    """
    if is_plain_on_cpu(x) and x.dtype == taps.dtype in (torch.float32, torch.float64):
        y: Tensor = _Filter.apply(x, taps, steps)  # type: ignore[no-untyped-call]
        return y
    return dense_convolution(x, taps.T[:, None], steps, groups=x.shape[-1])


def dense_convolution(x: Tensor, taps: Tensor, steps: int, groups: int = 1) -> Tensor:
    """Sum over delays: `(T, B, N_in)` and taps `(N_out, N_in, L)` to `(steps, B, N_out)`.

    Args:
        x: input over time.
        taps: of each synapse; with groups, `(N_out, N_in / groups, L)`.
        steps: steps of output; in steps after T, delayed input still arrives.
        groups: into how many groups channels are divided, without synapses from one to another.
    """
    # (B, N_in, L - 1 + steps)
    past = F.pad(x.permute(1, 2, 0), (taps.shape[-1] - 1, steps - len(x)))
    return F.conv1d(past, taps.flip(-1), groups=groups).permute(2, 0, 1)


class _Filter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, taps, steps):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, taps)
        y = x.new_empty(steps, *x.shape[1:])
        run_parts(_filter, _filter_in_threads, (x, taps[:, None], y, 1), _parts(x))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x, taps = ctx.saved_tensors
        grad_x = grad_taps = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
            arguments = grad, taps[:, None], grad_x, -1
            run_parts(_filter, _filter_in_threads, arguments, _parts(grad))
        if ctx.needs_input_grad[1]:
            parts = _parts(x)
            sums = x.new_empty(parts, *taps.shape)  # each thread has its own
            run_parts(_correlate, _correlate_in_threads, (x, grad, sums), parts)
            grad_taps = sums.sum(0)
        return grad_x, grad_taps, None


def _parts(x: Tensor) -> int:
    """Return into how many parts to divide the samples of a batch."""
    return count_parts(x.shape[1], 1 + x.numel() // WORTH_THREADS)


@numba.njit(cache=True, nogil=True)
def _filter(x, h, y, direction, part, parts):  # type: ignore[no-untyped-def]
    """Equation (1), or (2) for x with direction = -1, of a part of the samples."""
    n_taps, steps = _tiled(len(h)), _tiled(len(y))
    signal = np.empty((n_taps - 1 + steps, ROW), x.dtype)
    taps = np.empty((n_taps, ROW), x.dtype)
    out = np.empty((steps, ROW), x.dtype)
    # With direction = -1, time runs backwards from the last step of y
    start = 0 if direction > 0 else len(y) - 1
    for c in range(0, x.shape[2], BLOCK):
        width = min(BLOCK, x.shape[2] - c)
        _read(taps, h, 0, c, 0, 1)
        for b in range(x.shape[1] * part // parts, x.shape[1] * (part + 1) // parts):
            _read(signal, x, b, c, start - direction * (n_taps - 1), direction)
            out[:] = 0
            _add_filtered(signal, taps, out, width)
            for t in range(len(y)):
                _copy(out[t], y[start + direction * t, b, c : c + width])


@numba.njit(cache=True, nogil=True)
def _correlate(x, g, sums, part, parts):  # type: ignore[no-untyped-def]
    """Equation (2) for h, summed over a part of the samples: row `part` of `sums`."""
    h = sums[part]
    n_taps, steps = len(h), _tiled(len(g))
    past = np.empty((steps - 1 + _tiled(n_taps), ROW), x.dtype)
    grad = np.empty((steps, ROW), x.dtype)
    out = np.empty((_tiled(n_taps), ROW), x.dtype)
    for c in range(0, x.shape[2], BLOCK):
        width = min(BLOCK, x.shape[2] - c)
        out[:] = 0
        for b in range(x.shape[1] * part // parts, x.shape[1] * (part + 1) // parts):
            # The sum over t is a filter, too: of x in reversed time, with the taps g
            _read(past, x, b, c, steps - 1, -1)
            _read(grad, g, b, c, 0, 1)
            _add_filtered(past, grad, out, width)
        for l in range(n_taps):
            _copy(out[l], h[l, c : c + width])


@numba.njit(cache=True, nogil=True, parallel=True)
def _filter_in_threads(x, h, y, direction, parts):  # type: ignore[no-untyped-def]
    for part in numba.prange(parts):
        _filter(x, h, y, direction, part, parts)


@numba.njit(cache=True, nogil=True, parallel=True)
def _correlate_in_threads(x, g, sums, parts):  # type: ignore[no-untyped-def]
    for part in numba.prange(parts):
        _correlate(x, g, sums, part, parts)


@numba.njit(cache=True, nogil=True)
def _add_filtered(signal, taps, out, width):  # type: ignore[no-untyped-def]
    """Add the filtered signal to `out`, for the first `width` channels.

    Row `len(taps) - 1` of the signal is that of the first step of `out`. Four steps and four taps
    at a time: what is read once then serves up to four products.
    """
    for t in range(0, len(out), TILE):
        y0, y1, y2, y3 = out[t], out[t + 1], out[t + 2], out[t + 3]
        for l in range(0, len(taps), TILE):
            h0, h1, h2, h3 = taps[l], taps[l + 1], taps[l + 2], taps[l + 3]
            now = len(taps) - 1 + t - l
            x0, x1, x2, x3 = signal[now - 3], signal[now - 2], signal[now - 1], signal[now]
            x4, x5, x6 = signal[now + 1], signal[now + 2], signal[now + 3]
            for n in range(width):
                # All is read first: the compiler may not move a read past a write
                a0, a1, a2, a3 = h0[n], h1[n], h2[n], h3[n]
                b0, b1, b2, b3, b4, b5, b6 = x0[n], x1[n], x2[n], x3[n], x4[n], x5[n], x6[n]
                c0, c1, c2, c3 = y0[n], y1[n], y2[n], y3[n]
                y0[n] = c0 + a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0
                y1[n] = c1 + a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1
                y2[n] = c2 + a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2
                y3[n] = c3 + a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3


@numba.njit(cache=True, nogil=True)
def _tiled(size):  # type: ignore[no-untyped-def]
    return -(-size // TILE) * TILE


@numba.njit(cache=True, nogil=True)
def _read(target, source, b, c, start, direction):  # type: ignore[no-untyped-def]
    """Fill rows with steps of a sample, channels from c, and with zeros before and after them."""
    for row in range(len(target)):
        t = start + direction * row
        if 0 <= t < len(source):
            _copy(source[t, b, c : c + BLOCK], target[row])
        else:
            target[row] = 0


@numba.njit(cache=True, nogil=True)
def _copy(source, target):  # type: ignore[no-untyped-def]
    for n in range(min(len(source), len(target))):
        target[n] = source[n]
