"""Collecting results: a row for each network, and means over the seeds."""

import copy
import json
import math
import os
import re

import pandas as pd
import pytest
from click.testing import CliRunner

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.runs.manifest import KINDS, SCHEMA

RESULT = {
    "schema": 1,
    "notebook": "04_learning_delays",
    "profile": "tiny",
    "config": {
        "profile": "tiny",
        "seed": 0,
        "out": "",
        "epochs": 3,
        "hidden": [16, 16],
        "live": False,
    },
    "versions": {"python": "3.11"},
    "platform": {
        "git_commit": "abc",
        "git_changed": False,
        "notebook_sha256": "0123456789abcdef",
        "notebook_edited": False,
    },
    "data": {"name": "spoken-digits", "note": "generated", "path": "", "sha256": ""},
    "results": [],
    "more": {},
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-01T01:00:00+00:00",
}


def entry(variant, seed, accuracy, **more):
    return {"variant": variant, "seed": seed, "test_accuracy": accuracy, **more}


@pytest.fixture
def save(tmp_path):
    def write(name, *entries, config=None, **changes):
        content = copy.deepcopy(RESULT) | {"results": list(entries)} | changes
        content["config"] |= config or {}
        path = tmp_path / "runs" / name / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        return path

    (tmp_path / "runs").mkdir()
    return write


@pytest.fixture
def collect(tmp_path):
    """`snnlab collect runs --out table.csv`: what came out, and the table."""

    def run(*options):
        arguments = [
            "collect",
            str(tmp_path / "runs"),
            "--out",
            str(tmp_path / "table.csv"),
            *options,
        ]
        done = CliRunner().invoke(main.app, arguments, env={"COLUMNS": "150"})
        return done, pd.read_csv(tmp_path / "table.csv") if (
            tmp_path / "table.csv"
        ).exists() else None

    return run


def rows(output):
    """The cells of a printed table."""
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in output.splitlines()
        if "│" in line
    ]


def test_a_row_is_a_network_and_its_columns_say_what_it_was(tmp_path, save):
    one = save(
        "b",
        entry("none", 0, 0.5, best_epoch=2, curve=[1.0], chosen=True, name="x"),
        config={"epochs": 5},
    )
    other = save(
        "a/deep",
        entry("learned", 1, 0.75),
        {"recipe": "pipe-S", "seed": 2, "lr": 0.1},
        config={"seed": 7},
    )
    table = runs.collect(tmp_path / "runs")
    source = [
        "data",
        "notebook_sha256",
        "notebook_edited",
        "git_commit",
        "git_changed",
        "finished",
        "path",
    ]
    expected = [
        "notebook",
        "profile",
        "arm",
        "seed",
        "config.epochs",
        "test_accuracy",
        "lr",
        "best_epoch",
        *source,
    ]
    assert list(table) == expected
    assert table["path"].tolist() == [str(other), str(other), str(one)]
    assert table["arm"].tolist() == ["learned", "pipe-S", "none"]
    assert table["seed"].tolist() == [1, 2, 0]
    assert table["config.epochs"].tolist() == [3, 3, 5]
    assert table["test_accuracy"].tolist()[::2] == [0.75, 0.5] and math.isnan(
        table["test_accuracy"][1]
    )
    same = [
        "notebook",
        "profile",
        "data",
        "notebook_sha256",
        "notebook_edited",
        "git_commit",
        "git_changed",
        "finished",
    ]
    assert table.loc[0, same].tolist() == [
        *("04_learning_delays", "tiny", "spoken-digits", "0123456789ab", False, "abc", False),
        RESULT["finished"],
    ]


