"""Samples of equal size in one tensor."""

from dataclasses import dataclass

from torch import Tensor

from snnlab.data.batches.base import BatchedDataset


@dataclass(frozen=True)
class DenseSet(BatchedDataset):
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C,
            H, W)`.
        labels: `(n,)`, whole numbers from 0.
        classes: the class names, if they have any.

    Example:
        >>> import torch
        >>> data = DenseSet(torch.rand(20, 6, 70), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> [x.shape[1] for x, y in data.batches(4)]
        [4, 2]
    """

    x: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, ...)` float32, and their labels `(B,)`."""
        return self.x[:, index].float(), self.labels[index]
