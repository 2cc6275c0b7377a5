"""The names of classes and speakers: lists of them, and what they may be."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from snnlab._utils.errors import SnnlabError

# Unicode's categories: control, bytes that are no UTF-8, ends of lines
_UNFIT = ("Cc", "Cs", "Zl", "Zp")


def read_lines(file: Path, expected: str, cure: str) -> list[str]:
    """Read the lines of a text file.

    Args:
        file: in UTF-8.
        expected: what it should hold, for the sentence.
        cure: what to do if it cannot be read.

    Raises:
        SnnlabError: it cannot be read, or is no such text.
    """
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8 text"
        raise SnnlabError(
            f"{file} cannot be read ({why}); {expected} was expected. {cure}"
        ) from error


def read_names(file: Path) -> tuple[str, ...]:
    """Read the names of the classes, one a line, in the order of their numbers.

    Raises:
        SnnlabError: the file cannot be read, or as `check_names`.
    """
    names = read_lines(file, "a class a line", "Repair it, or fetch it again.")
    check_names(names, file)
    return tuple(names)


def check_names(names: Iterable[str], where: object, what: str = "class") -> None:
    """Refuse names that lists, tables or people cannot tell apart.

    Args:
        names: one for each class or speaker.
        where: the file or folder that has them, for the sentence.
        what: which kind of name, for the sentence.

    Raises:
        SnnlabError: a name is empty, has a control character or bytes that are no UTF-8, or equals
            another up to spaces and the way in which Unicode composes an accent.
    """
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFC", name).split())
        if not plain:
            raise SnnlabError(f"{where}: a {what} has an empty name; a word was expected. Name it.")
        for character in name:
            if unicodedata.category(character) in _UNFIT:
                raise SnnlabError(
                    f"{where}: the name {name!r} of a {what} has the character {character!r}; "
                    "printable UTF-8 text in one line was expected. Rename it."
                )
        if plain in seen:
            raise SnnlabError(
                f"{where}: the names {seen[plain]!r} and {name!r} of a {what} look alike; "
                "different names were expected. Rename one, or put both together."
            )
        seen[plain] = name
