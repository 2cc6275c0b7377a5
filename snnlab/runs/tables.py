"""Tables for people: results of several seeds, of one run or of many, and what is in a data set."""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from rich.table import Table

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import terminal_text
from snnlab._utils.files import given_path
from snnlab.runs.result import Result, arm, numbers

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text


def result_table(result: Result) -> Table:
    """One row a variant: accuracies, or else every number there is, as mean and standard deviation over the seeds.

    Controls, if the run kept any, stand below a line.
    """
    table = Table(
        title=terminal_text(f"{result.notebook}, profile {result.profile}", "table.title"),
        caption=terminal_text(
            f"Mean ± standard deviation over the seeds. Data: {result.data['note'] or result.data['name']}.",
            "table.caption",
        ),
    )
    measured = list(dict.fromkeys(name for entry in result.results for name in numbers(entry)))
    columns = [name for name in measured if name.endswith("accuracy")] or measured
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for name in columns:
        table.add_column(_heading(name), justify="right")
    for group in (result.results, result.more.get("controls", [])):
        for variant in dict.fromkeys(arm(entry) for entry in group):
            entries = [entry for entry in group if arm(entry) == variant]
            cells = [
                _cell(name, [entry[name] for entry in entries if name in entry]) for name in columns
            ]
            if any(cells):
                table.add_row(terminal_text(variant), str(len(entries)), *cells)
        table.add_section()
    return table


def summary_tables(summary: "pd.DataFrame") -> Iterator[Table]:
    """A table for each notebook, profile and data of `runs.summary`: a row for each configuration and arm.

    Cells are mean and standard deviation of accuracies, or else of every number there is.
    """
    for where, part in summary.groupby(level=["notebook", "profile", "data"], sort=False):
        keys = part.index.to_frame(index=False)
        varying = [name for name in keys if name == "arm" or keys[name].nunique(dropna=False) > 1]
        shown = keys[varying].astype(object).where(keys[varying].notna(), "")
        measured = [name for name in part.columns.unique(0) if part[name]["count"].any()]
        columns = [name for name in measured if name.endswith("accuracy")] or measured
        table = Table(
            title=terminal_text("{}, profile {}, data {}".format(*where), "table.title"),
            caption="Mean ± standard deviation over the seeds.",
        )
        for name in varying:
            table.add_column(terminal_text(name.removeprefix("config.")))
        table.add_column("seeds", justify="right")
        for name in columns:
            table.add_column(_heading(name), justify="right")
        for (_, row), cells in zip(part.iterrows(), shown.itertuples(index=False), strict=True):
            if seeds := max((int(row[name]["count"]) for name in columns), default=0):
                table.add_row(
                    *map(terminal_text, cells),
                    str(seeds),
                    *(_spread(name, *row[name]) for name in columns),
                )
        yield table


def data_table(path: str | Path) -> Table:
    """One column a file: how many recordings, speakers and classes it has, how long they are, how many spikes.

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
            f"{path}: holds no .h5 file; name a folder that `snnlab data` wrote, or a file."
        )
    columns = {file.stem: statistics(read_events(file)) for file in files}
    table = Table(
        title=terminal_text(path, "table.title"), caption="means, and smallest to largest"
    )
    for name in ("", *columns):
        table.add_column(terminal_text(name))
    for line in next(iter(columns.values())):
        table.add_row(line, *(column[line] for column in columns.values()))
    return table


def sets_table() -> Table:
    """One row a data set that snnlab knows: what it is, its size, licence and citation, and where it is. No file of it is opened."""
    from snnlab.data.datasets.catalogue import DATASETS

    table = Table(title="Data sets", show_lines=True)
    table.add_column("set", no_wrap=True)
    table.add_column(
        "what it is, its size, licence, whom to cite, and where it is", overflow="fold"
    )
    for one in DATASETS.values():
        whole, words = one.state()
        lines = terminal_text(f"{one.title}\n")
        lines += terminal_text(
            f"to fetch {one.download}, unpacked {one.unpacked}; {one.licence}; {one.cite}\n", "dim"
        )
        lines += terminal_text(words, "green" if whole else "yellow")
        if one.folder.exists():
            lines += terminal_text(f"  {one.folder}")
        table.add_row(one.name, lines)
    return table


def target_tables(found: "pd.DataFrame") -> Iterator[Table]:
    """A table for each table and figure of the papers in `snnlab.runs.papers.targets.table`: each row with what was measured of it."""
    from snnlab.runs.papers.targets import outcome  # with papermill, which no other table needs

    for (paper, name), part in found.groupby(["paper", "table"], sort=False):
        table = Table(title=terminal_text(f"{name} ({paper})", "table.title"), show_lines=True)
        for column in ("row", "protocol", "published", "measured", "seeds", "status"):
            table.add_column(column, overflow="fold")
        for _, row in part.iterrows():
            published = f"{row['published']}\n{row['source']}"
            cells = (
                row["row"],
                row["protocol"],
                published,
                row["measured"],
                row["seeds"],
                outcome(row),
            )
            table.add_row(*map(terminal_text, cells))
        yield table


def _heading(name: str) -> "Text":
    return terminal_text(name.replace("_", " ") + (" (%)" if name.endswith("accuracy") else ""))


def _spread(name: str, mean: float, std: float, count: float) -> str:
    """`81.2 ± 1.3`, without a spread where there is one seed or all are the same, and nothing where there is none."""
    scale = 100 if name.endswith("accuracy") else 1
    alone = count < 2 or std == 0
    digits = 1 if scale == 100 or abs(mean) >= 10 else 3
    if alone and scale == 1 and float(mean).is_integer():
        digits = 0
    numbers = [mean, std][: 0 if count == 0 else 1 if alone else 2]
    return " ± ".join(f"{scale * number:,.{digits}f}" for number in numbers)


def _cell(name: str, values: list[float]) -> str:
    """`81.2 ± 1.3`; only one number where all are the same, or there is one seed."""
    if name.endswith("accuracy"):
        values = [100 * value for value in values]
    if not values:
        return ""
    if len(set(values)) == 1:
        only = values[0]
        return f"{only:,}" if isinstance(only, int) else f"{only:.1f}"
    return f"{mean(values):.1f} ± {stdev(values):.1f}"
