r"""Weights on few levels and delays on few steps, with a straight-through gradient.

Weights of b bits are symmetric and share one scale, so that a product with them is an integer
product and one factor:

$$ s = \frac{\max |w|}{2^{b-1} - 1}, \qquad \hat w = s \, \mathrm{round}(w / s). $$

Delays of b bits have the values $\mathrm{round}(k\, d_{max} / (2^b - 1))$ for $k = 0, \dots, 2^b -
1$, or each whole step where these are fewer. Both roundings have no gradient. The straight-through
estimator (Bengio et al. 2013) rounds in the forward pass and takes the gradient of what was not
rounded.
"""

import torch
from torch import Tensor


def straight_through(value: Tensor, surrogate: Tensor) -> Tensor:
    """Return exactly `value`, with the gradient of `surrogate`.

    Args:
        value: what the forward pass uses.
        surrogate: of the same shape, finite.
    """
    return value.detach() + (surrogate - surrogate.detach())


def quantised_weight(weight: Tensor, bits: int) -> Tensor:
    """Put weights on the levels of their bits, with the gradient of the weights.

    The values are those of `torch.fake_quantize_per_tensor_affine`, which has no kernel for
    tensors of the device "meta" and no counterpart in ONNX for these levels.

    Args:
        weight: of any shape; the largest magnitude decides the scale.
        bits: 2 to 8.

    Returns:
        At most $2^{bits} - 1$ different values. Weights on their levels stay as they are.
    """
    steps = 2 ** (bits - 1) - 1
    largest = weight.detach().abs().amax().float()
    scale = (largest / steps).clamp(min=torch.finfo(torch.float32).tiny)  # all may be 0
    # 16 of its 24 digits (Veltkamp's splitting), with which each level is exact, and stays
    scale = scale * 257 - (scale * 257 - scale)
    return straight_through((weight / scale).round() * scale, weight)


def whole_delay(delay: Tensor, largest: int, bits: int | None = None) -> Tensor:
    """Return the nearest delays that are whole steps, from 0 to the largest one.

    Args:
        delay: in steps, of any shape.
        largest: in steps.
        bits: for delays on the values of `delay_grid`; None for each whole step.
    """
    if bits is None or 2**bits > largest:
        return delay.round().clamp(0, largest)
    grid = delay_grid(largest, bits).to(delay)
    return grid[torch.bucketize(delay.contiguous(), (grid[1:] + grid[:-1]) / 2)]


def delay_grid(largest: int, bits: int) -> Tensor:
    """Return the values of delays of so many bits, in steps, ascending.

    Example:
        >>> delay_grid(24, 2).tolist(), delay_grid(3, 5).tolist()
        ([0.0, 8.0, 16.0, 24.0], [0.0, 1.0, 2.0, 3.0])
    """
    intervals = min(2**bits - 1, largest)
    steps = torch.arange(intervals + 1, dtype=torch.float64)
    return torch.round(steps * largest / max(intervals, 1))
