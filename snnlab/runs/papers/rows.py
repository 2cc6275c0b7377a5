"""The rows of the tables and figures of the two papers, as `papers.yaml` has them.

Nothing here imports pandas or scipy: a dry run of a sweep reads the published hours.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from snnlab._utils.fields import known

PAPERS = ("delays", "transfer")
# of files in params/ whose text names no notebook, by the start of their names
NOTEBOOK = {"pipe_s": "02", "pipe_d": "03"}


@dataclass(frozen=True)
class Arm:
    """Networks of one kind.

    Attributes:
        configuration: of a file in params/; empty where it has only one.
        name: of the networks in a result.
    """

    configuration: str
    name: str


@dataclass(frozen=True)
class Target:
    """One row of a table or figure; shares are 0 to 1. `papers.yaml` explains each field."""

    paper: str
    table: str
    row: str
    data: str
    source: str
    confirmed: bool = True
    protocol: str = ""
    value: float | None = None
    spread: float | None = None
    spread_is: str = ""
    runs: int | None = None
    claim: str = ""
    share: float | None = None
    tolerance: float = 0.0
    why: str = ""
    file: str = ""
    plus: tuple[Arm, ...] = ()
    minus: tuple[Arm, ...] = ()
    number: str = ""
    hours: float | None = None
    basis: str = ""
    gap: str = ""
    note: str = ""

    @property
    def command(self) -> str:
        """The command that measures it; empty where none does."""
        if self.gap:
            return ""
        number = NOTEBOOK.get(self.file[: len("pipe_s")])
        start = f"snnlab run {number} --profile paper -f" if number else "snnlab sweep"
        return f"{start} params/{self.file}.yaml"


@dataclass(frozen=True)
class LoggedRuns:
    """Runs with the same tag in the logs that the transfer paper's authors ship with their code.

    Attributes:
        tag: what the authors called them.
        setting: size of the frames and time steps.
        start: `scratch`, `pretrained`, or `in doubt` where tag and curves disagree.
        epochs: of each run.
        runs: number of complete runs.
        mean: of the best test accuracy of each run, 0 to 1.
        sd: its standard deviation over the runs.
    """

    tag: str
    setting: str
    start: str
    epochs: int
    runs: int
    mean: float
    sd: float


@cache
def _papers() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("papers.yaml").read_text(encoding="utf-8")
    )
    return content


def author_logs() -> tuple[LoggedRuns, ...]:
    """Return what the authors of the transfer paper logged on CIFAR10-DVS, by tag."""
    return tuple(LoggedRuns(**group) for group in _papers()["author_logs"]["groups"])


def targets(paper: str | None = None) -> tuple[Target, ...]:
    """Return all rows, or those of one paper, in its order.

    Raises:
        SnnlabError: there is no such paper.
    """
    names = PAPERS if paper is None else (known(paper, PAPERS, "paper"),)
    return tuple(
        target
        for name in names
        for table in _papers()[name]["tables"]
        for target in _rows(name, table)
    )


def _rows(paper: str, table: Mapping[str, Any]) -> Iterator[Target]:
    common = {name: value for name, value in table.items() if name not in ("rows", "protocols")}
    for row, protocol in itertools.product(table["rows"], table.get("protocols", [{}])):
        entry = {"paper": paper} | common | protocol | row
        for side in ("plus", "minus"):
            entry[side] = tuple(Arm(*arm) for arm in entry.get(side, ()))
        yield Target(**entry)


def published_hours(file: str) -> tuple[float, str] | None:
    """Return what one run of a file in params/ takes by published epochs.

    Args:
        file: its name, without .yaml.

    Returns:
        GPU-hours, and on what they are based; None where no paper says it.
    """
    rows = (target for target in targets() if target.file == file and target.hours)
    return next(((target.hours or 0.0, target.basis) for target in rows), None)
