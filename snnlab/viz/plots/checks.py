"""The checks of what a plot is given: values to draw, by name."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from snnlab._utils.arrays import as_array
from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots.style import untrained_figure

P = ParamSpec("P")
R = TypeVar("R")
NamedArrays = Mapping[str, ArrayLike]  # what is drawn, by the name that the plot shows


def as_arrays(values: NamedArrays, dims: int, scale: float = 1) -> dict[str, NDArray[Any]]:
    """Convert each of some values by name as `as_array` does, and multiply it by `scale`."""
    return {name: scale * as_array(name, value, dims=dims) for name, value in values.items()}


def something_to_draw(
    *may_be_empty: str, untrained: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a plot: an argument without values is refused, also within mappings and sequences.

    Args:
        may_be_empty: arguments that hold what may not have happened, such as spike times.
        untrained: an argument that holds nothing if a run did not train what it is about; then
            the plot is `untrained_figure`.

    Returns:
        The decorator. An argument that is left out may be empty.

    Example:
        >>> @something_to_draw()
        ... def draw(curves): ...
        >>> draw({"pipe-S": []})
        Traceback (most recent call last):
        snnlab._utils.errors.SnnlabError: curves['pipe-S']: is empty, there is nothing to draw; \
give one value at least.
    """

    def decorate(plot: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(plot)

        @functools.wraps(plot)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                arguments = signature.bind(*args, **kwargs).arguments
            except TypeError:
                arguments = {}  # Python's own message names the function
            if not arguments.get(untrained, True):
                return cast(R, untrained_figure())
            for name, value in arguments.items():
                if name not in may_be_empty:
                    _check(name, value)
            return plot(*args, **kwargs)

        return checked

    return decorate


def _check(name: str, value: Any) -> None:
    if isinstance(value, np.ndarray | torch.Tensor):
        parts: Collection[tuple[Any, Any]] = [] if 0 in value.shape else [("", None)]
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = [*enumerate(value)]
    else:
        return
    if not parts:
        raise SnnlabError(f"{name}: is empty, there is nothing to draw; give one value at least.")
    for key, part in parts:
        if not isinstance(part, float | int | str):
            _check(f"{name}[{key!r}]", part)
