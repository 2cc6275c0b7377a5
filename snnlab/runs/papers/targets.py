"""Every table and figure of the two papers, row by row, beside what was measured here.

    targets.table("runs")        # a pandas table; `snnlab targets` prints it

What is published stands in `papers.yaml`, with where it was read and how sure that is. What was
measured comes from the results of the files in params/. A result counts only if it was measured on
the published data: see `snnlab.runs.papers.published`.
"""

import dataclasses
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import yaml

from snnlab._utils.fields import known
from snnlab._utils.files import given_path
from snnlab.runs.papers import evidence
from snnlab.runs.papers import statistics as verdicts
from snnlab.runs.papers.evidence import NOTEBOOK, ConfigEvidence
from snnlab.runs.papers.statistics import Estimate, Status
from snnlab.runs.run import home

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PAPERS",
    "Arm",
    "Found",
    "Status",
    "Target",
    "citation",
    "measured",
    "outcome",
    "table",
    "targets",
]

PAPERS = ("delays", "transfer")
CLOCK = "cpu_seconds"  # what a share of the training time is measured with
NOTHING = "-"


@dataclass(frozen=True)
class Arm:
    """Networks of one kind: a configuration of a file in params/ (empty where it has one only), and what a result calls them."""

    configuration: str
    name: str


@dataclass(frozen=True)
class Target:
    """One row of a table or figure; shares are 0 to 1. `papers.yaml` says what each field holds."""

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
        """What a person types to measure it; empty where nothing does."""
        if self.gap:
            return ""
        number = NOTEBOOK.get(self.file[: len("pipe_s")])
        start = f"snnlab run {number} --profile paper -f" if number else "snnlab sweep"
        return f"{start} params/{self.file}.yaml"

    @property
    def measure(self) -> str:
        """What the number is: accuracy, gain (a difference of accuracies), or share of time; a claim about such numbers, too."""
        return "share of time" if self.share is not None else "gain" if self.minus else "accuracy"


@dataclass(frozen=True)
class Found:
    """A row and what was measured of it.

    Attributes:
        target: the row.
        status: what became of it.
        why: the status in a sentence, and what was left out; empty if nothing is to be said.
        estimate: mean, deviation and interval; None where there is no number at all.
        share: share of the training time, where one is published.
        seeds, planned: how many seeds were measured, of the arm with the fewest, and how many its
            file asks for.
    """

    target: Target
    status: Status
    why: str
    estimate: Estimate | None = None
    share: float | None = None
    seeds: int = 0
    planned: int = 0


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("papers.yaml").read_text(encoding="utf-8")
    )
    return content


def citation(paper: str) -> str:
    """A paper in full.

    Raises:
        SnnlabError: there is no such paper.
    """
    return str(_content()[known(paper, PAPERS, "paper")]["citation"])


def targets(paper: str | None = None) -> tuple[Target, ...]:
    """All rows, or those of a paper, in its order.

    Raises:
        SnnlabError: there is no such paper.
    """
    names = PAPERS if paper is None else (known(paper, PAPERS, "paper"),)
    return tuple(
        target
        for name in names
        for table in _content()[name]["tables"]
        for target in _rows(name, table)
    )


def _rows(paper: str, table: Mapping[str, Any]) -> Iterator[Target]:
    common = {name: value for name, value in table.items() if name not in ("rows", "protocols")}
    for row, protocol in itertools.product(table["rows"], table.get("protocols", [{}])):
        entry = {"paper": paper} | common | protocol | row
        for side in ("plus", "minus"):
            entry[side] = tuple(Arm(*arm) for arm in entry.get(side, ()))
        yield Target(**entry)


def measured(folder: str | Path | None = None, paper: str | None = None) -> list[Found]:
    """Each row with what the results below a folder say of it. Results that cannot be read are left out, with a warning each.

    A row needs as many seeds as its file asks for; any seeds count, and of a seed that was run
    again the latest run. How a status comes about stands in `snnlab.runs.papers.statistics`.

    Args:
        folder: where the runs are, at any depth; None for runs/, which need not be there.
        paper: one of `PAPERS`; None for both.

    Raises:
        SnnlabError: there is no such folder or paper, or a file in params/ is missing or wrong.
    """
    where: Path | None = home() / "runs" if folder is None else given_path(folder)
    if folder is None and where is not None and not where.is_dir():
        where = None
    rows = targets(paper)
    seen, damaged = evidence.gather(
        where, {target.file: target.data for target in rows if target.file}
    )
    for sentence in damaged:
        warnings.warn(sentence, stacklevel=2)
    return [_found(target, seen) for target in rows]


