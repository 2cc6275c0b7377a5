"""A run's folder and its record."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.course.config import resolve
from snnlab.runs import manifest
from snnlab.runs.result import arm, load_result

DATA = {"name": "made here", "note": "random numbers"}
ENTRY = {"variant": "learned", "seed": 0, "test_accuracy": 0.75}


@pytest.fixture
def run(tmp_path):
    return runs.start(resolve("04_learning_delays", profile="tiny", out=str(tmp_path / "run")))


def test_a_run_goes_where_it_is_told(tmp_path, run):
    assert run.dir == tmp_path / "run"
    assert run.figure_dir == tmp_path / "run" / "figures"


def test_a_run_goes_to_the_checkouts_runs_from_wherever_it_starts(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    run = runs.start(resolve("01_lif_dynamics", profile="tiny", seed=3))
    below = run.dir.relative_to(tmp_path)
    assert below.parts[:2] == ("runs", "01_lif_dynamics") and below.name == "seed=3"
    assert re.fullmatch("[0-9a-f]{12}", below.parts[2])


def test_the_folder_tells_runs_apart_that_may_end_differently():
    def folder(**parameters):
        return runs.run_folder(resolve("04_learning_delays", profile="tiny", **parameters))

    usual = folder()
    for parameters in ({"workers": 7}, {"device": "cpu"}, {"live": True}):
        assert folder(**parameters) == usual
    assert folder(seed=1) == usual.parent / "seed=1"
    others = {
        folder(epochs=9),
        folder(hidden=(8, 8)),
        folder(tau_ms=(21.0,)),
        folder(seed=1),
        usual,
    }
    assert len(others) == 5 and len({path.parent for path in others}) == 4
    config = resolve("04_learning_delays", profile="tiny")
    assert runs.run_folder(config, "shd_fixed").parent.parent.name == "shd_fixed"
    assert runs.run_folder(config, "shd_fixed").parent.name == usual.parent.name


def test_the_manifest_says_what_a_run_is_and_what_became_of_it(run):
    found = manifest.read(run.dir)
    assert (found["schema"], found["notebook"], found["profile"], found["status"]) == (
        1,
        "04_learning_delays",
        "tiny",
        "running",
    )
    assert (
        found["config"]["epochs"] == run.config.epochs
        and found["versions"]["torch"] == torch.__version__
    )
    assert (
        found["process"]["pid"] == os.getpid() and found["finished"] == "" and found["data"] == {}
    )
    (run.checkpoint_dir / "a.jsonl").write_text(
        '{"epoch": 0, "loss": 2.5}\n{"epoch": 1, "loss": 1.5}\n'
    )
    # Left by a kill
    (run.checkpoint_dir / ".a.jsonl.x1.jsonl").write_text('{"epoch": 0, "loss": 9.5}\n')
    (run.checkpoint_dir / "b").mkdir()
    (run.checkpoint_dir / "b/c.jsonl").write_text('{"epoch": 0, "loss": 3.5}\n')
    run.save_result([ENTRY], data=DATA | {"sha256": "ab"})
    after = manifest.read(run.dir)
    assert after["status"] == "finished" and after["finished"] >= found["started"][0]
    assert after["data"]["sha256"] == "ab" and after["config"] == found["config"]
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    assert [(line["network"], line["epoch"], line["loss"]) for line in lines] == [
        ("a", 0, 2.5),
        ("a", 1, 1.5),
        ("b/c", 0, 3.5),
    ]


def test_a_run_that_goes_on_says_so_and_one_that_begins_anew_does_not(run):
    assert len(manifest.read(runs.start(run.config).dir)["started"]) == 2
    manifest.end(run.dir, "failed", error="no such luck")
    assert manifest.read(run.dir)["error"] == "no such luck"
    assert len(manifest.read(runs.start(run.config).dir)["started"]) == 3
    assert manifest.read(run.dir)["error"] == ""
    run.save_result([ENTRY], data=DATA)
    assert len(manifest.read(runs.start(run.config).dir)["started"]) == 1
    other = runs.start(resolve("04_learning_delays", profile="tiny", out=str(run.dir), seed=1))
    assert len(manifest.read(other.dir)["started"]) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 0}', '{"schema": 1}', "[" * 100_000])
def test_a_manifest_that_cannot_be_read_is_as_none(run, content):
    (run.dir / "manifest.json").write_text(content)
    assert manifest.read(run.dir) == {}


def test_of_two_processes_with_the_same_run_the_second_says_who_holds_it(run, monkeypatch):
    code = f"""
