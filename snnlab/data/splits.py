"""The three parts of a data set, and what is known about it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from snnlab.errors import SnnlabError

Set = TypeVar("Set")


@dataclass(frozen=True)
class Splits(Generic[Set]):
    """A data set, ready to learn from.

    Attributes:
        train, valid, test: the recordings; validation shares no speaker with training wherever that can be.
        keys: the class names, the same in every split.
        name: "spoken-digits", "shd", "ssc", "gsc", or the folder's name.
        path: the folder.
        sha256: one checksum over the files.
        note: one sentence: what this data is, and where validation comes from.
    """

    train: Set
    valid: Set
    test: Set
    keys: tuple[str, ...]
    name: str
    path: str
    sha256: str
    note: str


def check_limit(limit: int | None) -> None:
    """Refuse a limit that leaves nothing to train on.

    Raises:
        SnnlabError: it is below 1.
    """
    if limit is not None and limit < 1:
        raise SnnlabError(
            f"limit is {limit}; at least 1 recording, or none for all of them, was expected. Choose a larger one."
        )
