"""The command `snnlab search`."""

import signal
import sys
from pathlib import Path

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab.cli.cli_errors import cli_errors


@click.command()
@click.argument("file", metavar="YAML", type=click.Path(path_type=Path))
@click.option(
    "-p", "given", metavar="NAME VALUE", nargs=2, multiple=True, help="set a parameter of all runs"
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="number of trials at a time",
)
@click.option(
    "--retries",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="number of retries of a failed run",
)
@cli_errors
def search(file: Path, given: tuple[tuple[str, str], ...], workers: int, retries: int) -> None:
    """Search for parameters, described in YAML: optuna draws trials from ranges and lists.

    A trial is a run of a notebook, as of `snnlab sweep`. Trials maximise a validation accuracy;
    one that falls behind is pruned. The same command resumes, and draws new trials for failed
    ones. Several processes and machines that give it at once, on one file system, share the
    trials.

    Exit code 1 if a trial failed, 130 if the search was interrupted.
    """
    if len({name for name, _ in given}) < len(given):
        raise SnnlabError("a parameter is given twice with -p; give it once.")

    from rich.console import Console

    from snnlab.course.data_check import check_data
    from snnlab.runs.progress import SweepProgress
    from snnlab.runs.sweep.search import Trials, best_command, run_search, trials_table
    from snnlab.runs.sweep.search_file import read_search

    content = read_search(file, dict(given))
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
