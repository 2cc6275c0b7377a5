"""Checks of the names of classes and speakers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from snnlab._utils.errors import SnnlabError

# Unicode's categories: control, bytes that are no UTF-8, ends of lines
_UNFIT = ("Cc", "Cs", "Zl", "Zp")


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
                    "printable UTF-8 text "
                    "in one line was expected. Rename it."
                )
        if plain in seen:
            raise SnnlabError(
                f"{where}: the names {seen[plain]!r} and {name!r} of a {what} look alike; "
                "different names were "
                "expected. Rename one, or put both together."
            )
        seen[plain] = name
