import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.cache import cache_folder, cached, cached_or_none, clean, unfinished


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SNNLAB_CACHE_GB", raising=False)
    return tmp_path / "cache"


class Maker:
    """Counts how often it is asked."""

    def __init__(self, array):
        self.array, self.calls = array, 0

    def __call__(self):
        self.calls += 1
        return self.array


def test_an_array_is_made_once_for_a_key():
    make = Maker(np.arange(6.0).reshape(2, 3))
    for _ in range(3):
        found = cached("thing", {"a": 1}, make)
        assert np.array_equal(found, make.array) and found.dtype == np.float64
    assert make.calls == 1


def test_what_has_been_made_can_be_asked_for():
    assert cached_or_none("thing", {"a": 1}) is None and not cache_folder().exists()
    cached("thing", {"a": 1}, Maker(np.arange(3)))
    assert cached_or_none("thing", {"a": 1}).tolist() == [0, 1, 2]
    assert cached_or_none("thing", {"a": 2}) is None and cached_or_none("other", {"a": 1}) is None


def test_another_key_or_word_is_another_array():
    one, two, three = (Maker(np.full(3, i)) for i in range(3))
    assert cached("thing", {"a": 1}, one)[0] == 0
    assert cached("thing", {"a": 2}, two)[0] == 1
    assert cached("other", {"a": 1}, three)[0] == 2


def test_the_order_of_a_key_does_not_matter():
    make = Maker(np.zeros(1))
    cached("thing", {"a": 1, "b": [2, 3]}, make)
    cached("thing", {"b": [2, 3], "a": 1}, make)
    assert make.calls == 1


def test_another_version_makes_anew(monkeypatch):
    make = Maker(np.zeros(1))
    cached("thing", {}, make)
    monkeypatch.setattr("snnlab._utils.version.__version__", "999")
    cached("thing", {}, make)
    assert make.calls == 2


def test_nobody_can_change_it():
    with pytest.raises(ValueError, match="read-only"):
        cached("thing", {}, Maker(np.zeros(3)))[0] = 1


def test_structured_arrays_and_texts_do():
    array = np.array([("a", 1), ("long name", 2)], dtype=[("key", "U9"), ("offset", np.int64)])
    cached("thing", {}, Maker(array))
    found = cached("thing", {}, Maker(None))
    assert found["key"].tolist() == ["a", "long name"] and found["offset"].tolist() == [1, 2]


@pytest.mark.parametrize("kept", [0, 60, 200])
def test_a_file_cut_short_is_made_again(here, kept):
    make = Maker(np.arange(100))
    cached("thing", {}, make)
    (file,) = here.glob("thing/*.npy")
    file.write_bytes(file.read_bytes()[:kept])
    assert np.array_equal(cached("thing", {}, make), make.array) and make.calls == 2


def test_what_fails_leaves_nothing(here):
    def fail():
        raise SnnlabError("no")

    with pytest.raises(SnnlabError, match="no"):
        cached("thing", {}, fail)
    assert not list(here.glob("thing/*.npy"))
    assert cached("thing", {}, Maker(np.zeros(1)))[0] == 0


def test_half_an_array_is_never_there(here):
    with pytest.raises(ValueError, match="allow_pickle"):
        cached("thing", {}, Maker(np.array([object()])))
    assert not list(here.glob("thing/*.npy"))


def test_people_can_read_what_a_file_is(here):
    cached("thing", {"dt_ms": 10}, Maker(np.zeros(1)))
    (file,) = here.glob("thing/*.json")
    content = json.loads(file.read_text())
    assert content["dt_ms"] == 10 and content["what"] == "thing"


def test_what_was_not_used_for_longest_goes_first(here, monkeypatch):
    make = {name: Maker(np.zeros(1000)) for name in "abcd"}  # 8,128 bytes each
    monkeypatch.setenv("SNNLAB_CACHE_GB", "26e-6")  # room for three
    for age, name in enumerate("abc"):
        cached("thing", {"name": name}, make[name])
        for file in here.glob("thing/*.npy"):
            os.utime(file, (age, age)) if file.stat().st_mtime > 1e6 else None
    cached("thing", {"name": "a"}, make["a"])  # the oldest is used again, so b is the oldest now
    cached("thing", {"name": "d"}, make["d"])
    assert len(list(here.glob("thing/*.npy"))) == len(list(here.glob("thing/*.json"))) == 3
    cached("thing", {"name": "a"}, make["a"])
    cached("thing", {"name": "c"}, make["c"])
    cached("thing", {"name": "b"}, make["b"])
    assert [make[name].calls for name in "abcd"] == [1, 2, 1, 1]


def test_what_is_needed_now_stays_even_if_it_is_too_large(here, monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE_GB", "0")
    assert cached("thing", {}, Maker(np.arange(1000)))[-1] == 999
    assert len(list(here.glob("thing/*.npy"))) == 1


def test_a_limit_that_is_no_number(monkeypatch):
    monkeypatch.setenv("SNNLAB_CACHE_GB", "much")
    with pytest.raises(SnnlabError, match="SNNLAB_CACHE_GB is 'much'; a number"):
        cached("thing", {}, Maker(np.zeros(1)))


def test_clean_removes_all_and_says_how_much(here):
    found = cached("thing", {}, Maker(np.arange(1000)))
    assert clean() > 8000
    assert not here.exists() and found[-1] == 999  # who uses it still has it
    assert clean() == 0


def test_clean_removes_unfinished_parts(here):
    cached("thing", {"n": 1}, Maker(np.arange(10)))
    parts = unfinished("thing", {"n": 2})
    parts.mkdir()
    (parts / "1.npz").write_bytes(b"a part")
    clean()
    assert not here.exists()


def test_clean_leaves_what_is_not_the_caches(here):
    cached("thing", {}, Maker(np.zeros(1)))
    (here / "thing/notes.txt").write_text("mine")
    (here / "mine").mkdir()
    (here / "mine/2026.npy").write_text("mine")
    clean()
    assert {path.name for path in here.rglob("*") if path.is_file()} == {"notes.txt", "2026.npy"}


def test_it_lies_below_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("SNNLAB_CACHE")
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    assert cache_folder() == tmp_path / "cache"


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(SnnlabError, match="cannot be made"):
        cached("thing", {}, Maker(np.zeros(1)))


def _want(folder: Path, number: int) -> None:
    os.environ["SNNLAB_CACHE"] = str(folder / "cache")

    def make() -> np.ndarray:
        (folder / f"made-by-{number}").touch()
        time.sleep(0.5)
        return np.arange(5)

    assert cached("thing", {}, make).tolist() == [0, 1, 2, 3, 4]


def test_of_several_processes_one_makes_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_want, args=(tmp_path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(list(tmp_path.glob("made-by-*"))) == 1
