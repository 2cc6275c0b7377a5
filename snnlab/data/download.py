"""Fetch one large file: go on with what is there, and take it only if its checksum is right.

tonic's own downloader stands in for none of this: it cannot resume, takes a file that exists without hashing it, falls back
from https to http, and unpacks without looking at names. The addresses and MD5 sums are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm.auto import tqdm

from snnlab.data.catalogue import PART
from snnlab.errors import SnnlabError
from snnlab.files import make_folder, read_json, whole_file

ATTEMPTS = 5  # in a row without a single new byte
PAUSE = 2.0  # s before the second attempt; doubled before each further one
TIMEOUT = (15, 60)  # s to connect, and between two pieces
_BLOCK = 1 << 16  # bytes; of a block in which the connection breaks, nothing is kept
_REPEAT = (408, 425, 429, 500, 502, 503, 504)  # the server may think better of it
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True)
class Checksums:
    """What a file is known by: its size in bytes, MD5 and SHA-256."""

    bytes: int
    md5: str
    sha256: str


class _Again(Exception):
    """Worth another attempt."""


def download(url: str, path: Path, md5: str) -> Checksums:
    """Fetch `url` to `path`, which appears only when it is whole and its MD5 sum is right.

    Until then the bytes are in `<path>.part`, also after a kill. The next call asks for the rest only, unless the server has
    another version of the file by then, or cannot give a part.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, the server refuses or cannot be reached, the disk is full, or the file is another.
    """
    _online(url, path)
    make_folder(path.parent)
    part = path.with_name(path.name + PART)
    attempt = 0
    while True:
        before = _size(part)
        try:
            _fetch(url, part, path)
            break
        except (_Again, *_BROKEN) as error:
            attempt = 1 if _size(part) > before else attempt + 1
            if attempt >= ATTEMPTS:
                raise SnnlabError(
                    f"{url} could not be fetched ({_reason(error)}); the whole file was expected. {_size(part):,} bytes are kept "
                    "in " + f"{part}: run the same command again to go on."
                ) from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
        except requests.RequestException as error:
            raise SnnlabError(f"{url} could not be fetched ({_reason(error)}); a file was expected there.") from error
        except OSError as error:
            raise SnnlabError(
                f"{part} could not be written ({error.strerror or error}); room for the whole file was expected. Make some and run "
                "the same command again: what is there is kept."
            ) from error
    found = checksums(part, f"checking {path.name}")
    if found.md5 != md5:
        part.unlink()  # else the next call would go on with it for ever
        _note(part).unlink(missing_ok=True)
        raise SnnlabError(
            f"{url} gave {found.bytes:,} bytes with the MD5 sum {found.md5}; {md5} was expected. They were removed: run the same "
            "command again, and if that does not help, the file there is another one."
        )
    os.replace(part, path)
    _note(part).unlink(missing_ok=True)
    return found


def checksums(path: Path, title: str) -> Checksums:
    """The size and both checksums of a file, in one pass, with a progress bar."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file, tqdm(total=_size(path), desc=title, unit="B", unit_scale=True) as bar:
        while block := file.read(_BLOCK):
            md5.update(block)
            sha256.update(block)
            bar.update(len(block))
    return Checksums(_size(path), md5.hexdigest(), sha256.hexdigest())


def remote_size(url: str, path: Path) -> int | None:
    """How many bytes there are to fetch to `path`, or None where the server does not say.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, the server refuses or cannot be reached.
    """
    _online(url, path)
    try:
        # not HEAD, which servers that redirect to signed addresses refuse
        with _get(url, {}) as answer:
            _look(answer, url, path)
            return _whole(answer.headers.get("Content-Length"))
    except _Again:
        return None  # download() will ask again, more patiently
    except requests.RequestException as error:
        raise SnnlabError(
            f"{url} could not be reached ({_reason(error)}); a file was expected there. Check the connection, or fetch it on another "
            f"machine and put it there as {path}."
        ) from error


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


def _fetch(url: str, part: Path, path: Path) -> None:
    """One attempt: on its return, `part` is as long as the server says that the file is."""
    start, validator = _size(part), _validator(part, url)
    if start and validator:
        headers = {"Range": f"bytes={start}-", "If-Range": validator}
    else:
        start, headers = 0, {}
    with _get(url, headers) as answer:
        if answer.status_code == 416 and headers:  # nothing after these bytes: perhaps they are the whole file
            if _total(answer) == start:
                return
            part.unlink()
            raise _Again("the server has another version of the file")
        _look(answer, url, path)
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
            tqdm(total=total, initial=start, desc=part.name.removesuffix(PART), unit="B", unit_scale=True) as bar,
        ):
            for block in answer.iter_content(_BLOCK):
                file.write(block)
                bar.update(len(block))
            os.fsync(file.fileno())
    if total is not None and _size(part) != total:
        raise _Again(f"{_size(part):,} bytes came of {total:,}")


def _online(url: str, path: Path) -> None:
    """Refuse to use the network where a person forbade it."""
    if os.environ.get("SNNLAB_OFFLINE", "0") not in ("", "0"):
        raise SnnlabError(
            f"SNNLAB_OFFLINE is set, so {url} is not fetched. Unset it, or put the file there as {path} and run the same command again."
        )


def _get(url: str, headers: dict[str, str]) -> Any:
    # identity: else a server may pack what is packed, and its length would be another
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=TIMEOUT)


def _look(answer: Any, url: str, path: Path) -> None:
    status = answer.status_code
    if status in _REPEAT:
        raise _Again(f"the server answers {status} {answer.reason}")
    if status not in (200, 206):
        raise SnnlabError(
            f"{url} could not be fetched (the server answers {status} {answer.reason}); a file was expected there. Look where it "
            f"has gone, put it there as {path}, and run the same command again."
        )


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
        temporary.write_text(json.dumps({"url": url, "validator": validator}))


def _validator(part: Path, url: str) -> str:
    try:
        note = read_json(_note(part), "")
        return str(note["validator"]) if note["url"] == url else ""
    except (SnnlabError, KeyError, TypeError):
        return ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
