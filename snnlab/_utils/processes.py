"""Work in several processes; encoding of recordings that is resumed after a kill."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm.auto import tqdm

from snnlab._utils import version
from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import whole_file
from snnlab._utils.memory import memory_errors

Spikes = tuple[np.ndarray, np.ndarray]  # times (E,) seconds, units (E,)
Result = TypeVar("Result")
PRELOADED = "snnlab.training.warm_up"  # what the fork server imports
UNGUARDED = 86  # exit status of a process in which the script that started it runs again
NO_GUARD = (
    "the script starts processes, and each of them runs the script again; put what it does below "
    '`if __name__ == "__main__":`.'
)
CHUNK = 20  # recordings a file: a kill loses at most this many finished ones


def encode(
    jobs: Sequence[Any],
    *,
    worker: Callable[[Any], Spikes],
    workers: int | None,
    partial: Path,
    title: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode every job as spikes; the result does not depend on the number of workers.

    Finished recordings are kept in `partial` and not made again by a second call with the same
    jobs; the caller removes the folder when its own files are written.

    Args:
        jobs: whatever `worker` takes; pickled, and told apart by their `repr` (frozen dataclasses
            of plain values).
        worker: a function of a module, which other processes import; deterministic: a seed
            belongs in the job.
        workers: processes; 1 works in this one, None takes one a core.
        partial: folder for finished recordings.
        title: what the progress bar says.

    Returns:
        times (E,) float32 seconds, units (E,) uint16 and offsets (len(jobs) + 1,) int64, as in
        `Events`.

    Raises:
        SnnlabError: `workers` is below 1, a process died, or what `worker` itself raises.
    """
    workers = processes(workers)
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    files = [partial / f"{_fingerprint(worker, chunk)}.npz" for chunk in chunks]
    done = [_load(file) for file in files]
    missing = [
        job for chunk, spikes in zip(chunks, done, strict=True) if spikes is None for job in chunk
    ]
    with (
        tqdm(
            total=len(jobs), initial=len(jobs) - len(missing), desc=title, unit="recording"
        ) as bar,
        mapped(worker, missing, workers) as results,
    ):
        for i, chunk in enumerate(chunks):
            if done[i] is None:
                fresh = []
                for _ in chunk:
                    fresh.append(next(results))
                    bar.update()
                done[i] = joined = _joined(fresh)
                with whole_file(files[i]) as temporary:
                    np.savez(temporary, allow_pickle=False, **joined)
    nothing = _joined([(np.zeros(0), np.zeros(0))])
    times, units, counts = (
        np.concatenate([chunk[name] for chunk in (nothing, *done) if chunk is not None])
        for name in nothing
    )
    return times, units, np.cumsum(counts, dtype=np.int64)


def processes(workers: int | None) -> int:
    """Return the number of processes: `workers`, or one a core if it is None.

    Raises:
        SnnlabError: it is below 1.
    """
    return whole_number("workers", (os.cpu_count() or 1) if workers is None else workers, 1)


@contextmanager
def mapped(
    worker: Callable[[Any], Result], jobs: Sequence[Any], workers: int, *, together: int = 1
) -> Iterator[Iterator[Result]]:
    """Yield an iterator over results in the jobs' order; an error stops the work not yet begun.

    Args:
        worker: a function of a module, which other processes import.
        jobs: whatever `worker` takes; pickled.
        workers: processes; 1 works in this one.
        together: jobs that go to a process at once, for many short ones.

    Raises:
        SnnlabError: a process died.
    """
    if workers == 1 or len(jobs) < 2:
        with memory_errors("reading files", "fewer or smaller files"):
            yield map(worker, jobs)
        return
    pool = worker_pool(min(workers, len(jobs)))
    try:
        with memory_errors("reading files", "fewer workers, or smaller files"):
            yield pool.map(worker, jobs, chunksize=together)
    except BrokenProcessPool as error:
        raise SnnlabError(
            "a worker process died, most likely for want of memory; one was expected to do one "
            "file at a "
            "time. Run it again with fewer workers: what is finished is kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def process_context() -> Any:
    """Return the `multiprocessing` context of processes that train, read or encode.

    Where there is a fork server, it loads torch and this package once, and each process begins as
    a copy of it, within milliseconds. The server has no threads of torch; a fork of this process
    would copy torch's thread pools in an unusable state. A new process has the environment
    variables that the server began with.

    A new process imports the script that starts it. Where that comes here again, it would start
    processes without end; the process says so and ends. `unguarded` finds out that it did.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        print(NO_GUARD, file=sys.stderr, flush=True)
        os._exit(UNGUARDED)
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def end_with_parent() -> None:
    """End this process when its parent has ended in any way; it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def unguarded(workers: Iterable[Any]) -> SnnlabError | None:
    """Return the sentence that a script lacks its guard, if one of its processes ended for that.

    Args:
        workers: the processes, which have ended.
    """
    if all(worker.exitcode != UNGUARDED for worker in workers):
        return None
    return SnnlabError(NO_GUARD)


class ProcessPool(ProcessPoolExecutor):
    """A pool that ends all its processes when one of them dies.

    Python ends those that it knows of at that moment, and waits for ever for one that is just
    starting. `shutdown`, also that of `with`, raises `unguarded`.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `concurrent.futures.Executor`."""
        workers = list((self._processes or {}).values())  # none after the first call
        if self._broken:
            for process in workers:
                process.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)
        if self._broken and (error := unguarded(workers)):
            raise error from None


def worker_pool(workers: int) -> ProcessPool:
    """Return processes that read or encode, with the environment variables of this one."""
    return ProcessPool(
        workers, process_context(), initializer=_begin_worker, initargs=(dict(os.environ),)
    )


def _begin_worker(environment: dict[str, str]) -> None:
    import torch

    os.environ.clear()
    os.environ.update(environment)
    end_with_parent()
    # Ctrl-C reaches the whole group: one traceback is enough, and the next call needs the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)  # the processes are the threads


def _fingerprint(worker: Callable[[Any], Spikes], chunk: Sequence[Any]) -> str:
    text = "\n".join(
        [version.__version__, worker.__module__, worker.__qualname__, *map(repr, chunk)]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _joined(spikes: list[Spikes]) -> dict[str, np.ndarray]:
    """Return the spikes of several recordings, one after another, and how many each has."""
    return {
        "times": np.concatenate([times for times, _ in spikes]).astype(np.float32),
        "units": np.concatenate([units for _, units in spikes]).astype(np.uint16),
        "counts": np.array([len(times) for times, _ in spikes]),
    }


def _load(file: Path) -> dict[str, np.ndarray] | None:
    """Return the spikes that an earlier call saved, or None."""
    try:
        with file.open("rb") as handle, np.load(handle) as stored:
            return {name: stored[name] for name in ("times", "units", "counts")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
