"""Check of a data set of one's own, of which nothing is published: can all of it be read?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.report import Finding, error, info, ok
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.entry import DatasetEntry
from snnlab.data.fetch.check import sum_of_sample
from snnlab.data.io.many_files import attempt_all, listed


def check_own(
    entry: DatasetEntry, folder: Path, *, workers: int | None = None
) -> Iterator[Finding]:
    """Load a data set as a run does, and read each of its files.

    Args:
        entry: the layout of the folder.
        folder: where the files are.
        workers: processes, by default one a core.

    Yields:
        What is wrong; or what each part has, and how the set is divided.
    """
    steps = any(folder.glob("*.npz"))  # which have a length of their own
    try:
        data = entry.read(folder, {} if steps else {"dt_ms": 10.0})
    except SnnlabError as reason:
        yield error(str(reason))
        return
    for name in ("train", "valid", "test"):
        part = getattr(data, name)
        classes = f"{len(part.labels.unique())} of {len(data.classes)} classes"
        yield ok(f"{name}: {len(part):,} samples of {classes}")
        if isinstance(part, FileDataset):
            reader = partial(sum_of_sample, part.read)
            _, failed = attempt_all(part.samples, reader, workers, title=name, together=16)
            if failed:
                first = f"{len(failed):,} of {len(part):,} files are bad"
                yield error(listed(first, [sentence for _, sentence in failed]))
    yield info(data.note)
