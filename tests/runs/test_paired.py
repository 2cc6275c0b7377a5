"""Variants over the folds of a sweep, against numbers by hand."""

import pandas as pd
import pytest

from snnlab.runs.paired import difference_tables, paired_differences

NONE = {(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.4, (1, 1): 0.5}
LEARNED = {(0, 0): 0.7, (0, 1): 0.7, (1, 0): 0.6, (1, 1): 0.8}


@pytest.fixture
def table():
    """What `collect` returns of a sweep over two folds and two seeds, a run each."""
    about = {"notebook": "04", "profile": "course", "data": "words", "notebook_sha256": "0"}
    return pd.DataFrame(
        [
            about
            | {"arm": arm, "seed": seed, "config.fold": fold, "test_accuracy": accuracies[key]}
            | {"path": f"{fold}/{seed}", "finished": "2026-01-01"}
            for key in NONE
            for fold, seed in [key]
            for arm, accuracies in (("none", NONE), ("learned", LEARNED))
        ]
    )


def test_differences_are_of_the_same_fold_and_seed(table):
    """By hand: 15 and 25 points; t(0.975, 1) = 12.706 times 5 points is half of the interval."""
    rows = paired_differences(table).set_index(["variant", "minus"])
    assert list(rows.index) == [("none", ""), ("learned", ""), ("learned", "none")]
    columns = ["fold 0", "fold 1", "mean"]
    assert rows.loc[("none", "")][columns].tolist() == pytest.approx([0.55, 0.45, 0.5])
    pair = rows.loc[("learned", "none")]
    assert pair[columns].tolist() == pytest.approx([0.15, 0.25, 0.2])
    assert pair["half_width"] == pytest.approx(12.7062 * 0.05, rel=1e-4)


def test_a_seed_that_one_variant_lacks_is_in_no_difference(table):
    rows = paired_differences(table.iloc[:-1]).set_index(["variant", "minus"])
    assert rows.loc[("learned", "none"), "fold 1"] == pytest.approx(0.2)
    assert rows.loc[("none", ""), "fold 1"] == pytest.approx(0.45)
    assert rows.loc[("learned", ""), "fold 1"] == pytest.approx(0.6)


def test_the_latest_run_of_a_seed_counts(table):
    again = table.assign(path=table["path"] + "b", finished="2026-01-02", test_accuracy=0.9)
    assert paired_differences(pd.concat([again, table]))["mean"].tolist() == pytest.approx(
        [0.9, 0.9, 0]
    )


def test_other_parameters_make_another_sweep(table):
    other = table.assign(**{"path": table["path"] + "b", "config.epochs": 9, "test_accuracy": 0.25})
    both = pd.concat([table.assign(**{"config.epochs": 3}), other])
    first, second = difference_tables(both)
    assert first.title == "04, data words, over the folds, epochs 3"
    assert first.sections[0][0] == ["none", "55.0", "45.0", "50.0", "-13.5 to 113.5"]
    assert first.sections[1] == [
        ["learned - none", "+15.0", "+25.0", "+20.0", "-43.5 to +83.5"],
    ]
    assert second.sections[1][0][1:] == ["+0.0", "+0.0", "+0.0", "+0.0 to +0.0"]


@pytest.mark.parametrize("values", [("p", "q"), (0.25, 0.5)])
def test_a_fold_that_is_no_whole_number_is_a_parameter_as_others_are(table, values):
    own = table.assign(**{"config.fold": table["config.fold"].map(dict(enumerate(values)))})
    rows = paired_differences(own)
    assert set(rows["over"]) == {"seed"} and [*rows["config.fold"].unique()] == [*values]
    pair = rows[(rows["minus"] == "none") & (rows["config.fold"] == values[0])].iloc[0]
    assert (pair["seed 0"], pair["seed 1"]) == (pytest.approx(0.2), pytest.approx(0.1))


def test_each_row_over_seeds_says_of_which_runs_it_is(table):
    """Those of another notebook's code, and where the other value has too few seeds for a row."""
    seeds = table[table["config.fold"] == 0].drop(columns="config.fold")
    edited = seeds.assign(notebook_sha256="1", path="b")
    (one,) = difference_tables(pd.concat([seeds, edited]))
    assert [section[0][0] for section in one.sections] == ["0", "1"]
    other = edited.assign(notebook="05", path="c", **{"config.epochs": [3, 3, 9, 9]})
    (first,) = difference_tables(pd.concat([seeds, other]))
    assert first.columns[0] == "test accuracy (points)"  # what differs elsewhere is no column here
    few = seeds[seeds["seed"] == 0].assign(**{"config.lr": 0.2, "path": "b"})
    (one,) = difference_tables(pd.concat([seeds.assign(**{"config.lr": 0.1}), few]))
    assert one.columns[0] == "lr" and [section[0][0] for section in one.sections if section] == [
        "0.1"
    ]


def test_of_one_fold_in_common_there_is_no_interval(table):
    lacking = table[(table["config.fold"] == 0) | (table["arm"] == "none")]
    (one,) = difference_tables(lacking)
    assert one.sections[1] == [["learned - none", "+15.0", "", "+15.0", ""]]


def test_of_one_fold_or_none_the_pairs_are_seeds(table):
    """By hand, fold 0: 20 and 10 points; t(0.975, 1) = 12.706 times 5 points."""
    fold_0 = table[table["config.fold"] == 0]  # data without folds have it with --all-parameters
    for one in (fold_0, fold_0.drop(columns="config.fold")):
        rows = paired_differences(one).set_index(["variant", "minus"])
        pair = rows.loc[("learned", "none")]
        assert pair[["seed 0", "seed 1", "mean"]].tolist() == pytest.approx([0.2, 0.1, 0.15])
        assert pair["half_width"] == pytest.approx(12.7062 * 0.05, rel=1e-4)
        (shown,) = difference_tables(one)
        assert shown.title == "04, data words, over the seeds"
        assert shown.sections == [[["learned - none", "2", "+15.0", "-48.5 to +78.5"]]]


def test_the_best_variant_is_compared_with_each_of_the_others(table):
    """It may stand first in the results; each setting has its best one."""
    one = table[table["config.fold"] == 0].drop(columns="config.fold")
    third = one[one["arm"] == "none"].assign(arm="wide", test_accuracy=0.66)
    other = pd.concat([one, third]).assign(test_accuracy=lambda t: 1 - t["test_accuracy"])
    first = pd.concat([one, third]).assign(**{"config.hidden": "[16]"})
    second = other.assign(**{"config.hidden": "[8]"}, path=other["path"] + "b")
    (shown,) = difference_tables(pd.concat([first, second]))
    assert shown.columns[:2] == ["hidden", "test accuracy (points)"]
    labels = [[row[:2] for row in section] for section in shown.sections]
    assert labels == [
        [["[8]", "none - learned"], ["[8]", "none - wide"]],
        [["[16]", "learned - wide"], ["[16]", "learned - none"]],
    ]
    assert [row[3] for row in shown.sections[0]] == ["+15.0", "+11.0"]


def test_of_one_fold_and_seed_there_is_no_table(table):
    one = table[(table["config.fold"] == 0) & (table["seed"] == 0)]
    assert paired_differences(one).empty and not [*difference_tables(one)]
    lacking = table[(table["config.fold"] == 0) & ((table["seed"] == 0) | (table["arm"] == "none"))]
    assert len(paired_differences(lacking)) == 3 and not [*difference_tables(lacking)]


def test_what_all_sweeps_share_is_not_in_the_title(table):
    (one,) = difference_tables(table.assign(**{"config.epochs": 3, "config.dt_ms": 10.0}))
    assert one.title == "04, data words, over the folds"
