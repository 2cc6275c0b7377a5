"""How far the notebooks are: bars in a terminal, a line for each new section in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from snnlab.execute import Report


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str], Report]]:
    """Give a function that starts the display of one notebook: it takes a name and returns the notebook's `Report`."""
    if not console.is_terminal:
        yield lambda name: _lines(console, name)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("cells"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
    )
    with Progress(*columns, console=console) as bars:

        def bar(name: str) -> Report:
            task = bars.add_task(name, total=None, doing="starting")

            def report(done: int, total: int, heading: str, count: str) -> None:
                bars.update(task, completed=done, total=total, doing=f"{heading}  {count}")

            return report

        yield bar


def _lines(console: Console, name: str) -> Report:
    started, last = time.monotonic(), ""

    def report(done: int, total: int, heading: str, count: str) -> None:
        nonlocal last
        if heading != last:  # in a log, a line for each count would be too many
            last = heading
            console.print(f"{name}  {done}/{total} cells  {time.monotonic() - started:.0f} s  {heading}", markup=False)

    return report
