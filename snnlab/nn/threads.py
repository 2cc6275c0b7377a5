"""Compiled loops over the parts of an array, in as many threads as torch has."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


def run_in_threads(loop: Callable[[int, int], Result], size: int, most: int) -> list[Result]:
    """Call `loop(first, last)` for parts of `range(size)`, each in a thread; return the results.

    Args:
        loop: a function that releases Python's lock, such as one compiled with `nogil`.
        size: how much there is to divide.
        most: the largest number of threads that pays.
    """
    threads = min(torch.get_num_threads(), size, most)
    if threads <= 1:
        return [loop(0, size)]
    bounds = [size * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(loop, bounds[:-1], bounds[1:]))
