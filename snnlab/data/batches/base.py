"""The base of all sets: one mechanism that cuts a set into batches.

It is not torch's `DataLoader`, for three reasons. The loader's iterator draws a seed from torch's
global generator, which dropout draws from, too, so that a training which resumes inside an epoch
would need a generator for it alone. Its worker processes end with each loader, while here those of
a training serve its training, validation and test sets in turn (`prefetch`). And an error in a
worker arrives as a stack trace instead of one sentence.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from snnlab.data.batches.samplers import SINGLE, RankInfo, shard_batches, shuffled


class BatchedDataset(ABC):
    """A set with labels that gives batches; subclasses say how to read the samples of one batch."""

    labels: Tensor  # (n,), whole numbers from 0
    channels: int = 0  # of recordings, before they are grouped into inputs; 0 for not known

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, ...)` float32, and their labels `(B,)`."""

    def rising(self, x: Tensor) -> Tensor:
        """Return x (..., N) with its inputs sorted by rising frequency, where they have one."""
        return x

    def index_batches(
        self, batch_size: int, *, generator: torch.Generator | None = None
    ) -> Sequence[Tensor]:
        """Return the index of every sample once, in batches `(B,)`; shuffled by a generator."""
        return shuffled(len(self), batch_size, generator)

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        part: RankInfo = SINGLE,
        skip_batches: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every sample once, in batches `(T, B, ...)` float32 with labels `(B,)`.

        Args:
            batch_size: samples of a batch, over all ranks.
            generator: shuffles the samples; None keeps their order and means evaluation.
            part: this rank and the number of ranks, see `shard_batches`.
            skip_batches: leave out so many batches at the beginning without reading them; those
                that follow, and the generator, are the same as if they had been read.
        """
        indices = self.index_batches(batch_size, generator=generator)
        training = generator is not None
        own = shard_batches(indices, part, training=training, skip_batches=skip_batches)
        return self._read_batches(own, generator)

    def _read_batches(
        self, indices: Iterator[Tensor], generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return (self.batch(index.to(self.labels.device)) for index in indices)


def by_speakers(speakers: Tensor | None) -> str:
    """Return how many speakers a set has, for its description; nothing where that is not known."""
    return "" if speakers is None else f" by {len(speakers.unique())} speakers"


def joined_speakers(speakers: Sequence[Tensor | None]) -> Tensor | None:
    """Return the speakers of several sets; None where one of the sets does not know them."""
    known_speakers = [one for one in speakers if one is not None]
    return torch.cat(known_speakers) if len(known_speakers) == len(speakers) else None
