"""Evaluation mode of a network for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


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