def test_lists_that_differ_are_told_apart_and_all_parameters_can_be_had(tmp_path, save):
    save("a", entry("none", 0, 0.5), config={"hidden": [16, 8]})
    save("b", entry("none", 0, 0.5))
    table = runs.collect(tmp_path / "runs")
    assert table["config.hidden"].tolist() == ["[16, 8]", "[16, 16]"]
    assert [name for name in table if name.startswith("config.")] == ["config.hidden"]
    everything = runs.collect(tmp_path / "runs", all_parameters=True)
    names = ["profile", "seed", "out", "epochs", "hidden", "live"]
    assert [name for name in everything if name.startswith("config.")] == [
        f"config.{name}" for name in names
    ]


def test_a_parameter_of_another_notebook_is_no_difference_but_one_that_came_later_is(
    tmp_path, save
):
    save("a", entry("none", 0, 0.5), config={"steps": 8}, notebook="02_pretrain_and_transfer")
    save("b", entry("none", 0, 0.5))
    assert not [name for name in runs.collect(tmp_path / "runs") if name.startswith("config.")]
    save("c", entry("none", 0, 0.5), config={"fan_in": 3})
    table = runs.collect(tmp_path / "runs")
    assert [name for name in table if name.startswith("config.")] == ["config.fan_in"]
    assert table["config.fan_in"].isna().tolist() == [True, True, False]


def test_a_number_does_not_overwrite_a_parameter_or_what_the_row_is(tmp_path, save):
    save(
        "a",
        entry("none", 3, 0.5, epochs=9, profile=4, path=5, arm=6, run=7, **{"config.epochs": 8}),
    )
    save("b", entry("none", 4, 0.5, epochs=8), config={"epochs": 4})
    table = runs.collect(tmp_path / "runs")
    assert table["epochs"].tolist() == [9, 8] and table["config.epochs"].tolist() == [3, 4]
    assert table.loc[0, ["arm", "profile"]].tolist() == ["none", "tiny"] and table["path"][
        0
    ].endswith("result.json")


def test_mean_spread_and_count_by_hand(tmp_path, save):
    for seed, accuracy in enumerate([0.5, 0.7, 0.9]):
        save(
            f"a{seed}",
            entry("none", seed, accuracy),
            entry("learned", seed, 0.8),
            config={"seed": seed, "live": seed > 1},
        )
    save("b", entry("none", 0, 0.25), config={"epochs": 9})
    table = runs.collect(tmp_path / "runs")
    means = runs.summary(table)
    assert means.index.names == [
        "notebook",
        "profile",
        "data",
        "notebook_sha256",
        "config.epochs",
        "arm",
    ]
    assert [key[4:] for key in means.index] == [(3, "none"), (3, "learned"), (9, "none")]
    found = means["test_accuracy"]
    assert found["mean"].tolist() == pytest.approx([0.7, 0.8, 0.25])
    # Sqrt((0.04 + 0 + 0.04) / 2)
    assert found["std"].tolist()[:2] == pytest.approx([0.2, 0.0], abs=1e-9)
    assert math.isnan(found["std"].iloc[2]) and found["count"].tolist() == [3, 3, 1]


def test_in_a_notebook_of_ones_own_every_parameter_may_change_the_networks(tmp_path, save):
    for notebook in ("mine", "04_learning_delays"):
        for workers in (1, 2):
            accuracy, config = 0.1 * workers, {"workers": workers}
            save(f"{notebook}{workers}", entry("a", 0, accuracy), config=config, notebook=notebook)
    means = runs.summary(runs.collect(tmp_path / "runs"))["test_accuracy"]
    assert means.loc["mine"]["mean"].tolist() == pytest.approx([0.1, 0.2])
    assert means.loc["04_learning_delays"]["mean"].tolist() == pytest.approx([0.2])  # the latest


def test_what_is_missing_in_some_configurations_stays_a_configuration(tmp_path, save):
    save("a", entry("none", 0, 0.2))
    save("b", entry("none", 0, 0.4), config={"fan_in": 3})
    assert runs.summary(runs.collect(tmp_path / "runs"))["test_accuracy", "mean"].tolist() == [
        0.2,
        0.4,
    ]


