"""Measure how long snnlab takes to start: imports, the command, and the first step of a training.

    python benchmarks/startup.py [--repeats 3] [--source DIR] [--only NAME] [--json FILE]

Each case runs in processes of their own until it has done what its row says. Shown are the CPU
seconds of all its processes and the wall-clock seconds, the minima of all repeats. `--source` names
another checkout of snnlab, such as an earlier version; both are measured in turns, and the last
columns are the ratios. Numba's compiled loops come from its cache on disk, as in all runs but the
first after an installation.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import psutil  # type: ignore[import-untyped]
import torch
from rich.console import Console
from rich.table import Table

from snnlab._utils.files import make_folder, whole_file
from snnlab._utils.places import ROOT

LONGEST = 180.0  # seconds for a case

STEP = """
import sys
from pathlib import Path
import torch
import snnlab as sl
from snnlab.training.launch import train_pool

class Mark(sl.Callback):
    def __init__(self, path):
        self.path = path
    def on_batch_start(self, progress):
        if progress.epoch_state.batches == 1:  # the first step is done
            self.path.touch()

class Job:
    epochs = 1
    def __init__(self, name):
        self.name = name

def train(job, data, folder, callbacks):
    net = sl.DelayNet(n_in=140, hidden=(32, 32), n_classes=20, max_delay=24, tau=2.0)
    recipe = sl.DelayRecipe(epochs=1, batch_size=16, device="cpu")
    marks = [*callbacks, Mark(folder / f"{job.name}.mark")]
    sl.fit(net, data, data, recipe, progress=False, callbacks=marks)

def random():
    return torch.rand(50, 32, 140), torch.arange(32) % 20

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
"""
POOL = """
    train_pool([Job("a"), Job("b")], train, random(), folder, workers=2)
"""
RANKS = """
    train_pool([Job("a")], train, random(), folder, processes=2)
"""
ALONE = """
    train(Job("a"), random(), folder, [])
"""


def notebook(number: str) -> list[str]:
    """Return the arguments that run a notebook at profile tiny; {out} stands for the folder."""
    return ["-m", "snnlab", "run", number, "--profile", "tiny", "--out", "{out}"]


# Arguments of Python, files below the folder that say that it is done, and how many; none: its end
CASES: dict[str, tuple[list[str], str, int]] = {
    "import snnlab": (["-c", "import snnlab"], "", 0),
    "snnlab --help": (["-m", "snnlab", "--help"], "", 0),
    "a script with fit, first step": (["-c", STEP + ALONE, "{out}"], "*.mark", 1),
    "train_pool, 2 workers, first steps": (["{script}", "{out}"], "*.mark", 2),
    "launch_ranks, 2 processes, first step": (["{script}", "{out}"], "*.mark", 1),
    "snnlab run 04, first epoch": (notebook("04"), "checkpoints/*.jsonl", 1),
    "snnlab run 06, first epoch": (notebook("06"), "checkpoints/*.jsonl", 1),
    "snnlab run 02, first epoch": (notebook("02"), "checkpoints/*.jsonl", 1),
}
SCRIPTS = {
    "train_pool, 2 workers, first steps": STEP + POOL,
    "launch_ranks, 2 processes, first step": STEP + RANKS,
}


def start_up(name: str, source: Path) -> tuple[float, float]:
    """Start a case with the snnlab of a checkout; return CPU seconds of all processes and seconds.

    Raises:
        click.ClickException: it failed, or took too long.
    """
    arguments, pattern, count = CASES[name]
    with tempfile.TemporaryDirectory() as place:
        script, out = Path(place) / "script.py", Path(place) / "out"
        script.write_text(SCRIPTS.get(name, ""), encoding="utf-8")
        command = [sys.executable, *(a.replace("{script}", str(script)) for a in arguments)]
        command = [argument.replace("{out}", str(out)) for argument in command]
        environment = os.environ | {
            "PYTHONPATH": str(source),
            "OMP_NUM_THREADS": "1",
            "SNNLAB_DATA": str(ROOT / "data"),
        }
        log = (Path(place) / "log").open("wb+")
        started = time.perf_counter()
        process = psutil.Popen(
            command, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            if not pattern:
                before = os.times()
                process.wait(LONGEST)
                after = os.times()
                seconds = time.perf_counter() - started
                cpu = after.children_user - before.children_user
                return cpu + after.children_system - before.children_system, seconds
            while len(list(out.glob(pattern))) < count:
                time.sleep(0.005)
                seconds = time.perf_counter() - started
                if process.poll() is not None or seconds > LONGEST:
                    log.seek(0)
                    text = log.read().decode(errors="replace")
                    raise click.ClickException(f"{name}: no first step.\n{text}")
            return _cpu_seconds(process), time.perf_counter() - started
        finally:
            log.close()
            _end(process)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_seconds(process: psutil.Process) -> float:
    seconds = 0.0
    for member in _family(process):
        try:
            used = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += used.user + used.system + used.children_user + used.children_system
    return seconds


def _end(process: psutil.Process) -> None:
    members = _family(process)
    for member in members:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, timeout=10)


@click.command()
@click.option("--repeats", default=3, show_default=True, help="Starts of each case.")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another checkout, to be measured beside this one.",
)
@click.option("--only", multiple=True, help="Only cases whose name has this in it; repeatable.")
@click.option(
    "--json", "out", default="runs/benchmarks/startup.json", show_default=True, help="Where to."
)
def main(repeats: int, source: Path | None, only: tuple[str, ...], out: str) -> None:
    sources = {"before": source.resolve()} if source else {}
    sources["now"] = ROOT
    names = [name for name in CASES if not only or any(part in name for part in only)]
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name in names:
        rows[name] = {which: [] for which in sources}
        for place in sources.values():
            start_up(name, place)  # compiles, and fills the cache of files
        for _ in range(repeats):
            for which, place in sources.items():
                rows[name][which].append(start_up(name, place))
    table = Table("until", title="CPU seconds of all processes, and wall-clock seconds; minima")
    columns = [*sources, *(["ratio"] if source else [])]
    for unit in ("CPU", "wall"):
        for column in columns:
            table.add_column(f"{unit}, {column}", justify="right")
    for name, measured in rows.items():
        cells: list[str] = []
        for index in range(2):
            least = [min(pair[index] for pair in pairs) for pairs in measured.values()]
            cells += [f"{value:.2f}" for value in least]
            if source:
                cells.append(f"{least[1] / least[0]:.2f}")
        table.add_row(name, *cells)
    Console(width=120).print(table)
    make_folder(Path(out).parent)
    record: dict[str, Any] = {
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "cpu_and_wall_seconds": rows,
    }
    with whole_file(Path(out)) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
