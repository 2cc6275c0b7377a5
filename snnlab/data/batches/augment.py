"""Augmentations of a batch (T, B, N): parts of a recording silenced, or taken from another one.

Everything happens inside a recording's own time, which ends at its last step that is not all zero,
as it does for `DelayNet`. So neither the padding of a batch nor what it is padded for changes what
happens to a recording.

Chance comes from the generator alone, in the order of the recordings: each has the same numbers
whatever the batch's size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError


@dataclass(frozen=True)
class Augment:
    """What the authors of the delays paper wrote for their recordings, and left switched off.

    The defaults are theirs for 140 inputs and delays up to 30 steps. What is silenced becomes 0: no
    spike, the mean of a standardised feature, and of one in dB, as published, a sound 100 dB above
    silence.

    Attributes:
        mask: probability with which a recording has some steps silenced, and with which some
            inputs.
        steps: at most so many neighbouring steps.
        inputs: at most so many neighbouring inputs.
        mix: probability with which a recording has some of its time replaced by that of another
            one.

    Raises:
        SnnlabError: a number is out of its range.
    """

    mask: float = 0.65
    steps: int = 9
    inputs: int = 27
    mix: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mask", "mix"):
            _check_probability(name, getattr(self, name))
        for name in ("steps", "inputs"):
            _check_most(name, getattr(self, name))

    def __call__(
        self, x: Tensor, y: Tensor, generator: torch.Generator, *, classes: int
    ) -> tuple[Tensor, Tensor]:
        """A batch (T, B, N) with labels (B,), and what became of both: (T, B, N) and the classes' shares (B, classes)."""
        x = time_mask(x, generator, probability=self.mask, most=self.steps)
        x = neuron_mask(x, generator, probability=self.mask, most=self.inputs)
        return cut_mix(x, y, generator, probability=self.mix, classes=classes)


def time_mask(x: Tensor, generator: torch.Generator, *, probability: float, most: int) -> Tensor:
    """Set 0 to `most` neighbouring steps of a recording to 0, anywhere inside its time.

    Args:
        x: (T, B, N).
        generator: of any device.
        probability: for each recording, of having it done.
        most: steps; of a shorter recording, all of them.

    Raises:
        SnnlabError: a number is out of its range.
    """
    _check_probability("probability", probability)
    _check_most("most", most)
    start, end = _window(_ends(x), most, probability, generator)
    return x.masked_fill(_inside(len(x), start, end)[..., None], 0.0)


def neuron_mask(x: Tensor, generator: torch.Generator, *, probability: float, most: int) -> Tensor:
    """Set 0 to `most` neighbouring inputs of a recording to 0, for all of its time; otherwise as `time_mask`."""
    _check_probability("probability", probability)
    _check_most("most", most)
    sizes = torch.full((x.shape[1],), x.shape[2], device=x.device)
    start, end = _window(sizes, most, probability, generator)
    return x.masked_fill(_inside(x.shape[2], start, end).T[None], 0.0)


def cut_mix(
    x: Tensor, y: Tensor, generator: torch.Generator, *, probability: float, classes: int
) -> tuple[Tensor, Tensor]:
    """Replace some of a recording's time by the same time of the next one in the batch; of the last one, the first.

    Where a window may begin and end, both recordings have not ended. As large as the window is
    within the recording's own time, so large is the share of the other's class in its label.

    Args:
        x: (T, B, N).
        y: (B,), classes from 0.
        generator: of any device.
        probability: for each recording, of having it done.
        classes: how many there are.

    Returns:
        (T, B, N), and the share of each class (B, classes) float32.

    Raises:
        SnnlabError: the probability is out of its range.
    """
    _check_probability("probability", probability)
    ends = _ends(x)
    common = torch.minimum(ends, ends.roll(-1))
    start, end = _window(common, None, probability, generator)
    mixed = torch.where(_inside(len(x), start, end)[..., None], x.roll(-1, 1), x)
    share = ((end - start) / ends.clamp(min=1))[:, None]
    labels = F.one_hot(y, classes).float()
    return mixed, torch.lerp(labels, labels.roll(-1, 0), share)


def _ends(x: Tensor) -> Tensor:
    """(B,), one after the last step that is not all zero; 0 where there is none."""
    steps = torch.arange(1, len(x) + 1, device=x.device)
    return ((x != 0).any(-1) * steps[:, None]).amax(0)


def _window(
    sizes: Tensor, most: int | None, probability: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """For each recording, where in 0 to `sizes` (B,) a window of 0 to `most` begins and ends; nothing where it is not done.

    All lengths are equally likely, and of a length all places.
    """
    chance = torch.rand(len(sizes), 3, generator=generator, device=generator.device).to(
        sizes.device
    )
    largest = sizes if most is None else sizes.clamp(max=most)
    length = (chance[:, 0] * (largest + 1)).long() * (chance[:, 2] < probability)
    start = (chance[:, 1] * (sizes - length + 1)).long()
    return start, start + length


def _inside(size: int, start: Tensor, end: Tensor) -> Tensor:
    """(size, B), True from `start` to before `end`."""
    places = torch.arange(size, device=start.device)[:, None]
    return (places >= start) & (places < end)


def _check_probability(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise SnnlabError(f"{name} = {value!r}: expected a probability from 0 to 1.")


def _check_most(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SnnlabError(f"{name} = {value!r}: expected a whole number from 0.")