def test_runs_of_an_edited_notebook_are_a_row_of_their_own(tmp_path, save):
    save("a", entry("none", 0, 0.5))
    edited = RESULT["platform"] | {"notebook_sha256": "fedcba9876543210", "notebook_edited": True}
    save("b", entry("none", 0, 0.123456), platform=edited)
    save("c", entry("none", 1, 0.25), platform={"notebook_sha256": 7})  # altered, and no traceback
    table = runs.collect(tmp_path / "runs")
    assert table["notebook_sha256"].tolist() == ["0123456789ab", "fedcba987654", "7"]
    assert runs.summary(table)["test_accuracy", "mean"].tolist() == [0.5, 0.123456, 0.25]


def test_of_a_run_that_was_repeated_the_latest_counts(tmp_path, save):
    save("a", entry("none", 0, 0.5), finished="2026-03-01T00:00:00+00:00")
    save("b", entry("none", 0, 0.1), entry("none", 1, 0.7), finished="2026-02-01T00:00:00+00:00")
    save("c", entry("none", 0, 0.9), data=RESULT["data"] | {"name": "shd"})
    means = runs.summary(runs.collect(tmp_path / "runs"))["test_accuracy"]
    assert means["mean"].tolist() == pytest.approx([0.6, 0.9]) and means["count"].tolist() == [2, 1]


def test_two_entries_of_one_run_with_the_same_seed_both_count(tmp_path, save):
    save("a", entry("none", 0, 0.5), entry("none", 0, 0.7))
    means = runs.summary(runs.collect(tmp_path / "runs"))["test_accuracy"]
    assert means["mean"].tolist() == [0.6] and means["count"].tolist() == [2]


def test_the_command_writes_the_rows_and_prints_the_summary(save, collect):
    save("a", entry("none", 0, 0.50), entry("none", 1, 0.54), entry("learned", 0, 0.8))
    save("b", entry("none", 0, 0.25), config={"epochs": 9})
    save(
        "c",
        {"variant": "no memory", "seed": 0, "spikes": 2, "loss": 0.0341},
        {"variant": "curve", "seed": 0, "rate": [1]},
        notebook="01_lif_dynamics",
    )
    done, table = collect()
    assert done.exit_code == 0 and not done.stderr, done.output
    assert table["test_accuracy"].fillna(-1).tolist() == [0.5, 0.54, 0.8, 0.25, -1, -1]
    assert rows(done.stdout) == [
        ["3", "none", "2", "52.0 ± 2.8"],  # sqrt(2 * 2 ** 2)
        ["3", "learned", "1", "80.0"],
        ["9", "none", "1", "25.0"],
        ["no memory", "1", "2", "0.034"],
    ]
    assert "04_learning_delays, profile tiny, data spoken-digits" in " ".join(done.stdout.split())
    columns = [*collect("--all-parameters")[1]]
    assert columns[4:10] == ["config.profile", "config.seed", "out", "epochs", "hidden", "live"]


def test_people_read_a_rounded_number_and_the_csv_has_all_digits(save, collect):
    for seed in (0, 1):
        save(f"a{seed}", entry("none", seed, 0.5), entry("learned", seed, 0.6 + seed / 10))
        config = {"anneal_share": 0.6000000000000001}
        entries = entry("none", seed, 0.5), entry("learned", seed, 0.6 + seed / 10)
        save(f"b{seed}", *entries, config=config)
        save(f"c{seed}", *entries, config={"anneal_share": 1.0})
    done, table = collect()
    assert done.exit_code == 0 and "0.6" in {row[0] for row in rows(done.stdout)}, done.output
    assert "1.0" in {row[0] for row in rows(done.stdout)}
    assert "0.6000" not in done.stdout and 0.6000000000000001 in table["anneal_share"].tolist()


