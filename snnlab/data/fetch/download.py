"""Fetch one large file: go on with what is there, and take it only if its checksum is right.

tonic's own downloader stands in for none of this: it cannot resume, takes a file that exists
without hashing it, falls back from https to http, and unpacks without looking at names. The
addresses and MD5 sums are the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
import urllib3
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder, read_json, whole_file
from snnlab.data.entry import PART

ATTEMPTS = 5  # in a row without a single new byte
PAUSE = 2.0  # s before the second attempt; doubled before each further one
TIMEOUT = (15, 60)  # s to connect, and between two pieces
_BLOCK = 1 << 16  # bytes
_REPEAT = (408, 425, 429, 500, 502, 503, 504)  # the server may think better of it
_BROKEN = (
    *(requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError),
    urllib3.exceptions.HTTPError,
)


@dataclass(frozen=True)
class Checksums:
    """What a file is known by: its size in bytes, MD5 and SHA-256; and where it was fetched from."""

    bytes: int
    md5: str
    sha256: str
    url: str = ""


class _Again(Exception):
    """Worth another attempt."""


class _Refused(Exception):
    """This address does not give the file; another one may."""


def download(urls: Sequence[str], path: Path, md5: str) -> Checksums:
    """Fetch a file to `path`, which appears only when it is whole and its MD5 sum is right.

    Until then the bytes are in `<path>.part`, also after a kill. The next call asks for the rest
    only, unless the server has another version of the file by then, or cannot give a part.

    Args:
        urls: where the file is, in the order of trying; one that gave a part goes first.
        path: where it goes.
        md5: its MD5 sum.

    Returns:
        The checksums of the file, and the address that it came from.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, no server gives the file, or the disk is full.
    """
    _online(urls[0], path)
    make_folder(path.parent)
    part = path.with_name(path.name + PART)
    refusals: list[tuple[str, BaseException]] = []
    for url in sorted(urls, key=lambda one: not _validator(part, one)):
        try:
            found = _whole_from(url, path, part, md5)
        except _Refused as error:
            refusals.append((url, error))
        except OSError as error:
            raise SnnlabError(
                f"{part} could not be written ({error.strerror or error}); room for the whole file was expected. Make some and run "
                "the same command again: what is there is kept."
            ) from error
        else:
            os.replace(part, path)
            _note(part).unlink(missing_ok=True)
            return found
    kept = (
        f"{_size(part):,} bytes are kept in {part}: run the same command again to go on. "
        if _size(part)
        else ""
    )
    raise SnnlabError(
        f"{_all(refusals)}; the whole file was expected. {kept}{_by_hand(path)}"
    ) from refusals[-1][1]


def _whole_from(url: str, path: Path, part: Path, md5: str) -> Checksums:
    """Fetch from one address to `part`, with patience, and compare the checksum."""
    attempt = 0
    while True:
        before = _size(part)
        try:
            packed = _fetch(url, part)
            break
        except (_Again, *_BROKEN) as error:
            attempt = 1 if _size(part) > before else attempt + 1
            if attempt >= ATTEMPTS:
                raise _Refused(_reason(error)) from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
        except requests.RequestException as error:
            raise _Refused(_reason(error)) from error
    found = checksums(part, f"checking {path.name}")
    if found.md5 != md5 and packed and _gunzip(part):
        found = checksums(part, f"checking {path.name}")
    if found.md5 == md5:
        return replace(found, url=url)
    with part.open("rb") as file:
        page = file.read(1000).lstrip().lower().startswith((b"<!doctype", b"<html"))
    part.unlink()  # else the next call would go on with it for ever
    _note(part).unlink(missing_ok=True)
    raise _Refused(
        f"it gave {'a web page, ' if page else ''}{found.bytes:,} bytes with the MD5 sum {found.md5} instead of {md5}, "
        "which were removed"
    )


def _all(refusals: Sequence[tuple[str, BaseException]]) -> str:
    return ", and ".join(
        f"{url} could not be fetched ({_reason(error)})" for url, error in refusals
    )


def _by_hand(path: Path) -> str:
    return (
        f"By hand: fetch it with a browser, put it there as {path}, run the same command again, and then "
        "`snnlab data check`."
    )


def checksums(path: Path, title: str) -> Checksums:
    """The size and both checksums of a file, in one pass, with a progress bar."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with (
        path.open("rb") as file,
        tqdm(total=_size(path), desc=title, unit="B", unit_scale=True) as bar,
    ):
        while block := file.read(_BLOCK):
            md5.update(block)
            sha256.update(block)
            bar.update(len(block))
    return Checksums(_size(path), md5.hexdigest(), sha256.hexdigest())


def remote_size(urls: Sequence[str], path: Path) -> int | None:
    """How many bytes there are to fetch to `path`, or None where no server says it.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, or every server refuses or cannot be reached.
    """
    _online(urls[0], path)
    refusals: list[tuple[str, BaseException]] = []
    for url in urls:
        try:
            # not HEAD, which servers that redirect to signed addresses refuse
            with _get(url, {}) as answer:
                _look(answer)
                return _whole(answer.headers.get("Content-Length"))
        except _Again:
            return None  # download() will ask again, more patiently
        except (_Refused, requests.RequestException) as error:
            refusals.append((url, error))
    raise SnnlabError(
        f"{_all(refusals)}; a file was expected there. Check the connection. {_by_hand(path)}"
    )


