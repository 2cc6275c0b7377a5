"""A device beside the CPU that needs no GPU: tensors that say that they are on CUDA.

Within `other_device()`, `x.to("cuda")` and factories with `device="cuda"` return tensors whose
values lie on the CPU, and whose `device` is `cuda`. As on a GPU, an operation on such a tensor and
on one of the CPU is an error, but for numbers. A factory without `device` is an error in snnlab,
too, though not in other packages: on a GPU it would make a tensor on the CPU.
"""

import contextlib
import functools
import sys
from pathlib import Path
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

import snnlab

OURS = {Path(snnlab.__file__).parent, Path(__file__).parents[1]}  # snnlab and the tests
CUDA = torch.device("cuda")
FACTORIES = (
    "arange empty eye full linspace logspace ones rand randint randn randperm scalar_tensor tensor"
    " zeros"
).split()
# They copy between devices
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
# What the CPU has to wait for until a GPU has done it: numbers, and shapes that depend on them
WAITS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
INDEXED = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten._index_put_impl_)
waits: list[str] = []  # of the last `other_device`


class OtherTensor(torch.Tensor):
    """A tensor that says that it is on CUDA; `values` lie on the CPU."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="meta",  # what torch itself sees, as a build for CPUs knows no CUDA
        )

    def __init__(self, values):
        self.values_ = values

    device = property(lambda self: CUDA)
    is_meta = property(lambda self: False)

    def __repr__(self):
        return f"OtherTensor({self.values_})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [value for value in tree_flatten((args, kwargs))[0] if is_tensor(value)]
        strangers = [t for t in tensors if not isinstance(t, OtherTensor) and t.dim()]
        if is_tensor(args[0]) and not isinstance(args[0], OtherTensor) and func._schema.is_mutable:
            strangers.append(args[0])  # a number of the CPU, too, cannot hold the result
        if strangers and func not in COPIES:
            raise RuntimeError(
                f"{func}: expected all tensors on {CUDA}, one of shape {tuple(strangers[0].shape)} "
                "is on the CPU"
            )
        indices = args[1] if func.overloadpacket in INDEXED else ()
        if func in WAITS or any(i is not None and i.dtype == torch.bool for i in indices):
            waits.append(func.overloadpacket.__name__)
        to_cpu = func in COPIES and kwargs.get("device") == torch.device("cpu")
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        args_, kwargs_ = tree_map(unwrap, (args, kwargs))
        result = func(*args_, **kwargs_)
        if to_cpu:
            return result.clone() if result is args_[0] else result
        into_cpu = func is torch.ops.aten.copy_.default and not isinstance(args[0], OtherTensor)
        if into_cpu:
            return args[0]
        return return_and_correct_aliasing(func, args, kwargs, tree_map(wrap, result))


def is_tensor(value):
    return isinstance(value, torch.Tensor)


def wrap(value):
    return OtherTensor(value) if is_tensor(value) and type(value) is not OtherTensor else value


def unwrap(value):
    return value.values_ if isinstance(value, OtherTensor) else value


def is_cuda(value):
    return isinstance(value, torch.device | str) and torch.device(value) == CUDA


class _Numbers(TorchDispatchMode):
    """Make on the other device what torch itself makes where a tensor lies, such as a number."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == torch.device("meta") and not any(map(is_tensor, args)):
            return OtherTensor(func(*args, **kwargs | {"device": torch.device("cpu")}))
        return func(*args, **kwargs)


@contextlib.contextmanager
def other_device():
    """See the module; returned is the list of the operations that wait for the device."""
    waits.clear()
    with contextlib.ExitStack() as stack:
        for name in FACTORIES:
            made = functools.partial(_make, getattr(torch, name))
            stack.enter_context(mock.patch.object(torch, name, made))
        moved = functools.partialmethod(_move, torch.Tensor.to)
        stack.enter_context(mock.patch.object(torch.Tensor, "to", moved))
        for name, value in {"current_device": 0, "get_device_name": "a pretended GPU"}.items():
            answer = functools.partial(lambda value, *_: value, value)
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        stack.enter_context(_Numbers())
        yield waits


def _make(factory, *args, **kwargs):
    if kwargs.get("device") is None:
        made = factory(*args, **kwargs)
        ours = not OURS.isdisjoint(Path(sys._getframe(1).f_code.co_filename).parents)
        if ours and made.dim() and not isinstance(made, OtherTensor):
            raise RuntimeError(f"torch.{factory.__name__} without device=: {tuple(made.shape)}")
        return made
    if is_cuda(kwargs["device"]):
        return OtherTensor(factory(*args, **kwargs | {"device": "cpu"}))
    return factory(*args, **kwargs)


def _move(tensor, to, *args, **kwargs):
    given = (*args, *kwargs.values())
    if not any(map(is_cuda, given)):
        return to(tensor, *args, **kwargs)
    types = [value for value in given if isinstance(value, torch.dtype)]
    if isinstance(tensor, OtherTensor):
        return to(tensor, *types) if types else tensor
    return OtherTensor(to(tensor.detach(), *types, copy=True))
