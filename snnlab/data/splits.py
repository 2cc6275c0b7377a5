"""The three parts of a data set, and what is known about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from snnlab._utils.errors import SnnlabError
from snnlab.data.entry import provenance
from snnlab.data.provenance import described

if TYPE_CHECKING:
    from snnlab.data.protocols import Batches

Set = TypeVar("Set", bound="Batches")


@dataclass(frozen=True)
class Splits(Generic[Set]):
    """A data set, ready to learn from.

    Attributes:
        train, valid, test: the recordings; validation shares no speaker with training wherever that
            can be.
        keys: the class names, the same in every split.
        name: "spoken-digits", "shd", "ssc", "gsc", or the folder's name; "recordings" where that is
            the name of a published set with another folder.
        path: the folder.
        sha256: one checksum over the files.
        note: one sentence: what this data is, and where validation comes from.
        unit: what a number of a batch is, in words.
        preprocessing: how the files became batches, by the names of the parameters.
    """

    train: Set
    valid: Set
    test: Set
    keys: tuple[str, ...]
    name: str
    path: str
    sha256: str
    note: str
    unit: str
    preprocessing: Mapping[str, Any]

    @property
    def source(self) -> dict[str, Any]:
        """The `data` of a `result.json`.

        Raises:
            SnnlabError: the first recording cannot be read.
        """
        return {
            "name": self.name,
            "note": self.note,
            "path": self.path,
            "sha256": self.sha256,
            **described({"train": self.train, "valid": self.valid, "test": self.test}, self.unit),
            "preprocessing": dict(self.preprocessing),
            "origin": provenance(Path(self.path)),
        }


def check_trained(trained: Iterable[str], tested: Iterable[str], where: object) -> None:
    """Refuse classes that a network is tested on and never trained on.

    Args:
        trained, tested: the classes of the training recordings and of others.
        where: the file or folder of the others, for the sentence.

    Raises:
        SnnlabError: a class is tested and not trained.
    """
    if unknown := sorted(set(tested) - set(trained)):
        raise SnnlabError(
            f"{where} has recordings of {', '.join(unknown[:5])}{' and more' if unknown[5:] else ''}; only classes that "
            "occur in training were expected. Add training recordings of them, or take these away."
        )


def check_limit(limit: int | None) -> None:
    """Refuse a limit that leaves nothing to train on.

    Raises:
        SnnlabError: it is below 1.
    """
    if limit is not None and limit < 1:
        raise SnnlabError(
            f"limit is {limit}; at least 1 recording, or none for all of them, was expected. Choose a larger one."
        )
