"""Paths, what a folder holds beside data, and names that can be told apart."""

from pathlib import Path

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import given_path, is_hidden
from snnlab.data.convert.from_aedat4 import convert_recordings
from snnlab.data.convert.from_audio import convert
from snnlab.data.convert.from_images import convert_folder
from snnlab.data.datasets import cifar10_dvs, es_imagenet, es_ucf101, gsc, imagenet, shd
from snnlab.data.datasets.spoken_digits import make
from snnlab.data.encoding.video_events import convert_videos
from snnlab.data.io.folders import check_names


@pytest.mark.parametrize(
    "name", [".git", ".DS_Store", "._cat.jpg", "__MACOSX", "Thumbs.db", "thumbs.DB", "@eaDir"]
)
def test_what_systems_leave_is_hidden(name):
    assert is_hidden(name)


@pytest.mark.parametrize(
    "name", ["cat", "_cat", "cat.jpg", "Thumbs", "git", "v_Archery_g01_c01.npz"]
)
def test_data_is_not_hidden(name):
    assert not is_hidden(name)


@pytest.mark.parametrize(("names", "words"), [
    (["cat", ""], "a class has an empty name"),
    (["cat", "\t"], "a class has an empty name"),
    (["a\nb"], r"the name 'a\\nb' of a class has the character '\\n'"),
    (["a\u2028b"], "of a class has the character"),
    (["caf\udce9"], r"the name 'caf\\udce9' of a class has the character '\\udce9'; printable"),
    (["caf\u00e9", "cafe\u0301"], "look alike; different names were expected"),
    (["a b", "a  b"], "look alike"),
    (["cat", "cat"], "look alike"),
])  # fmt: skip
def test_names_that_are_refused(names, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        check_names(names, "somewhere")
    assert str(caught.value).startswith("somewhere: ") and "\n" not in str(caught.value)


def test_names_of_any_language_are_fine():
    check_names(
        [
            "fünf",
            "пять",
            "五",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "Cat",
            "cat",
            "ice cream",
            "C++",
        ],
        "somewhere",
    )


def test_a_path_that_is_none():
    assert given_path("~/x") == Path.home() / "x" and given_path(Path("x")) == Path("x")
    with pytest.raises(SnnlabError, match=r"a path is empty; .* the current folder is `\.`"):
        given_path("")
    with pytest.raises(SnnlabError, match="~nobody_is_called_so/x: there is no such home folder"):
        given_path("~nobody_is_called_so/x")


@pytest.mark.parametrize("call", [
    lambda: shd.load("", dt_ms=10, n_in=70),
    lambda: gsc.load(""),
    lambda: imagenet.pictures(""),
    lambda: imagenet.write_shards("", "out"),
    lambda: es_imagenet.events(""),
    lambda: es_ucf101.events(""),
    lambda: es_ucf101.frames(""),
    lambda: cifar10_dvs.events(""),
    lambda: convert("", "out"),
    lambda: convert_folder("", "out"),
    lambda: convert_videos("", "out"),
    lambda: convert_recordings("", "out"),
    lambda: make("", size=60),
])  # fmt: skip
def test_an_empty_path_is_not_the_current_folder(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SnnlabError, match="a path is empty"):
        call()
    assert not list(tmp_path.iterdir())


def test_bytes_that_are_no_utf8_are_shown():
    assert printable("fünf caf\udce9") == r"fünf caf\udce9"
