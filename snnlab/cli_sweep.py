"""The command `snnlab sweep`."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnlab.errors import SnnlabError
from snnlab.speaking import speaking

if TYPE_CHECKING:
    from snnlab.sweep import Sweep


@click.command()
@click.argument("file", metavar="YAML", type=click.Path(path_type=Path))
@click.option("-p", "given", metavar="NAME VALUE", nargs=2, multiple=True, help="set a parameter of all runs")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="runs at a time")
@click.option("--retries", default=1, show_default=True, type=click.IntRange(0), help="how often to try a run again")
@click.option("--dry-run", is_flag=True, help="only say what would be done")
@speaking
def sweep(
    file: Path,
    given: tuple[tuple[str, str], ...],
    workers: int,
    retries: int,
    dry_run: bool,
) -> None:
    """Run all runs that YAML says: seeds and configurations of one notebook.

    What is finished is not run again, what was killed goes on where it was: the same command resumes. Two at once
    share the work. Exit code 1 if a run failed, 130 if the sweep was interrupted.
    """
    if len({name for name, _ in given}) < len(given):
        raise SnnlabError("a parameter is given twice with -p; give it once.")

    from snnlab.sweep import read

    plan = read(file, dict(given))
    if plan.note:
        click.echo(plan.note, err=True)
    if dry_run:
        _say(plan)
        return

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped is stopped
    try:
        failed = _run(plan, workers, retries)
    except KeyboardInterrupt:
        done = len(plan.runs) - len(plan.left)
        click.echo(f"\nStopped: {done} of {len(plan.runs)} runs are finished. The same command goes on.", err=True)
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)
    _show(plan)
    if failed:
        sys.exit(1)


def _run(plan: "Sweep", workers: int, retries: int) -> bool:
    """Do what is left to do, and say what went wrong; whether a run failed."""
    from rich.console import Console

    from snnlab.executors import run_here
    from snnlab.progress import Overview

    console = Console(stderr=True)
    left = plan.left
    with Overview(console, runs=len(plan.runs), done=len(plan.runs) - len(left)) as overview:
        outcomes = run_here(plan, left, workers=workers, retries=retries, watcher=overview)
    for status in ("held", "failed"):
        for run, outcome in zip(left, outcomes, strict=True):
            if outcome.status == status and not run.done:
                click.echo(f"{run.name}: {status}: {outcome.text}", err=True)
    return any(outcome.status == "failed" for outcome in outcomes)


def _say(plan: "Sweep") -> None: ...


def _show(plan: "Sweep") -> None:
    """Print the table of what there is."""
    from rich.console import Console

    from snnlab import runs
    from snnlab.tables import sweep_table

    groups: dict[str, list[Any]] = {}
    for run in plan.runs:
        groups.setdefault(run.configuration, []).append(run)
    found = {
        name: ([runs.load_result(run.folder) for run in some if run.done], len(some)) for name, some in groups.items()
    }
    Console().print(sweep_table(plan.path.stem, found))
    click.echo(f"{'runs':<12}{plan.folder}")
