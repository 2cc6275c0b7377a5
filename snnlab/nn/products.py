"""Products of matrices on a CPU, by oneDNN where it multiplies faster than torch does by itself.

torch multiplies matrices with MKL, which does without AVX-512 on processors that are not Intel's.
oneDNN uses it on all, and the operation with which torch's compiler reaches it is there without the
compiler, too.
"""

import functools

import torch
from llvmlite.binding import get_host_cpu_name
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab.nn.tracing import recorded

# Multiplications of a product that is large enough for a call of its own
WORTH_A_CALL = 2**22


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Compute torch's `F.linear` without a bias: `(*, N_in)` and `(N_out, N_in)` to `(*, N_out)`.

    Example:
        >>> linear(torch.ones(2, 3), torch.ones(4, 3)).shape
        torch.Size([2, 4])
    """
    rows = x.reshape(-1, x.shape[-1])
    if torch.is_autocast_enabled(x.device.type) or not _by_onednn(rows, weight):
        return F.linear(x, weight)
    y: Tensor = _Linear.apply(rows, weight)  # type: ignore[no-untyped-call]
    return y.view(*x.shape[:-1], len(weight))


def products(a: Tensor, b: Tensor) -> Tensor:
    """Compute `a @ b.mT` for `(n, i, k)` and `(n, j, k)`, of any strides and without a gradient.

    Example:
        >>> products(torch.ones(5, 2, 3), torch.ones(5, 4, 3)).shape
        torch.Size([5, 2, 4])
    """
    if not _by_onednn(a[0], b[0]):
        return a @ b.mT
    result = a.new_empty(len(a), a.shape[1], b.shape[1])
    for product, left, right in zip(result, a, b, strict=True):
        product.copy_(_multiply(left, right))
    return result


def on_cpu(x: Tensor) -> bool:
    """Return whether compiled loops can read a tensor, which a mode of torch may have replaced."""
    plain = type(x) in (Tensor, nn.Parameter) and not torch.compiler.is_compiling()
    return plain and x.device.type == "cpu"


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight)
        return _multiply(x, weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        by_x, by_weight = ctx.needs_input_grad
        return (
            _multiply(grad, weight.mT) if by_x else None,
            _multiply(grad.mT, x.mT) if by_weight else None,
        )


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """Compute `a @ b.mT` by oneDNN."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return product


def _by_onednn(a: Tensor, b: Tensor) -> bool:
    large = a.numel() * len(b) >= WORTH_A_CALL
    plain = on_cpu(a) and a.dtype == b.dtype == torch.float32
    return large and plain and not recorded() and _prefer_onednn()


@functools.cache
def _prefer_onednn() -> bool:
    """Return whether MKL leaves AVX-512 out here, and torch has the operation."""
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX512"
        and get_host_cpu_name().startswith("znver")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
