"""Memory: clear errors when there is too little, and reuse of freed blocks."""

import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager

from snnlab._utils.errors import SnnlabError
from snnlab._utils.system import c_library

FOR_TRAINING = "a smaller batch_size, a larger accumulate or a smaller network"

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names and numbers of glibc's malloc.h


def keep_freed_memory() -> None:
    """Keep freed memory in this process for the next training step.

    glibc returns blocks above 32 MiB, and the top of its heap, to the kernel, and asks for them
    again a moment later. A training step at the size of the paper's SHD network does that with some
    200 MB, and the kernel fills every page with zeros and maps it anew. The price is a somewhat
    larger heap. Nothing happens where the C library is not glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = c_library().mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


# What the errors of torch, cuBLAS, cuDNN, cuFFT, C++ and the system say, each of another class
_SAID = re.compile(
    r"allocate memory|not enough memory|out of memory|ALLOC_FAILED|bad_alloc"
    r"|size calculation overflowed"
)
_ON_GPU = re.compile(r"CUDA|CUBLAS|CUDNN|CUFFT")
_AMOUNT = re.compile(r"allocate ([\d.]+) (?:bytes|([KMGTPE])iB)")


@contextmanager
def memory_errors(doing: str, cure: str = FOR_TRAINING) -> Iterator[None]:
    """Turn errors of lacking memory into a sentence, in a block or as a decorator.

    Errors of Python, numpy and torch are known, on a CPU and on a GPU; all others pass.

    Args:
        doing: what needs the memory, such as "training".
        cure: what to choose instead.

    Raises:
        SnnlabError: memory does not suffice; the message states the amount if it is known.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not _SAID.search(text):
            raise
        where = "the GPU" if _ON_GPU.search(text) else "this machine"
        message = f"{doing}: the memory of {where} does not suffice{_amount(text)}; choose {cure}."
        raise SnnlabError(message) from error


def _amount(text: str) -> str:
    """Return how much memory was requested, in words, or "" if the error does not state it."""
    match = _AMOUNT.search(text)
    if match is None:
        return ""
    amount = float(match[1]) * 1024 ** " KMGTPE".index(match[2] or " ")
    return f" ({amount / 1e9:,.2f} GB were asked for at once)"
