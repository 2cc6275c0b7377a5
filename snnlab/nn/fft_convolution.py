r"""The convolution of a delay layer in the frequency domain, for long delays.

**Definition.** Spikes $x$ of shape `(T, B, N_in)` and taps $h$ of shape `(N_out, N_in, L)` give

$$ y_i[t] = \sum_j \sum_{d=0}^{L-1} h_{ij}[d]\, x_j[t - d], \qquad x[t < 0] = 0. \tag{1} $$

The output may have more than the T steps of the input; after them, delayed input still arrives.

**Frequencies.** Extend everything to $N \ge T + L - 1$ steps, so that nothing wraps around from the
end to the start, and take the frequencies $\omega_k = 2\pi (k + \tfrac12) / N$:

$$ \hat x_j[k] = \sum_t x_j[t]\, e^{-i\omega_k t}
   \quad\Rightarrow\quad \hat y_i[k] = \sum_j \hat h_{ij}[k]\, \hat x_j[k]. \tag{2} $$

The sum over delays has become one factor a frequency: a complex product of matrices, `(B, N_in)` by
`(N_in, N_out)`. The half in $\omega_k$ shifts the usual frequencies by half a bin. It changes
nothing in (2), and it makes all of them alike: for even N and real signals they come in N/2
conjugate pairs, with no lone ones at 0 and at the Nyquist frequency. So $F = N/2$ complex numbers,
one of each pair, say everything, and

$$ y_i[t] = \frac{2}{N} \sum_{\omega} \operatorname{Re} \hat y_i(\omega) \cos\omega t
            - \operatorname{Im} \hat y_i(\omega) \sin\omega t. \tag{3} $$

**Transforms as matrix products.** For T of around 100 a matrix product is faster than an FFT: time
is the first axis of `(T, B, N)`, so the whole batch is one right-hand side, and nothing is
transposed. One step of Cooley and Tukey with a radix r makes it smaller. Let N be a multiple of 2r
and write $t = r m + s$ with $s < r$. Of each conjugate pair one frequency is among $\omega_k +
2\pi j / r$ with $k < K = N / 2r$ and $j < r$. As $e^{-2\pi i\, j m}$ is 1,

$$ a_{ks} = \sum_m x[r m + s]\, e^{-i \omega_k r m}, \tag{4} $$

$$ \hat x(\omega_k + 2\pi j / r) = \sum_s e^{-i(\omega_k + 2\pi j / r) s}\, a_{ks}. \tag{5} $$

(4) is one product with a real matrix `(2K, N / r)`, and (5) one with a small real matrix for each
k. On a CPU, `snnlab.nn.transform_loops` computes both at once.

**Three products.** Gauss multiplies complex numbers with three real products instead of four:

$$ p_1 = (\hat x_r + \hat x_i)\, \hat h_r, \quad p_2 = \hat x_i (\hat h_r + \hat h_i), \quad p_3 =
   \hat x_r (\hat h_i - \hat h_r), \qquad \hat y_r = p_1 - p_2, \quad \hat y_i = p_1 + p_3. $$

Each factor is linear in x or h, and y is linear in the three products. So the sums are part of the
matrices of (5), which become `(3r, 2r)`, and no pass over memory is left but matrix products: with
real matrices X `(3F, T)`, H `(3F, L)` and Y `(3F, T)` for the whole way of each signal, (1) is

$$ y = Y^\top \big[ (X x) (H h)^\top \big], \tag{6} $$

where the bracket is one real product of matrices for each of the 3F rows.

**Backward.** (6) is linear in x and in h, so gradients are transposes. With g the gradient of y,
the gradient of x is $X^\top [(Y g)(H h)]$, and that of h is $H^\top [(Y g)^\top (X x)]$.

**Operations**, multiplications and additions, forward, with r = 4; the backward pass needs twice as
many (as many in the first layer of a network, which needs no gradient of x):

| | operations | T = 112, L = 25, B = N_in = N_out = 256 | L = 101 |
|---|---|---|---|
| direct, (1) | $2\,T L\, B N_{in} N_{out}$ | 94 G | 380 G |
| x to its factors, products to y | $F (4T/r + 12r)\, B (N_{in} + N_{out})$ | 1.4 G | 2.3 G |
| h to its factors | $F (4L/r + 12r)\, N_{in} N_{out}$ | 0.3 G | 1.1 G |
| products, (6) | $6F\, B N_{in} N_{out}$ | 6.8 G | 10.9 G |

**Memory.** The backward pass needs the factors of x, $3F\,N_{in} B$ numbers, and h, whose factors
are computed again. With the sizes above and float32, 60 MB at L = 25 (x has 29 MB, h 7 MB) and 111
MB at L = 101 (h 26 MB).
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.nn import transform_loops
from snnlab.nn.products import products
from snnlab.nn.tracing import is_plain_on_cpu

DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
# Operations of a direct convolution so small that the number of calls decides
WORTH_A_CALL = 10_000_000


def causal_convolution(x: Tensor, taps: Tensor, steps: int | None = None) -> Tensor:
    """Compute equation (1) by (6).

    Agrees with the direct sum to rounding: about 1e-6 of the largest value in float32, 1e-15 in
    float64. The same holds for causality: what comes later changes an output by no more than that.
    Shapes are not checked: `DelayLinear` does that.

    Args:
        x: input over time, `(T, B, N_in)`, float32 or float64, any strides.
        taps: `(N_out, N_in, L)`, tap d acts after d steps; same dtype and device as `x`.
        steps: steps of output; None for T. In steps after T, delayed input still arrives.

    Returns:
        The output, `(steps, B, N_out)`.

    Raises:
        SnnlabError: the dtypes are not both float32 or both float64.
    """
    if x.dtype not in DTYPES or taps.dtype != x.dtype:
        raise SnnlabError(
            f"got x in {x.dtype} and taps in {taps.dtype}: the spectral convolution needs both in "
            "float32 or both in float64; convert them, or use the dense engine where both are "
            "float16, both bfloat16, or under torch.autocast."
        )
    steps = len(x) if steps is None else steps
    if len(x) > steps:
        x = x[:steps]
    if taps.shape[-1] > steps:  # a longer delay than that is never heard
        taps = taps[..., :steps]
    y: Tensor = _CausalConvolution.apply(x, taps, steps)  # type: ignore[no-untyped-call]
    return y


def operations(steps: int, batch: int, n_in: int, n_out: int, n_taps: int) -> tuple[int, int]:
    """Count the operations of a forward pass as in the table above: direct, and spectral."""
    heard = min(n_taps, steps)
    r = _radix(steps + heard - 1)
    n_frequencies = _extended(steps + heard - 1) // 2

    def transform(length: int, columns: int) -> int:
        return n_frequencies * columns * (4 * -(-length // r) + 12 * r)

    transforms = transform(steps, batch * (n_in + n_out)) + transform(heard, n_in * n_out)
    return (
        2 * steps * heard * batch * n_in * n_out,
        transforms + 6 * n_frequencies * batch * n_in * n_out,
    )


def prefer_spectral(x: Tensor, n_out: int, n_taps: int) -> bool:
    """Return whether the spectral convolution of `x`, `(T, B, N_in)`, should be the faster one.

    It needs at most two thirds of the operations, and these are not so few that the calls
    themselves cost more. The rule was measured forward and backward on two CPU cores over many
    shapes (20 to 250 steps, batches of 1 to 256, 2 to 256 neurons, 2 to 61 taps):
    `benchmarks/engines.py`, and docs/results.md has what following it costs. On a GPU the same
    count decides.
    """
    direct, spectral = operations(x.shape[0], x.shape[1], x.shape[2], n_out, n_taps)
    return x.dtype in DTYPES and direct >= max(1.5 * spectral, WORTH_A_CALL)


class _CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, taps, steps):  # type: ignore[no-untyped-def]
        w = _tables(max(steps, len(x) + taps.shape[-1] - 1), x)
        with torch.autocast(x.device.type, enabled=False):
            x_hat = _transform(w.first, w.x, x)  # (3F, B, N_in)
            h_hat = _transform(w.first, w.taps, taps.permute(2, 0, 1))  # (3F, N_out, N_in)
            y = _transposed(w.first, w.y, products(x_hat, h_hat), steps)
        by_x, by_taps, _ = ctx.needs_input_grad
        ctx.save_for_backward(x_hat if by_taps else None, taps if by_x else None)
        ctx.sizes = len(x), taps.shape[-1], steps
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x_hat, taps = ctx.saved_tensors
        n_x, n_taps, steps = ctx.sizes
        w = _tables(max(steps, n_x + n_taps - 1), grad)
        grad_x = grad_taps = None
        with torch.autocast(grad.device.type, enabled=False):
            g_hat = _transform(w.first, w.y, grad)  # (3F, B, N_out)
            if x_hat is not None:
                by_tap = _transposed(w.first, w.taps, products(g_hat.mT, x_hat.mT), n_taps)
                grad_taps = by_tap.permute(1, 2, 0)
            if taps is not None:
                h_hat = _transform(w.first, w.taps, taps.permute(2, 0, 1))
                grad_x = _transposed(w.first, w.x, products(g_hat, h_hat.mT), n_x)
        return grad_x, grad_taps, None


class _Tables(NamedTuple):
    """The matrix of (4), `(2K, N / r)`, and those of (5) for each signal, `(K, 3r, 2r)`."""

    first: Any
    x: Any
    taps: Any
    y: Any


def _tables(steps: int, like: Tensor) -> _Tables:
    """Return the tables for at least so many steps as tensors, of dtype and device of `like`."""
    n, device = _extended(steps), like.device
    if device.type == "cpu" or torch.compiler.is_compiling():
        return constant_tables(n, like.dtype, device)
    _, copies = _arrays(n, DTYPES[like.dtype])
    if device in copies and type(like) in (Tensor, nn.Parameter):
        return copies[device]
    w = constant_tables(n, like.dtype, device)
    # what was made under a mode of torch must not outlive it: fake tensors, inference tensors
    if type(w.first) is Tensor and not w.first.is_inference():
        copies[device] = w
    return w


def constant_tables(n: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Return the tables for N steps; `torch.compiler.assume_constant_result` puts them in a graph.

    torch cannot capture how numpy makes them.
    """
    arrays, _ = _arrays(n, DTYPES[dtype])
    return _Tables(*(torch.from_numpy(array).to(device) for array in arrays))


