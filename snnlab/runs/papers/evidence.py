"""Match the results below a folder with the configurations of the files in params/."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import plain
from snnlab._utils.places import course_file
from snnlab.course.config import NOTEBOOKS, Config, parameters_of, read_parameters
from snnlab.runs import execute
from snnlab.runs.collection import runs_below
from snnlab.runs.papers.published import data_mismatch
from snnlab.runs.papers.rows import NOTEBOOK
from snnlab.runs.result import Result, arm, load_result, numbers
from snnlab.runs.summaries import RUN_PARAMETERS
from snnlab.runs.sweep import sweep

# not compared, as the result's record of its data is
DATA_PARAMETERS = {"profile", "data", "events_folder", "pictures_folder"}


@dataclass(frozen=True)
class MeasuredNetwork:
    """A network of a result.

    Attributes:
        finished: when its run was.
        seed: of the network.
        numbers: that were measured, by name.
    """

    finished: str
    seed: int
    numbers: Mapping[str, float]


@dataclass
class ConfigEvidence:
    """The networks of one configuration of a file.

    Attributes:
        planned: seeds that the file asks for.
        networks: by their name in a result.
        left_out: number of runs that do not count, by reason.
    """

    planned: set[int] = field(default_factory=set)
    networks: dict[str, list[MeasuredNetwork]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def values(self, arm: str, number: str) -> dict[int, float]:
        """Return a number by seed; of a seed that was run again, the latest run counts."""
        networks = sorted(self.networks.get(arm, ()), key=lambda network: network.finished)
        return {net.seed: net.numbers[number] for net in networks if number in net.numbers}


def planned(file: str) -> dict[str, tuple[Config, set[int]]]:
    """Return the configurations of a file in params/ by name, and the seeds of each.

    Args:
        file: its name without suffix.

    Raises:
        SnnlabError: there is no such file, or something in it is wrong.
    """
    path = course_file(f"params/{file}.yaml")
    given = read_parameters(path)
    if "notebook" in given:
        named = [(run.configuration, run.config) for run in sweep.Sweep(path).runs]
    else:
        notebook = execute.find(NOTEBOOK[file[: len("pipe_s")]])
        named = [("", execute.plan(notebook, {"profile": "paper", **given}).config)]
    configurations: dict[str, tuple[Config, set[int]]] = {}
    for name, config in named:
        _, seeds = configurations.setdefault(name, (config, set()))
        seeds.update(range(config.seed, config.seed + getattr(config, "seeds", 1)))
    return configurations


def gather(
    folder: Path | None, files: Mapping[str, str]
) -> tuple[dict[tuple[str, str], ConfigEvidence], list[str]]:
    """Read every `result.json` below a folder, and match it with the files.

    A run belongs to a configuration if they agree in everything that decides about a single
    network, and in the data. It counts if it is of profile paper, was made by a published notebook
    whose code was not edited, and its data is the published set (`data_mismatch`).

    Args:
        folder: where the runs are, at any depth; None where there are none.
        files: names of files in params/, and the data set of each.

    Returns:
        The configurations by file and name, and a sentence for each result that cannot be read.

    Raises:
        SnnlabError: the folder is not there, or as `planned`.
    """
    if folder is not None and not folder.is_dir():
        raise SnnlabError(f"{folder}: there is no such folder; name one that runs were written to.")
    gathered: dict[tuple[str, str], ConfigEvidence] = {}
    places: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        for name, (config, seeds) in planned(file).items():
            gathered[file, name] = ConfigEvidence(seeds)
            places.setdefault(_key(config.notebook, config.deciding()), []).append((file, name))
    damaged: list[str] = []
    for result in _results(folder, damaged):
        for place in places.get(_key(result.notebook, result.config), ()):
            reason = _run_mismatch(result) or data_mismatch(files[place[0]], result.data)
            if reason:
                gathered[place].left_out[reason] += 1
                continue
            for name, network in _networks(result):
                gathered[place].networks.setdefault(name, []).append(network)
    return gathered, damaged


def _run_mismatch(result: Result) -> str:
    """Return why a run does not count, its data aside; empty if it does."""
    if result.profile != "paper":
        return f"at profile {result.profile}"
    if not result.platform.get("notebook_sha256"):
        return "by a notebook whose code was not recorded, as `snnlab run` does"
    return "by an edited notebook" if result.platform.get("notebook_edited") else ""


def _results(folder: Path | None, damaged: list[str]) -> Iterator[Result]:
    for run_folder, finished in runs_below(folder, damaged) if folder else ():
        if finished:
            try:
                yield load_result(run_folder)
            except SnnlabError as error:
                damaged.append(str(error))


def _key(notebook: str, config: Mapping[str, Any]) -> str:
    """Return all that decides about a single network, but for the data, as text."""
    parameters = parameters_of(notebook).keys() if notebook in NOTEBOOKS else set()
    names = parameters - RUN_PARAMETERS - DATA_PARAMETERS
    return json.dumps(
        [notebook, {name: config.get(name) for name in names}], sort_keys=True, default=plain
    )


def _networks(result: Result) -> Iterator[tuple[str, MeasuredNetwork]]:
    """Yield name and network: the results, controls of notebook 04, ablation of notebook 03."""
    named = [(arm(entry), entry) for entry in (*result.results, *result.more.get("controls", ()))]
    for entry in result.more.get("ablation", ()):
        named.append((f"ablation: {entry['handed_over']}, {entry['neurons']}", entry))
    for name, entry in named:
        yield name, MeasuredNetwork(result.finished, entry["seed"], numbers(entry))
