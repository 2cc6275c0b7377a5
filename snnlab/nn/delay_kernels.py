r"""The taps of a kernel from weights and delays: the Gaussian of DCLS, its gradient in closed form.

A synapse with weight $w$, real-valued delay $d$ and width $\sigma$ is spread over the taps $l = 0,
\dots, L-1$ (Hammouamri et al. 2024, eq. 7 to 10):

$$ z_l = \frac{l - d}{\sigma}, \qquad g_l = e^{-z_l^2 / 2}, \qquad n = \varepsilon + \sum_l g_l,
\qquad
   h_l = \frac{w\, g_l}{n}. \tag{1} $$

With $\gamma_l = \partial\ell / \partial h_l$ and $\langle a \rangle = \sum_l g_l\, a_l / n$,

$$ \frac{\partial\ell}{\partial w} = \langle\gamma\rangle, \qquad
   \frac{\partial\ell}{\partial d} = \frac{w}{\sigma} \big( \langle\gamma z\rangle -
   \langle\gamma\rangle \langle z\rangle \big), \qquad \frac{\partial\ell}{\partial\sigma} =
   \frac{w}{\sigma} \big( \langle\gamma z^2\rangle - \langle\gamma\rangle \langle z^2\rangle \big).
   \tag{2} $$

A delay is moved by the covariance of what the loss wants and where the taps are. Nothing of size L
is kept for the backward pass: $g$ is computed again from $w$, $d$ and $\sigma$, and both passes go
through the synapses in blocks.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from snnlab._utils.optional import import_optional
from snnlab.nn.tracing import recorded

SIGMA_FLOOR = 0.27  # DCLS's Gaussian is |SIG| + 0.27 taps wide
EPSILON = 1e-7  # DCLS's guard against a kernel without mass
# Exponents below it are cut: numbers near the smallest float are slow, and 1e-26 of the peak is
# nothing
FLOOR = -60
# Taps at a time: what the cache holds; on a GPU, few launches
BLOCK = {"cpu": 2**20, "cuda": 2**25}


def gaussian_taps(weight: Tensor, delay: Tensor, sigma: Tensor, n_taps: int) -> Tensor:
    """Compute equation (1), summed over the K weights of a synapse.

    Args:
        weight: of each synapse, `(N_out, N_in, K)`.
        delay: in steps, real-valued, same shape.
        sigma: width of the Gaussian in steps, above 0, same shape.
        n_taps: L; tap l stands for a delay of l steps.

    Returns:
        The taps, `(N_out, N_in, n_taps)`.
    """
    if recorded():  # the formula without blocks and gradient, for a file
        w, d, s = (value.permute(2, 0, 1) for value in (weight, delay, sigma))
        z = (torch.arange(n_taps, dtype=d.dtype, device=d.device).view(-1, 1, 1, 1) - d) / s
        gauss = (z * z * -0.5).clamp(min=FLOOR).exp()
        return (gauss * (w / (gauss.sum(0) + EPSILON))).sum(1).permute(1, 2, 0)
    taps: Tensor = _GaussianTaps.apply(weight, delay, sigma, n_taps)  # type: ignore[no-untyped-call]
    return taps


def dcls_taps(weight: Tensor, delay: Tensor, sigma: Tensor, n_taps: int) -> Tensor:
    """Build the taps of `gaussian_taps` with DCLS's own module, the reference.

    Its autograd keeps several tensors of the size (K, L) a synapse for the backward pass.

    Args:
        weight: of each synapse, `(N_out, N_in, K)`.
        delay: in steps, same shape.
        sigma: width of the Gaussian in steps, from `SIGMA_FLOOR`, same shape.
        n_taps: L.

    Returns:
        The taps, `(N_out, N_in, n_taps)`; tap l stands for a delay of l steps.

    Raises:
        SnnlabError: the package `dcls` cannot be imported.
    """
    modules = import_optional("DCLS.construct.modules", "builds the kernels of the engine 'dcls'")
    n_out, n_in, kernel_count = weight.shape
    construct = modules.ConstructKernel1d(n_out, n_in, 1, kernel_count, [n_taps], "gauss")
    positions = (n_taps - 1) // 2 - delay  # DCLS's `P`
    taps: Tensor = construct(weight, positions[None], sigma[None] - SIGMA_FLOOR)
    return taps.flip(-1)  # DCLS's last tap is the present


def one_hot_taps(weight: Tensor, delay: Tensor, n_taps: int) -> Tensor:
    """Put each weight exactly on one tap: `gaussian_taps` for whole delays and sigma to 0."""
    # Taps first in memory, like all kernels here
    empty = weight.new_zeros(n_taps, *weight.shape[:2])
    return empty.scatter_add(0, delay.long().permute(2, 0, 1), weight.permute(2, 0, 1)).permute(
        1, 2, 0
    )


class _GaussianTaps(torch.autograd.Function):
    """Taps first in memory, `(L, K, n)` for n synapses.

    Every product and sum runs over whole rows, and the spectral convolution needs no copy.
    """

    @staticmethod
    def forward(ctx, weight, delay, sigma, n_taps):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(weight, delay, sigma)
        w, d, s = (value.flatten(0, 1).T for value in (weight, delay, sigma))  # (K, n)
        taps = weight.new_empty(n_taps, w.shape[1])
        for block in _blocks(w, n_taps):
            _, gauss, mass = _gaussian(d[:, block], s[:, block], n_taps)
            gauss *= w[:, block] / mass
            torch.sum(gauss, 1, out=taps[:, block])
        return taps.view(n_taps, *weight.shape[:2]).permute(1, 2, 0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        # Read once: under torch.utils.checkpoint each may be read one time only
        saved = ctx.saved_tensors
        w, d, s = (value.flatten(0, 1).T for value in saved)
        wanted_at = grad.permute(2, 0, 1).flatten(1)  # (L, n)
        by = [torch.empty_like(w) if needed else None for needed in ctx.needs_input_grad[:3]]
        by_weight, by_delay, by_sigma = by
        for block in _blocks(w, len(wanted_at)):
            z, gauss, mass = _gaussian(d[:, block], s[:, block], len(wanted_at))
            gauss /= mass
            wanted = gauss * wanted_at[:, None, block]
            mean = wanted.sum(0)
            if by_weight is not None:
                by_weight[:, block] = mean
            for result, power in ((by_delay, 1), (by_sigma, 2)):
                if result is not None:
                    moment = z if power == 1 else z * z
                    covariance = (wanted * moment).sum(0) - mean * (gauss * moment).sum(0)
                    result[:, block] = w[:, block] / s[:, block] * covariance
        shape = saved[0].shape
        return *(None if value is None else value.T.reshape(shape) for value in by), None


def _blocks(weight: Tensor, n_taps: int) -> Iterator[slice]:
    if torch.compiler.is_compiling():  # a graph has no part of a tensor as output
        return iter([slice(0, weight.shape[1])])
    at_once = max(1, BLOCK.get(weight.device.type, BLOCK["cpu"]) // (len(weight) * n_taps))
    return (slice(start, start + at_once) for start in range(0, weight.shape[1], at_once))


def _gaussian(delay: Tensor, sigma: Tensor, n_taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute z and g of equation (1), both `(L, K, n)`, and n, `(K, n)`."""
    z = torch.arange(n_taps, dtype=delay.dtype, device=delay.device)[:, None, None] - delay
    z /= sigma
    gauss = (z * z).mul_(-0.5).clamp_(min=FLOOR).exp_()
    return z, gauss, gauss.sum(0) + EPSILON
