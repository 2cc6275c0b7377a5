"""Summaries of a table of `collect`: means over the seeds, and accuracies over a parameter."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known
from snnlab.course.config import NOTEBOOKS
from snnlab.runs.collection import AFTER, BEFORE, CONFIG
from snnlab.runs.tables import shown

MAX_PANELS = 12
# Parameters of the course's notebooks that do not change a single network
RUN_PARAMETERS = {"seed", "seeds", "variants", "controls", "toys"} | {
    field.name
    for kind in NOTEBOOKS.values()
    for field in dataclasses.fields(kind)
    if not field.metadata["spec"].decides
}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise each number in a table of `collect` over the seeds.

    There is one row for each notebook and code of it, profile, data, configuration and arm, which
    are the index, sorted by value of the parameters. If a configuration was run again, the latest
    run of a seed counts.

    Returns:
        Columns such as `("test_accuracy", "mean")`, `"std"` (of a sample, ddof = 1; nan for one
        seed) and `"count"`.

    Raises:
        SnnlabError: the table has no numbers.
    """
    measured = [
        name for name in table if name not in (*BEFORE, *AFTER) and not name.startswith(CONFIG)
    ]
    if table.empty or not measured:
        raise SnnlabError(
            "the table has no numbers to summarise; expected a table of runs.collect with a result."
        )
    counted, keys = latest_runs(table)
    return counted.groupby(keys, dropna=False, sort=False)[measured].agg(["mean", "std", "count"])


def latest_runs(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the latest run of each configuration and seed, by value of the parameters.

    Returns:
        The rows, and the columns that tell configurations and arms apart.
    """
    table, parameters = _deciding(table)
    keys = ["notebook", "profile", "data", "notebook_sha256", *parameters, "arm"]
    by_age = table.sort_values("finished", kind="stable")
    latest = by_age.groupby([*keys, "seed"], dropna=False)["path"].transform("last")
    counted = by_age[by_age["path"] == latest].sort_index()
    where = counted.groupby(["notebook", "profile", "data"], sort=False, dropna=False).ngroup()
    ranks = [where, *(_ranks(counted[name]) for name in parameters)]
    return counted.iloc[np.lexsort(ranks[::-1])], keys


def parameter_first(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a table of `collect` in which a parameter stands before the others.

    Args:
        table: as `collect` returns it.
        name: of the parameter, which differs between the runs.

    Raises:
        SnnlabError: no parameter of this name differs between the runs.
    """
    names = [column.removeprefix(CONFIG) for column in _deciding(table)[1]]
    if not names:
        raise SnnlabError(
            f"--plot {name}: all runs have the same parameters; expected a parameter that differs "
            "between them."
        )
    first = CONFIG + known(name, names, "parameter that differs between these runs")
    rest = [column for column in table if column != first]
    rest.insert(rest.index("seed") + 1, first)
    return table[rest]


def _deciding(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table without the values that change no network, and the parameters that remain.

    In a notebook of one's own a parameter of any name may change the networks.
    """
    table, course = table.copy(), table["notebook"].isin(list(NOTEBOOKS))
    columns = [name for name in table if name.startswith(CONFIG)]
    for column in columns:
        if column.removeprefix(CONFIG) in RUN_PARAMETERS:
            table[column] = table[column].mask(course)
    return table, [name for name in columns if table[name].notna().any()]


def plain_names(table: pd.DataFrame) -> dict[str, str]:
    """Return the parameters' columns with their plain names, unless a number has the same name."""
    plain = {name: name.removeprefix(CONFIG) for name in table if name.startswith(CONFIG)}
    return {name: short for name, short in plain.items() if short not in table}


def accuracies_over(
    table: pd.DataFrame, name: str
) -> tuple[str, dict[str, dict[str, dict[Any, list[float]]]]]:
    """Group the accuracies of a table of `collect` by the values of a parameter.

    Args:
        table: as `collect` returns it.
        name: of the parameter.

    Returns:
        The name of the accuracy, and the accuracies of all seeds by setting of everything else
        that differs (a text), arm, and value of the parameter, in the order of the values.

    Raises:
        SnnlabError: there is no accuracy, or there are more settings than a picture has room for.
    """
    accuracies = [column for column in table if column.endswith("accuracy")]
    if not accuracies:
        raise SnnlabError(f"--plot {name}: the results have no accuracy; choose another folder.")
    measured = "test_accuracy" if "test_accuracy" in accuracies else accuracies[0]
    counted, keys = latest_runs(table[table[measured].notna() & table[CONFIG + name].notna()])
    others = [key for key in keys if key not in (CONFIG + name, "arm")]
    differing = [key for key in others if counted[key].nunique(dropna=False) > 1]
    names = [key.removeprefix(CONFIG) for key in differing]
    panels: dict[str, dict[str, dict[Any, list[float]]]] = {}
    for row in counted.to_dict("records"):
        settings = [
            f"{short} {shown(row[key])}" for short, key in zip(names, differing, strict=True)
        ]
        by_value = panels.setdefault(", ".join(settings), {}).setdefault(row["arm"], {})
        by_value.setdefault(row[CONFIG + name], []).append(row[measured])
    if len(panels) > MAX_PANELS:
        raise SnnlabError(
            f"--plot {name}: the runs differ in {', '.join(names)}, too, which makes "
            f"{len(panels)} panels; expected at most {MAX_PANELS}. Collect fewer runs."
        )
    return measured, panels


def _ranks(values: pd.Series) -> np.ndarray[Any, Any]:
    """Return the place of each value: missing ones, numbers, lists of numbers, and texts."""
    keys = [_sort_key(value) for value in values]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([places[key] for key in keys], dtype=int)


def _sort_key(value: Any) -> tuple[int, tuple[float, ...], str]:
    if isinstance(value, bool) or is_number(value):
        return 1, (float(value),), ""
    if not isinstance(value, str):  # missing
        return 0, (), ""
    try:
        items = json.loads(value)
    except ValueError:
        items = None
    if isinstance(items, list) and all(map(is_number, items)):
        return 2, tuple(map(float, items)), ""
    return 3, (), value
