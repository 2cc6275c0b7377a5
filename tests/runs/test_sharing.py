"""Runs that two sweeps have in common: the second copies what the first has finished."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import sweeps
from click.testing import CliRunner

from snnlab import runs
from snnlab.cli import main
from snnlab.runs import execute, manifest, sharing
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
    return sweep.Sweep(small), sweep.Sweep(other)


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
    assert cost.state(shared).startswith("finished") and cost.state(shared).endswith(" in small")
    assert not shared.dir.exists() and not shared.finished
    table = cost.cost_table(second, "cpu")
    assert "1 of 2 runs to do" in table.caption
    second.share()
    assert shared.finished and shared.dir.parents[1].name == "other"
    assert load_result(shared.dir) == load_result(source)
    checkpoint = shared.dir / "checkpoints/net.pt"
    assert checkpoint.samefile(source / "checkpoints/net.pt")  # no space
    assert not (shared.dir / "metrics.jsonl").samefile(source / "metrics.jsonl")
    shutil.rmtree(source)
    assert shared.finished and checkpoint.read_bytes() == b"weights"
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
    assert sharing.identical(shared) is None
    second.share()
    assert not shared.dir.exists()


def test_a_folder_that_somebody_chose_or_that_is_in_use_stays_as_it_is(plans, tmp_path):
    first, second = plans
    finish(first.runs[1])
    shared = next(run for run in second.runs if run.config.neurons == 20)
    for out in ("elsewhere", "runs/own"):
        chosen = dataclasses.replace(shared, dir=tmp_path / out)
        assert sharing.finished_or_shared(chosen) is None
        assert not (tmp_path / out).exists()
    shared.dir.mkdir(parents=True)
    with manifest.hold(shared.dir, "runner", 0):
        assert sharing.finished_or_shared(shared) is None
        assert [file.name for file in shared.dir.iterdir()] == [".runner.lock"]


# ----------------------------------------------------------------------
# two at the same time


def start_process(*words):
    return subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)


CLI = ("-c", "from snnlab.cli.main import app; app()")


def test_of_two_sweeps_at_once_one_trains_what_both_have(tmp_path, monkeypatch):
    """The second does its own run first, then waits for the first one's, and copies it."""
    monkeypatch.chdir(tmp_path)
    middle = "name = f'{config.neurons} in {run.dir.parents[1].name}'\n"
    middle += "with open('../../log', 'a') as file: file.write(name + '\\n')\n"
    middle += "while config.neurons == 20 and not Path('../../go').exists(): time.sleep(0.1)"
    middle = middle.replace("../../", f"{tmp_path}/")
    small = sweeps.write(tmp_path, middle, seeds=[0], grid={"neurons": [20]})
    other = tmp_path / "other.yaml"
    other.write_text(small.read_text().replace("- 20\n", "- 20\n  - 30\n"))
    first = start_process(*CLI, "sweep", "small.yaml")
    wait_for(lambda: "20 in small" in read(tmp_path / "log"))
    second = start_process(*CLI, "sweep", "other.yaml")
    wait_for(lambda: "30 in other" in read(tmp_path / "log"))
    (tmp_path / "go").touch()
    for process in (first, second):
        assert process.wait(60) == 0, process.stderr.read()
        process.stderr.close()
    assert read(tmp_path / "log").splitlines() == ["20 in small", "30 in other"]
    results = [load_result(path.parent) for path in tmp_path.glob("runs/*/*/seed=0/result.json")]
    assert sorted(result.config["neurons"] for result in results) == [20, 20, 30]


def read(path):
    return path.read_text() if path.exists() else ""


def wait_for(condition):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < 300
        time.sleep(0.05)


HOLD = """
import sys, time
from pathlib import Path
from snnlab.runs import sharing
from snnlab.runs.notebook_code import UNKNOWN
from snnlab.runs.run import Run
with sharing.hold(Run(None, Path(sys.argv[1]), UNKNOWN), wait=False):
    print("holds", file=sys.stderr, flush=True)
    time.sleep(60)
"""


def test_a_run_is_free_again_as_soon_as_its_process_is_killed(plans):
    first, second = plans
    run, other = first.runs[1], second.runs[1]
    assert run.config.neurons == other.config.neurons == 20
    process = start_process("-c", HOLD, str(run.dir))
    assert process.stderr.readline() == "holds\n"
    run.dir.mkdir(parents=True)
    manifest.begin(run)
    with pytest.raises(manifest.Held, match=f"small/.*process {os.getpid()} on "):
        execute.execute(other)
    assert not other.dir.exists()
    process.kill()
    process.wait()
    process.stderr.close()
    with sharing.hold(other, wait=False):
        pass
