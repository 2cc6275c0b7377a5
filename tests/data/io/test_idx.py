"""The idx format: every byte in its place, packed or not, and every refusal."""

import gzip

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.io.idx import read_idx

HEAD = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_bytes_become_an_array(tmp_path, pack):
    (tmp_path / "images").write_bytes(pack(HEAD + bytes([1, 2, 3, 250, 251, 252])))
    array = read_idx(tmp_path / "images", 3)
    assert array.dtype == np.uint8 and array.tolist() == [[[1, 2, 3]], [[250, 251, 252]]]
    array[0] = 0  # it is no view of the file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing; 00 00 08 03 was expected"),
        (HEAD[:10], "begins with 00 00 08 03"),
        (b"\0\0\x0d" + HEAD[3:] + bytes(6), "begins with 00 00 0d 03"),  # floats
        (bytes([0, 0, 8, 1, 0, 0, 0, 6]) + bytes(6), "begins with 00 00 08 01"),
        (HEAD + bytes(5), "holds 5 bytes of content; 6 were expected for 2 x 1 x 3"),
        (HEAD + bytes(7), "holds 7 bytes of content; 6 were"),
        (gzip.compress(HEAD + bytes(6), mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b not gzip", "cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, content, words):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(SnnlabError, match=words) as caught:
        read_idx(tmp_path / "images", 3)
    assert str(tmp_path / "images") in str(caught.value) and "expected" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SnnlabError, match="cannot be read .*No such file"):
        read_idx(tmp_path / "nothing", 1)
