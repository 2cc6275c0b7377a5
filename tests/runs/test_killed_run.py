"""A run that is killed at 20 random moments ends with the same bits as one that is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from snnlab.runs import manifest
from snnlab.runs.result import load_result
from snnlab.training import checkpoints

CLOCKS = {"seconds", "cpu_seconds"}


def test_twenty_kills(tmp_path):
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "helpers/killed_run.py", tmp_path, "20"],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-5000:]
    whole = told(tmp_path / "whole")
    others = [folder for folder in tmp_path.iterdir() if folder.name.isdecimal()]
    assert (
        others and sum(len(manifest.read(folder)["started"]) - 1 for folder in others) >= 5
    )  # kills after the beginning
    for folder in others:
        found = told(folder)
        assert found["results"] == whole["results"] and found["metrics"] == whole["metrics"]
        for name, network in whole["networks"].items():
            assert same(found["networks"][name], network), (folder, name)


def told(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "results": load_result(folder).results,
        "metrics": [{k: v for k, v in line.items() if k not in CLOCKS} for line in lines],
        "networks": {
            path.stem: checkpoints.load(path) for path in (folder / "checkpoints").glob("[!.]*.pt")
        },
    }


def same(a, b):
    """Compare parameters, optimisers, schedules and the history without clocks, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a.keys() - CLOCKS)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
