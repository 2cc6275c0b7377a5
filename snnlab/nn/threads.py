"""Compiled loops over the parts of an array, in as many threads as torch has."""

import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numba
import torch
from numba.core.registry import cpu_target

from snnlab._utils.garbage import no_collections

# Some of numba's threading layers serve one caller at a time; with OpenMP, two callers would share
# the same cores.
_one_at_a_time = threading.Lock()


def count_parts(size: int, most: int) -> int:
    """Return into how many parts to divide a loop: torch's threads, at most `size` and `most`.

    A process that was forked after its parent used threads has one part: GNU's OpenMP cannot go on
    there.
    """
    _load_numba()
    available: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    parts = min(torch.get_num_threads(), available, size, most)
    return parts if parts > 1 and _start_threads() == os.getpid() else 1


def run_parts(
    loop: Callable[..., None],
    in_threads: Callable[..., None],
    arguments: Sequence[Any],
    parts: int,
) -> None:
    """Run the parts of a loop, all at once.

    On Linux the threads are those of OpenMP that torch has, too. Others would compete with these,
    which wait for their next work in a busy loop.

    Args:
        loop: called as `loop(*arguments, part, parts)`, one part, where there is only one.
        in_threads: called as `in_threads(*arguments, parts)`, all of them, compiled with
            `parallel`.
        arguments: the same for all parts; a tensor is given as an array, a contiguous one without
            a copy.
        parts: how many, of `count_parts`.
    """
    arguments = [
        value.detach().contiguous().numpy() if isinstance(value, torch.Tensor) else value
        for value in arguments
    ]
    if parts == 1:
        loop(*arguments, 0, 1)
        return
    with _one_at_a_time:
        before = numba.get_num_threads()
        numba.set_num_threads(parts)
        try:
            in_threads(*arguments, parts)
        finally:
            numba.set_num_threads(before)


@functools.cache
def _load_numba() -> None:
    """Import the half of numba that its first loop would import, without collections."""
    with no_collections():
        cpu_target.target_context.refresh()


@functools.cache
def _start_threads() -> int:
    """Start numba's threads, and return the number of the process that has them."""
    layers = ["omp", "tbb", "workqueue"]
    numba.config.THREADING_LAYER_PRIORITY = layers  # type: ignore[attr-defined]
    torchs = torch.get_num_threads()
    method = multiprocessing.get_start_method(allow_none=True)
    numba.get_num_threads()  # starts them
    # numba gives OpenMP, and so torch, its own number of threads, and fixes how processes start
    torch.set_num_threads(torchs)
    multiprocessing.set_start_method(method, force=True)
    return os.getpid()
