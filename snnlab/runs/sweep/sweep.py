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
from snnlab.runs.notebook_code import notebook_code

if TYPE_CHECKING:
    import pandas as pd

# A file with more runs is most likely a mistake, and they take two seconds to check
MAX_RUNS = 10_000
# Parameters of the whole sweep, and where they belong
RESERVED = {
    "seed": "write `seeds` beside it",
    "profile": "write it beside it",
    "out": "it follows",
}


class SweepFile:
    """A file of runs: all that a sweep and a search have in common.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.

    Attributes:
        path: the file.
        content: of the file, by key.
        notebook: file of the notebook.
        code: of the notebook now.
        kind: parameters of the notebook, with their values in each profile.
        shared: profile and parameters of all runs.
        overrides: parameters typed on a command line.
        seeds: of the runs.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range.
    """

    command = "sweep"
    keys: tuple[str, ...] = ("notebook", "profile", "seeds", "parameters", "grid")

    def __init__(self, path: Path, texts: Mapping[str, str] | None = None) -> None:
        content = read_parameters(path)
        self.path, self.content = path, content
        if ("search" in content) != (self.command == "search"):
            other = "sweep" if self.command == "search" else "search"
            line = shlex.join(["snnlab", other, str(path)])
            raise SnnlabError(f"{path}: holds a {other}; run it with `{line}`.")
        for key in content:
            self.checked("", known, key, self.keys, f"key of a {self.command}")
        if "notebook" not in content:
            raise SnnlabError(
                f'{path}: says no notebook; a line such as `notebook: "04"` was expected.'
            )
        self.notebook: Path = self.checked("notebook", execute.find, str(content["notebook"]))
        self.code = notebook_code(self.notebook)
        self.kind: Profiles = self.checked("notebook", execute.profiles_of, self.notebook)
        common = self.parameters("parameters", content.get("parameters"))
        self.shared = {"profile": content.get("profile"), **common}
        self.overrides = parse_parameters(self.kind, texts or {})
        if reserved := RESERVED.keys() & self.overrides.keys():
            raise SnnlabError(
                f"-p {min(reserved)}: a sweep has it from its file; write `seeds` or `profile` "
                "there."
            )
        seeds = content.get("seeds", [0] if "seed" in parameters_of(self.kind) else [None])
        if not isinstance(seeds, list) or not seeds or ("seeds" in content and None in seeds):
            raise SnnlabError(
                f"{path}: seeds is {seeds!r}; expected a list of whole numbers, such as [0, 1, 2]."
            )
        for seed in seeds if "seeds" in content else ():
            self.checked("seeds", known_parameter, "seed", self.kind)
            self.checked("seeds", typed, parameters_of(self.kind)["seed"], seed)
        self.seeds = seeds

    @property
    def folder(self) -> Path:
        """Folder of all runs."""
        return runs_folder() / self.path.stem

    def checked(self, where: str, check: Any, *arguments: Any) -> Any:
        """Return what a check returns; an error of it names the place in the file."""
        with errors_at(", ".join(filter(None, (str(self.path), where)))):
            return check(*arguments)

    def parameters(self, where: str, entries: Any, *, lists: bool = False) -> dict[str, Any]:
        """Check parameters one by one, each with a value, or with a list of values."""
        fields = parameters_of(self.kind)
        content = self._mapping(where, entries)
        for name, value in content.items():
            self.checked(where, known_parameter, name, self.kind)
            if name in RESERVED:
                raise SnnlabError(
                    f"{self.path}: {where} has {name}, which belongs to the whole sweep; "
                    f"{RESERVED[name]}."
                )
            if lists and (not isinstance(value, list) or not value):
                raise SnnlabError(
                    f"{self.path}: {where}, {name} is {value!r}; expected a list of values."
                )
            for one in value if lists else [value]:
                self.checked(where, typed, fields[name], one)
        return content

    def _mapping(self, where: str, entries: Any) -> dict[str, Any]:
        """Return names with their values, none where the file has nothing."""
        if not isinstance(entries, dict | None):
            raise SnnlabError(
                f"{self.path}: {where} is {entries!r}; expected names with their values."
            )
        return entries or {}

    def make_run(self, name: str, own: Mapping[str, Any], seed: Any) -> NotebookRun:
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
        run: NotebookRun = self.checked(name, execute.plan, self.notebook, given, stem, name)
        return run


class Sweep(SweepFile):
    """All runs of a file, in the order of its configurations, and the seeds of each.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.

    Attributes:
        runs: all runs.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range, or two runs are
            the same.
    """

    keys = (*SweepFile.keys, "configurations")

    def __init__(self, path: Path, texts: Mapping[str, str] | None = None) -> None:
        super().__init__(path, texts)
        grid = self.parameters("grid", self.content.get("grid"), lists=True)
        named = self._mapping("configurations", self.content.get("configurations")) or {"": {}}
        count = len(self.seeds) * len(named) * math.prod(len(values) for values in grid.values())
        if count > MAX_RUNS:
            raise SnnlabError(
                f"{path}: seeds, grid and configurations make {count:,} runs; expected at most "
                f"{MAX_RUNS:,}. Shorten the lists, or split the file."
            )
        if twice := grid.keys() & self.overrides.keys():
            raise SnnlabError(
                f"-p {min(twice)}: grid has values for it; leave -p out, or change them in {path}."
            )
        runs: dict[Path, NotebookRun] = {}
        configurations = self._configurations(grid, named)
        for (name, own), seed in itertools.product(configurations, self.seeds):
            run = self.make_run(name, own, seed)
            if run.dir in runs:
                raise SnnlabError(
                    f"{path}: {runs[run.dir].name!r} and {run.name!r} are the same run, as "
                    "nothing that decides about the result tells them apart; remove one of them."
                )
            runs[run.dir] = run
        self.runs = [*runs.values()]

    def _configurations(
        self, grid: Mapping[str, Sequence[Any]], named: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield name and parameters of each configuration."""
        for name, entries in named.items():
            where = f"configurations, {name}" if name else "configurations"
            own = self.parameters(where, entries)
            if twice := own.keys() & grid.keys():
                raise SnnlabError(
                    f"{self.path}: {min(twice)} stands in grid and in {where}; keep one."
                )
            for values in itertools.product(*grid.values()):
                point = dict(zip(grid, values, strict=True))
                parts = [name, *(f"{key}={value}" for key, value in point.items())]
                yield ", ".join(filter(None, parts)), own | point

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

    def collected(self) -> "pd.DataFrame | None":
        """Return the results as `runs.collect` does; None where no run is finished."""
        if not any(run.finished for run in self.runs):
            return None
        from snnlab.runs.collection import read_results  # with pandas, which is needed only here

        return read_results(self.folder, only={run.dir for run in self.runs}).table