def test_damaged_results_are_named_and_the_rest_is_written(tmp_path, save, collect):
    save("good", entry("none", 0, 0.5))
    half, wrong = save("half"), save("wrong", entry("none", 0, 1.5))
    half.write_text(half.read_text()[:50])
    done, table = collect()
    assert done.exit_code == 1 and len(table) == 1 and "50.0" in done.stdout
    first, second = done.stderr.splitlines()
    assert first.startswith(f"snnlab: {half}: no readable JSON")
    assert second.startswith(f"snnlab: {wrong}: results[0].test_accuracy is 1.5")
    with pytest.warns(UserWarning, match="half|wrong") as warned:
        assert len(runs.collect(tmp_path / "runs")) == 1
    assert len(warned) == 2


STRANGE = {  # a result.json, and what is said of it
    "nested": (lambda text: "[" * 100_000, "more than 100 levels of nesting"),
    "deep": (
        lambda text: text.replace("{}", '{"a": ' + "[" * 900 + "]" * 900 + "}", 1),
        "more than 100 levels",
    ),
    "long": (lambda text: text.replace("0.5", "9" * 400), "a number of more than 64 bits"),
    "longer": (lambda text: text.replace("0.5", "9" * 5000), "no readable JSON"),
    "latin": (
        lambda text: text.replace("none", "\N{MULTIPLICATION SIGN}").encode("latin-1"),
        "'utf-8' codec can't",
    ),
    "controls": (
        lambda text: text.replace("{}", '{"controls": 3}', 1),
        "more.controls is 3; expected a list",
    ),
    "variant": (
        lambda text: text.replace("{}", '{"controls": [{}]}', 1),
        r"controls\[0\].variant is None",
    ),
    "ablation": (
        lambda text: text.replace("{}", '{"ablation": [{}]}', 1),
        r"ablation\[0\].handed_over is None",
    ),
    "pipe": (os.mkfifo, "a folder, pipe or device"),
    "folder": (os.mkdir, "a folder, pipe or device"),
    "device": (lambda path: os.symlink("/dev/zero", path), "a folder, pipe or device"),
    "loop": (lambda path: os.symlink(path.name, path), "Too many levels of symbolic links"),
    "nowhere": (lambda path: os.symlink("nowhere", path), "No such file or directory"),
    "huge": (
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40),
        "1,099,511,627,776 bytes",
    ),
}


def test_whatever_a_result_is_the_others_are_collected(save, collect):
    places = {name: save(name, entry("none", 0, 0.5), more={}) for name in ("good", *STRANGE)}
    for name, (change, _) in STRANGE.items():
        path = places[name]
        text = path.read_text()
        path.unlink()
        if name in ("pipe", "folder", "device", "loop", "nowhere", "huge"):
            change(path)
        else:
            content = change(text)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done, table = collect()
    assert done.exit_code == 1 and table["path"].tolist() == [str(places["good"])]
    said = done.stderr.splitlines()
    assert len(said) == len(STRANGE)
    for name, (_, words) in STRANGE.items():
        (line,) = (line for line in said if line.startswith(f"snnlab: {places[name]}: "))
        assert re.search(words, line), line


def test_damaged_results_alone_leave_an_empty_table(save, collect):
    save("half").write_text("{")
    done, table = collect()
    assert (
        done.exit_code == 1 and done.stderr.count("\n") == 1 and len(table) == 0 and "path" in table
    )


def test_unfinished_runs_are_named(tmp_path, save, collect):
    save("good", entry("none", 0, 0.5))
    for name in ("good", "begun", "broken", "going-on"):
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "runs" / name / "checkpoints" / "config.json").write_text("{}")
    (tmp_path / "runs" / "empty" / "checkpoints").mkdir(parents=True)
    error = "04.ipynb, cell [3]: SnnlabError: there is no set.\nThe notebook is x.ipynb."
    content = {kind: KINDS[kind]() for kind in KINDS} | {
        "schema": SCHEMA, "started": ["now"], "status": "failed", "error": error,
    }  # fmt: skip
    (tmp_path / "runs" / "broken" / "manifest.json").write_text(json.dumps(content))
    content |= {"status": "running", "process": {"host": "here", "pid": 7}}
    (tmp_path / "runs" / "going-on" / "manifest.json").write_text(json.dumps(content))
    done, table = collect()
    assert done.exit_code == 0 and len(table) == 1
    begun, broken, going_on = (tmp_path / "runs" / n for n in ("begun", "broken", "going-on"))
    cause = "04.ipynb, cell [3]: SnnlabError: there is no set"
    assert done.stderr.splitlines() == [
        f"snnlab: {begun}: unfinished; run it again to resume it.",
        f"snnlab: {broken}: failed: {cause}; run it again when the cause is mended.",
        (
            f"snnlab: {going_on}: begun by process 7 on here, since now; if that has ended, run it "
            "again to resume it."
        ),
    ]


