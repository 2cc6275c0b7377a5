"""Load recordings from files: the set that ships, SHD, SSC, and those of one's own.

Nothing binned is kept on disk: reading and binning SHD takes a few seconds of one core
(`benchmarks/reader.py`), so it is enough to keep the last few sets in memory. Samples in steps are
read anew by each call.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import sha256, sha256_of, stamp
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.spike_set import SpikeSet, bin_events, check_bins, check_inputs
from snnlab.data.datasets.shd_files import NOTES, check_protocol, find
from snnlab.data.holdout import check_trained, choose_validation, divide
from snnlab.data.io.events import N_CHANNELS, read_channels, read_events, read_meta
from snnlab.data.splits import DataSplits, limited, optional_number, subsets

Part: TypeAlias = SpikeSet | DenseSet


def load(
    data: str | Path,
    *,
    dt_ms: float | None = None,
    n_in: int | None = None,
    binning: str = "regular",
    fold: int = 0,
    folds: int | None = None,
    seed: int = 0,
    limit: int | None = None,
    hold_out: bool = True,
) -> DataSplits[Any]:
    """Load recordings, and bin them if they are lists of spikes.

    Training speakers are held out if there is no validation file. With `folds`, the recordings of
    all files are divided anew, see `snnlab.data.holdout.divide`; a set in one file, `all`, comes in
    5 folds.

    Args:
        data: "spoken-digits" (ships with snnlab); "shd" or "ssc" (the published files, in `shd/` or
            `ssc/` below the data folder); or a folder with train.h5,
            test.h5 and perhaps valid.h5, or all.h5, or the same with .npz, or with SHD's or SSC's
            own file names; or one of those files.
        dt_ms: time step, 1 to 1000 ms; of samples in steps, None or their own.
        n_in: inputs, a divisor of the number of channels (700 in the published sets); None for one
            a channel.
        binning: "regular" steps, or "event" as in the published numbers; see `bin_events`.
        fold: the fold to test on.
        folds: how many; None or 0 for the set's own split. As many as speakers leaves each of them
            out once.
        seed: which recordings `limit` draws.
        limit: at most so many training recordings, and a quarter of it for validation, as many of
            each class as can be. The test set stays whole.
        hold_out: False trains on all recordings, as is published for SHD, and gives the test set in
            place of a validation set.

    Returns:
        Parts of `SpikeSet`s, or of `DenseSet`s where the samples are in steps already. The next
        call may return the same tensors of a `SpikeSet`, so do not change them in place.

    Raises:
        SnnlabError: there is no such data, a file is damaged, files do not belong together, a class
            is tested and not trained, a number is out of range, there is no such fold, or nothing
            is to be held out where there is a validation file.
    """
    limit = optional_number("limit", limit)
    name, files = find(data)
    fold, folds = check_protocol(files, hold_out, fold, folds)
    sets, about = _read(name, files, dt_ms, n_in, binning)
    folder = next(iter(files.values())).parent
    note = NOTES.get(name) or about.pop("note") or printable(f"recordings from {folder}")
    if folds:
        everything: list[Any] = [*sets.values()]
        recordings: Part = everything[0].joined(everything)
        parts, how = _in_folds(recordings, folder, fold, folds, hold_out)
        about["preprocessing"] |= {"fold": fold, "folds": folds}
    else:
        parts, how = _by_file(sets, files, hold_out)
    about["preprocessing"] |= {"limit": limit, "seed": seed, "hold_out": bool(hold_out)}
    return DataSplits(
        **limited(parts, limit, seed),
        name=name,
        path=str(folder),
        sha256=sha256_of(_digest(file, stamp(file)) for file in files.values()),
        note=f"{note}{how}",
        unit=about["unit"],
        preprocessing=about["preprocessing"],
    )


def _in_folds(
    recordings: Part, folder: Path, fold: int, folds: int, hold_out: bool
) -> tuple[dict[str, Part], str]:
    """Return the parts of a set that is divided anew, and how, in words."""
    labels = recordings.labels.numpy()
    speakers = None if recordings.speakers is None else recordings.speakers.numpy()
    index, how = divide(
        labels, speakers, fold=fold, folds=folds, where=folder, classes=recordings.classes,
        hold_out=hold_out,
    )  # fmt: skip
    return subsets(recordings, index), f"; {how}"


def _by_file(
    sets: dict[str, Part], files: dict[str, Path], hold_out: bool
) -> tuple[dict[str, Part], str]:
    """Return the parts of a set that its files divide, and how, in words."""
    train, test = sets["train"], sets["test"]
    note = ""
    trained = None if train.speakers is None else set(train.speakers.tolist())
    for split, part in sets.items():
        check_trained(_names(train), _names(part), files[split])
        if split != "train" and trained is not None and part.speakers is not None:
            speakers = set(part.speakers.tolist())
            if shared := speakers & trained:
                note += f"; {len(shared)} of {len(speakers)} {split} speakers are in training, too"
    if "valid" in sets:
        valid = sets["valid"]
    elif not hold_out:
        valid = test
        note += "; no validation: all training recordings are trained on"
    else:
        held, how = choose_validation(
            train.labels.numpy(),
            None if train.speakers is None else train.speakers.numpy(),
            files["train"],
            f"Add recordings or a valid{files['train'].suffix}.",
        )
        valid = train.subset(torch.from_numpy(held.nonzero()[0]))
        train = train.subset(torch.from_numpy((~held).nonzero()[0]))
        note += f"; {how}"
    return {"train": train, "valid": valid, "test": test}, note


def _read(
    name: str, files: dict[str, Path], dt_ms: float | None, n_in: int | None, binning: str
) -> tuple[dict[str, Part], dict[str, Any]]:
    """Return the recordings of each file, and their note, unit and preprocessing."""
    first = next(iter(files.values()))
    sets: dict[str, Part]
    form: dict[str, Any]
    if first.suffix == ".npz":
        sets = {split: _samples(file, dt_ms, n_in) for split, file in files.items()}
        about = {"note": "", "unit": "as saved, a step and input"}
        form = {"dt_ms": next(iter(sets.values())).dt_ms, "n_in": n_in}
    else:
        if dt_ms is None:
            raise SnnlabError(
                f"{first}: its times are seconds; a length of the time steps was expected. Give "
                "dt_ms, such as 10."
            )
        channels = N_CHANNELS
        if name not in NOTES:
            channels = max(_channels(file, stamp(file)) for file in files.values())
        n_in = channels if n_in is None else n_in
        check_bins(dt_ms, n_in, binning, channels)
        sets = {
            split: _binned(file, stamp(file), float(dt_ms), int(n_in), binning, channels)
            for split, file in files.items()
        }
        about = {"note": read_meta(first).get("note", ""), "unit": "spikes a step and input"}
        form = {"dt_ms": float(dt_ms), "n_in": int(n_in), "binning": binning}
    classes = next(iter(sets.values())).classes
    for split, file in files.items():
        if sets[split].classes != classes:
            raise SnnlabError(
                f"{file}: extra/keys differs from that of {first}; the same class names "
                "in the same order were expected. Put files of one data set into one folder."
            )
    if not classes:
        number = 1 + max(int(part.labels.max()) for part in sets.values())
        names = tuple(map(str, range(number)))
        sets = {split: replace(part, classes=names) for split, part in sets.items()}
    return sets, about | {"preprocessing": form}


def _samples(path: Path, dt_ms: float | None, n_in: int | None) -> DenseSet:
    """Return samples in steps, with adjacent inputs summed where fewer are wanted."""
    data = DenseSet.read(path)
    if dt_ms and data.dt_ms and dt_ms != data.dt_ms:
        raise SnnlabError(
            f"{path}: its steps last {data.dt_ms:g} ms, and dt_ms is {dt_ms:g}; both were expected "
            f"to be equal. Give dt_ms = {data.dt_ms:g}."
        )
    data = replace(data, dt_ms=float(dt_ms) if dt_ms else data.dt_ms)
    if n_in is None:
        return data
    if data.x.ndim != 3:
        raise SnnlabError(
            f"{path}: x has the shape {tuple(data.x.shape)}; (T, n, N), of N inputs, was "
            "expected. Train a network of your own on them: load_dataset without n_in, and fit."
        )
    check_inputs(n_in, channels := data.x.shape[2])
    if n_in == channels:
        return data
    return replace(data, x=data.x.float().unflatten(2, (int(n_in), -1)).sum(-1))


def _names(part: Part) -> list[str]:
    """Return the names of the classes that have a recording."""
    return [part.classes[label] for label in part.labels.unique().tolist()]


@lru_cache(maxsize=6)
def _binned(
    path: Path, stamp: tuple[int, int], dt_ms: float, n_in: int, binning: str, channels: int
) -> SpikeSet:
    events = replace(read_events(path), channels=channels)
    return bin_events(events, dt_ms=dt_ms, n_in=n_in, binning=binning)


@lru_cache(maxsize=64)
def _channels(path: Path, stamp: tuple[int, int]) -> int:
    return read_channels(path) or read_events(path).channels


@lru_cache(maxsize=64)
def _digest(path: Path, stamp: tuple[int, int]) -> str:
    return sha256(path)
