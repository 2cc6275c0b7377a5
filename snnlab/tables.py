"""Tables for people: results of several seeds, and what is in a data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.markup import escape
from rich.table import Table

from snnlab.errors import SnnlabError
from snnlab.runs import Result, arm


def result_table(result: Result) -> Table:
    """One row a variant: accuracies, or else every number there is, as mean and standard deviation over the seeds.

    Controls, if the run kept any, stand below a line.
    """
    table = Table(
        title=f"{result.notebook}, profile {result.profile}",
        caption=f"Mean ± standard deviation over the seeds. Data: {result.data['note'] or result.data['name']}.",
    )
    numbers = list(dict.fromkeys(name for entry in result.results for name in _numbers(entry)))
    columns = [name for name in numbers if name.endswith("accuracy")] or numbers
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for name in columns:
        table.add_column(name.replace("_", " ") + (" (%)" if name.endswith("accuracy") else ""), justify="right")
    for group in (result.results, result.more.get("controls", [])):
        for variant in dict.fromkeys(arm(entry) for entry in group):
            entries = [entry for entry in group if arm(entry) == variant]
            cells = [_cell(name, [entry[name] for entry in entries if name in entry]) for name in columns]
            if any(cells):
                table.add_row(variant, str(len(entries)), *cells)
        table.add_section()
    return table


def sweep_table(title: str, found: Mapping[str, tuple[Sequence[Result], int]]) -> Table:
    """One row a configuration and variant: accuracies, or else every number, as mean and standard deviation over seeds.

    Args:
        title: of the table.
        found: for each configuration the results that there are, and of how many runs. A seed that several of these
            runs trained counts once.
    """
    table = Table(title=title, caption="Mean ± standard deviation over the seeds.")
    entries = {name: [entry for result in results for entry in result.results] for name, (results, _) in found.items()}
    numbers = list(dict.fromkeys(name for some in entries.values() for entry in some for name in _numbers(entry)))
    columns = [name for name in numbers if name.endswith("accuracy")] or numbers
    table.add_column("configuration")
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for name in columns:
        table.add_column(name.replace("_", " ") + (" (%)" if name.endswith("accuracy") else ""), justify="right")
    for configuration, (results, runs) in found.items():
        label = escape(configuration) + (f" ({len(results)} of {runs} runs)" if len(results) < runs else "")
        for variant in dict.fromkeys(arm(entry) for entry in entries[configuration]) or [""]:
            seeds = {entry["seed"]: entry for entry in reversed(entries[configuration]) if arm(entry) == variant}
            cells = [_cell(name, [entry[name] for entry in seeds.values() if name in entry]) for name in columns]
            table.add_row(label, variant, str(len(seeds)), *cells)
            label = ""
        table.add_section()
    return table


def data_table(path: str | Path) -> Table:
    """One column a file: how many recordings, speakers and classes it has, how long they are, how many spikes.

    Args:
        path: a file in SHD's layout, or a folder of them.

    Raises:
        SnnlabError: there is none, or one is damaged.
    """
    from snnlab.data.events import read_events  # h5py and numpy, which no other table needs
    from snnlab.data.spoken_digits import statistics

    path = Path(path).expanduser()
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    if not files:
        raise SnnlabError(f"{path}: holds no .h5 file; name a folder that `snnlab data` wrote, or a file.")
    columns = {file.stem: statistics(read_events(file)) for file in files}
    table = Table("", *columns, title=str(path), caption="means, and smallest to largest")
    for line in next(iter(columns.values())):
        table.add_row(line, *(column[line] for column in columns.values()))
    return table


def _numbers(entry: dict[str, Any]) -> list[str]:
    return [
        name
        for name, value in entry.items()
        if name != "seed" and isinstance(value, int | float) and not isinstance(value, bool)
    ]


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
