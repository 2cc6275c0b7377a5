"""Comparison of a data set on this machine with what is published of it."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import now
from snnlab._utils.report import Finding, error, info, ok
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.entry import DatasetEntry, imported
from snnlab.data.fetch.obtain import write_provenance
from snnlab.data.io.many_files import attempt_all, listed, write_report

SAMPLE = 1000  # files read, unless the check is thorough
SPEAKERS, TEST_ONLY = 12, 2  # of SHD
SECONDS = (0.2, 1.5)  # mean time of the last spike of a spoken word
RATE = 0.0519  # events a pixel, step and polarity of ES-ImageNet, from memory
MAX_TRAIN, N_VAL = 1300, 50  # pictures of a class in ImageNet's train and val
_GROUP = re.compile(r"_g(\d+)_c\d+")


@dataclass(frozen=True)
class _Check:
    data: DatasetEntry
    thorough: bool
    workers: int | None
    counts: dict[str, int] = field(default_factory=dict)  # samples of each split, as counted
    values: list[float] = field(default_factory=list)  # what the reader gave for the good samples

    def read(self, samples: Sequence[Any], worker: Callable[[Any], float]) -> Finding:
        """Read all or SAMPLE of the samples."""
        chosen = samples
        if not self.thorough and len(samples) > SAMPLE:
            chosen = random.Random(0).sample(list(samples), SAMPLE)
        title = f"reading {self.data.name}"
        done, failed = attempt_all(chosen, worker, self.workers, title=title, together=16)
        self.values.extend(value for _, value in done)
        where = ""
        with suppress(SnnlabError, OSError):  # the folder may be read-only
            report = self.data.folder / "check.csv"
            write_report(report, failed)
            where = f"; all are listed in {report}"
        if failed:
            first = f"{len(failed):,} of {len(chosen):,} files that were read are bad{where}"
            return error(listed(first, [sentence for _, sentence in failed]))
        if len(chosen) < len(samples):
            return ok(f"{len(chosen):,} files of {len(samples):,} can be read")
        return ok(f"all {len(chosen):,} files can be read")

    def read_parts(self, parts: Mapping[str, FileDataset]) -> Finding:
        together = _joined(*parts.values())
        return self.read(together.samples, partial(sum_of_sample, together.read))

    def compare(self, parts: Mapping[str, FileDataset]) -> Iterator[Finding]:
        """Compare the numbers of samples and classes with those published."""
        self.counts.update({name: len(part.samples) for name, part in parts.items()})
        yield self.count()
        for name, part in parts.items():
            yield self.classes(part.labels, len(part.classes), self.data.folder / name)

    def count(self) -> Finding:
        published = self.data.counts
        text = f"samples: {_listing({name: self.counts[name] for name in published[0]})}"
        if self.counts in published:
            sums = {sum(one.values()) for one in published}  # one sum: sources differ
            most_quoted = len(published) > len(sums) and self.counts == published[0]
            return ok(f"{text} (the most quoted count)" if most_quoted else text)
        expected = ", or ".join(_listing(counts) for counts in published)
        text = f"{self.data.folder}: {text}; {expected} is published"
        wrong = {
            name
            for name in published[0]
            if all(self.counts[name] != one[name] for one in published)
        }
        if wrong and wrong <= set(self.data.unsure):
            return info(f"{text}, but the source of that number is uncertain.")
        return error(f"{text}. Get what is missing: snnlab data get {self.data.name}")

    def classes(self, labels: Any, named: int, where: Path) -> Finding:
        present = len(np.unique(labels))
        if present == named == self.data.classes:
            return ok(f"{where.name}: {present} classes")
        return error(
            f"{where} has samples of {present} classes and names {named}; {self.data.classes} were "
            "expected. Get what is missing."
        )


def check(
    data: DatasetEntry, *, thorough: bool = False, workers: int | None = None
) -> Iterator[Finding]:
    """Check the folder of a data set, and note in its `provenance.json` that no error was found.

    Args:
        data: one of `snnlab.data.datasets.catalogue.DATASETS`.
        thorough: read every file, not a sample of 1,000. The recordings of SHD and SSC are always
            read.
        workers: processes, by default one a core.

    Yields:
        The findings as they come. The note is written after the last.

    Raises:
        SnnlabError: `workers` is below 1, or a process died.
    """
    if not data.folder.is_dir():
        yield error(
            f"{data.folder}: there is no such folder; get it with `snnlab data get {data.name}`."
        )
        return
    task, good = _Check(data, thorough, workers), True
    try:
        for finding in imported(data.check)(task):
            good &= finding.status != "error"
            yield finding
    except SnnlabError as reason:
        good = False
        yield error(str(reason))
    except OSError as reason:
        good = False
        yield error(f"{data.folder} cannot be read ({reason}); a readable folder was expected.")
    if good:
        checked = {"date": now(), "thorough": thorough, "counts": task.counts}
        with suppress(SnnlabError):  # the folder may be read-only
            write_provenance(data.folder, checked=checked)


def check_spikes(task: _Check) -> Iterator[Finding]:
    """Check SHD or SSC: counts, classes, durations, channels and speakers."""
    from snnlab.data.io.events import N_CHANNELS, read_events

    speakers: dict[str, set[int]] = {}
    for split in task.data.counts[0]:
        file = task.data.folder / f"{task.data.name}_{split}.h5"
        try:
            events = read_events(file)
        except SnnlabError as reason:
            yield error(str(reason))
            continue
        task.counts[split] = len(events)
        if events.speakers is None:
            yield error(f"{file}: extra/speaker is missing; it is published. Get it again.")
        else:
            speakers[split] = set(events.speakers.tolist())
        yield task.classes(events.labels, len(events.keys), file)
        last = events.times[events.offsets[1:] - 1]
        low, high = SECONDS
        text = (
            f"{file.name}: {last.mean():.2f} s to the last spike on average, {last.min():.2f} to "
            f"{last.max():.2f}"
        )
        expected = f"{low} to {high} s on average were expected. Get it again."
        yield verdict(low <= last.mean() <= high, text, expected)
        first, final = events.units.min(), events.units.max()
        status = ok if int(final) - int(first) >= N_CHANNELS // 2 else info
        yield status(f"{file.name}: channels {first} to {final} of {N_CHANNELS} have spikes")
    if len(task.counts) == len(task.data.counts[0]):
        yield task.count()
    if task.data.name == "shd" and len(speakers) == 2:
        everybody = len(speakers["train"] | speakers["test"])
        test_only = len(speakers["test"] - speakers["train"])
        text = f"{everybody} speakers, {test_only} of them only in test"
        right = (everybody, test_only) == (SPEAKERS, TEST_ONLY)
        yield verdict(right, text, f"{SPEAKERS} and {TEST_ONLY} are published", info)


def check_imagenet(task: _Check) -> Iterator[Finding]:
    """Check ImageNet: counts, classes, pictures of each class, and files."""
    parts = _parts(task)
    yield from task.compare(parts)
    for name, least, most in (("train", 1, MAX_TRAIN), ("val", N_VAL, N_VAL)):
        for label, n in sorted(Counter(parts[name].labels.tolist()).items()):
            if not least <= n <= most:
                expected = f"{most}" if least == most else f"{least} to {most}"
                yield error(
                    f"{task.data.folder / name / parts[name].classes[label]} holds {n:,} pictures; "
                    f"{expected} were expected. Unpack it again."
                )
    yield task.read_parts(parts)


def check_es_imagenet(task: _Check) -> Iterator[Finding]:
    """Check ES-ImageNet: counts, classes, files and the rate of events."""
    parts = _parts(task)
    yield from task.compare(parts)
    yield task.read_parts(parts)
    if task.values:
        rate = float(np.mean(task.values)) / (2 * 8 * 224 * 224)
        text = f"{100 * rate:.1f} % of all pixels, steps and polarities have an event"
        expected = f"about {100 * RATE:.1f} % was expected"
        yield verdict(RATE / 2 <= rate <= RATE * 2, text, expected, info)


def check_cifar10_dvs(task: _Check) -> Iterator[Finding]:
    """Check CIFAR10-DVS: counts, classes, balance and files."""
    parts = _parts(task)
    yield from task.compare(parts)
    for name, part in parts.items():
        sizes = Counter(part.labels.tolist()).values()
        if len(set(sizes)) > 1:
            yield error(
                f"{task.data.folder / name} has {min(sizes)} to {max(sizes)} samples of a class; "
                "the same number of each class was expected. Get it again."
            )
    yield task.read_parts(parts)


def check_clips(task: _Check) -> Iterator[Finding]:
    """Check UCF101 or ES-UCF101: counts, classes, groups and files."""
    from snnlab.data.encoding.video_events import N_FRAMES

    parts = _parts(task, steps=N_FRAMES - 1)
    yield from task.compare(parts)
    matches = (_GROUP.search(Path(sample).name) for sample in parts["all"].samples)
    groups = {int(match[1]) for match in matches if match}
    if difference := sorted(groups ^ set(range(1, 26))):
        yield error(
            f"{task.data.folder}: groups 1 to 25 were expected; missing or superfluous: "
            f"{', '.join(map(str, difference))}."
        )
    else:
        yield ok("groups 1 to 25")
    yield task.read_parts(parts)


def sum_of_sample(read: Callable[[Any, int | None], Any], sample: Any) -> float:
    """Read a sample as for training, by the reader of its set, and return its sum."""
    return float(read(sample, None).sum())


def verdict(
    right: bool, text: str, expected: str, otherwise: Callable[[str], Finding] = error
) -> Finding:
    """Report a text as ok; where it is not right, with what was expected, as `otherwise`."""
    return ok(text) if right else otherwise(f"{text}; {expected}")


def _parts(task: _Check, **settings: Any) -> dict[str, FileDataset]:
    """Return the published parts of a set of files; validation was held out of training."""
    data = imported(task.data.load)(task.data.folder, **settings)
    first, *rest = task.data.counts[0]
    if not rest:
        return {first: _joined(data.train, data.valid, data.test)}
    return {first: _joined(data.train, data.valid), rest[0]: _joined(data.test)}


def _joined(*parts: FileDataset) -> FileDataset:
    return replace(
        parts[0],
        samples=[sample for part in parts for sample in part.samples],
        labels=torch.cat([part.labels for part in parts]),
    )


def _listing(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
