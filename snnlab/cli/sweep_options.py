"""What `snnlab sweep` and `snnlab search` have in common: file, parameters and workers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from snnlab._utils.errors import SnnlabError

Command = Callable[..., Any]


def sweep_options(noun: str) -> Callable[[Command], Command]:
    """Decorate a command with the arguments `file`, `given`, `workers` and `retries`.

    Args:
        noun: what the workers do, such as "runs".
    """
    decorators = (
        click.argument("file", metavar="YAML", type=click.Path(path_type=Path)),
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
