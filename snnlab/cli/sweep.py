"""The command `snnlab sweep`."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab.cli.cli_errors import cli_errors

if TYPE_CHECKING:
    from snnlab.runs.sweep.slurm import Slurm
    from snnlab.runs.sweep.sweep import Sweep, SweepRun
    from snnlab.runs.sweep.worker import Outcome


@click.command()
@click.argument("file", metavar="YAML", type=click.Path(path_type=Path))
@click.option(
    "-p", "given", metavar="NAME VALUE", nargs=2, multiple=True, help="set a parameter of all runs"
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="runs at a time"
)
@click.option(
    "--retries",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="how often to try a run again",
)
@click.option("--dry-run", is_flag=True, help="only say what would be done, and its cost")
@click.option(
    "--executor", default="local", show_default=True, type=click.Choice(["local", "slurm"])
)
@click.option("--follow", is_flag=True, help="SLURM: wait for the end, and print the table")
@click.option("--partition", metavar="NAME", default="", help="SLURM")
@click.option(
    "--gpus", type=click.IntRange(0), help="SLURM: GPUs a run  [default: as its processes]"
)
@click.option(
    "--cpus", default=4, show_default=True, type=click.IntRange(1), help="SLURM: cores a run"
)
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0.1), help="SLURM: of one go"
)
@click.option(
    "--memory-gb", default=16.0, show_default=True, type=click.FloatRange(0.1), help="SLURM: a run"
)
@click.option(
    "--slurm",
    "more",
    metavar="NAME VALUE",
    nargs=2,
    multiple=True,
    help="any other option of sbatch",
)
@cli_errors
def sweep(
    file: Path,
    given: tuple[tuple[str, str], ...],
    workers: int,
    retries: int,
    dry_run: bool,
    executor: str,
    follow: bool,
    partition: str,
    gpus: int | None,
    cpus: int,
    hours: float,
    memory_gb: float,
    more: tuple[tuple[str, str], ...],
) -> None:
    """Run all runs that YAML says: seeds and configurations of one notebook.

    The same command resumes: what is finished is not run again, what was killed goes on where it
    was. Two sweeps at once share the work. Ctrl-C stops a sweep. `kill` stops one in the
    background, which may ignore Ctrl-C and the end of the terminal. On SLURM all runs are one array
    job; a run that needs longer than --hours is queued again.

    Exit code 1 if a run failed, 130 if the sweep was interrupted.
    """
    if len({name for name, _ in given}) < len(given):
        raise SnnlabError("a parameter is given twice with -p; give it once.")

    from snnlab.course.data_check import check_data
    from snnlab.runs.sweep.slurm import Slurm
    from snnlab.runs.sweep.sweep import read

    plan = read(file, dict(given))
    if plan.note:
        click.echo(plan.note, err=True)
    if dry_run:
        _say(plan)
        return
    left = plan.left
    for run in left:
        check_data(run.config)
    slurm = Slurm(partition, gpus, cpus, hours, memory_gb, dict(more))
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped is stopped
    try:
        if not left:
            outcomes: Sequence[Outcome] = []
        elif executor == "local":
            outcomes = _here(plan, left, workers, retries)
        else:
            submitted = _slurm(plan, left, slurm, workers, retries, follow)
            if submitted is None:
                return
            outcomes = submitted
    except KeyboardInterrupt:
        done = len(plan.runs) - len(plan.left)
        click.echo(
            f"\nStopped: {done} of {len(plan.runs)} runs are finished. The same command goes on.",
            err=True,
        )
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)
    _conclude(plan, left, outcomes)


def _here(
    plan: "Sweep", left: Sequence["SweepRun"], workers: int, retries: int
) -> "Sequence[Outcome]":
    from rich.console import Console

    from snnlab.runs.progress import Overview
    from snnlab.runs.sweep.executors import run_local

    with Overview(
        Console(stderr=True), runs=len(plan.runs), done=len(plan.runs) - len(left)
    ) as overview:
        return run_local(plan, left, workers=workers, retries=retries, watcher=overview)


def _slurm(
    plan: "Sweep",
    left: Sequence["SweepRun"],
    slurm: "Slurm",
    workers: int,
    retries: int,
    wait: bool,
) -> "Sequence[Outcome] | None":
    """Submit; what became of the runs, or None if nobody waits for them."""
    from rich.console import Console

    from snnlab.runs.progress import Overview
    from snnlab.runs.sweep.slurm import follow, logs, submit

    jobs = submit(plan, left, slurm, workers=workers, retries=retries)
    number = jobs[0].job_id.split("_")[0]
    click.echo(
        f"Job {number}: {len(left)} runs, {min(workers, len(left))} at a time. `squeue -j {number}` shows it, `scancel {number}` "
        f"ends it.\nLogs: {logs(plan)}",
        err=True,
    )
    if not wait:
        click.echo(
            "When it is over, the same command prints the table, and submits again what failed.",
            err=True,
        )
        return None
    with Overview(
        Console(stderr=True), runs=len(plan.runs), done=len(plan.runs) - len(left)
    ) as overview:
        try:
            return follow(left, jobs, overview)
        except KeyboardInterrupt:
            click.echo(f"\nNo longer followed; job {number} goes on.", err=True)
            sys.exit(130)


def _conclude(plan: "Sweep", left: Sequence["SweepRun"], outcomes: "Sequence[Outcome]") -> None:
    """Print the table and what is missing in it; exit code 1 if a run failed."""
    from rich.console import Console

    from snnlab.runs.collection import summary
    from snnlab.runs.sweep.sweep import collected
    from snnlab.runs.tables import summary_tables

    table = collected(plan)
    if table is not None:
        Console().print(*summary_tables(summary(table)))
    if missing := plan.left:
        click.echo(
            f"{len(missing)} of {len(plan.runs)} runs have no result yet: {missing[0].name} ...",
            err=True,
        )
    click.echo(f"{'runs':<12}{plan.folder}")
    for run, outcome in zip(left, outcomes, strict=False):
        if outcome.status == "failed":
            click.echo(printable(f"{run.name} failed: {outcome.text}"), err=True)
    if held := [
        run
        for run, outcome in zip(left, outcomes, strict=False)
        if outcome.status == "held" and not run.done
    ]:
        click.echo(
            f"{len(held)} left to another process, which has them in work: {held[0].name} ...",
            err=True,
        )
    if any(outcome.status == "failed" for outcome in outcomes):
        sys.exit(1)


def _say(plan: "Sweep") -> None:
    """Print every run, what became of it, where it goes, and what the rest will cost."""
    from rich.console import Console

    from snnlab.runs import manifest
    from snnlab.runs.sweep.cost import cost_table

    Console().print(cost_table(plan, manifest.machine()["device"]))
