"""What the C library does with memory between two training steps."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names and numbers of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for the next training step, instead of giving it back at once.

    glibc returns blocks above 32 MiB, and the top of its heap, to the kernel, and asks for them again a moment later.
    A training step at the size of the paper's SHD network does that with some 200 MB, and the kernel fills every page with
    zeros and maps it anew. The price is a somewhat larger heap. Nothing happens where the C library is not glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
