"""Differences of two variants in pairs of the same fold and seed, with their intervals."""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from snnlab._utils.fields import is_number
from snnlab.runs.collection import CONFIG
from snnlab.runs.papers.statistics import estimate
from snnlab.runs.summaries import latest_runs
from snnlab.runs.tables import TextTable, shown

FOLD = f"{CONFIG}fold"
MEASURED = "test_accuracy"


def paired_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the variants of every sweep over folds or seeds in a table of `collect`.

    The parts of a sweep over folds are its folds: the value of a fold is the mean over its seeds;
    of a difference, over the seeds that both variants have. Other runs have their seeds as parts.
    The 95 % interval is that of t over the parts. Folds share training recordings, so that it is
    rather too narrow; seeds share all data, so that it is one of training alone.

    Args:
        table: as `collect` returns it.

    Returns:
        A row for each variant, and for each pair of variants; no row where the runs have one fold
        or none, and one seed. The columns are those that name the sweep; `over`, "fold" or "seed";
        `variant` and `minus`, empty for a variant alone; `<over> <number>` for each part; `mean`;
        `half_width` of the interval, nan for one part.
    """
    if MEASURED not in table:
        return pd.DataFrame()
    return _differences(*latest_runs(table[table[MEASURED].notna()]))


def _differences(counted: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return `paired_differences` of what `latest_runs` returns."""
    rows: list[dict[str, Any]] = []
    units = ["seed"]
    if FOLD in counted and counted[FOLD].map(_is_fold).all():
        counted = counted.assign(**{FOLD: counted[FOLD].fillna(0)})  # data that has no folds
        units = [FOLD, "seed"]
    sweep = [name for name in keys if name not in (*units, "arm")]
    for names, part in counted.groupby(sweep, dropna=False, sort=False):
        over = next((unit for unit in units if part[unit].nunique() > 1), None)
        if over is None:
            continue
        values = part.pivot_table(index=units, columns="arm", values=MEASURED)
        arms = part["arm"].unique()
        unit = over.removeprefix(CONFIG)
        about = dict(zip(sweep, names, strict=True)) | {"over": unit}
        for variant, minus in [*((arm, "") for arm in arms), *combinations(arms[::-1], 2)]:
            each = values[variant] - (values[minus] if minus else 0.0)
            parts = each.dropna().groupby(level=over).mean()
            if len(parts):
                result = estimate([parts.tolist()])
                half_width = math.nan if result.half_width is None else result.half_width
                rows.append(
                    about
                    | {"variant": variant, "minus": minus}
                    | {f"{unit} {int(number)}": value for number, value in parts.items()}
                    | {"mean": result.mean, "half_width": half_width}
                )
    return pd.DataFrame(rows)


def _is_fold(value: Any) -> bool:
    """Return whether this is a whole number or missing; a notebook's own fold may be anything."""
    return bool(pd.isna(value)) or (is_number(value) and value == int(value))


def difference_tables(table: pd.DataFrame) -> Iterator[TextTable]:
    """Yield a table for each sweep over folds, and one for the other runs of a notebook.

    Of a sweep over folds, the accuracies of each fold stand above the differences of all variants.
    Of other runs, the variant with the highest mean is compared with each of the others.

    Args:
        table: as `collect` returns it.
    """
    if MEASURED not in table:
        return
    counted, keys = latest_runs(table[table[MEASURED].notna()])
    rows = _differences(counted, keys)
    if rows.empty:
        return
    sweep = [*rows.columns[: rows.columns.get_loc("over")]]
    groups = ["notebook", "profile", "data"]
    told_apart = {  # by runs of too few seeds for a row, too
        group: [
            name for name in sweep if name not in groups and runs[name].nunique(dropna=False) > 1
        ]
        for group, runs in counted.groupby(groups, sort=False)
    }
    folds, seeds = (rows[rows["over"] == over] for over in ("fold", "seed"))
    for _, part in folds.groupby(sweep, dropna=False, sort=False):
        group = tuple(part.iloc[0][groups])
        yield _fold_table(part.dropna(axis=1, how="all"), told_apart[group])
    for group, part in seeds.groupby(groups, sort=False):
        differing = told_apart[group]
        sections = [
            _best_against_others(one, differing)
            for _, one in part.groupby(sweep, dropna=False, sort=False)
        ]
        if any(sections):
            yield TextTable(
                "{notebook}, data {data}, over the seeds".format(**part.iloc[0]),
                [
                    *(name.removeprefix(CONFIG) for name in differing),
                    *("test accuracy (points)", "seeds", "difference", "95 % interval"),
                ],
                sections,
                "The best variant minus the others, in pairs of the same seed. The interval is of "
                "t over the seeds, which share all data.",
            )


def _fold_table(part: pd.DataFrame, differing: list[str]) -> TextTable:
    about = part.iloc[0]
    settings = [
        f"{name.removeprefix(CONFIG)} {shown(about[name])}" for name in differing if name in part
    ]
    folds = sorted((name for name in part if name.startswith("fold ")), key=lambda n: int(n[5:]))
    sections: list[list[list[str]]] = [[], []]
    for row in part.to_dict("records"):
        form = "+.1f" if row["minus"] else ".1f"
        cells = [_percent(row[name], form) for name in (*folds, "mean")]
        label = f"{row['variant']} - {row['minus']}" if row["minus"] else row["variant"]
        sections[bool(row["minus"])].append([label, *cells, _interval(row, form)])
    return TextTable(
        ", ".join(["{notebook}, data {data}, over the folds".format(**about), *settings]),
        ["test accuracy (%)", *folds, "mean", "95 % interval"],
        sections,
        "Mean over the seeds of a fold; differences in points, in pairs of the same fold and "
        "seed. The interval is of t over the folds, which share training recordings.",
    )


def _best_against_others(part: pd.DataFrame, differing: list[str]) -> list[list[str]]:
    means = part[part["minus"] == ""].set_index("variant")["mean"]
    best = means.idxmax()
    cells = []
    for row in part[part["minus"] != ""].to_dict("records"):
        if best == row["minus"]:
            row |= {"variant": best, "minus": row["variant"], "mean": -row["mean"]}
        seeds = sum(name.startswith("seed ") and not pd.isna(row[name]) for name in row)
        if best == row["variant"] and seeds > 1:
            settings = ["" if pd.isna(row[name]) else shown(row[name]) for name in differing]
            label = f"{best} - {row['minus']}"
            mean = _percent(row["mean"], "+.1f")
            cells.append([*settings, label, str(seeds), mean, _interval(row, "+.1f")])
    return cells


def _interval(row: dict[str, Any], form: str) -> str:
    half = row.get("half_width", math.nan)
    low, high = (_percent(row["mean"] + sign * half, form) for sign in (-1, 1))
    return "" if math.isnan(half) else f"{low} to {high}"


def _percent(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(100 * value, form)
