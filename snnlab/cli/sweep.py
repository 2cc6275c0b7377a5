"""The commands `snnlab sweep` and `snnlab search`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnlab.cli.cli_errors import cli_errors, print_failures
from snnlab.cli.options import sweep_options

if TYPE_CHECKING:
    from snnlab.course.config import Config
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.slurm import Slurm
    from snnlab.runs.sweep.sweep import Sweep, SweepFile
    from snnlab.runs.sweep.worker import RunOutcome
    from snnlab.runs.tables import TextTable


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
    slurm: "Slurm | None",
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
    from rich.console import Console

    from snnlab.runs.preflight import check
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.sweep import Sweep

    plan = Sweep(file, given)
    if plan.note:
        click.echo(plan.note, err=True)
    if not dry_run:
        plan.share()
    left = plan.left
    configs = [run.config for run in left]
    if dry_run:
        from snnlab._utils.places import course_file
        from snnlab.runs.papers.rows import published_hours
        from snnlab.runs.sweep.cost import cost_table

        ours = course_file(f"params/{plan.path.name}").resolve() == plan.path.resolve()
        published = published_hours(plan.path.stem) if ours and not given else None
        _print_plan(plan, cost_table(plan, _device(), published), configs, slurm, workers)
    if left:
        check(configs, plan.folder, here=slurm is None)
    if dry_run:
        return
    outcomes: Sequence[RunOutcome] = []
    done = len(plan.runs) - len(left)
    overview = SweepProgress(Console(stderr=True), runs=len(plan.runs), done=done)
    try:
        if left and slurm is None:
            from snnlab.runs.sweep.executors import run_local

            with overview:
                outcomes = run_local(
                    plan.folder, left, workers=workers, retries=retries, watcher=overview
                )
        elif left and slurm is not None:
            from snnlab.runs.sweep.slurm import tasks

            jobs = _submit(
                plan,
                tasks(left, slurm, retries),
                configs[0],
                slurm,
                workers,
                f"{len(left)} runs, {min(workers, len(left))} at a time",
                "submits failed runs again",
            )
            if not follow:
                return
            outcomes = _follow(left, jobs, overview)
    except KeyboardInterrupt:
        done = len(plan.runs) - len(plan.left)
        click.echo(
            f"\nStopped: {done} of {len(plan.runs)} runs are finished. The same command resumes.",
            err=True,
        )
        sys.exit(130)
    _conclude(plan, left, outcomes)


@click.command()
@cli_errors
@sweep_options("trials")
def search(
    file: Path,
    given: Mapping[str, str],
    workers: int,
    retries: int,
    dry_run: bool,
    slurm: "Slurm | None",
) -> None:
    """Search for parameters, described in YAML: optuna draws trials from ranges and lists.

    A trial is a run of a notebook, as of `snnlab sweep`. Trials maximise a validation accuracy;
    one that falls behind is pruned. The same command resumes, and draws new trials for failed
    ones. Several processes and machines that give it at once, on one file system, share the
    trials. On SLURM each worker is a job, which draws one trial after another.

    Exit code 2 if the file, a parameter, the data, the disk or the device is wrong, before anything
    starts, 1 if a trial failed, 130 if the search was interrupted.
    """
    from rich.console import Console

    from snnlab.runs.preflight import check
    from snnlab.runs.sweep.search import SearchTask, Trials, run_search
    from snnlab.runs.sweep.search_file import Search
    from snnlab.runs.sweep.search_tables import best_command, plan_table, trials_table

    plan = Search(file, given)
    begun = (plan.folder / "search.journal").exists()
    trials = Trials(plan) if begun else None
    left = max(0, plan.trials - (trials.done if trials else 0))
    config, jobs = plan.example.config, min(workers, left)
    if dry_run:
        _print_plan(plan, plan_table(plan, left, _device()), [config] * jobs, slurm, jobs)
    if left:
        check([config] * left, plan.folder, here=slurm is None)
    if dry_run:
        return
    trials = trials or Trials(plan)
    if left and slurm is not None:
        task = SearchTask(plan.path.resolve(), given, plan.identity, retries)
        about = f"{jobs} workers, which draw trials until there are {plan.trials}"
        _submit(plan, [task] * jobs, config, slurm, jobs, about, "draws new trials for failed ones")
        return
    failed: list[tuple[str, str]] = []
    if slurm is None:
        failed = run_search(trials, workers=workers, retries=retries, console=Console(stderr=True))
    Console().print(trials_table(trials))
    if command := best_command(trials):
        click.echo(f"{'best':<12}{command}")
    click.echo(f"{'runs':<12}{plan.folder}")
    print_failures(failed)


def _device() -> str:
    from snnlab._utils.cuda import cuda_devices

    return next(iter(cuda_devices()), "cpu")


def _print_plan(
    plan: "SweepFile",
    table: "TextTable",
    configs: Sequence["Config"],
    slurm: "Slurm | None",
    workers: int,
) -> None:
    """Print the runs, their state and cost, and the lines that sbatch would be given."""
    from rich.console import Console

    Console().print(table)
    if configs and slurm is not None:
        from snnlab.runs.sweep.slurm import header

        lines = header(plan.folder, len(configs), configs[0], slurm, workers=workers)
        click.echo("\n".join(lines))


def _submit(
    plan: "SweepFile",
    tasks: Sequence[Any],
    config: "Config",
    slurm: "Slurm",
    workers: int,
    about: str,
    again: str,
) -> Any:
    """Submit tasks, and say what their job does, and what the same command does when it is over."""
    from snnlab.runs.sweep.slurm import logs, submit

    jobs = submit(plan.folder, tasks, config, slurm, workers=workers)
    number = jobs[0].job_id.split("_")[0]
    click.echo(
        f"Job {number}: {about}. `squeue -j {number}` shows it, `scancel {number}` cancels it.\n"
        f"Logs: {logs(plan.folder)}\nWhen it is over, the same command prints the table, and "
        f"{again}.",
        err=True,
    )
    return jobs


def _follow(
    left: Sequence["NotebookRun"], jobs: Any, overview: "SweepProgress"
) -> "Sequence[RunOutcome]":
    from snnlab.runs.sweep.slurm import follow

    try:
        with overview:
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
    from snnlab.runs.tables import summary_tables

    table = plan.collected()
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
