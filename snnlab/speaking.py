"""What went wrong, said on the command line by one sentence and an exit code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from snnlab.errors import SnnlabError


def speaking(command: Callable[..., None]) -> Callable[..., None]:
    """What was given wrongly is answered by one sentence and exit code 2, what failed while running by code 1."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except SnnlabError as error:
            click.echo(f"snnlab: {error}", err=True)
            sys.exit(2)

    return wrapped
