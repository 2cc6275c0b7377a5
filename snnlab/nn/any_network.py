"""Any network, one of the reader's own too: its delay layers, states and modes, and copies."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.overrides import TorchFunctionMode

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_linear import DelayLinear

Network = TypeVar("Network", bound=nn.Module)
METHODS = "forward", "step"  # by which a delay layer is called


def check_network(model: object) -> None:
    """Check that this is a network.

    Raises:
        SnnlabError: it is something else, such as its class.
    """
    if not isinstance(model, nn.Module):
        raise SnnlabError(
            f"model: got {type(model).__name__}, expected a torch.nn.Module: an instance, such as "
            "model=MyNet(), and not its class."
        )


def delay_layers(model: nn.Module, *, required: bool = False) -> dict[str, DelayLinear]:
    """Return the delay layers of any network by name, in the order of its modules.

    Args:
        model: the network; a bare `DelayLinear` has the name "".
        required: whether at least one of them has to have delays.

    Raises:
        SnnlabError: it is no network, or one without the delays that are required.

    Example:
        >>> net = nn.Sequential(DelayLinear(4, 3, max_delay=5), nn.ReLU(), nn.Linear(3, 2))
        >>> [*delay_layers(net)]
        ['0']
    """
    check_network(model)
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, DelayLinear)
    }
    if required and not any(layer.max_delay for layer in layers.values()):
        raise SnnlabError(
            f"a network without delays: {type(model).__name__} has no DelayLinear whose max_delay "
            "is above 0; choose a network whose delays are learned or fixed."
        )
    return layers


class NotedCall(nn.Module):
    """A method of a delay layer as a module, so that a counter of operations can leave it out.

    Args:
        call: the method.
        note: called with its input and its output after each call.
    """

    def __init__(self, call: Callable[..., Tensor], note: Callable[[Tensor, Tensor], None]) -> None:
        super().__init__()
        self.call, self.note = call, note

    def forward(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        """Call the method."""
        out = self.call(x, *args, **options)
        self.note(x, out)
        return out


@contextmanager
def noted_calls(model: nn.Module, note: Callable[[str, Tensor, Tensor], None]) -> Iterator[None]:
    """Note each call of the delay layers of a network, as modules and by `step`.

    Args:
        model: the network; afterwards its layers are as they were.
        note: called with the layer's name, its input and its output: `(T, B, N)`, or `(B, N)` of a
            step.
    """
    layers = delay_layers(model)
    before = [layer.__dict__.copy() for layer in layers.values()]
    for name, layer in layers.items():
        for method in METHODS:
            # Not by setattr, which makes a module of it a part of the network
            layer.__dict__[method] = NotedCall(getattr(layer, method), partial(note, name))
    try:
        yield
    finally:
        for layer, attributes in zip(layers.values(), before, strict=True):
            for method in METHODS:
                del layer.__dict__[method]
                if method in attributes:
                    layer.__dict__[method] = attributes[method]


@torch.no_grad()
def still_pruned(model: nn.Module) -> nn.Module:
    """Copy a network together with its pruning by torch.nn.utils.prune.

    `copy.deepcopy` refuses tensors that were computed: a pruned weight, and states of neurons.

    Raises:
        SnnlabError: it is no network.
    """
    # A sequence step by step does not go on in the copy
    memo: dict[int, Any] = {id(layer.arriving): None for layer in delay_layers(model).values()}
    with _ComputedToo():
        return copy.deepcopy(model, memo)


class _ComputedToo(TorchFunctionMode):
    """Have `copy.deepcopy` copy tensors that were computed, without what they depend on."""

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ):
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def own_copy(model: Network) -> Network:
    """Copy a network and make its pruning by torch.nn.utils.prune permanent.

    Outside of a forward pass a pruned weight is that of the step before, so it is computed again.
    """
    copied = cast(Network, still_pruned(model))
    for module in copied.modules():
        for hook in [*module._forward_pre_hooks.values()]:
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)  # type: ignore[no-untyped-call]
    return copied


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode; afterwards each module has its own mode again.

    Args:
        model: the network; modules of it may be in evaluation mode already, such as frozen ones.
    """
    was, modes = model.training, [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        model.train(was)  # a module may do more in it than to set its mode
        for module, training in modes:
            module.training = training


def forward_sequence(model: nn.Module, x: Tensor) -> Any:
    """Call a network on a sequence `(T, B, ...)`, with its states reset before and after.

    Each module with a method `reset`, such as SpikingJelly's neurons, has a state that would
    otherwise pass from one batch to the next.
    """
    reset_states(model)
    try:
        return model(x)
    finally:
        reset_states(model)


def reset_states(model: nn.Module) -> None:
    """Reset the states of all modules as SpikingJelly's `reset_net`, without its cached list."""
    for module in model.modules():
        if callable(reset := getattr(module, "reset", None)):
            reset()
