"""A sweep: one file that describes many runs of one notebook.

    notebook: "04"
    profile: tiny                                  # or as SNNLAB_PROFILE says
    seeds: [0, 1, 2]                               # one run each
    parameters: {epochs: 30, seeds: 1}             # of all runs
    grid: {hidden: [[16], [16, 16]], max_delay: [6, 12]}     # all combinations
    configurations: {learned: {}, frozen: {lr_delays: 0}}    # each with all combinations

All keys but `notebook` may be missing. The runs go to runs/<stem of the file>/<hash>/seed=<seed>.
"""

import itertools
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.fields import known, typed
from snnlab._utils.places import runs_folder
from snnlab.course.config import (
    Profiles,
    known_parameter,
    parameters_of,
    parse_parameters,
    read_parameters,
)
from snnlab.runs import execute, sharing
from snnlab.runs.execute import NotebookRun
from snnlab.runs.notebook_code import NotebookCode, notebook_code

if TYPE_CHECKING:
    import pandas as pd

SHARED = ("notebook", "profile", "seeds", "parameters", "grid")
KEYS = {"sweep": (*SHARED, "configurations"), "search": (*SHARED, "search")}
# A file with more runs is most likely a mistake, and they take two seconds to check
MAX_RUNS = 10_000
# Parameters of the whole sweep, and where they belong
RESERVED = {
    "seed": "write `seeds` beside it",
    "profile": "write it beside it",
    "out": "it follows",
}


@dataclass(frozen=True)
class Sweep:
    """All runs of a file, in the order of its configurations, and the seeds of each.

    Attributes:
        path: the file.
        notebook: file of the notebook.
        runs: all runs.
    """

    path: Path
    notebook: Path
    runs: Sequence[NotebookRun]

    @property
    def folder(self) -> Path:
        """Folder of all runs."""
        return runs_folder() / self.path.stem

    @property
    def left(self) -> list[NotebookRun]:
        """The runs that have no result yet, in no sweep."""
        return [run for run in self.runs if not (run.finished or sharing.identical(run))]

    def share(self) -> None:
        """Copy the results of identical runs that other sweeps have finished."""
        for run in self.runs:
            sharing.finished_or_shared(run)

    @property
    def note(self) -> str:
        """A warning where runs with neighbouring seeds train the same networks, or ""."""
        per_run = getattr(self.runs[0].config, "seeds", 1)
        seeds = sorted({run.config.seed for run in self.runs})
        if all(after - before >= per_run for before, after in itertools.pairwise(seeds)):
            return ""
        return (
            f"A run trains {per_run} networks of each kind, with as many seeds: those of "
            "neighbouring runs overlap. `parameters: {seeds: 1}` trains one."
        )


@dataclass(frozen=True)
class SweepFile:
    """The content of a file, from which its runs are made.

    Attributes:
        path: the file.
        notebook: file of the notebook.
        code: of the notebook now.
        kind: parameters of the notebook, with their values in each profile.
        content: of the file, by key.
        shared: profile and parameters of all runs.
        overrides: parameters typed on a command line.
        seeds: of the runs.
    """

    path: Path
    notebook: Path
    code: NotebookCode
    kind: Profiles
    content: Mapping[str, Any]
    shared: Mapping[str, Any]
    overrides: Mapping[str, Any]
    seeds: Sequence[Any]

    def run(self, name: str, own: Mapping[str, Any], seed: Any) -> NotebookRun:
        """Make and check a run.

        Args:
            name: of its configuration.
            own: parameters of the configuration.
            seed: of the run.

        Raises:
            SnnlabError: a parameter is out of range, or nothing reads it beside the others.
        """
        given = {**self.shared, **own, **self.overrides, "seed": seed}
        stem = self.path.stem
        run: NotebookRun = checked(self.path, name, execute.plan, self.notebook, given, stem, name)
        return run


