"""Recordings of event cameras that tonic reads: one adapter, and a description of each set.

A set of one's own in the format of one of tonic's classes needs a `CameraSet` with its name,
resolution and classes, and `CameraSet.load` as the `load` of its `DatasetEntry`.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError, UnreadableError
from snnlab._utils.fields import is_number, whole_number
from snnlab._utils.files import given_path, paths_below, stamp
from snnlab._utils.memory import memory_errors
from snnlab._utils.processes import mapped, processes
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.file_dataset import check_classes
from snnlab.data.cache import NotKept, cached
from snnlab.data.datasets.catalogue import published_name
from snnlab.data.datasets.cifar10_dvs import CLASSES
from snnlab.data.holdout import checked_folds, divide, most_folds, several, stratified
from snnlab.data.io.camera_events import Framing, import_readers, read_frames
from snnlab.data.io.folders import check_names
from snnlab.data.io.many_files import listed
from snnlab.data.splits import DataSplits, draw, optional_number

VALIDATION = 11  # one training recording in so many is for validation
BAD = 100  # at most one recording in so many may be bad and is left out
_FEW = 5000  # recordings that are read faster than processes start


@dataclass(frozen=True)
class CameraSet:
    """A set of recordings that a class of tonic reads.

    Attributes:
        name: of the set in the registry.
        reader: the class of `tonic.datasets` whose files they are.
        sensor: columns and rows of the camera, px.
        classes: their names; none for those of the folders.
        parts: below which folders the training and test recordings lie; one folder, or "" for the
            folder of the set, where there is no published split.
        suffix: how the files end; several with `|` between them.
        label: what in a path below the folder of the set says the class, as a group of a regular
            expression; a number is the place in `classes`.
        side: of the square that is cut out of the middle of the sensor; 0 where it is a square.
        fits: whether every recording covers the whole sensor.
        person: what in such a path says who was recorded, as `label`; "" where none does.
        own_folds: folds where no number is given; 0 where the split is published.
    """

    name: str
    reader: str
    sensor: tuple[int, int]
    classes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ("",)
    suffix: str = ".bin"
    label: str = r"([^/]+)/[^/]+$"
    side: int = 0
    fits: bool = True
    person: str = ""
    own_folds: int = 0

    def load(
        self,
        folder: str | Path,
        *,
        steps: int = 9,
        size: int | None = None,
        fold: int = 0,
        folds: int | None = None,
        labelled: int | None = None,
        seed: int = 0,
        denoise_ms: float = 0.0,
    ) -> DataSplits[DenseSet]:
        """Load counts of events `(steps, n, 2, size, size)`, ON first.

        Without `folds`, `test` is the published test set and `valid` one in eleven of the training
        recordings. With it, all recordings are divided anew, always in the same way. Where their
        paths say who was recorded, nobody is in two parts, see `snnlab.data.holdout.divide`. Else
        they are dealt out to so many parts of equal size and equal classes: `test` is part `fold`,
        `valid` one in eleven of the others.
        Bad recordings are left out, with a warning, if they are at most one in a hundred.

        Args:
            folder: of the set.
            steps: time steps, equally long, from the first event of a recording to its last.
            size: side length of a frame, px; None for that of the camera.
            fold: which part is tested on, from 0.
            folds: parts, as many as persons to leave each out once; None or 0 for the published
                split.
            labelled: recordings to train on, as many of each class as possible; None for all.
            seed: of the choice of these.
            denoise_ms: drop events that have no neighbour within so many ms; 0 for none.

        Raises:
            SnnlabError: recordings of a class are missing, too many files are bad, or a setting is
                out of its range.
        """
        folder = given_path(folder)
        seed = whole_number("seed", seed, 0)
        labelled = optional_number("labelled", labelled)
        framing = self._framing(steps, size, denoise_ms)
        files, labels, published, classes = self.find_files(folder)
        fold, folds, people = self.checked_folds(folder, files, fold, folds)
        index, origin = self._split(folder, labels, people, published, fold, folds)
        with memory_errors("reading the recordings", "fewer steps or a smaller size"):
            frames, problems = _read(folder, files, framing, self.name)
        origin += _left_out(folder, files, problems)
        train, valid, test = (own[problems[own] == ""] for own in index)
        train = train[draw("labelled", labelled, labels[train], seed, folder, len(classes))]
        parts = [
            DenseSet(
                torch.from_numpy(frames[own]).transpose(0, 1),
                torch.from_numpy(labels[own]),
                classes,
            )
            for own in (train, valid, test)
        ]
        for part, use in ((parts[0], "training"), (parts[2], "test")):
            check_classes(part, f"{folder}: the part for {use}")
        return DataSplits(
            *parts,
            unit="events a step and pixel; ON and OFF",
            preprocessing={
                "steps": framing.steps,
                "size": framing.size,
                "fold": fold if folds else None,
                "folds": folds or None,
                "labelled": labelled,
                "seed": seed,
                "denoise_ms": framing.denoise_ms,
            },
            name=published_name(folder, self.name, "events"),
            note=f"events in the layout of {self.name}; {origin}",
            path=str(folder),
        )

    def read(self, path: str | Path, seed: int | None = None) -> np.ndarray:
        """Read one recording as `load` does by default; `seed` is not used."""
        return read_frames(Path(path), self._framing(9, None, 0.0))

    @property
    def _expected(self) -> str:
        layout = f"laid out as tonic.datasets.{self.reader} has them"
        return f"recordings {layout if self.reader else 'in a folder a class'}"

    def _framing(self, steps: int, size: int | None, denoise_ms: float) -> Framing:
        side = self.side or self.sensor[0]
        size = side if size is None else whole_number("size", size, 1, side)
        if not is_number(denoise_ms) or denoise_ms < 0:
            raise SnnlabError(
                f"denoise_ms is {denoise_ms}; a number of ms was expected, 0 to keep every event."
            )
        steps, quiet = whole_number("steps", steps, 1), float(denoise_ms)
        return Framing(self.reader, self.sensor, side, size, steps, quiet, self.fits)

    def find_files(
        self, folder: Path
    ) -> tuple[list[Path], np.ndarray, np.ndarray | None, tuple[str, ...]]:
        """Find the recordings below a folder; none is read.

        Returns:
            Files, labels (n,), which are published for test (n,) or None, and the classes.

        Raises:
            SnnlabError: there is none, or a path does not say a known class.
        """
        files, texts, test = [], [], []
        for number, part in enumerate(self.parts):
            for path in sorted(
                path
                for suffix in self.suffix.split("|")
                for path in paths_below(folder / part, f"*{suffix}")
            ):
                match = re.search(self.label, path.relative_to(folder).as_posix())
                if match is None:
                    raise SnnlabError(
                        f"{path}: its path does not say its class; {self._expected} were "
                        "expected. Move it elsewhere."
                    )
                files.append(path)
                texts.append(match[1])
                test.append(number == 1)
        if not files:
            parts = " or ".join(f"{part or '.'}/" for part in self.parts)
            raise SnnlabError(
                f"{folder} holds no file *{self.suffix} in {parts}; {self._expected} were "
                "expected. Check the path."
            )
        classes = self.classes or tuple(sorted(set(texts)))
        check_names(classes, folder)
        place = {name: i for i, name in enumerate(classes)} | {
            str(i): i for i in range(len(classes)) if self.classes
        }
        for path, text in zip(files, texts, strict=True):
            if text not in place:
                raise SnnlabError(
                    f"{path} is of a class {text}; {', '.join(list(place)[:12])} were expected. "
                    "Move it elsewhere."
                )
        labels = np.array([place[text] for text in texts])
        return files, labels, np.array(test) if len(self.parts) == 2 else None, classes

    def checked_folds(
        self, folder: Path, files: Sequence[Path], fold: int, folds: int | None
    ) -> tuple[int, int, np.ndarray | None]:
        """Return the fold, how many there are, and who was recorded in each file.

        See `snnlab.data.holdout.checked_folds` and `_people`.
        """
        people = self._people(folder, files)
        most = most_folds(len(files), people, "people", folder)
        return *checked_folds(fold, folds, self.own_folds, most), people

    def _people(self, folder: Path, files: Sequence[Path]) -> np.ndarray | None:
        """Return who was recorded in each file, (n,) of names; None where a path does not say."""
        paths = (path.relative_to(folder).as_posix() for path in files)
        matches = [re.search(self.person, path) if self.person else None for path in paths]
        return several(np.array([match[1] for match in matches if match])) if all(matches) else None

    def _split(
        self,
        folder: Path,
        labels: np.ndarray,
        people: np.ndarray | None,
        test: np.ndarray | None,
        fold: int,
        folds: int,
    ) -> tuple[Sequence[np.ndarray], str]:
        """Return the ascending indices of train, valid and test, and their origin in words."""
        if folds and people is not None:
            parts, how = divide(labels, people, fold=fold, folds=folds, where=folder)
            return [*parts.values()], how.replace("speakers", "people")
        if folds:
            held = stratified(labels, folds) == fold
            origin = f"test is fold {fold} of {folds} of all recordings, drawn with seed 0"
        elif test is None or test.all() or not test.any():
            raise SnnlabError(
                f"{folder}: there is no published split of these recordings into training and "
                "test; a number of folds was expected. Give folds, such as 5."
            )
        else:
            held, origin = test, "test is the published test set"
        others = np.flatnonzero(~held)
        valid = stratified(labels[others], VALIDATION) == 0
        index = others[~valid], others[valid], np.flatnonzero(held)
        return index, f"{origin}, validation one in {VALIDATION} of the others"


def _read(
    folder: Path, files: Sequence[Path], framing: Framing, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (n, T, 2, H, W) and what is wrong with each file (n,), both from the cache."""
    key = {
        "files": [(path.relative_to(folder).as_posix(), *stamp(path)) for path in files],
        "framing": vars(framing) | {"folder": str(folder)},
    }

    def read_all() -> np.ndarray:
        import_readers(files[0])  # a missing package is no fault of a file, and is not cached
        worker, few = partial(_attempt, framing=framing), len(files) <= _FEW
        with mapped(worker, files, 1 if few else processes(None), together=64) as results:
            bar = tqdm(results, f"reading {name}", len(files), unit="recording", disable=few)
            arrays, problems, passing = zip(*bar, strict=True)
        kinds = {array.dtype for array in arrays if array is not None}
        shape = (framing.steps, 2, framing.size, framing.size)
        texts = np.array(problems)
        fields = [("frames", np.result_type(np.uint8, *kinds), shape), ("problem", texts.dtype)]
        table = np.zeros(len(files), fields)
        table["problem"] = texts
        for row, array in zip(table["frames"], arrays, strict=True):
            if array is not None:
                row[:] = array
        if any(passing):
            raise NotKept(table)
        return table

    table = cached("event-recordings", key, read_all)
    return np.asarray(table["frames"]), np.asarray(table["problem"])


