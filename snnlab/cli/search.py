"""The command `snnlab search`."""

import signal
import sys
from pathlib import Path

import click

from snnlab._utils.escape import printable
from snnlab.cli.cli_errors import cli_errors
from snnlab.cli.options import given_once, sweep_options


@click.command()
@sweep_options("trials")
@cli_errors
def search(file: Path, given: tuple[tuple[str, str], ...], workers: int, retries: int) -> None:
    """Search for parameters, described in YAML: optuna draws trials from ranges and lists.

    A trial is a run of a notebook, as of `snnlab sweep`. Trials maximise a validation accuracy;
    one that falls behind is pruned. The same command resumes, and draws new trials for failed
    ones. Several processes and machines that give it at once, on one file system, share the
    trials.

    Exit code 1 if a trial failed, 130 if the search was interrupted.
    """
    parameters = given_once(given)

    from rich.console import Console

    from snnlab.course.data_check import check_data
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.search import Trials, best_command, run_search, trials_table
    from snnlab.runs.sweep.search_file import read_search

    content = read_search(file, parameters)
    check_data(content.example.config)
    trials = Trials(content)
    done = trials.drawn - len(trials.of_state("RUNNING"))
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with SweepProgress(Console(stderr=True), runs=trials.search.trials, done=done) as overview:
            failed = run_search(trials, workers=workers, retries=retries, watcher=overview)
    except KeyboardInterrupt:
        click.echo("\nStopped. The same command resumes.", err=True)
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)
    Console().print(trials_table(trials))
    if command := best_command(trials):
        click.echo(f"{'best':<12}{command}")
    click.echo(f"{'runs':<12}{trials.search.folder}")
    for name, text in failed:
        click.echo(printable(f"{name} failed: {text}"), err=True)
    if failed:
        sys.exit(1)