def test_versions_of_the_schema_are_not_mixed(save, collect):
    old, new = save("a", entry("none", 0, 0.5)), save("b", entry("none", 0, 0.5), schema=2)
    done, table = collect()
    assert done.exit_code == 2 and table is None
    assert done.stderr.startswith(f"snnlab: {old} is written in schema 1 and {new} in schema 2")
    assert done.stderr.count("\n") == 1


def test_results_of_another_schema_alone_are_named(save, collect):
    path = save("b", entry("none", 0, 0.5), schema=2)
    done, _ = collect()
    assert done.exit_code == 1 and done.stderr.startswith(
        f"snnlab: {path}: written in schema 2, this snnlab reads 1"
    )


def test_nothing_to_collect_is_one_sentence(tmp_path, save, collect):
    with pytest.raises(SnnlabError, match="holds no result.json"):
        runs.collect(tmp_path / "runs")
    with pytest.raises(SnnlabError, match="there is no such folder"):
        runs.collect(tmp_path / "nowhere")
    save("a")
    table = runs.collect(tmp_path / "runs")
    assert table.empty
    with pytest.raises(SnnlabError, match="no numbers to summarise"):
        runs.summary(table)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, save, collect, monkeypatch):
    from snnlab.runs import collection

    save("a", entry("none", 0, 0.5))
    walk = collection.os.walk

    def refusing(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "runs" / "shut")))
        return walk(folder, onerror=onerror)

    monkeypatch.setattr(collection.os, "walk", refusing)
    done, table = collect()
    assert done.exit_code == 1 and len(table) == 1
    assert "shut: cannot be read (Permission denied)" in done.stderr


def test_a_sweep_of_hundreds(tmp_path, save):
    """20 seeds of 15 configurations and two arms: each mean is that of its own 20 numbers."""
    for lr in range(15):
        for seed in range(20):
            accuracies = [(lr + seed / 100 + shift) / 20 for shift in (0, 1)]
            entries = [
                entry(name, seed, a)
                for name, a in zip(("none", "learned"), accuracies, strict=True)
            ]
            save(
                f"lr{lr}/seed{seed}",
                *entries,
                config={"lr": lr / 10, "seed": seed, "out": f"somewhere/{lr}/{seed}"},
            )
    table = runs.collect(tmp_path / "runs")
    assert len(table) == 600 and table["path"].nunique() == 300
    means = runs.summary(table)["test_accuracy"]
    assert len(means) == 30 and (means["count"] == 20).all()
    for (*_, lr, name), row in means.iterrows():
        assert row["mean"] == pytest.approx((10 * lr + 0.095 + (name == "learned")) / 20)
        # Of 0 .. 19: (20 ** 2 - 1) / 12 * 20 / 19 = 35
        assert row["std"] == pytest.approx(math.sqrt(35) / 2000)


def test_a_sweep_over_folds_ends_with_paired_differences(save, collect):
    for fold, seed, learned in ((0, 0, 0.7), (0, 1, 0.7), (1, 0, 0.6), (1, 1, 0.8)):
        entries = (entry("none", seed, 0.5), entry("learned", seed, learned))
        more = {"controls": [entry("wide", seed, learned - 0.01)]}
        save(f"fold{fold}-seed{seed}", *entries, config={"fold": fold, "seed": seed}, more=more)
    done, table = collect()
    assert len(table) == 12 and "wide - learned" in done.stdout
    assert done.exit_code == 0 and "over the folds" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "learned - none" in line)
    assert "+20.0 to +20.0" in line and line.count("+20.0") == 5


