"""Processes that read batches: when they begin, which ones are kept, and that none is left."""

import multiprocessing
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import readers
import torch
from bars import COMMON, NET
from readers import bars, read_some, tell

from snnlab._utils.errors import SnnlabError
from snnlab._utils.processes import worker_pool
from snnlab.data.batches import prefetch as module
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.batches.prefetch import AHEAD, persistent_workers, prefetch
from snnlab.data.splits import DataSplits
from snnlab.training.experiments import run_experiment
from snnlab.training.trainer import fit
from snnlab.transfer.pipelines import experiment
from snnlab.transfer.stages import Stage

READ = partial(tell, seed=None)


def told(results):
    """Jobs and processes, in the order of the results."""
    jobs, processes = zip(*((int(x[0, 0, 0, 0]), int(x[0, 0, 0, 2])) for x in results), strict=True)
    return list(jobs), set(processes)


def children():
    return {process.pid for process in multiprocessing.active_children()}


@pytest.fixture(autouse=True)
def none_is_left():
    """After each of these tests, whatever came to pass in it."""
    before = children()
    yield
    assert children() == before


def test_in_this_process():
    assert told(prefetch(READ, range(5), 0)) == ([0, 1, 2, 3, 4], {os.getpid()})
    assert list(prefetch(READ, [], 0)) == []


def test_in_the_order_of_the_jobs_and_no_further_ahead_than_it_should():
    asked = []

    def jobs():
        for job in range(9):
            asked.append(job)
            yield job

    results = prefetch(READ, jobs(), 1)
    assert asked == []
    first = next(results)
    assert asked == list(range(AHEAD + 1)) and int(first[0, 0, 0, 0]) == 0
    rest, processes = told(results)
    assert (
        rest == list(range(1, 9))
        and processes.isdisjoint({os.getpid()})
        and not children() & processes
    )


def test_one_that_is_closed_early():
    before = children()
    results = prefetch(READ, range(50), 1)
    next(results)
    assert len(children() - before) == 1
    results.close()
    assert children() == before


@pytest.mark.parametrize(
    ("job", "number", "error", "message"),
    [
        (
            "bad",
            1,
            SnnlabError,
            "^bad.npz cannot be read; a whole one was expected. Fetch it again.$",
        ),
        ("breaks", 1, RuntimeError, "^not the data's fault$"),
        (
            "dies",
            2,
            SnnlabError,
            "a loader process died.*; 2 of them were expected to.*Take fewer loaders",
        ),
    ],
)
def test_none_is_left_after_an_error(job, number, error, message):
    before = children()
    # `caught` holds the traceback, and all that is in it
    with pytest.raises(error, match=message) as caught:
        list(prefetch(READ, [0, 1, job, *range(20)], number))
    assert children() == before and str(caught.value)


def test_they_are_kept_whatever_happens():
    before = children()
    with persistent_workers():
        with persistent_workers():
            told(prefetch(READ, range(20), 1))
        mine = children() - before  # the inner block is not the last one
        assert len(mine) == 1
        next(prefetch(READ, range(20), 1))  # and no more of it
        for job in ("bad", "breaks"):
            with pytest.raises((SnnlabError, RuntimeError)):
                list(prefetch(READ, [job, *range(20)], 1))
        for _ in range(2):
            assert told(prefetch(READ, range(100, 120), 1)) == (list(range(100, 120)), mine)
            os.kill(min(mine), signal.SIGINT)  # as Ctrl-C does, to one that waits for work
        os.kill(min(mine), signal.SIGKILL)
        with pytest.raises(SnnlabError, match="a loader process died"):
            list(prefetch(READ, range(20), 1))
        assert children() == before  # no use in keeping those
    assert children() == before


def test_of_two_calls_at_once_the_processes_of_one_are_kept():
    before = children()
    with persistent_workers():
        pairs = list(zip(*(prefetch(READ, range(n, n + 9), 1) for n in (0, 50)), strict=True))
        (jobs, first), (others, second) = (told(results) for results in zip(*pairs, strict=True))
        assert jobs == list(range(9)) and others == list(range(50, 59)) and not first & second
        assert len(children() - before) == 1 and children() - before < first | second


@pytest.mark.parametrize("whole", [False, True])
def test_a_training_starts_them_once(tmp_path, monkeypatch, whole):
    started = []

    def counting(workers):
        started.append(workers)
        return worker_pool(workers)

    monkeypatch.setattr(module, "worker_pool", counting)
    files = FileDataset(range(12), torch.arange(12) % 3, tuple("abc"), bars, loaders=1)
    stages = [Stage(name=name, **COMMON, epochs=2, network=NET) for name in ("first", "second")]
    if whole:
        run_experiment(
            experiment("once", *stages), {"target": DataSplits(files, files, files)}, tmp_path
        )
    else:
        fit(NET.build(), files, files, stages[0], progress=False)
    assert len(started) == 1


def test_a_process_that_had_some_of_its_own_ends():
    reader = multiprocessing.get_context("spawn").Process(target=read_some)
    reader.start()
    reader.join(120)
    code = reader.exitcode
    reader.kill()
    reader.join()
    assert code == 0


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)]
)
def test_a_program_that_ends_in_the_middle_ends_them_without_a_word(end, code):
    program = f"""
import os, signal, sys
sys.path.append({str(Path(readers.__file__).parent)!r})
from readers import threads
from snnlab.data.batches.prefetch import prefetch
results = prefetch(threads, range(100), 1)
assert next(results) == 1  # or so many processes would have more threads than there are cores
{end}
"""
    # this waits for the processes, too: they could write where the program does
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    # Of one that is killed, Python has something to say
    assert done.returncode == code and (done.stderr == "" or code)
