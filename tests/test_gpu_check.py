"""The check of a GPU, rehearsed on a CPU so that no mistake in it waits for one."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_check.py"


@pytest.fixture(scope="module")
def gpu_check():
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_check"]


def test_every_part_runs_on_a_cpu_and_is_in_the_table(tmp_path):
    command = [sys.executable, SCRIPT, "--device", "cpu", "--notebooks", "07", "--out", tmp_path]
    ran = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        # The compiler takes half a minute; tests/training/test_compiled.py runs it. This fails.
        env=os.environ | {"TORCH_COMPILE_DISABLE": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["tests"]["ended"] == "ok", summary["tests"]
    assert summary["tests"]["last_lines"][0].startswith("1 passed")
    tiny = summary["speed"]["rows"]["tiny"]
    assert tiny["ended"] == "ok", tiny
    assert tiny["measured"]["results"][0]["loss_difference"] < 1e-3
    assert summary["epoch"]["ended"] == "ok", summary["epoch"]
    for kind in ("", "_compiled"):
        assert len(summary["epoch"][f"seconds_of_training{kind}"]) == 2
    assert summary["epoch"]["losses_compiled"] == summary["epoch"]["losses"]
    assert "torch.compile failed for DelayNet on cpu" in summary["epoch"]["compile_failed"]
    assert summary["loaders"]["ended"] == "ok", summary["loaders"]
    sources = {name for name, value in summary["loaders"].items() if isinstance(value, dict)}
    assert {name.split(",")[0] for name in sources} == {"SHD", "CIFAR10-DVS", "ImageNet"}
    assert {name: run["ended"] for name, run in summary["notebooks"].items()} == {
        "07_paper_results": "ok"
    }
    table = (tmp_path / "summary.md").read_text()
    assert table in ran.stdout and "A rehearsal" in table
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} == {4}
    parts = [row[0].strip("| ") for row in rows[2:]]
    assert list(dict.fromkeys(parts)) == ["tests", "speed", "epoch", "loaders", "notebooks"]
    assert not any("nan" in cell.split() for row in rows for cell in row)


def test_the_parts_have_eight_minutes_together(gpu_check):
    assert set(gpu_check.LIMITS) == set(gpu_check.PARTS)
    assert sum(gpu_check.LIMITS.values()) <= 480


def test_a_command_that_overruns_is_ended_and_one_that_fails_is_shown(gpu_check, tmp_path):
    log, soon, later = tmp_path / "log", time.monotonic() + 0.3, time.monotonic() + 60
    slow = gpu_check.limited(["sh", "-c", "echo begun; sleep 100 & wait"], log, soon)
    assert (slow["ended"], slow["last_lines"]) == ("overran its time", ["begun"])
    assert gpu_check.limited(["true"], log, soon)["ended"] == "not begun, for lack of time"
    failed = gpu_check.limited(["sh", "-c", "echo first; echo second; exit 3"], log, later)
    assert (failed["ended"], failed["last_lines"]) == ("failed (3)", ["first", "second"])


def test_the_table_reports_parts_that_overran_or_broke(gpu_check):
    late = {"ended": "overran its time", "seconds": 120.0, "last_lines": ["3 of 40"]}
    summary = {
        "tests": late,
        "speed": {"rows": {"shd": late}},
        "epoch": late | {"seconds_of_training": [2.0, 1.5], "compile_failed": "no Triton"},
        "loaders": late | {"workers": 8, "SHD": {"loader_per_s": 2e4, "step_per_s": 1e4}},
        "notebooks": {"error": "OSError: no space"},
    }
    lines = [" | ".join(line) for line in gpu_check.lines(summary)]
    assert lines[0] == "tests | marker gpu | overran its time: 3 of 40 | all pass"
    assert lines[1] == "speed | shd | overran its time | "
    assert lines[2].startswith("epoch | training, 0 recordings | 1.50 s | below 2 s")
    assert lines[4].startswith("epoch | training with compile, 0 recordings | overran its time")
    assert lines[6] == "epoch | compile | no Triton | no warning"
    assert lines[7] == "loaders |  | overran its time | "
    assert lines[8].startswith("loaders | SHD | 20,000 a second read, 10,000 trained on, 8 workers")
    assert lines[9] == "notebooks |  | OSError: no space | "
