"""Products of matrices on a CPU, by oneDNN where it is faster than what torch uses by itself.

torch multiplies matrices with MKL, which does not use AVX-512 on AMD's processors. oneDNN does.
torch has it as `torch.ops.mkldnn._linear_pointwise`, with which its compiler multiplies, too.
"""

import functools

import torch
from llvmlite.binding import get_host_cpu_name
from torch import Tensor
from torch.nn import functional as F

from snnlab.nn.tracing import is_plain_on_cpu

# Multiplications of a product from which on oneDNN is the faster one
WORTH_ONEDNN = 2**22


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Compute torch's `F.linear` without a bias.

    Args:
        x: `(*, N_in)`.
        weight: `(N_out, N_in)`.

    Returns:
        `x @ weight.T`, `(*, N_out)`.

    Example:
        >>> linear(torch.ones(2, 3), torch.ones(4, 3)).shape
        torch.Size([2, 4])
    """
    if not _by_onednn(x, weight) or torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight)
    y: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight)  # type: ignore[no-untyped-call]
    return y.view(*x.shape[:-1], len(weight))


def products(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices in pairs, without a gradient.

    Args:
        a: `(n, i, k)`, any strides.
        b: `(n, j, k)`, any strides.

    Returns:
        `a @ b.mT`, `(n, i, j)`.

    Example:
        >>> products(torch.ones(5, 2, 3), torch.ones(5, 4, 3)).shape
        torch.Size([5, 2, 4])
    """
    if not _by_onednn(a[0], b[0]):
        return a @ b.mT
    result = a.new_empty(len(a), a.shape[1], b.shape[1])
    for product, left, right in zip(result, a, b, strict=True):
        product.copy_(multiply_by_onednn(left, right))
    return result


def multiply_by_onednn(a: Tensor, b: Tensor) -> Tensor:
    """Compute `a @ b.mT`, `(i, j)`, for `(i, k)` and `(j, k)` in float32, without a gradient.

    Example:
        >>> if onednn_is_there():
        ...     assert multiply_by_onednn(torch.ones(2, 3), torch.ones(4, 3)).shape == (2, 4)
    """
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return product


def onednn_is_there() -> bool:
    """Return whether this torch has oneDNN, and nobody switched it off."""
    return bool(torch.backends.mkldnn.enabled) and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _Linear(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, weight):  # type: ignore[no-untyped-def]
        return multiply_by_onednn(x, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        x, weight = inputs
        by_x, by_weight = ctx.needs_input_grad
        ctx.save_for_backward(x if by_weight else None, weight if by_x else None)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        by_x = None if weight is None else linear(grad, weight.mT)
        by_weight = None if x is None else linear(grad.mT, x.mT)
        return by_x, by_weight


def _by_onednn(a: Tensor, b: Tensor) -> bool:
    """Return whether oneDNN is to compute `a @ b.T`."""
    plain = is_plain_on_cpu(a) and is_plain_on_cpu(b) and a.dtype == b.dtype == torch.float32
    return (  # the size comes last: torch.export may not know it
        plain and onednn_is_there() and _is_amd_with_avx512() and a.numel() * len(b) >= WORTH_ONEDNN
    )


@functools.cache
def _is_amd_with_avx512() -> bool:
    """Return whether torch uses AVX-512, and MKL, which does not on a processor of AMD."""
    avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return avx512 and mkl and get_host_cpu_name().startswith("znver")
