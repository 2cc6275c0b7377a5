"""Downloads from a server on this machine that breaks off, forgets, changes its mind and lies."""

import errno
import gzip
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest
import serving

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.fetch import download as module
from snnlab.data.fetch.download import check_room, download, remote_size

CONTENT = random.Random(0).randbytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
MIB = 1 << 20


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SNNLAB_OFFLINE", raising=False)
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with serving.serving() as server:
        server.files["file.zip"] = CONTENT
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set" / "file.zip"


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_file_and_its_checksums(server, path):
    found = download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT and names(path) == ["file.zip"]
    assert (found.bytes, found.md5, found.sha256) == (
        3_000_000,
        MD5,
        hashlib.sha256(CONTENT).hexdigest(),
    )
    assert server.asked == [("file.zip", None, None)] and server.encodings == [
        "identity"
    ]  # else its length would be another
    assert remote_size([server.url("file.zip")], path) == 3_000_000


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, path):
    server.cuts = [MIB, MIB // 2, None]
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.asked == [
        ("file.zip", None, None),
        ("file.zip", f"bytes={MIB}-", '"one"'),
        ("file.zip", f"bytes={MIB + MIB // 2}-", '"one"'),
    ]


def test_the_next_call_asks_for_the_rest_only(server, path):
    server.cuts = [MIB, *[0] * 9]
    with pytest.raises(
        SnnlabError,
        match=r"the connection broke off.*1,048,576 bytes are kept in .*file.zip.part: run the "
        r"same command again",
    ):
        download([server.url("file.zip")], path, MD5)
    assert len(server.asked) == 1 + module.ATTEMPTS - 1 and names(path) == [
        "file.zip.part",
        "file.zip.part.json",
    ]
    server.cuts, server.asked = [], []
    download([server.url("file.zip")], path, MD5)
    assert server.parts("file.zip") == [f"bytes={MIB}-"] and path.read_bytes() == CONTENT
    assert names(path) == ["file.zip"]


def test_many_breaks_do_not_matter_as_long_as_something_comes(server, path):
    server.cuts = [5 << 16] * 9
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT and len(server.asked) == 10


def test_parts_that_are_shorter_than_what_was_asked_for(server, path):
    server.cuts, server.most = [MIB], MIB // 2
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.parts("file.zip")[1:] == [f"bytes={k * MIB // 2}-" for k in (2, 3, 4, 5)]


def test_a_part_that_begins_elsewhere_is_thrown_away(server, path):
    server.cuts, server.shift = [MIB], 5
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT and server.parts("file.zip") == [
        None,
        f"bytes={MIB}-",
        None,
    ]


def test_without_a_length_the_end_of_the_connection_is_the_end(server, path):
    server.length = False
    assert remote_size([server.url("file.zip")], path) is None
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["etag", "ranges", "weak", "none", "url"])
def test_begins_anew_where_a_part_would_not_fit(server, path, change):
    server.etag = {"weak": 'W/"one"', "none": None}.get(change, '"one"')
    server.cuts = [MIB, *[0] * 20]
    with pytest.raises(SnnlabError):
        download([server.url("file.zip")], path, MD5)
    kept = path.with_name("file.zip.part").read_bytes()
    assert kept == (CONTENT[:MIB] if change in ("etag", "ranges", "url") else b"")
    server.cuts, server.asked = [], []
    url, content = server.url("file.zip"), CONTENT
    if change == "etag":
        server.etag, content = '"two"', CONTENT[::-1]
        server.files["file.zip"] = content
    elif change == "ranges":
        server.ranges = False
    elif change == "url":
        server.files["other.zip"], url = CONTENT, server.url("other.zip")
    download([url], path, hashlib.md5(content).hexdigest())
    assert path.read_bytes() == content and len(server.asked) == 1
    assert (server.asked[0][1] is None) == (change in ("weak", "none", "url"))


def test_a_date_does_where_there_is_no_etag(server, path):
    server.etag, server.modified = None, "Sat, 01 Aug 2020 10:00:00 GMT"
    server.cuts = [MIB]
    download([server.url("file.zip")], path, MD5)
    assert server.asked[1] == ("file.zip", f"bytes={MIB}-", server.modified)


def test_a_whole_part_is_only_checked(server, path):
    """As after a kill between the last byte and the name."""
    server.cuts = [MIB, *[0] * 9]
    with pytest.raises(SnnlabError):
        download([server.url("file.zip")], path, MD5)
    part = path.with_name("file.zip.part")
    part.write_bytes(CONTENT)
    server.asked = []
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT and server.parts("file.zip") == ["bytes=3000000-"]
    path.unlink()
    server.cuts = [MIB, *[0] * 9]
    with pytest.raises(SnnlabError):
        download([server.url("file.zip")], path, MD5)
    part.write_bytes(CONTENT + b"too long")
    server.cuts = []
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT


