"""The set that ships with snnlab: a file of spike counts in data/shipped/, unpacked on first use.

At full resolution the set is too large for a repository. The packed file counts spikes in cells of
`STEP` seconds and 700 / `GROUPS` adjacent channels, time beginning at a recording's first spike,
exactly as `snnlab.data.batches.spike_set.bin_events` does. Unpacked, the spikes of a cell stand at
the middle of its step, spread over its channels in turn, and the first spike of a recording at time
0. Binned again with steps and groups that are multiples of these, the counts are therefore those of
the recordings at full resolution; what is lost is anything finer.

`python -m snnlab.data.datasets.shipped FOLDER` packs the files that `snnlab data make
spoken-digits` left in FOLDER.
"""

import argparse
import io
import json
import lzma
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path, sha256, whole_file, write_text
from snnlab._utils.places import data_folder
from snnlab.data.io.events import (
    N_CHANNELS,
    Events,
    offsets_of,
    read_events,
    read_meta,
    write_events,
)
from snnlab.data.paths import SHIPPED

STEP = 0.010  # s
GROUPS = 140
SPLITS = ("train", "valid", "test")
NAME = "spoken-digits"

_BLOCK = 256  # recordings unpacked at once
# The entry of extra/meta_info that tells our files from a person's own
_PACKED_AS = "unpacked from"
# counts are bytes that hardly depend on their position in a machine word
_XZ = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def shipped(*, unpack: bool = True) -> Path:
    """Return the folder of the set that ships, with train.h5, valid.h5 and test.h5; unpack it once.

    It lies below the data folder. Each file appears whole or not at all, so two processes may do
    this at once; a newer packed file replaces what an older one left.

    Args:
        unpack: False only checks that the files are there or can be unpacked.

    Raises:
        SnnlabError: the packed file is missing or damaged, the folder holds another data set, or it
            cannot be written.
    """
    packed = SHIPPED / f"{NAME}.npz.xz"
    digest = _expected(packed)
    folder = data_folder() / NAME
    files = {split: folder / f"{split}.h5" for split in SPLITS}
    origins = [_origin(file) for file in files.values()]
    if all(origin == digest for origin in origins):
        return folder
    for file, origin in zip(files.values(), origins, strict=True):
        if origin == "":
            raise SnnlabError(
                f"{file}: is not a file that ships with snnlab, and would be overwritten; {folder} "
                "was expected to hold the set that ships or nothing. Move your files and give "
                "their folder as data."
            )
    if not unpack:
        return folder
    content = _load(packed, digest)
    meta = {**json.loads(str(content["meta"])), _PACKED_AS: digest}
    for split, file in files.items():
        write_events(file, expand(content, split), meta)
    return folder


def pack(folder: str | Path, packed: str | Path) -> Path:
    """Pack train.h5, valid.h5 and test.h5 of a folder, and write the SHA-256 beside the result.

    The packed file is an xz-compressed `.npz`. Of each split it holds `counts` (all recordings'
    steps one after the other, GROUPS) uint8, `lengths` (n,) steps, `labels` (n,) and `speakers`
    (n,); and once `keys` and `meta` (JSON).

    Raises:
        SnnlabError: a file is missing or damaged, or the result cannot be written.
    """
    # Here: a newcomer who unpacks needs no compiler
    from snnlab.data.batches.spike_set import bin_events

    folder, packed = given_path(folder), given_path(packed)
    content: dict[str, Any] = {}
    for split in SPLITS:
        events = read_events(folder / f"{split}.h5")
        binned = bin_events(events, dt_ms=1000 * STEP, n_in=GROUPS)
        lengths = binned.lengths.numpy()
        starts = np.cumsum(lengths) - lengths
        where = np.repeat(starts * GROUPS, np.diff(binned.offsets.numpy())) + binned.cells.numpy()
        if binned.counts.max() > 255:
            raise SnnlabError(
                f"{folder / split}.h5: {binned.counts.max()} spikes in one cell; at most 255 were "
                f"expected of {N_CHANNELS // GROUPS} channels in {1000 * STEP:g} ms. These are not "
                "the cochlea's spikes."
            )
        counts = np.zeros(lengths.sum() * GROUPS, dtype=np.uint8)
        counts[where] = binned.counts.numpy()
        content[f"{split}/counts"] = counts.reshape(-1, GROUPS)
        content[f"{split}/lengths"] = lengths.astype(np.uint16)
        content[f"{split}/labels"] = events.labels.astype(np.uint16)
        assert events.speakers is not None  # `snnlab data make` writes them
        content[f"{split}/speakers"] = events.speakers.astype(np.uint16)
    meta = read_meta(folder / "train.h5")
    meta["resolution"] = (
        f"counted in {1000 * STEP:g} ms and {N_CHANNELS // GROUPS} adjacent channels"
    )
    raw = io.BytesIO()
    np.savez(raw, keys=np.array(events.keys), meta=json.dumps(meta), **content)
    with whole_file(packed) as temporary:
        temporary.write_bytes(lzma.compress(raw.getvalue(), filters=_XZ))
    # As sha256sum writes and checks it
    write_text(_checksum_file(packed), f"{sha256(packed)}  {packed.name}\n")
    return packed


