"""Load every data set in SHD's layout: the set that ships, SHD, SSC, and any folder.

Nothing binned is kept on disk: SHD's 8,156 training recordings take 0.9 s to read and 1 to 2 s to
bin on one core (`benchmarks/reader.py`), so it is enough to keep the last few sets in memory.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import sha256, sha256_of
from snnlab.data.batches.spike_set import SpikeSet, bin_events, check_bins
from snnlab.data.cache import stamp
from snnlab.data.datasets.shd_files import NOTES, check_protocol, find
from snnlab.data.holdout import balanced, choose_validation
from snnlab.data.io.events import read_events, read_meta
from snnlab.data.splits import DataSplits, check_limit, check_trained


def load(
    data: str | Path,
    *,
    dt_ms: float,
    n_in: int,
    binning: str = "regular",
    seed: int = 0,
    limit: int | None = None,
    hold_out: bool = True,
) -> DataSplits[SpikeSet]:
    """Load and bin recordings; hold out training speakers if there is no validation file.

    Args:
        data: "spoken-digits" (ships with snnlab); "shd" or "ssc" (the published files, in `shd/` or
            `ssc/` below the folder SNNLAB_DATA, or data/ of the clone); or a folder with train.h5,
            test.h5 and perhaps valid.h5, or with SHD's or SSC's own file names; or one of those
            files.
        dt_ms: time step, 1 to 1000 ms.
        n_in: inputs, a divisor of 700.
        binning: "regular" steps, or "event" as in the published numbers; see `bin_events`.
        seed: which recordings `limit` draws.
        limit: at most so many training recordings, and a quarter of it for validation, as many of
            each class as can be. The test set stays whole.
        hold_out: False trains on all recordings, as is published for SHD, and gives the test set in
            place of a validation set.

    Raises:
        SnnlabError: there is no such data, a file is damaged, files do not belong together, a class
            is tested and not trained, a number is out of range, or nothing is to be held out where
            there is a validation file.
    """
    check_bins(dt_ms, n_in, binning)
    check_limit(limit)
    name, files = find(data)
    check_protocol(files, hold_out)
    sets = {
        split: _binned(file, stamp(file), float(dt_ms), int(n_in), binning)
        for split, file in files.items()
    }
    for split, file in files.items():
        if sets[split].classes != sets["train"].classes:
            raise SnnlabError(
                f"{file}: extra/keys differs from that of {files['train']}; the same class names "
                "in the same order were expected. Put files of one data set into one folder."
            )
        check_trained(_names(sets["train"]), _names(sets[split]), file)
    meta = read_meta(files["train"])
    note = (
        NOTES.get(name) or meta.get("note") or printable(f"recordings from {files['train'].parent}")
    )
    train, test = sets["train"], sets["test"]
    trained = set(train.speakers.tolist())
    for split, part in sets.items():
        speakers = set(part.speakers.tolist())
        if split != "train" and (shared := speakers & trained):
            note += f"; {len(shared)} of {len(speakers)} {split} speakers are in training, too"
    if "valid" in sets:
        valid = sets["valid"]
    elif not hold_out:
        valid = test
        note += "; no validation: all training recordings are trained on"
    else:
        held, how = choose_validation(
            train.labels.numpy(),
            train.speakers.numpy(),
            files["train"],
            "Add recordings or a valid.h5.",
        )
        valid = train.subset(torch.from_numpy(held.nonzero()[0]))
        train = train.subset(torch.from_numpy((~held).nonzero()[0]))
        note += f"; {how}"
    if limit is not None:
        train = train.subset(torch.from_numpy(balanced(train.labels.numpy(), limit, seed)))
        if valid is not test:
            valid = valid.subset(
                torch.from_numpy(balanced(valid.labels.numpy(), max(1, limit // 4), seed))
            )
    digests = [_digest(file, stamp(file)) for file in files.values()]
    return DataSplits(
        train=train,
        valid=valid,
        test=test,
        name=name,
        path=str(files["train"].parent),
        sha256=sha256_of(digests),
        note=note,
        unit="spikes a step and input",
        preprocessing={
            "dt_ms": float(dt_ms),
            "n_in": int(n_in),
            "binning": binning,
            "limit": limit,
            "seed": seed,
            "hold_out": hold_out,
        },
    )


def _names(part: SpikeSet) -> list[str]:
    """Return the names of the classes that have a recording."""
    return [part.classes[label] for label in part.labels.unique().tolist()]


@lru_cache(maxsize=6)
def _binned(path: Path, stamp: tuple[int, int], dt_ms: float, n_in: int, binning: str) -> SpikeSet:
    return bin_events(read_events(path), dt_ms=dt_ms, n_in=n_in, binning=binning)


@lru_cache(maxsize=64)
def _digest(path: Path, stamp: tuple[int, int]) -> str:
    return sha256(path)
