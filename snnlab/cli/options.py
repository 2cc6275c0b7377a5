"""Options that several commands have: `run` and `train`, and `sweep` and `search`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.places import course_file

Command = Callable[..., Any]


def run_options(command: Command) -> Command:
    """Decorate a command with the options `log`, `wait` and `again`."""
    log_help = "tensorboard, wandb or none  [default: tensorboard at profile paper]"
    wait_help = "wait for another process that works on the same run"
    command = click.option("--again", is_flag=True, help="run it again if it is finished")(command)
    command = click.option("--wait", is_flag=True, help=wait_help)(command)
    return click.option("--log", help=log_help)(command)


class ParameterFile(click.Path):
    """A file in YAML; `params/NAME.yaml` comes with snnlab, in whatever folder one works."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path that was given, or that of the file that comes with snnlab."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        shipped = course_file(f"params/{path.name}")
        own = path.exists() or path.parent != Path("params") or not shipped.exists()
        return path if own else shipped


def sweep_options(noun: str) -> Callable[[Command], Command]:
    """Decorate a command with the arguments `file`, `given`, `workers` and `retries`.

    Args:
        noun: what the workers do, such as "runs".
    """
    decorators = (
        click.argument("file", metavar="YAML", type=ParameterFile()),
        click.option(
            "-p",
            "given",
            metavar="NAME VALUE",
            nargs=2,
            multiple=True,
            help="set a parameter of all runs",
        ),
        click.option(
            "--workers",
            default=1,
            show_default=True,
            type=click.IntRange(1),
            help=f"number of {noun} at a time",
        ),
        click.option(
            "--retries",
            default=1,
            show_default=True,
            type=click.IntRange(0),
            help="number of retries of a failed run",
        ),
    )

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def given_once(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of `-p` by name.

    Raises:
        SnnlabError: one is given twice.
    """
    parameters = dict(given)
    if len(parameters) < len(given):
        raise SnnlabError("a parameter is given twice with -p; give it once.")
    return parameters