def expand(content: dict[str, Any], split: str) -> Events:
    """Return the events of one split of a packed file, at the middle of their cells."""
    counts, lengths = content[f"{split}/counts"], content[f"{split}/lengths"].astype(np.int64)
    ends = np.cumsum(lengths)
    sizes = np.add.reduceat(counts.sum(1, dtype=np.int64), ends - lengths)
    times, units = np.empty(sizes.sum(), np.float32), np.empty(sizes.sum(), np.uint16)
    offsets = offsets_of(sizes)
    for first in range(0, len(lengths), _BLOCK):
        last = min(first + _BLOCK, len(lengths))
        block = counts[ends[first] - lengths[first] : ends[last - 1]]
        part = slice(offsets[first], offsets[last])
        times[part], units[part] = _spread(block, lengths[first:last])
    # The reader's time begins at the first spike: keep it off the middle of the step
    times[offsets[:-1]] = 0.0
    return Events(
        times=times,
        units=units,
        offsets=offsets,
        labels=content[f"{split}/labels"].astype(np.int64),
        speakers=content[f"{split}/speakers"].astype(np.int64),
        keys=tuple(map(str, content["keys"])),
    )


def _spread(counts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times and units of all spikes of recordings with `counts` (steps of all, GROUPS)."""
    filled = np.flatnonzero(counts)
    inside = counts.ravel()[filled].astype(np.int64)
    step = np.arange(len(counts)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    cell = np.repeat(filled, inside)
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(inside) - inside, inside)
    row, group = np.divmod(cell, GROUPS)
    width = N_CHANNELS // GROUPS
    return (step[row] + 0.5) * STEP, group * width + (step[row] + rank) % width


def _load(packed: Path, digest: str) -> dict[str, Any]:
    checksum = sha256(packed)
    if checksum != digest:
        raise SnnlabError(
            f"{packed}: is damaged (its SHA-256 is {checksum[:12]}..., "
            f"{_checksum_file(packed).name} says {digest[:12]}...); the file of the repository "
            f"was expected. Get it back with `git checkout -- {packed}`."
        )
    with lzma.open(packed) as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as content:
        return dict(content)


def _expected(packed: Path) -> str:
    """Return the SHA-256 that a packed file must have."""
    checksum = _checksum_file(packed)
    if not packed.is_file() or not checksum.is_file():
        raise SnnlabError(
            f"{packed}: this file and {checksum.name} were expected and are not both there. "
            "Restore them with `git checkout -- data` in a clone, or install snnlab again."
        )
    return checksum.read_text("utf-8").split()[0]


def _checksum_file(packed: Path) -> Path:
    return packed.with_name(packed.name + ".sha256")


def _origin(file: Path) -> str | None:
    """Return the checksum of the packed file that this one came from.

    It is empty if the file came from none, None if there is no whole file.
    """
    try:
        return read_meta(file).get(_PACKED_AS, "") if h5py.is_hdf5(file) else None
    except OSError:
        return None


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m snnlab.data.datasets.shipped", description="Pack a generated data set."
    )
    parser.add_argument("folder", type=Path, help="holds train.h5, valid.h5 and test.h5")
    out = pack(parser.parse_args().folder, SHIPPED / f"{NAME}.npz.xz")
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    _main()