@pytest.fixture
def unsorted(save):
    """A sweep over max_delay, two seeds of two variants each, in folders of another order."""
    for folder, max_delay in (("a", 24), ("b", 6), ("c", 100)):
        for seed in (0, 1):
            entries = [entry("none", seed, 0.3), entry("learned", seed, 0.4 + max_delay / 1000)]
            config = {"seed": seed, "max_delay": max_delay, "live": bool(seed)}
            save(f"{folder}/seed={seed}", *entries, config=config)


def test_means_are_sorted_by_the_value_of_a_parameter(unsorted, save, tmp_path):
    save("d", entry("none", 0, 0.5), config={"max_delay": 6, "hidden": [9]})
    save("e", entry("none", 0, 0.5), config={"max_delay": 6, "hidden": [16]})
    means = runs.summary(runs.collect(tmp_path / "runs"))
    index = [key[-3:] for key in means.index]  # hidden, max_delay, arm
    assert means.index.names[-3:] == ["config.hidden", "config.max_delay", "arm"]
    assert [key[:2] for key in index if key[2] == "none"] == [
        *(("[9]", 6), ("[16]", 6)),
        *(("[16, 16]", 6), ("[16, 16]", 24), ("[16, 16]", 100)),
    ]


def test_a_plot_draws_each_seed_in_the_order_of_the_values(unsorted, save, collect, tmp_path):
    save("d", entry("none", 0, 0.5), config={"max_delay": 6, "hidden": [9]})
    done, table = collect("--plot", "max_delay")
    assert done.exit_code == 0, done.output
    assert "config." not in done.output and "max_delay" in table and "hidden" in table
    first = [row[0] for row in rows(done.stdout) if row[-2] == "1" or len(row) == 5]
    assert first[:5] == ["6", "6", "6", "24", "24"]  # max_delay stands before hidden
    picture = tmp_path / "runs/max_delay.svg"
    text = " ".join(picture.read_text().split())
    assert "max_delay 6 40.6 % (40.6 to 40.6), max_delay 24 42.4 %" in text
    assert "hidden [9]. none: max_delay 6 50.0 %" in text
    assert picture.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert str(picture.with_suffix(".png")) in done.output.replace("\n", "")


def test_a_parameter_that_is_not_there_or_the_same_in_all_runs_is_not_drawn(unsorted, collect):
    done, _ = collect("--plot", "max_dely")
    assert done.exit_code == 2
    assert "parameter that differs between these runs called 'max_dely' (did you" in done.output
    done, _ = collect("--plot", "epochs")
    assert done.exit_code == 2 and "valid names: max_delay" in done.output


def test_too_many_panels_are_refused_and_unfinished_runs_are_named(save, collect, tmp_path):
    for n in range(13):
        save(f"{n}", entry("none", 0, 0.5), config={"epochs": n, "max_delay": 6 + n % 2})
    (tmp_path / "runs/begun/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/begun/checkpoints/config.json").write_text("{}")
    done, _ = collect("--plot", "max_delay")
    assert done.exit_code == 2 and "differ in epochs, too, which makes 13 panels" in done.output
    assert "begun: unfinished; run it again" in done.stderr


def test_a_number_keeps_its_name_beside_a_parameter_of_the_same_name(save, collect):
    save("a", entry("none", 0, 0.5, epochs=9))
    save("b", entry("none", 0, 0.5, epochs=8), config={"epochs": 4, "max_delay": 3})
    _, table = collect()
    assert table["epochs"].tolist() == [9, 8] and table["config.epochs"].tolist() == [3, 4]
    assert table["max_delay"].tolist()[1] == 3
