"""The exception with a message for users."""

from collections.abc import Iterator
from contextlib import contextmanager


class SnnlabError(ValueError):
    """An input to snnlab is wrong.

    The message is one sentence: what was wrong, where, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.

    Example:
        >>> import snnlab
        >>> try:
        ...     snnlab.load_dataset("spoken-digit")
        ... except snnlab.SnnlabError as error:
        ...     print(str(error).partition(";")[0])
        There is no data set called 'spoken-digit' (did you mean spoken-digits?)
    """


class DivergedError(SnnlabError):
    """The loss or a weight of a training is no longer finite."""


class UnreadableError(SnnlabError):
    """The system does not give a file, which says nothing about its content and may pass."""


@contextmanager
def errors_at(where: object) -> Iterator[None]:
    """Put the place that a SnnlabError comes from, such as a file, before its sentence."""
    try:
        yield
    except SnnlabError as error:
        raise SnnlabError(f"{where}: {error}") from error
