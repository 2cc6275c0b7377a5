"""Samples of equal size in one tensor."""

from dataclasses import dataclass

from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.base import BatchedDataset


@dataclass(frozen=True)
class DenseSet(BatchedDataset):
    """Samples of equal size in one tensor.

    Args:
        x: `(T, n, ...)`: spikes `(T, n, N)`, event frames `(T, n, 2, H, W)`, or images `(1, n, C,
            H, W)`.
        labels: `(n,)`, whole numbers from 0.
        classes: the class names, if they have any.

    Raises:
        SnnlabError: there is not one label for each sample.

    Example:
        >>> import torch
        >>> data = DenseSet(torch.rand(20, 6, 70), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> [x.shape[1] for x, y in data.batches(4)]
        [4, 2]
    """

    x: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that samples and labels belong together."""
        x, labels = tuple(self.x.shape), tuple(self.labels.shape)
        if len(x) < 3 or labels != x[1:2]:
            first = len(x) > 2 and labels == x[:1]
            cure = "give x.transpose(0, 1)" if first else "make them agree in n"
            raise SnnlabError(
                f"DenseSet: x has the shape {x} and labels {labels}; expected (T, n, ...), time "
                f"first, and (n,); {cure}."
            )

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples `index` (B,) as `(T, B, ...)` float32, and their labels `(B,)`."""
        return self.x[:, index].float(), self.labels[index]
