"""Tables for people: results of runs, rows of the papers, and what is in a data set.

Each is a `TextTable`, which rich prints in a terminal and `to_html` writes for a notebook.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text, terminal_text
from snnlab._utils.files import given_path
from snnlab._utils.html_table import html_table
from snnlab._utils.places import runs_folder
from snnlab.runs.result import Result, arm, numbers

if TYPE_CHECKING:
    import pandas as pd

NUMERIC = re.compile(r"[-+]?\d|$")
NO_RESULTS = "<p>No results of the course lie there yet: <code>make tutorial</code> makes them.</p>"


@dataclass(frozen=True)
class TextTable:
    """A table for a terminal or a web page, whose texts are shown as they are.

    Attributes:
        title: above the table.
        columns: their headings.
        sections: groups of rows of cells; in a terminal, a line stands between them.
        caption: below the table, in a terminal only.
    """

    title: str
    columns: Sequence[str]
    sections: Sequence[Sequence[Sequence[object]]]
    caption: str = ""

    def __rich__(self) -> Table:
        """Return the table for a terminal."""
        table = Table(
            title=terminal_text(self.title, "table.title"),
            caption=terminal_text(self.caption, "table.caption") if self.caption else None,
        )
        for index, name in enumerate(self.columns):
            cells = (str(row[index]) for rows in self.sections for row in rows)
            numeric = all(map(NUMERIC.match, cells))
            table.add_column(
                terminal_text(name), overflow="fold", justify="right" if numeric else "left"
            )
        for rows in self.sections:
            for row in rows:
                table.add_row(
                    *(cell if isinstance(cell, Text) else terminal_text(cell) for cell in row)
                )
            table.add_section()
        return table

    def _repr_html_(self) -> str:
        """Return the table as HTML that a screen reader reads; the first column names the rows."""
        return html_table(self.columns, itertools.chain(*self.sections), self.title)


def to_html(tables: Iterable[TextTable]) -> str:
    """Return tables as HTML, one below the other."""
    return "\n".join(table._repr_html_() for table in tables)


def result_table(result: Result) -> TextTable:
    """Summarise a run: a row for each variant, with its numbers' mean and spread over the seeds.

    The numbers are the accuracies, or all numbers where there are none. Controls, if the run has
    any, stand in a section of their own.
    """
    columns = _measured(name for entry in result.results for name in numbers(entry))
    data = str(result.data["note"] or result.data["name"])
    sections = []
    for group in (result.results, result.more.get("controls", [])):
        rows = []
        for variant in dict.fromkeys(arm(entry) for entry in group):
            entries = [entry for entry in group if arm(entry) == variant]
            cells = [
                _mean_and_spread(name, [entry[name] for entry in entries if name in entry])
                for name in columns
            ]
            if any(cells):
                rows.append([variant, len(entries), *cells])
        sections.append(rows)
    return TextTable(
        f"{result.notebook}, profile {result.profile}",
        ["variant", "seeds", *map(_heading, columns)],
        sections,
        f"Mean ± standard deviation over the seeds. Data: {data.removesuffix('.')}.",
    )


def summary_tables(summary: "pd.DataFrame") -> Iterator[TextTable]:
    """Yield a table for each notebook, profile and data of `runs.summary`.

    There is a row for each configuration and arm. The cells are those of `result_table`.
    """
    for where, part in summary.groupby(level=["notebook", "profile", "data"], sort=False):
        keys = part.index.to_frame(index=False)
        varying = [name for name in keys if name == "arm" or keys[name].nunique(dropna=False) > 1]
        labels = keys[varying].astype(object).where(keys[varying].notna(), "").map(shown)
        columns = _measured(name for name in part.columns.unique(0) if part[name]["count"].any())
        rows = []
        for (_, row), cells in zip(part.iterrows(), labels.itertuples(index=False), strict=True):
            if seeds := max((int(row[name]["count"]) for name in columns), default=0):
                spreads = (_spread(name, *row[name]) for name in columns)
                rows.append([*cells, seeds, *spreads])
        yield TextTable(
            "{}, profile {}, data {}".format(*where),
            [
                *(name.removeprefix("config.") for name in varying),
                "seeds",
                *map(_heading, columns),
            ],
            [rows],
            "Mean ± standard deviation over the seeds.",
        )


def course_results(folder: str | Path | None = None) -> str:
    """Return the test accuracies of the course's own runs as HTML, with mean and spread.

    Args:
        folder: where the runs are, at any depth; None for runs/, which need not be there.

    Raises:
        SnnlabError: there is no such folder, or results in different versions of the schema.
    """
    from snnlab.runs.collection import collect

    where = runs_folder() if folder is None else Path(folder)
    try:
        table = collect(where)
    except SnnlabError:
        if folder is None:  # a missing or empty runs/ is no mistake of the reader
            return NO_RESULTS
        raise
    if "test_accuracy" not in table:
        return NO_RESULTS
    table = table[(table["profile"] == "course") & table["test_accuracy"].notna()]
    tables = []
    for (notebook, data), part in table.groupby(["notebook", "data"], sort=True):
        latest = part[part["finished"] == part["finished"].max()]
        groups = latest.groupby("arm", sort=False)["test_accuracy"]
        rows = [
            [arm, _mean_and_spread("accuracy", accuracies.tolist()), len(accuracies)]
            for arm, accuracies in groups
        ]
        title = f"Notebook {notebook[:2]}, {data}: no number of a paper"
        tables.append(TextTable(title, ["", "test accuracy (%)", "seeds"], [rows]))
    return to_html(tables) or NO_RESULTS


def target_tables(rows: "pd.DataFrame") -> Iterator[TextTable]:
    """Yield each table and figure of the papers with what was measured of each of its rows.

    Args:
        rows: those of `snnlab.runs.papers.targets.table`.
    """
    for (paper, name), part in rows.groupby(["paper", "table"], sort=False):
        protocols = part["protocol"].unique()
        shared = len(protocols) == 1 and protocols[0]
        columns = ["row", "protocol", "published", "source", "measured", "seeds"]
        headings = {"protocol": "which epoch", "source": "from"}
        if shared:
            columns.remove("protocol")
        cells = [
            [
                *(row[column] for column in columns),
                ": ".join(filter(None, (row["status"], row["why"]))),
            ]
            for row in part.to_dict("records")
        ]
        yield TextTable(
            f"{name} ({shared})" if shared else name,
            [*(headings.get(column, column) for column in columns), "status"],
            [[row] for row in cells],
            f"paper: {paper}",
        )


def target_overview(rows: "pd.DataFrame") -> TextTable:
    """Count, for each command, what became of the rows that it measures.

    Args:
        rows: those of `snnlab.runs.papers.targets.table`.
    """
    cells = []
    for command, part in rows[rows["command"] != ""].groupby("command", sort=False):
        counts = part["status"][part["status"] != "not run"].value_counts()
        measured = f"{counts.sum()} of {len(part)}"
        names = dict.fromkeys(name.partition(",")[0] for name in part["table"])
        hours = part["GPU-hours"].max()
        cells.append(
            [
                ", ".join(names),
                ": ".join(filter(None, (measured, _listing(counts)))),
                "?" if math.isnan(hours) else f"{hours:g}",
                command,
            ]
        )
    gaps = sum(rows["command"] == "")
    return TextTable(
        "Rows of the papers' tables and figures",
        ["rows of", "measured", "hours", "command"],
        [cells],
        f"GPU-hours of a run; ?: not known. {gaps} rows more cannot be measured here. --all shows "
        "every row with its number.",
    )


def folded_targets(rows: "pd.DataFrame") -> str:
    """Return the papers' tables as HTML: rows with a measurement open, all rows folded.

    Args:
        rows: as for `target_tables`.
    """
    measured = rows[rows["status"] != "not run"]
    parts = [to_html(target_tables(measured)) or "<p>No row has a measurement here.</p>"]
    for (paper, name), part in rows.groupby(["paper", "table"], sort=False):
        summary = html_text(f"{paper}: {name} ({_listing(part['status'].value_counts())})")
        table = to_html(target_tables(part))
        parts.append(f"<details><summary>{summary}</summary>{table}</details>")
    return "\n".join(parts)


def data_table(path: str | Path) -> TextTable:
    """Describe recordings in a table with a column for each file.

    Its rows are the numbers of recordings, speakers, classes and spikes, and the durations.

    Args:
        path: a file in SHD's layout, or a folder of them.

    Raises:
        SnnlabError: there is none, or one is damaged.
    """
    from snnlab.data.datasets.spoken_digits import statistics
    from snnlab.data.io.events import read_events  # h5py and numpy, which no other table needs

    path = given_path(path)
    files = sorted(path.glob("[!.]*.h5")) if path.is_dir() else [path]
    if not files:
        raise SnnlabError(
            f"{path}: holds no .h5 file; name a folder that `snnlab data` wrote, or a file. "
            "`snnlab data check` reads tensors and recordings of event cameras, too."
        )
    columns = {file.stem: statistics(read_events(file)) for file in files}
    rows = [
        [line, *(column[line] for column in columns.values())]
        for line in next(iter(columns.values()))
    ]
    return TextTable(str(path), ["", *columns], [rows], "means, and smallest to largest")


def sets_table() -> TextTable:
    """Describe each data set that snnlab knows, and where it is; no file of it is opened."""
    from snnlab.data.datasets.catalogue import DATASETS

    sections = []
    for dataset in DATASETS.values():
        complete, state = dataset.state()
        lines = terminal_text(f"{dataset.title}\n")
        lines += terminal_text(
            f"to fetch {dataset.download}, unpacked {dataset.unpacked}; {dataset.licence}; "
            f"{dataset.cite}\n",
            "dim",
        )
        lines += terminal_text(state, "green" if complete else "yellow")
        if dataset.folder.exists():
            lines += terminal_text(f"  {dataset.folder}")
        sections.append([[dataset.name, lines]])
    heading = "what it is, its size, licence, whom to cite, and where it is"
    return TextTable("Data sets", ["set", heading], sections)


def _listing(counts: "pd.Series[int]") -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def shown(value: object) -> str:
    """Return a parameter as text; of a float, without the last digits of 0.6000000000000001."""
    return str(float(f"{value:.12g}")) if isinstance(value, float) else str(value)


def _measured(names: Iterable[str]) -> list[str]:
    """Return the names of accuracies, or all names where there are none, each once."""
    distinct = list(dict.fromkeys(names))
    return [name for name in distinct if name.endswith("accuracy")] or distinct


def _heading(name: str) -> str:
    return name.replace("_", " ") + (" (%)" if name.endswith("accuracy") else "")


def _mean_and_spread(name: str, values: Sequence[Any]) -> str:
    if not values:
        return ""
    return _spread(name, mean(values), stdev(values) if len(values) > 1 else 0.0, len(values))


def _spread(name: str, mean: float, std: float, count: float) -> str:
    """Return `81.2 ± 1.3`, or only the mean where all seeds agree; empty without a seed."""
    scale = 100 if name.endswith("accuracy") else 1
    alone = count < 2 or std == 0
    digits = 1 if scale == 100 or abs(mean) >= 10 else 3
    if alone and scale == 1 and float(mean).is_integer():
        digits = 0
    numbers = [mean, std][: 0 if count == 0 else 1 if alone else 2]
    return " ± ".join(f"{scale * number:,.{digits}f}" for number in numbers)
