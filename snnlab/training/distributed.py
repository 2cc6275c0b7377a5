"""One training by several processes: sums over all of them, and batch norm over the whole batch.

Each process takes its part of every batch (`snnlab.data.batches.samplers`) and the same step as all
others. Everything here also works for a process alone, where a sum is what it is given.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.samplers import SINGLE, RankInfo


def rank_and_world_size() -> RankInfo:
    """The number of this process, and how many train together; (0, 1) alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return SINGLE
    return distributed.get_rank(), distributed.get_world_size()


def own_gpu() -> torch.device:
    """The GPU of this process, which becomes torch's current one; alone, the one that is current.

    Raises:
        SnnlabError: there are fewer GPUs than processes.
    """
    number, processes = rank_and_world_size()
    if processes == 1:
        return torch.device("cuda")
    if torch.cuda.device_count() < processes:
        raise SnnlabError(
            f"{processes} processes, but {torch.cuda.device_count()} GPU(s): expected one each; start fewer processes."
        )
    # Compiled kernels start on the current GPU, wherever their tensors are
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def own_seed(seed: int) -> int:
    """A seed for what may differ from process to process, such as dropout; process 0 has `seed` itself."""
    number, _ = rank_and_world_size()
    drawn = torch.randint(2**62, (number,), generator=torch.Generator().manual_seed(seed))
    return int(drawn[-1]) if number else seed


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor over the processes, in its place; bit for bit the same in all of them."""
    if rank_and_world_size() != SINGLE:
        distributed.all_reduce(tensor)
    return tensor


def all_reduce_scalar(number: float) -> float:
    """The sum of a number over the processes."""
    return all_reduce_sum(torch.tensor(number, dtype=torch.double)).item()


def all_gather(tensor: Tensor) -> list[Tensor]:
    """The tensors of all processes, of one shape, in the order of their numbers."""
    _, processes = rank_and_world_size()
    if processes == 1:
        return [tensor]
    found = [torch.empty_like(tensor) for _ in range(processes)]
    distributed.all_gather(found, tensor)
    return found


def sum_gradients(optimisers: Iterable[torch.optim.Optimizer]) -> None:
    """Replace every gradient by its sum over the processes."""
    if rank_and_world_size() == SINGLE:
        return
    parameters = [
        p for optimiser in optimisers for group in optimiser.param_groups for p in group["params"]
    ]
    gradients = [p.grad for p in parameters if p.grad is not None]
    # One message, not one a layer
    sums = all_reduce_sum(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, whole in zip(gradients, sums.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(whole.view_as(gradient))


def same_as_first(model: nn.Module) -> None:
    """Give the network of every process the parameters and buffers of process 0."""
    if rank_and_world_size() != SINGLE:
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the parts of all processes, `(B, C, ...)` to the same shape; torch's own one wants a GPU.

    While training, mean and variance are those of the whole batch, and gradients are those of the
    sum of all losses: each process has to call it as often as the others. In evaluation mode it is
    torch's batch norm.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # the layer that this one stands for has a fixed number of axes; here all of them do

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        with torch.no_grad():
            x, axes, _ = _wide(input)
            variance, mean = (part.double() for part in torch.var_mean(x, axes, correction=0))
            ones = torch.ones_like(mean[:1])
            sums = all_reduce_sum(
                torch.cat([mean, variance + mean.square(), ones]) * (x.numel() // x.shape[1])
            )
            count = sums[-1]
            mean, square = (sums[:-1] / count).chunk(2)
            # A difference of what may be large, hence in double
            variance = (square - mean.square()).clamp(min=0)
            self._update(mean, variance * count / (count - 1))
        weight, bias = (
            (torch.ones_like(mean), mean * 0) if self.weight is None else (self.weight, self.bias)
        )
        return _Normalise.apply(input, weight, bias, mean, (variance + self.eps).rsqrt(), count)

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards these, (C,) each."""
        if (
            self.running_mean is None
            or self.running_var is None
            or self.num_batches_tracked is None
        ):
            return
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _Normalise(torch.autograd.Function):
    """y = x^ * weight + bias, where x^ = (x - mean) * inverse, and both depend on the samples of every process.

    With incoming gradient g, and sums over all samples of all processes:
        dL/dweight = sum g x^     dL/dbias = sum g     dL/dx = weight * inverse * (g - sum g / n - x^ * sum g x^ / n)
    Weight and bias get the own part of their sums, as all parameters do before `sum_gradients`.
    """

    @staticmethod
    def forward(ctx, input, weight, bias, mean, inverse, count):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(input, weight, mean, inverse, count)
        x, _, shape = _wide(input)
        normal = (x - mean.to(x.dtype).view(shape)) * inverse.to(x.dtype).view(shape)
        return (normal * weight.to(x.dtype).view(shape) + bias.to(x.dtype).view(shape)).to(
            input.dtype
        )

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        input, weight, mean, inverse, count = ctx.saved_tensors
        x, axes, shape = _wide(input)
        g = gradient.to(x.dtype)
        normal = (x - mean.to(x.dtype).view(shape)) * inverse.to(x.dtype).view(shape)
        own = torch.cat(
            [(g * normal).sum(axes, dtype=torch.double), g.sum(axes, dtype=torch.double)]
        )
        of_weight, of_bias = own.to(weight.dtype).chunk(2)
        along, level = (all_reduce_sum(own) / count).to(x.dtype).chunk(2)
        slope = (weight * inverse).to(x.dtype).view(shape)
        of_input = slope * (g - level.view(shape) - normal * along.view(shape))
        return of_input.to(input.dtype), of_weight, of_bias, None, None, None


def _wide(input: Tensor) -> tuple[Tensor, list[int], list[int]]:
    """`(B, C, ...)` with all digits; the axes that batch norm averages over; the shape in which (C,) goes with it."""
    x = input if input.dtype == torch.double else input.float()
    return x, [axis for axis in range(x.dim()) if axis != 1], [1, -1] + [1] * (x.dim() - 2)


@contextmanager
def synchronised(model: nn.Module) -> Iterator[None]:
    """Within, every batch norm of the network is a `SyncBatchNorm`, if several processes train; the tensors stay.

    Raises:
        SnnlabError: one of them does something else than torch's.
    """
    norms = (
        [module for module in model.modules() if isinstance(module, _BatchNorm)]
        if rank_and_world_size() != SINGLE
        else []
    )
    for norm in norms:
        if type(norm).forward is not _BatchNorm.forward:
            name = f"{type(norm).__module__}.{type(norm).__qualname__}"
            raise SnnlabError(
                f"{name}: several processes cannot share it; expected torch's nn.BatchNorm1d, 2d or 3d."
            )
    kinds = [type(norm) for norm in norms]
    for norm in norms:
        norm.__class__ = SyncBatchNorm
    try:
        yield
    finally:
        for norm, kind in zip(norms, kinds, strict=True):
            norm.__class__ = kind
