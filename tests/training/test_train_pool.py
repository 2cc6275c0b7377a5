"""Many trainings at once: in the order of the jobs, with every epoch counted, and errors that are
passed on."""

import gc
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.training import launch as module
from snnlab.training.launch import train_pool


@dataclass(frozen=True)
class Job:
    name: str
    epochs: int


def work(job, data, folder, callbacks):
    """A training that leaves a file and counts its epochs."""
    if job.epochs < 0:
        with memory_errors(job.name):
            np.empty(10**15)
    (folder / job.name).write_text(data)
    (counter,) = callbacks
    for epochs in range(1, job.epochs + 1):
        counter.on_epoch_end(SimpleNamespace(history=[{}] * epochs))
    return job.name, data


class Bar:
    """Stands for the progress bar."""

    made: list = []  # noqa: RUF012

    def __init__(self, total, **more):
        self.total, self.n, self.more = total, 0, more
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, epochs):
        self.n += epochs


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_are_in_order_every_epoch_is_counted_and_what_a_training_says_is_passed_on(
    tmp_path, monkeypatch, workers
):
    """Two rounds, for the processes take seconds to start; the second one fails."""
    monkeypatch.setattr(module, "tqdm", Bar)
    jobs, first = [Job("c", 3), Job("a", 0), Job("b", 5)], []

    def then(outcomes):
        first.extend(outcomes)
        return [Job("d", 2), Job("e", -1)]

    with pytest.raises(SnnlabError, match="^e: the memory of this machine does not suffice .8,"):
        train_pool(
            iter(jobs),
            work,
            "data",
            tmp_path / "new" / "folder",
            workers=workers,
            title="many",
            then=then,
        )
    assert first == [("c", "data"), ("a", "data"), ("b", "data")]
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"a", "b", "c", "d"}
    bar = Bar.made[-1]
    assert (bar.total, bar.n, bar.more["desc"]) == (8 + 2 - 1, 8 + 2, "many")
    # None waits for more
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(_update_bar)")]


def test_what_comes_then_is_asked_for_until_it_is_nothing_new(tmp_path):
    def then(outcomes):
        return [Job(name, 1) for name in "abcd"[: len(outcomes) + 1]]

    outcomes = train_pool([Job("a", 1)], work, "data", tmp_path, workers=1, then=then)
    assert outcomes == [(name, "data") for name in "abcd"]


def test_no_job_is_no_outcome_and_a_name_is_given_once(tmp_path):
    assert train_pool([], work, "data", tmp_path) == []
    with pytest.raises(SnnlabError, match="same name"):
        train_pool([Job("a", 1), Job("a", 2)], work, "data", tmp_path)


@pytest.mark.parametrize("how", [dict(workers=2), dict(processes=2)], ids=["workers", "processes"])
def test_no_process_outlives_a_run_that_was_killed(tmp_path, how):
    script = tmp_path / "killed.py"
    script.write_text(
        f"""
import os, time
from pathlib import Path
from types import SimpleNamespace
from snnlab.training.launch import train_pool

def sleep(job, data, folder, callbacks):
    (folder / f"{{job.name}}-{{os.getpid()}}").touch()
    time.sleep(300)

if __name__ == "__main__":
    jobs = [SimpleNamespace(name=name, epochs=1) for name in "ab"]
    train_pool(jobs, sleep, None, Path({str(tmp_path / "at")!r}), **{how})
"""
    )
    run = subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL)
    waited = time.monotonic() + 300
    while len(list((tmp_path / "at").glob("*-*"))) < 2 and time.monotonic() < waited:
        time.sleep(0.1)
    processes = [int(path.name.split("-")[1]) for path in (tmp_path / "at").glob("*-*")]
    run.kill()
    run.wait()
    assert len(processes) == 2
    left = processes
    while left and time.monotonic() < waited:
        left = [
            process
            for process in left
            if psutil.pid_exists(process) and psutil.Process(process).status() != "zombie"
        ]
        time.sleep(0.1)
    assert not left


def imported_by_a_training(job, data, folder, callbacks):
    before = set(sys.modules)
    assert gc.isenabled() and gc.get_freeze_count() > 100_000  # no collection looks at these
    import snnlab as sl

    x, y = torch.rand(10, 8, 16), torch.arange(8) % 2
    recipe = sl.DelayRecipe(epochs=1, batch_size=4, device="cpu")
    net = sl.DelayNet(16, (4,), 2, max_delay=3, tau=2.0)
    sl.fit(net, (x, y), (x, y), recipe, progress=False, checkpoint=folder / job.name)
    return set(sys.modules) - before


def test_a_process_begins_with_what_a_training_needs(tmp_path):
    """Each process on its own would take seconds to import it."""
    jobs = [Job("a", 0), Job("b", 0)]
    for imported in train_pool(jobs, imported_by_a_training, None, tmp_path, workers=2):
        # Two small modules of torch are left, for the checkpoint and for the first step
        assert {name.partition(".")[0] for name in imported} <= {"torch"} and len(imported) < 10
        assert "torch._dynamo" not in imported


def test_the_process_that_starts_others_imports_less():
    code = "import sys, snnlab.training.launch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "torch" in modules and not modules & {"numba", "spikingjelly", "scipy", "matplotlib"}


def test_the_fork_server_has_no_threads_and_asks_for_no_gpu():
    """A fork copies no other thread, and no GPU in use. OpenBLAS starts its own threads anew."""
    code = """
import importlib, sys, threading
from pathlib import Path
import torch
def asked(*_, **__):
    sys.exit("asked for a GPU")
for name in ("is_available", "device_count", "current_device", "_lazy_init"):
    setattr(torch.cuda, name, asked)
from snnlab._utils.processes import PRELOADED
importlib.import_module(PRELOADED)
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
print(threading.active_count(), *(line.split()[1] for line in lines if line.startswith("Threads")))
"""
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) == {"1"}
