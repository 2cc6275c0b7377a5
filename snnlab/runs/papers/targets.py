"""Every table and figure of the two papers, row by row, beside what was measured here.

    targets.table("runs")        # a pandas table; `snnlab targets` prints it

`papers.yaml` has the published numbers, where they were read, and how sure they are. The results of
the files in params/ have the measured ones. A result counts only if it was measured on the
published data: see `snnlab.runs.papers.published`.
"""

import dataclasses
import math
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from snnlab._utils.files import given_path
from snnlab._utils.places import runs_folder
from snnlab.runs.papers import evidence, statistics
from snnlab.runs.papers.evidence import ConfigEvidence
from snnlab.runs.papers.rows import PAPERS, Arm, LoggedRuns, Target, author_logs, targets
from snnlab.runs.papers.statistics import Estimate, Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PAPERS",
    "Arm",
    "LoggedRuns",
    "Measurement",
    "Target",
    "as_row",
    "author_logs",
    "measured",
    "table",
    "targets",
]

CLOCK = "cpu_seconds"  # what a share of the training time is measured with
NOTHING = "-"


@dataclass(frozen=True)
class Measurement:
    """A row and what was measured of it.

    Attributes:
        target: the row.
        status: the result of the comparison.
        why: the reason for the status, and the runs that were left out.
        estimate: mean, deviation and interval; None without a measurement.
        share: measured share of the training time, where one is published.
        seeds: measured seeds of the arm with the fewest.
        planned: seeds that the file of that arm asks for.
    """

    target: Target
    status: Status
    why: str
    estimate: Estimate | None = None
    share: float | None = None
    seeds: int = 0
    planned: int = 0


def measured(folder: str | Path | None = None, paper: str | None = None) -> list[Measurement]:
    """Compare each row with the results below a folder.

    A row needs as many seeds as its file asks for; any seeds count, and of a seed that was run
    again the latest run. `snnlab.runs.papers.statistics` defines the statuses. Results that cannot
    be read are left out, each with a warning.

    Args:
        folder: where the runs are, at any depth; None for runs/, which need not be there.
        paper: one of `PAPERS`; None for both.

    Returns:
        A measurement for each row.

    Raises:
        SnnlabError: there is no such folder or paper, or a file in params/ is missing or wrong.
    """
    where: Path | None = runs_folder() if folder is None else given_path(folder)
    if folder is None and where is not None and not where.is_dir():
        where = None
    rows = targets(paper)
    files = {target.file: target.data for target in rows if target.file}
    configurations, damaged = evidence.gather(where, files)
    for sentence in damaged:
        warnings.warn(sentence, stacklevel=2)
    return [_measure(target, configurations) for target in rows]


def _measure(
    target: Target, configurations: Mapping[tuple[str, str], ConfigEvidence]
) -> Measurement:
    if target.gap:
        return Measurement(target, Status.NOT_RUN, f"cannot be run here: {target.gap}")
    arms = [*target.plus, *target.minus]
    known_of = {arm: configurations[target.file, arm.configuration] for arm in arms}
    values = {arm: known_of[arm].values(arm.name, target.number) for arm in arms}
    fewest = min(arms, key=lambda arm: len(values[arm]))
    seeds, planned = len(values[fewest]), len(known_of[fewest].planned)
    status, reason, estimate, share = Status.NOT_RUN, "", None, None
    if seeds:
        estimate = statistics.estimate(
            *([[*values[arm].values()] for arm in side] for side in (target.plus, target.minus))
        )
        share = _time_share(target, known_of)
    if not seeds:
        networks = known_of[fewest].networks
        reason = f"results without {target.number} of {fewest.name}" if networks else "no result"
    elif seeds < planned:
        reason = f"only {seeds} of {planned} seeds"
    else:
        assert estimate is not None
        status = _status(target, estimate, share)
        reason = f"results without {CLOCK}" if status is Status.NOT_RUN else ""
    why = "; ".join(filter(None, (reason, _left_out(known_of))))
    return Measurement(target, status, why, estimate, share, seeds, planned)