def test_another_content_is_refused_and_not_resumed(server, path):
    server.files["file.zip"] = b"<html>Maintenance</html>"
    with pytest.raises(
        SnnlabError, match=f"it sent a web page, 24 bytes with the MD5 sum .* instead of {MD5}"
    ):
        download([server.url("file.zip")], path, MD5)
    assert names(path) == []
    server.files["file.zip"] = CONTENT
    download([server.url("file.zip")], path, MD5)
    assert path.read_bytes() == CONTENT


def test_a_server_that_is_ill_is_asked_again_and_one_that_refuses_is_not(server, path):
    server.answers = [500, 503]
    download([server.url("file.zip")], path, MD5)
    assert len(server.asked) == 3
    for status in (403, 404):
        server.asked, server.answers = [], [status]
        with pytest.raises(
            SnnlabError, match=f"the server answers {status} .*put it there as .*set/x, run"
        ):
            download([server.url("file.zip")], path.with_name("x"), MD5)
        assert len(server.asked) == 1
    server.asked, server.answers = [], [500] * 99
    with pytest.raises(SnnlabError, match="could not be fetched .the server answers 500"):
        download([server.url("file.zip")], path.with_name("x"), MD5)
    assert len(server.asked) == module.ATTEMPTS


def wrong(server, how):
    """Let the first address fail."""
    server.files["file.zip"] = {"other": b"another file", "empty": b""}.get(how, CONTENT)
    server.answers = [how] * (module.ATTEMPTS if how == 503 else 1) if isinstance(how, int) else []


@pytest.mark.parametrize("how", [202, 403, 404, 503, "other", "empty"])
def test_another_address_is_tried(server, path, how):
    server.files["mirror.zip"] = CONTENT
    urls = [server.url("file.zip"), server.url("mirror.zip")]
    wrong(server, how)
    assert download(urls, path, MD5).url == urls[1]
    assert (
        path.read_bytes() == CONTENT
        and names(path) == ["file.zip"]
        and server.asked[-1][0] == "mirror.zip"
    )
    if how in (202, 403, 404):
        wrong(server, how)
        assert remote_size(urls, path) == len(CONTENT)


def test_where_every_address_fails_each_is_named_with_the_way_by_hand(server, path):
    urls = [server.url("file.zip"), server.url("other.zip"), server.url("third.zip")]
    server.files |= {"other.zip": b"\n<!DOCTYPE html><p>Are you a robot?", "third.zip": b"short"}
    server.answers = [202]
    with pytest.raises(SnnlabError) as caught:
        download(urls, path, MD5)
    text = str(caught.value)
    assert (
        f"{urls[0]} could not be fetched (the server answers 202 Accepted), and {urls[1]}" in text
    )
    assert "it sent a web page, 35 bytes" in text and "it sent 5 bytes with the MD5 sum" in text
    assert (
        f"By hand: fetch it with a browser, put it there as {path}, run the same command again, "
        "and then" in text
    )
    assert (
        "`snnlab data check`" in text
        and "kept" not in text
        and "\n" not in text
        and names(path) == []
    )
    server.answers = [202, 202]
    with pytest.raises(
        SnnlabError, match=f"{urls[0]} could .* and {urls[1]} could .*put it there as {path}"
    ):
        remote_size(urls[:2], path)


def test_a_web_page_is_no_file_and_leaves_the_part(server, path):
    server.cuts = [MIB, *[0] * 9]
    with pytest.raises(SnnlabError):
        download([server.url("file.zip")], path, MD5)
    server.cuts, server.kind, server.etag = [], "text/html; charset=utf-8", '"page"'
    with pytest.raises(
        SnnlabError, match="a web page instead of the file.* 1,048,576 bytes are kept"
    ):
        download([server.url("file.zip")], path, MD5)
    with pytest.raises(SnnlabError, match="a web page instead of the file"):
        remote_size([server.url("file.zip")], path)


def test_the_address_that_gave_a_part_is_asked_first(server, path):
    server.files["mirror.zip"] = CONTENT
    urls = [server.url("file.zip"), server.url("mirror.zip")]
    server.answers, server.cuts = [404], [MIB, *[0] * 9]
    with pytest.raises(
        SnnlabError, match="404.*the connection broke off.*1,048,576 bytes are kept"
    ):
        download(urls, path, MD5)
    server.cuts, server.asked = [], []
    download(urls, path, MD5)
    assert (
        server.asked == [("mirror.zip", f"bytes={MIB}-", '"one"')] and path.read_bytes() == CONTENT
    )


