"""Variants over the folds of a sweep, and the differences of two that share fold and seed."""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from snnlab.runs.collection import CONFIG, latest_runs
from snnlab.runs.papers.statistics import estimate
from snnlab.runs.tables import TextTable

FOLD = f"{CONFIG}fold"
MEASURED = "test_accuracy"


def over_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the variants of every sweep over folds in a table of `collect`.

    The value of a fold is the mean over its seeds; of a difference, over the seeds that both
    variants have. The 95 % interval is that of t over the folds. The folds share training
    recordings, so that it is rather too narrow.

    Args:
        table: as `collect` returns it.

    Returns:
        A row for each variant, and for each pair of variants; no row where the runs have one fold
        or none. The columns are those that name the sweep; `variant` and `minus`, empty for a
        variant alone; `fold <number>` for each; `mean`; `half_width` of the interval, nan for one
        fold.
    """
    rows: list[dict[str, Any]] = []
    if FOLD not in table or MEASURED not in table:
        return pd.DataFrame(rows)
    counted, keys = latest_runs(table[table[FOLD].notna() & table[MEASURED].notna()])
    sweep = [name for name in keys if name not in (FOLD, "arm")]
    for names, part in counted.groupby(sweep, dropna=False, sort=False):
        if part[FOLD].nunique() < 2:  # as of data without folds, of which fold is 0
            continue
        values = part.pivot_table(index=[FOLD, "seed"], columns="arm", values=MEASURED)
        arms = part["arm"].unique()
        about = dict(zip(sweep, names, strict=True))
        for variant, minus in [*((arm, "") for arm in arms), *combinations(arms[::-1], 2)]:
            each = values[variant] - (values[minus] if minus else 0.0)
            folds = each.dropna().groupby(level=FOLD).mean()
            if len(folds):
                result = estimate([folds.tolist()])
                half_width = math.nan if result.half_width is None else result.half_width
                rows.append(
                    about
                    | {"variant": variant, "minus": minus}
                    | {f"fold {int(fold)}": value for fold, value in folds.items()}
                    | {"mean": result.mean, "half_width": half_width}
                )
    return pd.DataFrame(rows)


def fold_tables(table: pd.DataFrame) -> Iterator[TextTable]:
    """Yield a table for each sweep over folds: accuracies, then differences in points.

    Args:
        table: as `collect` returns it.
    """
    rows = over_folds(table)
    if rows.empty:
        return
    folds = sorted((name for name in rows if name.startswith("fold ")), key=lambda n: int(n[5:]))
    sweep = [*rows.columns[: rows.columns.get_loc("variant")]]
    differing = [name for name in sweep if CONFIG in name and rows[name].nunique(dropna=False) > 1]
    for names, part in rows.groupby(sweep, dropna=False, sort=False):
        about = dict(zip(sweep, names, strict=True))
        settings = [f"{name[len(CONFIG) :]} {about[name]}" for name in differing]
        used = [fold for fold in folds if part[fold].notna().any()]
        sections: list[list[list[str]]] = [[], []]
        for row in part.to_dict("records"):
            form = "+.1f" if row["minus"] else ".1f"
            cells = [_percent(row[name], form) for name in (*used, "mean")]
            half = row["half_width"]
            low, high = (_percent(row["mean"] + sign * half, form) for sign in (-1, 1))
            interval = f"{low} to {high}" if low else ""
            label = f"{row['variant']} - {row['minus']}" if row["minus"] else row["variant"]
            sections[bool(row["minus"])].append([label, *cells, interval])
        yield TextTable(
            ", ".join(["{notebook}, data {data}, over the folds".format(**about), *settings]),
            ["test accuracy (%)", *used, "mean", "95 % interval"],
            sections,
            "Mean over the seeds of a fold; differences in points, in pairs of the same fold and "
            "seed. The interval is of t over the folds, which share training recordings.",
        )


def _percent(value: float | None, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(100 * value, form)
