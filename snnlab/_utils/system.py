"""What differs between operating systems: signals, sessions, open files, C libraries.

`make lint` checks the types of all modules for Windows and macOS, too: a name that exists on Linux
only is an error. Code that needs one stands here, with another way for systems that lack it.
"""

import _ctypes
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator

_seek = threading.Lock()


def available_cores() -> int:
    """Return how many cores this process may use, or all where the system does not know."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Let threads that start in the block, and their processes, ignore Ctrl-C.

    On Windows, signals reach the main thread only, and nothing is done.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def leave_terminal() -> None:
    """Put this process out of reach of the terminal's Ctrl-C."""
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # interrupts what it starts


def open_binary(path: str | os.PathLike[str]) -> int:
    """Open a file for `read_at`, and return its descriptor; the system may read it ahead."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if sys.platform == "linux":
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    return descriptor


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read bytes at an offset; several threads may share the descriptor."""
    if sys.platform == "win32":
        with _seek:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, size)
    else:
        return os.pread(descriptor, size, offset)


def c_library() -> ctypes.CDLL:
    """Load the library of C's standard functions."""
    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)


def close_library(library: ctypes.CDLL) -> None:
    """Unload a library; the next load begins with its initial state."""
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
