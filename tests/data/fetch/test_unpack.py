"""Archives that are whole, cut short, or not to be trusted."""

import io
import tarfile
import zipfile
from collections import namedtuple
from random import Random

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.fetch import download, unpack
from snnlab.data.fetch.unpack import extract_all

SOUND = Random(0).randbytes(70_000)
TREE = {
    "./bed/a.wav": SOUND,
    "./bed/b.wav": b"b",
    "./cat/c.wav": b"c",
    "list.txt": b"bed/a.wav\n",
    ".DS_Store": b"x",
}


def make_tar(path, files=TREE, mode="w:gz", **links):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, (kind, target) in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return path


def make_zip(path, files=TREE):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in files.items():
            content.writestr(name, data)
    return path


def tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


MAKERS = {
    "a.tar.gz": make_tar,
    "a.tar": lambda path, files=TREE: make_tar(path, files, "w"),
    "a.zip": make_zip,
}


@pytest.mark.parametrize("name", MAKERS)
def test_all_of_it_is_in_its_place_and_nothing_else_is_left(tmp_path, name):
    archive = MAKERS[name](tmp_path / name)
    unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert tree(tmp_path / "set") == {"bed/a.wav", "bed/b.wav", "cat/c.wav", "list.txt"}
    assert (tmp_path / "set/bed/a.wav").read_bytes() == SOUND
    assert len(list((tmp_path / "set").iterdir())) == 3


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.85])
def test_an_archive_that_is_cut_short_leaves_nothing(tmp_path, name, keep):
    archive = MAKERS[name](tmp_path / name)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(
        SnnlabError,
        match=rf"{name} (cannot be unpacked|holds no (bed|cat|list.txt)).*[Ff]etch it again",
    ):
        unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert list((tmp_path / "set").iterdir()) == [] and archive.exists()


def test_a_changed_byte_in_a_zip_is_seen(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"bed/a.wav": bytes(range(256)) * 50})
    content = bytearray(archive.read_bytes())
    content[60] ^= 1
    archive.write_bytes(content)
    with pytest.raises(SnnlabError, match="a.zip cannot be unpacked"):
        unpack.unpack(archive, tmp_path / "set", ("bed",), extract_all)


@pytest.mark.parametrize("member", ["../out.txt", "bed/../../out.txt"])
@pytest.mark.parametrize("name", MAKERS)
def test_nothing_is_written_outside(tmp_path, name, member):
    archive = MAKERS[name](tmp_path / name, {"bed/a.wav": b"a", member: b"evil"})
    if name == "a.zip":  # zipfile takes the parts that lead outside away
        unpack.unpack(archive, tmp_path / "set", ("bed",), extract_all)
        assert all(file == name or file.startswith("set/") for file in tree(tmp_path))
        return
    with pytest.raises(SnnlabError, match=f"{name} cannot be unpacked .*outside"):
        unpack.unpack(archive, tmp_path / "set", ("bed",), extract_all)
    assert tree(tmp_path) == {name}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.LNKTYPE, "../../x"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_to_outside_and_devices_in_a_tar(tmp_path, kind, target):
    archive = make_tar(tmp_path / "a.tar", {"bed/a.wav": b"a"}, "w", trap=(kind, target))
    with pytest.raises(SnnlabError, match="a.tar cannot be unpacked .*trap"):
        unpack.unpack(archive, tmp_path / "set", ("bed",), extract_all)
    assert tree(tmp_path) == {"a.tar"}


def test_a_link_in_a_zip_is_an_ordinary_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as content:
        info = zipfile.ZipInfo("bed/trap")
        info.external_attr = 0o120777 << 16
        content.writestr(info, "../..")
    unpack.unpack(tmp_path / "a.zip", tmp_path / "set", ("bed",), extract_all)
    assert not (tmp_path / "set/bed/trap").is_symlink()


def test_what_is_missing_in_it_is_named(tmp_path):
    with pytest.raises(SnnlabError, match=r"a.zip holds no dog; bed, dog was expected in it"):
        unpack.unpack(make_zip(tmp_path / "a.zip"), tmp_path / "set", ("bed", "dog"), extract_all)
    assert list((tmp_path / "set").iterdir()) == []


def test_a_call_killed_while_unpacking_begins_unpacking_anew(tmp_path):
    archive = make_zip(tmp_path / "a.zip")
    half = tmp_path / "set/.unpacking-a.zip"
    (half / "bed").mkdir(parents=True)
    (half / "bed/a.wav").write_bytes(b"half")
    (half / "bed/left.wav").write_bytes(b"of another time")
    unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert tree(tmp_path / "set/bed") == {"a.wav", "b.wav"}
    assert (tmp_path / "set/bed/a.wav").read_bytes() == SOUND


def test_a_call_killed_while_moving_goes_on_with_it(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "a.zip", {**TREE, "README.md": b"read"})
    rename, done = unpack.os.rename, []

    def killed(source, target):
        if len(done) == 3:  # the whole folder, README.md, bed
            raise KeyboardInterrupt
        done.append(target.name)
        rename(source, target)

    monkeypatch.setattr(unpack.os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert (
        done == [".unpacked-a.zip", "README.md", "bed"] and not (tmp_path / "set/list.txt").exists()
    )
    monkeypatch.setattr(unpack.os, "rename", rename)
    archive.unlink()  # it is not needed any more
    unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert tree(tmp_path / "set") == {
        "README.md",
        "bed/a.wav",
        "bed/b.wav",
        "cat/c.wav",
        "list.txt",
    }
    assert not list((tmp_path / "set").glob(".*"))


def test_what_a_person_has_there_is_not_overwritten(tmp_path):
    archive = make_zip(tmp_path / "a.zip")
    (tmp_path / "set/cat").mkdir(parents=True)
    (tmp_path / "set/cat/mine.wav").write_bytes(b"mine")
    for _ in range(2):
        with pytest.raises(SnnlabError, match=r"set/cat is in the way of what was unpacked"):
            unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
        assert tree(tmp_path / "set/cat") == {"mine.wav"}
    (tmp_path / "set/cat").rename(tmp_path / "elsewhere")
    unpack.unpack(archive, tmp_path / "set", ("bed", "cat", "list.txt"), extract_all)
    assert tree(tmp_path / "set/cat") == {"c.wav"}


def test_no_room(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "a.zip")
    usage = namedtuple("Usage", "total used free")(10**12, 0, 1_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        SnnlabError, match="of free space; 0.0 GB was expected, for the content of a.zip"
    ):
        unpack.unpack(archive, tmp_path / "set", ("bed",), extract_all)
    assert not (tmp_path / "set").exists() or list((tmp_path / "set").iterdir()) == []
    monkeypatch.undo()

    def full(archive, folder):
        (folder / "bed").mkdir()
        with open("/dev/full", "wb", buffering=0) as disk:
            disk.write(b"a")

    with pytest.raises(
        SnnlabError,
        match=r"could not be unpacked in .*set \(No space left on device\).*the archive kept",
    ):
        unpack.unpack(archive, tmp_path / "set", ("bed",), full)
    assert list((tmp_path / "set").iterdir()) == [] and archive.exists()


def test_a_tar_with_a_zip_at_its_end_is_a_tar(tmp_path):
    inner = make_zip(tmp_path / "inner.zip").read_bytes()
    (tmp_path / "out").mkdir()
    extract_all(
        make_tar(tmp_path / "a.tar", {"first": b"1", "inner.zip": inner}, "w"), tmp_path / "out"
    )
    assert tree(tmp_path / "out") == {"first", "inner.zip"}
