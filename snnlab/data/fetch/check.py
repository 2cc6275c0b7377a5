"""Compare a data set with what is published of it: how many samples, classes and speakers, and whether its files can be read."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import now
from snnlab.data.entry import DatasetEntry
from snnlab.data.fetch.examine import examine
from snnlab.data.fetch.obtain import write_provenance

if TYPE_CHECKING:
    from snnlab.data.batches.file_dataset import FileDataset
    from snnlab.data.io.events import Events

SAMPLE = 1000  # files read, where not all are
SPEAKERS, ONLY_TESTED = 12, 2  # of SHD
SECONDS = (0.2, 1.5)  # a spoken word: to the last spike, on average
RATE = 0.0519  # events a pixel, step and polarity of ES-ImageNet, as remembered
MOST, OF_VAL = 1300, 50  # pictures of a class in ImageNet's train and val
_GROUP = re.compile(r"_g(\d+)_c\d+")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: right, wrong, or (None) other than what rests on no sure source."""

    ok: bool | None
    text: str


@dataclass(frozen=True)
class _Looking:
    """What a check is asked to do."""

    data: DatasetEntry
    thorough: bool
    workers: int | None

    def read(
        self, samples: Sequence[Any], worker: Callable[[Any], float]
    ) -> tuple[Finding, list[float]]:
        """Read all or some of the samples, whatever becomes of some; also what the worker gave for the good ones."""
        some = (
            samples
            if self.thorough or len(samples) <= SAMPLE
            else random.Random(0).sample(list(samples), SAMPLE)
        )
        values, failed = examine(
            some, worker, self.workers, self.data.folder / "check.csv", f"reading {self.data.name}"
        )
        if failed:
            return Finding(False, failed), values
        words = (
            f"all {len(some):,} files"
            if len(some) == len(samples)
            else f"{len(some):,} files of {len(samples):,}"
        )
        return Finding(True, f"{words} can be read"), values


def check(
    data: DatasetEntry, *, thorough: bool = False, workers: int | None = None
) -> list[Finding]:
    """Look into the folder of a set. If nothing is wrong, that is written down in its `provenance.json`.

    Args:
        data: which, of `snnlab.data.datasets.catalogue.DATASETS`.
        thorough: read every file, and not a sample of 1,000; the recordings of SHD and SSC are read
            in any case.
        workers: processes, by default one a core.

    Raises:
        SnnlabError: `workers` is below 1, or a process died.
    """
    if not data.folder.is_dir():
        return [
            Finding(
                False,
                f"{data.folder}: there is no such folder; get it with `snnlab data get {data.name}`.",
            )
        ]
    look, counts = _Looking(data, thorough, workers), dict[str, int]()
    findings: list[Finding] = []
    try:
        _CHECKS[data.name](look, findings, counts)
    except SnnlabError as error:
        findings.append(Finding(False, str(error)))
    except OSError as error:
        findings.append(
            Finding(
                False,
                f"{data.folder} cannot be read ({error}); a folder that one may read was expected.",
            )
        )
    if not any(finding.ok is False for finding in findings):
        with suppress(SnnlabError):  # it may be read-only, as shared data should be
            write_provenance(
                data.folder, checked={"date": now(), "thorough": thorough, "counts": counts}
            )
    return findings