def check_room(folder: Path, bytes: int, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        SnnlabError: fewer bytes are free where `folder` lies, or will lie.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < bytes:
        raise SnnlabError(
            f"{folder} has {free / 1e9:.1f} GB of free space; {bytes / 1e9:.1f} GB was expected, for {what}. Make room, or set "
            "SNNLAB_DATA to a folder on a larger disk."
        )


def _fetch(url: str, part: Path) -> bool:
    """One attempt: on its return, `part` is as long as the server says that the file is.

    Returns:
        Whether the server says that it packed the file: then `part` is that, or the file.
    """
    start, validator = _size(part), _validator(part, url)
    if start and validator:
        headers = {"Range": f"bytes={start}-", "If-Range": validator}
    else:
        start, headers = 0, {}
    with _get(url, headers) as answer:
        # Nothing after these bytes: perhaps they are the whole file
        if answer.status_code == 416 and headers:
            if _total(answer) == start:
                return _packed(part)
            part.unlink()
            raise _Again("the server has another version of the file")
        _look(answer)
        if answer.status_code == 206:
            if not headers or _first(answer) != start:
                part.unlink(missing_ok=True)
                raise _Again("the server sent another part than the one asked for")
            total = _total(answer)
        else:  # the server knows no parts, or has another version
            start, total = 0, _whole(answer.headers.get("Content-Length"))
        if not start:
            part.unlink(missing_ok=True)
            _remember(part, url, answer)
        with (
            part.open("ab") as file,
            tqdm(
                total=total,
                initial=start,
                desc=part.name.removesuffix(PART),
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            # as it comes, for the length and the range are of what is sent
            for block in answer.raw.stream(_BLOCK, decode_content=False):
                file.write(block)
                bar.update(len(block))
            os.fsync(file.fileno())
    if total is not None and _size(part) != total:
        raise _Again(f"{_size(part):,} bytes came of {total:,}")
    return _packed(part)


def _online(url: str, path: Path) -> None:
    """Refuse to use the network where a person forbade it."""
    if os.environ.get("SNNLAB_OFFLINE", "0") not in ("", "0"):
        raise SnnlabError(
            f"SNNLAB_OFFLINE is set, so {url} is not fetched. Unset it, or put the file there as {path} and run the same command again."
        )


def _get(url: str, headers: dict[str, str]) -> Any:
    # identity: else a server may pack what is packed, and its length would be another
    return requests.get(
        url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=TIMEOUT
    )


def _look(answer: Any) -> None:
    """Whether a file follows."""
    status = answer.status_code
    if status in _REPEAT:
        raise _Again(f"the server answers {status} {answer.reason}")
    if status not in (200, 206):  # figshare answers 202 and nothing to who may be a robot
        raise _Refused(f"the server answers {status} {answer.reason}")
    if "text/html" in answer.headers.get("Content-Type", "").lower():
        raise _Refused(
            "the server sends a web page instead of the file; it may want a login, or a person"
        )
    if (encoding := _encoding(answer)) not in ("", "identity", "gzip", "x-gzip"):
        raise _Refused(f"the server packs the file as {encoding}, which was not asked for")


def _encoding(answer: Any) -> str:
    return str(answer.headers.get("Content-Encoding", "")).lower()


def _first(answer: Any) -> int | None:
    """The first byte that came, of `Content-Range: bytes 5-9/10`."""
    return _whole(answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0])


def _total(answer: Any) -> int | None:
    """The size of the whole file, of the same."""
    return _whole(answer.headers.get("Content-Range", "").rpartition("/")[2])


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _remember(part: Path, url: str, answer: Any) -> None:
    """What says later whether the server still has the same file; a weak ETag (W/) does not."""
    etag = answer.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")
    with whole_file(_note(part)) as temporary:
        temporary.write_text(
            json.dumps({"url": url, "validator": validator, "packed": "gzip" in _encoding(answer)})
        )


def _remembered(part: Path) -> dict[str, Any]:
    try:
        note = read_json(_note(part), "")
    except SnnlabError:
        return {}
    return note if isinstance(note, dict) else {}


def _validator(part: Path, url: str) -> str:
    note = _remembered(part)
    return str(note.get("validator", "")) if note.get("url") == url else ""


def _packed(part: Path) -> bool:
    return bool(_remembered(part).get("packed"))


def _gunzip(part: Path) -> bool:
    """Replace what a server packed by the file in it; False if it packed nothing, but sent a .tar.gz."""
    try:
        with gzip.open(part) as source, whole_file(part) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (EOFError, zlib.error):
        return False
    except SnnlabError as error:
        if not isinstance(error.__cause__, gzip.BadGzipFile):
            raise
        return False
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(
        error, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError
    ):
        return "the connection broke off"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
