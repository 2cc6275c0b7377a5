"""Measure the parts of a training step at SHD's shape beside one large matrix product.

    python benchmarks/step_parts.py [--row shd] [--repeats 8] [--threads 2] [--json FILE]

torch's profiler tells how long each operation takes, and how many operations the matrix products
do. The rate of one product of 2048 x 2048 matrices, measured in turn with the steps, is the floor:
a step that did nothing but products at that rate would take `floor_ms`.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter
from typing import Any

import click
import torch
from delay_training import ROWS, seconds, steps
from report import json_option, write
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from snnlab._utils.memory import keep_freed_memory

SIZE = 2048
PARTS = {"mm": "transforms", "_Scan": "membranes", "batch_norm": "batch_norm", "adam": "adam"}
REST = "rest"  # dropout, the kernels of the delays, sums, copies


def part_of(name: str, shapes: list[list[int]]) -> str:
    """Return the part of the step to which an operation belongs."""
    if name == "aten::bmm" and max(shapes[0][1:]) > 48:  # the matrices of the transforms are small
        return "products"
    return next((part for key, part in PARTS.items() if key in name), REST)


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
    times, products = [], []
    for _ in range(repeats):
        times.append(seconds(train, cpu))
        products.append(seconds(lambda: a @ b, cpu))
    floor = 2 * SIZE**3 / min(products)
    with profile(
        activities=[ProfilerActivity.CPU], record_shapes=True, with_flops=True
    ) as profiler:
        for _ in range(repeats):
            train()
    milliseconds: Counter[str] = Counter(dict.fromkeys(["products", *PARTS.values(), REST], 0.0))
    operations: Counter[str] = Counter()
    for event in profiler.key_averages(group_by_input_shape=True):
        part = part_of(event.key, event.input_shapes)
        milliseconds[part] += event.self_cpu_time_total / 1e3 / repeats
        operations[part] += event.flops / repeats if event.key.endswith("mm") else 0
    step, total = statistics.median(times), sum(operations.values())
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
