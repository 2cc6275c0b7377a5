"""What opens the course in a browser: links and the set-up cell of notebooks, and containers."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from notebooks import LESSONS, PATHS, code_cells, has_tag

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
NAME = ADDRESS.removeprefix("https://github.com/")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_below_the_title_open_the_notebook_itself(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    here = path.relative_to(ROOT).as_posix()
    assert first.split("\n\n")[1] == (
        f"Open in [Colab](https://colab.research.google.com/github/{NAME}/blob/main/{here}) or\n"
        f"[Binder](https://mybinder.org/v2/gh/{NAME}/main?urlpath=lab/tree/{here})."
    )


def setup_cell(path):
    return code_cells(nbformat.read(path, as_version=4))[0]


def test_the_set_up_cell_is_first_folded_and_the_same_everywhere():
    cells = [setup_cell(path) for path in PATHS]
    assert all(has_tag(cell, "hide-input") for cell in cells)
    assert len({cell.source for cell in cells}) == 1


@pytest.mark.parametrize("installed", [True, False])
def test_the_set_up_cell_installs_only_where_the_package_is_missing(monkeypatch, installed):
    calls, find_spec = [], importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: find_spec(name) if installed or name != "snnlab" else None,
    )
    shell = InteractiveShell()
    shell.register_magic_function(calls.append, magic_name="pip")
    shell.run_cell(setup_cell(LESSONS[0]).source).raise_error()
    assert calls == ([] if installed else [f"install -q git+{ADDRESS}"])


def test_the_container_of_codespaces_is_set_up_as_the_readme_says():
    """Its keys are those of the schema on containers.dev; no such container was started."""
    content = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    known = {"name", "image", "hostRequirements", "postCreateCommand", "customizations"}
    assert content.keys() == known and content["customizations"].keys() == {"vscode"}
    assert content["image"].endswith(":3.11")
    needs = content["hostRequirements"]
    assert needs["cpus"] >= 2
    assert all(re.fullmatch(r"\d+gb", needs[name]) for name in ("memory", "storage"))
    assert content["postCreateCommand"] == "make setup"
    settings = content["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_binder_installs_this_folder_with_the_constraints():
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    (constraints,) = (line.removeprefix("-c ") for line in lines if line.startswith("-c "))
    assert (folder / constraints).resolve() == ROOT / "constraints.txt"
    assert lines[-1] == "-e ."  # pip reads it from where it is called: the root
    assert (folder / "runtime.txt").read_text("utf-8") == "python-3.11\n"


def test_declared_pythons_are_those_of_the_workflow():
    workflow = (ROOT / ".github/workflows/test.yml").read_text("utf-8")
    (tested,) = re.findall(r"python: \[(.*)\]", workflow)
    kind = "Programming Language :: Python :: "
    declared = [line.removeprefix(kind) for line in PROJECT["classifiers"] if kind in line]
    assert json.loads(f"[{tested}]") == declared
