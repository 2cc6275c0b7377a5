"""ES-ImageNet to learn from: as events, and as pictures of edges for an ordinary network."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.files import given_path
from snnlab.data.batches.file_dataset import FileDataset, check_classes, class_names, hold_out
from snnlab.data.datasets.catalogue import described
from snnlab.data.encoding.es_imagenet import (
    Label,
    frames,
    read_frame_labels,
    read_frames,
    read_labels,
    read_sample,
)
from snnlab.data.encoding.odg import edge_integral
from snnlab.data.splits import DataSplits

HELD_OUT = 0.02  # of the training samples of a class, for validation


def events(folder: str | Path, *, loaders: int = 0, edges: bool = False) -> DataSplits:
    """Load events `(8, B, 2, 224, 224)`, 0 or 1, channel 0 ON, see `encoding.es_imagenet.frames`.

    `train` is what trainlabel.txt lists, without the 2 % of each class, at least one sample and
    always the same ones, that are `valid`; `test` is what vallabel.txt lists. Nothing is augmented.

    Args:
        folder: with trainlabel.txt, vallabel.txt, train and val, as published or as
            `convert_folder` writes them; or the event-frame variant, with trainlabel.csv and
            vallabel.csv. If it has classes.txt, it names the classes.
        loaders: processes that read, see `FileDataset`.
        edges: load the edges in the events of the same samples, `(1, B, 1, 224, 224)`, instead.
            ES-ImageNet's authors trained their 2D network on them, times the number of steps: the
            frames are shifted back to where the picture was, and ON minus OFF is averaged, see
            `snnlab.data.encoding.odg.edge_integral`.

    Raises:
        SnnlabError: a list is missing or damaged, a file that it names is missing, a class has no
            sample in one of the lists, or `loaders` is too small.
    """
    folder = given_path(folder)
    (train, labels), (val, val_labels) = (_listed(folder, split) for split in ("train", "val"))
    classes = class_names(folder, labels, folder / "train", prefix="class")
    read = partial(_read, edges=edges)
    training = check_classes(FileDataset(train, labels, classes, read, loaders), folder / "train")
    test = check_classes(FileDataset(val, val_labels, classes, read, loaders), folder / "val")
    unit = (
        "ON minus OFF, mean of the steps"
        if edges
        else "0 or 1, whether there was an event; ON and OFF"
    )
    return DataSplits(
        *hold_out(training, HELD_OUT),
        test,
        unit=unit,
        preprocessing={"held_out": HELD_OUT},
        **described("es-imagenet", folder),
    )


edges = partial(events, edges=True)


def _listed(folder: Path, split: str) -> tuple[list[Label] | list[str], Tensor]:
    """Return what `_read` takes, and the class of each."""
    below = folder / split
    if (folder / f"{split}label.csv").exists():
        rows = read_frame_labels(folder, split)
        return [f"{below}/{path}" for path, _ in rows], torch.tensor([label for _, label in rows])
    labels = read_labels(folder, split)
    samples = [Label(f"{below}/{one.path}", one.label, one.rows, one.columns) for one in labels]
    return samples, torch.tensor([one.label for one in labels])


def _read(sample: Label | str, seed: int | None, *, edges: bool) -> Tensor:
    """Read one sample, (8, 2, 224, 224) or (1, 1, 224, 224); a path is of the frame variant."""
    if isinstance(sample, str):
        x = read_frames(sample)
    else:
        x = frames(read_sample(sample.path, sample.rows, sample.columns))
    if not edges:
        return x
    # one row and column before, three after: so the picture's middle, shifted back, is again the
    # frame's
    return edge_integral(F.pad(x, (1, 3, 1, 3))[:, None])[None]
