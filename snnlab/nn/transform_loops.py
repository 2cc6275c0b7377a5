"""The transforms of `snnlab.nn.fft_convolution` as compiled loops on a CPU.

As products of torch, its equations (4) and (5) multiply many columns by small matrices, and write
and read all `a` of (4). A loop here takes both steps for some hundred columns at a time, so that
their `a` stays in a core's cache.
"""

import numba
import numpy as np
from torch import Tensor

from snnlab.nn.threads import count_parts, run_parts

# Numbers below which starting threads takes longer than they save
WORTH_THREADS = 2**17
# Rows of a product, and terms of each, that are computed at a time
BLOCK = 4
# Columns at a time, and the length of their rows in the cache: rows a power of two apart would
# displace one another there.
COLUMNS = 384
ROW = COLUMNS + 16


def transform(first: Tensor, second: Tensor, signal: Tensor) -> Tensor:
    """Compute (4) and (5): the factors of a signal in (6).

    Args:
        first: the matrix of (4), `(2K, N / r)`.
        second: those of (5), `(K, 3r, 2r)`.
        signal: over time, `(t, *, *)`, of the same dtype, any strides.

    Returns:
        The factors, `(3F, *, *)`.
    """
    x = signal.reshape(len(signal), -1)
    out = x.new_empty(second.shape[0] * second.shape[1], x.shape[1])
    first = _padded(first, -(-len(x) // (second.shape[2] // 2)))
    run_parts(_transform, _transform_in_threads, (first, second, x, out), _parts(x))
    return out.view(-1, *signal.shape[1:])


def transposed(first: Tensor, second: Tensor, factors: Tensor, steps: int) -> Tensor:
    """Compute the transpose of `transform`.

    Args:
        first: the matrix of (4), `(2K, N / r)`.
        second: those of (5), `(K, 3r, 2r)`.
        factors: `(3F, *, *)`, of the same dtype, any strides.
        steps: how many steps to compute.

    Returns:
        The first steps, `(steps, *, *)`.
    """
    x = factors.reshape(len(factors), -1)
    out = x.new_empty(steps, x.shape[1])
    rows = -(-steps // (second.shape[2] // 2))
    first, second = _padded(first[:, :rows].T, len(first)), second.mT
    run_parts(_transposed, _transposed_in_threads, (first, second, x, out), _parts(x))
    return out.view(-1, *factors.shape[1:])


def _padded(matrix: Tensor, columns: int) -> Tensor:
    """Return the first columns of a matrix, with zeros up to multiples of four."""
    rows = -(-len(matrix) // BLOCK) * BLOCK
    padded = matrix.new_zeros(rows, -(-columns // BLOCK) * BLOCK)
    padded[: len(matrix), :columns] = matrix[:, :columns]
    return padded


def _parts(x: Tensor) -> int:
    """Return into how many parts to divide the columns."""
    return count_parts(-(-x.shape[1] // COLUMNS), 1 + x.numel() // WORTH_THREADS)


@numba.njit(cache=True, nogil=True)
def _transform(first, second, x, out, part, parts):  # type: ignore[no-untyped-def]
    """(4) and (5) for a part of the columns."""
    n, r = len(second), second.shape[2] // 2
    series = np.empty((first.shape[1], ROW), x.dtype)
    # a of k and s: its real part in row 2rk + s, its imaginary part r rows below
    a = np.empty((len(first) * r, ROW), x.dtype)
    factors = np.empty((3 * r, ROW), x.dtype)
    end = x.shape[1] * (part + 1) // parts
    for c in range(x.shape[1] * part // parts, end, COLUMNS):
        columns = min(COLUMNS, end - c)
        for s in range(r):
            for m in range(first.shape[1]):
                if r * m + s < len(x):
                    _copy(x[r * m + s, c : c + columns], series[m])
                else:
                    _clear(series[m], columns)
            _multiply(first, series, 0, 1, a, s, r, columns)
        for k in range(n):
            _multiply(second[k], a, 2 * r * k, 1, factors, 0, 1, columns)
            for row in range(3 * r):
                _copy(factors[row, :columns], out[3 * r * k + row, c : c + columns])


@numba.njit(cache=True, nogil=True)
def _transposed(first, second, x, out, part, parts):  # type: ignore[no-untyped-def]
    """Transposed (5) and (4) for a part of the columns."""
    n, r = len(second), second.shape[1] // 2
    series = np.empty((len(first), ROW), x.dtype)
    a = np.zeros((first.shape[1] * r, ROW), x.dtype)
    factors = np.empty((3 * r, ROW), x.dtype)
    end = x.shape[1] * (part + 1) // parts
    for c in range(x.shape[1] * part // parts, end, COLUMNS):
        columns = min(COLUMNS, end - c)
        for k in range(n):
            for row in range(3 * r):
                _copy(x[3 * r * k + row, c : c + columns], factors[row])
            _multiply(second[k], factors, 0, 1, a, 2 * r * k, 1, columns)
        for s in range(r):
            _multiply(first, a, s, r, series, 0, 1, columns)
            for m in range(-(-(len(out) - s) // r)):
                _copy(series[m, :columns], out[r * m + s, c : c + columns])


@numba.njit(cache=True, nogil=True, parallel=True)
def _transform_in_threads(first, second, x, out, parts):  # type: ignore[no-untyped-def]
    for part in numba.prange(parts):
        _transform(first, second, x, out, part, parts)


@numba.njit(cache=True, nogil=True, parallel=True)
def _transposed_in_threads(first, second, x, out, parts):  # type: ignore[no-untyped-def]
    for part in numba.prange(parts):
        _transposed(first, second, x, out, part, parts)


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _multiply(w, x, x_first, x_step, y, y_first, y_step, columns):  # type: ignore[no-untyped-def]
    """Write the product of w and rows of x to rows of y.

    The rows of x are `x_first`, `x_first + x_step`, and so on, and so are those of y. Four rows and
    four terms of each are computed at a time, so that each value read is used four times.
    """
    for i in range(0, w.shape[0], BLOCK):
        row = y_first + i * y_step
        y0, y1, y2, y3 = y[row], y[row + y_step], y[row + 2 * y_step], y[row + 3 * y_step]
        for k in range(0, w.shape[1], BLOCK):
            row = x_first + k * x_step
            x0, x1, x2, x3 = x[row], x[row + x_step], x[row + 2 * x_step], x[row + 3 * x_step]
            a0, a1, a2, a3 = w[i, k], w[i, k + 1], w[i, k + 2], w[i, k + 3]
            b0, b1, b2, b3 = w[i + 1, k], w[i + 1, k + 1], w[i + 1, k + 2], w[i + 1, k + 3]
            c0, c1, c2, c3 = w[i + 2, k], w[i + 2, k + 1], w[i + 2, k + 2], w[i + 2, k + 3]
            d0, d1, d2, d3 = w[i + 3, k], w[i + 3, k + 1], w[i + 3, k + 2], w[i + 3, k + 3]
            if k == 0:
                _clear(y0, columns)
                _clear(y1, columns)
                _clear(y2, columns)
                _clear(y3, columns)
            for n in range(columns):
                # All is read first: the compiler may not move a read past a write
                p0, p1, p2, p3 = x0[n], x1[n], x2[n], x3[n]
                q0, q1, q2, q3 = y0[n], y1[n], y2[n], y3[n]
                y0[n] = q0 + a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3
                y1[n] = q1 + b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3
                y2[n] = q2 + c0 * p0 + c1 * p1 + c2 * p2 + c3 * p3
                y3[n] = q3 + d0 * p0 + d1 * p1 + d2 * p2 + d3 * p3


@numba.njit(cache=True, nogil=True)
def _copy(source, target):  # type: ignore[no-untyped-def]
    for n in range(len(source)):
        target[n] = source[n]


@numba.njit(cache=True, nogil=True)
def _clear(row, columns):  # type: ignore[no-untyped-def]
    for n in range(columns):
        row[n] = 0