def _found(target: Target, seen: Mapping[tuple[str, str], ConfigEvidence]) -> Found:
    if target.gap:
        return Found(target, Status.NOT_RUN, f"cannot be run here: {target.gap}")
    arms = [*target.plus, *target.minus]
    places = {arm: seen[target.file, arm.configuration] for arm in arms}
    values = {arm: places[arm].values(arm.name, target.number) for arm in arms}
    fewest = min(arms, key=lambda arm: len(values[arm]))
    seeds, planned = len(values[fewest]), len(places[fewest].planned)
    left_out = _left_out(places)
    if not seeds:
        without = bool(places[fewest].networks)
        lacks = f"results without {target.number} of {fewest.name}" if without else "no result"
        return Found(
            target, Status.NOT_RUN, "; ".join(filter(None, (lacks, left_out))), planned=planned
        )
    estimate = verdicts.estimate(
        *([[*values[arm].values()] for arm in side] for side in (target.plus, target.minus))
    )
    share = _share(target, places) if target.share is not None else None
    if seeds < planned:
        status, reason = Status.NOT_RUN, f"only {seeds} of {planned} seeds"
    else:
        status = _status(target, estimate, share)
        reason = f"results without {CLOCK}" if status is Status.NOT_RUN else ""
    return Found(
        target, status, "; ".join(filter(None, (reason, left_out))), estimate, share, seeds, planned
    )


def _left_out(places: Mapping[Arm, ConfigEvidence]) -> str:
    """How many runs do not count, and why; arms of one configuration have the same runs."""
    reasons: Counter[str] = sum(
        {id(seen): seen.left_out for seen in places.values()}.values(), Counter()
    )
    if not reasons:
        return ""
    n = reasons.total()
    return f"{n} run{'s' if n > 1 else ''} left out: " + "; ".join(
        f"{count} {reason}" for reason, count in reasons.most_common()
    )


def _share(target: Target, places: Mapping[Arm, ConfigEvidence]) -> float:
    """The training time of the first of `plus`, over that of the first of `minus`; nan if it was not measured."""
    own, other = (
        places[arm].values(arm.name, CLOCK).values() for arm in (target.plus[0], target.minus[0])
    )
    return fmean(own) / fmean(other) if own and other else math.nan


def _status(target: Target, estimate: Estimate, share: float | None) -> Status:
    if share is not None and target.share is not None:
        return verdicts.of_share(estimate, share, target.share, target.tolerance)
    if target.claim:
        return verdicts.of_claim(estimate)
    if target.value is None:
        return Status.NO_REFERENCE
    half = verdicts.published_half(target.spread, target.spread_is, target.runs)
    return verdicts.of_value(estimate, target.value, target.spread, half, target.tolerance)


def table(folder: str | Path | None = None, paper: str | None = None) -> "pd.DataFrame":
    """`measured` for people: texts in percent and points; behind them, as shares, the numbers `value`, `spread`, `mean`, `sd` and `half_width`."""
    import pandas as pd  # which the command line needs only here

    return pd.DataFrame([as_row(found) for found in measured(folder, paper)])


def as_row(found: Found) -> dict[str, Any]:
    """One row of `table`."""
    target, estimate = found.target, found.estimate or Estimate(math.nan, None, None)
    return {
        "paper": target.paper,
        "table": target.table,
        "row": target.row,
        "protocol": target.protocol,
        "published": _published(target),
        "source": target.source + ("" if target.confirmed else " (not confirmed)"),
        "measured": _measured(found),
        "seeds": f"{found.seeds} of {found.planned}" if found.planned else NOTHING,
        "status": found.status.value,
        "why": found.why,
        "band": f"± {_points(target.tolerance)} points: {target.why}" if target.tolerance else "",
        "note": target.note,
        "command": target.command,
        "measures": _arms(target),
        "GPU-hours": math.nan if target.hours is None else target.hours,
        "basis": target.basis or "not known",
        **{name: _number(getattr(target, name)) for name in ("value", "spread")},
        **{name: _number(value) for name, value in dataclasses.asdict(estimate).items()},
    }


def outcome(row: "Mapping[str, Any] | pd.Series") -> str:
    """What became of a row of `table`, in words: its status, and why where there is something to say."""
    return ": ".join(filter(None, (row["status"], row["why"])))


def _published(target: Target) -> str:
    if target.value is None:
        return target.claim or "not known"
    spread = "" if target.spread is None else f" ± {_points(target.spread)}"
    return f"{'+' if target.minus else ''}{_points(target.value)}{spread} {'points' if target.minus else '%'}"


def _measured(found: Found) -> str:
    if found.estimate is None:
        return NOTHING
    mean, sd, half = dataclasses.astuple(found.estimate)
    if not found.target.minus:
        return f"{_points(mean)}{'' if sd is None else f' ± {_points(sd)}'} %"
    interval = "" if half is None else f" ({_points(mean - half)} to {_points(mean + half)})"
    time = "" if found.share is None else f", in {found.share:.2f} of the time"
    return f"{100 * mean:+.2f} points{interval}{time}"


def _arms(target: Target) -> str:
    """What is measured, as a sum: `dense: learned - dense: fixed`."""
    if not target.plus:
        return ""
    signed = [(" + ", arm) for arm in target.plus] + [(" - ", arm) for arm in target.minus]
    text = "".join(
        sign + ": ".join(filter(None, (arm.configuration, arm.name))) for sign, arm in signed
    )
    return f"{target.number} of {text.removeprefix(' + ')}"


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
