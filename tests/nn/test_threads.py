"""Compiled loops in torch's threads, and in processes that are forked after them."""

import os
import threading

import pytest
import torch

from snnlab.nn import lif_scan
from snnlab.nn.neurons import LIF


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(lif_scan, "WORTH_THREADS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_the_number_of_torchs_threads_stays():
    LIF(2.0)(torch.rand(3, 2, 5))
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_two_callers_at_once_get_what_each_gets_alone():
    x = [torch.rand(200, 4, 50) * 2 for _ in range(2)]
    expected = [LIF(2.0)(each) for each in x]
    got = [[], []]

    def call(i):
        for _ in range(50):
            got[i].append(LIF(2.0)(x[i]))

    callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for each, wanted in zip(got, expected, strict=True):
        assert len(each) == 50 and all(torch.equal(one, wanted) for one in each)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.usefixtures("two_threads")
def test_a_forked_process_computes_with_one_thread():
    """As the workers of torch's DataLoader do, which set their threads to one."""
    x = torch.rand(3, 2, 5)
    LIF(2.0)(x)
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        LIF(2.0)(x)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
