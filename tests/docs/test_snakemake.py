"""The workflow of docs/howto/snakemake.md, by Snakemake itself: killed, it resumes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("snakemake", reason="it has no wheels for this Python")

PAGE = Path(__file__).parents[2] / "docs/howto/snakemake.md"
EPOCHS = 12


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """The page's file with one short training, in an empty folder with the command `snnlab`."""
    source = PAGE.read_text("utf-8").partition("```py\n")[2].partition("```")[0]
    source = source.replace("[9, 12], [0, 1]", "[9], [0]")
    options = f"--limit 60 --epochs {EPOCHS} --tau-ms 20.1 --variant"
    (tmp_path / "delays.smk").write_text(source.replace("--variant", options), "utf-8")
    command = tmp_path / "bin/snnlab"
    command.parent.mkdir()
    script = "from snnlab.cli.main import app\nimport sys\nsys.argv[0] = 'snnlab'\napp()\n"
    command.write_text(f"#!{sys.executable}\n{script}", "utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snakemake(*options):
    command = [sys.executable, "-m", "snakemake", "--snakefile", "delays.smk", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def seconds(lines):
    return [json.loads(line)["seconds"] for line in lines]


def test_a_workflow_that_was_killed_resumes(workflow):
    first = snakemake("--cores", "1")
    try:
        deadline = time.monotonic() + 300
        before = []
        while len(before) < 3:  # epochs
            assert first.poll() is None and time.monotonic() < deadline, first.stdout.read()
            time.sleep(0.05)
            for log in workflow.glob("runs/delays/*/*/checkpoints/*.jsonl"):
                before = log.read_text("utf-8").splitlines()
    finally:
        os.killpg(first.pid, signal.SIGTERM)
    first.communicate(timeout=300)
    assert len(before) < EPOCHS and not list(workflow.glob("runs/**/result.json"))
    report, _ = (again := snakemake("--cores", "1")).communicate(timeout=300)
    assert again.returncode == 0, report
    (metrics,) = workflow.glob("runs/**/metrics.jsonl")
    after = metrics.read_text("utf-8").splitlines()
    assert len(after) == EPOCHS
    assert seconds(after)[:2] == seconds(before)[:2]  # nobody trained these epochs again
    assert len((workflow / "table.csv").read_text("utf-8").splitlines()) == 2
