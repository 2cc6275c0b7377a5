"""The delays of a layer or a network that are in use: their histogram, mean and spread."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnlab._utils.arrays import as_array, time_step
from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number
from snnlab.nn.network_config import LONGEST

if TYPE_CHECKING:  # plots need no torch
    from torch import nn


@dataclass(frozen=True)
class DelayStatistics:
    """Mean and spread of delays, and the share of them at both ends.

    Attributes:
        mean_ms: mean, ms.
        sd_ms: standard deviation, ms.
        share_at_zero: share of the synapses whose delay rounds to 0.
        share_at_max: share of the synapses whose delay rounds to the `max_delay` of their layer.
    """

    mean_ms: float
    sd_ms: float
    share_at_zero: float
    share_at_max: float


def delay_statistics(model: "nn.Module", dt_ms: float | None = None) -> DelayStatistics:
    """Compute the statistics of the delays that are in use.

    Args:
        model: a `DelayLinear`, or any network that has some: then of all of them together.
        dt_ms: length of a time step, ms; None for that of the network.

    Raises:
        SnnlabError: there is no layer of delays, no synapse exists, a delay is not finite, or
            `dt_ms` is not above 0, unknown, or not that of the network.

    Example:
        >>> import torch
        >>> from snnlab.nn.delay_linear import DelayLinear
        >>> layer = DelayLinear(2, 1, max_delay=4)
        >>> layer.delay = torch.tensor([[[0.0], [3.0]]])
        >>> delay_statistics(layer, dt_ms=20)
        DelayStatistics(mean_ms=30.0, sd_ms=30.0, share_at_zero=0.5, share_at_max=0.0)
    """
    dt_ms = step_of(model, dt_ms)
    from snnlab.nn.any_network import delay_layers

    steps = active_delays(model)
    rounded = rounded_delays(model)
    longest = np.concatenate(
        [
            np.full(active_delays(layer).size, layer.max_delay)
            for layer in delay_layers(model).values()
        ]
    )
    return DelayStatistics(
        mean_ms=float(steps.mean() * dt_ms),
        sd_ms=float(steps.std() * dt_ms),
        share_at_zero=float((rounded <= 0).mean()),
        share_at_max=float((rounded >= longest).mean()),
    )


def step_of(model: "nn.Module", dt_ms: float | None) -> float:
    """Return `time_step` of a network; one with a `config` that has `dt_ms` knows its own."""
    config = getattr(model, "config", None)
    return time_step(dt_ms, getattr(config, "dt_ms", None), type(model).__name__)


def delay_shares(delays_ms: Any, max_delay_ms: Any, dt_ms: float) -> NDArray[np.float64]:
    """Compute the share of delays at each time step.

    Args:
        delays_ms: delays of any shape, ms; an array, a tensor or a list.
        max_delay_ms: largest possible delay, ms.
        dt_ms: length of a time step, ms.

    Returns:
        The shares (0 to 1) from no delay to the largest one, `(L,)`; delays beyond the ends count
        at the ends.

    Raises:
        SnnlabError: a delay is not finite, one of the lengths is not, or there are too many steps.

    Example:
        >>> delay_shares([0, 9, 12, 20], max_delay_ms=20, dt_ms=10)
        array([0.25, 0.5 , 0.25])
    """
    given = f"dt_ms = {dt_ms!r}, max_delay_ms = {max_delay_ms!r}"
    if not (is_number(dt_ms) and is_number(max_delay_ms) and dt_ms > 0 and max_delay_ms >= 0):
        raise SnnlabError(f"{given}: expected a time step above 0, and a largest delay from 0.")
    delays = as_array("delays_ms", delays_ms, empty=True).ravel()
    if float(max_delay_ms) / float(dt_ms) >= LONGEST + 0.5:
        raise SnnlabError(
            f"{given}: expected at most {LONGEST:,} time steps; "
            "choose a longer step or a smaller largest delay."
        )
    last = round(max_delay_ms / dt_ms)
    steps = np.rint(delays.astype(np.float64) / dt_ms).clip(0, last).astype(np.int64)
    shares: NDArray[np.float64] = np.bincount(steps, minlength=last + 1) / max(1, steps.size)
    return shares


def active_delays(model: "nn.Module", *, rounded: bool = False) -> NDArray[np.float32]:
    """Return the delays of the synapses that exist, in steps, as a flat array.

    A weight that few bits round to 0 is none.

    Args:
        model: a `DelayLinear`, or any network that has some.
        rounded: whether they are those of the rounded network.

    Raises:
        SnnlabError: there is no layer of delays.
    """
    from snnlab.nn.any_network import delay_layers

    layers = delay_layers(model).values()
    if not layers:
        raise SnnlabError(
            f"model: got {type(model).__name__}, expected a DelayLinear or a network that has one."
        )
    delays = (
        (layer.whole_delays() if rounded else layer.delay_per_synapse)[
            layer.connections & (layer.existing_weight != 0)
        ]
        for layer in layers
    )
    return np.concatenate([steps.cpu().numpy() for steps in delays])


def rounded_delays(model: "nn.Module") -> NDArray[np.float32]:
    """Return `active_delays` of the rounded network.

    Raises:
        SnnlabError: there is no layer of delays, no synapse exists, or a delay is not finite.
    """
    steps = active_delays(model, rounded=True)
    if steps.size == 0:
        raise SnnlabError(
            "a layer of delays in which every weight is 0 has no delay in use; prune fewer "
            "synapses."
        )
    return steps