def _radix(steps: int) -> int:
    return 4 if steps <= 256 else 8 if steps <= 512 else 16


def _extended(steps: int) -> int:
    """Return N: at least `steps`, and a multiple of 2r."""
    multiple = 2 * _radix(steps)
    return -(-steps // multiple) * multiple


@functools.lru_cache(maxsize=64)
def _arrays(n: int, dtype: type[np.floating]) -> tuple[_Tables, dict[torch.device, _Tables]]:
    """Return the tables for N steps.

    They are arrays, because a tensor could belong to a trace, another default device, or inference
    mode. The dictionary holds their copies on other devices than the CPU.
    """
    r = _radix(n)
    odd = 2 * np.arange(n // (2 * r)) + 1  # omega_k in units of pi / N

    def waves(turns: NDArray[np.integer]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        angle = turns % (2 * n) * (math.pi / n)  # reduced as whole numbers: exact for any t
        return np.cos(angle), np.sin(angle)

    cos, sin = waves(np.outer(odd, r * np.arange(n // r)))
    first = np.stack([cos, -sin], 1).reshape(2 * len(odd), -1)
    j, s = np.arange(r)[:, None], np.arange(r)
    cos, sin = waves((odd[:, None, None] + 2 * n // r * j) * s)  # (K, j, s)
    rotation = np.array([[cos, sin], [-sin, cos]])  # (real or imaginary, the same of a, K, j, s)
    shape = len(odd), 3 * r, 2 * r
    mixes = (
        [[1, 1], [0, 1], [1, 0]],
        [[1, 0], [1, 1], [-1, 1]],
        np.array([[1, 1], [-1, 0], [0, 1]]) * (2 / n),
    )
    seconds = [np.einsum("pq,qckjs->kpjcs", mix, rotation).reshape(shape) for mix in mixes]
    return _Tables(*(table.astype(dtype) for table in (first, *seconds))), {}


def _transform(first: Tensor, second: Tensor, signal: Tensor) -> Tensor:
    """Compute (4) and (5): `(t, *, *)` to its factors in (6), `(3F, *, *)`."""
    if is_plain_on_cpu(signal):
        return transform_loops.transform(first, second, signal)
    r = second.shape[2] // 2
    rows = -(-len(signal) // r)
    if missing := rows * r - len(signal):
        signal = F.pad(signal, (0, 0, 0, 0, 0, missing))
    a = first[:, :rows] @ signal.reshape(rows, -1)  # (2K, r * all else)
    return (second @ a.view(len(second), 2 * r, -1)).view(-1, *signal.shape[1:])


def _transposed(first: Tensor, second: Tensor, factors: Tensor, steps: int) -> Tensor:
    """Compute the transpose of `_transform`: `(3F, *, *)` to the first steps, `(steps, *, *)`."""
    if is_plain_on_cpu(factors):
        return transform_loops.transposed(first, second, factors, steps)
    r = second.shape[2] // 2
    rows = -(-steps // r)
    sizes = factors.shape[1:]
    a = second.mT @ factors.view(len(second), 3 * r, -1)
    del factors  # large, and the caller has no other use for it
    signal = first[:, :rows].T @ a.view(len(first), -1)
    return signal.view(rows * r, *sizes)[:steps]
