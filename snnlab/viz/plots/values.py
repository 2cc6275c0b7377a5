"""What a picture is drawn from, as arrays: one place that knows tensors, and refuses what cannot be drawn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number


def as_array(
    name: str, values: Any, *, dims: int | None = None, empty: bool = False, gaps: bool = False
) -> NDArray[Any]:
    """`values` as an array of whole or real numbers; tensors may need gradients, and lie anywhere.

    Args:
        name: what a message calls them.
        values: a number, an array, a tensor, or a sequence of such.
        dims: how many axes they need; None for any.
        empty: whether there may be none.

    Raises:
        SnnlabError: they are no numbers, have other axes, are none, or are not finite.
    """
    try:
        array = np.asarray(_plain(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise SnnlabError(
            f"{name}: cannot be read as numbers ({error}); give an array, a tensor or a list."
        ) from error
    if array.dtype.kind == "b":
        array = array.astype(np.int8)
    if array.dtype.kind not in "iuf" and array.size:
        raise SnnlabError(
            f"{name}: of the type {array.dtype}, real numbers were expected; convert them."
        )
    if dims is not None and array.ndim != dims:
        raise SnnlabError(
            f"{name}: of shape {array.shape}, {dims} axes were expected; give all of them."
        )
    if array.size == 0:
        if not empty:
            raise SnnlabError(
                f"{name}: of shape {array.shape}, there is nothing to draw; give one value at least."
            )
        return array.astype(float)
    if not np.isfinite(array).all():
        raise SnnlabError(
            f"{name}: holds NaN or infinite values, finite ones were expected; find where they come from."
        )
    return array


def check_same_length(**arrays: NDArray[Any]) -> None:
    """Check that what is drawn along one axis belongs together.

    Raises:
        SnnlabError: the first axes differ in length.
    """
    lengths = {name: array.shape[0] if array.ndim else 1 for name, array in arrays.items()}
    if len({*lengths.values()}) > 1:
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise SnnlabError(
            f"got {counts}: as many of each were expected; give values that belong together."
        )


def check_dt(dt_ms: Any) -> None:
    """Check the length of a time step, ms.

    Raises:
        SnnlabError: it is not a finite number above 0.
    """
    if not (is_number(dt_ms) and dt_ms > 0):
        raise SnnlabError(f"dt_ms = {dt_ms!r}: expected a time step above 0 ms.")


def _plain(values: Any) -> Any:
    if hasattr(values, "detach"):  # a tensor; torch itself is not needed here
        values = values.detach().cpu()
        return values.float().numpy() if str(values.dtype) == "torch.bfloat16" else values.numpy()
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return values
