"""Adam and SGD without torch's compiler, whose import takes as long as that of torch itself.

torch wraps methods of its optimisers so that `torch.compile` leaves them alone, and the wrappers
import `torch._dynamo` at the first call, about 1.4 s of CPU time in each process that trains. The
classes here have the same methods without these wrappers, and give the same numbers.
"""

from inspect import unwrap

import torch


class _Unwrapped(torch.optim.Optimizer):
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)


class Adam(_Unwrapped, torch.optim.Adam):
    """`torch.optim.Adam`; `differentiable` has no effect."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class SGD(_Unwrapped, torch.optim.SGD):
    """`torch.optim.SGD`; `differentiable` has no effect."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
