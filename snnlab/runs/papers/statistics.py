"""What a measurement says about a published number or claim: an interval, and a word."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean, stdev

from scipy.special import stdtrit

ROUNDING = 1e-9  # of sums of decimal fractions


class Status(Enum):
    """What became of a row."""

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
    """The sum of the means of `plus` less those of `minus`, each a list over its seeds.

    With the variance v_i = s_i² / n_i of each mean, the 95 % interval is mean ± t(0.975, df) *
    sqrt(sum v_i), where df is that of Welch and Satterthwaite, (sum v_i)² / sum(v_i² / (n_i - 1));
    for one mean it is n - 1.
    """
    groups = [*plus, *minus]
    mean = math.fsum(map(fmean, plus)) - math.fsum(map(fmean, minus))
    if any(len(group) < 2 for group in groups):
        return Estimate(mean, None, None)
    variances = [stdev(group) ** 2 / len(group) for group in groups]
    total = math.fsum(variances)
    parts = math.fsum(v**2 / (len(group) - 1) for v, group in zip(variances, groups, strict=True))
    half_width = half(total**2 / parts, math.sqrt(total)) if parts else 0.0
    return Estimate(mean, stdev(groups[0]) if len(groups) == 1 else None, half_width)


def half(df: float, error: float) -> float:
    """Half the width of a 95 % interval: t(0.975, df) times the standard error of the mean."""
    return float(stdtrit(df, 0.975)) * error


def published_half(spread: float | None, spread_is: str, runs: int | None) -> float:
    """Half the width of a published 95 % interval: the spread itself, or t(0.975, runs - 1) * sd / sqrt(runs); 0 where none is known."""
    if spread is None:
        return 0.0
    return half(runs - 1, spread / math.sqrt(runs)) if spread_is == "sd" and runs else spread


def of_value(
    measured: Estimate, value: float, spread: float | None, half_width: float, tolerance: float
) -> Status:
    """Whether a published number was reproduced.

    With m the mean measured, h half its 95 % interval (0 for one seed), v the number published, s
    its spread, as printed, and h_v half its 95 % interval, m is

        reproduced    if |m - v| <= s, or |m - v| <= min(h + h_v, tolerance): the intervals overlap, and no further off
                      than the tolerance, for a wide interval proves nothing
        within band   if |m - v| <= tolerance
        differs       else
    """
    off = abs(measured.mean - value) - ROUNDING
    overlap = min((measured.half_width or 0.0) + half_width, tolerance)
    if off <= max(spread or 0.0, overlap):
        return Status.REPRODUCED
    return Status.WITHIN if off <= tolerance else Status.DIFFERS


def of_claim(difference: Estimate) -> Status:
    """Whether one thing beats another, from the difference of their means d, and half its 95 % interval h.

    Reproduced if d - h > 0, within band if d > 0, differs else. One seed has no interval, and
    reproduces nothing.
    """
    if difference.half_width is not None and difference.mean - difference.half_width > ROUNDING:
        return Status.REPRODUCED
    return Status.WITHIN if difference.mean > ROUNDING else Status.DIFFERS


def of_share(difference: Estimate, share: float, published: float, tolerance: float) -> Status:
    """As `of_claim`, in so small a share of the time: reproduced also needs share <= published, within band <= published + tolerance.

    Where the time was not measured (nan), that is not run.
    """
    if math.isnan(share):
        return Status.NOT_RUN
    if share > published + tolerance + ROUNDING:
        return Status.DIFFERS
    status = of_claim(difference)
    return Status.WITHIN if status is Status.REPRODUCED and share > published + ROUNDING else status
