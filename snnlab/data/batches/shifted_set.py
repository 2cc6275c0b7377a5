"""Samples that are moved by a few pixels each time they are trained on."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.data.batches.dense_set import DenseSet


@dataclass(frozen=True)
class ShiftedSet(DenseSet):
    """A `DenseSet` of pictures or frames that moves every sample, in training only.

    Each epoch moves a sample by other numbers of rows and columns, all its time steps by the same.
    What leaves the frame is lost, and zeros come in. Evaluation, and `batch`, see it where it is.

    Args:
        shift: the largest shift along each axis, px.

    Raises:
        SnnlabError: `shift` is not a whole number from 0, or the samples are no pictures or frames.

    Example:
        >>> import torch
        >>> data = ShiftedSet(torch.eye(5).view(1, 1, 1, 5, 5), torch.tensor([0]), shift=2)
        >>> (moved, _), = data.batches(1, generator=torch.Generator().manual_seed(3))
        >>> moved[0, 0, 0].int().tolist()
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]
    """

    shift: int = 2

    def __post_init__(self) -> None:
        """Check that samples and labels belong together, and that the samples can be shifted."""
        super().__post_init__()
        whole_number("shift", self.shift, 0)
        if self.x.dim() != 5:
            raise SnnlabError(
                f"ShiftedSet: x has the shape {tuple(self.x.shape)}; expected (T, n, C, H, W), "
                "pictures or frames; use DenseSet for other samples."
            )

    def _read_batches(
        self, indices: Iterator[Tensor], generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if generator is None:
            yield from super()._read_batches(indices, None)
            return
        # of all samples at once: a training that resumes in the middle of an epoch draws the same
        corners = torch.randint(2 * self.shift + 1, (len(self), 2), generator=generator)
        for index in indices:
            x, labels = self.batch(index.to(self.labels.device))
            yield _cut(x, corners[index.cpu()], self.shift), labels


def _cut(x: Tensor, corners: Tensor, shift: int) -> Tensor:
    """Cut a frame out of each padded sample of x (T, B, C, H, W); corners (B, 2) are its places."""
    height, width = x.shape[-2:]
    padded = F.pad(x, [shift] * 4)
    parts = [
        padded[:, i, :, row : row + height, column : column + width]
        for i, (row, column) in enumerate(corners.tolist())
    ]
    return torch.stack(parts, 1)