def _attempt(path: Path, framing: Framing) -> tuple[np.ndarray | None, str, bool]:
    """Return the frames, what is wrong with the file, and whether that may pass."""
    try:
        return read_frames(path, framing), "", False
    except SnnlabError as error:
        return None, str(error), isinstance(error, UnreadableError)


def _left_out(folder: Path, files: Sequence[Path], problems: np.ndarray) -> str:
    """Warn about bad files, and return how many there are in words; refuse too many.

    Raises:
        SnnlabError: they are more than one in a hundred.
    """
    bad = [str(problem) for problem in problems if problem]
    if not bad:
        return ""
    first = f"{folder}: {len(bad):,} of {len(files):,} recordings are bad"
    if len(bad) * BAD > len(files):
        raise SnnlabError(
            listed(f"{first}; at most one in {BAD} was expected. Fetch them again:", bad)
        )
    warnings.warn(listed(f"{first} and left out:", bad), stacklevel=4)
    return f"; {len(bad):,} bad recordings left out, the first: {bad[0]}"


DIGITS = tuple("0123456789")
GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
SETS = {
    camera.name: camera
    for camera in (
        CameraSet("n-mnist", "NMNIST", (34, 34), DIGITS, ("Train", "Test")),
        CameraSet(
            "dvs-gesture",
            "DVSGesture",
            (128, 128),
            GESTURES,
            ("ibmGestureTrain", "ibmGestureTest"),
            suffix=".npy",
            label=r"(\d+)\.npy$",
            person=r"user(\d+)",
        ),
        CameraSet(
            "poker-dvs",
            "POKERDVS",
            (35, 35),
            ("cl", "he", "di", "sp"),
            ("pips_train", "pips_test"),
            suffix=".npy",
            label=r"(..)/[^/]+$",
        ),
        CameraSet(
            "n-caltech101",
            "NCALTECH101",
            (240, 180),
            parts=("Caltech101",),
            side=180,
            fits=False,
        ),
        CameraSet("cifar10-dvs-recordings", "CIFAR10DVS", (128, 128), CLASSES, suffix=".aedat4"),
    )
}
n_mnist = SETS["n-mnist"].load
dvs_gesture = SETS["dvs-gesture"].load
poker_dvs = SETS["poker-dvs"].load
n_caltech101 = SETS["n-caltech101"].load
cifar10_dvs_recordings = SETS["cifar10-dvs-recordings"].load
