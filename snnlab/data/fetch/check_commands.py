"""Comparison of the Speech Commands, and of their test archive, with what is published of them."""

from collections.abc import Iterator
from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.report import Finding, error, ok
from snnlab.data.datasets.catalogue import COMMANDS, WORDS
from snnlab.data.datasets.gsc_folder import LISTS, find_clips, read_list, word_of
from snnlab.data.datasets.spoken_commands_folder import UNKNOWN, find
from snnlab.data.fetch.check import _Check, verdict
from snnlab.data.io.many_files import listed
from snnlab.data.io.wav import RATE, read_clip

SPEAKERS, DUPLICATES = 239, 121
_SILENCE = "_silence_"


def check_spoken_commands(task: _Check) -> Iterator[Finding]:
    """Check the test archive of Speech Commands: counts, words, speakers, duplicates and files."""
    folder = task.data.folder
    if absent := task.data.missing(folder):
        yield error(
            f"{folder} has no folder {', '.join(absent)}: `snnlab data get speech-commands-test` "
            "unpacks them."
        )
        return
    stamps = find_clips(folder, (*COMMANDS, UNKNOWN, _SILENCE))
    folders = [word_of(name) for name in stamps]
    other = {"unknown": folders.count(UNKNOWN), "silence": folders.count(_SILENCE)}
    task.counts.update({"words": len(folders) - sum(other.values()), **other})
    yield task.count()
    words = [word for word in folders if word in COMMANDS]
    yield task.classes([COMMANDS.index(word) for word in words], len(COMMANDS), folder)
    others = [folder / name for name in stamps if word_of(name) not in COMMANDS]
    yield task.read(others, read_second)
    clips = find(folder)
    if clips.bad:
        yield error(listed(f"{len(clips.bad):,} clips of words are bad", clips.bad))
    else:
        yield ok(f"all {len(words):,} clips of words can be read")
    for what, number, published in (
        ("speakers", len(clips.spoken), SPEAKERS),
        ("duplicates, which are left out", clips.duplicates, DUPLICATES),
    ):
        yield verdict(number == published, f"{number:,} {what}", f"{published} were expected.")


def check_speech(task: _Check) -> Iterator[Finding]:
    """Check the Google Speech Commands: words, lists, counts and recordings."""
    folder = task.data.folder
    files = find_clips(folder).keys()
    words = {word_of(file) for file in files}
    for word in WORDS:
        if word not in words:
            yield error(
                f"{folder / word} holds no wav file; recordings of the word were expected. Get it "
                "again."
            )
    lists = {}
    for split, name in LISTS.items():
        try:
            lists[split] = read_list(folder / name)
        except SnnlabError as reason:
            yield error(str(reason))
            continue
        if missing := lists[split] - files:
            yield error(
                f"{folder / name} names {len(missing):,} files that do not exist, such as "
                f"{min(missing)}. Get it again."
            )
        task.counts[split] = len(lists[split])
    if len(lists) == 2:
        if both := lists["valid"] & lists["test"]:
            yield error(f"{folder}: {min(both)} is in both lists. Get it again.")
        task.counts["train"] = len(files - lists["valid"] - lists["test"])
        yield task.count()
    yield task.read([folder / file for file in sorted(files)], read_second)


def read_second(path: Path) -> float:
    """Return the seconds of a recording of the Google Speech Commands.

    Raises:
        SnnlabError: it cannot be read, is cut short or no sound, is not 16 kHz mono or longer than
            a second, or holds nothing.
    """
    try:
        samples = len(read_clip(path))
        if samples > RATE:
            raise ValueError(f"has {samples:,} samples")
    except ValueError as error:
        raise SnnlabError(
            f"{path} {error}. A second of mono sound at {RATE:,} Hz was expected: get it again."
        ) from error
    return samples / RATE
