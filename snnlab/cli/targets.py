"""The command `snnlab targets`."""

import warnings
from pathlib import Path

import click

from snnlab.cli.cli_errors import cli_errors, print_error


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--paper", metavar="NAME", help="delays or transfer  [default: both]")
@click.option("--all", "every_row", is_flag=True, help="print every row of every table and figure")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="write the rows as csv"
)
@cli_errors
def targets(folder: Path | None, paper: str | None, every_row: bool, out: Path | None) -> None:
    """Compare every table and figure of both papers with the results below FOLDER, or runs/.

    One line stands for all rows that a command measures, with the GPU-hours of one run of it. A
    result counts only if it was measured on the published data, with all seeds that its file in
    params/ requires. Results that cannot be read are named.
    """
    from rich.console import Console

    from snnlab.runs.collection import write_csv
    from snnlab.runs.papers.targets import table
    from snnlab.runs.tables import target_overview, target_tables

    with warnings.catch_warnings(record=True) as damaged:
        warnings.simplefilter("always")
        rows = table(folder, paper)
    if out is not None:
        write_csv(rows, out)
    Console().print(*(target_tables(rows) if every_row else [target_overview(rows)]))
    for warning in damaged:
        print_error(warning.message)
