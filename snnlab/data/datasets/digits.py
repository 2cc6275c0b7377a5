"""Handwritten digits at random places, under noise: small enough for a lecture, and not too easy.

The originals are the 1,797 digits of 8 x 8 pixels that come with scikit-learn (Optical Recognition
of Handwritten Digits, E. Alpaydin and C. Kaynak 1998, CC BY 4.0). No original is in two parts, so a
network is tested on handwriting that it never saw.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.splits import DataSplits

NOTE = "Handwritten digits of scikit-learn (UCI), placed at random under noise; not MNIST"


def load(*, samples: int = 3000, size: int = 12, noise: float = 0.12) -> DataSplits[DenseSet]:
    """Make images `(1, B, 1, size, size)`; 55 % of the originals are for training, 30 % for test.

    Args:
        samples: for training, at least 6; a sixth as many for validation, a quarter for test.
        size: side length of a picture, pixels.
        noise: standard deviation of the noise on digits, which are from 0 to 1.

    Raises:
        SnnlabError: a part would have no sample, or the picture is smaller than a digit.
    """
    samples = whole_number("samples", samples, 6)
    counts = (samples, samples // 6, samples // 4)
    parts = [
        place(*digits, count, size=size, noise=noise, seed=number)
        for number, (digits, count) in enumerate(
            zip(originals((0.55, 0.15, 0.30)), counts, strict=True)
        )
    ]
    return DataSplits(
        *parts,
        unit="brightness, 0 to 1, with noise",
        preprocessing={"size": size, "noise": noise},
        name="digits",
        note=NOTE,
    )


def originals(parts: Sequence[float], *, pixels: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Split the originals into parts, always the same way.

    Args:
        parts: share of each part; together at most 1.
        pixels: side length to which they are scaled, bilinear.

    Returns:
        Of each part the images `(n, pixels, pixels)` from 0 to 1, and their labels `(n,)`.

    Raises:
        SnnlabError: a share is not positive, or they are more than 1 together.
    """
    if min(parts, default=0) <= 0 or sum(parts) > 1 + 1e-9:
        raise SnnlabError(f"parts = {list(parts)}: expected positive shares, together at most 1.")
    table = _table()
    images = torch.tensor(table[:, :-1].reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    target = torch.tensor(table[:, -1].astype(int))
    if pixels != 8:
        images = F.interpolate(images, size=(pixels, pixels), mode="bilinear", align_corners=False)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    ends = (torch.tensor(parts, dtype=torch.double).cumsum(0) * len(order)).round().long().tolist()
    indices = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return [(images[index, 0], target[index]) for index in indices]


def _table() -> np.ndarray:
    """Return scikit-learn's digits, `(1797, 65)`: the pixels from 0 to 16, and the label.

    The file is read without the package, whose import takes 0.9 s of CPU time.

    Raises:
        SnnlabError: scikit-learn is not installed, or has no such file.
    """
    spec = find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    raise SnnlabError(
        "the digits of scikit-learn are not there: expected its file datasets/data/digits.csv.gz; "
        "install a scikit-learn from 1.5, `pip install -U scikit-learn`."
    )


def place(
    images: Tensor, labels: Tensor, n: int, *, size: int, noise: float, seed: int
) -> DenseSet:
    """Place originals at random in empty pictures, with Gaussian noise over all of it.

    Args:
        images: originals `(m, h, w)`; each is used equally often, as far as n allows.
        labels: `(m,)`.
        n: samples to make.
        size: side length of the picture, at least h and w.
        noise: standard deviation; the digits are from 0 to 1.
        seed: of places and noise.

    Returns:
        Images `(1, n, 1, size, size)` and labels.

    Raises:
        SnnlabError: the picture is smaller than a digit.
    """
    h, w = images.shape[1:]
    if size < max(h, w):
        raise SnnlabError(f"size = {size}: expected at least the {max(h, w)} pixels of a digit.")
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-n // len(images))
    which = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)])[:n]
    rows = torch.randint(size - h + 1, (n, 1, 1), generator=generator) + torch.arange(h)[:, None]
    columns = torch.randint(size - w + 1, (n, 1, 1), generator=generator) + torch.arange(w)
    pictures = torch.zeros(n, size, size)
    pictures[torch.arange(n)[:, None, None], rows, columns] = images[which]
    pictures += noise * torch.randn(pictures.shape, generator=generator)
    return DenseSet(pictures[None, :, None], labels[which])
