"""A sweep: one file that says many runs of one notebook, and what became of each of them.

    notebook: "04"
    profile: tiny                                  # or as SNNLAB_PROFILE says
    seeds: [0, 1, 2]                               # one run each
    parameters: {epochs: 30, seeds: 1}             # of all runs
    grid: {hidden: [[16], [16, 16]], max_delay: [6, 12]}     # all combinations
    configurations: {learned: {}, frozen: {lr_delays: 0}}    # each with all combinations

All keys but `notebook` may be missing. The runs go to runs/<stem of the file>/<hash>/seed=<seed>.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known, typed
from snnlab.course.config import NOTEBOOKS, Config, parse_parameters, read_parameters
from snnlab.runs import execute, manifest
from snnlab.runs.notebook_code import NotebookCode, notebook_code
from snnlab.runs.run import home, run_folder

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("notebook", "profile", "seeds", "parameters", "grid", "configurations")
# A file with more of them is most likely a mistake; to check so many takes two seconds
MAX_RUNS = 10_000


@dataclass(frozen=True, eq=False)
class SweepRun:
    """One run of a sweep.

    Attributes:
        configuration: its name, the same for all seeds; empty where there is one configuration
            only.
        config: every parameter; `out` is the folder.
        given: those of them that the notebook is told.
        notebook: its file.
        code: what stood in that file when the sweep was read.
    """

    configuration: str
    config: Config
    given: Mapping[str, Any]
    notebook: Path
    code: NotebookCode

    @property
    def name(self) -> str:
        """What a person calls it."""
        return ", ".join(filter(None, (self.configuration, f"seed={self.config.seed}")))

    @property
    def folder(self) -> Path:
        """Where it goes."""
        return Path(self.config.out)

    @property
    def done(self) -> bool:
        """Whether it has its result."""
        return execute.finished(self.notebook, self.config) is not None

    @property
    def state(self) -> str:
        """What became of it: new, begun (by a process that may be gone), failed or finished, and since when."""
        if found := execute.finished(self.notebook, self.config):
            return f"finished {found[1]}"
        content = manifest.read(self.folder)
        if not manifest.same(content, self.config, self.code):
            return "new"
        since = content["started"][-1]
        return (
            f"failed {content['finished']}" if content["status"] == "failed" else f"begun {since}"
        )


@dataclass(frozen=True)
class Sweep:
    """All runs of a file, in their order: configurations as they stand there, and the seeds of each."""

    path: Path
    notebook: Path
    runs: Sequence[SweepRun]

    @property
    def folder(self) -> Path:
        """Where all runs go."""
        return home() / "runs" / self.path.stem

    @property
    def left(self) -> list[SweepRun]:
        """The runs that have no result yet."""
        return [run for run in self.runs if not run.done]

    @property
    def note(self) -> str:
        """That runs with neighbouring seeds train some networks twice, if they do."""
        per_run = getattr(self.runs[0].config, "seeds", 1)
        seeds = sorted({run.config.seed for run in self.runs})
        if all(after - before >= per_run for before, after in itertools.pairwise(seeds)):
            return ""
        return (
            f"A run trains {per_run} networks of each kind, with as many seeds: those of neighbouring runs overlap. "
            "`parameters: {seeds: 1}` trains one."
        )


def read(path: Path, texts: Mapping[str, str] | None = None) -> Sweep:
    """The runs that a file says; all of them are checked.

    Args:
        path: the file.
        texts: parameters typed on a command line; they go before what stands in the file.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range, or two runs are
            the same.
    """
    content = read_parameters(path)
    for key in content:
        _said(path, "", known, key, KEYS, "key of a sweep")
    if "notebook" not in content:
        raise SnnlabError(
            f'{path}: says no notebook; a line such as `notebook: "04"` was expected.'
        )
    notebook = _said(path, "notebook", execute.find, str(content["notebook"]))
    stem = _said(path, "notebook", execute.kind_of, notebook)
    code = notebook_code(notebook)
    common = _parameters(path, "parameters", stem, content.get("parameters"))
    above = parse_parameters(stem, texts or {})
    if taken := {"seed", "out", "profile"} & above.keys():
        raise SnnlabError(
            f"-p {min(taken)}: a sweep has it from its file; write `seeds` or `profile` there."
        )
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or None in seeds:
        raise SnnlabError(
            f"{path}: seeds is {seeds!r}; expected a list of whole numbers, such as [0, 1, 2]."
        )
    planned, places = [], dict[Path, str]()
    grid = _parameters(path, "grid", stem, content.get("grid"), many=True)
    named = _mapping(path, "configurations", content.get("configurations")) or {"": {}}
    count = len(seeds) * len(named) * math.prod(len(values) for values in grid.values())
    if count > MAX_RUNS:
        raise SnnlabError(
            f"{path}: seeds, grid and configurations make {count:,} runs; expected at most "
            f"{MAX_RUNS:,}. Shorten the lists, or split the file."
        )
    for name, own in _configurations(path, stem, grid, named):
        for seed in seeds:
            given = {"profile": content.get("profile"), **common, **own, **above, "seed": seed}
            config = _said(path, name, execute.configure, notebook, given)
            folder = run_folder(config, path.stem, code)
            given |= {"profile": config.profile, "out": str(folder)}
            config = dataclasses.replace(config, out=str(folder))
            run = SweepRun(name, config, given, notebook, code)
            if folder in places:
                raise SnnlabError(
                    f"{path}: {places[folder]!r} and {run.name!r} are the same run, as nothing that decides about the result "
                    "tells them apart; remove one of them."
                )
            places[folder] = run.name
            planned.append(run)
    return Sweep(path, notebook, planned)


def _configurations(
    path: Path, stem: str, grid: Mapping[str, Sequence[Any]], named: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and parameters of each configuration."""
    for name, entries in named.items():
        own = _parameters(
            path, f"configurations, {name}" if name else "configurations", stem, entries
        )
        if twice := own.keys() & grid.keys():
            raise SnnlabError(
                f"{path}: {min(twice)} stands in grid and in configurations, {name}; keep one of them."
            )
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            parts = [name, *(f"{key}={value}" for key, value in point.items())]
            yield ", ".join(filter(None, parts)), own | point


