"""Conversion of what a reader passes to a plot into arrays, and the checks of these."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number


def as_array(
    name: str, values: Any, *, dims: int | None = None, empty: bool = False
) -> NDArray[Any]:
    """Convert to an array of finite numbers; tensors may need gradients, and be on any device.

    Args:
        name: of the values, for error messages.
        values: a number, an array, a tensor, or a sequence of these.
        dims: the number of axes; None for any.
        empty: whether the array may be empty.

    Returns:
        The array.

    Raises:
        SnnlabError: the values are not numbers, not finite, have other axes, or are empty.
    """
    try:
        array = np.asarray(to_numpy(values))
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
                f"{name}: of shape {array.shape}, there is nothing to draw; "
                "give one value at least."
            )
        return array.astype(float)
    if not np.isfinite(array).all():
        raise SnnlabError(
            f"{name}: holds NaN or infinite values, finite ones were expected; "
            "find where they come from."
        )
    return array


def check_same_length(**arrays: NDArray[Any]) -> None:
    """Check that arrays have the same length along their first axis.

    Raises:
        SnnlabError: the lengths differ.
    """
    lengths = {name: array.shape[0] if array.ndim else 1 for name, array in arrays.items()}
    if len({*lengths.values()}) > 1:
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise SnnlabError(
            f"got {counts}: as many of each were expected; give values that belong together."
        )


def flat_arrays(*, empty: bool = False, **values: Any) -> list[NDArray[Any]]:
    """Convert to arrays of floats with one axis, all of the same length.

    Args:
        empty: whether the arrays may be empty.
        values: by name, as for `as_array`.

    Returns:
        The arrays.

    Raises:
        SnnlabError: as `as_array`, or the lengths differ.
    """
    arrays = {
        name: as_array(name, given, empty=empty).astype(float).ravel()
        for name, given in values.items()
    }
    check_same_length(**arrays)
    return [*arrays.values()]


def check_dt(dt_ms: Any) -> float:
    """Return the length of a time step as a float.

    Raises:
        SnnlabError: it is not a finite number above 0.
    """
    if not (is_number(dt_ms) and dt_ms > 0):
        raise SnnlabError(f"dt_ms = {dt_ms!r}: expected a time step above 0 ms.")
    return float(dt_ms)


def time_step(dt_ms: float | None, trained_ms: float | None, where: object) -> float:
    """Return the length of a network's time step, ms.

    Args:
        dt_ms: the length that the caller gives; None for that of the network.
        trained_ms: the length that the network was trained with; None where it does not say so.
        where: the file or the network, for the sentence.

    Raises:
        SnnlabError: it is not above 0, both are unknown, or they differ.
    """
    known_ms = dt_ms if trained_ms is None else trained_ms
    if known_ms is None:
        raise SnnlabError(
            f"{where}: does not say how long a time step is; give dt_ms, such as dt_ms = 10."
        )
    if dt_ms is not None and not same_dt(check_dt(dt_ms), known_ms):
        raise SnnlabError(
            f"{where}: trained with steps of {known_ms:g} ms, not of {dt_ms:g}; leave dt_ms out, "
            f"or give dt_ms = {known_ms:g}."
        )
    return check_dt(known_ms)


def same_dt(a: float, b: float) -> bool:
    """Return whether two lengths of a time step are the same; one may be rounded to float32."""
    return math.isclose(a, b, rel_tol=1e-6)


def to_numpy(values: Any) -> Any:
    """Return a tensor, also one in a list or tuple, as an array; anything else as it is."""
    if hasattr(values, "detach"):  # a tensor; torch is not imported here
        values = values.detach().cpu()
        return values.float().numpy() if str(values.dtype) == "torch.bfloat16" else values.numpy()
    if isinstance(values, list | tuple):
        return [to_numpy(value) for value in values]
    return values
