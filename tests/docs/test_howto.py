"""The guides in docs/howto and the README's script do as they say, offline, in an empty folder.

The code blocks of a page are executed in their order:

- `python` runs; where it has prompts `>>>`, it is compared as a doctest. The blocks of a page share
  their variables.
- A block in any language whose first line is `# NAME.EXT` is written to that file instead.
- `console` has commands after `$ `, each with its output or with none, which is not compared then.
  `...` stands for any text, as in a doctest. Of `snnlab`, progress on the error stream is left out.
  A command fails, with exit code 1 or 2, if and only if its last line begins with `snnlab: `.
"""

import ast
import asyncio
import doctest
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from snnlab.cli import main

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/howto").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w-]+\.\w+)\n")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as in any Python that starts there
    monkeypatch.setenv("SNNLAB_OFFLINE", "1")
    programs = [sysconfig.get_path("scripts"), os.environ["PATH"]]  # an activated environment
    monkeypatch.setenv("PATH", os.pathsep.join(programs))


@pytest.fixture(scope="module")
def pictures_and_films(tmp_path_factory):
    """What the readers of the pages bring: `my-pictures` and `my-films`."""
    folder = tmp_path_factory.mktemp("own")
    draw = np.random.default_rng(0)
    pictures = [
        f"my-pictures/{part}/{c}/{i}.png" for part in ("train", "val") for c in "ab" for i in "12"
    ]
    clips = [f"v_{c}_g{group:02}_c01" for c in ("Jump", "Wave") for group in (1, 8, 11)]
    frames = [f"my-films/{clip}/frame{i:06}.jpg" for clip in clips for i in range(1, 32)]
    for name in (*pictures, *frames):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((40, 40), Image.Resampling.NEAREST).save(folder / name)
    return folder


def run_python(source, names, page):
    if ">>> " not in source:
        code = compile(source, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waits = eval(code, names)  # the page's own code
        if inspect.iscoroutine(waits):  # a cell of a notebook, with `await`
            with ThreadPoolExecutor(1) as thread:  # this one may have a loop already
                thread.submit(asyncio.run, waits).result()
        return
    example = doctest.DocTestParser().get_doctest(source, names, page, page, None)
    report = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(
        example, out=report.append, clear_globs=False
    )
    names.update(example.globs)
    assert result.failed == 0, "".join(report)


def run_command(line):
    program, *arguments = shlex.split(line, comments=True)
    if program == "snnlab":
        done = CliRunner().invoke(main.app, arguments)
        return done.exit_code, done.output if done.exit_code else done.stdout
    ended = subprocess.run(
        line, shell=True, capture_output=True, text=True, check=False, timeout=300
    )
    return ended.returncode, ended.stdout + ended.stderr


def run_console(source):
    for block in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        line, _, expected = block.partition("\n")
        code, output = run_command(line)
        fails = bool(re.search(r"^snnlab: .*\Z", expected.rstrip(), re.MULTILINE))
        assert (code in (1, 2)) if fails else code == 0, f"$ {line}: {code}\n{output}"
        if expected.strip():
            same = doctest.OutputChecker().check_output(expected, output, FLAGS)
            assert same, f"$ {line}\n{output}"


def run_page(text, page):
    names = {"__name__": "__main__"}
    for language, source in BLOCK.findall(text):
        if name := FILE.match(source):
            Path(name[1]).write_text(source, encoding="utf-8")
        elif language == "python":
            run_python(source, names, page)
        elif language == "console":
            run_console(source)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_guide_does_as_it_says(page, pictures_and_films, tmp_path):
    if "my-films" in page.read_text("utf-8"):
        shutil.copytree(pictures_and_films, tmp_path, dirs_exist_ok=True)
    run_page(page.read_text("utf-8"), str(page))


@pytest.mark.parametrize(
    "page",
    [
        "```python\nassert False\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "```console\n$ snnlab run 04 -p max_dely 30\n```",
        "```console\n$ snnlab run --help\nUsage: another\n```",
        "```console\n$ snnlab run --help\nsnnlab: ...\n```",
    ],
)
def test_a_guide_that_does_otherwise_is_refused(page):
    with pytest.raises(AssertionError):
        run_page(page, "page")


def test_the_script_of_the_readme_runs_as_it_stands():
    run_page((ROOT / "README.md").read_text("utf-8"), "README.md")
    assert Path("net.pt").exists() and Path("delays.png").exists()
