"""Going on after what is refused; whole conversions are tested where they are."""

import errno

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.io import many_files


def reciprocal(x):
    if x == 0:
        raise SnnlabError("0 has no reciprocal")
    if x < 0:
        raise SnnlabError("full") from OSError(errno.ENOSPC, "no space left")
    return 1 / x


def test_what_is_refused_stops_nothing_else():
    done, failed = many_files.attempt_all([2, 0, 4], reciprocal, 1, title="")
    assert done == [(2, 0.5), (4, 0.25)] and failed == [(0, "0 has no reciprocal")]


def test_a_full_disk_stops_everything():
    with pytest.raises(SnnlabError, match="full"):
        many_files.attempt_all([2, -1, 4], reciprocal, 1, title="")


def test_the_bar_counts_what_was_done_before(capsys):
    many_files.attempt_all([2, 4, 5], reciprocal, 1, title="trying", unit="file", before=7)
    assert (
        "trying: 100%" in (said := capsys.readouterr().err) and "7/10" in said and "10/10" in said
    )


@pytest.mark.parametrize(
    ("count", "last", "lines"),
    [(1, "0", 2), (20, "19", 21), (21, "and 1 more", 22), (50, "and 30 more", 22)],
)
def test_at_most_twenty_sentences_are_listed(count, last, lines):
    text = many_files.listed("bad:", [str(i) for i in range(count)]).split("\n  ")
    assert text[:2] == ["bad:", "0"] and text[-1] == last and len(text) == lines
