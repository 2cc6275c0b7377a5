"""The commands of `snnlab data` for published sets: list, get, check."""

import sys

import click

from snnlab.data import catalogue
from snnlab.errors import SnnlabError
from snnlab.speaking import speaking


@click.command("list")
@speaking
def list_sets() -> None:
    """List the data sets that snnlab knows, and which of them are on this machine. The network is not used."""
    from rich.console import Console

    from snnlab.tables import sets_table

    Console().print(sets_table())


@click.command()
@click.argument("name", type=click.Choice(list(catalogue.SETS)))
@click.option("--yes", is_flag=True, help="do not ask before more than 1 GB is fetched")
@click.option("--keep", is_flag=True, help="keep the archives, which tonic's classes look for")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes that convert; 0 for one a core")
@speaking
def get(name: str, yes: bool, keep: bool, workers: int) -> None:
    """Fetch a published data set, or say how to fetch it by hand.

    It goes to the folder NAME below the one that SNNLAB_DATA names, else below data/ of the clone. A call that was broken off is
    gone on with by the next. Exit code 1 if the set is not there in the end.
    """
    from snnlab.data.obtain import get as obtain

    def agree(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} There is nobody to ask here; add --yes if so.")
        return click.confirm(question)

    try:
        there = obtain(catalogue.SETS[name], agree=agree, keep=keep, say=click.echo, workers=workers or None)
    except SnnlabError as error:
        click.echo(f"snnlab: {error}", err=True)
        there = False
    if not there:
        sys.exit(1)


@click.command()
@click.argument("name", type=click.Choice([name for name, one in catalogue.SETS.items() if one.counts]))
@click.option("--thorough", is_flag=True, help="read every file, not a sample of 1,000")
@click.option("--workers", default=0, type=click.IntRange(0), help="processes; 0 for one a core")
@speaking
def check(name: str, thorough: bool, workers: int) -> None:
    """Compare a data set on this machine with what is published of it; exit code 1 if something is wrong."""
    from snnlab.data.check import check as examine

    findings = examine(catalogue.SETS[name], thorough=thorough, workers=workers or None)
    for finding in findings:
        mark = {True: "ok", False: "WRONG", None: "unsure"}[finding.ok]
        click.echo(f"{mark:<8}{finding.text}")
    if any(finding.ok is False for finding in findings):
        sys.exit(1)
