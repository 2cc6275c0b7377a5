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

**Matrix products.** For T of around 100 the transforms are fastest as real matrix products,
`(F, T)` times `(T, B N)`: time is the first axis of `(T, B, N)`, so the whole batch is one
right-hand side, and nothing is transposed or padded. A known trick halves them. Let N be a multiple
of 4, and take of each conjugate pair of frequencies the one that is among $\omega_k$ and $\omega_k
+ \pi$ for $k < F/2$.
As $e^{-i\pi t} = (-1)^t$, even and odd steps together give both:

$$ \hat x(\omega) = e + o, \quad \hat x(\omega + \pi) = e - o, \qquad
   e = \sum_{t\text{ even}} x[t]\, e^{-i\omega t}, \quad o = \sum_{t\text{ odd}} x[t]\, e^{-i\omega
   t}, \tag{4} $$

and back, (3) takes the sums of both halves for even steps, and their differences for odd ones.

**Backward.** (1) to (4) are linear, so the gradients are computed alike. With g the gradient of y
and $\hat g$ its spectrum, the gradients of x and h are (3) of $\hat g\, \overline{\hat h}$ and of
$\hat g^\top\, \overline{\hat x}$.

**Operations**, multiplications and additions, forward; the backward pass needs twice as many (as
many in the first layer of a network, which needs no gradient of x). A complex product is computed
as three real ones (Gauss):

| | operations | T = 112, L = 25, B = N_in = N_out = 256 | L = 101 |
|---|---|---|---|
| direct, (1) | $2\,T L\, B N_{in} N_{out}$ | 94 G | 380 G |
| spectra of x, back to y | $2F T\, B (N_{in} + N_{out})$ | 2.0 G | 3.1 G |
| spectra of h | $2F L\, N_{in} N_{out}$ | 0.2 G | 1.4 G |
| products, (2) | $6F\, B N_{in} N_{out}$ | 6.8 G | 10.7 G |

