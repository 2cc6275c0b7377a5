"""The accuracies of the course in README and docs/results.md are those that the notebooks store."""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"(\d+\.\d) ?%?[ (]+(\d+\.\d)%?(?: to)? +(\d+\.\d)")


@cache
def output(notebook, cell_id):
    """What a cell printed, as a dictionary: label to its first three numbers."""
    (path,) = ROOT.glob(f"notebooks/{notebook}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = (cell for cell in cells if cell.id == cell_id)
    lines = "".join(entry.get("text", "") for entry in cell.outputs).splitlines()
    return {
        line.split("  ")[0]: numbers.groups() for line in lines if (numbers := ROW.search(line))
    }


ROWS = [
    ("04", "variants-table", "none", "no delays"),
    ("04", "variants-table", "fixed", "fixed random delays"),
    ("04", "variants-table", "learned", "learned delays |"),
    ("04", "variants-table", "fixed, as many parameters", "control: fixed delays"),
    ("04", "variants-table", "few inputs, fixed", "4 inputs a hidden neuron: fixed"),
    ("04", "variants-table", "few inputs, learned", "4 inputs a hidden neuron: learned"),
    ("02", "race-run", "pipe-S", "pipe-S, T = 12"),
    ("02", "race-run", "one step", "its control"),
    ("02", "fewer-run", "pipe-S", "pipe-S, T = 6"),
    ("02", "today-run", "modern", "quantised ANN"),
    ("02", "today-run", "converter", "ReLU network through"),
    ("03", "race-run", "edges, LIF", "pipe-D"),
    ("06", "text-50", "scratch", "from scratch"),
    ("06", "text-50", "pretrained", "pretrained without"),
    ("06", "text-50", "sharpened", "the ramp sharpened"),
    ("08", "kinds-table", "synaptic", "a delay a synapse"),
    ("08", "kinds-table", "axonal", "a delay an input"),
    ("08", "kinds-table", "dendritic", "a delay a neuron"),
    ("08", "kinds-table", "axo-dendritic", "the sum of both"),
    ("08", "pruned-table", "synaptic, 60 %", "synaptic, pruned"),
    ("08", "pruned-table", "axonal, 30 %", "axonal, pruned"),
]


@pytest.mark.parametrize(("notebook", "cell", "label", "row"), ROWS)
def test_an_accuracy_of_the_course_is_the_stored_one(notebook, cell, label, row):
    page = (ROOT / "docs/results.md").read_text("utf-8").replace("**", "")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {row}"))
    mean, lowest, highest = output(notebook, cell)[label]
    assert f"{mean} % ({lowest} to {highest})" in line


def test_the_picture_of_the_readme_has_the_stored_accuracies():
    readme = (ROOT / "README.md").read_text("utf-8")
    alt = re.search(r"!\[(.*?)\]\(docs/three_variants.png\)", readme)[1]
    means = [output("04", "variants-table")[name][0] for name in ("none", "fixed", "learned")]
    assert re.findall(r"(\d+\.\d) %", alt) == means
