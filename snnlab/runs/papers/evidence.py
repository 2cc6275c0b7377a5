"""What the results below a folder say about the files in params/: which networks count for which configuration, and which do not."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import of_clone, plain
from snnlab.course.config import NOTEBOOKS, Config, read_parameters
from snnlab.runs import execute
from snnlab.runs.collection import RUN_PARAMETERS, runs_below
from snnlab.runs.papers.published import why_not
from snnlab.runs.result import Result, arm, load_result, numbers
from snnlab.runs.run import home
from snnlab.runs.sweep import sweep

# Of a file that does not say it: its first command does, to a person
NOTEBOOK = {"pipe_s": "02", "pipe_d": "03"}
# where data lies, and what it is called there: the result's own record of its data is looked into
# instead
OF_THE_DATA = {"profile", "data", "events_folder", "pictures_folder"}


@dataclass(frozen=True)
class Network:
    """A network of a result: when its run was finished, its seed, and what was measured as one number each."""

    finished: str
    seed: int
    numbers: Mapping[str, float]


@dataclass
class ConfigEvidence:
    """What is known of one configuration of a file.

    Attributes:
        planned: seeds that the file asks for.
        networks: by what they are called in a result.
        left_out: how many runs do not count, by the reason.
    """

    planned: set[int] = field(default_factory=set)
    networks: dict[str, list[Network]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def values(self, arm: str, number: str) -> dict[int, float]:
        """A number by the seed; of a seed that was run again, the latest run counts."""
        found = sorted(self.networks.get(arm, ()), key=lambda one: one.finished)
        return {one.seed: one.numbers[number] for one in found if number in one.numbers}


def planned(file: str) -> dict[str, tuple[Config, set[int]]]:
    """The configurations of a file in params/, by their names, and the seeds of each; its name has no suffix.

    Raises:
        SnnlabError: there is no such file, or something in it is wrong.
    """
    path = of_clone(home(), f"params/{file}.yaml")
    if not path.is_file():
        raise SnnlabError(
            f"{path}: there is no such file; run it in the folder that snnlab was cloned into."
        )
    given = read_parameters(path)
    if "notebook" in given:
        every = [(run.configuration, run.config) for run in sweep.read(path).runs]
    else:
        notebook = execute.find(NOTEBOOK[file[: len("pipe_s")]])
        every = [("", execute.configure(notebook, {"profile": "paper", **given}))]
    found: dict[str, tuple[Config, set[int]]] = {}
    for name, config in every:
        _, seeds = found.setdefault(name, (config, set()))
        seeds.update(range(config.seed, config.seed + getattr(config, "seeds", 1)))
    return found


def gather(
    folder: Path | None, files: Mapping[str, str]
) -> tuple[dict[tuple[str, str], ConfigEvidence], list[str]]:
    """Read every `result.json` below a folder.

    A run belongs to a configuration if they have all in common that decides about a single network,
    and the data. It counts if it is of profile paper, was made by a published notebook whose code
    was not edited, and `snnlab.runs.papers.published` finds its data to be the published ones.

    Args:
        folder: where the runs are, at any depth; None where there are none.
        files: names of files in params/, and the data set of each.

    Returns:
        What is known by file and name of the configuration, and a sentence for each result that
        cannot be read.

    Raises:
        SnnlabError: the folder is not there, or as `planned`.
    """
    if folder is not None and not folder.is_dir():
        raise SnnlabError(f"{folder}: there is no such folder; name one that runs were written to.")
    seen: dict[tuple[str, str], ConfigEvidence] = {}
    places: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        for name, (config, seeds) in planned(file).items():
            seen[file, name] = ConfigEvidence(seeds)
            places.setdefault(_key(config.notebook, config.deciding()), []).append((file, name))
    damaged: list[str] = []
    for result in _results(folder, damaged):
        for file, name in places.get(_key(result.notebook, result.config), ()):
            if reason := _why_not(result) or why_not(files[file], result.data):
                seen[file, name].left_out[reason] += 1
                continue
            for variant, network in _networks(result):
                seen[file, name].networks.setdefault(variant, []).append(network)
    return seen, damaged


def _why_not(result: Result) -> str:
    """Return why a run measured something other than a row, its data aside; empty if it did not."""
    if result.profile != "paper":
        return f"at profile {result.profile}"
    if not result.platform.get("notebook_sha256"):
        return "by a notebook whose code was not recorded, as `snnlab run` does"
    return "by an edited notebook" if result.platform.get("notebook_edited") else ""


def _results(folder: Path | None, damaged: list[str]) -> Iterator[Result]:
    for where, finished in runs_below(folder, damaged) if folder else ():
        if not finished:
            continue
        try:
            yield load_result(where)
        except SnnlabError as error:
            damaged.append(str(error))


def _key(notebook: str, config: Mapping[str, Any]) -> str:
    """All that decides about a single network, but for the data; of a notebook that is not known, nothing."""
    kind = NOTEBOOKS.get(notebook)
    names = () if kind is None else kind.__dataclass_fields__.keys() - RUN_PARAMETERS - OF_THE_DATA
    return json.dumps(
        [notebook, {name: config.get(name) for name in names}], sort_keys=True, default=plain
    )


def _networks(result: Result) -> Iterator[tuple[str, Network]]:
    """Every network of a result by what it is called: the results, the controls of notebook 04, the ablation of notebook 03."""
    for entry in (*result.results, *result.more.get("controls", ())):
        yield arm(entry), _network(result, entry)
    for entry in result.more.get("ablation", ()):
        yield f"ablation: {entry['handed_over']}, {entry['neurons']}", _network(result, entry)


def _network(result: Result, entry: Mapping[str, Any]) -> Network:
    return Network(result.finished, entry["seed"], numbers(entry))
