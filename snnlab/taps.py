r"""From a weight and a delay to the taps of a kernel: DCLS's Gaussian, with its gradient in closed form.

A synapse with weight $w$, real-valued delay $d$ and width $\sigma$ is spread over the taps $l = 0, \dots, L-1$
(Hammouamri et al. 2024, eq. 7 to 10):

$$ z_l = \frac{l - d}{\sigma}, \qquad g_l = e^{-z_l^2 / 2}, \qquad n = \varepsilon + \sum_l g_l, \qquad
   h_l = \frac{w\, g_l}{n}. \tag{1} $$

With $\gamma_l = \partial\ell / \partial h_l$ and $\langle a \rangle = \sum_l g_l\, a_l / n$,

$$ \frac{\partial\ell}{\partial w} = \langle\gamma\rangle, \qquad
   \frac{\partial\ell}{\partial d} = \frac{w}{\sigma} \big( \langle\gamma z\rangle - \langle\gamma\rangle \langle z\rangle \big), \qquad
   \frac{\partial\ell}{\partial\sigma} = \frac{w}{\sigma} \big( \langle\gamma z^2\rangle - \langle\gamma\rangle \langle z^2\rangle \big). \tag{2} $$

A delay is moved by the covariance of what the loss wants and where the taps are. Nothing of size L is kept for the
backward pass: $g$ is computed again from $w$, $d$ and $\sigma$, and both passes go through the synapses in blocks.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

EPSILON = 1e-7  # DCLS's guard against a kernel without mass
BLOCK = {"cpu": 2**17, "cuda": 2**25}  # taps at a time: what a core's cache holds; on a GPU, few launches


def gaussian_taps(weight: Tensor, delay: Tensor, sigma: Tensor, n_taps: int) -> Tensor:
    """Equation (1), summed over the K weights of a synapse: three times `(N_out, N_in, K)` to `(N_out, N_in, n_taps)`.

    Args:
        weight: of each synapse.
        delay: in steps, real-valued.
        sigma: width of the Gaussian in steps, above 0.
        n_taps: L; tap l stands for a delay of l steps.
    """
    return _GaussianTaps.apply(weight, delay, sigma, n_taps)


def one_hot_taps(weight: Tensor, delay: Tensor, n_taps: int) -> Tensor:
    """The limit of `gaussian_taps` for sigma to 0 and whole delays: each weight exactly on one tap."""
    empty = weight.new_zeros(*weight.shape[:2], n_taps)
    return empty.scatter_add(-1, delay.long(), weight)


class _GaussianTaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, delay, sigma, n_taps):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(weight, delay, sigma)
        taps = weight.new_empty(*weight.shape[:2], n_taps)
        for rows in _blocks(weight, n_taps):
            _, gauss, mass = _gaussian(delay[rows], sigma[rows], n_taps)
            gauss *= (weight[rows] / mass)[..., None]
            torch.sum(gauss, 2, out=taps[rows])
        return taps

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        weight, delay, sigma = ctx.saved_tensors
        by_weight, by_delay, by_sigma = (
            torch.empty_like(value) if needed else None
            for value, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[:3], strict=True)
        )
        for rows in _blocks(weight, grad.shape[-1]):
            z, gauss, mass = _gaussian(delay[rows], sigma[rows], grad.shape[-1])
            gauss /= mass[..., None]
            wanted = gauss * grad[rows, :, None]
            mean = wanted.sum(-1)
            if by_weight is not None:
                by_weight[rows] = mean
            for by, power in ((by_delay, 1), (by_sigma, 2)):
                if by is not None:
                    moment = z**power
                    covariance = (wanted * moment).sum(-1) - mean * (gauss * moment).sum(-1)
                    by[rows] = weight[rows] / sigma[rows] * covariance
        return by_weight, by_delay, by_sigma, None


def _blocks(weight: Tensor, n_taps: int) -> Iterator[slice]:
    at_once = max(1, BLOCK.get(weight.device.type, BLOCK["cpu"]) // (weight[0].numel() * n_taps))
    return (slice(start, start + at_once) for start in range(0, len(weight), at_once))


def _gaussian(delay: Tensor, sigma: Tensor, n_taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """z and g of equation (1), both `(n, N_in, K, L)`, and n, `(n, N_in, K)`."""
    z = torch.arange(n_taps, dtype=delay.dtype, device=delay.device) - delay[..., None]
    z /= sigma[..., None]
    gauss = (z * z).mul_(-0.5).exp_()
    return z, gauss, gauss.sum(-1) + EPSILON
