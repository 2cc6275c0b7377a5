"""Recordings of event cameras as frames of counts, read with tonic.

tonic is imported where a recording is read, and nowhere else.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from snnlab._utils.errors import SnnlabError, UnreadableError, reason_of
from snnlab._utils.optional import import_optional

_MNIST_EVENT = 5  # bytes of an event in a file .bin
_CURE = "Fetch it again."


@dataclass(frozen=True)
class Framing:
    """How the events of a recording become frames.

    Attributes:
        reader: the class of `tonic.datasets` whose files they are; "" for files of one's own.
        sensor: columns and rows of the camera, px.
        side: of the square that is cut out of the middle, px; what is smaller is centred in it.
        size: side length of a frame, px, to which the square is scaled down.
        steps: frames, equally long.
        denoise_ms: drop events that have no neighbour within so many ms; 0 for none.
        fits: whether every recording covers the whole sensor; if not, its first column and row are
            the lowest that occur.
    """

    reader: str
    sensor: tuple[int, int]
    side: int
    size: int
    steps: int
    denoise_ms: float = 0.0
    fits: bool = True


def read_frames(path: Path, framing: Framing) -> np.ndarray:
    """Read a recording as counts of events `(steps, 2, size, size)`, ON first.

    Args:
        path: the file.
        framing: how its events become frames.

    Returns:
        uint8, or int16 where a count is above 255.

    Raises:
        SnnlabError: the file is damaged or empty, or an event lies outside the sensor.
    """
    events = read_events(path, framing)
    transforms = _tonic("transforms")
    if framing.denoise_ms:
        events = transforms.Denoise(filter_time=1000 * framing.denoise_ms)(events)
    width, height = framing.sensor
    if not framing.fits and len(events):
        for axis in "xy":
            events[axis] -= events[axis].min()
        width, height = (int(events[axis].max()) + 1 for axis in "xy")
    if (width, height) != (framing.side, framing.side):
        events = transforms.CenterCrop((width, height, 2), (framing.side, framing.side))(events)
    if framing.size != framing.side:
        events = transforms.Downsample(
            sensor_size=(framing.side, framing.side, 2), target_size=(framing.size, framing.size)
        )(events)
    if not len(events):
        return np.zeros((framing.steps, 2, framing.size, framing.size), np.uint8)
    shape = (framing.size, framing.size, 2)
    frames = transforms.ToFrame(sensor_size=shape, n_time_bins=framing.steps)(events)[:, ::-1]
    return frames.astype(np.uint8 if frames.max() < 256 else np.int16)


def read_events(path: Path, framing: Framing) -> np.ndarray:
    """Read the events of a recording: x, y (px), t (microseconds, from 0 on) and p (1 for ON).

    Raises:
        SnnlabError: the file is damaged or empty, an event lies outside the sensor, or a package
            that reads it cannot be imported.
        UnreadableError: the system does not give the file.
    """
    import_readers(path)
    try:
        events = _decode(path, framing.reader)
    except (SnnlabError, MemoryError):
        raise
    except Exception as error:  # of a damaged file, nearly any kind
        try:
            path.read_bytes()
        except OSError as fault:
            raise UnreadableError(
                f"{path} cannot be read now ({fault.strerror or fault}); a file that may be read "
                "was expected. Check its permissions and the disk, and try again."
            ) from fault
        raise SnnlabError(
            f"{path} cannot be read ({reason_of(error)}); a whole recording of "
            f"{framing.reader or 'events'} was expected, as tonic reads it. {_CURE}"
        ) from error
    if not len(events):
        raise SnnlabError(f"{path} holds no event; at least one was expected. {_CURE}")
    columns, rows = framing.sensor
    x, y, t = (events[name] for name in "xyt")
    if min(x.min(), y.min()) < 0 or x.max() >= columns or y.max() >= rows:
        raise SnnlabError(
            f"{path} has events in columns {x.min()} to {x.max()} and rows {y.min()} to {y.max()}; "
            f"columns up to {columns - 1} and rows up to {rows - 1} were expected. {_CURE}"
        )
    # tonic cuts time into frames by a binary search
    return events[np.argsort(t, kind="stable")] if (np.diff(t) < 0).any() else events


def _decode(path: Path, reader: str) -> np.ndarray:
    """Decode a file by its ending, as the class of tonic does."""
    layout = getattr(_tonic("datasets"), reader or "NMNIST")
    if path.suffix == ".bin":
        if path.stat().st_size % _MNIST_EVENT:
            raise SnnlabError(
                f"{path} has {path.stat().st_size:,} bytes; a multiple of {_MNIST_EVENT} was "
                f"expected, {_MNIST_EVENT} bytes an event. {_CURE}"
            )
        raw = _tonic("io").read_mnist_file(str(path), dtype=layout.dtype)
    elif path.suffix == ".npy":
        rows = np.load(path, allow_pickle=False)
        if fields := rows.dtype.names:
            raw = {name: rows[name] for name in fields}
        elif reader:
            raw = {name: rows[:, i] for i, name in enumerate(layout.ordering)}
        else:
            raw = {}
        if missing := sorted(set("xytp") - raw.keys()):
            raise SnnlabError(
                f"{path} has no field {', '.join(missing)}; a structured array with the fields x, "
                "y (px), t (microseconds) and p was expected."
            )
        if reader == "DVSGesture":
            raw["t"] = raw["t"].astype(np.int64) * 1000  # ms
    else:
        decoded = _tonic("io").read_aedat4(str(path))
        raw = dict(zip("txyp", (decoded[name] for name in decoded.dtype.names), strict=True))
    events = np.empty(len(raw["t"]), dtype=[(name, np.int64) for name in "xytp"])
    for name in "xytp":
        if not np.isfinite(raw[name]).all():
            raise SnnlabError(f"{path} holds values of {name} that are not finite. {_CURE}")
        events[name] = raw[name]
    events["p"] = events["p"] > 0
    return events


def import_readers(path: Path) -> None:
    """Import the packages that read a file with this ending.

    Raises:
        SnnlabError: one of them cannot be imported.
    """
    _tonic("io")
    if path.suffix == ".aedat4":
        import_optional("aedat", "reads files .aedat4 for tonic", "aedat")


def _tonic(module: str) -> ModuleType:
    """Import a module of tonic when it is used: its import takes two seconds."""
    return import_optional(f"tonic.{module}", "reads recordings of event cameras", "camera")
