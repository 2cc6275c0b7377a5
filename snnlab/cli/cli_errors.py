"""Errors and reports on the command line: sentences and exit codes."""

import errno
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.report import Finding


def print_error(error: object) -> None:
    """Print an error on the error stream, without the control characters of data in it."""
    click.echo(f"snnlab: {printable(error)}", err=True)


def print_report(report: Iterable[Finding]) -> None:
    """Print findings as they come; exit code 1 if one of them is an error."""
    count = Counter[str]()
    for finding in report:
        click.echo(printable(f"{finding.status:<6} {finding.text}"))
        count[finding.status] += 1
    click.echo(f"{count['error']} errors, {count['info']} infos")
    if count["error"]:
        sys.exit(1)


def print_failures(failed: Sequence[tuple[str, str]]) -> None:
    """Print who failed and why, a line for each reason; exit code 1 if anyone failed.

    Args:
        failed: name and reason of each.
    """
    reasons: dict[str, list[str]] = {}
    for name, text in failed:
        reasons.setdefault(text, []).append(name)
    for text, names in reasons.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        click.echo(printable(f"{names[0]}{more} failed: {text}"), err=True)
    if failed:
        sys.exit(1)


def cli_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into sentences and exit codes.

    2 of a SnnlabError or too long a path, 130 of an interruption.
    """

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except SnnlabError as error:
            print_error(error)
            sys.exit(2)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            print_error(f"{error.filename}: is longer than a path can be; choose a shorter one.")
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("\nsnnlab: stopped; the same command resumes.", err=True)
            sys.exit(130)  # as in a shell

    return wrapped
