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
from pathlib import Path
from typing import Any, get_args, get_origin

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, whole_number
from snnlab._utils.files import plain
from snnlab.course.config import known_parameter, parameters_of
from snnlab.runs.execute import NotebookRun
from snnlab.runs.sweep.sweep import SweepFile

SETTINGS = ("trials", "arm", "maximise")
RANGE = ("low", "high", "log", "step")
MEASURED, HELD_OUT = "valid_accuracy", "held-out"


class Search(SweepFile):
    """The ranges and lists of a file, and what all trials share.

    Args:
        path: the file.
        texts: parameters typed on a command line; they override those in the file.

    Attributes:
        drawn: for each parameter that is drawn, a list of values, or a range with `low`, `high`.
        trials: how many there are in the end.
        arm: whose accuracy counts; empty where a run has only one.
        number: of the results, which is maximised.

    Raises:
        SnnlabError: something in the file is unknown, ill-typed or out of range, or what is
            maximised was not measured on validation data.
    """

    command = "search"
    keys = (*SweepFile.keys, "search")

    def __init__(self, path: Path, texts: Mapping[str, str] | None = None) -> None:
        super().__init__(path, texts)
        settings, grid = self.content["search"], self.content.get("grid")
        if not isinstance(settings, dict):
            raise SnnlabError(
                f"{path}: search is {settings!r}; expected {{trials: 20}}, for instance."
            )
        for key in settings:
            self.checked("search", known, key, SETTINGS, "key of a search")
        trials = settings.get("trials")
        self.trials: int = self.checked("search", whole_number, "trials", trials, 1, 100_000)
        self.number = str(settings.get("maximise", MEASURED))
        self.arm = str(settings.get("arm", ""))
        if not self.number.startswith("valid"):
            raise SnnlabError(
                f"{path}: search, maximise is {self.number!r}; expected {MEASURED}. A search that "
                "maximises the accuracy on other data chooses on them, and the accuracy of its "
                "best trial says nothing about new data."
            )
        if len(self.seeds) > 1:
            raise SnnlabError(
                f"{path}: seeds is {self.seeds!r}; a search has one. Train several networks a "
                "trial with `parameters: {seeds: 3}`."
            )
        if not isinstance(grid, dict) or not grid:
            raise SnnlabError(
                f"{path}: grid is {grid!r}; expected parameters to draw, each with a list of "
                "values or a range such as {low: 0.001, high: 0.1, log: true}."
            )
        lists = {name: values for name, values in grid.items() if not isinstance(values, dict)}
        self.parameters("grid", lists, lists=True)
        ranges = {name: self._range(name, grid[name]) for name in grid.keys() - lists.keys()}
        self.drawn: dict[str, Any] = {name: ranges.get(name, grid[name]) for name in grid}
        if twice := grid.keys() & (self.shared.keys() | self.overrides.keys()):
            raise SnnlabError(f"{path}: {min(twice)} is drawn from grid and given; keep one.")
        protocols = grid.get("protocol", [getattr(self.example.config, "protocol", HELD_OUT)])
        if protocols != [HELD_OUT]:
            raise SnnlabError(
                f"{path}: protocol is not held-out, so that the validation data are the test data; "
                "expected the protocol held-out for a search."
            )

    @property
    def seed(self) -> int:
        """Seed of all runs, and of the draws."""
        return int(self.seeds[0] or 0)

    @property
    def identity(self) -> str:
        """Hash of all that decides about a trial but for its draw."""
        shared = [self.shared, self.overrides, self.code.sha256, self.seed]
        content = [*shared, self.drawn, self.arm, self.number]
        text = json.dumps(content, sort_keys=True, default=plain)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def type_of(self, name: str) -> tuple[Any, bool]:
        """Return the type of a parameter or of its items, and whether it is a list of them."""
        kind = parameters_of(self.kind)[name].type
        many = get_origin(kind) is tuple
        return (get_args(kind)[0] if many else kind), many

    def values(self, draw: Mapping[str, Any]) -> dict[str, Any]:
        """Return what optuna drew as parameters; values of a list are drawn as JSON."""
        return {
            name: json.loads(value)
            if isinstance(self.drawn[name], list)
            else [value]
            if self.type_of(name)[1]
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
        return self.make_run(name, values, self.seeds[0])

    def _range(self, name: str, ends: Mapping[str, Any]) -> dict[str, Any]:
        """Check a range, and both ends as values of the parameter."""
        where = f"grid, {name}"
        for key in ends:
            self.checked(where, known, key, RANGE, "key of a range")
        low, high = (ends.get(end) for end in ("low", "high"))
        item_type, many = self.type_of(self.checked("grid", known_parameter, name, self.kind))
        for end in (low, high):
            if end is not None:
                self.parameters("grid", {name: [end] if many else end})
        if item_type not in (int, float) or low is None or high is None or not low < high:
            raise SnnlabError(
                f"{self.path}: {where} is {dict(ends)!r}; expected numbers low < high, or a list "
                "of values."
            )
        log, step = ends.get("log", False), ends.get("step")
        if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
            raise SnnlabError(f"{self.path}: {where}, log needs a low above 0, and no step.")
        if step is None:  # as a line `step:` without a value is
            return {key: value for key, value in ends.items() if key != "step"}
        width = high - low
        if not (is_number(step) and item_type(step) == step and 1e-9 * width <= step <= width):
            number = "whole number" if item_type is int else "number"
            raise SnnlabError(
                f"{self.path}: {where}, step is {step!r}; expected a {number} up to high - low, "
                "above a billionth of it."
            )
        return {**ends, "step": int(step) if item_type is int else step}


def short(value: Any) -> str:
    """Return a parameter as text, with four digits of each number."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(short, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
