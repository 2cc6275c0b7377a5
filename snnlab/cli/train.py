"""The command `snnlab train`."""

import dataclasses
from typing import Any

import click

from snnlab.cli.cli_errors import cli_errors
from snnlab.cli.options import run_options

# of the notebook alone, or with an option of another name
NO_OPTION = {"variants", "toys", "toy_trials", "toy_epochs", "live", "out"}


class _Train(click.Command):
    """A command with an option for each parameter of notebook 04, made when they are needed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from snnlab.course.config import LearningDelays

        options = [
            click.Option(
                [f"--{field.name.replace('_', '-')}"],
                metavar="VALUE",
                help=field.metadata["spec"].help,
            )
            for field in dataclasses.fields(LearningDelays)
            if field.name not in NO_OPTION
        ]
        return [*self.params, *options, *super().get_params(ctx)[len(self.params) :]]


@click.command(cls=_Train)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME",
    help="none, fixed or learned delays; repeatable  [default: all three]; a single one is one "
    "network and no search, unless --seeds, --tau-ms or --lr-factors say more",
)
@click.option("--out", metavar="DIR", help="folder  [default: runs/train/HASH/seed=N]")
@run_options
@cli_errors
def train(
    variants: tuple[str, ...], log: str | None, wait: bool, again: bool, **texts: str | None
) -> None:
    """Train networks with delays as notebook 04 does, without the notebook.

    The options are the parameters of notebook 04, and without them its profile `course`. DIR
    gets result.json, manifest.json, metrics.jsonl and checkpoints. `snnlab collect` reads it, and
    notebook 05 explores its best network: `snnlab run 05 -p checkpoint DIR`.

    The same command resumes a killed training, and shows a finished one. Exit code 2 if a parameter
    is wrong, or data, disk space or the device is absent, before anything starts.
    """
    from snnlab.course.config import LearningDelays, parse_parameters
    from snnlab.training import log_choice

    log_choice.choose(log)

    given: dict[str, Any] = parse_parameters(
        LearningDelays.notebook, {name: text for name, text in texts.items() if text is not None}
    )
    if variants:
        given["variants"] = variants

    from rich.console import Console

    from snnlab.runs import train as training
    from snnlab.runs.tutorial import show

    run = training.plan(given)
    if not again and run.finished:
        click.echo(f"The training finished at {run.finished}; --again trains again.", err=True)
    else:
        training.train(run, wait=wait)
    show(run.dir, Console())
