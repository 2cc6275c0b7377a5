"""Artificial tasks with a known solution that shows what a delay can do."""

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


@memory_errors("making trials", "fewer of them")
def sweeps(
    n: int,
    *,
    shapes: int = 5,
    channels: int = 40,
    steps: int = 40,
    rate: float = 0.5,
    seed: int = 0,
) -> DenseSet:
    """Make two gliding tones, like the formants of a vowel, played forwards or backwards.

    The class is the shape and its direction, so half of what there is to know is in the order of
    the spikes: forwards and backwards excite the same channels equally often. Onset, tempo (up to
    15 % either way) and pitch (by 2 channels, one standard deviation) differ from trial to trial.
    The shapes themselves do not depend on `seed`.

    Args:
        n: trials, spread evenly over the classes.
        shapes: how many shapes; there are twice as many classes.
        channels: N.
        steps: T.
        rate: chance of a spike at the centre of a tone, per step.
        seed: of everything that differs from trial to trial.

    Returns:
        Spikes `(T, n, channels)` and the class of each trial, `2 * shape + direction`.
    """
    drawn = torch.rand(shapes, 2, 3, generator=torch.Generator().manual_seed(2024))
    starts, ends, bend = (
        drawn * torch.tensor([0.8, 0.8, 0.4]) + torch.tensor([0.1, 0.1, -0.2])
    ).unbind(-1)

    generator = torch.Generator().manual_seed(seed)
    labels = torch.randperm(n, generator=generator) % (2 * shapes)
    shape, backwards = labels // 2, (labels % 2).bool()
    tempo = 1 + 0.15 * (2 * torch.rand(n, generator=generator) - 1)
    length = 0.75 * steps * tempo
    onset = torch.rand(n, generator=generator) * (steps - length)
    shift = 2 * torch.randn(n, generator=generator)

    phase = (torch.arange(steps)[:, None] - onset) / length  # (T, n), 0 to 1 while the tones sound
    sounding = (phase >= 0) & (phase <= 1)
    phase = torch.where(backwards, 1 - phase, phase)[..., None]
    glide = starts[shape] + (ends - starts)[shape] * phase + bend[shape] * (4 * phase * (1 - phase))
    centre = glide * channels + shift[:, None]  # (T, n, 2), in channels
    distance = torch.arange(channels)[:, None] - centre[:, :, None, :]  # (T, n, N, 2)
    chance = rate * torch.exp(-0.5 * (distance / 1.5) ** 2).amax(-1) * sounding[..., None] + 0.01
    return DenseSet((torch.rand(chance.shape, generator=generator) < chance).float(), labels)
