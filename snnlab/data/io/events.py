"""Recordings as lists of spikes, and the HDF5 layout of the Heidelberg data sets that holds them.

A file is one split: `spikes/times` and `spikes/units` (ragged, one row a recording), `labels`,
`extra/speaker`, `extra/keys` (the class names) and `extra/meta_info`. SHD, SSC and everything that
snnlab writes look like this, so any reader of SHD reads our files and we read anybody's.

Files of one's own may leave out `extra/speaker` and `extra/keys`, and may say in `extra/channels`
how many channels they have; 700 are those of the cochlea model.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from snnlab._utils.errors import SnnlabError, errors_at, read_errors
from snnlab._utils.files import whole_file
from snnlab.data.io.folders import check_names

N_CHANNELS = 700  # of the cochlea model behind SHD and SSC
# The recordings of SHD last 0.2 to 1.4 s. A time above 10 is no spoken word in seconds, and every
# recording of more than 10 ms has such a time if its times are ms: neither is taken for the other.
MAX_SECONDS = 10.0
_ROWS = 4096  # recordings read at once, so that SSC never stands in memory three times over
_CURE = "Write the file again, or fetch it again if it was downloaded."


@dataclass(frozen=True)
class Events:
    """The recordings of one split, one after the other.

    Recording `i` is `times[offsets[i]:offsets[i + 1]]` and the same slice of `units`.

    Attributes:
        times: (E,) float32, seconds, ascending inside each recording.
        units: (E,) uint16, channel 0 to `channels` - 1; of the cochlea's 700, 0 hears the highest
            frequency.
        offsets: (n + 1,) int64, where each recording begins, and the end of the last.
        labels: (n,) int64, index into `keys`.
        speakers: (n,) int64, who speaks; None where that is not known.
        keys: the class names; none where a file of one's own names none.
        channels: how many there are. Of a file that does not say it, the cochlea's 700, or as many
            as occur if that is more.
    """

    times: np.ndarray
    units: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray | None
    keys: tuple[str, ...]
    channels: int = N_CHANNELS

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.labels)


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Return where each of n recordings begins, and the end of the last, (n + 1,) int64."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def read_events(path: str | Path) -> Events:
    """Read and check one file in SHD's layout.

    Raises:
        SnnlabError: the file is missing, not HDF5 or cut short; a group is missing; rows differ in
            number; times are not finite, negative, unsorted or above MAX_SECONDS; units or labels
            are out of range; a recording is empty; two classes have one name.
    """
    with _opened(path) as file:
        times, units = _ragged(file, "spikes/times"), _ragged(file, "spikes/units")
        labels, speakers = _columns(file)
        keys = _keys(_dataset(file, "extra/keys")) if "extra/keys" in file else ()
        channels = _channels(file)
        if len(units) != len(times):
            raise SnnlabError(
                f"spikes/times has {len(times)} recordings, spikes/units {len(units)}; one row "
                f"each was expected. {_CURE}"
            )
        _check_rows(labels, speakers, keys, len(times))
        parts = [
            _read_rows(times, units, start, channels or 2**16)
            for start in range(0, len(times), _ROWS)
        ]
    all_times, all_units, counts = map(np.concatenate, zip(*parts, strict=True))
    return Events(
        times=all_times,
        units=all_units,
        offsets=offsets_of(counts),
        labels=labels,
        speakers=speakers,
        keys=keys,
        channels=channels or max(N_CHANNELS, int(all_units.max()) + 1),
    )


def read_channels(path: str | Path) -> int | None:
    """Return how many channels a file says that it has; None where it does not say."""
    with _opened(path) as file:
        return _channels(file)


def read_columns(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the labels and the speakers of a file, (n,); the latter None where it has none."""
    with _opened(path) as file:
        return _columns(file)


@contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    """Open a file; the sentences of the block's errors begin with its path."""
    if not Path(path).is_file():
        raise SnnlabError(
            f"{path}: there is no such file; a file in SHD's HDF5 layout was expected. Check the "
            "path."
        )
    # what h5py raises for foreign, cut and damaged files
    kinds, expected = (OSError, RuntimeError), f"a whole file in SHD's layout was expected. {_CURE}"
    with (
        errors_at(path),
        read_errors("cannot be read as HDF5", expected, *kinds),
        h5py.File(path, "r") as file,
    ):
        yield file


