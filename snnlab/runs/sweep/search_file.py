"""A search: one file that describes ranges of parameters, from which optuna draws trials.

    notebook: "04"
    profile: tiny
    seeds: [0]                                     # of all runs, and of the draws
    parameters: {seeds: 1, tau_ms: [20.1]}         # of all trials
    grid:                                          # what is drawn, from a range or a list
      lr_weights: {low: 0.003, high: 0.1, log: true}
      max_delay: {low: 4, high: 24, step: 2}
      hidden: [[16], [16, 16]]
    search: {trials: 20, arm: learned}             # maximises the validation accuracy of `learned`

Of a parameter that is a list, such as tau_ms, a range draws a list of one number. `seeds` and
`arm` may be missing, the latter where a run has one arm only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, typed, whole_number
from snnlab._utils.files import plain
from snnlab._utils.places import runs_folder
from snnlab.course.config import Profiles, known_parameter, parameters_of
from snnlab.runs.execute import NotebookRun
from snnlab.runs.sweep.sweep import SweepFile, checked, open_file, parameters

SETTINGS = ("trials", "arm", "maximise")
RANGE = ("low", "high", "log", "step")
MEASURED, HELD_OUT = "valid_accuracy", "held-out"


@dataclass(frozen=True)
class Search:
    """The content of a file.

    Attributes:
        file: what all trials share.
        drawn: for each parameter that is drawn, a list of values, or a range with `low`, `high`.
        trials: how many there are in the end.
        arm: whose accuracy counts; empty where a run has only one.
        number: of the results, which is maximised.
    """

    file: SweepFile
    drawn: Mapping[str, Any]
    trials: int
    arm: str
    number: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def notebook(self) -> Path:
        """File of the notebook."""
        return self.file.notebook

    @property
    def folder(self) -> Path:
        """Folder of all runs."""
        return runs_folder() / self.path.stem

    @property
    def seed(self) -> int:
        """Seed of all runs, and of the draws."""
        return int(self.file.seeds[0] or 0)

    @property
    def identity(self) -> str:
        """Hash of all that decides about a trial but for its draw."""
        shared = [self.file.shared, self.file.overrides, self.file.code.sha256, self.seed]
        content = [*shared, self.drawn, self.arm, self.number]
        text = json.dumps(content, sort_keys=True, default=plain)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def type_of(self, name: str) -> Any:
        """Return the type of a parameter; of one that is a list, that of its items."""
        kind = parameters_of(self.file.kind)[name].type
        return get_args(kind)[0] if get_origin(kind) is tuple else kind

    def values(self, draw: Mapping[str, Any]) -> dict[str, Any]:
        """Return what optuna drew as parameters; values of a list are drawn as JSON."""
        fields = parameters_of(self.file.kind)
        return {
            name: json.loads(value)
            if isinstance(self.drawn[name], list)
            else [value]
            if get_origin(fields[name].type) is tuple
            else value
            for name, value in draw.items()
        }

    @property
    def example(self) -> NotebookRun:
        """A run with the lowest value of each range, and the first of each list."""
        draw = {
            name: json.dumps(one[0]) if isinstance(one, list) else one["low"]
            for name, one in self.drawn.items()
        }
        return self.run(0, draw)

    def run(self, trial: int, draw: Mapping[str, Any]) -> NotebookRun:
        """Make the run of a trial.

        Raises:
            SnnlabError: the drawn values do not go together.
        """
        values = self.values(draw)
        name = ", ".join(
            [f"trial {trial}", *(f"{key}={short(one)}" for key, one in values.items())]
        )
        return self.file.run(name, values, self.file.seeds[0])


def short(value: Any) -> str:
    """Return a parameter as text, with four digits of each number."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(short, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_search(path: Path, texts: Mapping[str, str] | None = None) -> Search:
    """Read a search, and check it.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range, or what is
            maximised was not measured on validation data.
    """
    file = open_file(path, texts, "search")
    settings, grid = file.content["search"], file.content.get("grid")
    if not isinstance(settings, dict):
        raise SnnlabError(f"{path}: search is {settings!r}; expected {{trials: 20}}, for instance.")
    for key in settings:
        checked(path, "search", known, key, SETTINGS, "key of a search")
    trials = checked(path, "search", whole_number, "trials", settings.get("trials"), 1, 100_000)
    number, arm = settings.get("maximise", MEASURED), str(settings.get("arm", ""))
    if not str(number).startswith("valid"):
        raise SnnlabError(
            f"{path}: search, maximise is {number!r}; expected {MEASURED}. A search that maximises "
            "the accuracy on other data chooses on them, and the accuracy of its best trial says "
            "nothing about new data."
        )
    if len(file.seeds) > 1:
        raise SnnlabError(
            f"{path}: seeds is {file.seeds!r}; a search has one. Train several networks a trial "
            "with `parameters: {seeds: 3}`."
        )
    if "seeds" in file.content:
        checked(path, "seeds", known_parameter, "seed", file.kind)
        checked(path, "seeds", typed, parameters_of(file.kind)["seed"], file.seeds[0])
    if not isinstance(grid, dict) or not grid:
        raise SnnlabError(
            f"{path}: grid is {grid!r}; expected parameters to draw, each with a list of values or "
            "a range such as {low: 0.001, high: 0.1, log: true}."
        )
    lists = {name: values for name, values in grid.items() if not isinstance(values, dict)}
    parameters(path, "grid", file.kind, lists, lists=True)
    for name in grid.keys() - lists.keys():
        _check_range(path, file.kind, name, grid[name])
    if twice := grid.keys() & (file.shared.keys() | file.overrides.keys()):
        raise SnnlabError(f"{path}: {min(twice)} is drawn from grid and given; keep one.")
    search = Search(file, grid, trials, arm, str(number))
    protocols = grid.get("protocol", [getattr(search.example.config, "protocol", HELD_OUT)])
    if protocols != [HELD_OUT]:
        raise SnnlabError(
            f"{path}: protocol is not held-out, so that the validation data are the test data; "
            "expected the protocol held-out for a search."
        )
    return search


def _check_range(path: Path, kind: Profiles, name: str, ends: Mapping[str, Any]) -> None:
    """Check a range, and both ends as values of the parameter."""
    where = f"grid, {name}"
    for key in ends:
        checked(path, where, known, key, RANGE, "key of a range")
    low, high = (ends.get(end) for end in ("low", "high"))
    fields = parameters_of(kind)
    field = fields[checked(path, "grid", known_parameter, name, kind)]
    many = get_origin(field.type) is tuple
    for end in (low, high):
        if end is not None:
            parameters(path, "grid", kind, {name: [end] if many else end})
    item_type = get_args(field.type)[0] if many else field.type
    if item_type not in (int, float) or low is None or high is None or not low < high:
        raise SnnlabError(
            f"{path}: {where} is {dict(ends)!r}; expected numbers low < high, or a list of values."
        )
    log, step = ends.get("log", False), ends.get("step")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise SnnlabError(f"{path}: {where}, log needs a low above 0, and no step.")
    width = high - low
    fits = is_number(step) and isinstance(step, int | item_type) and 1e-9 * width <= step <= width
    if step is not None and not fits:
        number = "whole number" if item_type is int else "number"
        raise SnnlabError(
            f"{path}: {where}, step is {step!r}; expected a {number} up to high - low, above a "
            "billionth of it."
        )
