"""Training without a notebook: the same networks, and the files that everything else reads."""

import json

import pytest
from click.testing import CliRunner

from snnlab.cli import main
from snnlab.delays.loading import best_checkpoint
from snnlab.runs import train
from snnlab.runs.result import load_result
from snnlab.training import experiments

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
    config = train.configure({"profile": "tiny", "limit": 60, "hidden": [4], "variants": ["none"]})
    trained = []
    run = experiments.run_experiment

    def second_fails(experiment, *rest):
        trained.append(experiment.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return run(experiment, *rest)

    monkeypatch.setattr(experiments, "run_experiment", second_fails)
    with pytest.raises(KeyboardInterrupt):
        train.train(config)
    (first,) = (tmp_path / "runs").rglob("*.pt")
    before = first.stat().st_mtime_ns
    train.train(config)
    assert first.stat().st_mtime_ns == before
    assert train.finished(config) is not None


def test_wrong_options_are_refused_before_anything_starts(tmp_path):
    wrong = snnlab("train --variant learnt")
    assert wrong.exit_code == 2 and "did you mean learned" in wrong.output
    wrong = snnlab("train --max-dely 3")
    assert wrong.exit_code == 2 and "--max-delay" in wrong.output
    wrong = snnlab("train --data shd")
    assert wrong.exit_code == 2 and "snnlab data get shd" in wrong.output
    assert [*tmp_path.iterdir()] == []
