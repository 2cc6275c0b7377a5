"""An artificial task whose known solution shows what a delay can do."""

from collections.abc import Sequence

import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.dense_set import DenseSet


@memory_errors("making trials", "fewer of them")
def interaural_lags(
    n: int,
    *,
    lags: Sequence[int] = (0, 4, 8, 12, 16),
    channels: int = 8,
    steps: int = 60,
    rate: float = 0.06,
    seed: int = 0,
) -> DenseSet:
    """Make noise that reaches the right ear some steps after the left one; the class is the lag.

    Each channel of the left ear fires by chance in each step, anew in every trial; the same channel
    of the right ear repeats it `lag` steps later. Both ears have the same rate in every class: each
    step for itself says nothing about the lag, except whether it is 0. A network without memory
    therefore cannot be right more often than `memoryless_ceiling` says.

    Args:
        n: trials, spread evenly over the lags.
        lags: lag of each class in steps, from 0 to below `steps`.
        channels: channels of each ear.
        steps: T.
        rate: chance of a spike per channel and step.
        seed: of everything that is drawn.

    Returns:
        Spikes `(T, n, 2 * channels)`, left ear first, and the class of each trial.

    Raises:
        SnnlabError: a lag is outside 0 to below `steps`.
    """
    if not all(0 <= lag < steps for lag in lags):
        raise SnnlabError(
            f"lags = {list(lags)}: expected whole numbers from 0 to below the {steps} steps of a "
            "trial."
        )
    generator = torch.Generator().manual_seed(seed)
    longest = max(lags)
    sound = (torch.rand(longest + steps, n, channels, generator=generator) < rate).float()
    labels = torch.randperm(n, generator=generator) % len(lags)
    right = torch.empty(steps, n, channels)
    for c, lag in enumerate(lags):
        heard = labels == c
        # The sound began before the trial did
        right[:, heard] = sound[longest - lag : longest - lag + steps, heard]
    return DenseSet(torch.cat([sound[longest:], right], dim=2), labels)


def memoryless_ceiling(lags: Sequence[int] = (0, 4, 8, 12, 16)) -> float:
    """Return the best accuracy without memory: only lag 0 is a coincidence, the rest is a guess."""
    distinct = len(set(lags))
    return min(2, distinct) / distinct if 0 in lags else 1 / distinct
