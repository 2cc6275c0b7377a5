"""What went wrong, said on the command line by one sentence and an exit code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable


def complain(what: object) -> None:
    """Say on the error stream what is wrong; text of data in it moves no cursor."""
    click.echo(f"snnlab: {printable(what)}", err=True)


def cli_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Answer wrong input by a sentence and exit code 2, an interruption by one and exit code 130."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except SnnlabError as error:
            complain(error)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("\nsnnlab: stopped; the same command goes on.", err=True)
            sys.exit(130)  # as a shell has it

    return wrapped
