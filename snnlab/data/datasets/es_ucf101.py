"""ES-UCF101: films of 101 kinds of action as events, and as UCF101's frames in colour.

A clip is called `v_<Class>_g<group>_c<number>`. The clips of a group show the same people at the
same place, often parts of one film. As events it is `<clip>.npz`, as
`snnlab.data.encoding.video_events` writes it; in colour a folder `<clip>/frame000001.jpg` ...
"""

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known, whole_number
from snnlab._utils.files import given_path, is_hidden, paths_below
from snnlab.data.batches.file_dataset import FileDataset, Reader, check_classes, hold_out
from snnlab.data.datasets.catalogue import described
from snnlab.data.encoding.video_events import N_FRAMES, read_clip
from snnlab.data.io.folders import check_names
from snnlab.data.io.video import FRAME, colour_frames
from snnlab.data.splits import DataSplits

STEPS = 15
LAST_TEST_GROUP, LAST_VALID_GROUP = 7, 10
EVENTS = "0 or 1, whether there was an event; ON and OFF"
HELD_OUT = 0.1  # of the training clips of a class, for validation of the random split
_CLIP = re.compile(r"v_(?P<name>.+)_g(?P<group>\d+)_c\d+")


def events(
    folder: str | Path,
    *,
    steps: int = STEPS,
    split: str = "groups",
    loaders: int = 0,
    edges: bool = False,
) -> DataSplits:
    """Load events `(steps, B, 2, H, W)`, 0 or 1, channel 0 ON. Nothing is augmented.

    Args:
        folder: with `<clip>.npz`, here or in folders of it; a class is numbered by its place in the
            alphabet.
        steps: of each clip, from its beginning.
        split: "groups": no group is in two parts. Groups 1 to 7 are `test`, as in UCF101's first
            official split, 8 to 10 `valid`, the others `train`. "random": a quarter of the clips is
            `test`, drawn as the authors drew it (though from the clips in order of their names, for
            their order is not known), and 10 % of each class of the rest `valid`. Then clips of one
            film are learnt and tested, so the accuracy is that of another, easier task.
        loaders: processes that read, see `FileDataset`.
        edges: load the same events as one channel, ON minus OFF: `(steps, B, 1, H, W)`, -1, 0 or 1.

    Raises:
        SnnlabError: the folder is missing or holds no clip, a clip has another name, or is there
            twice, a class has no clip in one of the parts, or `steps`, `split` or `loaders` is
            another.
    """
    clips = _clips(folder, paths_below(given_path(folder), "*.npz"), "<clip>.npz")
    read, unit = partial(_events, steps=steps, edges=edges), "ON minus OFF" if edges else EVENTS
    return _load("es-ucf101", folder, clips, read, steps, split, loaders, unit)


edges = partial(events, edges=True)


def frames(
    folder: str | Path, *, steps: int = STEPS, split: str = "groups", loaders: int = 0
) -> DataSplits:
    """Load frames in colour `(steps, B, 3, H, W)`, from 0 to 1.

    They show the same part of each clip as the events' first `steps` steps.

    The events of step t are the change from frame t to frame t + 1 of 31, evenly spread over the
    clip; taken is frame t + 1. (The authors took the first frames of the clip, which is another
    part of it.) Nothing is augmented, nor mirrored.

    Args:
        folder: with the folders `<clip>`, here or in folders of it.
        steps: from 1 to 30.
        split: as `events` has it; the clips of a part are the same.
        loaders: processes that read, see `FileDataset`.

    Raises:
        SnnlabError: as `events`.
    """
    read, unit = partial(_frames, steps=steps), "colour from 0 to 1"
    return _load("ucf101", folder, _folders(folder), read, steps, split, loaders, unit)


def _load(
    name: str,
    folder: str | Path,
    clips: dict[str, str],
    read: Reader,
    steps: int,
    split: str,
    loaders: int,
    unit: str,
) -> DataSplits:
    whole_number("steps", steps, 1, N_FRAMES - 1)
    known(split, ("groups", "random"), "split")
    names = sorted(clips)
    parsed = [match for name in names if (match := _CLIP.fullmatch(name))]
    classes = tuple(sorted({match["name"] for match in parsed}))
    check_names(classes, f"the clips such as {clips[names[0]]}")
    labels = torch.tensor([classes.index(match["name"]) for match in parsed])
    dataset = FileDataset([clips[name] for name in names], labels, classes, read, loaders)

    def part(index: Tensor | np.ndarray, where: str) -> FileDataset:
        return check_classes(dataset.subset(torch.as_tensor(index)), f"the part {where}")

    if split == "groups":
        group = torch.tensor([int(match["group"]) for match in parsed])
        test, valid = group <= LAST_TEST_GROUP, group <= LAST_VALID_GROUP
        masks = {"groups from 11": ~valid, "groups 8 to 10": valid & ~test, "groups 1 to 7": test}
        parts = [part(mask.nonzero().flatten(), f"of {which}") for which, mask in masks.items()]
    else:
        from sklearn.model_selection import train_test_split

        rest, tested = train_test_split(np.arange(len(names)), test_size=0.25, random_state=42)
        training = part(rest, "for training of the random split")
        parts = [*hold_out(training, HELD_OUT), part(tested, "for testing of the random split")]
    return DataSplits(
        *parts,
        unit=unit,
        preprocessing={"steps": steps, "split": split},
        **described(name, given_path(folder)),
    )


def _folders(folder: str | Path) -> dict[str, str]:
    """Return the folders of frames below a folder, by the names of the clips."""
    found: list[Path] = []
    for path, folders, files in os.walk(given_path(folder)):
        if any(map(FRAME.fullmatch, files)):
            raise _misnamed(path)  # the folder of a clip is never gone into
        found += [Path(path, name) for name in folders if _CLIP.fullmatch(name)]
        folders[:] = [name for name in folders if not (_CLIP.fullmatch(name) or is_hidden(name))]
    return _clips(folder, found, "<clip>/frame000001.jpg")


def _clips(folder: str | Path, paths: Iterable[Path], form: str) -> dict[str, str]:
    clips: dict[str, str] = {}
    for path in paths:
        name = path.name.removesuffix(".npz")
        if not _CLIP.fullmatch(name):
            raise _misnamed(path)
        if name in clips:
            raise SnnlabError(
                f"{clips[name]} and {path} are the same clip; it was expected once. Take one away."
            )
        clips[name] = str(path)
    if len(clips) < 2:
        raise SnnlabError(
            f"{folder} holds {len(clips) or 'no'} clip; several {form} were expected, here or in "
            "folders of it. Check the path."
        )
    return clips


def _misnamed(path: str | Path) -> SnnlabError:
    return SnnlabError(
        f"{path}: a name such as v_Archery_g01_c01 was expected, for it says class and group. "
        "Rename it."
    )


def _events(path: str, seed: int | None, *, steps: int, edges: bool) -> Tensor:
    """Read one clip, (steps, 2, H, W), or (steps, 1, H, W) as edges."""
    x = read_clip(path)
    if len(x) < steps:
        raise SnnlabError(
            f"{path} has {len(x)} steps; at least {steps} were expected. Take fewer, or convert it "
            "again."
        )
    if not edges:
        return x[:steps]
    on, off = x[:steps].to(torch.int8).split(1, dim=1)  # a byte has no -1
    return on - off


def _frames(path: str, seed: int | None, *, steps: int) -> Tensor:
    """Read one clip, (steps, 3, H, W)."""
    rgb = colour_frames(path, N_FRAMES, slice(1, steps + 1))
    return torch.from_numpy(rgb).permute(0, 3, 1, 2) / 255
