"""Download of one large file: resumed after an interruption, accepted only with the right checksum.

tonic's own downloader does none of this: it cannot resume, accepts a file that exists without its
checksum, falls back from https to http, and unpacks without a check of names. The addresses and
MD5 sums are the same.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import requests
import urllib3
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError, reason_of
from snnlab._utils.files import make_folder, read_json, write_text
from snnlab.data.entry import PART

ATTEMPTS = 5  # in a row without a single new byte
PAUSE = 2.0  # s before the second attempt; doubled before each further one
TIMEOUT = (15, 60)  # s to connect, and between two blocks
_BLOCK = 1 << 16  # bytes
_RETRY_STATUS = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Checksums:
    """Size in bytes, MD5 and SHA-256 of a file, and the address that it was fetched from."""

    bytes: int
    md5: str
    sha256: str
    url: str = ""


class _Retry(Exception):
    """Another attempt may succeed."""


class _Refused(Exception):
    """This address does not provide the file; another one may."""


def download(urls: Sequence[str], path: Path, md5: str) -> Checksums:
    """Fetch a file to `path`, which appears only when it is complete and its MD5 sum is right.

    Until then the bytes are in `<path>.part`, also after a kill. The next call asks for the rest
    only, unless the server has another version of the file by then, or does not support ranges.

    Args:
        urls: addresses of the file, the best first; one that provided a part is asked first.
        path: the target.
        md5: the MD5 sum.

    Returns:
        The checksums of the file, and the address that it came from.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, no server provides the file, or the disk is full.
    """
    _check_online(urls[0], path)
    make_folder(path.parent)
    part = path.with_name(path.name + PART)
    refusals: dict[str, BaseException] = {}
    for url in sorted(urls, key=lambda url: not _validator(part, url)):
        try:
            _fetch_patiently(url, part)
            sums = checksums(part, f"checking {path.name}")
            if sums.md5 == md5:
                os.replace(part, path)
                _note(part).unlink(missing_ok=True)
                return replace(sums, url=url)
            with part.open("rb") as file:
                is_page = file.read(1000).lstrip().lower().startswith((b"<!doctype", b"<html"))
            part.unlink()  # or the next call would resume it
            _note(part).unlink(missing_ok=True)
            raise _Refused(
                f"it sent {'a web page, ' if is_page else ''}{sums.bytes:,} bytes with the MD5 sum "
                f"{sums.md5} instead of {md5}, which were removed"
            )
        except _Refused as error:
            refusals[url] = error
        except OSError as error:
            raise SnnlabError(
                f"{part} could not be written ({error.strerror or error}); space for the whole "
                "file was expected. Free some and run the same command again, which resumes."
            ) from error
    kept = ""
    if size := _size(part):
        kept = f"{size:,} bytes are kept in {part}: run the same command again to resume. "
    raise SnnlabError(f"{_listing(refusals)}. {kept}{_by_hand(path)}") from refusals[urls[-1]]


def remote_size(urls: Sequence[str], path: Path) -> int | None:
    """Return the number of bytes to fetch to `path`, or None if no server states it.

    Raises:
        SnnlabError: SNNLAB_OFFLINE is set, or every server refuses or cannot be reached.
    """
    _check_online(urls[0], path)
    refusals: dict[str, BaseException] = {}
    for url in urls:
        try:
            # not HEAD, which servers that redirect to signed addresses refuse
            with _get(url, {}) as response:
                _check_response(response)
                return _content_length(response)
        except _Retry:
            return None  # `download` is more patient
        except (_Refused, requests.RequestException) as error:
            refusals[url] = error
    raise SnnlabError(f"{_listing(refusals)}. Check the connection. {_by_hand(path)}")


def checksums(path: Path, title: str) -> Checksums:
    """Return the size and both checksums of a file, read once, with a progress bar."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with (
        path.open("rb") as file,
        tqdm.wrapattr(file, "read", total=_size(path), desc=title) as wrapped,
    ):
        while block := wrapped.read(_BLOCK):
            md5.update(block)
            sha256.update(block)
    return Checksums(_size(path), md5.hexdigest(), sha256.hexdigest())


