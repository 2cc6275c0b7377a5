"""Compare a measurement with a published number or claim: 95 % intervals, and a status."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean, stdev

from scipy.special import stdtrit

ROUNDING = 1e-9  # of sums of decimal fractions


class Status(Enum):
    """The status of a row."""

    REPRODUCED = "reproduced"
    WITHIN = "within band"
    DIFFERS = "differs"
    NOT_RUN = "not run"
    NO_REFERENCE = "measured, nothing to compare with"


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or a sum and difference of such means.

    Attributes:
        mean: of all.
        sd: standard deviation over the seeds (ddof = 1); None for one seed, or where means are
            added.
        half_width: of the 95 % interval; None where one of the means is of one seed.
    """

    mean: float
    sd: float | None
    half_width: float | None


def estimate(plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]] = ()) -> Estimate:
    """Estimate the sum of the means of `plus` minus those of `minus`.

    With the variance v_i = s_i² / n_i of each mean, the 95 % interval is mean ± t(0.975, df) *
    sqrt(sum v_i), where df is that of Welch and Satterthwaite, (sum v_i)² / sum(v_i² / (n_i - 1));
    for one mean it is n - 1.

    Args:
        plus: lists of numbers over the seeds.
        minus: as `plus`.
    """
    groups = [*plus, *minus]
    mean = math.fsum(map(fmean, plus)) - math.fsum(map(fmean, minus))
    if any(len(group) < 2 for group in groups):
        return Estimate(mean, None, None)
    variances = [stdev(group) ** 2 / len(group) for group in groups]
    total = math.fsum(variances)
    parts = math.fsum(v**2 / (len(group) - 1) for v, group in zip(variances, groups, strict=True))
    half_width = interval_half_width(total**2 / parts, math.sqrt(total)) if parts else 0.0
    return Estimate(mean, stdev(groups[0]) if len(groups) == 1 else None, half_width)


def interval_half_width(df: float, error: float) -> float:
    """Return half the width of a 95 % interval: t(0.975, df) times the standard error."""
    return float(stdtrit(df, 0.975)) * error


def published_half_width(spread: float | None, spread_is: str, runs: int | None) -> float:
    """Return half the width of a published 95 % interval; 0 where none is known.

    Args:
        spread: the number printed after ±; None where there is none.
        spread_is: "sd" for a standard deviation over the runs; else it is the half width itself.
        runs: how many the published mean is over.
    """
    if spread is None:
        return 0.0
    if spread_is == "sd" and runs:
        return interval_half_width(runs - 1, spread / math.sqrt(runs))
    return spread


def compare_value(
    measured: Estimate, value: float, spread: float | None, half_width: float, tolerance: float
) -> Status:
    """Decide whether a published number was reproduced.

    With m the measured mean and h half its 95 % interval (0 for one seed), v the published number,
    s its spread as printed, and h_v half its 95 % interval, m is::

        reproduced    if |m - v| <= s, or |m - v| <= min(h + h_v, tolerance)
        within band   if |m - v| <= tolerance
        differs       otherwise

    In the second case the intervals overlap; beyond the tolerance, overlap proves nothing, as the
    intervals are wide.

    Args:
        measured: m and h.
        value: v.
        spread: s; None where none is printed.
        half_width: h_v.
        tolerance: as `papers.yaml` has it.
    """
    distance = abs(measured.mean - value) - ROUNDING
    overlap = min((measured.half_width or 0.0) + half_width, tolerance)
    if distance <= max(spread or 0.0, overlap):
        return Status.REPRODUCED
    return Status.WITHIN if distance <= tolerance else Status.DIFFERS


def compare_claim(difference: Estimate) -> Status:
    """Decide from the difference d of two means whether one thing beats another.

    With h half the 95 % interval of d: reproduced if d - h > 0, within band if d > 0, differs
    otherwise. One seed has no interval, and reproduces nothing.
    """
    if difference.half_width is not None and difference.mean - difference.half_width > ROUNDING:
        return Status.REPRODUCED
    return Status.WITHIN if difference.mean > ROUNDING else Status.DIFFERS


def compare_time(difference: Estimate, share: float, published: float, tolerance: float) -> Status:
    """Decide whether one thing beats another in a given share of the time.

    As `compare_claim`; besides, reproduced needs share <= published, and within band needs
    share <= published + tolerance. It is not run where the time was not measured.

    Args:
        difference: of both means.
        share: measured share of the time; nan where it was not measured.
        published: share of the time.
        tolerance: as `papers.yaml` has it.
    """
    if math.isnan(share):
        return Status.NOT_RUN
    if share > published + tolerance + ROUNDING:
        return Status.DIFFERS
    status = compare_claim(difference)
    return Status.WITHIN if status is Status.REPRODUCED and share > published + ROUNDING else status
