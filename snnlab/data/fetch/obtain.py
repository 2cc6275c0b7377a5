"""Get a published data set: fetch its archives, unpack them as the readers expect it, and write down where it came from."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import snnlab
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder, now, sha256, whole_file
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
    """Fetch, compare and unpack a set into its folder, and write `provenance.json` there. A killed call is gone on with by the next.

    Args:
        data: which, of `snnlab.data.datasets.catalogue.DATASETS`.
        agree: asked a question before more than 1 GB is fetched.
        keep: leave the archives where they are: tonic's classes look for them.
        say: told what is done.
        workers: processes that convert recordings, by default one a core.

    Returns:
        Whether it is there. Not if `agree` said no, or a person has to fetch it; then the steps
        have been said.

    Raises:
        SnnlabError: a file cannot be fetched, is another, is damaged or does not fit on the disk.
    """
    folder = data.folder
    if not data.archives and not data.by_hand:
        say(
            f"{data.name} ships with snnlab, and is unpacked on first use; there is nothing to get."
        )
        return True
    if data.by_hand and not _todo(data) and data.state()[0]:
        say(
            f"{data.name} is in {folder}; to read every file of it: snnlab data check {data.name} --thorough"
        )
        return True
    if data.by_hand and not any((folder / archive.file).exists() for archive in data.archives):
        say(data.by_hand.format(folder=folder, data=folder.parent))
        return False
    make_folder(folder)
    with _alone(folder, say):
        return _get(data, agree, keep, say, workers)


def _get(
    data: DatasetEntry,
    agree: Callable[[str], bool],
    keep: bool,
    say: Callable[[str], None],
    workers: int | None,
) -> bool:
    folder = data.folder
    todo = _todo(data)
    lying = [archive for archive in data.archives if (folder / archive.file).exists()]
    if not todo and (not lying or provenance(folder).get("archives")):
        say(
            f"{data.name} is in {folder}, and nothing was fetched; to read every file of it: snnlab data check {data.name} --thorough"
        )
        return True
    needed = [
        one
        for one in data.archives
        if one in todo or (not one.makes and any("val" in other.makes for other in todo))
    ]
    if data.by_hand and (absent := [one.file for one in needed if one not in lying]):
        raise SnnlabError(
            f"{folder}: {' and '.join(absent)} is not there; {', '.join(one.file for one in needed)} was expected. Put it there "
            "and run the same command again."
        )
    if _recordings(data):
        _needs_aedat()
    absent_archives = [one for one in todo if one not in lying]
    if absent_archives and not _agreed(data, absent_archives, agree):
        return False
    known = {one: _verified(folder / one.file, one) for one in lying}
    for one in absent_archives:
        known[one] = download(one.urls, folder / one.file, one.md5)
    for one in todo:
        _unpack(data, one)
        new = {name: sha256(folder / name) for name in one.makes if (folder / name).is_file()}
        # at once, for what lies there when a killed call is called again may be anything
        write_provenance(folder, files=provenance(folder).get("files", {}) | new)
    if _recordings(data):
        _convert(data, keep, workers)
    write_provenance(
        folder,
        archives=_told(data, known),
        name=data.name,
        licence=data.licence,
        cite=data.cite,
        **_made_by(),
    )
    if not keep:
        for one in known:
            (folder / one.file).unlink(missing_ok=True)
    say(
        f"{data.name} is in {folder}. To read every file of it: snnlab data check {data.name} --thorough"
    )
    return True


def write_provenance(folder: Path, **entries: Any) -> None:
    """Add entries to what stands in `provenance.json`, whole or not at all.

    Raises:
        SnnlabError: it cannot be written.
    """
    with whole_file(folder / PROVENANCE) as temporary:
        temporary.write_text(
            json.dumps({**provenance(folder), **entries}, indent=2, ensure_ascii=False) + "\n",
            "utf-8",
        )


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Two calls at once: the second waits, and finds the work done."""
    lock = FileLock(folder / ".get.lock")
    try:
        lock.acquire(timeout=0.5)
    except Timeout:
        say(f"Another process is at work in {folder}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _todo(data: DatasetEntry) -> list[Archive]:
    """The archives of which something is not in place."""
    if _recordings(data):
        done = (
            all((data.folder / part).exists() for part in data.parts)
            and not _moving(data, "converted").exists()
        )
        return [] if done else list(data.archives)
    return [
        one
        for one in data.archives
        if not all((data.folder / name).exists() for name in one.makes)
        or _moving(data, one.file).exists()
    ]


def _moving(data: DatasetEntry, file: str) -> Path:
    """What `unpack` leaves when it is killed while it moves files in place."""
    return data.folder / f".unpacked-{file}"


def _agreed(data: DatasetEntry, archives: list[Archive], agree: Callable[[str], bool]) -> bool:
    """Whether what is to be fetched fits on the disk and, if it is much, whether a person wants it."""
    sizes = [remote_size(one.urls, data.folder / one.file) for one in archives]
    known = sum(size or 0 for size in sizes)
    parts = [data.folder / (one.file + PART) for one in archives]
    left = known - sum(part.stat().st_size for part in parts if part.exists())
    # unpacked, they take as much again, at least
    check_room(
        data.folder, left + known, f"{', '.join(one.file for one in archives)} and what they hold"
    )
    if None not in sizes and left <= ASK_FROM:
        return True
    amount = (
        f"{left / 1e9:.1f} GB" if None not in sizes else "an amount that the server does not tell"
    )
    return agree(f"Fetch {amount} to {data.folder}?")


def _verified(path: Path, archive: Archive) -> Checksums:
    """The checksums of a file that lay there already."""
    found = checksums(path, f"checking {path.name}")
    if found.md5 != archive.md5:
        raise SnnlabError(
            f"{path} has the MD5 sum {found.md5} and {found.bytes:,} bytes; {archive.md5} was expected. It is cut short or another file: "
            "remove it and run the same command again."
        )
    return found


def _unpack(data: DatasetEntry, archive: Archive) -> None:
    there = (data.folder / archive.makes[0]).exists() and not _moving(data, archive.file).exists()
    if not (there and _recordings(data)):
        extract = imported(archive.extract) if archive.extract else None
        unpack(data.folder / archive.file, data.folder, archive.makes, extract)


def _recordings(data: DatasetEntry) -> bool:
    """Whether the archives hold recordings, which are converted."""
    return any("recordings" in archive.makes for archive in data.archives)


def _needs_aedat() -> None:
    """Say it before gigabytes are fetched."""
    if importlib.util.find_spec("aedat") is None:
        raise SnnlabError(
            "aedat, which reads the recordings, is not installed; it was expected before they are fetched. Install it with: "
            'pip install "snnlab[aedat]", or pip install aedat.'
        )


def extract_recordings(archive: Path, folder: Path) -> None:
    """A zip file of a zip file a class to `folder/recordings/<class>/*.aedat4`, however deep these lie in theirs."""
    outer = folder / "outer"
    outer.mkdir()
    extract_all(archive, outer)
    for inner in sorted(outer.rglob("*.zip")):
        loose = folder / "inner"
        loose.mkdir()
        extract_all(inner, loose)
        target = folder / "recordings" / inner.stem
        target.mkdir(parents=True)
        for recording in loose.rglob("*.aedat4"):
            os.rename(recording, target / recording.name)
        shutil.rmtree(loose)
        inner.unlink()
    shutil.rmtree(outer)


def _convert(data: DatasetEntry, keep: bool, workers: int | None) -> None:
    """The recordings to what the reader expects; in a folder aside, so that a part is not taken for the whole."""
    from snnlab.data.convert.from_aedat4 import convert_recordings

    folder, aside = data.folder, data.folder / ".converting"
    recordings, whole = folder / "recordings", _moving(data, "converted")
    if not whole.exists() and not all((folder / part).exists() for part in data.parts):
        outcome = convert_recordings(recordings, aside, workers=workers)
        if outcome.failed:
            raise SnnlabError(
                f"{len(outcome.failed)} recordings could not be converted; all were expected to be whole. {outcome}"
            )
        os.rename(aside, whole)
    if whole.exists():
        move_in(whole, folder, data.parts)
    if not keep and recordings.exists():
        shutil.rmtree(recordings)


def _told(data: DatasetEntry, known: dict[Archive, Checksums]) -> list[dict[str, Any]]:
    """What is written down of each archive; of those that an earlier call had, what that one wrote."""
    before = provenance(data.folder).get("archives", [])
    told = {str(one["file"]): one for one in before if isinstance(one, dict) and "file" in one}
    for archive, found in known.items():
        url = found.url or (*archive.urls, "fetched by hand")[0]
        told[archive.file] = {"file": archive.file, **vars(found), "url": url}
    return list(told.values())


def _made_by() -> dict[str, str]:
    return {"date": now(), "snnlab": snnlab.__version__}
