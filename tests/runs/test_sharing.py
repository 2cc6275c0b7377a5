"""Runs that two sweeps have in common: the second copies what the first has finished."""

import json
import shutil

import pytest
import sweeps
from click.testing import CliRunner

from snnlab import runs
from snnlab.cli import main
from snnlab.runs import sharing
from snnlab.runs.result import load_result
from snnlab.runs.sweep import cost, sweep

DATA = {"name": "made here", "note": "random numbers"}
ENTRIES = [{"variant": "plain", "seed": 0, "test_accuracy": 0.5}]


@pytest.fixture
def plans(tmp_path, monkeypatch):
    """Two sweeps; the runs with 20 neurons are in both."""
    monkeypatch.chdir(tmp_path)
    small = sweeps.write(tmp_path, seeds=[0], grid={"neurons": [10, 20]})
    other = tmp_path / "other.yaml"
    other.write_text(small.read_text().replace("- 10\n", "- 30\n"))
    return sweep.read(small), sweep.read(other)


def finish(run):
    began = sweeps.start(run)
    (began.checkpoint_dir / "net.pt").write_bytes(b"weights")
    (began.checkpoint_dir / "net.jsonl").write_text("{}\n")
    began.save_result(ENTRIES, data=DATA)
    return began.dir


def test_a_sweep_copies_what_another_one_has_finished(plans):
    first, second = plans
    finish(first.runs[0])
    source = finish(first.runs[1])
    shared, own = {run.config.neurons: run for run in second.runs}[20], second.left
    assert [run.config.neurons for run in own] == [30]
    assert shared.state.startswith("finished") and shared.state.endswith(" in small")
    assert not shared.folder.exists() and not shared.done
    table = cost.cost_table(second, "cpu")
    assert "1 of 2 runs to do" in table.caption
    second.share()
    assert shared.done and shared.folder.parents[1].name == "other"
    assert load_result(shared.folder) == load_result(source)
    checkpoint = shared.folder / "checkpoints/net.pt"
    assert checkpoint.samefile(source / "checkpoints/net.pt")  # no space
    assert not (shared.folder / "metrics.jsonl").samefile(source / "metrics.jsonl")
    shutil.rmtree(source)
    assert shared.done and checkpoint.read_bytes() == b"weights"
    # a network that is in both folders counts once
    assert len(runs.summary(runs.collect(second.folder))) == 1


def test_the_command_trains_the_rest_and_shows_all(plans, tmp_path, monkeypatch):
    first, second = plans
    for run in (*first.runs, next(run for run in second.runs if run.config.neurons == 30)):
        finish(run)
    monkeypatch.setattr("snnlab.runs.sweep.executors.run_local", None)  # nothing is left to run
    done = CliRunner().invoke(main.app, ["sweep", str(tmp_path / "other.yaml")])
    assert done.exit_code == 0, done.output
    assert "plain" in done.output and "no result" not in done.output


@pytest.mark.parametrize("change", ["status", "seed", "code", "neurons"])
def test_another_run_is_not_shared(plans, change):
    first, second = plans
    source = finish(first.runs[1])
    shared = next(run for run in second.runs if run.config.neurons == 20)
    content = json.loads((source / "manifest.json").read_text())
    if change == "status":
        (source / "result.json").unlink()
    elif change == "code":
        content["identity"]["notebook_sha256"] = "0" * 64
    else:
        content["identity"][change] = 7
    (source / "manifest.json").write_text(json.dumps(content))
    assert shared.identical is None
    second.share()
    assert not shared.folder.exists()


def test_a_folder_that_somebody_chose_or_that_is_in_use_stays_as_it_is(plans, tmp_path):
    first, second = plans
    finish(first.runs[1])
    shared = next(run for run in second.runs if run.config.neurons == 20)
    for out in ("elsewhere", "runs/own"):
        chosen = sweep.dataclasses.replace(shared.config, out=str(tmp_path / out))
        assert sharing.finished_or_shared(shared.notebook, chosen) is None
        assert not (tmp_path / out).exists()
    shared.folder.mkdir(parents=True)
    with sweep.manifest.hold(shared.folder, "runner", 0):
        assert sharing.finished_or_shared(shared.notebook, shared.config) is None
        assert [file.name for file in shared.folder.iterdir()] == [".runner.lock"]
