"""Measure when the spectral convolution is faster than the direct one.

`snnlab.nn.fft_convolution.prefer_spectral` uses these figures.

    python benchmarks/engines.py [--threads 2] [--device auto] [--json FILE]

Forward and backward of one convolution, shape by shape, both ways in turn. Printed are the ratio
(direct over spectral) for every number of taps and batch size, over all numbers of steps and
neurons, and what it costs to follow a rule instead of knowing the faster way for every shape:
"always direct", "always spectral", and `prefer_spectral`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import click
import numpy as np
import torch
from report import json_option, write
from rich.console import Console
from rich.table import Table
from torch import Tensor
from tqdm.auto import tqdm

from snnlab.nn.channel_filter import dense_convolution
from snnlab.nn.fft_convolution import causal_convolution, operations, prefer_spectral
from snnlab.training.evaluation import pick_device

STEPS, BATCH, TAPS = (20, 50, 100, 250), (1, 8, 64, 256), (2, 4, 7, 13, 25, 61)
NEURONS = ((2, 16), (16, 16), (70, 32), (64, 64), (256, 20), (256, 256))
# Operations of a direct convolution; larger ones take long, and nobody doubts the answer
LARGEST = 12e9


def seconds(
    convolve: Callable[[Tensor, Tensor, int], Tensor], x: Tensor, taps: Tensor, grad: Tensor
) -> float:
    times: list[float] = []
    until = time.perf_counter() + 0.02
    while len(times) < 4 or time.perf_counter() < until:
        start = time.perf_counter()
        convolve(x, taps, len(x)).backward(grad)
        if x.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        x.grad = taps.grad = None
    return min(times[1:])


@click.command()
@click.option("--threads", default=os.cpu_count(), show_default=True)
@click.option(
    "--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"])
)
@json_option
def main(threads: int, device: str, out: str | None) -> None:
    torch.set_num_threads(threads)
    where = pick_device(device)
    shapes = [
        (t, b, n_in, n_out, n_taps)
        for t, b, (n_in, n_out), n_taps in itertools.product(STEPS, BATCH, NEURONS, TAPS)
        if operations(t, b, n_in, n_out, n_taps)[0] <= LARGEST
    ]
    direct, spectral, chosen = [], [], []
    for t, b, n_in, n_out, n_taps in tqdm(shapes, unit="shape"):
        x = torch.randn(t, b, n_in, device=where, requires_grad=True)
        # taps first in memory, as the kernels of the layers have them
        taps = torch.randn(n_taps, n_out, n_in, device=where).permute(1, 2, 0).requires_grad_()
        grad = torch.randn(t, b, n_out, device=where)
        direct.append(seconds(dense_convolution, x, taps, grad))
        spectral.append(seconds(causal_convolution, x, taps, grad))
        chosen.append(prefer_spectral(x, n_out, n_taps))
    a, b, best = np.array(direct), np.array(spectral), np.minimum(direct, spectral)

    table = Table(
        title=f"direct over spectral, median (lowest to highest); {where.type}, {threads} threads"
    )
    table.add_column("taps", justify="right")
    for batch in BATCH:
        table.add_column(f"batch {batch}", justify="right")
    for n_taps in TAPS:
        cells = []
        for batch in BATCH:
            ratio = np.array(
                [
                    x / y
                    for s, x, y in zip(shapes, a, b, strict=True)
                    if (s[4], s[1]) == (n_taps, batch)
                ]
            )
            cells.append(f"{np.median(ratio):.1f} ({ratio.min():.1f} to {ratio.max():.1f})")
        table.add_row(str(n_taps), *cells)
    console = Console()
    console.print(table)
    figures: dict[str, float] = {"shapes": len(shapes)}
    for key, name, times in (
        ("direct", "always direct", a),
        ("spectral", "always spectral", b),
        ("rule", "the rule", np.where(chosen, b, a)),
    ):
        extra = times / best
        figures[f"{key}_percent"] = 100 * (extra.mean() - 1)
        console.print(
            f"{name:16s} takes {100 * (extra.mean() - 1):4.0f} % longer than the faster way, mean"
            f" over {len(shapes)} shapes; 95 % of them within {np.quantile(extra, 0.95):.2f} times,"
            f" all within {extra.max():.1f} times"
        )
    write(out, figures)


if __name__ == "__main__":
    main()
