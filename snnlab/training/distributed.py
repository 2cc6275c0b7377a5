"""One training in several processes: sums over all of them, and batch norm over the whole batch.

Each process takes its share of every batch (`snnlab.data.batches.samplers`) and the same step as
all others. All functions also work for a process alone, where a sum is its own value.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.samplers import SINGLE, RankInfo


def rank_and_world_size() -> RankInfo:
    """Return the rank of this process and the number of processes; (0, 1) alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return SINGLE
    return distributed.get_rank(), distributed.get_world_size()


def own_gpu() -> torch.device:
    """Return the GPU of this process and make it torch's current one.

    A process alone gets the current GPU.

    Raises:
        SnnlabError: there are fewer GPUs than processes.
    """
    number, processes = rank_and_world_size()
    if processes == 1:
        return torch.device("cuda")
    if torch.cuda.device_count() < processes:
        raise SnnlabError(
            f"{processes} processes, but {torch.cuda.device_count()} GPU(s): expected one each; "
            "start fewer processes."
        )
    # Compiled kernels start on the current GPU, wherever their tensors are
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def own_seed(seed: int) -> int:
    """Return this process's seed for dropout and the like; that of process 0 is `seed`."""
    number, _ = rank_and_world_size()
    drawn = torch.randint(2**62, (number,), generator=torch.Generator().manual_seed(seed))
    return int(drawn[-1]) if number else seed


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum a tensor over the processes, in place; all get the same bits."""
    if rank_and_world_size() != SINGLE:
        distributed.all_reduce(tensor)
    return tensor


def all_reduce_scalar(number: float) -> float:
    """Return the sum of a number over the processes."""
    return all_reduce_sum(torch.tensor(number, dtype=torch.double)).item()


def all_gather(tensor: Tensor) -> list[Tensor]:
    """Return the tensors of all processes, which have one shape, in the order of their ranks."""
    _, processes = rank_and_world_size()
    if processes == 1:
        return [tensor]
    tensors = [torch.empty_like(tensor) for _ in range(processes)]
    distributed.all_gather(tensors, tensor)
    return tensors


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
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, summed in zip(gradients, torch.split(sums, sizes), strict=True):
        gradient.copy_(summed.view_as(gradient))


def same_as_first(model: nn.Module) -> None:
    """Give the network of every process the parameters and buffers of process 0."""
    if rank_and_world_size() != SINGLE:
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the whole batch of all processes, on a CPU, too, which torch's refuses.

    It maps `(B, C, ...)` to the same shape. While training, mean and variance are those of the
    whole batch, and gradients are those of the sum of all losses: each process has to call it as
    often as the others. In evaluation mode it is torch's batch norm.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # any number of axes will do

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `(B, C, ...)`."""
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
            # In double: a difference of large numbers
            variance = (square - mean.square()).clamp(min=0)
            self._update(mean, variance * count / (count - 1))
        weight, bias = (
            (torch.ones_like(mean), mean * 0) if self.weight is None else (self.weight, self.bias)
        )
        inverse = (variance + self.eps).rsqrt()
        normalised: Tensor = _Normalise.apply(input, weight, bias, mean, inverse, count)  # type: ignore[no-untyped-call]
        return normalised

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards mean and variance, `(C,)` each."""
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
    """y = n * weight + bias, where n = (x - mean) * inverse; mean and inverse depend on every x.

    With incoming gradient g, and sums over the N samples of all processes:
        dL/dweight = sum g n        dL/dbias = sum g
        dL/dx = weight * inverse * (g - sum g / N - n * sum g n / N)
    Weight and bias get this process's part of their sums, as all parameters before `sum_gradients`.
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
    """Return x in float32 or double, the axes to average over, and the shape of `(C,)` beside x."""
    x = input if input.dtype == torch.double else input.float()
    return x, [axis for axis in range(x.dim()) if axis != 1], [1, -1] + [1] * (x.dim() - 2)


@contextmanager
def synchronised(model: nn.Module) -> Iterator[None]:
    """Make every batch norm a `SyncBatchNorm` in the block, if several processes train.

    Raises:
        SnnlabError: a batch norm does something else than torch's.
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
                f"{name}: several processes cannot share it; expected torch's nn.BatchNorm1d, 2d "
                "or 3d."
            )
    kinds = [type(norm) for norm in norms]
    for norm in norms:
        norm.__class__ = SyncBatchNorm
    try:
        yield
    finally:
        for norm, kind in zip(norms, kinds, strict=True):
            norm.__class__ = kind
