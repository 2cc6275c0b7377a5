"""Check a GPU in a few minutes: tests, speed beside the peer, an epoch, the notebooks.

    python benchmarks/gpu_check.py [--device cuda] [--only tests,speed,epoch,notebooks] [--out
    runs/benchmarks/gpu]

- tests: `tests/test_device.py` on the device, and every test that needs a GPU and is skipped
  without one;
- speed: `benchmarks/delay_training.py`;
- epoch: an epoch of training on random recordings as many and as long as those of SHD, with the
  paper's network and batch size, through `fit`, with validation and without it;
- notebooks: each at profile tiny, on the device.

A part that fails does not stop the others. Each part writes a log; `summary.json` has every
number.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from snnlab.course.config import NOTEBOOKS
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.io.events import Events
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_net import DelayNet
from snnlab.training.trainer import fit

HERE = Path(__file__).resolve().parent
GPU_TESTS = (
    "tests/test_device.py",
    "tests/data/encoding/test_odg.py",
    "tests/data/encoding/test_mel.py",
    "tests/data/batches/test_feature_set.py",
    "tests/training/test_state.py",
    "tests/nn/test_delay_linear.py",
    "tests/nn/test_neurons.py",
)


def logged(command: list[str], log: Path, **environment: str) -> dict[str, Any]:
    """Run a command, and return its exit status, its seconds and its last lines."""
    started = time.perf_counter()
    with log.open("wb") as stream:
        done = subprocess.run(
            command,
            cwd=HERE.parent,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            check=False,
        )
    lines = log.read_text(errors="replace").splitlines()
    return {
        "exit_status": done.returncode,
        "seconds": round(time.perf_counter() - started, 1),
        "last_lines": lines[-1:] if done.returncode == 0 else lines[-15:],
    }


def tests(device: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-p", "no:nbval", "-q", "--tb=short", *GPU_TESTS]
    return logged(command, out / "tests.log", SNNLAB_TEST_DEVICE=device)


def speed(device: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "benchmarks/delay_training.py", "--device", device]
    if device == "cpu":  # the table of a CPU is made without this check
        command += ["--rows", "shd", "--repeats", "1"]
    path = out / "delay_training.json"
    result = logged([*command, "--json", str(path)], out / "speed.log")
    if path.is_file():
        result["rows"] = json.loads(path.read_text())["results"]
    return result


def recordings(n: int, steps: int = 100, seed: int = 0) -> Any:
    """Return `n` recordings of 1 s as SHD has them: about 8,000 spikes in 700 channels each."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(8000, n)
    offsets = np.concatenate([[0], counts.cumsum()])
    duration = steps * 0.01
    times = np.concatenate([np.sort(rng.random(count)) * duration for count in counts])
    events = Events(
        times=times.astype(np.float32),
        units=rng.integers(0, 700, offsets[-1]).astype(np.uint16),
        offsets=offsets,
        labels=rng.integers(0, 20, n),
        speakers=np.zeros(n, np.int64),
        keys=tuple(map(str, range(20))),
    )
    return bin_events(events, dt_ms=10, n_in=140)


def epoch(device: str, out: Path) -> dict[str, Any]:
    n, valid = (8156, 2264) if device == "cuda" else (256, 64)
    train, valid_set = recordings(n), recordings(valid, seed=1)
    torch.manual_seed(0)
    net = DelayNet(140, (256, 256), 20, max_delay=24, tau=1.005, dropout=0.4)
    recipe = DelayRecipe(epochs=4, device=device)
    history = fit(net, train, valid_set, recipe, progress=False).history
    result: dict[str, Any] = {
        "recordings": n,
        "validation_recordings": valid,
        "seconds_with_validation": [line["seconds"] for line in history],
        "seconds_of_training": [line["cpu_seconds"] for line in history],
    }
    if device == "cuda":
        result["peak_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return result


def notebooks(device: str, out: Path) -> dict[str, Any]:
    def run(name: str) -> dict[str, Any]:
        arguments = ["run", name[:2], "--profile", "tiny", "--out", str(out / "runs" / name[:2])]
        if device == "cuda" and "device" in NOTEBOOKS[name].__dataclass_fields__:
            arguments += ["-p", "device", "cuda"]
        program = "from snnlab.cli.main import app; app()"
        command = [sys.executable, "-c", program, *arguments]
        return logged(command, out / f"notebook_{name[:2]}.log")

    return {name: run(name) for name in NOTEBOOKS}


PARTS = {"tests": tests, "speed": speed, "epoch": epoch, "notebooks": notebooks}


@click.command()
@click.option("--device", default="cuda", type=click.Choice(["cuda", "cpu"]), show_default=True)
@click.option("--only", default=",".join(PARTS), show_default=True, help="Which parts.")
@click.option("--out", default="runs/benchmarks/gpu", show_default=True, help="Where to.")
def main(device: str, only: str, out: str) -> None:
    names = only.split(",")
    if unknown := sorted(set(names) - set(PARTS)):
        expected = ", ".join(PARTS)
        raise click.BadParameter(f"{', '.join(unknown)}: expected some of {expected}.")
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    summary: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.machine(),
        "torch": torch.__version__,
    }
    for name in names:
        started = time.perf_counter()
        try:
            summary[name] = {
                "tests": tests,
                "speed": speed,
                "epoch": epoch,
                "notebooks": notebooks,
            }[name](device, folder)
        except Exception as error:  # noqa: BLE001 - the other parts go on
            summary[name] = {"error": f"{type(error).__name__}: {error}"}
        click.echo(f"{name}: {time.perf_counter() - started:.0f} s")
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        shown = {key: value for key, value in summary[name].items() if key != "rows"}
        click.echo(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
