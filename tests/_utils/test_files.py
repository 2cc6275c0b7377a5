"""Files."""

import os

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import stamp, write_text


def test_a_stamp_changes_with_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    first = stamp(path)
    path.write_text("bc")
    assert stamp(path) != first and stamp(str(path)) == stamp(path)


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # as /dev/null, which root could replace
    with pytest.raises(SnnlabError, match="pipe: is no ordinary file, and is not replaced"):
        write_text(tmp_path / "pipe", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()
