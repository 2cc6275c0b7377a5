"""Find the files of recordings: the published sets in SHD's layout, and those of one's own.

A folder of one's own has `train` and `test`, perhaps `valid`, or `all`, which is divided where it
is read: each a file `.h5` in SHD's layout, or `.npz` as `DenseSet.save` writes it.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.places import data_folder
from snnlab.data.datasets.catalogue import DATASETS, published_name
from snnlab.data.datasets.shipped import shipped
from snnlab.data.holdout import OWN_FOLDS, check_hold_out, checked_folds, most_folds
from snnlab.data.io.events import N_CHANNELS, read_channels, read_columns
from snnlab.data.io.npz import read_arrays, shape_of
from snnlab.data.paths import data_path

NOTES = {
    "spoken-digits": "generated speech (espeak-ng voices through a cochlea model), not SHD",
    "shd": "the Spiking Heidelberg Digits",
    "ssc": "the Spiking Speech Commands",
}

ALL = "all"  # of a set that is not divided into files


def find(data: str | Path, *, unpack: bool = True) -> tuple[str, dict[str, Path]]:
    """Find the files of a data set.

    Args:
        data: as `snnlab.data.datasets.shd.load` has it.
        unpack: whether the set that ships is unpacked; else its files may not be there yet.

    Returns:
        The name of the set, and the file of each of its splits; the one of a set that is not
        divided is called "all".

    Raises:
        SnnlabError: there is no such data, or a file of it is missing.
    """
    folder = data_path(data)
    for name in NOTES:
        entry = DATASETS[name]
        if data == name or folder == entry.folder:
            if entry.archives:
                entry.check_parts(entry.folder, "data")
            else:
                shipped(unpack=unpack)
            files = (entry.folder / part for part in entry.parts)
            return name, {file.stem.removeprefix(f"{name}_"): file for file in files}
    if folder.is_file():
        folder = folder.parent  # one of the files was named; the others lie beside it
    if not folder.is_dir():
        near = difflib.get_close_matches(str(data).lower(), NOTES, n=1, cutoff=0.5)
        names = ", ".join(NOTES)
        raise SnnlabError(
            f"data is {str(data)!r}, which is neither a folder nor one of {names}"
            + (f" (did you mean {near[0]}?)" if near else "")
            + "; a folder with train.h5 and test.h5 also does, as a path or by its name in "
            f"{data_folder()}. Check the name or the path."
        )
    return published_name(folder, printable(folder.resolve().name), "recordings"), _files(folder)


def verify(data: str | Path, parameter: str, settings: Mapping[str, Any]) -> None:
    """Check before a run that the files are there; nothing is unpacked.

    Raises:
        SnnlabError: as `find` and `check_protocol`.
    """
    _, files = find(data, unpack=False)
    get = settings.get
    check_protocol(files, get("hold_out", True), get("fold", 0), get("folds"))


def _people(files: Mapping[str, Path]) -> tuple[int, np.ndarray | None]:
    """Return the number of recordings, and who speaks in each; their spikes are not read."""
    columns = [
        read_arrays(path, ("labels",), ("speakers",))
        if path.suffix == ".npz"
        else read_columns(path)
        for path in files.values()
    ]
    labels, speakers = zip(*columns, strict=True)
    unknown = any(part is None for part in speakers)
    return sum(map(len, labels)), None if unknown else np.concatenate(speakers)


def channels_of(data: str | Path) -> int | None:
    """Return how many channels recordings say that they have; None where they do not say."""
    try:
        name, files = find(data, unpack=False)
        if name in NOTES:
            return N_CHANNELS
        own = [
            shape_of(path, "x")[-1] if path.suffix == ".npz" else read_channels(path)
            for path in files.values()
        ]
    except SnnlabError:  # `load` says what is wrong
        return None
    return max(number for number in own if number) if all(own) else None


def _files(folder: Path) -> dict[str, Path]:
    beside_all = None
    for prefix, suffix in (("", ".h5"), ("shd_", ".h5"), ("ssc_", ".h5"), ("", ".npz")):
        files = {
            split: folder / f"{prefix}{split}{suffix}" for split in ("train", "valid", "test", ALL)
        }
        files = {split: path for split, path in files.items() if path.is_file()}
        if files.keys() in ({ALL}, {"train", "test"}, {"train", "valid", "test"}):
            return files
        if ALL in files:
            beside_all = beside_all or files
    if beside_all:
        whole = beside_all.pop(ALL).name
        part = next(iter(beside_all.values())).name
        raise SnnlabError(
            f"{folder}: {whole} lies beside {part}; either {whole} was expected there, or train, "
            f"test and perhaps valid. Remove one of the two, {whole} or the others."
        )
    there = sorted(path.name for path in folder.glob("*") if path.suffix in (".h5", ".npz"))
    files_there = f" (only {', '.join(there[:4])})" if there else ""
    raise SnnlabError(
        f"{folder}: train.h5 and test.h5 (or shd_train.h5 and shd_test.h5, or SSC's) were expected "
        f"there and are not{files_there}; all.h5 alone does, too, and so do .npz files of "
        "DenseSet.save. Name "
        "the files so, or make such a folder from wav files with `snnlab data from-audio`."
    )


def check_protocol(
    files: Mapping[str, Path], hold_out: bool, fold: int, folds: int | None
) -> tuple[int, int]:
    """Return the fold and how many there are, 0 for the files' own split; see `checked_folds`.

    Where there are folds, the speakers are read, and no spikes.

    Raises:
        SnnlabError: there is no such fold, or nothing is to be held out where there is a validation
            file.
    """
    most = None
    if (fold or folds or ALL in files) and all(path.is_file() for path in files.values()):
        most = most_folds(*_people(files), "speakers", next(iter(files.values())).parent)
    fold, folds = checked_folds(fold, folds, OWN_FOLDS if ALL in files else 0, most)
    if not check_hold_out(hold_out) and "valid" in files and not folds:
        raise SnnlabError(
            f"{files['valid']}: a validation set is there, which nothing has to be held out for; "
            "expected the protocol held-out, which uses it."
        )
    return fold, folds
