"""What went wrong, said on the command line by one sentence and an exit code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from snnlab.errors import SnnlabError
from snnlab.escape import printable


def complain(what: object) -> None:
    """Say on the error stream what is wrong; text of data in it moves no cursor."""
    click.echo(f"snnlab: {printable(what)}", err=True)


def speaking(command: Callable[..., None]) -> Callable[..., None]:
    """What was given wrongly is answered by one sentence and exit code 2, what failed while running by code 1."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except SnnlabError as error:
            complain(error)
            sys.exit(2)

    return wrapped