from snnlab.course.config import LearningDelays, resolve
from snnlab.runs import run
run.LOCK_SECONDS = 0
run.start(resolve("04_learning_delays", profile="tiny", out={str(run.dir)!r}))
"""
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1
    assert f"{run.dir}: the same run is going on there (process {os.getpid()} on " in other.stderr
    assert manifest.read(run.dir)["process"]["pid"] == os.getpid()
    run.save_result([ENTRY], data=DATA)  # and though this process goes on, others may
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert other.returncode == 0, other.stderr


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SnnlabError, match="cannot be written .*choose another folder with out"):
        runs.start(resolve("01_lif_dynamics", out=str(tmp_path / "file" / "run")))


def test_a_result_comes_back_as_it_was_saved(run):
    run.save_result([ENTRY, ENTRY | {"seed": 1}], data=DATA, controls=[ENTRY])
    result = load_result(run.dir)
    assert (result.schema, result.notebook, result.profile) == (1, "04_learning_delays", "tiny")
    assert result.results == [ENTRY, ENTRY | {"seed": 1}]
    assert result.more == {"controls": [ENTRY]}
    assert result.data == {"name": "made here", "note": "random numbers", "path": "", "sha256": ""}
    assert result.config["hidden"] == list(run.config.hidden)
    assert result.config.keys() == vars(run.config).keys()
    assert result.versions["torch"] == torch.__version__
    assert result.versions.keys() == {"python", "snnlab", "torch", "spikingjelly", "numba", "numpy"}
    assert result.started <= result.finished


def test_numbers_of_numpy_and_torch_become_plain_ones(run):
    entry = ENTRY | {
        "seed": np.int64(3),
        "test_accuracy": torch.tensor(0.5),
        "curve": np.array([1.0, 2.0]),
    }
    path = run.save_result([entry], data=DATA)
    assert json.loads(path.read_text())["results"] == [
        {"variant": "learned", "seed": 3, "test_accuracy": 0.5, "curve": [1.0, 2.0]}
    ]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"seed": 0}, "variant"),
        ({"variant": "learned"}, "seed"),
        (ENTRY | {"seed": 0.5}, "seed"),
        (ENTRY | {"seed": True}, "seed"),
        (ENTRY | {"test_accuracy": 75.0}, "test_accuracy"),
        (ENTRY | {"valid_accuracy": "high"}, "valid_accuracy"),
        (ENTRY | {"test_accuracy": float("nan")}, "test_accuracy"),
        (ENTRY | {"curve": [1.0, float("inf")]}, "curve"),
    ],
)
def test_an_entry_that_later_collecting_could_not_use_is_refused_and_nothing_written(
    run, entry, field
):
    with pytest.raises(SnnlabError, match=rf"results\[1\]\.{field} is "):
        run.save_result([ENTRY, entry], data=DATA)
    assert not (run.dir / "result.json").exists()


def test_what_else_was_measured_has_to_be_finite_too(run):
    with pytest.raises(SnnlabError, match="more is "):
        run.save_result([ENTRY], data=DATA, treated={"rounded": [float("nan")]})


def test_a_number_that_no_reader_would_take_is_refused_when_it_is_saved(run):
    with pytest.raises(SnnlabError, match="more than 64 bits"):
        run.save_result([ENTRY | {"steps": 2**70}], data=DATA)
    assert not (run.dir / "result.json").exists()


def test_data_needs_a_name_and_a_note(run):
    with pytest.raises(SnnlabError, match="data.note is None; expected text"):
        run.save_result([ENTRY], data={"name": "shd"})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:100], "no readable JSON"),
        (lambda text: "[]", "holds no snnlab result"),
        (
            lambda text: text.replace('"schema": 1', '"schema": 2'),
            "written in schema 2, this snnlab reads 1",
        ),
        (lambda text: text.replace('"started"', '"begun"'), "begun, started missing or unknown"),
        (
            lambda text: text.replace('"profile": "tiny"', '"profile": 3', 1),
            "profile is 3; expected a str",
        ),
        (
            lambda text: text.replace("0.75", "1.75"),
            r"results\[0\].test_accuracy is 1.75; expected a share",
        ),
        (
            lambda text: text.replace("0.75", "NaN"),
            r"results\[0\].test_accuracy is nan; expected finite",
        ),
    ],
)
def test_a_damaged_result_is_refused_by_name(run, damage, words):
    path = run.save_result([ENTRY], data=DATA)
    path.write_text(damage(path.read_text()))
    with pytest.raises(SnnlabError, match=f"^{path}: .*{words}"):
        load_result(run.dir)


def test_a_result_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SnnlabError, match="result.json: there is no such result"):
        load_result(tmp_path)


def test_a_run_goes_on_from_its_own_checkpoints_and_not_from_those_of_another_one(tmp_path):
    config = resolve("04_learning_delays", profile="tiny", out=str(tmp_path))
    mark = runs.start(config).checkpoint_dir / "learned.pt"
    mark.touch()
    assert runs.start(config) and mark.exists()
    runs.start(resolve("04_learning_delays", profile="tiny", out=str(tmp_path), seed=1))
    assert not mark.exists()
    mark.touch()
    run = runs.start(resolve("04_learning_delays", profile="tiny", out=str(tmp_path), seed=1))
    assert mark.exists() and run.checkpoint_dir == mark.parent


def test_a_finished_run_is_kept_until_the_next_one_has_its_result(tmp_path, capsys):
    config = resolve("04_learning_delays", profile="tiny", out=str(tmp_path))
    first = runs.start(config)
    (first.checkpoint_dir / "learned.pt").write_text("hours of training")
    first.save_result([ENTRY], data=DATA)
    assert not capsys.readouterr().out
    for _ in range(2):  # the cell may be executed twice
        run = runs.start(config)
        assert not (tmp_path / "result.json").exists() and not run.finished
        assert [path.name for path in run.checkpoint_dir.iterdir()] == ["config.json"]
        kept = tmp_path / ".earlier"
        assert load_result(kept).results[0]["test_accuracy"] == 0.75
        assert (kept / "checkpoints" / "learned.pt").read_text() == "hours of training"
        assert manifest.read(kept)["status"] == "finished"
    said = f"The finished one is kept in {kept} until this one has its result."
    assert capsys.readouterr().out.count(said) == 1
    run.save_result([ENTRY | {"test_accuracy": 0.5}], data=DATA)
    assert not kept.exists() and load_result(tmp_path).results[0]["test_accuracy"] == 0.5


@pytest.mark.parametrize("moved", range(3))
def test_a_kill_while_a_finished_run_is_moved_loses_nothing(tmp_path, monkeypatch, moved):
    config = resolve("04_learning_delays", profile="tiny", out=str(tmp_path))
    first = runs.start(config)
    (first.checkpoint_dir / "learned.pt").write_text("hours of training")
    first.save_result([ENTRY], data=DATA)
    rename, done = Path.rename, []

    def killed(path, target):
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        runs.start(config)
    monkeypatch.undo()
    assert any((place / "result.json").exists() for place in (tmp_path, tmp_path / ".earlier"))
    run = runs.start(config)
    places = (tmp_path / ".earlier" / "checkpoints", run.checkpoint_dir)
    assert any((place / "learned.pt").exists() for place in places)
    assert load_result(tmp_path / ".earlier").results


def test_the_commit_and_whether_it_was_changed_are_recorded(tmp_path, monkeypatch):
    environment = {
        **os.environ,
        **{
            f"GIT_{who}_{what}": "x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }

    def git(*arguments):
        return subprocess.check_output(
            ["git", "-C", tmp_path, *arguments], text=True, env=environment
        ).strip()

    (tmp_path / "snnlab").mkdir()
    (tmp_path / "snnlab" / "__init__.py").touch()
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    monkeypatch.setattr(manifest, "ROOT", tmp_path)
    assert manifest._git() == {"git_commit": git("rev-parse", "HEAD"), "git_changed": False}
    (tmp_path / "snnlab" / "__init__.py").write_text("# changed")
    assert manifest._git()["git_changed"] is True


def test_without_a_checkout_no_commit_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "ROOT", tmp_path)
    assert manifest._git() == {}


def test_an_entry_is_compared_as_its_variant_or_else_its_recipe():
    assert arm({"recipe": "pipe-S", "variant": "pipe-S (T = 6)"}) == "pipe-S (T = 6)"
    assert arm({"recipe": "pipe-S"}) == "pipe-S"
