"""How several processes are started to train one network, and how they tell the one that started them what there is to tell."""

import multiprocessing
import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import torch
from torch import distributed

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab._utils.processes import end_with_parent
from snnlab.data.batches.samplers import RankInfo
from snnlab.training.callbacks import Stopped

PATIENCE = 30  # seconds for a process to end when all is done
# For so long at most they wait for each other; one that dies is noticed here, at once
PAUSE = timedelta(days=365)

Tell = Callable[[Any], object]


@memory_errors("training in several processes", "fewer processes or less data")
def launch_ranks(work: Callable[[Tell], Any], processes: int, hear: Tell, who: str) -> Any:
    """Call `work(tell)` in several new processes, which are a group of `torch.distributed`.

    Args:
        work: it is pickled. What a process gives to `tell`, also from a thread, is given to `hear`.
        processes: how many.
        hear: called here, in the order in which a process tells.
        who: begins the sentence that one of them died, such as "one of the processes that train
            this network".

    Returns:
        What it gave in process 0.

    Raises:
        SnnlabError: as `work`, in whichever process, or a process died. None of them is left
            behind.
        Stopped: as `work`, in process 0; all of them have come to their end by themselves.
    """
    # A fork would copy torch's thread pools in an unusable state
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    members: list[Any] = []
    with tempfile.TemporaryDirectory() as place:
        try:
            for number in range(processes):
                ours, theirs = context.Pipe()
                given = ((number, processes), f"{place}/rendezvous", theirs, work)
                member = context.Process(target=_member, args=given)
                pipes.append(ours)
                members.append(member)
                member.start()
                theirs.close()  # or its end would not be noticed
            outcome = _outcome(pipes, members, hear, who)
            for pipe in pipes:
                pipe.close()  # they wait for this, and end as processes should
            for member in members:
                member.join(PATIENCE)
            if isinstance(outcome, Stopped):
                raise outcome
            return outcome
        finally:
            for member in members:
                if member.pid is not None:
                    member.kill()  # one has failed and the others wait for it, or does not end
                    member.join()


def _outcome(pipes: list[Connection], members: list[Any], hear: Tell, who: str) -> Any:
    outcome, working = None, list(pipes)
    dead = SnnlabError(
        f"{who} died, perhaps for want of memory; run the same again or with fewer processes: finished epochs are kept."
    )
    while working:
        for pipe in cast(list[Connection], wait(working)):
            try:
                what, value = pipe.recv()
            except (EOFError, OSError) as error:
                raise dead from error
            if what == "failed":
                # where a process has died, the others' connections break, and they may be the first
                # to say so
                lost = not isinstance(value, SnnlabError) and wait(
                    [member.sentinel for member in members], timeout=1
                )
                raise dead if lost else value
            if what == "told":
                hear(value)
            else:
                working.remove(pipe)
                outcome = value if pipe is pipes[0] else outcome
    return outcome


def _member(part: RankInfo, rendezvous: str, pipe: Connection, work: Callable[[Tell], Any]) -> None:
    number, processes = part
    end_with_parent()
    # Ctrl-C reaches the whole group; one traceback is enough
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
        backend = (
            "cpu:gloo,cuda:nccl"
            if torch.cuda.is_available() and distributed.is_nccl_available()
            else "gloo"
        )
        distributed.init_process_group(
            backend, f"file://{rendezvous}", rank=number, world_size=processes, timeout=PAUSE
        )
        try:
            outcome = work(lambda value: pipe.send(("told", value)))
        except Stopped as stopped:
            outcome = stopped
        # by value: what a GPU holds would go with this process
        pipe.send_bytes(pickle.dumps(("done", outcome if number == 0 else None)))
    except Exception as error:  # noqa: BLE001 - the process that waits for this one will raise it
        if not isinstance(error, SnnlabError):
            error.add_note(traceback.format_exc())  # a traceback does not travel
        pipe.send(("failed", error))
    pipe.poll(None)  # leaving now would break connections that others still use
    if distributed.is_initialized():
        distributed.destroy_process_group()
