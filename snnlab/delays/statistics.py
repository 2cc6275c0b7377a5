"""The delays of a layer that are in use, and their mean and spread."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_linear import DelayLinear


@dataclass(frozen=True)
class DelayStatistics:
    """Mean and spread of a layer's delays, and the share of them at both ends.

    Attributes:
        mean_ms: mean, ms.
        sd_ms: standard deviation, ms.
        share_at_zero: share of the synapses whose delay rounds to 0.
        share_at_max: share of the synapses whose delay rounds to `max_delay`.
    """

    mean_ms: float
    sd_ms: float
    share_at_zero: float
    share_at_max: float


def delay_statistics(layer: DelayLinear, dt_ms: float) -> DelayStatistics:
    """Compute the statistics of the delays that are in use; `dt_ms` is the length of a step in ms.

    Raises:
        SnnlabError: as `rounded_delays`.
    """
    steps, rounded = active_delays(layer), rounded_delays(layer)
    return DelayStatistics(
        mean_ms=float(steps.mean() * dt_ms),
        sd_ms=float(steps.std() * dt_ms),
        share_at_zero=float((rounded == 0).mean()),
        share_at_max=float((rounded == layer.max_delay).mean()),
    )


def active_delays(layer: DelayLinear) -> NDArray[np.float32]:
    """Return the delays of the synapses that exist, in steps, as a flat array."""
    delays: NDArray[np.float32] = layer.delay[layer.connections].cpu().numpy()
    return delays


def rounded_delays(layer: DelayLinear) -> NDArray[np.float32]:
    """Return `active_delays` rounded to whole steps.

    Raises:
        SnnlabError: no synapse exists, or a delay is not finite.
    """
    steps = np.rint(active_delays(layer))
    if steps.size == 0:
        raise SnnlabError(
            "a layer of delays in which every weight is 0 has no delay in use; prune fewer synapses."
        )
    if not np.isfinite(steps).all():
        raise SnnlabError(
            "a layer has delays that are not finite; choose a network whose training did not "
            "diverge."
        )
    return steps
