"""Readers for test_fileset and test_loaders, in a module of their own, for other processes import
it.
"""

import os
import time
from functools import partial

import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.prefetch import persistent_workers, prefetch


def tell(sample, seed):
    """(T=2, C=1, H=1, W=3) of the sample, what is left of its seed, -1 without one, and the
    process.
    """
    if sample == "dies":
        os._exit(9)
    if sample == "breaks":
        raise RuntimeError("not the data's fault")
    if sample == "bad":
        raise SnnlabError("bad.npz cannot be read; a whole one was expected. Fetch it again.")
    if isinstance(sample, str) and sample.startswith("wide"):
        return torch.zeros(2, 1, 1, 4)
    return torch.tensor([sample, -1 if seed is None else seed % 1000, os.getpid()]).expand(
        2, 1, 1, 3
    )


def noisy(sample, seed):
    """(T=3, C=2, H=4, W=4) bytes."""
    # So that batches are not done in the order in which they were asked for
    time.sleep(0.003 * (sample % 3))
    generator = torch.Generator().manual_seed(sample if seed is None else seed)
    return torch.randint(256, (3, 2, 4, 4), generator=generator, dtype=torch.uint8)


def bars(sample, seed):
    """A bar at one of three heights, (1, 1, 6, 6), under noise."""
    generator = torch.Generator().manual_seed(sample if seed is None else seed)
    x = 0.3 * torch.randn(1, 1, 6, 6, generator=generator)
    x[..., 2 * (sample % 3), :] += 1
    return x


def threads(_):
    return torch.tensor(torch.get_num_threads())


def read_some():
    """Read by a process of this one's own, which it keeps for a while."""
    with persistent_workers():
        assert len(list(prefetch(partial(tell, seed=None), range(5), 1))) == 5