**Memory.** The backward pass needs the two spectra, $2F\,N_{in}(B + N_{out})$ numbers, instead of x
and h. With the sizes above and float32, 71 MB at L = 25 (x has 29 MB, h 7 MB) and
111 MB at L = 101 (h 26 MB).
"""

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.tracing import recorded

DTYPES = (torch.float32, torch.float64)
# Operations of a direct convolution so small that the number of calls decides
WORTH_A_CALL = 10_000_000


def causal_convolution(x: Tensor, taps: Tensor, steps: int | None = None) -> Tensor:
    """Compute equation (1) by (2) and (3).

    Agrees with the direct sum to rounding: about 1e-6 of the largest value in float32, 1e-15 in
    float64. The same holds for causality: what comes later changes an output by no more than that.

    Args:
        x: input over time, `(T, B, N_in)`, float32 or float64, any strides.
        taps: `(N_out, N_in, L)`, tap d acts after d steps; same dtype and device as `x`.
        steps: steps of output; None for T. In steps after T, delayed input still arrives.

    Returns:
        The output, `(steps, B, N_out)`.

    Raises:
        SnnlabError: shapes do not fit, a size is zero or `steps` not positive, the dtypes are not
            both float32 or both float64, or the call is recorded by torch.jit.trace,
            torch.onnx.export or torch.export.
    """
    if recorded():
        raise SnnlabError(
            "the spectral convolution cannot be traced or exported; set engine = 'dense', which "
            "gives the same to rounding."
        )
    if x.dim() != 3 or taps.dim() != 3 or x.shape[2] != taps.shape[1]:
        raise SnnlabError(
            f"got x of shape {tuple(x.shape)} and taps of shape {tuple(taps.shape)}; "
            "expected (T, B, N_in) and (N_out, N_in, L) with the same N_in."
        )
    if 0 in (*x.shape, *taps.shape):
        raise SnnlabError(
            f"got x of shape {tuple(x.shape)} and taps of shape {tuple(taps.shape)}: a size is "
            "zero; expected at least one time step, sample, neuron and tap."
        )
    if x.dtype not in DTYPES or taps.dtype != x.dtype:
        raise SnnlabError(
            f"got x in {x.dtype} and taps in {taps.dtype}: the spectral convolution needs both in "
            "float32 or both in float64; convert them, or use the dense engine where both are "
            "float16, both bfloat16, or under torch.autocast."
        )
    steps = len(x) if steps is None else steps
    if steps < 1:
        raise SnnlabError(f"steps = {steps}: expected at least one time step of output.")
    if len(x) > steps:
        x = x[:steps]
    if taps.shape[-1] > steps:  # a longer delay than that is never heard
        taps = taps[..., :steps]
    y: Tensor = _CausalConvolution.apply(x, taps, steps)  # type: ignore[no-untyped-call]
    return y


def operations(steps: int, batch: int, n_in: int, n_out: int, n_taps: int) -> tuple[int, int]:
    """Count the operations of a forward pass as in the table above: direct, and spectral."""
    heard = min(n_taps, steps)
    n_frequencies = (steps + heard) // 2
    transforms = 2 * n_frequencies * (steps * batch * (n_in + n_out) + heard * n_in * n_out)
    return (
        2 * steps * heard * batch * n_in * n_out,
        transforms + 6 * n_frequencies * batch * n_in * n_out,
    )


def prefer_spectral(x: Tensor, n_out: int, n_taps: int) -> bool:
    """Return whether the spectral convolution of `x`, `(T, B, N_in)`, should be the faster one.

    It needs at most half the operations, and these are not so few that the calls themselves cost
    more. The rule was measured forward and backward on two CPU cores over many shapes (20 to 250
    steps, batches of 1 to 256, 2 to 256 neurons, 2 to 61 taps): `benchmarks/engines.py`, and
    docs/results.md has what following it costs. On a GPU the same count decides.
    """
    direct, spectral = operations(x.shape[0], x.shape[1], x.shape[2], n_out, n_taps)
    return x.dtype in DTYPES and direct >= max(2 * spectral, WORTH_A_CALL)


class _CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, taps, steps):  # type: ignore[no-untyped-def]
        ctx.sizes = steps, len(x), taps.shape[-1]
        w = _waves(ctx.sizes, x)
        with torch.autocast(x.device.type, enabled=False):
            x_hat = _spectrum(w, x)  # (2, F, B, N_in)
            h_hat = _spectrum(w, taps.permute(2, 0, 1))  # (2, F, N_out, N_in)
            y = _signal(w, _product(x_hat, h_hat.mT), steps)
        ctx.save_for_backward(x_hat, h_hat)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x_hat, h_hat = ctx.saved_tensors
        _, steps, n_taps = ctx.sizes
        w = _waves(ctx.sizes, grad)
        grad_x = grad_taps = None
        with torch.autocast(grad.device.type, enabled=False):
            g_hat = _spectrum(w, grad)  # (2, F, B, N_out)
            if ctx.needs_input_grad[0]:
                grad_x = _signal(w, _product(g_hat, h_hat, conjugate=True), steps)
            if ctx.needs_input_grad[1]:
                grad_taps = _signal(w, _product(g_hat.mT, x_hat, conjugate=True), n_taps).permute(
                    1, 2, 0
                )
        return grad_x, grad_taps, None


def _waves(sizes: tuple[int, int, int], like: Tensor) -> Tensor:
    """Return the table of `_table` as a tensor, of the dtype and on the device of `like`."""
    table, copies = _table(*sizes, np.float32 if like.dtype == torch.float32 else np.float64)
    if like.device.type == "cpu":
        return torch.from_numpy(table)  # copies nothing
    if like.device in copies and type(like) in (Tensor, nn.Parameter):
        return copies[like.device]
    w = torch.from_numpy(table).to(like.device)
    # what was made under a mode of torch must not outlive it: fake tensors, inference tensors,
    # parts of a compiled graph
    if type(w) is Tensor and not w.is_inference() and not torch.compiler.is_compiling():
        copies[like.device] = w
    return w


@functools.lru_cache(maxsize=64)
def _table(
    steps: int, n_x: int, n_taps: int, dtype: type[np.floating]
) -> tuple[NDArray[np.floating], dict[torch.device, Tensor]]:
    r"""Return `(F, steps)`: $\cos\omega t$ in F/2 rows, then $-\sin\omega t$; see (4).

    It is an array, because a tensor could belong to a trace, another default device, or inference
    mode. The dictionary holds its copies on other devices than the CPU.
    """
    n = -(-max(steps, n_x + n_taps - 1) // 4) * 4  # N
    k, t = np.arange(n // 4)[:, None], np.arange(steps)
    angle = ((2 * k + 1) * t % (2 * n)) * (math.pi / n)  # reduced as whole numbers: exact for any t
    return np.concatenate([np.cos(angle), -np.sin(angle)]).astype(dtype), {}


def _spectrum(w: Tensor, signal: Tensor) -> Tensor:
    """Equation (4): `(t, *, *)` to `(2, F, *, *)`, real parts, then imaginary parts."""
    even, odd = (w[:, start : len(signal) : 2] @ signal[start::2].flatten(1) for start in (0, 1))
    # (real or imaginary, w or w + pi, frequency, all else)
    out = signal.new_empty(2, 2, len(w) // 2, even.shape[1])
    even, odd = even.view_as(out[:, 0]), odd.view_as(out[:, 0])
    torch.add(even, odd, out=out[:, 0])
    torch.sub(even, odd, out=out[:, 1])
    return out.view(2, len(w), *signal.shape[1:])


def _signal(w: Tensor, spectrum: Tensor, steps: int) -> Tensor:
    """Equation (3): `(2, F, *, *)` to the first `steps` steps, `(steps, *, *)`."""
    halves = spectrum.view(2, 2, len(w) // 2, -1).unbind(1)
    out = spectrum.new_empty(steps, halves[0].shape[-1])
    for start, both in ((0, halves[0] + halves[1]), (1, halves[0] - halves[1])):
        torch.mm(w[:, start:steps:2].T / len(w), both.flatten(0, 1), out=out[start::2])
    return out.view(steps, *spectrum.shape[2:])


def _product(a: Tensor, b: Tensor, *, conjugate: bool = False) -> Tensor:
    r"""Multiply complex matrices, $ab$ or $a\bar b$: `(2, F, n, m)` by `(2, F, m, p)`.

    Gauss's three products instead of four: with $s = (a_r + a_i)\,b_r$, the real part of $ab$ is
    $s - a_i (b_r + b_i)$ and the imaginary part $s + a_r (b_i - b_r)$.
    """
    (a_re, a_im), (b_re, b_im) = a, b
    sum_, difference = (b_re - b_im, -(b_im + b_re)) if conjugate else (b_re + b_im, b_im - b_re)
    out = a.new_empty(2, a.shape[1], a.shape[2], b.shape[3])
    torch.bmm(a_re + a_im, b_re, out=out[1])
    torch.baddbmm(out[1], a_im, sum_, alpha=-1, out=out[0])
    out[1].baddbmm_(a_re, difference)
    return out
