"""Measure the parts of a training step at SHD's shape beside one large matrix product.

    python benchmarks/step_parts.py [--row shd] [--repeats 8] [--threads 2] [--json FILE]

The products and transforms of the convolutions of synaptic delays are timed, and their operations
counted; torch's profiler tells how long other parts take, and its own time is in the rest. The rate
of one product of 2048 x 2048 matrices by torch, measured in turn with the steps, is the floor: a
step that did nothing but these operations at that rate would take `floor_ms`. Beside it is the rate
of the same product by oneDNN, 0 where torch has none.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import click
import torch
from delay_training import ROWS, seconds, steps
from report import json_option, write
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from snnlab._utils.memory import keep_freed_memory
from snnlab.nn import fft_convolution
from snnlab.nn.products import multiply_by_onednn, onednn_is_there

SIZE = 2048
PARTS = {"_Scan": "membranes", "batch_norm": "batch_norm", "adam": "adam"}
REST = "rest"  # dropout, the kernels of the delays, sums, copies


@contextmanager
def timed(milliseconds: Counter[str], operations: Counter[str]) -> Iterator[None]:
    """Add the milliseconds and operations of the convolutions' products and transforms."""

    def measure(part: str, function: Callable[..., Tensor], count: Callable[..., int]) -> Any:
        def call(*args: Any) -> Tensor:
            start = time.perf_counter()
            result = function(*args)
            milliseconds[part] += 1e3 * (time.perf_counter() - start)
            operations[part] += count(*args)
            return result

        return call

    def of_transform(first: Tensor, second: Tensor, signal: Tensor, steps: int = 0) -> int:
        r = second.shape[2] // 2
        rows = -(-(steps or len(signal)) // r)
        return 2 * (len(first) * rows * r + second.numel()) * signal[0].numel()

    def of_products(a: Tensor, b: Tensor) -> int:
        return 2 * a.numel() * b.shape[1]

    with ExitStack() as stack:
        for name, part, count in (
            ("products", "products", of_products),
            ("_transform", "transforms", of_transform),
            ("_transposed", "transforms", of_transform),
        ):
            measured = measure(part, getattr(fft_convolution, name), count)
            stack.enter_context(patch.object(fft_convolution, name, measured))
        yield


@click.command()
@click.option("--row", default="shd", show_default=True, type=click.Choice(list(ROWS)))
@click.option("--repeats", default=8, show_default=True, help="Steps.")
@click.option("--threads", default=os.cpu_count(), show_default=True)
@json_option
def main(row: str, repeats: int, threads: int, out: str | None) -> None:
    torch.set_num_threads(threads)
    keep_freed_memory()
    cpu = torch.device("cpu")
    _, train, _ = steps(ROWS[row], "snnlab", cpu)
    a, b = torch.randn(2, SIZE, SIZE)
    for warm_up in (train, lambda: a @ b):
        warm_up(), warm_up()
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"floor": lambda a, b: a @ b.mT}
    if onednn_is_there():
        ways["onednn"] = multiply_by_onednn
    rates = {"onednn": 0.0}
    times: list[float] = []
    for _ in range(repeats):
        times.append(seconds(train, cpu))
        for name, multiply in ways.items():
            took = seconds(lambda multiply=multiply: multiply(a, b), cpu)
            rates[name] = max(rates.get(name, 0.0), 2 * SIZE**3 / took)
    names = ["products", "transforms", *PARTS.values()]
    milliseconds, operations = (Counter[str](dict.fromkeys(names, 0.0)) for _ in range(2))
    with timed(milliseconds, operations), profile(activities=[ProfilerActivity.CPU]) as profiler:
        whole = sum(seconds(train, cpu) for _ in range(repeats))
    for event in profiler.key_averages():
        part = next((part for key, part in PARTS.items() if key in event.key), None)
        if part:
            milliseconds[part] += event.self_cpu_time_total / 1e3
    milliseconds[REST] = 1e3 * whole - milliseconds.total()
    for counter in (milliseconds, operations):
        for part in counter:
            counter[part] /= repeats
    step, total, floor = statistics.median(times), operations.total(), rates["floor"]
    rows: list[dict[str, Any]] = []
    table = Table(title=f"{row}: a step takes {1e3 * step:.0f} ms, {threads} threads")
    for column in ("part", "ms", "% of the step", "GFLOP/s", "% of the floor's rate"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part, ms in milliseconds.most_common():
        rate = operations[part] / ms / 1e6 if ms else 0.0
        share = 100 * ms / sum(milliseconds.values())
        rows.append({"row": part, "ms": ms, "percent": share})
        cells = [part, f"{ms:.1f}", f"{share:.0f}", "", ""]
        rows[-1] |= {"gflops": rate, "floor_percent": 100 * rate * 1e9 / floor}
        if rate:
            cells[3:] = [f"{rate:.0f}", f"{rows[-1]['floor_percent']:.0f}"]
        table.add_row(*cells)
    figures = {
        "parts": rows,
        "step_ms": 1e3 * step,
        "operations_g": total / 1e9,
        "gflops": total / step / 1e9,
        "floor_gflops": floor / 1e9,
        "onednn_gflops": rates["onednn"] / 1e9,
        "floor_ms": 1e3 * total / floor,
        "floor_percent": 100 * total / step / floor,
        "threads": threads,
    }
    Console().print(table)
    shown = (f"{name}: {value:.4g}" for name, value in figures.items() if name != "parts")
    click.echo("; ".join(shown))
    write(out, figures)


if __name__ == "__main__":
    main()
