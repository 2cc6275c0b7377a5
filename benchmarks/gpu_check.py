"""Check a GPU in at most 8 minutes: tests, speed beside the peer, an epoch, loaders, notebooks.

    python benchmarks/gpu_check.py [--device cuda] [--only tests,speed,epoch,loaders,notebooks]
    [--notebooks 01,02,...] [--out runs/benchmarks/gpu]

- tests: the tests with the marker `gpu`, on the device;
- speed: rows of `benchmarks/delay_training.py`, beside the peer;
- epoch: epochs of training on random recordings as many and as long as those of SHD, with the
  paper's network and batch size, through `fit`, with validation and without it; then the same with
  `compile=True`, whose warning, if there is one, is in the table;
- loaders: how many samples a second a data set gives, beside how many a training step takes;
- notebooks: each at profile tiny, on the device.

Each part has a time limit. A part that overruns is ended and reported, and the others follow. Each
command writes a log; `summary.json` has every number, and `summary.md` a table of them. With
`--device cpu` the same commands run in tiny sizes: a rehearsal, whose figures mean nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from snnlab._utils.cuda import cuda_devices

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"tests": 120, "speed": 110, "epoch": 80, "loaders": 45, "notebooks": 125}  # s
ROWS = ("shd", "ssc", "shd-1s", "kinds")
NOTEBOOKS_AT_ONCE = 4
Result = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """Where a check runs and writes."""

    device: str
    out: Path
    notebooks: tuple[str, ...]

    @property
    def rehearsal(self) -> bool:
        return self.device == "cpu"


def limited(command: list[str], log: Path, ends: float, **environment: str) -> Result:
    """Run a command until a moment of `time.monotonic`; return how it ended, and its last lines."""
    started = time.monotonic()
    if started >= ends:
        return {"ended": "not begun, for lack of time", "seconds": 0.0}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=True,
        )
        try:
            process.wait(ends - started)
            ended = "ok" if process.returncode == 0 else f"failed ({process.returncode})"
        except subprocess.TimeoutExpired:
            ended = "overran its time"
        finally:
            if process.returncode is None:
                # with all that it has started
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    lines = log.read_text(errors="replace").splitlines()
    return {
        "ended": ended,
        "seconds": round(time.monotonic() - started, 1),
        "last_lines": lines[-1:] if ended == "ok" else lines[-15:],
    }


def tests(check: Check, ends: float) -> Result:
    # Only the files that have such a test: the import of all others takes 20 s
    files = (
        path
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.gpu" in path.read_text("utf-8")
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:nbval", "-q", "--tb=short", "-m", "gpu"]
    if check.rehearsal:
        command += ["-k", "same_training_step"]
    command += [str(path.relative_to(ROOT)) for path in files]
    return limited(command, check.out / "tests.log", ends, SNNLAB_TEST_DEVICE=check.device)


def speed(check: Check, ends: float) -> Result:
    result: Result = {"rows": {}}
    for row in ("tiny",) if check.rehearsal else ROWS:
        path = check.out / f"speed_{row}.json"
        command = [sys.executable, "benchmarks/delay_training.py", "--device", check.device]
        command += ["--rows", row, "--json", str(path)]
        command += ["--repeats", "1"] if check.rehearsal else []
        ran = limited(command, check.out / f"speed_{row}.log", ends)
        if ran["ended"] == "ok":
            ran["measured"] = json.loads(path.read_text())
        result["rows"][row] = ran
    return result


def measured_apart(name: str, check: Check, ends: float) -> Result:
    """Call `MEASURED[name]` in a process of its own, which can be ended."""
    command = [sys.executable, __file__, "--device", check.device, "--out", str(check.out)]
    result = limited([*command, "--measure", name], check.out / f"{name}.log", ends)
    path = check.out / f"{name}.json"
    if path.is_file():  # also of one that overran: what it had until then
        result |= json.loads(path.read_text())
    return result


def recordings(n: int, steps: int = 100, seed: int = 0) -> Any:
    """Return `n` recordings of 1 s as SHD has them: about 8,000 spikes in 700 channels each."""
    import numpy as np

    from snnlab.data.batches.spike_set import bin_events
    from snnlab.data.io.events import Events

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


def paper_network(check: Check) -> Any:
    import torch

    from snnlab.nn.delay_net import DelayNet

    torch.manual_seed(0)
    hidden = (8, 8) if check.rehearsal else (256, 256)
    return DelayNet(140, hidden, 20, max_delay=24, tau=1.005, dropout=0.4)


def epoch(check: Check, note: Callable[[Result], None]) -> None:
    import torch

    from snnlab.delays.recipe import DelayRecipe
    from snnlab.training.trainer import fit

    n, valid = (16, 8) if check.rehearsal else (8156, 2264)
    epochs = 2 if check.rehearsal else 5  # the first one compiles
    sets = recordings(n), recordings(valid, seed=1)
    result: Result = {"recordings": n, "validation_recordings": valid}
    for switched, suffix in ((False, ""), (True, "_compiled")):
        recipe = DelayRecipe(epochs=epochs, device=check.device, compile=switched)
        if not check.rehearsal:
            torch.cuda.reset_peak_memory_stats()
        with warnings.catch_warnings(record=True) as caught:
            history = fit(paper_network(check), *sets, recipe, progress=False).history
        result |= {
            f"seconds_with_validation{suffix}": [line["seconds"] for line in history],
            f"seconds_of_training{suffix}": [line["cpu_seconds"] for line in history],
            f"losses{suffix}": [line["loss"] for line in history],
        }
        if failures := [str(w.message) for w in caught if "torch.compile failed" in str(w.message)]:
            result["compile_failed"] = failures[0]
        if not check.rehearsal:
            result[f"peak_memory_gib{suffix}"] = torch.cuda.max_memory_allocated() / 2**30
        note(result)


def loaders(check: Check, note: Callable[[Result], None]) -> None:
    """Measure data sets from memory and from files, each beside the training step that it feeds."""
    import torch
    from datasets import photographs, recorded

    from snnlab.data.batches.prefetch import persistent_workers
    from snnlab.data.datasets import cifar10_dvs, imagenet
    from snnlab.delays.recipe import DelayRecipe
    from snnlab.nn.vision.resnet import ResNetConfig
    from snnlab.training.trainer import train_step

    workers = 0 if check.rehearsal else min(12, os.cpu_count() or 1)
    n, samples, side = (16, 4, 32) if check.rehearsal else (2048, 1024, 224)
    device = torch.device(check.device)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def both(part: Any, network: Any, batch: int) -> Result:
        """Return how many samples a second are read and copied, and how many are trained on."""
        generator = torch.Generator().manual_seed(0)
        with persistent_workers():
            x, y = next(iter(part.batches(batch, generator=generator)))  # starts the workers
            started, read = time.perf_counter(), 0
            for x, y in part.batches(batch, generator=generator):
                x, y = x.to(device), y.to(device)
                read += len(y)
            wait()
            loaded = read / (time.perf_counter() - started)
        recipe = DelayRecipe(device=device.type)
        network = network.to(device)
        optimisers = recipe.optimisers(network)
        seconds = []
        for _ in range(2 if check.rehearsal else 8):
            started = time.perf_counter()
            train_step(network, x, y, optimisers, recipe)
            wait()
            seconds.append(time.perf_counter() - started)
        trained = len(y) / statistics.median(seconds[len(seconds) // 2 :])
        return {"loader_per_s": loaded, "step_per_s": trained, "batch": len(y)}

    result: Result = {"workers": workers}
    note(result)
    result["SHD, from memory"] = both(recordings(n), paper_network(check), min(n, 256))
    note(result)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorded(folder / "dvs", max(4, samples // 8))
        part = cifar10_dvs.events(folder / "dvs", size=min(side, 128), loaders=workers).train
        network = ResNetConfig(in_channels=2, classes=10).build().set_mode("lif")
        result["CIFAR10-DVS, from files"] = both(part, network, min(len(part), 32))
        note(result)
        photographs(folder / "imagenet", samples)
        part = imagenet.pictures(folder / "imagenet", size=side, loaders=workers).train
        network = ResNetConfig(in_channels=3, classes=10).build().set_mode("relu")
        result["ImageNet, from JPEG files"] = both(part, network, min(len(part), 64))
        note(result)


MEASURED = {"epoch": epoch, "loaders": loaders}


def notebooks(check: Check, ends: float) -> Result:
    from snnlab._utils.errors import SnnlabError
    from snnlab.course.config import NOTEBOOKS
    from snnlab.course.data_check import check_data
    from snnlab.runs.execute import plan

    def run(name: str) -> Result:
        kind = NOTEBOOKS[name]
        path = f"{kind.notebook_folder}/{name}.ipynb"
        try:
            check_data(plan(ROOT / path, {"profile": "tiny"}).config)
        except SnnlabError:
            return {"ended": "skipped: no data", "seconds": 0.0}
        arguments = ["run", path, "--profile", "tiny", "--out", str(check.out / "runs" / name)]
        if "device" in kind.__dataclass_fields__:
            arguments += ["-p", "device", check.device]
        program = "from snnlab.cli.main import app; app()"
        command = [sys.executable, "-c", program, *arguments, "--again"]
        return limited(command, check.out / f"notebook_{name}.log", ends)

    chosen = [name for name in NOTEBOOKS if name.startswith(check.notebooks)]
    with ThreadPoolExecutor(NOTEBOOKS_AT_ONCE) as pool:
        return dict(zip(chosen, pool.map(run, chosen), strict=True))


PARTS: dict[str, Callable[[Check, float], Result]] = {
    "tests": tests,
    "speed": speed,
    "epoch": partial(measured_apart, "epoch"),
    "loaders": partial(measured_apart, "loaders"),
    "notebooks": notebooks,
}


def lines(summary: Result) -> list[tuple[str, str, str, str]]:
    """Return the lines of the table: part, what, measured, and the goal or what was published."""
    table: list[tuple[str, str, str, str]] = []
    for part in PARTS:
        if part not in summary:
            continue
        result = summary[part]
        if "error" in result:
            table.append((part, "", result["error"], ""))
        elif part == "tests":
            last = (result.get("last_lines") or [""])[-1].strip("= ")
            table.append((part, "marker gpu", f"{result['ended']}: {last}", "all pass"))
        elif part == "speed":
            table += [line for row, ran in result["rows"].items() for line in speed_lines(row, ran)]
        elif part == "epoch":
            published = "below 2 s; sparx 2.6 to 2.9 s (A100), the authors' code 10.6 s"
            number = f", {result.get('recordings', 0):,} recordings"
            for what, key, goal in (
                ("training", "seconds_of_training", published),
                ("validated", "seconds_with_validation", ""),
                ("training with compile", "seconds_of_training_compiled", published),
                ("validated with compile", "seconds_with_validation_compiled", ""),
            ):
                last = f"{min(result[key]):.2f} s" if key in result else result["ended"]
                table.append((part, what + number, last, goal))
            if "compile_failed" in result:
                table.append((part, "compile", result["compile_failed"], "no warning"))
        elif part == "loaders":
            if result["ended"] != "ok":
                table.append((part, "", result["ended"], ""))
            for name, rates in result.items():
                if isinstance(rates, dict):
                    measured = (
                        f"{rates['loader_per_s']:,.0f} a second read, {rates['step_per_s']:,.0f}"
                        f" trained on, {result['workers']} workers"
                    )
                    table.append((part, name, measured, "more read than trained on"))
        else:
            for name, ran in result.items():
                table.append((part, name, f"{ran['ended']}, {ran['seconds']:.0f} s", "ok"))
    return table


def speed_lines(row: str, ran: Result) -> list[tuple[str, str, str, str]]:
    if "measured" not in ran:
        return [("speed", row, ran["ended"], "")]
    table = []
    for result in ran["measured"]["results"]:
        for kind in ("train", "infer"):
            timed = result[kind]
            measured = (
                f"{1e3 * timed['snnlab_s']:.1f} ms, the peer {1e3 * timed['peer_s']:.1f} ms:"
                f" {timed['ratio_of_medians']:.2f} times"
            )
            table.append(("speed", f"{row}, {kind}", measured, ""))
        if "peer_memory_gib" in result:
            ours, peer = (result[f"{who}_memory_gib"] for who in ("snnlab", "peer"))
            table.append(("speed", f"{row}, memory", f"{ours:.2f} GiB, the peer {peer:.2f}", ""))
    for kind, times in ran["measured"]["kinds_s"].items():
        table.append(("speed", f"{kind} layer, train", f"{1e3 * min(times):.1f} ms", ""))
    return table


def markdown(summary: Result) -> str:
    head = [f"{summary['device']}, torch {summary['torch']}, {summary['seconds']:.0f} s"]
    if summary["rehearsal"]:
        head.append("A rehearsal in tiny sizes: the figures mean nothing.")
    rows = [("part", "what", "measured", "goal, or published"), ("---",) * 4, *lines(summary)]
    return "\n\n".join([*head, "\n".join(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


@click.command()
@click.option("--device", default="cuda", type=click.Choice(["cuda", "cpu"]), show_default=True)
@click.option("--only", default=",".join(PARTS), show_default=True, help="Which parts.")
@click.option(
    "--notebooks", "which", default="", help="First letters of notebooks; all by default."
)
@click.option("--out", default="runs/benchmarks/gpu", show_default=True, help="Where to.")
@click.option("--measure", type=click.Choice(list(MEASURED)), hidden=True)
def main(device: str, only: str, which: str, out: str, measure: str | None) -> None:
    names = only.split(",")
    if unknown := sorted(set(names) - set(PARTS)):
        expected = ", ".join(PARTS)
        raise click.BadParameter(f"{', '.join(unknown)}: expected some of {expected}.")
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # an empty prefix begins every name
    check = Check(device, folder, tuple(which.split(",")))

    def write(name: str, content: Result) -> None:
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")

    if measure:
        MEASURED[measure](check, partial(write, measure))
        return
    cards = cuda_devices() if device == "cuda" else [platform.machine()]
    if not cards:
        raise click.UsageError("torch finds no GPU; --device cpu rehearses the check without one.")
    started = time.monotonic()
    summary: Result = {
        "device": ", ".join(cards),
        "torch": version("torch"),
        "rehearsal": check.rehearsal,
    }
    for name in names:
        (folder / f"{name}.json").unlink(missing_ok=True)  # of an earlier check
        try:
            summary[name] = PARTS[name](check, time.monotonic() + LIMITS[name])
        except Exception as error:  # noqa: BLE001 - the other parts go on
            summary[name] = {"error": f"{type(error).__name__}: {error}"}
        summary["seconds"] = time.monotonic() - started
        click.echo(f"{name}: done after {summary['seconds']:.0f} s")
        write("summary", summary)
    (folder / "summary.md").write_text(markdown(summary))
    click.echo(markdown(summary))


if __name__ == "__main__":
    main()
