"""The command `snnlab collect`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnlab.cli.cli_errors import cli_errors, print_error

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="write the rows as csv"
)
@click.option(
    "--plot",
    metavar="NAME",
    help="draw the accuracy over a parameter into FOLDER/NAME.png and .svg; sort by it first",
)
@click.option(
    "--all-parameters",
    is_flag=True,
    help="also list parameters that are equal in all runs",
)
@cli_errors
def collect(folder: Path, out: Path | None, plot: str | None, all_parameters: bool) -> None:
    """Collect every result.json below FOLDER: one row a trained network, and means over seeds.

    Below the means stand the differences of variants that share seeds and folds, with intervals.
    Unfinished and failed runs are named. Damaged results are named and left out, with exit code 1.
    """
    from rich.console import Console

    from snnlab.runs.collection import read_results, write_csv
    from snnlab.runs.paired import difference_tables
    from snnlab.runs.summaries import parameter_first, plain_names, summary
    from snnlab.runs.tables import summary_tables

    results = read_results(folder, all_parameters=all_parameters)
    table = results.table if plot is None else parameter_first(results.table, plot)
    if out is not None:
        write_csv(table.rename(columns=plain_names(table)), out)
    if not table.empty:
        Console().print(*summary_tables(summary(table)), *difference_tables(table))
    for sentence in (*results.unfinished, *results.damaged):
        print_error(sentence)
    if plot is not None:
        _draw(table, plot, folder / plot)
        click.echo(f"{'picture':<12}{folder / plot}.png")
    if results.damaged:
        sys.exit(1)


def _draw(table: "pd.DataFrame", name: str, stem: Path) -> None:
    """Draw the accuracy over a parameter, in a panel for each setting of the others."""
    from snnlab.course.config import NOTEBOOKS, parameters_of
    from snnlab.runs.summaries import accuracies_over
    from snnlab.runs.tables import shown
    from snnlab.viz import plots
    from snnlab.viz.figure_export import save

    measured, panels = accuracies_over(table, name)
    fig, axes = plots.figure(7, 3.2 * len(panels), rows=len(panels), squeeze=False, sharey=True)
    ylabel = measured.replace("_", " ") + " (%)"
    fields = [parameters_of(notebook) for notebook in {*table["notebook"]} & NOTEBOOKS.keys()]
    units = {one[name].metadata["spec"].unit for one in fields if name in one}
    xlabel = " ".join([name, *(f"({unit})" for unit in units if unit)])
    alt = []
    for ax, (title, accuracies) in zip(axes.flat, panels.items(), strict=True):
        plots.accuracy_over_parameter(ax, accuracies, xlabel=xlabel, ylabel=ylabel)
        ax.set_title(title, fontsize=10)
        described = (
            f"{arm}: "
            + plots.describe_accuracies(
                {f"{name} {shown(x)}": seeds for x, seeds in by_value.items()}
            )
            for arm, by_value in accuracies.items()
        )
        alt.append(". ".join(filter(None, (title, *described))))
    save(fig, stem, ". ".join(alt))