def open_file(
    path: Path, texts: Mapping[str, str] | None = None, command: str = "sweep"
) -> SweepFile:
    """Read a file, and check all but its grid and configurations.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.
        command: that reads it, "sweep" or "search".

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range.
    """
    content = read_parameters(path)
    if ("search" in content) != (command == "search"):
        other = "sweep" if command == "search" else "search"
        line = shlex.join(["snnlab", other, str(path)])
        raise SnnlabError(f"{path}: holds a {other}; run it with `{line}`.")
    for key in content:
        checked(path, "", known, key, KEYS[command], f"key of a {command}")
    if "notebook" not in content:
        raise SnnlabError(
            f'{path}: says no notebook; a line such as `notebook: "04"` was expected.'
        )
    notebook = checked(path, "notebook", execute.find, str(content["notebook"]))
    kind = checked(path, "notebook", execute.profiles_of, notebook)
    common = parameters(path, "parameters", kind, content.get("parameters"))
    overrides = parse_parameters(kind, texts or {})
    if reserved := RESERVED.keys() & overrides.keys():
        raise SnnlabError(
            f"-p {min(reserved)}: a sweep has it from its file; write `seeds` or `profile` there."
        )
    seeds = content.get("seeds", [0] if "seed" in parameters_of(kind) else [None])
    if not isinstance(seeds, list) or not seeds or ("seeds" in content and None in seeds):
        raise SnnlabError(
            f"{path}: seeds is {seeds!r}; expected a list of whole numbers, such as [0, 1, 2]."
        )
    shared = {"profile": content.get("profile"), **common}
    return SweepFile(
        path, notebook, notebook_code(notebook), kind, content, shared, overrides, seeds
    )


def read(path: Path, texts: Mapping[str, str] | None = None) -> Sweep:
    """Read the runs in a file, and check all of them.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.

    Returns:
        The sweep.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range, or two runs are
            the same.
    """
    file = open_file(path, texts)
    content, kind, seeds = file.content, file.kind, file.seeds
    grid = parameters(path, "grid", kind, content.get("grid"), lists=True)
    named = _mapping(path, "configurations", content.get("configurations")) or {"": {}}
    count = len(seeds) * len(named) * math.prod(len(values) for values in grid.values())
    if count > MAX_RUNS:
        raise SnnlabError(
            f"{path}: seeds, grid and configurations make {count:,} runs; expected at most "
            f"{MAX_RUNS:,}. Shorten the lists, or split the file."
        )
    runs: dict[Path, NotebookRun] = {}
    if twice := grid.keys() & file.overrides.keys():
        raise SnnlabError(
            f"-p {min(twice)}: grid has values for it; leave -p out, or change them in {path}."
        )
    configurations = _configurations(path, kind, grid, named)
    for (name, own), seed in itertools.product(configurations, seeds):
        run = file.run(name, own, seed)
        if run.dir in runs:
            raise SnnlabError(
                f"{path}: {runs[run.dir].name!r} and {run.name!r} are the same run, as nothing "
                "that decides about the result tells them apart; remove one of them."
            )
        runs[run.dir] = run
    return Sweep(path, file.notebook, [*runs.values()])


def _configurations(
    path: Path, kind: Profiles, grid: Mapping[str, Sequence[Any]], named: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and parameters of each configuration."""
    for name, entries in named.items():
        where = f"configurations, {name}" if name else "configurations"
        own = parameters(path, where, kind, entries)
        if twice := own.keys() & grid.keys():
            raise SnnlabError(f"{path}: {min(twice)} stands in grid and in {where}; keep one.")
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            parts = [name, *(f"{key}={value}" for key, value in point.items())]
            yield ", ".join(filter(None, parts)), own | point


def parameters(
    path: Path, where: str, kind: Profiles, entries: Any, *, lists: bool = False
) -> dict[str, Any]:
    """Check parameters one by one, each with a value, or with a list of values."""
    fields = parameters_of(kind)
    content = _mapping(path, where, entries)
    for name, value in content.items():
        checked(path, where, known_parameter, name, kind)
        if name in RESERVED:
            raise SnnlabError(
                f"{path}: {where} has {name}, which belongs to the whole sweep; {RESERVED[name]}."
            )
        if lists and (not isinstance(value, list) or not value):
            raise SnnlabError(f"{path}: {where}, {name} is {value!r}; expected a list of values.")
        for one in value if lists else [value]:
            checked(path, where, typed, fields[name], one)
    return content


def _mapping(path: Path, where: str, entries: Any) -> dict[str, Any]:
    if not isinstance(entries, dict | None):
        raise SnnlabError(f"{path}: {where} is {entries!r}; expected names with their values.")
    return entries or {}


def checked(path: Path, where: str, check: Any, *arguments: Any) -> Any:
    """Return what a check returns; an error of it names the place in the file."""
    with errors_at(", ".join(filter(None, (str(path), where)))):
        return check(*arguments)


def collected(sweep: Sweep) -> "pd.DataFrame | None":
    """Return the results of a sweep as `runs.collect` does; None where no run is finished."""
    if not any(run.finished for run in sweep.runs):
        return None
    from snnlab.runs.collection import read_results  # with pandas, which is needed only here

    return read_results(sweep.folder, only={run.dir for run in sweep.runs}).table