def read_meta(path: str | Path) -> dict[str, str]:
    """Return the texts below `extra/meta_info` of a file that `read_events` accepts."""
    with h5py.File(path, "r") as file:
        group = file.get("extra/meta_info", {})
        return {
            name: item.asstr()[()]
            for name, item in group.items()
            if item.shape == () and item.dtype.kind == "O"
        }


def write_events(path: str | Path, events: Events, meta: Mapping[str, str] | None = None) -> None:
    """Write one file in SHD's layout, whole or not at all.

    Times are stored as float16 seconds as in SHD, which rounds them: to 0.5 ms below one second, 1
    ms below two.

    Raises:
        SnnlabError: the events are not what `Events` promises, or the file cannot be written.
    """
    with errors_at(path):
        _check_rows(events.labels, events.speakers, events.keys, len(events.offsets) - 1)
        counts = np.diff(events.offsets)
        _check_spikes(events.times, events.units, counts, 0, events.channels)
    cuts = events.offsets[1:-1]
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        spikes = file.create_group("spikes")
        for name, flat, dtype in (
            ("times", events.times, np.float16),
            ("units", events.units, np.uint16),
        ):
            rows = np.empty(len(events), dtype=object)  # numpy would make equal lengths a matrix
            for i, row in enumerate(np.split(flat.astype(dtype), cuts)):
                rows[i] = row
            spikes.create_dataset(name, data=rows, dtype=h5py.vlen_dtype(dtype))
        file.create_dataset("labels", data=events.labels.astype(np.uint16))
        extra = file.create_group("extra")
        if events.speakers is not None:
            extra.create_dataset("speaker", data=events.speakers.astype(np.uint16))
        if events.keys:
            extra.create_dataset("keys", data=np.array([key.encode() for key in events.keys]))
        if events.channels != N_CHANNELS:
            extra.create_dataset("channels", data=events.channels)
        group = extra.create_group("meta_info")
        for name, text in (meta or {}).items():
            group.create_dataset(name, data=text, dtype=h5py.string_dtype())


def _columns(file: h5py.File) -> tuple[np.ndarray, np.ndarray | None]:
    speakers = _column(file, "extra/speaker") if "extra/speaker" in file else None
    return _column(file, "labels"), speakers


def _channels(file: h5py.File) -> int | None:
    if "extra/channels" not in file:
        return None
    number = np.asarray(file["extra/channels"])
    if number.shape or number.dtype.kind not in "ui" or not 1 <= number <= 2**16:
        raise SnnlabError(
            f"extra/channels is {number}; a whole number from 1 to {2**16} was expected. {_CURE}"
        )
    return int(number)


def _read_rows(
    times: h5py.Dataset, units: h5py.Dataset, start: int, channels: int
) -> tuple[np.ndarray, ...]:
    """Read and check times, units and event counts of up to _ROWS recordings."""
    row_times, row_units = times[start : start + _ROWS], units[start : start + _ROWS]
    counts = np.fromiter(map(len, row_times), np.int64, len(row_times))
    other = np.fromiter(map(len, row_units), np.int64, len(row_units))
    _refuse(
        counts != other,
        "spikes/units",
        lambda i: f"{start + i} has {other[i]} units for {counts[i]} times",
        "one each",
    )
    flat_times = np.concatenate(row_times).astype(np.float32)  # numpy compares float16 slowly
    flat_units = np.concatenate(row_units)
    _check_spikes(flat_times, flat_units, counts, start, channels)
    return flat_times, flat_units.astype(np.uint16), counts


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    item = file.get(name)
    if not isinstance(item, h5py.Dataset):
        raise SnnlabError(
            f"the data set {name} is missing; spikes/times, spikes/units and labels were expected, "
            f"as in SHD. {_CURE}"
        )
    return item


def _ragged(file: h5py.File, name: str) -> h5py.Dataset:
    item = _dataset(file, name)
    kind, words = (
        ("f", "seconds as floats")
        if name == "spikes/times"
        else ("ui", "channel numbers as integers")
    )
    base = h5py.check_vlen_dtype(item.dtype)
    if base is None or item.ndim != 1 or np.dtype(base).kind not in kind:
        raise SnnlabError(
            f"{name} is of type {base or item.dtype}, shape {item.shape}; one row of {words} a "
            f"recording was expected. {_CURE}"
        )
    return item


