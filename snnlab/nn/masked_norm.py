"""Batch norm over some of the steps of a batch, with sizes that do not depend on the data."""

from typing import Any

import torch
from torch import Tensor


def masked_batch_norm(norm: Any, x: Tensor, counts: Tensor) -> Tensor:
    """Apply a batch norm in training mode, whose statistics are of the steps that count.

    It gives what `norm(x[counts])` gives, up to rounding, and updates the running statistics.

    Args:
        norm: an `nn.BatchNorm1d`.
        x: `(T, B, N)`.
        counts: which steps of each sample count, `(T, B)` of bool.

    Returns:
        The normalised steps, `(T, B, N)`, 0 where a step does not count.
    """
    wide = x if x.dtype == torch.double else x.float()
    mask, n = counts[..., None], counts.sum()
    mean = torch.where(mask, wide, 0).sum((0, 1)) / n
    centred = torch.where(mask, wide - mean, 0)
    variance = centred.square().sum((0, 1)) / n
    if norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
            unbiased = variance * (n / (n - 1).clamp(min=1))  # of a single step it is 0
            for running, value in ((norm.running_mean, mean), (norm.running_var, unbiased)):
                running.add_((value.to(running.dtype) - running) * share)
    normal = centred * (variance + norm.eps).rsqrt()
    if norm.affine:
        normal = normal * norm.weight + norm.bias
    result: Tensor = torch.where(mask, normal, 0).to(x.dtype)
    return result
