r"""Weights on few levels and delays on few steps, with a straight-through gradient.

Weights of b bits are symmetric, and the synapses of a neuron share one scale s, which a chip merges
into the threshold of the neuron as it does with batch norm:

$$ \hat w = s \, k, \qquad k = \mathrm{round}(w / s) \in \{-2^{b-1} + 1, \dots, 2^{b-1} - 1\}. $$

The scale is that of 20 with the smallest squared error: the one at which the largest weight is the
largest level, and shares of it, at which the largest weights are clipped. Of Gaussian weights, the
first would leave only outliers with 2 bits.

Delays of b bits have the values $\mathrm{round}(k\, d_{max} / (2^b - 1))$ for $k = 0, \dots, 2^b -
1$, or each whole step where these are fewer. Both roundings have no gradient. The straight-through
estimator (Bengio et al. 2013) rounds in the forward pass and takes the gradient of what was not
rounded.
"""

import torch
from torch import Tensor

SMALLEST = 1e-30  # scale of a neuron whose weights are all 0
CLIPS = [1 - number / 20 for number in range(20)]  # scales that are tried, of the largest


def straight_through(value: Tensor, surrogate: Tensor) -> Tensor:
    """Return exactly `value`, with the gradient of `surrogate`.

    Args:
        value: what the forward pass uses.
        surrogate: of the same shape, finite.
    """
    return value.detach() + (surrogate - surrogate.detach())


def quantised_weight(weight: Tensor, bits: int) -> Tensor:
    """Put weights on the levels of their bits, with the gradient of the weights.

    For the same scales, the values are those of `torch.fake_quantize_per_channel_affine`, which has
    no kernel for tensors of the device "meta" and no counterpart in ONNX for these levels.

    Args:
        weight: `(N, ...)`, a row for each neuron.
        bits: 2 to 8.

    Returns:
        At most $2^{bits} - 1$ different values a row. Weights on their levels stay as they are.
    """
    steps = 2 ** (bits - 1) - 1
    rows = weight.detach().flatten(1).float()
    largest = (rows.abs().amax(1, keepdim=True) / steps).clamp(min=SMALLEST)  # all may be 0
    scale, error = largest, torch.full_like(largest, torch.inf)
    for share in CLIPS:
        trial = largest * share
        # 16 of its 24 digits (Veltkamp's splitting), with which each level is exact, and stays
        trial = trial * 257 - (trial * 257 - trial)
        distance = ((levels(rows, trial, steps) - rows) / largest).square().sum(1, keepdim=True)
        scale = torch.where(distance < error, trial, scale)
        error = torch.minimum(distance, error)
    scale = scale.to(weight.dtype).view(-1, *[1] * (weight.dim() - 1))
    return straight_through(levels(weight, scale, steps), weight)


def levels(weight: Tensor, scale: Tensor, steps: int) -> Tensor:
    """Return the nearest of the levels -steps to steps times the scale."""
    return (weight / scale).round().clamp(-steps, steps) * scale


def whole_delay(delay: Tensor, largest: int, bits: int | None = None) -> Tensor:
    """Return the nearest delays that are whole steps, from 0 to the largest one.

    Args:
        delay: in steps, of any shape.
        largest: in steps.
        bits: for delays on the values of `delay_grid`; None for each whole step.
    """
    if bits is None or 2**bits > largest:
        return delay.round().clamp(0, largest)
    grid = delay_grid(largest, bits, delay.device).to(delay.dtype)
    return grid[torch.bucketize(delay.contiguous(), (grid[1:] + grid[:-1]) / 2)]


def delay_grid(largest: int, bits: int, device: torch.device | None = None) -> Tensor:
    """Return the values of delays of so many bits, in steps, ascending.

    Example:
        >>> delay_grid(24, 2).tolist(), delay_grid(3, 5).tolist()
        ([0.0, 8.0, 16.0, 24.0], [0.0, 1.0, 2.0, 3.0])
    """
    intervals = min(2**bits - 1, largest)
    steps = torch.arange(intervals + 1, dtype=torch.float64, device=device)
    return torch.round(steps * largest / max(intervals, 1))
