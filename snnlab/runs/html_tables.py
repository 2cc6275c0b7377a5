"""Tables in a notebook: HTML that a screen reader reads and that needs no kernel to be read."""

from pathlib import Path
from typing import TYPE_CHECKING

from snnlab._utils.errors import SnnlabError
from snnlab._utils.html_table import html_table
from snnlab.runs.collection import collect
from snnlab.runs.papers.targets import outcome
from snnlab.runs.run import home

if TYPE_CHECKING:
    import pandas as pd


def target_tables(found: "pd.DataFrame") -> str:
    """A table for each table and figure of the papers in `snnlab.runs.papers.targets.table`, with what was measured of each row."""
    parts = []
    for name, part in found.groupby("table", sort=False):
        protocols = part["protocol"].unique()
        same = len(protocols) == 1 and protocols[0]
        head = (
            "row",
            *(() if same else ("which epoch",)),
            "published",
            "from",
            "measured",
            "seeds",
            "status",
        )
        rows = [
            (
                row["row"],
                *(() if same else (row["protocol"],)),
                row["published"],
                row["source"],
                row["measured"],
                row["seeds"],
                outcome(row),
            )
            for row in part.to_dict("records")
        ]
        parts.append(html_table(head, rows, f"{name} ({same})" if same else str(name)))
    return "\n".join(parts)


def course_results(folder: str | Path | None = None) -> str:
    """Mean and standard deviation of the test accuracies that the course's own runs had; their data is never a paper's.

    Args:
        folder: where the runs are, at any depth; None for runs/, which need not be there.

    Raises:
        SnnlabError: there is no such folder, or results in different versions of the schema.
    """
    where = home() / "runs" if folder is None else Path(folder)
    nothing = (
        "<p>No results of the course lie there yet: <code>make tutorial</code> makes them.</p>"
    )
    if folder is None and not where.is_dir():
        return nothing
    try:
        table = collect(where)
    except SnnlabError:
        if folder is None:  # an empty folder is no mistake of the reader
            return nothing
        raise
    if "test_accuracy" not in table or table.empty:
        return nothing
    table = table[(table["profile"] == "course") & table["test_accuracy"].notna()]
    parts = []
    for (notebook, data), part in table.groupby(["notebook", "data"], sort=True):
        # Of a notebook that was run again
        latest = part[part["finished"] == part["finished"].max()]
        rows = []
        for arm, group in latest.groupby("arm", sort=False):
            mean, sd = 100 * group["test_accuracy"].mean(), 100 * group["test_accuracy"].std()
            rows.append(
                (arm, f"{mean:.1f}" + (f" ± {sd:.1f}" if len(group) > 1 else ""), str(len(group)))
            )
        parts.append(
            html_table(
                ("", "test accuracy (%)", "seeds"),
                rows,
                f"Notebook {notebook[:2]}, {data}: no number of a paper",
            )
        )
    return "\n".join(parts) or nothing
