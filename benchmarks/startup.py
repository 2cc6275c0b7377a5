"""Measure how long snnlab takes to start: imports, the command, and the first step of a training.

    python benchmarks/startup.py [--repeats 2] [--source DIR] [--only CASE] [--json FILE]

Each case runs in processes of their own until it has done what its name says: `import snnlab`;
`snnlab --help`; a script that calls `fit`, two workers of `train_pool`, or two ranks, until the
first step of each; `snnlab run` at profile tiny until its first epoch is logged. Shown are the CPU
seconds of all processes of a case and the wall-clock seconds, the minima of all repeats. `--source`
names another checkout of snnlab, such as an earlier version; both are measured in turns. The first
start after an installation takes longer: Python and numba compile.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import psutil
from report import ROOT, json_option, write

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
    "import": (["-c", "import snnlab"], "", 0),
    "help": (["-m", "snnlab", "--help"], "", 0),
    "fit": (["{script}", "{out}"], "*.mark", 1),
    "workers": (["{script}", "{out}"], "*.mark", 2),
    "ranks": (["{script}", "{out}"], "*.mark", 1),
    "run_04": (notebook("04"), "checkpoints/*.jsonl", 1),
    "run_02": (notebook("02"), "checkpoints/*.jsonl", 1),
}
SCRIPTS = {"fit": STEP + ALONE, "workers": STEP + POOL, "ranks": STEP + RANKS}


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
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                process.wait(LONGEST)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds = time.perf_counter() - started
                cpu = after.ru_utime - before.ru_utime
                return cpu + after.ru_stime - before.ru_stime, seconds
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
@click.option("--repeats", default=2, show_default=True, help="Starts of each case.")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another checkout, to be measured beside this one.",
)
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="Only this case.")
@json_option
def main(repeats: int, source: Path | None, only: tuple[str, ...], out: str | None) -> None:
    sources = {"before": source.resolve()} if source else {}
    sources["now"] = ROOT
    rows = []
    for name in only or CASES:
        starts: dict[str, list[tuple[float, float]]] = {which: [] for which in sources}
        for _ in range(repeats):
            for which, place in sources.items():
                starts[which].append(start_up(name, place))
        row: dict[str, Any] = {"row": name}
        for index, unit in enumerate(("cpu", "wall")):
            least = {which: min(pair[index] for pair in pairs) for which, pairs in starts.items()}
            row |= {f"{unit}_{which}_s": seconds for which, seconds in least.items()}
            if source:
                row[f"{unit}_ratio"] = least["now"] / least["before"]
        rows.append(row)
        click.echo(f"{name:8s}" + "".join(f"  {key} {row[key]:.2f}" for key in row if key != "row"))
    write(out, {"repeats": repeats, "results": rows})


if __name__ == "__main__":
    main()
