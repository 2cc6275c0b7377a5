"""Progress of notebooks and sweeps: bars in a terminal, a line for each change in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from snnlab._utils.escape import printable, terminal_text

if TYPE_CHECKING:
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.kernel import Report


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str], "Report"]]:
    """Show the progress of notebooks.

    Yields:
        A function that takes the name of a notebook, shows its progress, and returns its `Report`.
    """
    with _bars(console, TextColumn("cells"), TimeElapsedColumn()) as bars:

        def show(name: str) -> "Report":
            task = bars.add_task(name, total=None, doing="starting")
            started, last_heading = time.monotonic(), ""

            def report(done: int, total: int, heading: str, count: str) -> None:
                nonlocal last_heading
                doing = printable(f"{heading}  {count}")
                bars.update(task, completed=done, total=total, doing=doing)
                if not console.is_terminal and heading != last_heading:
                    last_heading = heading
                    seconds = time.monotonic() - started
                    console.print(
                        terminal_text(f"{name}  {done}/{total} cells  {seconds:.0f} s  {heading}")
                    )

            return report

        yield show


def _bars(console: Console, *columns: ProgressColumn) -> Progress:
    """Return bars that have a field `doing`; they are shown in a terminal only."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        *columns,
        TextColumn("{task.fields[doing]}", style="dim", markup=False),
        console=console,
        disable=not console.is_terminal,
    )


class SweepProgress:
    """Show the progress of a sweep, with a bar for all runs and one for each that is running."""

    def __init__(self, console: Console, *, runs: int, done: int) -> None:
        """Prepare the bars.

        Args:
            console: where to show them.
            runs: how many runs there are.
            done: how many of them are finished already.
        """
        self._console, self._runs, self._done = console, runs, done
        self._before, self._failed = done, 0
        self._started = time.monotonic()
        self._bars = _bars(console)
        self._all = self._bars.add_task("runs", total=runs, completed=done, doing="")
        self._tasks: dict[str, TaskID] = {}  # of the running ones, by name

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def change(self, run: "NotebookRun", state: str) -> None:
        """Show the new state of a run.

        Args:
            run: the run.
            state: "begins", "tried again", "finished", "held", "pruned", "failed" before another
                attempt, or "failed: " and the reason.
        """
        if state == "begins":
            name = printable(run.name)
            self._tasks[run.name] = self._bars.add_task(name, total=None, doing="starting")
        elif state not in ("tried again", "failed"):
            self._bars.remove_task(self._tasks.pop(run.name))
        self._failed += state.startswith("failed: ")
        self._done += state in ("finished", "pruned")
        self.refresh()
        if not self._console.is_terminal:
            line = f"{self._done}/{self._runs} runs  {self._pace()}{run.name}  {state}"
            self._console.print(terminal_text(line), highlight=False, soft_wrap=True)

    def update(self, run: "NotebookRun", done: int, total: int, heading: str) -> None:
        """Show how far a run is.

        Args:
            run: the run.
            done: cells that are done.
            total: number of cells.
            heading: that the notebook is at.
        """
        self._bars.update(
            self._tasks[run.name], completed=done, total=total, doing=printable(heading)
        )

    def refresh(self) -> None:
        """Update the remaining time."""
        self._bars.update(self._all, completed=self._done, doing=self._pace())

    def _pace(self) -> str:
        ended, left = self._done - self._before, self._runs - self._done - self._failed
        return pace(ended, left, time.monotonic() - self._started) if ended else ""


def pace(ended: int, left: int, seconds: float) -> str:
    """Return a text such as `12 runs an hour, 0:40 left`.

    Args:
        ended: runs that ended with a result, or that a search pruned.
        left: runs that are left.
        seconds: since the sweep began.
    """
    minutes = round(left * seconds / ended / 60)
    return f"{3600 * ended / seconds:.3g} runs an hour, {minutes // 60}:{minutes % 60:02} left  "
