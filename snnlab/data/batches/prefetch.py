"""Worker processes that read batches ahead, so that a GPU does not wait for files."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.processes import worker_pool

Job = TypeVar("Job")
AHEAD = 2  # batches that each process is given before they are wanted

_lock = threading.Lock()
_keepers = 0  # open blocks of `persistent_workers`
_idle: dict[int, ProcessPoolExecutor] = {}  # by the number of their processes


@contextlib.contextmanager
def persistent_workers() -> Iterator[None]:
    """Keep worker processes, which take seconds to start, from one `prefetch` to the next.

    They end with the last such block.
    """
    global _keepers
    with _lock:
        _keepers += 1
    try:
        yield
    finally:
        with _lock:
            _keepers -= 1
            unwanted = [] if _keepers else [_idle.pop(loaders) for loaders in list(_idle)]
        for pool in unwanted:
            pool.shutdown()


def prefetch(read: Callable[[Job], Tensor], jobs: Iterable[Job], loaders: int) -> Iterator[Tensor]:
    """Yield what `read` returns for each job, in their order; with a GPU, in pinned memory.

    When the iterator is exhausted, closed or has failed, the processes have ended, except within
    `persistent_workers`.

    Args:
        read: a function of a module, which other processes import.
        jobs: what it takes; asked for as they are read, a few ahead.
        loaders: processes that read; 0 reads in this one.

    Raises:
        SnnlabError: a process died.
        Exception: what `read` raises, at its turn.
    """
    if not loaders:
        yield from map(read, jobs)
        return
    ahead: deque[tuple[Future[Tensor], Future[Tensor]]] = deque()
    with _processes(loaders) as pool:
        pinning = ThreadPoolExecutor(1)
        try:
            for job in jobs:
                result = pool.submit(read, job)
                ahead.append((result, pinning.submit(_pinned, result)))
                if len(ahead) > AHEAD * loaders:
                    yield ahead.popleft()[1].result()
            while ahead:
                yield ahead.popleft()[1].result()
        finally:
            for future in chain.from_iterable(ahead):
                future.cancel()  # those that have begun are finished, and thrown away
            pinning.shutdown(wait=False)  # it may have to wait for one of them


@contextlib.contextmanager
def _processes(loaders: int) -> Iterator[ProcessPoolExecutor]:
    """Yield idle processes or new ones; afterwards they are kept or end."""
    with _lock:
        pool = _idle.pop(loaders, None)  # away while in use: two calls may run at once
    if pool is None:
        pool = worker_pool(loaders)
    intact = True
    try:
        yield pool
    except BrokenProcessPool as error:
        intact = False
        raise SnnlabError(
            f"a loader process died, most likely for want of memory; {loaders} of them were "
            "expected to read batches. Take fewer loaders or smaller batches; in a container, give "
            "it more shared memory (docker run --shm-size)."
        ) from error
    finally:
        with _lock:
            keep = intact and _keepers > 0 and loaders not in _idle
            if keep:
                _idle[loaders] = pool
        if not keep:
            pool.shutdown()


def _pinned(result: "Future[Tensor]") -> Tensor:
    """Wait for a batch and copy it to pinned memory, in a thread, while the network trains."""
    x = result.result()
    return x.pin_memory() if torch.cuda.is_available() else x
