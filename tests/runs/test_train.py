"""Training without a notebook: the same networks, and the files that everything else reads."""

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from genuine import genuine

from snnlab.cli import main
from snnlab.delays.loading import best_checkpoint
from snnlab.runs import manifest, preflight, train
from snnlab.runs.papers import targets
from snnlab.runs.result import load_result
from snnlab.training import experiments

ROOT = Path(__file__).parents[2]
SMALL = "--profile tiny --limit 60 --epochs 1 --tau-ms 20.1 --hidden 4"


def snnlab(line):
    return CliRunner().invoke(main.app, line.split())


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_training_without_a_notebook(tmp_path, monkeypatch):
    command = f"train {SMALL} --variant learned --max-delay 9 --seeds 2"
    first = snnlab(command)
    assert first.exit_code == 0, first.output
    (folder,) = (tmp_path / "runs/train").glob("*/seed=0")
    result = load_result(folder)
    assert [(entry["variant"], entry["seed"]) for entry in result.results] == [
        ("learned", 0),
        ("learned", 1),
    ]
    assert result.config["variants"] == ["learned"] and result.config["max_delay"] == 9
    synapses = 4 * (result.config["n_in"] + 20)  # with delays of 4 bits each
    for entry in result.results:
        assert entry["stored_delay_bits"] == 4 * synapses and entry["synaptic_operations"] > 0
        assert 0 < entry["delay_buffer_bits"] <= 9 * 16 * (4 + 20)
    assert result.notebook == "04_learning_delays" and result.more["controls"] == []
    assert json.loads((folder / "manifest.json").read_text())["status"] == "finished"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len({line["network"] for line in lines}) == 2
    assert best_checkpoint(folder).parent == folder / "checkpoints"
    assert str(folder) in first.output and "notebook" not in first.output
    assert "learned" in snnlab("collect runs").output
    # finished: nothing is trained
    monkeypatch.setattr(train, "train", None)
    again = snnlab(command)
    assert again.exit_code == 0 and "--again trains again" in again.output


def test_a_training_that_fails_is_resumed(tmp_path, monkeypatch):
    planned = train.plan({"profile": "tiny", "limit": 60, "hidden": [4], "variants": ["none"]})
    trained = []
    run = experiments.run_experiment

    def second_fails(experiment, *rest):
        trained.append(experiment.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return run(experiment, *rest)

    monkeypatch.setattr(experiments, "run_experiment", second_fails)
    with pytest.raises(KeyboardInterrupt):
        train.train(planned)
    (first,) = (tmp_path / "runs").rglob("*.pt")
    before = first.stat().st_mtime_ns
    train.train(planned)
    assert first.stat().st_mtime_ns == before
    assert planned.finished


def test_the_targets_count_a_training_at_paper_scale(tmp_path, monkeypatch):
    """With the parameters of the file in params/, but for the number of networks."""
    entries = [
        {"variant": "learned", "seed": seed, "test_accuracy": 0.9 + seed / 1000}
        for seed in range(10)
    ]

    def trained(planned, *, wait):
        run = train.start(planned.config, train.CODE)
        run.save_result(entries, data={"path": "", "note": ""} | genuine("shd"))

    monkeypatch.setattr(train, "train", trained)
    monkeypatch.setattr(preflight, "check_data", lambda config: None)
    done = snnlab("train --profile paper --data shd --binning event --variant learned --seeds 10")
    assert done.exit_code == 0, done.output
    monkeypatch.chdir(ROOT)
    measured = targets.measured(tmp_path / "runs")
    rows = [row for row in measured if row.estimate is not None]
    assert rows and {row.target.file for row in rows} == {"delays_shd"}
    assert all(row.estimate.mean == pytest.approx(0.9045) for row in rows)


def test_the_same_training_elsewhere_is_refused_or_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_LOG", "")  # the command sets it
    command = f"train {SMALL} --variant none --log tensorboard"
    planned = train.plan(
        {"profile": "tiny", "limit": 60, "epochs": 1, "tau_ms": [20.1], "hidden": [4]}
        | {"variants": ["none"]}
    )
    folder = planned.dir
    folder.mkdir(parents=True)
    begun, end = threading.Event(), threading.Event()

    def elsewhere():
        with manifest.hold(folder, "runner", 0):
            begun.set()
            end.wait()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    begun.wait()
    refused = snnlab(command)
    assert refused.exit_code == 2 and "the same run is going on there" in refused.output
    threading.Timer(0.5, end.set).start()
    assert snnlab(f"{command} --wait").exit_code == 0
    thread.join()
    assert [*folder.rglob("events.out.tfevents.*")]


def test_wrong_options_are_refused_before_anything_starts(tmp_path):
    wrong = snnlab("train --variant learnt")
    assert wrong.exit_code == 2 and "did you mean learned" in wrong.output
    wrong = snnlab("train --max-dely 3")
    assert wrong.exit_code == 2 and "--max-delay" in wrong.output
    wrong = snnlab("train --data shd")
    assert wrong.exit_code == 2 and "snnlab data get shd" in wrong.output
    assert [*tmp_path.iterdir()] == []
