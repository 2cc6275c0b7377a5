"""How far the notebooks, or the runs of a sweep, are: bars in a terminal, a line for each change in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from snnlab._utils.escape import printable, terminal_text
from snnlab.runs.kernel import Report

if TYPE_CHECKING:
    from snnlab.runs.sweep.sweep import SweepRun


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str], Report]]:
    """Give a function that starts the display of one notebook: it takes a name and returns the notebook's `Report`."""
    if not console.is_terminal:
        yield lambda name: _lines(console, name)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("cells"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim", markup=False),
    )
    with Progress(*columns, console=console) as bars:

        def bar(name: str) -> Report:
            task = bars.add_task(name, total=None, doing="starting")

            def report(done: int, total: int, heading: str, count: str) -> None:
                bars.update(
                    task, completed=done, total=total, doing=printable(f"{heading}  {count}")
                )

            return report

        yield bar


def _lines(console: Console, name: str) -> Report:
    started, last = time.monotonic(), ""

    def report(done: int, total: int, heading: str, count: str) -> None:
        nonlocal last
        if heading != last:  # in a log, a line for each count would be too many
            last = heading
            console.print(
                terminal_text(
                    f"{name}  {done}/{total} cells  {time.monotonic() - started:.0f} s  {heading}"
                )
            )

    return report


class Overview:
    """How far a sweep is: in a terminal bars, for all runs and for each in work; in a log file a line a change."""

    def __init__(self, console: Console, *, runs: int, done: int) -> None:
        """Args: `runs`, how many there are; `done`, how many of these are finished already."""
        self._console, self._runs, self._done, self._over = console, runs, done, 0
        self._started = time.monotonic()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[doing]}", style="dim", markup=False),
        )
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._all = self._bars.add_task("runs", total=runs, completed=done, doing="")
        self._tasks: dict[str, TaskID] = {}  # of each run in work, by its name

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def change(self, run: "SweepRun", what: str) -> None:
        """Say that something became of a run: "begins", "tried again", "finished", "held", "failed" and why."""
        if what == "begins":
            self._tasks[run.name] = self._bars.add_task(
                printable(run.name), total=None, doing="starting"
            )
        elif what in ("finished", "held") or what.startswith("failed: "):
            self._over += 1
            self._bars.remove_task(self._tasks.pop(run.name))
        self._done += what == "finished"
        self.refresh()
        if not self._console.is_terminal:
            line = f"{self._done}/{self._runs} runs  {self._pace()}{run.name}  {what}"
            self._console.print(terminal_text(line), highlight=False, soft_wrap=True)

    def at(self, run: "SweepRun", done: int, total: int, doing: str) -> None:
        """Say where a run is: cells done, of how many, and under which heading."""
        self._bars.update(
            self._tasks[run.name], completed=done, total=total, doing=printable(doing)
        )

    def refresh(self) -> None:
        """Show the time anew."""
        self._bars.update(self._all, completed=self._done, doing=self._pace())

    def _pace(self) -> str:
        if not self._over:
            return ""
        return pace(self._over, self._runs - self._done, time.monotonic() - self._started)


def pace(over: int, left: int, seconds: float) -> str:
    """`12 runs an hour, 0:40 left`, from how many runs are over after so many seconds, and how many are left."""
    minutes = round(left * seconds / over / 60)
    return f"{3600 * over / seconds:.3g} runs an hour, {minutes // 60}:{minutes % 60:02} left  "