def _left_out(known_of: Mapping[Arm, ConfigEvidence]) -> str:
    """Count the runs that were left out, by reason; arms may share a configuration."""
    distinct = {id(configuration): configuration.left_out for configuration in known_of.values()}
    reasons: Counter[str] = sum(distinct.values(), Counter())
    if not reasons:
        return ""
    n = reasons.total()
    return f"{n} run{'s' if n > 1 else ''} left out: " + "; ".join(
        f"{count} {reason}" for reason, count in reasons.most_common()
    )


def _time_share(target: Target, known_of: Mapping[Arm, ConfigEvidence]) -> float | None:
    """Divide the training time of the first of `plus` by that of the first of `minus`.

    Returns:
        The share; nan where it was not measured, None where none is published.
    """
    if target.share is None:
        return None
    own, other = (
        known_of[arm].values(arm.name, CLOCK).values() for arm in (target.plus[0], target.minus[0])
    )
    return fmean(own) / fmean(other) if own and other else math.nan


def _status(target: Target, estimate: Estimate, share: float | None) -> Status:
    if share is not None and target.share is not None:
        return statistics.compare_time(estimate, share, target.share, target.tolerance)
    if target.claim:
        return statistics.compare_claim(estimate)
    if target.value is None:
        return Status.NO_REFERENCE
    half_width = statistics.published_half_width(target.spread, target.spread_is, target.runs)
    return statistics.compare_value(
        estimate, target.value, target.spread, half_width, target.tolerance
    )


def table(folder: str | Path | None = None, paper: str | None = None) -> "pd.DataFrame":
    """Return `measured` as a table of texts, in percent and points.

    The columns `value`, `spread`, `mean`, `sd` and `half_width` are numbers, as shares.

    Args:
        folder: as `measured`.
        paper: as `measured`.
    """
    import pandas as pd  # which the command line needs only here

    return pd.DataFrame([as_row(measurement) for measurement in measured(folder, paper)])


def as_row(measurement: Measurement) -> dict[str, Any]:
    """Return one row of `table`."""
    target = measurement.target
    estimate = measurement.estimate or Estimate(math.nan, None, None)
    numbers = {"value": target.value, "spread": target.spread, **dataclasses.asdict(estimate)}
    planned = measurement.planned
    return {
        "paper": target.paper,
        "table": target.table,
        "row": target.row,
        "protocol": target.protocol,
        "published": _published(target),
        "source": target.source + ("" if target.confirmed else " (not confirmed)"),
        "measured": _measured(measurement),
        "seeds": f"{measurement.seeds} of {planned}" if planned else NOTHING,
        "status": measurement.status.value,
        "why": measurement.why,
        "band": f"± {_points(target.tolerance)} points: {target.why}" if target.tolerance else "",
        "note": target.note,
        "command": target.command,
        "measures": _arms(target),
        "GPU-hours": math.nan if target.hours is None else target.hours,
        "basis": target.basis or "not known",
        **{name: math.nan if number is None else number for name, number in numbers.items()},
    }


def _published(target: Target) -> str:
    if target.value is None:
        return target.claim or "not known"
    spread = "" if target.spread is None else f" ± {_points(target.spread)}"
    sign, unit = ("+", "points") if target.minus else ("", "%")
    return f"{sign}{_points(target.value)}{spread} {unit}"


def _measured(measurement: Measurement) -> str:
    if measurement.estimate is None:
        return NOTHING
    mean, sd, half = dataclasses.astuple(measurement.estimate)
    if not measurement.target.minus:
        return f"{_points(mean)}{'' if sd is None else f' ± {_points(sd)}'} %"
    interval = "" if half is None else f" ({_points(mean - half)} to {_points(mean + half)})"
    time = "" if measurement.share is None else f", in {measurement.share:.2f} of the time"
    return f"{100 * mean:+.2f} points{interval}{time}"


def _arms(target: Target) -> str:
    """Return what is measured as a sum: `dense: learned - dense: fixed`."""
    if not target.plus:
        return ""
    plus, minus = (
        [": ".join(filter(None, (arm.configuration, arm.name))) for arm in side]
        for side in (target.plus, target.minus)
    )
    return f"{target.number} of {' - '.join([' + '.join(plus), *minus])}"


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
