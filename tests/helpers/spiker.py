"""A worker for test_parallel, in a module of its own, for other processes import it."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnlab._utils.errors import SnnlabError


@dataclass(frozen=True)
class Job:
    seed: int
    log: str = ""
    die: bool = False


def spike(job):
    if job.die:
        os._exit(9)
    if job.seed < 0:
        raise SnnlabError(f"seed {job.seed} is negative.")
    if job.log:
        with Path(job.log).open("a") as file:
            file.write(f"{job.seed}\n")
    rng = np.random.default_rng(job.seed)
    n = 1 + job.seed % 7
    return np.sort(rng.random(n)).astype(np.float32), rng.integers(0, 700, n).astype(np.uint16)
