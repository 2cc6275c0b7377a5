"""Random changes of recordings while training: of pitch, speed, start and single spikes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, whole_number


@dataclass(frozen=True)
class SpikeAugmentation:
    """How far a `SpikeSet` changes each recording of a training batch.

    Each recording draws its own values, uniformly, and anew in each epoch. Evaluation sees the
    recordings as they are.

    Attributes:
        channels: largest shift along the inputs, up or down; spikes beyond the edge are lost.
        stretch: largest relative change of the speed: a spike at step t moves to step
            `floor(t * f)` with f from `1 - stretch` to `1 + stretch`. No spike is lost.
        steps: largest delay of the whole recording; empty steps come before its first spike.
        drop: largest share of the filled cells (a step and an input) that are silenced.
        noise: largest number of cells that are added at random places, as a share of the filled
            cells.

    Raises:
        SnnlabError: a value is out of its range.

    Example:
        >>> SpikeAugmentation(channels=5, stretch=0.1)
        SpikeAugmentation(channels=5, stretch=0.1, steps=0, drop=0.0, noise=0.0)
    """

    channels: int = 0
    stretch: float = 0.0
    steps: int = 0
    drop: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Check all values."""
        for name in ("channels", "steps"):
            whole_number(name, getattr(self, name), 0)
        for name, high in (("stretch", 0.99), ("drop", 0.99), ("noise", 1.0)):
            value = getattr(self, name)
            if not (is_number(value) and 0 <= value <= high):
                raise SnnlabError(f"{name} = {value!r}: expected a number from 0 to {high:g}.")

    def change(
        self,
        step: Tensor,
        channel: Tensor,
        count: Tensor,
        owner: Tensor,
        samples: int,
        n_in: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Change the cells of a batch; two cells may fall together.

        Args:
            step: of each filled cell, `(n,)`.
            channel: the input of each.
            count: the spikes in each.
            owner: the recording of each, `(n,)`, from 0 to below `samples`.
            samples: recordings in the batch.
            n_in: inputs.
            generator: decides all values.

        Returns:
            The new step, channel, count and owner, of as many cells as there are now.
        """

        def uniform(low: float, high: float) -> Tensor:
            return (low + (high - low) * chance(samples))[owner]

        def whole(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (samples,), generator=generator)[owner]

        def chance(n: int) -> Tensor:
            return torch.rand(n, generator=generator)

        if self.noise:
            added = chance(len(step)) < uniform(0, self.noise)
            ends = torch.zeros(samples, dtype=step.dtype)
            ends = ends.scatter_reduce(0, owner, step + 1, "amax")[owner[added]]
            extra = int(added.sum())
            step = torch.cat([step, (chance(extra) * ends).to(step.dtype)])
            channel = torch.cat([channel, (chance(extra) * n_in).to(channel.dtype)])
            count = torch.cat([count, torch.ones_like(count[added])])
            owner = torch.cat([owner, owner[added]])
        if self.stretch:
            factor = uniform(1 - self.stretch, 1 + self.stretch)
            step = (step * factor).to(step.dtype)
        if self.steps:
            step = step + whole(0, self.steps)
        stays = torch.ones_like(step, dtype=torch.bool)
        if self.channels:
            channel = channel + whole(-self.channels, self.channels)
            stays &= (channel >= 0) & (channel < n_in)
        if self.drop:
            stays &= chance(len(step)) >= uniform(0, self.drop)
        return step[stays], channel[stays], count[stays], owner[stays]
