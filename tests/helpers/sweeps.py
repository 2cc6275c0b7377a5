"""A notebook of a few cells and a sweep of it, for the tests of sweeps."""

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from snnlab import runs
from snnlab.runs.sweep import sweep

NAMES = (
    "profile",
    "seed",
    "tau_ms",
    "duration_ms",
    "neurons",
    "seeds",
    "training_steps",
    "live",
    "out",
)
PARAMETERS = "\n".join(f"{name} = None" for name in NAMES)
START = """
import os, signal, time
from pathlib import Path
from snnlab import course, runs
config = course.configure(globals())
run = runs.start(config)
with open(run.checkpoint_dir / "starts", "a") as file: file.write("x")
starts = len((run.checkpoint_dir / "starts").read_text())
"""
SAVE = """
entry = {"variant": "plain", "seed": seed, "test_accuracy": (config.neurons + seed) / 100}
environment = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
data = {"name": "made here", "note": "one number"}
run.save_result([entry], data=data, environment=environment, starts=starts)
"""
FILE = {
    "notebook": "01",
    "profile": "tiny",
    "seeds": [0, 1],
    "parameters": {"seeds": 1},
    "grid": {"neurons": [10, 20]},
}


def write(folder, middle="", **more):
    """A checkout with the notebook, which does `middle` before it saves, and small.yaml; returns
    the latter's path.
    """
    (folder / "notebooks").mkdir(exist_ok=True)
    (folder / "pyproject.toml").touch()
    cells = [
        new_markdown_cell("# A small notebook"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
    ]
    cells += [
        new_code_cell(START),
        new_markdown_cell("## The middle"),
        new_code_cell(middle),
        new_code_cell(SAVE),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "notebooks/01_lif_dynamics.ipynb")
    (folder / "small.yaml").write_text(yaml.safe_dump(FILE | more, sort_keys=False))
    return folder / "small.yaml"


def read(folder, middle="", **more):
    """The sweep of `write`."""
    return sweep.Sweep(write(folder, middle, **more))


def start(run):
    """Begin a run of a sweep in this process, as its notebook does."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in run.code.to_environment().items():
            patch.setenv(name, value)
        return runs.start(run.config)
