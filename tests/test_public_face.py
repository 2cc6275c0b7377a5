"""The public face: few names, quick to import, each with an example that runs."""

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import snnlab

ROOT = Path(__file__).parents[1]
FIXED_NAMES = {"__pycache__", "__main__.py", "py.typed"}  # their names and place are Python's
NAMES = [name for name in snnlab.__all__ if not inspect.ismodule(getattr(snnlab, name))]


def test_it_is_small():
    assert len(snnlab.__all__) <= 40
    entries = {path.name for path in (ROOT / "snnlab").iterdir()} - FIXED_NAMES
    assert len(entries) <= 11


def loaded(*statements):
    """Top-level packages that a fresh process has loaded after each of the statements."""
    show = "print(*{name.partition('.')[0] for name in sys.modules})"
    script = "\n".join(["import sys", *(f"{statement}\n{show}" for statement in statements)])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_importing_it_loads_nothing_heavy():
    heavy = {"torch", "matplotlib", "numpy", "pandas", "scipy", "numba", "spikingjelly", "IPython"}
    package, a_name, all_names = loaded("import snnlab", "snnlab.LIF", "from snnlab import *")
    assert not package & heavy and "torch" in a_name
    assert not all_names & {"DCLS", "tonic"}  # imported where they are used


def test_every_name_is_told_to_type_checkers_as_it_is_loaded():
    tree = ast.parse(Path(snnlab.__file__).read_text(encoding="utf-8"))
    imports = [
        (statement.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]
    assert sorted(name for _, name in imports) == sorted(snnlab.__all__)
    for module, name in imports:
        assert getattr(__import__(module, fromlist=[name]), name) is getattr(snnlab, name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'snnlab' has no attribute 'DelayNetz'"):
        _ = snnlab.DelayNetz


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_each_name_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thing = getattr(snnlab, name)
    names = {**vars(inspect.getmodule(thing)), "snnlab": snnlab}
    source = inspect.getsourcefile(thing)
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(thing), names, name, source, None)
    assert example.examples, f"snnlab.{name} has no example in its docstring"
    report = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert result.failed == 0, "".join(report)
