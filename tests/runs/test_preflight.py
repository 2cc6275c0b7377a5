"""What a run needs is checked before anything starts."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.course.config import resolve
from snnlab.runs import manifest, preflight
from snnlab.runs.notebook_code import NotebookCode
from snnlab.runs.run import Run

ROOT = Path(__file__).parents[2]
CODE = NotebookCode("04_learning_delays", "ab" * 32)
DELAYS = "04_learning_delays"
SWEEP = f"notebook: {ROOT}/notebooks/{DELAYS}.ipynb\nprofile: tiny\nseeds: [0, 1]\n"


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))


def snnlab(*arguments):
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


ABSENT = "snnlab: data shd is absent: snnlab data get shd."


def test_absent_data_stops_a_run_and_a_sweep_everywhere(tmp_path):
    (tmp_path / "some.yaml").write_text(f"{SWEEP}parameters: {{data: shd}}\n")
    for arguments in (
        ("run", "04", "-p", "data", "shd"),
        ("sweep", "some.yaml"),
        ("sweep", "some.yaml", "--dry-run"),
        ("sweep", "some.yaml", "--executor", "slurm"),
    ):
        done = snnlab(*arguments)
        assert done.exit_code == 2 and done.stderr.startswith(ABSENT), (arguments, done.output)
        assert done.stderr.count("\n") == 1
    assert "2 of 2 runs to do" in snnlab("sweep", "some.yaml", "--dry-run").stdout
    assert not (tmp_path / "runs").exists()


def test_in_a_notebook_absent_data_is_noticed_where_the_run_begins(tmp_path):
    config = resolve(DELAYS, profile="tiny", data="shd", out=str(tmp_path / "out"))
    with pytest.raises(SnnlabError, match="data shd is absent: snnlab data get shd"):
        runs.start(config)
    assert not (tmp_path / "out").exists()


def test_neither_torch_nor_what_draws_is_imported_before_the_checks(tmp_path):
    (tmp_path / "some.yaml").write_text(f"{SWEEP}parameters: {{data: shd}}\n")
    code = (
        "import sys; from snnlab.cli.main import app\n"
        "sweep = ['sweep', 'some.yaml', '--dry-run', '--executor', 'slurm']\n"
        "for command in (['run', '04', '-p', 'data', 'shd'], ['train', '--data', 'shd'], sweep):\n"
        "    try: app(command)\n"
        "    except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'matplotlib', 'papermill', 'pandas', 'scipy'}\n"
        "print(code, *heavy & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n2\n") and "#SBATCH --array=0-1" in done.stdout
    assert done.stderr.count(ABSENT) == 3


def test_a_full_disk_is_noticed_before(monkeypatch, tmp_path):
    (tmp_path / "some.yaml").write_text(SWEEP)
    free = preflight.free_gb(tmp_path, "")
    monkeypatch.setattr(preflight, "RUN_GB", free * 0.75)  # one would fit
    preflight.check([resolve(DELAYS, profile="tiny")], tmp_path / "runs")
    done = snnlab("sweep", "some.yaml", "--dry-run")
    assert done.exit_code == 2 and "GB were expected for 2 runs. Free some space" in done.stderr
    monkeypatch.setattr(preflight, "RUN_GB", free * 1.5)
    done = snnlab("run", "04")
    assert done.exit_code == 2 and "GB were expected for 1 run. Free" in done.stderr, done.output


def test_earlier_runs_of_the_same_kind_say_how_much_a_run_leaves(tmp_path, monkeypatch):
    config = resolve(DELAYS, profile="tiny")
    for number, (kind, status) in enumerate(
        [
            ({}, "finished"),
            ({}, "running"),
            ({"profile": "course"}, "finished"),
        ]
    ):
        folder = tmp_path / f"runs/some/{number}/seed=0"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints/net.pt").write_bytes(bytes(10_000 * 10**number))
        manifest.begin(Run(dataclasses.replace(config, **kind), folder, CODE))
        if status == "finished":
            manifest.end(folder, status)
    monkeypatch.setattr(preflight, "free_gb", lambda *_: 25e-6)  # 25 kB
    preflight.check([config], tmp_path)
    with pytest.raises(SnnlabError, match="expected for 3 runs"):
        preflight.check([config] * 3, tmp_path)
    with pytest.raises(SnnlabError, match="expected for 1 run"):
        preflight.check([dataclasses.replace(config, profile="course")], tmp_path)


def test_a_folder_that_cannot_be_written_is_noticed_before(tmp_path):
    (tmp_path / "file").touch()
    done = snnlab("run", "04", "--out", tmp_path / "file/out")
    assert done.exit_code == 2 and "file cannot be written (Not a directory)" in done.stderr
    done = snnlab("run", "04", "--out", tmp_path / "file")
    assert done.exit_code == 2 and done.stderr.count(str(tmp_path / "file")) == 1


@pytest.mark.parametrize(
    ("given", "gpus", "words"),
    [
        ({"device": "cuda"}, 0, "device cuda is absent"),
        ({"device": "cuda"}, 1, ""),
        ({"processes": 2}, 0, ""),  # on the CPU
        ({"processes": 2}, 1, "processes = 2, but there are 1 GPUs"),
        ({"processes": 2, "device": "cpu"}, 1, ""),
        ({"processes": 2}, 2, ""),
    ],
)
def test_the_device(monkeypatch, given, gpus, words, tmp_path):
    monkeypatch.setattr(preflight, "cuda_devices", lambda: ["Some GPU"] * gpus)
    config = resolve(DELAYS, profile="tiny", workers=1, **given)
    if not words:
        preflight.check([config], tmp_path)
        return
    with pytest.raises(SnnlabError, match=words):
        preflight.check([config], tmp_path)
    # the machine that submits a job is not the one that runs it
    preflight.check([config], tmp_path, here=False)