def test_a_packed_file_that_a_server_calls_packed_stays_packed(server, path):
    server.files["file.tar.gz"] = packed = gzip.compress(CONTENT)
    server.packing = "gzip"
    download([server.url("file.tar.gz")], path, hashlib.md5(packed).hexdigest())
    assert path.read_bytes() == packed
    path.unlink()
    server.files["file.tar.gz"] = packed[:MIB]
    with pytest.raises(SnnlabError, match="1,048,576 bytes with the MD5 sum"):
        download([server.url("file.tar.gz")], path, MD5)
    assert names(path) == []


def test_without_a_byte_nothing_is_said_to_be_kept(server, path):
    server.cuts = [0] * 9
    with pytest.raises(SnnlabError, match="the connection broke off") as caught:
        download([server.url("file.zip")], path, MD5)
    assert "kept" not in str(caught.value)


def test_no_connection(monkeypatch, path):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving.serving() as server:
        url = server.url("file.zip")
    with pytest.raises(SnnlabError, match="could not be fetched"):
        download([url], path, MD5)
    with pytest.raises(SnnlabError, match="could not be fetched .*Check the connection"):
        remote_size([url], path)
    with pytest.raises(SnnlabError, match="could not be fetched"):
        download(["https://"], path, MD5)


def test_offline_means_offline(server, path, monkeypatch):
    monkeypatch.setenv("SNNLAB_OFFLINE", "1")
    for call in (
        lambda: download([server.url("file.zip")], path, MD5),
        lambda: remote_size([server.url("file.zip")], path),
    ):
        with pytest.raises(
            SnnlabError, match="SNNLAB_OFFLINE is set, so http.*file.zip is not fetched"
        ):
            call()
    assert server.asked == []


def test_a_full_disk(server, path, monkeypatch):
    path.parent.mkdir()
    path.with_name("file.zip.part").symlink_to("/dev/full")
    monkeypatch.setattr(module, "_size", lambda path: 5 if path.name.endswith(".part") else 0)
    # So that it goes on with what is there
    monkeypatch.setattr(module, "_validator", lambda part, url: '"one"')
    with pytest.raises(
        SnnlabError, match=r"file.zip.part could not be written \(No space left on device\)"
    ) as caught:
        download([server.url("file.zip")], path, MD5)
    assert caught.value.__cause__.errno == errno.ENOSPC and len(server.asked) == 1


def test_room_is_looked_for_before(tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")(10**12, 0, 4_000_000_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    check_room(tmp_path / "not/there", 4_000_000_000, "a.zip")
    with pytest.raises(
        SnnlabError, match="not/there has 4.0 GB of free space; 5.0 GB was expected, for a.zip"
    ):
        check_room(tmp_path / "not/there", 5_000_000_000, "a.zip")


def test_a_killed_download_is_gone_on_with(server, path):
    server.pause = 0.05
    server.files["file.zip"] = content = CONTENT * 4
    script = f"""if True:
        from pathlib import Path
        from snnlab.data.fetch.download import download
        download([{server.url("file.zip")!r}], Path({str(path)!r}), "0")
    """
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    part = path.with_name("file.zip.part")
    try:
        for _ in range(2000):
            if part.exists() and part.stat().st_size >= MIB:
                break
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = part.stat().st_size
    assert MIB <= kept < len(content)
    server.pause, server.asked = 0, []
    download([server.url("file.zip")], path, hashlib.md5(content).hexdigest())
    assert server.parts("file.zip") == [f"bytes={kept}-"] and path.read_bytes() == content


def test_control_c_keeps_what_came(server, path, monkeypatch):
    class Bar(module.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "tqdm", Bar)
    with pytest.raises(KeyboardInterrupt):
        download([server.url("file.zip")], path, MD5)
    assert path.with_name("file.zip.part").read_bytes() == CONTENT[: 1 << 16]
    assert json.loads(path.with_name("file.zip.part.json").read_text())["validator"] == '"one"'


def test_addresses_and_checksums_are_those_of_tonic():
    datasets = pytest.importorskip("tonic.datasets")
    theirs = {
        name: [
            (one.base_url + getattr(one, f"{split}_zip"), getattr(one, f"{split}_md5"))
            for split in ("train", "valid", "test")
            if hasattr(one, f"{split}_zip")
        ]
        for name, one in (("shd", datasets.SHD), ("ssc", datasets.SSC))
    }
    theirs["cifar10-dvs"] = [(datasets.CIFAR10DVS.url, datasets.CIFAR10DVS.file_md5)]
    assert [len(one) for one in theirs.values()] == [2, 3, 1]
    for name, expected in theirs.items():
        assert [(one.urls[-1], one.md5) for one in DATASETS[name].archives] == expected
    assert [one.file for one in DATASETS["cifar10-dvs"].archives] == [datasets.CIFAR10DVS.filename]
    for one in (*DATASETS["shd"].archives, *DATASETS["ssc"].archives):
        assert (
            one.urls[0].endswith(f"/{one.file}") and (one.file.removesuffix(".zip"),) == one.makes
        )  # as tonic names them
