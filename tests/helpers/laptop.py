"""Processes in which snnlab finds only what Windows has, too: see windows/sitecustomize.py."""

import os
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).parent
ROOT = HELPERS.parents[1]


def environment(*folders):
    """Variables for a Python that finds modules in folders; texts are ASCII by default."""
    paths = map(str, (HELPERS / "windows", *folders))
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return ascii_only | {"PYTHONPATH": os.pathsep.join(paths)}


def start(folder, *arguments):
    """Start Python in a folder, with its output in the file `log`."""
    with open(folder / "log", "w") as log:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env=os.environ | environment(HELPERS, ROOT),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def run(folder, *arguments):
    """Run Python as `start`, and return its output; it has to succeed."""
    code = start(folder, *arguments).wait(200)
    log = (folder / "log").read_text("utf-8")
    assert code == 0, log
    return log
