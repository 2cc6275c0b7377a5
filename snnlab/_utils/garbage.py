"""Fewer collections of cyclic garbage while modules are imported, which leave none behind.

Python collects whenever 700 objects are new, and looks at all objects again and again: a fifth of
the CPU time in which torch, numba and matplotlib are imported.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Collect nothing in the block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def collect_less_often() -> None:
    """Collect after 20,000 new objects instead of 700, older ones at every 50th collection.

    For processes that are ours; the garbage that waits takes a few megabytes.
    """
    gc.set_threshold(20_000, 50)


def load_ipython_extension(shell: object) -> None:
    """Call `collect_less_often` in a kernel that loads this module as an extension."""
    collect_less_often()
