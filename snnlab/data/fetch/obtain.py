"""Published data sets: download, unpacking and a record of their provenance."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from snnlab._utils import version
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder, now, sha256, write_text
from snnlab._utils.optional import import_optional
from snnlab.data.entry import PART, PROVENANCE, Archive, DatasetEntry, imported, provenance
from snnlab.data.fetch.download import Checksums, check_room, checksums, download, remote_size
from snnlab.data.fetch.unpack import extract_all, move_in, unpack

ASK_FROM = 1e9  # bytes


def get(
    data: DatasetEntry,
    *,
    agree: Callable[[str], bool],
    keep: bool = False,
    say: Callable[[str], None] = print,
    workers: int | None = None,
) -> bool:
    """Fetch, verify and unpack a data set, and write `provenance.json`; the next call resumes.

    Args:
        data: one of `snnlab.data.datasets.catalogue.DATASETS`.
        agree: function that is asked a question before more than 1 GB is fetched.
        keep: leave the archives where they are; tonic's classes look for them.
        say: function that shows messages.
        workers: processes that convert recordings, by default one a core.

    Returns:
        Whether the data set is in its folder. It is not if `agree` returned False, or if a person
        has to fetch it; `say` is then given the steps.

    Raises:
        SnnlabError: a file cannot be fetched, is not the published one, is damaged or does not fit
            on the disk.
    """
    folder = data.folder
    if not data.archives and not data.by_hand:
        say(f"{data.name} ships with snnlab and is unpacked on first use; nothing is fetched.")
        return True
    if data.by_hand and not any((folder / archive.file).exists() for archive in data.archives):
        present = not _incomplete(data) and data.state()[0]
        say(_done(data) if present else data.by_hand.format(folder=folder, data=folder.parent))
        return present
    make_folder(folder)
    with _lock(folder, say):
        fetched = _get(data, agree, keep, say, workers)
    if fetched:
        say(_done(data))
    return fetched


def _get(
    data: DatasetEntry,
    agree: Callable[[str], bool],
    keep: bool,
    say: Callable[[str], None],
    workers: int | None,
) -> bool:
    folder = data.folder
    todo = _incomplete(data)
    present = [archive for archive in data.archives if (folder / archive.file).exists()]
    if not todo and (not present or provenance(folder).get("archives")):
        say(f"{data.name} is complete; nothing was fetched.")
        return True
    absent = [archive for archive in todo if archive not in present]
    if data.by_hand:
        if any("val" in archive.makes for archive in todo):  # its classes are in another archive
            absent += [one for one in data.archives if not one.makes and one not in present]
        if absent:
            names = " and ".join(archive.file for archive in absent)
            raise SnnlabError(
                f"{folder}: {names} is not there, and has to be fetched by hand. Put it there and "
                "run the same command again."
            )
    if _recordings(data):  # before gigabytes are fetched
        import_optional("aedat", "reads the recordings", "aedat")
    if absent and not _agreed(data, absent, agree):
        return False
    sums = {archive: _verified(folder / archive.file, archive) for archive in present}
    for archive in absent:
        sums[archive] = download(archive.urls, folder / archive.file, archive.md5)
    for archive in todo:
        there = (folder / archive.makes[0]).exists() and not _moving(data, archive.file).exists()
        if not (there and _recordings(data)):
            extract = imported(archive.extract)
            unpack(folder / archive.file, folder, archive.makes, extract)
        files = [name for name in archive.makes if (folder / name).is_file()]
        new = {name: sha256(folder / name) for name in files}
        # at once, as a later call cannot know whether a file is still the unpacked one
        write_provenance(folder, files=provenance(folder).get("files", {}) | new)
    if _recordings(data):
        if todo:
            _convert(data, workers)
        if not keep and (folder / "recordings").exists():
            shutil.rmtree(folder / "recordings")
    write_provenance(
        folder,
        archives=_archive_records(data, sums),
        name=data.name,
        licence=data.licence,
        cite=data.cite,
        date=now(),
        snnlab=version.__version__,
    )
    if not keep:
        for archive in sums:
            (folder / archive.file).unlink(missing_ok=True)
    return True


def only_archives(data: DatasetEntry, text: str) -> DatasetEntry:
    """Return the entry of a set with those archives alone that have a text in their name.

    Raises:
        SnnlabError: no archive has.
    """
    archives = tuple(archive for archive in data.archives if text in archive.file)
    if text and not archives:
        names = ", ".join(archive.file for archive in data.archives) or "no archive"
        raise SnnlabError(
            f"{text} is in the name of no archive of {data.name}; a part of one of these was "
            f"expected: {names}."
        )
    return replace(data, archives=archives)


def write_provenance(folder: Path, **entries: Any) -> None:
    """Add entries to `provenance.json`.

    Raises:
        SnnlabError: the file cannot be written.
    """
    text = json.dumps({**provenance(folder), **entries}, indent=2, ensure_ascii=False)
    write_text(folder / PROVENANCE, f"{text}\n")


def _done(data: DatasetEntry) -> str:
    return (
        f"{data.name} is in {data.folder}. To read every file of it: snnlab data check {data.name} "
        "--thorough"
    )


def _lock(folder: Path, say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """Wait for another call that works in the folder, and keep others out in a `with` block."""
    lock = FileLock(folder / ".get.lock")
    try:
        return lock.acquire(timeout=0.5)
    except Timeout:
        say(f"Another process is at work in {folder}; waiting for it.")
        return lock.acquire()


def _incomplete(data: DatasetEntry) -> list[Archive]:
    """Return the archives of which something is not in place."""

    def complete(names: tuple[str, ...], file: str) -> bool:
        there = all((data.folder / name).exists() for name in names)
        return there and not _moving(data, file).exists()

    if _recordings(data):
        return [] if complete(data.parts, "converted") else list(data.archives)
    return [archive for archive in data.archives if not complete(archive.makes, archive.file)]


def _moving(data: DatasetEntry, file: str) -> Path:
    """Return the folder that `unpack` leaves when it is killed while it moves files."""
    return data.folder / f".unpacked-{file}"


def _agreed(data: DatasetEntry, archives: list[Archive], agree: Callable[[str], bool]) -> bool:
    """Check that the disk has space, and ask before a large download."""
    paths = [data.folder / archive.file for archive in archives]
    sizes = [remote_size(one.urls, path) for one, path in zip(archives, paths, strict=True)]
    total = sum(size or 0 for size in sizes)
    parts = [path.with_name(path.name + PART) for path in paths]
    left = total - sum(part.stat().st_size for part in parts if part.exists())
    # unpacked, they take at least as much again
    names = ", ".join(path.name for path in paths)
    check_room(data.folder, left + total, f"{names} and what they hold")
    if None not in sizes and left <= ASK_FROM:
        return True
    amount = "an unknown amount" if None in sizes else f"{left / 1e9:.1f} GB"
    return agree(f"Fetch {amount} to {data.folder}?")


def _verified(path: Path, archive: Archive) -> Checksums:
    """Return the checksums of an archive that was there before."""
    sums = checksums(path, f"checking {path.name}")
    if sums.md5 != archive.md5:
        raise SnnlabError(
            f"{path} has the MD5 sum {sums.md5} and {sums.bytes:,} bytes; {archive.md5} was "
            "expected. It is cut short or another file: remove it and run the same command again."
        )
    return sums


def _recordings(data: DatasetEntry) -> bool:
    """Return whether the archives hold recordings, which are converted."""
    return any("recordings" in archive.makes for archive in data.archives)


def extract_recordings(archive: Path, folder: Path) -> None:
    """Unpack a zip file of one zip file a class to `folder/recordings/<class>/*.aedat4`."""
    outer = folder / "outer"
    extract_all(archive, outer)
    for inner in outer.rglob("*.zip"):
        loose, target = folder / "inner", folder / "recordings" / inner.stem
        extract_all(inner, loose)
        target.mkdir(parents=True)
        for recording in loose.rglob("*.aedat4"):
            os.rename(recording, target / recording.name)
        shutil.rmtree(loose)
    shutil.rmtree(outer)


def _convert(data: DatasetEntry, workers: int | None) -> None:
    """Convert recordings in a folder aside, so that a part is not taken for the whole."""
    from snnlab.data.convert.from_aedat4 import convert_recordings

    aside, complete = data.folder / ".converting", _moving(data, "converted")
    if not complete.exists():
        outcome = convert_recordings(data.folder / "recordings", aside, workers=workers)
        if outcome.failed:
            raise SnnlabError(
                f"{len(outcome.failed)} recordings could not be converted; all were expected to be "
                f"whole. {outcome}"
            )
        os.rename(aside, complete)
    move_in(complete, data.folder, data.parts)


def _archive_records(data: DatasetEntry, sums: dict[Archive, Checksums]) -> list[dict[str, Any]]:
    """Return one record an archive; those of an earlier call stay."""
    before = provenance(data.folder).get("archives", [])
    records = {str(one["file"]): one for one in before if isinstance(one, dict) and "file" in one}
    for archive, one in sums.items():
        url = one.url or (*archive.urls, "fetched by hand")[0]
        records[archive.file] = {"file": archive.file, **vars(one), "url": url}
    return list(records.values())
