"""Training in several processes: `train_pool` trains many jobs, `launch_ranks` one job together."""

import contextlib
import os
import pickle
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import distributed
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import make_folder
from snnlab._utils.memory import memory_errors
from snnlab._utils.processes import ProcessPool, end_with_parent, process_context, unguarded
from snnlab.data.batches.samplers import RankInfo
from snnlab.training.callbacks import Callback, EpochCounter, StopTraining

EXIT_SECONDS = 30  # for a process to end when its work is done
# Processes wait for each other as long as it takes; one that dies is noticed at once
GROUP_TIMEOUT = timedelta(days=365)

Send = Callable[[Any], object]


class Trainable(Protocol):
    """What `train_pool` trains: a job with a unique name, and the number of its epochs."""

    @property
    def name(self) -> str:
        """The name."""
        ...

    @property
    def epochs(self) -> int:
        """How many epochs it takes."""
        ...


Job = TypeVar("Job", bound=Trainable)
Data = TypeVar("Data")
Outcome = TypeVar("Outcome")


@memory_errors("training in several processes", "fewer workers or less data")
def train_pool(
    jobs: Iterable[Job],
    train: Callable[[Job, Data, Path, Sequence[Callback]], Outcome],
    data: Data,
    folder: Path,
    *,
    workers: int = 0,
    processes: int = 1,
    title: str = "",
    then: Callable[[list[Outcome]], Sequence[Job]] | None = None,
) -> list[Outcome]:
    """Call `train(job, data, folder, callbacks)` for every job, in several processes.

    Many small trainings want many `workers`, each of which trains a job at a time. One large
    training wants `processes`, such as one a GPU: they share every batch of
    `snnlab.training.trainer.fit`, and jobs come one after another. A killed training may be resumed
    with other numbers of both.

    Args:
        jobs: what to train; the most expensive one first shortens the wait at the end.
        train: a function of a module, as other processes import it; it hands `callbacks` to `fit`.
        data: copied to each worker once.
        folder: where files go; made if need be.
        workers: processes; 0 for one a core, and 1 for none besides this one, which is what a GPU
            wants. Above 1 only without `processes`.
        processes: how many train each job together, on GPUs as many as there are; 1 for none
            besides the worker.
        title: the title of the progress bar.
        then: given all outcomes so far, returns what to train next in the same processes, which
            take seconds to start. It is called again until it returns nothing new; jobs whose names
            have been trained are left out.

    Returns:
        The outcomes in the order of `jobs`, then those of `then`, in its order.

    Raises:
        SnnlabError: as `train`, a process died, or `workers` and `processes` do not go together.
    """
    workers = whole_number("workers", workers, 0)
    processes = whole_number("processes", processes, 1)
    if processes > 1 and workers > 1:
        raise SnnlabError(
            f"workers = {workers}, processes = {processes}: jobs that several processes train "
            "together come one after another; leave workers out."
        )
    jobs = list(jobs)
    if len({job.name for job in jobs}) < len(jobs):
        raise SnnlabError("jobs: two have the same name; give each its own, which its files have.")
    make_folder(folder)
    work = partial(_train_and_report, train, data, folder)
    cores = os.cpu_count() or 1
    workers = min(workers or cores, len(jobs))
    with tqdm(total=sum(job.epochs for job in jobs), unit="epoch", desc=title or None) as bar:

        def run(train_each: Callable[[Iterable[Job]], Iterable[Outcome]]) -> list[Outcome]:
            outcomes = list(train_each(jobs))
            trained = {job.name for job in jobs}
            while then is not None:
                more = [job for job in then(outcomes) if job.name not in trained]
                if not more:
                    break
                bar.total += sum(job.epochs for job in more)
                outcomes += train_each(more)
                trained |= {job.name for job in more}
            return outcomes

        def train_one(job: Job) -> Outcome:
            if processes == 1:
                return cast(Outcome, work(bar.update, job))
            who = f"{folder}: one of the {processes} processes that train {job.name}"
            of_job = partial(work, job=job)
            return cast(Outcome, launch_ranks(of_job, processes, bar.update, who))

        if workers <= 1 or processes > 1:
            return run(lambda jobs: map(train_one, jobs))
        context = process_context()
        # Numbers this short are written whole: no lock that a kill leaves
        receiver, sender = context.Pipe(duplex=False)
        counting = threading.Thread(target=_update_bar, args=(receiver, bar), daemon=True)
        counting.start()
        setup = (partial(work, sender.send), max(1, cores // workers))
        try:
            with ProcessPool(workers, context, _setup_worker, setup) as pool:
                return run(lambda jobs: map(pickle.loads, pool.map(_train_in_worker, jobs)))
        except BrokenProcessPool as error:
            raise SnnlabError(
                f"{folder}: one of the {workers} training processes died, perhaps for want of "
                "memory; run the same again with fewer workers: finished epochs are kept."
            ) from error
        finally:
            sender.close()  # the last open end: the thread counts the rest, and ends
            counting.join()


def _train_and_report(train: Any, data: Any, folder: Path, send: Send, job: Any) -> Any:
    return train(job, data, folder, [EpochCounter(send)])


_train_job: Callable[[Any], Any]  # of a worker process


def _setup_worker(train_job: Callable[[Any], Any], threads: int) -> None:
    global _train_job
    end_with_parent()
    torch.set_num_threads(threads)
    _train_job = train_job


def _train_in_worker(job: Any) -> bytes:
    # By value: a tensor that is shared would take a file descriptor each
    return pickle.dumps(_train_job(job))


def _update_bar(receiver: Connection, bar: Any) -> None:
    with contextlib.suppress(EOFError):
        while True:
            bar.update(receiver.recv())


@memory_errors("training in several processes", "fewer processes or less data")
def launch_ranks(work: Callable[[Send], Any], processes: int, receive: Send, who: str) -> Any:
    """Launch the processes of a `torch.distributed` group and relay their messages.

    Args:
        work: called as `work(send)` in each process; it is pickled. What a process sends, also from
            a thread, is given to `receive`.
        processes: how many.
        receive: called in this process, in the order in which a process sends.
        who: the beginning of the sentence that a process died, such as "one of the processes that
            train this network".

    Returns:
        What `work` returned in process 0.

    Raises:
        SnnlabError: as `work`, in whichever process, or a process died. No process is left behind.
        StopTraining: as `work`, in process 0; all processes have ended by themselves.
    """
    context = process_context()
    pipes: list[Connection] = []
    members: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for rank in range(processes):
                ours, theirs = context.Pipe()
                arguments = ((rank, processes), f"{folder}/rendezvous", theirs, work)
                member = context.Process(target=_run_rank, args=arguments)
                pipes.append(ours)
                members.append(member)
                member.start()
                theirs.close()  # or its end would not be noticed
            outcome = _relay(pipes, members, receive, who)
            for pipe in pipes:
                pipe.close()  # the processes wait for this, and end
            for member in members:
                member.join(EXIT_SECONDS)
            if isinstance(outcome, StopTraining):
                raise outcome
            return outcome
        finally:
            for member in members:
                if member.pid is not None:
                    member.kill()  # it waits for one that has failed, or does not end
                    member.join()


def _relay(pipes: list[Connection], members: list[Any], receive: Send, who: str) -> Any:
    """Relay messages until all processes are done; return the outcome of process 0."""
    outcome, working = None, list(pipes)
    died = SnnlabError(
        f"{who} died, perhaps for want of memory; run the same again or with fewer processes: "
        "finished epochs are kept."
    )
    while working:
        for pipe in cast(list[Connection], wait(working)):
            try:
                kind, value = pipe.recv()
            except (EOFError, OSError) as error:
                wait([member.sentinel for member in members], timeout=1)
                raise unguarded(members) or died from error
            if kind == "failed":
                # Where a process has died, the connections of the others break, and one of those
                # may be the first to report it
                lost = not isinstance(value, SnnlabError) and wait(
                    [member.sentinel for member in members], timeout=1
                )
                raise died if lost else value
            if kind == "sent":
                receive(value)
            else:
                working.remove(pipe)
                outcome = value if pipe is pipes[0] else outcome
    return outcome


def _run_rank(
    rank_info: RankInfo, rendezvous: str, pipe: Connection, work: Callable[[Send], Any]
) -> None:
    rank, world_size = rank_info
    end_with_parent()
    # Ctrl-C reaches the whole group; one traceback is enough
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // world_size))
        nccl = torch.cuda.is_available() and distributed.is_nccl_available()
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if nccl else "gloo",
            f"file:///{Path(rendezvous).as_posix().lstrip('/')}",
            rank=rank,
            world_size=world_size,
            timeout=GROUP_TIMEOUT,
        )
        try:
            outcome = work(lambda value: pipe.send(("sent", value)))
        except StopTraining as stopped:
            outcome = stopped
        # By value: what a GPU holds would go with this process
        pipe.send_bytes(pickle.dumps(("done", outcome if rank == 0 else None)))
    except Exception as error:  # noqa: BLE001 - the process that waits for this one will raise it
        if not isinstance(error, SnnlabError):
            error.add_note(traceback.format_exc())  # a traceback does not travel
        pipe.send(("failed", error))
    pipe.poll(None)  # leaving now would break connections that others still use
    if distributed.is_initialized():
        distributed.destroy_process_group()