def check_room(folder: Path, bytes: int, what: str) -> None:
    """Check that the disk has space.

    Args:
        folder: which exists or will be made.
        bytes: that are needed.
        what: needs them, for the message.

    Raises:
        SnnlabError: fewer bytes are free.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < bytes:
        raise SnnlabError(
            f"{folder} has {free / 1e9:.1f} GB of free space; {bytes / 1e9:.1f} GB was expected, "
            f"for {what}. Free some, or set SNNLAB_DATA to a folder on a larger disk."
        )


def _fetch_patiently(url: str, part: Path) -> None:
    """Fetch the rest of a file; refuse after ATTEMPTS in a row without a new byte."""
    attempt = 0
    while True:
        before = _size(part)
        try:
            return _fetch(url, part)
        except (
            *(_Retry, requests.ConnectionError, requests.Timeout),
            *(requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError),
        ) as error:
            attempt = 1 if _size(part) > before else attempt + 1
            if attempt >= ATTEMPTS:
                raise _Refused(_reason(error)) from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
        except requests.RequestException as error:
            raise _Refused(_reason(error)) from error


def _fetch(url: str, part: Path) -> None:
    """Make one attempt: on return, `part` is as long as the server says that the file is."""
    start, validator = _size(part), _validator(part, url)
    headers = {"Range": f"bytes={start}-", "If-Range": validator}
    if not (start and validator):
        start, headers = 0, {}
    with _get(url, headers) as response:
        content_range = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", content_range)
        first, total = match.groups() if match else (None, None)
        if response.status_code == 416 and start:  # the file has no byte after these
            if total == str(start):
                return
            part.unlink()
            raise _Retry("the server has another version of the file")
        _check_response(response)
        length = int(total) if total else None
        if response.status_code == 200:  # ranges are not supported, or the version is another
            start, length = 0, _content_length(response)
        elif first != str(start):
            part.unlink(missing_ok=True)
            raise _Retry("the server sent another range than requested")
        if not start:
            part.unlink(missing_ok=True)
            # what tells later whether the server still has the same file; a weak ETag, W/"...",
            # does not
            etag = response.headers.get("ETag", "")
            version = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
            write_text(_note(part), json.dumps({"url": url, "validator": version}))
        title = part.name.removesuffix(PART)
        with (
            part.open("ab") as file,
            tqdm.wrapattr(file, "write", total=length, initial=start, desc=title) as wrapped,
        ):
            # undecoded, as the MD5 sum and the ranges are those of the bytes sent
            for block in response.raw.stream(_BLOCK, decode_content=False):
                wrapped.write(block)
            os.fsync(file.fileno())
    if length is not None and _size(part) != length:
        raise _Retry(f"{_size(part):,} bytes came of {length:,}")


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    headers = {"Accept-Encoding": "identity", **headers}
    return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)


def _check_response(response: requests.Response) -> None:
    status = f"the server answers {response.status_code} {response.reason}"
    if response.status_code in _RETRY_STATUS:
        raise _Retry(status)
    if response.status_code not in (200, 206):  # figshare answers 202 to a suspected robot
        raise _Refused(status)
    if "text/html" in response.headers.get("Content-Type", "").lower():
        raise _Refused(
            "the server sends a web page instead of the file; it may require a login or a person"
        )


def _content_length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _check_online(url: str, path: Path) -> None:
    if os.environ.get("SNNLAB_OFFLINE", "0") not in ("", "0"):
        raise SnnlabError(
            f"SNNLAB_OFFLINE is set, so {url} is not fetched. Unset it, or put the file there as "
            f"{path} and run the same command again."
        )


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(part: Path, url: str) -> str:
    """Return what the server called this version of the file; "" for a part of another address."""
    try:
        note = read_json(_note(part), "")
        return str(note["validator"]) if note["url"] == url else ""
    except (SnnlabError, KeyError, TypeError):
        return ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(
        error, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError
    ):
        return "the connection broke off"
    return reason_of(error)[:200]


def _listing(refusals: Mapping[str, BaseException]) -> str:
    return ", and ".join(
        f"{url} could not be fetched ({_reason(error)})" for url, error in refusals.items()
    )


def _by_hand(path: Path) -> str:
    return (
        f"By hand: fetch it with a browser, put it there as {path}, run the same command again, "
        "and then `snnlab data check`."
    )
