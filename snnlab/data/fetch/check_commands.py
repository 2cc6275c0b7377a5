"""Comparison of the Speech Commands test archive on this machine with what is published of it."""

from collections.abc import Iterator

from snnlab._utils.report import Finding, error, ok
from snnlab.data.datasets.catalogue import COMMANDS
from snnlab.data.datasets.gsc_folder import find_clips, word_of
from snnlab.data.datasets.spoken_commands_folder import UNKNOWN, find
from snnlab.data.fetch.check import _Check, verdict
from snnlab.data.fetch.sample_readers import read_second
from snnlab.data.io.many_files import listed

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
    others = [str(folder / name) for name in stamps if word_of(name) not in COMMANDS]
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
