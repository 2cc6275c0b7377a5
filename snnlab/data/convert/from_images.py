"""Conversion of a folder of images to events in ES-ImageNet's layout."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.files import given_path, paths_below, write_text
from snnlab.data.encoding.es_imagenet import (
    LEAST,
    Label,
    encode,
    resized,
    write_labels,
    write_sample,
)
from snnlab.data.encoding.odg import THETA, check_theta
from snnlab.data.io.folders import read_names
from snnlab.data.io.images import SUFFIXES, class_folders, opened
from snnlab.data.io.many_files import (
    ConversionJob,
    ConversionResult,
    convert_all,
    distinct,
    same_settings,
    writing_alone,
)


def convert_folder(
    images: str | Path,
    target: str | Path,
    *,
    split: str = "train",
    theta: float = THETA,
    workers: int | None = None,
) -> ConversionResult:
    """Convert a folder of `<class>/*.jpg|jpeg|png` to ES-ImageNet's layout.

    The call writes `target/split/class{k}/{name}.npz` and `target/{split}label.txt`, where k is the
    number of the class in `target/classes.txt`. The first call writes that file, the sorted names
    of the folders, for all splits. `target/{split}-left-out.csv` lists the images that failed, and
    those that were dropped because they have fewer than 1000 events. Files that are newer than
    their images are kept, so the next call resumes a killed one.

    Args:
        images: folder with one folder a class.
        target: where it goes.
        split: train or val.
        theta: threshold of the events.
        workers: processes, by default one a core.

    Raises:
        SnnlabError: there is no image, the folders are train and val instead of classes, two images
            would become the same file, the classes are not those of `classes.txt`, the files there
            were made with another theta, or the disk is full.
    """
    images, target = given_path(images), given_path(target)
    if split not in ("train", "val"):
        raise SnnlabError(f"split is {split!r}; train or val was expected. Choose one.")
    check_theta(theta)
    folders = class_folders(images)
    _refuse_splits(images, [folder.name for folder in folders])
    classes = _classes(target / "classes.txt", [folder.name for folder in folders], images)
    jobs = distinct(_jobs(folders, classes, target / split, theta))
    if not jobs:
        raise SnnlabError(
            f"{images} holds no image; files {', '.join(SUFFIXES)} in one folder a class were "
            "expected. Check the path."
        )
    with writing_alone(target):
        same_settings(target / "conversion.json", {"theta": theta}, [target / f"{split}label.txt"])
        # Again: another call may have written it meanwhile
        _classes(target / "classes.txt", classes, images)
        if not (target / "classes.txt").exists():
            write_text(target / "classes.txt", "\n".join(classes) + "\n")
        outcome = convert_all(
            jobs,
            worker=_convert,
            workers=workers,
            report=target / f"{split}-left-out.csv",
            title=f"events of {split}",
            unit="image",
            together=16,
        )
        left_out = {source for source, _ in (*outcome.dropped, *outcome.failed)}
        write_labels(
            target / f"{split}label.txt",
            (
                Label(
                    job.target.relative_to(target / split).as_posix(),
                    job.settings[0],
                    *_size(job.source),
                )
                for job in jobs
                if job.source not in left_out
            ),
        )
    return outcome


def _refuse_splits(images: Path, names: Sequence[str]) -> None:
    """Refuse a folder of splits, which would become classes called train and val."""
    if set(names) <= {"train", "val"}:
        folders = "folders" if len(names) > 1 else "folder"
        raise SnnlabError(
            f"{images} has the {folders} {' and '.join(names)}, which are splits; one folder of "
            f"images a class was expected. Give {' and '.join(str(images / n) for n in names)} as "
            "the folder of images, each in a call of its own with its split."
        )


def _classes(file: Path, names: Sequence[str], images: Path) -> Sequence[str]:
    """Return the class names in the order of their numbers; those of `file`, if any, must match."""
    if not file.exists():
        return names
    listed = read_names(file)
    for name, there, missing in (
        *((name, images, file) for name in names if name not in listed),
        *((name, file, images) for name in listed if name not in names),
    ):
        raise SnnlabError(
            f"the class {name} is in {there} but not in {missing}; the same classes were expected, "
            "for the number of a class is its line there. Rename or add the folder (it may be "
            "empty), or choose another target."
        )
    return listed


def _jobs(
    folders: list[Path], classes: Sequence[str], target: Path, theta: float
) -> Iterator[ConversionJob]:
    """Yield one job an image, whose settings are the number of its class and `theta`."""
    for folder in folders:
        number = classes.index(folder.name)
        for source in paths_below(folder):
            if source.suffix.lower() in SUFFIXES:
                name = "_".join(source.relative_to(folder).with_suffix("").parts)
                # a label list is UTF-8, and split at spaces
                file = re.sub(r"[\s\ud800-\udfff]", "_", name) + ".npz"
                yield ConversionJob(source, target / f"class{number}" / file, (number, theta))


def _convert(job: ConversionJob) -> str | None:
    """Write the events of one image, or return why there is no file."""
    with opened(job.source) as image:
        image.load()
        with errors_at(job.source):
            sample = encode(image, job.settings[1])
    if len(sample) < LEAST:
        job.target.unlink(missing_ok=True)  # of an earlier state of the image
        return (
            f"{job.source} has {len(sample)} events; samples of ES-ImageNet have at least {LEAST}."
        )
    write_sample(job.target, sample)
    return None


def _size(source: Path) -> tuple[int, int]:
    """Return rows and columns of the resized image; only the header is read."""
    with opened(source) as image:
        columns, rows = resized(image.size)
    return rows, columns
