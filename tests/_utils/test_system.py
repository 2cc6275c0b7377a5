"""No name of Linux alone is needed: by reading the sources, and by running without those names."""

import ast
import json
import os
import re
import time
from pathlib import Path

import laptop
import nbformat
import pytest
import sweeps
from small_pool import train

from snnlab._utils import system
from snnlab.runs.result import load_result

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/*.ipynb"))


def mode_of(call, position):
    given = [node.value for node in call.keywords if node.arg == "mode"] + call.args[position:][:1]
    return given[0].value if given and isinstance(given[0], ast.Constant) else "r"


def not_portable(source):
    """Yield the lines that mean something else on another system: text in the encoding of the
    system, paths of Linux, and C's library under the name that it has there.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and re.match(r"/(proc|dev|tmp|etc)/", str(node.value)):
            yield node
        if not isinstance(node, ast.Call):
            continue
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if method else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if method else ""
        encoded = any(argument.arg == "encoding" for argument in node.keywords)
        if name in ("read_text", "write_text"):
            if not encoded and len(node.args) == (name == "write_text"):
                yield node
        elif name == "open" and owner not in ("os", "tarfile", "lzma", "Image", "av", "stored"):
            text = "b" not in mode_of(node, 0 if method and owner != "gzip" else 1)
            if text and not encoded and owner != "gzip":
                yield node
        elif name == "CDLL" and isinstance(node.args[0], ast.Constant):
            yield node


@pytest.mark.parametrize(
    "line",
    [
        "open(path)",
        "open(path, 'a')",
        "path.open('w')",
        "path.read_text()",
        "path.write_text('x')",
        "open('/proc/meminfo', 'rb')",
        "ctypes.CDLL(None)",
    ],
)
def test_a_line_that_differs_between_systems_is_reported(line):
    assert list(not_portable(line))
    for good in ("path.open('rb')", "open(path, encoding='utf-8')", "path.write_text(x, 'utf-8')"):
        assert not list(not_portable(good))


def code_of_notebooks():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        yield path, re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE)


def test_no_line_differs_between_systems():
    sources = [(path, path.read_text("utf-8")) for path in sorted(ROOT.glob("snnlab/**/*.py"))]
    lines = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path, source in [*sources, *code_of_notebooks()]
        if path.name != "system.py"
        for node in not_portable(source)
    ]
    assert lines == []


def test_notebooks_import_nothing_that_differs_between_systems():
    """`make lint` checks the types of modules for other systems, but not those of notebooks."""
    for path, source in code_of_notebooks():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {name.name for name in node.names} | {getattr(node, "module", "")}
                differ = {"os", "signal", "multiprocessing", "fcntl", "resource", "ctypes"}
                assert not names & differ, path


# ------------------------------------------------------------------------------------------------
# Without the names


def test_the_names_are_gone(tmp_path):
    code = """
import snnlab._utils.system as system, snnlab._utils.processes as processes
assert system.sys.platform == "win32" and not hasattr(system.os, "sched_getaffinity")
assert processes.process_context().get_start_method() == "spawn"
for source in ("import fcntl", "open('/proc/meminfo')", "from os import fork", "signal.SIGHUP"):
    try:
        exec(source, vars(system))
    except (ImportError, FileNotFoundError, AttributeError) as error:
        print(error)
"""
    log = laptop.run(tmp_path, "-c", code)
    assert len(log.splitlines()) == 4, log


def test_a_sweep_that_is_killed_and_resumed_and_trains_in_two_processes(tmp_path):
    """A notebook without the names is run by test_wheel, too."""
    middle = """
from small_pool import train
if config.seed == 1:
    if starts == 1: time.sleep(60)
    accuracies = train(run.checkpoint_dir, workers=2)
    Path("accuracies").write_text(str(accuracies))
"""
    path = sweeps.write(tmp_path, middle, grid={})
    command = ("-m", "snnlab", "sweep", path, "--workers", "2")
    sweep = laptop.start(tmp_path, *command)
    until = time.monotonic() + 300
    while "seed=0  finished" not in (tmp_path / "log").read_text("utf-8"):
        assert time.monotonic() < until and sweep.poll() is None
        time.sleep(0.1)
    sweep.kill()
    sweep.wait()
    log = laptop.run(tmp_path, *command)
    assert "2/2 runs" in log and "seed=0  finished" not in log
    starts = [load_result(file.parent).more["starts"] for file in tmp_path.rglob("result.json")]
    assert sorted(starts) == [1, 2]
    (accuracies,) = tmp_path.rglob("accuracies")
    assert json.loads(accuracies.read_text()) == train(tmp_path / "here", workers=1)
    names = [path.name for path in tmp_path.rglob("*")]
    assert not [name for name in names if re.search(r'[<>:"|?*\\]|[. ]$', name)]


def test_bytes_at_an_offset_and_a_library_that_is_loaded_afresh(tmp_path):
    (tmp_path / "bytes").write_bytes(b"0123\r\n\x1a789")
    descriptor = system.open_binary(tmp_path / "bytes")
    assert system.read_at(descriptor, 5, 3) == b"3\r\n\x1a7"
    assert system.read_at(descriptor, 2, 0) == b"01"
    os.close(descriptor)
    assert system.c_library().abs(-3) == 3