def _heidelberg(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.io.events import N_CHANNELS, read_events

    speakers: dict[str, set[int]] = {}
    for split in look.data.counts[0]:
        file = look.data.folder / f"{look.data.name}_{split}.h5"
        try:
            events = read_events(file)
        except SnnlabError as error:
            findings.append(Finding(False, str(error)))
            continue
        counts[split] = len(events)
        speakers[split] = set(events.speakers.tolist())
        findings.append(_classes(events.labels, look.data.classes, len(events.keys), file))
        findings.append(_lengths(events, file))
        low, high = int(events.units.min()), int(events.units.max())
        wide = high - low >= N_CHANNELS // 2
        findings.append(
            Finding(
                wide or None, f"{file.name}: channels {low} to {high} of {N_CHANNELS} have spikes"
            )
        )
    if len(counts) == len(look.data.counts[0]):
        findings.append(_count(look.data, counts))
    if look.data.name == "shd" and len(speakers) == 2:
        every, only = (
            len(speakers["train"] | speakers["test"]),
            len(speakers["test"] - speakers["train"]),
        )
        good = (every, only) == (SPEAKERS, ONLY_TESTED)
        words = f"{every} speakers, {only} of them only in test"
        findings.append(
            Finding(
                good or None,
                words if good else f"{words}; {SPEAKERS} and {ONLY_TESTED} are published",
            )
        )


def _lengths(events: Events, file: Path) -> Finding:
    last = events.times[events.offsets[1:] - 1]
    words = f"{file.name}: {last.mean():.2f} s to the last spike on average, {last.min():.2f} to {last.max():.2f}"
    if SECONDS[0] <= last.mean() <= SECONDS[1]:
        return Finding(True, words)
    return Finding(
        False,
        f"{words}; {SECONDS[0]} to {SECONDS[1]} s on average were expected of words. Get it again.",
    )


def _speech(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.datasets.catalogue import WORDS
    from snnlab.data.datasets.gsc_folder import LISTS, find_clips, word_of
    from snnlab.data.fetch.examine import read_second

    folder = look.data.folder
    files = find_clips(folder).keys()
    words = {word_of(file) for file in files}
    for word in WORDS:
        if word not in words:
            findings.append(
                Finding(
                    False,
                    f"{folder / word} holds no wav file; recordings of the word were expected. Get it again.",
                )
            )
    lists = {}
    for split, name in LISTS.items():
        try:
            lists[split] = [
                line for line in (folder / name).read_text(encoding="utf-8").splitlines() if line
            ]
        except (OSError, UnicodeDecodeError) as error:
            findings.append(
                Finding(
                    False,
                    f"{folder / name} cannot be read ({error}); a recording a line was expected. Get it again.",
                )
            )
            continue
        missing = [line for line in lists[split] if line not in files]
        if missing:
            findings.append(
                Finding(
                    False,
                    f"{folder / name} names {len(missing):,} files that are not there, such as {missing[0]}. Get it again.",
                )
            )
        counts[split] = len(lists[split])
    if len(lists) == 2:
        if twice := set(lists["valid"]) & set(lists["test"]):
            findings.append(
                Finding(
                    False,
                    f"{folder}: {min(twice)} is in both lists; one was expected. Get it again.",
                )
            )
        counts["train"] = len(files - set(lists["valid"]) - set(lists["test"]))
        findings.append(_count(look.data, counts))
    findings.append(look.read([str(folder / file) for file in sorted(files)], read_second)[0])


def _pictures(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.datasets.imagenet import pictures

    three = pictures(look.data.folder)
    train, val = _joined(three.train, three.valid), _joined(three.test)
    _compare(look, findings, counts, {"train": train, "val": val})
    for name, (labels, most, least) in {
        "train": (train[1], MOST, 1),
        "val": (val[1], OF_VAL, OF_VAL),
    }.items():
        for label, n in sorted(Counter(labels).items()):
            if not least <= n <= most:
                words = f"{most}" if least == most else f"{least} to {most}"
                where = look.data.folder / name / _fileset(three.test).classes[label]
                findings.append(
                    Finding(
                        False,
                        f"{where} holds {n:,} pictures; {words} were expected. Unpack it again.",
                    )
                )
    _readable(look, findings, train, val)


def _es_imagenet(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.datasets.es_imagenet import events

    three = events(look.data.folder)
    parts = {"train": _joined(three.train, three.valid), "val": _joined(three.test)}
    _compare(look, findings, counts, parts)
    values = _readable(look, findings, *parts.values())
    if values:
        rate = float(np.mean(values)) / (2 * 8 * 224 * 224)
        words = f"{100 * rate:.1f} % of all pixels, steps and polarities have an event"
        good = RATE / 2 <= rate <= RATE * 2
        findings.append(
            Finding(
                good or None, words if good else f"{words}; about {100 * RATE:.1f} % was expected"
            )
        )


def _cifar10_dvs(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.datasets.cifar10_dvs import events

    three = events(look.data.folder)
    parts = {"train": _joined(three.train, three.valid), "test": _joined(three.test)}
    _compare(look, findings, counts, parts)
    for name, (_, labels, _) in parts.items():
        sizes = set(Counter(labels).values())
        if len(sizes) > 1:
            findings.append(
                Finding(
                    False,
                    f"{look.data.folder / name} has {min(sizes)} to {max(sizes)} samples of a class; as many of each were expected. Get it again.",
                )
            )
    _readable(look, findings, *parts.values())


def _clips(look: _Looking, findings: list[Finding], counts: dict[str, int]) -> None:
    from snnlab.data.datasets import es_ucf101
    from snnlab.data.encoding.video_events import N_FRAMES

    three = (es_ucf101.frames if look.data.name == "ucf101" else es_ucf101.events)(
        look.data.folder, steps=N_FRAMES - 1
    )
    everything = _joined(three.train, three.valid, three.test)
    _compare(look, findings, counts, {"all": everything})
    groups = {
        int(match[1])
        for sample in everything[0]
        if (match := _GROUP.search(sample.rsplit("/", 1)[-1]))
    }
    expected = set(range(1, 26))
    if groups == expected:
        findings.append(Finding(True, "groups 1 to 25"))
    else:
        words = ", ".join(map(str, sorted(groups ^ expected)))
        findings.append(
            Finding(
                False,
                f"{look.data.folder}: groups 1 to 25 were expected; missing, or too many: {words}.",
            )
        )
    _readable(look, findings, everything)


Part = tuple[list[Any], list[int], Any]  # samples, labels, and what reads one


def _fileset(part: Any) -> FileDataset:
    from snnlab.data.batches.file_dataset import FileDataset

    assert isinstance(part, FileDataset)
    return part


def _joined(*parts: Any) -> Part:
    sets = [_fileset(part) for part in parts]
    samples = [sample for one in sets for sample in one.samples]
    return (
        samples,
        [label for one in sets for label in one.labels.tolist()],
        (sets[0].read, sets[0].classes),
    )


def _compare(
    look: _Looking, findings: list[Finding], counts: dict[str, int], parts: Mapping[str, Part]
) -> None:
    counts.update({name: len(part[0]) for name, part in parts.items()})
    findings.append(_count(look.data, counts))
    for name, (_, labels, (_, classes)) in parts.items():
        findings.append(
            _classes(np.array(labels), look.data.classes, len(classes), look.data.folder / name)
        )


def _readable(look: _Looking, findings: list[Finding], *parts: Part) -> list[float]:
    from snnlab.data.fetch.examine import total

    finding, values = look.read(
        [(part[2][0], sample) for part in parts for sample in part[0]], total
    )
    findings.append(finding)
    return values


def _count(data: DatasetEntry, counts: Mapping[str, int]) -> Finding:
    words = ", ".join(f"{name} {counts[name]:,}" for name in data.counts[0])
    if dict(counts) in data.counts:
        known = (
            " (the most quoted count)"
            if len(data.counts) > 1 and dict(counts) == data.counts[0]
            else ""
        )
        return Finding(True, f"samples: {words}{known}")
    wrong = [
        name for name in data.counts[0] if all(counts[name] != one[name] for one in data.counts)
    ]
    ok = None if wrong and set(wrong) <= set(data.unsure) else False
    published = ", or ".join(
        ", ".join(f"{name} {n:,}" for name, n in one.items()) for one in data.counts
    )
    cure = (
        "this number is remembered, not read"
        if ok is None
        else f"get what is missing: snnlab data get {data.name}"
    )
    return Finding(ok, f"{data.folder}: samples: {words}; {published} is published; {cure}.")


def _classes(labels: np.ndarray, expected: int, named: int, where: Path) -> Finding:
    found = len(np.unique(labels))
    if found == named == expected:
        return Finding(True, f"{where.name}: {found} classes")
    return Finding(
        False,
        f"{where} has samples of {found} classes and names {named}; {expected} were expected. Get what is missing.",
    )


_CHECKS: dict[str, Callable[[_Looking, list[Finding], dict[str, int]], None]] = {
    "shd": _heidelberg,
    "ssc": _heidelberg,
    "gsc": _speech,
    "imagenet": _pictures,
    "es-imagenet": _es_imagenet,
    "cifar10-dvs": _cifar10_dvs,
    "ucf101": _clips,
    "es-ucf101": _clips,
}
