"""encode(): same result for any number of workers, nothing made twice, errors that speak."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from spiker import Job, spike

from snnlab._utils import processes
from snnlab._utils.errors import SnnlabError


def encode(jobs, partial, workers=1):
    return processes.encode(
        jobs, worker=spike, workers=workers, partial=Path(partial), title="test"
    )


def test_any_number_of_workers_gives_the_same_spikes_in_order(tmp_path):
    jobs = [Job(seed) for seed in range(45)]
    one, two = encode(jobs, tmp_path / "a"), encode(jobs, tmp_path / "b", workers=2)
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)
    times, units, offsets = one
    assert (times.dtype, units.dtype, offsets.dtype) == (np.float32, np.uint16, np.int64)
    assert list(np.diff(offsets)) == [1 + seed % 7 for seed in range(45)]
    np.testing.assert_array_equal(units[offsets[44] : offsets[45]], spike(Job(44))[1])


def test_a_second_call_makes_only_what_is_missing(tmp_path):
    log = tmp_path / "log"
    good = [Job(seed, log=str(log)) for seed in range(2 * processes.CHUNK)]
    with pytest.raises(SnnlabError, match="negative"):
        encode([*good, Job(-1)], tmp_path / "partial")
    assert len(log.read_text().split()) == len(good)
    log.write_text("")
    again = encode([*good, Job(3, log=str(log))], tmp_path / "partial")
    assert log.read_text().split() == ["3"]
    for left, right in zip(
        again, encode([*good, Job(3, log=str(log))], tmp_path / "other"), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_damaged_or_foreign_leftovers_are_made_again(tmp_path):
    jobs = [Job(seed) for seed in range(3)]
    first = encode(jobs, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(encode(jobs, tmp_path)[0], first[0])
    np.testing.assert_array_equal(
        encode([Job(9), Job(1), Job(2)], tmp_path)[0][:3], spike(Job(9))[0]
    )


def test_a_worker_has_the_environment_of_this_moment(monkeypatch):
    for value in ("one", "two"):
        monkeypatch.setenv("SNNLAB_CACHE", value)
        with processes.mapped(os.getenv, ["SNNLAB_CACHE"] * 2, 2) as values:
            assert list(values) == [value] * 2


def test_no_job_gives_no_spike(tmp_path):
    times, units, offsets = encode([], tmp_path)
    assert (len(times), len(units), list(offsets)) == (0, 0, [0])


def test_errors_of_workers_arrive(tmp_path):
    with pytest.raises(SnnlabError, match="seed -1 is negative"):
        encode([Job(0), Job(-1), Job(2)], tmp_path, workers=2)
    with pytest.raises(SnnlabError, match=r"a worker process died.*fewer workers"):
        encode([Job(0), Job(1, die=True)], tmp_path, workers=2)
    with pytest.raises(SnnlabError, match="workers = 0"):
        encode([Job(0)], tmp_path, workers=0)


def test_a_process_that_dies_while_another_starts_leaves_none(monkeypatch):
    started, kind = [], type(processes.process_context().Process())
    begin = kind.start

    def start(process):
        begin(process)
        started.append(process)
        if len(started) == 2:
            started[0].kill()
            time.sleep(0.5)  # until the pool has ended the processes that it knows of

    monkeypatch.setattr(kind, "start", start)
    with (
        pytest.raises(SnnlabError, match="a worker process died"),
        processes.mapped(time.sleep, [100, 100], 2) as results,
    ):
        list(results)
    assert len(started) == 2 and not any(process.is_alive() for process in started)


@pytest.mark.parametrize(
    "call",
    [
        "with processes.mapped(abs, [1, 2, 3], 2) as results: list(results)",
        "launch.launch_ranks(print, 2, print, 'one of two')",
        "launch.train_pool(jobs, print, None, Path('trained'), workers=2)",
    ],
)
def test_a_script_without_a_guard_is_told_so_and_with_one_it_works(call, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from types import SimpleNamespace\n"
        "from snnlab._utils import processes\n"
        "from snnlab.training import launch\n"
        "jobs = [SimpleNamespace(name=name, epochs=1) for name in 'ab']\n"
        f"if True:\n    {call}\n"
    )

    def run():
        return subprocess.run(
            [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    sentence = "the script starts processes, and each of them runs the script again; put what it"
    stderr = run().stderr
    assert sentence in stderr.splitlines()[-1] and "memory" not in stderr
    script.write_text(script.read_text().replace("if True:", "if __name__ == '__main__':"))
    guarded = run()
    assert guarded.returncode == 0, guarded.stderr


def test_too_little_memory_is_told_by_a_sentence():
    words = "reading files: the memory of this machine .* choose fewer or smaller files"
    with (
        pytest.raises(SnnlabError, match=words),
        processes.mapped(np.empty, [10**15], 1) as results,
    ):
        list(results)
