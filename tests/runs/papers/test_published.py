"""A result counts as measured on a published set only if all its provenance fits."""

import pytest
from genuine import archives, checked, genuine

from snnlab.runs.papers.published import data_mismatch

NAMES = ("shd", "ssc", "gsc", "imagenet", "es-imagenet", "cifar10-dvs", "es-ucf101")


@pytest.mark.parametrize("name", NAMES)
def test_the_published_sets_are(name):
    assert data_mismatch(name, genuine(name)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_stand_in_in_the_layout_and_with_the_name_and_numbers_of_a_set_is_not(name):
    """Nobody fetched or checked it."""
    source = genuine(name)
    source["origin"] = {}
    assert data_mismatch(name, source)
    source = genuine(name)
    source.pop("origin")
    assert data_mismatch(name, source)


@pytest.mark.parametrize("name", NAMES)
def test_other_numbers_of_samples_are_not(name):
    for part in ("train", "valid", "test"):
        source = genuine(name)
        source["samples"][part] -= 1
        assert "another number of samples" in data_mismatch(name, source), part
        source["samples"].pop(part)
        assert "unknown number" in data_mismatch(name, source)


def test_a_stand_in_that_passes_the_check_is_not_shd():
    """Whoever makes 10,420 recordings in its layout has no archives with its checksums."""
    source = genuine("shd")
    source["origin"] = checked(train=8156, test=2264)
    assert (
        data_mismatch("shd", source)
        == "on files without the checksums of shd; `snnlab data get shd` compares them"
    )
    source["origin"] |= archives("shd")
    assert data_mismatch("shd", source).startswith("on shd_train.h5 of unknown origin")


def test_files_that_replaced_the_fetched_ones_are_not():
    source = genuine("shd") | {"sha256": "0" * 64}
    assert data_mismatch("shd", source) == "on other files than those that came as shd"
    source = genuine("shd")
    source["origin"]["files"]["shd_test.h5"] = "0" * 64
    assert data_mismatch("shd", source) == "on other files than those that came as shd"


def test_one_archive_of_two_is_not_enough():
    for i in (0, 1):
        source = genuine("shd")
        source["origin"]["archives"][i]["md5"] = "0" * 32
        assert "without the checksums of shd" in data_mismatch("shd", source)


def test_clips_that_were_fetched_and_not_checked_are_not():
    for name in ("gsc", "cifar10-dvs"):
        source = genuine(name)
        source["origin"].pop("checked")
        assert data_mismatch(name, source) == (
            f"on files that nobody compared with {name}; `snnlab data check {name}` does"
        )


def test_the_name_comes_first():
    assert data_mismatch("shd", genuine("ssc")) == "on ssc, not shd"
    assert data_mismatch("shd", {"name": "spoken-digits"}) == "on spoken-digits, not shd"


def test_both_counts_of_shd_are_published_and_a_mixture_is_not():
    source = genuine("shd")
    source["samples"] = {"train": 6676, "valid": 1656, "test": 2088}
    assert data_mismatch("shd", source) == ""
    source["samples"]["test"] = 2264
    assert "another number" in data_mismatch("shd", source)


def test_everything_may_be_trained_on_but_not_more():
    """The published protocol scores the test set after each epoch, in place of validation."""
    for valid, words in ((2264, ""), (0, ""), (1656, "another number")):
        source = genuine("shd")
        source["samples"] = {"train": 8156, "valid": valid, "test": 2264}
        assert (
            (words in data_mismatch("shd", source)) if words else data_mismatch("shd", source) == ""
        )


def test_a_number_that_rests_on_memory_is_that_of_the_check():
    source = genuine("es-imagenet")
    source["samples"]["train"] += 5
    assert "another number" in data_mismatch("es-imagenet", source)
    source["origin"] = checked(train=1257040, val=49881)
    assert data_mismatch("es-imagenet", source) == ""
    source["origin"] = checked(train=1257040, val=49880)  # this one is sure
    source["samples"]["test"] = 49880
    assert "another number" in data_mismatch("es-imagenet", source)


@pytest.mark.parametrize("name", ["es-imagenet", "cifar10-dvs", "es-ucf101"])
def test_what_was_pretrained_on_is_looked_into_too(name):
    source = genuine(name)
    source["pretraining"]["pictures"]["origin"] = {}
    assert data_mismatch(name, source).startswith(
        "pretrained on other data: on files that nobody compared with"
    )
    source["pretraining"] = None
    assert data_mismatch(name, source).startswith("pretrained on other data")


@pytest.mark.parametrize(
    "wrong", [None, 3, "x", [], {"archives": 3}, {"archives": [3]}, {"files": 3}, {"checked": []}]
)
def test_what_is_written_wrongly_is_not(wrong):
    for name in NAMES:
        source = genuine(name)
        source["origin"] = wrong
        assert data_mismatch(name, source)
