"""Compiled loops in torch's threads: in processes of their own, where numba has four of them."""

import os
import subprocess
import sys
import textwrap

import pytest

START = """
import multiprocessing, os, threading
import numba, torch
from snnlab.nn import lif_scan
from snnlab.nn.neurons import LIF
from snnlab.nn.threads import count_parts
lif_scan.WORTH_THREADS = 1
torch.set_num_threads(3)
x = torch.rand(60, 4, 50) * 2
"""


def run(script):
    """Run a script in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", START + textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"NUMBA_NUM_THREADS": "4"},
    )
    assert process.returncode == 0, process.stdout + process.stderr


def test_numbers_of_threads_and_the_start_method_of_processes_stay():
    run("""
    before = numba.config.NUMBA_NUM_THREADS
    LIF(2.0)(x)
    assert count_parts(10, 10) == torch.get_num_threads() == 3
    assert numba.get_num_threads() == before == 4
    assert multiprocessing.get_start_method(allow_none=True) is None
    multiprocessing.set_start_method("spawn")
    """)


def test_two_callers_at_once_get_what_each_gets_alone():
    run("""
    inputs = [x, torch.rand(60, 4, 50) * 2]
    torch.set_num_threads(1)
    expected = [LIF(2.0)(each) for each in inputs]
    torch.set_num_threads(3)
    got = [[], []]

    def call(i):
        for _ in range(50):
            got[i].append(LIF(2.0)(inputs[i]))

    callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for each, wanted in zip(got, expected):
        assert len(each) == 50 and all(torch.equal(one, wanted) for one in each)
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_goes_on_with_one_thread():
    """GNU's OpenMP would end it."""
    run("""
    expected = LIF(2.0)(x)
    child = os.fork()
    if child == 0:
        wrong = 1
        try:
            assert count_parts(10, 10) == 1
            wrong = int(not torch.equal(LIF(2.0)(x), expected))
        finally:
            os._exit(wrong)
    assert os.waitpid(child, 0)[1] == 0
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_forked_before_has_threads_of_its_own():
    """As processes of the fork server do."""
    run("""
    child = os.fork()
    if child == 0:
        wrong = 1
        try:
            LIF(2.0)(x)
            wrong = int(count_parts(10, 10) != 3)
        finally:
            os._exit(wrong)
    assert os.waitpid(child, 0)[1] == 0
    """)