def _parameters(
    path: Path, where: str, stem: str, found: Any, *, many: bool = False
) -> dict[str, Any]:
    """Parameters by name, each with a value, or, if many, with a list of them; all are checked one by one."""
    fields = {field.name: field for field in dataclasses.fields(NOTEBOOKS[stem])}
    content = _mapping(path, where, found)
    for name, value in content.items():
        _said(path, where, known, name, fields, f"parameter of {stem}")
        if name in ("seed", "out", "profile"):
            hint = {"seed": "write `seeds` beside it", "profile": "write it beside it"}.get(
                name, "it follows"
            )
            raise SnnlabError(
                f"{path}: {where} has {name}, which belongs to the whole sweep; {hint}."
            )
        if many and (not isinstance(value, list) or not value):
            raise SnnlabError(
                f"{path}: {where}, {name} is {value!r}; expected a list of the values that it takes."
            )
        for one in value if many else [value]:
            _said(path, where, typed, fields[name], one)
    return content


def _mapping(path: Path, where: str, found: Any) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SnnlabError(
            f"{path}: {where} is {found!r}; expected names, each with what belongs to it."
        )
    return dict(found)


def _said(path: Path, where: str, check: Any, *arguments: Any) -> Any:
    """What a check returns, or its sentence with the place in the file before it."""
    try:
        return check(*arguments)
    except SnnlabError as error:
        raise SnnlabError(f"{', '.join(filter(None, (str(path), where)))}: {error}") from error


def collected(sweep: Sweep) -> "pd.DataFrame | None":
    """What the runs of a sweep found, as `runs.collect` has it; None where none is finished."""
    if not any(run.done for run in sweep.runs):
        return None
    from snnlab.runs.collection import collect  # with pandas, which a sweep does not need before

    table = collect(sweep.folder)
    own = {str(run.folder / "result.json") for run in sweep.runs}
    return table[table["path"].isin(own)]