def _column(file: h5py.File, name: str) -> np.ndarray:
    item = _dataset(file, name)
    if item.ndim != 1 or item.dtype.kind not in "ui":
        raise SnnlabError(
            f"{name} is of type {item.dtype}, shape {item.shape}; one integer a recording was "
            f"expected. {_CURE}"
        )
    return item[()].astype(np.int64)


def _keys(item: h5py.Dataset) -> tuple[str, ...]:
    """Read the class names, which other programs write as bytes, text or numbers."""
    names = np.atleast_1d(item[()])
    try:
        if names.ndim == 1:
            return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    except UnicodeDecodeError as error:
        raise SnnlabError(
            f"the name {error.object!r} in extra/keys is no UTF-8; the names of the classes were "
            f"expected. {_CURE}"
        ) from error
    raise SnnlabError(
        f"extra/keys has the shape {names.shape}; one name a class was expected. {_CURE}"
    )


def _check_rows(
    labels: np.ndarray, speakers: np.ndarray | None, keys: tuple[str, ...], n: int
) -> None:
    if n < 1:
        raise SnnlabError(f"holds no recording; at least one was expected. {_CURE}")
    check_names(keys, "extra/keys")
    most, of_keys = 2**16 - 1, ""
    if keys:
        most, of_keys = len(keys) - 1, f", an index into the {len(keys)} names of extra/keys,"
    _check_column(labels, "labels", n, f"0 to {most}{of_keys}", most)
    if speakers is not None:
        _check_column(speakers, "extra/speaker", n, f"0 to {2**16 - 1}", 2**16 - 1)


def _check_column(column: np.ndarray, field: str, n: int, expected: str, most: int) -> None:
    if len(column) != n:
        raise SnnlabError(
            f"{field} has {len(column)} entries for {n} recordings in spikes; one each was "
            f"expected. {_CURE}"
        )
    bad = (column < 0) | (column > most)
    _refuse(bad, field, lambda i: f"{i} is {column[i]}", expected)


def _check_spikes(
    times: np.ndarray,
    units: np.ndarray,
    counts: np.ndarray,
    first: int,
    channels: int,
) -> None:
    """Check lists of spikes; `first` is the index of the first recording in the file."""
    _refuse(counts == 0, "spikes/times", lambda i: f"{first + i} is empty", "at least one spike")
    ends = np.cumsum(counts)

    def shown(event: int, values: np.ndarray, what: str) -> str:
        recording = int(np.searchsorted(ends, event, side="right"))
        inside = event - int(ends[recording] - counts[recording])
        return f"{first + recording} {what} {values[event]} at spike {inside}"

    def refuse(bad: np.ndarray, what: str, expected: str) -> None:
        _refuse(bad, "spikes/times", lambda i: shown(i, times, what), expected)

    refuse(~np.isfinite(times), "has the time", "a finite number of seconds")
    refuse(times < 0, "has the negative time", "0 s or later")
    refuse(
        times > MAX_SECONDS,
        "has the time",
        f"at most {MAX_SECONDS:.0f} s, for times are seconds (divide by 1000 if these are ms, by "
        "1,000,000 if µs),",
    )
    backwards = np.zeros(len(times), dtype=bool)
    backwards[1:] = times[1:] < times[:-1]
    backwards[ends[:-1]] = False  # from the end of one recording to the start of the next
    refuse(backwards, "goes back in time to", "ascending times: sort each recording by time,")
    _refuse(
        (units < 0) | (units >= channels),
        "spikes/units",
        lambda i: shown(i, units, "has the channel"),
        f"0 to {channels - 1}",
    )


def _refuse(bad: np.ndarray, field: str, says: Callable[[int], str], expected: str) -> None:
    """Raise for the first entry that is bad; `says(i)` has its recording and what is wrong."""
    if bad.any():
        shown = says(int(bad.argmax()))
        raise SnnlabError(f"{field} of recording {shown}; {expected} was expected. {_CURE}")
