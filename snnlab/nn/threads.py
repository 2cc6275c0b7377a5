"""Compiled loops over the parts of an array, in as many threads as torch has."""

import threading
from collections.abc import Callable
from typing import Any

import numba
import torch

# One at a time: where numba has no OpenMP, its threads serve one caller only
_one_at_a_time = threading.Lock()


def count_parts(size: int, most: int) -> int:
    """Return into how many parts to divide a loop: torch's threads, at most `size` and `most`."""
    available: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    return max(1, min(torch.get_num_threads(), available, size, most))


def run_parts(
    loop: Callable[..., None], in_threads: Callable[..., None], arguments: Any, parts: int
) -> None:
    """Run the parts of a loop, all at once.

    The threads are those of OpenMP that torch has, too. Others would share the cores with these,
    which wait for their next work in a busy loop.

    Args:
        loop: called as `loop(*arguments, part, parts)`, one part, where there is only one.
        in_threads: called as `in_threads(*arguments, parts)`, all of them, compiled with
            `parallel`. Processes that are forked later cannot call it.
        arguments: the same for all parts.
        parts: how many.
    """
    if parts == 1:
        loop(*arguments, 0, 1)
        return
    with _one_at_a_time:
        numba.set_num_threads(parts)
        in_threads(*arguments, parts)
