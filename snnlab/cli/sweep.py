"""The command `snnlab sweep`."""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnlab.cli.cli_errors import cli_errors, print_failures
from snnlab.cli.options import sweep_options

if TYPE_CHECKING:
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.slurm import Slurm
    from snnlab.runs.sweep.sweep import Sweep
    from snnlab.runs.sweep.worker import RunOutcome


@click.command()
@cli_errors
@sweep_options("runs")
@click.option("--follow", is_flag=True, help="SLURM: wait for the end and print the table")
def sweep(
    file: Path,
    given: Mapping[str, str],
    workers: int,
    retries: int,
    dry_run: bool,
    executor: str,
    slurm: "Slurm",
    follow: bool,
) -> None:
    """Run a sweep, described in YAML: seeds and configurations of one notebook.

    The same command resumes: it skips finished runs and resumes killed ones. Two sweeps at once
    share the work, and a run that another sweep has finished is copied. Ctrl-C stops a sweep, and
    `kill` one in the background, which may ignore Ctrl-C and the end of the terminal. On SLURM all
    runs are one array job; a run that exceeds --hours is queued again.

    Exit code 2 if the file, a parameter, the data, the disk or the device is wrong, before anything
    starts, 1 if a run failed, 130 if the sweep was interrupted.
    """
    from snnlab.runs.preflight import check
    from snnlab.runs.sweep.slurm import header
    from snnlab.runs.sweep.sweep import read

    plan = read(file, given)
    if plan.note:
        click.echo(plan.note, err=True)
    if not dry_run:
        plan.share()
    left = plan.left
    if dry_run:
        _print_plan(plan, as_published=not given)
        if left and executor == "slurm":
            click.echo("\n".join(header(plan, len(left), left[0].config, slurm, workers=workers)))
    if left:
        check([run.config for run in left], plan.folder, here=executor == "local")
    if dry_run:
        return
    outcomes: Sequence[RunOutcome] = []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if left and executor == "local":
            from snnlab.runs.sweep.executors import run_local

            with _overview(plan, left) as overview:
                outcomes = run_local(plan, left, workers=workers, retries=retries, watcher=overview)
        elif left:
            jobs = _submit(plan, left, slurm, workers, retries)
            if not follow:
                return
            outcomes = _follow(plan, left, jobs)
    except KeyboardInterrupt:
        done = len(plan.runs) - len(plan.left)
        click.echo(
            f"\nStopped: {done} of {len(plan.runs)} runs are finished. The same command resumes.",
            err=True,
        )
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)
    _conclude(plan, left, outcomes)


def _overview(plan: "Sweep", left: Sequence["NotebookRun"]) -> "SweepProgress":
    from rich.console import Console

    from snnlab.runs.progress import SweepProgress

    return SweepProgress(Console(stderr=True), runs=len(plan.runs), done=len(plan.runs) - len(left))


def _submit(
    plan: "Sweep", left: Sequence["NotebookRun"], slurm: "Slurm", workers: int, retries: int
) -> Any:
    from snnlab.runs.sweep.slurm import logs, submit, tasks

    work = tasks(plan, left, slurm, retries)
    jobs = submit(plan, work, left[0].config, slurm, workers=workers)
    number = jobs[0].job_id.split("_")[0]
    click.echo(
        f"Job {number}: {len(left)} runs, {min(workers, len(left))} at a time. `squeue -j "
        f"{number}` "
        f"shows it, `scancel {number}` cancels it.\nLogs: {logs(plan)}\nWhen it is over, the same "
        "command prints the table, and submits failed runs again.",
        err=True,
    )
    return jobs


def _follow(plan: "Sweep", left: Sequence["NotebookRun"], jobs: Any) -> "Sequence[RunOutcome]":
    from snnlab.runs.sweep.slurm import follow

    with _overview(plan, left) as overview:
        try:
            return follow(left, jobs, overview)
        except KeyboardInterrupt:
            click.echo("\nNo longer followed; the job continues.", err=True)
            sys.exit(130)


def _conclude(
    plan: "Sweep", left: Sequence["NotebookRun"], outcomes: "Sequence[RunOutcome]"
) -> None:
    """Print the table and what is missing in it; exit code 1 if a run failed."""
    from rich.console import Console

    from snnlab.runs.paired import difference_tables
    from snnlab.runs.summaries import summary
    from snnlab.runs.sweep.sweep import collected
    from snnlab.runs.tables import summary_tables

    table = collected(plan)
    if table is not None:
        Console().print(*summary_tables(summary(table)), *difference_tables(table))
    if missing := plan.left:
        click.echo(
            f"{len(missing)} of {len(plan.runs)} runs have no result yet: {missing[0].name} ...",
            err=True,
        )
    click.echo(f"{'runs':<12}{plan.folder}")
    ended = list(zip(left, outcomes, strict=False))
    if held := [run for run, outcome in ended if outcome.status == "held" and not run.finished]:
        click.echo(
            f"{len(held)} runs are in progress in another process: {held[0].name} ...", err=True
        )
    print_failures([(run.name, what.text) for run, what in ended if what.status == "failed"])


def _print_plan(plan: "Sweep", *, as_published: bool) -> None:
    """Print every run, its state and folder, and the estimated cost of the rest."""
    from rich.console import Console

    from snnlab._utils.cuda import cuda_devices
    from snnlab._utils.places import course_file
    from snnlab.runs.papers.rows import published_hours
    from snnlab.runs.sweep.cost import cost_table

    ours = course_file(f"params/{plan.path.name}").resolve() == plan.path.resolve()
    published = published_hours(plan.path.stem) if ours and as_published else None
    Console().print(cost_table(plan, next(iter(cuda_devices()), "cpu"), published))
