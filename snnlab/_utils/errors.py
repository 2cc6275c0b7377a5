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


@contextmanager
def read_errors(problem: str, expected: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn the errors that a reader raises for damaged files into a sentence.

    Args:
        problem: the file, and what cannot be done with it; the reason follows in brackets.
        expected: what was expected, and what to do.
        kinds: the errors of the reader.
    """
    try:
        yield
    except SnnlabError:
        raise
    except kinds as error:
        raise SnnlabError(f"{problem} ({reason_of(error)}); {expected}") from error


def reason_of(error: BaseException) -> str:
    """Return the reason of an error in a line, where possible without the name of the file."""
    # "error_string" is soundfile's, whose str() shows the name as bytes
    texts = (getattr(error, name, None) for name in ("strerror", "error_string"))
    text = next(filter(None, texts), str(error))
    return text.strip().partition("\n")[0] or type(error).__name__
