"""The registry of data sets: find one by its name, its folder or its own module, and load it.

A set of one's own needs one module with one `DatasetEntry`, and no change in snnlab: where the name
of a set is expected, `my_module:ENTRY` does as well, as long as Python can import the module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab._utils.places import data_folder
from snnlab._utils.references import import_reference, is_reference
from snnlab.data.datasets.catalogue import DATASETS, OWN
from snnlab.data.entry import DatasetEntry
from snnlab.data.paths import data_path

if TYPE_CHECKING:
    from snnlab.data.splits import DataSplits


def entry_of(name: str, kind: str | None = None) -> DatasetEntry:
    """Return the entry of a data set.

    Args:
        name: a name of the catalogue, or `module:entry`.
        kind: the kind that is expected, see `DatasetEntry`; None for any.

    Raises:
        SnnlabError: there is no such set, it is of another kind, or its module cannot be imported.
    """
    if not is_reference(name):
        names = [entry.name for entry in DATASETS.values() if kind in (None, entry.kind)]
        return DATASETS[known(name, names, f"data set of {kind}" if kind else "data set")]
    entry = import_reference(name, "the entry of a data set")
    if not isinstance(entry, DatasetEntry) or kind not in (None, entry.kind):
        kind_found = entry.kind if isinstance(entry, DatasetEntry) else type(entry).__name__
        raise SnnlabError(
            f"{name} is {kind_found}; a DatasetEntry of {kind or 'any kind'} was expected."
        )
    return entry


def find(
    data: str, kind: str | None = None, *, features: str | None = None
) -> tuple[DatasetEntry, str | Path]:
    """Find the entry that reads a data set, and where its files are.

    Args:
        data: a name of the catalogue, `module:entry`, or the name or path of a folder laid out as
            one of the sets, see `data_path`.
        kind: the kind that is expected; None for any.
        features: what of a recording is wanted; it decides who reads a folder of recordings.

    Returns:
        The entry, and the folder. What is neither a name nor a folder is returned as it is, with
        the entry of the first set of that kind, whose reader refuses it.

    Raises:
        SnnlabError: as `entry_of`.
    """
    if data in DATASETS or (is_reference(data) and not Path(data).exists()):
        entry = entry_of(data, kind)
        return entry, entry.folder
    layouts = [
        entry
        for entry in (*OWN, *DATASETS.values())
        if entry.parts
        and (entry in OWN or entry.archives or entry.by_hand)
        and kind in (None, entry.kind)
        and (features is None or features in entry.features)
    ]
    folder = data_path(data)
    _check_place(data)
    complete = [entry for entry in layouts if not entry.missing(folder)]
    # Of two layouts with as many parts, a published one says more than one of one's own
    entry = max(
        complete, key=lambda entry: (len(entry.parts), entry not in OWN), default=layouts[0]
    )
    return entry, folder if folder.exists() or entry.kind != "recordings" else data


def find_set(data: str, kind: str | None = None) -> tuple[DatasetEntry, Path]:
    """Find the entry of a data set, and its folder; see `load_dataset`.

    Raises:
        SnnlabError: there is no such set.
    """
    if data not in DATASETS and not is_reference(data) and not data_path(data).exists():
        _check_place(data)
        if Path(data).name != data:
            raise SnnlabError(f"{data}: there is no such folder. Check the path.")
        entry_of(data, kind)  # refuses it, with the nearest name
    entry, where = find(data, kind)
    return entry, Path(where)


def _check_place(data: str) -> None:
    """Refuse a name that is no set, where a folder of that name lies in the current folder.

    Raises:
        SnnlabError: it does.
    """
    if not data_path(data).exists() and Path(data).exists():
        raise SnnlabError(
            f"{data}: there is no such set in {data_folder()}, where names are looked up; a folder "
            f"elsewhere is given as a path. Give ./{data} for the one here."
        )


def load_dataset(
    name_or_folder: str | Path, *, layout: str | None = None, **settings: Any
) -> DataSplits[Any]:
    """Load a data set in three parts, each ready to be cut into batches.

    Args:
        name_or_folder: the name of a set (`snnlab data list` shows them), `module:entry`, or the
            folder of a set of one's own, by its name below the data folder or as a path.
        layout: the name of the set that the folder is laid out as; None to tell by its files.
        settings: arguments of the set's own `load`, such as `dt_ms` and `n_in` of spikes, `size` of
            pictures.

    Returns:
        `train`, `valid` and `test`, with the names of the `classes`.

    Raises:
        SnnlabError: there is no such set, its files are missing or damaged, or the set has no such
            setting.

    Example:
        >>> data = load_dataset("digits", samples=100, size=12)
        >>> x, y = next(data.train.batches(32))
        >>> x.shape, y.shape, len(data.classes)
        (torch.Size([1, 32, 1, 12, 12]), torch.Size([32]), 10)
    """
    if not isinstance(name_or_folder, str):
        name_or_folder = str(Path(name_or_folder).absolute())
    if layout is None:
        entry, where = find_set(name_or_folder)
    else:
        entry, where = entry_of(layout), data_path(name_or_folder)
    for name in settings:
        known(name, entry.settings, f"setting of {entry.name}")
    if needed := [name for name in entry.required() if name not in settings]:
        raise SnnlabError(
            f"{entry.name}: give {' and '.join(needed)}, too; its settings are "
            f"{', '.join(entry.settings)}."
        )
    data_splits: DataSplits[Any] = entry.read(where, settings)
    return data_splits
