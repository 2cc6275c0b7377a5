"""The command `snnlab search`."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab.cli.cli_errors import cli_errors, print_failures
from snnlab.cli.options import sweep_options

if TYPE_CHECKING:
    from snnlab.runs.sweep.search import Trials
    from snnlab.runs.sweep.search_file import Search
    from snnlab.runs.sweep.slurm import Slurm


@click.command()
@cli_errors
@sweep_options("trials")
def search(
    file: Path,
    given: Mapping[str, str],
    workers: int,
    retries: int,
    dry_run: bool,
    executor: str,
    slurm: "Slurm",
) -> None:
    """Search for parameters, described in YAML: optuna draws trials from ranges and lists.

    A trial is a run of a notebook, as of `snnlab sweep`. Trials maximise a validation accuracy;
    one that falls behind is pruned. The same command resumes, and draws new trials for failed
    ones. Several processes and machines that give it at once, on one file system, share the
    trials. On SLURM each worker is a job, which draws one trial after another.

    Exit code 2 if the file, a parameter, the data, the disk or the device is wrong, before anything
    starts, 1 if a trial failed, 130 if the search was interrupted.
    """
    from snnlab.runs.preflight import check
    from snnlab.runs.sweep.search import Trials
    from snnlab.runs.sweep.search_file import read_search

    content = read_search(file, given)
    begun = (content.folder / "search.journal").exists()
    done = Trials(content).done if begun else 0
    left = max(0, content.trials - done)
    config, jobs = content.example.config, min(workers, left)
    if dry_run:
        from rich.console import Console

        from snnlab._utils.cuda import cuda_devices
        from snnlab.runs.sweep.search_tables import plan_table
        from snnlab.runs.sweep.slurm import header

        Console().print(plan_table(content, left, next(iter(cuda_devices()), "cpu")))
        if left and executor == "slurm":
            click.echo("\n".join(header(content, jobs, config, slurm, workers=workers)))
    if left:
        check([config] * left, content.folder, here=executor == "local")
    if dry_run:
        return
    trials = Trials(content)
    failed: list[tuple[str, str]] = []
    if executor == "local":
        failed = _run(trials, workers, retries)
    elif left:
        _submit(content, given, slurm, jobs, retries)
        return
    _conclude(trials, failed)


def _run(trials: "Trials", workers: int, retries: int) -> list[tuple[str, str]]:
    """Run the trials; return name and reason of each that failed."""
    from rich.console import Console

    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.search import run_search

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = SweepProgress(Console(stderr=True), runs=trials.search.trials, done=trials.done)
    try:
        with progress as overview:
            return run_search(trials, workers=workers, retries=retries, watcher=overview)
    except KeyboardInterrupt:
        click.echo("\nStopped. The same command resumes.", err=True)
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)


def _submit(
    content: "Search", given: Mapping[str, str], slurm: "Slurm", jobs: int, retries: int
) -> None:
    from snnlab.runs.sweep.executors import THREADS
    from snnlab.runs.sweep.search import SearchTask
    from snnlab.runs.sweep.slurm import logs, submit

    environment = dict.fromkeys(THREADS, str(slurm.cpus))
    task = SearchTask(content.path.resolve(), given, content.identity, retries, environment)
    submitted = submit(content, [task] * jobs, content.example.config, slurm, workers=jobs)
    number = submitted[0].job_id.split("_")[0]
    click.echo(
        f"Job {number}: {jobs} workers, which draw trials until there are {content.trials}. "
        f"`squeue -j {number}` shows it, `scancel {number}` cancels it.\nLogs: {logs(content)}\n"
        "When it is over, the same command prints the table, and draws new trials for failed ones.",
        err=True,
    )


def _conclude(trials: "Trials", failed: list[tuple[str, str]]) -> None:
    """Print the best trials and those that failed; exit code 1 if one failed."""
    from rich.console import Console

    from snnlab.runs.sweep.search_tables import best_command, trials_table

    Console().print(trials_table(trials))
    if command := best_command(trials):
        click.echo(f"{'best':<12}{command}")
    click.echo(f"{'runs':<12}{trials.search.folder}")
    print_failures(failed)
