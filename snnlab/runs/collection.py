"""Collect many results in one table."""

import json
import os
import warnings
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path, whole_file
from snnlab._utils.places import runs_folder
from snnlab.runs import manifest
from snnlab.runs.result import OtherSchema, Result, arm, load_result, numbers

BEFORE = ("notebook", "profile", "arm", "seed")
AFTER = (
    "data",
    "notebook_sha256",
    "notebook_edited",
    "git_commit",
    "git_changed",
    "finished",
    "path",
)
# prefix of the parameters, because an entry may have a number of the same name
CONFIG = "config."
SHOWN_ELSEWHERE = {"profile", "seed", "out"}  # parameters that other columns show


@dataclass(frozen=True)
class Collection:
    """The results below a folder.

    Attributes:
        table: as `collect` returns it.
        damaged: a sentence for each result that cannot be read.
        unfinished: a sentence for each run that began and has no result: whether it failed and why.
    """

    table: pd.DataFrame
    damaged: list[str]
    unfinished: list[str]


def collect(folder: str | Path, *, all_parameters: bool = False) -> pd.DataFrame:
    """Read every `result.json` below a folder into one table, a row for each trained network.

    The networks of a run's controls, such as those with as many parameters, are among them.

    Columns: `notebook`, `profile`, `arm` (variant, or else recipe), `seed`; `config.<name>` for
    every parameter that differs between the runs of a notebook (lists as text); the numbers of the
    entry under their names; `data`, `notebook_sha256` (its first 12 digits), `notebook_edited`,
    `git_commit`, `git_changed`, `finished`, `path`. What a run does not have is empty. Results that
    cannot be read are left out, each with a warning.

    Args:
        folder: where the runs are, at any depth.
        all_parameters: whether to add columns for parameters that are the same in all runs.

    Returns:
        The table.

    Raises:
        SnnlabError: as `read_results`.
    """
    collection = read_results(folder, all_parameters=all_parameters)
    for sentence in collection.damaged:
        warnings.warn(sentence, stacklevel=2)
    return collection.table


def read_results(
    folder: str | Path, *, all_parameters: bool = False, only: Container[Path] | None = None
) -> Collection:
    """Read every `result.json` below a folder; `collect` describes the table.

    Args:
        folder: where the runs are, at any depth.
        all_parameters: see `collect`.
        only: the folders of the runs that count; None for all.

    Raises:
        SnnlabError: the folder is not there, has no run in it, or results in different versions of
            the schema.
    """
    folder = given_path(folder)
    if not folder.is_dir():
        raise SnnlabError(
            f"{folder}: there is no such folder; name one that runs were written to, such as "
            f"{runs_folder()}."
        )
    runs: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    damaged: list[str] = []
    unfinished: list[str] = []
    schemas: dict[int, Path] = {}  # the first result of each
    for run_folder, finished in runs_below(folder, damaged):
        if only is not None and run_folder not in only:
            continue
        if not finished:
            unfinished.append(f"{run_folder}: {_why_unfinished(run_folder)}")
            continue
        path = run_folder / "result.json"
        try:
            result = load_result(run_folder)
        except SnnlabError as error:
            if isinstance(error, OtherSchema):
                schemas.setdefault(error.schema, path)
            damaged.append(str(error))
            continue
        schemas.setdefault(result.schema, path)
        # only what the table needs: thousands of results would fill the memory
        entries = (*result.results, *result.more.get("controls", []))
        networks.extend({"run": len(runs)} | _network(entry) for entry in entries)
        runs.append(_run(result, path))
    if len(schemas) > 1:
        (one, first), (other, second) = list(schemas.items())[:2]
        raise SnnlabError(
            f"{first} is written in schema {one} and {second} in schema {other}, whose numbers may "
            "not mean the same; collect from folders with one schema each."
        )
    if not runs and not damaged and not unfinished:
        raise SnnlabError(
            f"{folder}: holds no result.json; name a folder that runs were written to."
        )
    return Collection(_table(runs, networks, all_parameters), damaged, unfinished)


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table, completely or not at all; missing values stay empty.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, errors="backslashreplace")


def runs_below(folder: Path, damaged: list[str]) -> Iterator[tuple[Path, bool]]:
    """Yield every run below a folder, in the order of the names, and whether it has its result.

    Args:
        folder: where the runs are, at any depth.
        damaged: gets a sentence for each folder that cannot be read.
    """

    def unreadable(error: OSError) -> None:
        damaged.append(
            f"{error.filename}: cannot be read ({error.strerror}); check its permissions."
        )

    for here, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        # a folder of this name is an error that `load_result` reports
        finished = "result.json" in files or "result.json" in folders
        if finished or (
            "checkpoints" in folders
            and os.path.isfile(os.path.join(here, "checkpoints", "config.json"))
        ):
            folders[:] = [
                name for name in folders if name not in ("checkpoints", "figures", "result.json")
            ]  # no run is in there
            yield Path(here), finished


def _why_unfinished(run_folder: Path) -> str:
    content = manifest.read(run_folder)
    status = content.get("status")
    if status == "pruned":
        return f"pruned by a search: {content['error']}"
    if status == "running":
        who = manifest.process_of(content)
        return f"begun by {who}; if that has ended, run it again to resume it."
    if status != "failed":
        return "unfinished; run it again to resume it."
    reason = (content["error"].splitlines() or ["for an unknown reason"])[0].rstrip(".")
    return f"failed: {reason}; run it again when the cause is mended."


def _run(result: Result, path: Path) -> dict[str, Any]:
    """Return the columns of a run; lists are texts as on the command line, `[32, 32]`."""
    config = {
        CONFIG + name: json.dumps(value) if isinstance(value, list | dict) else value
        for name, value in result.config.items()
    }
    return {
        "notebook": result.notebook,
        "profile": result.profile,
        **config,
        "data": result.data["name"],
        "notebook_sha256": str(result.platform.get("notebook_sha256", ""))[:12],
        "notebook_edited": result.platform.get("notebook_edited"),
        "git_commit": result.platform.get("git_commit"),
        "git_changed": result.platform.get("git_changed"),
        "finished": result.finished,
        "path": str(path),
    }


def _network(entry: dict[str, Any]) -> dict[str, Any]:
    reserved = ("run", *BEFORE, *AFTER)  # columns of the table
    measured = {
        name: value
        for name, value in numbers(entry).items()
        if name not in reserved and not name.startswith(CONFIG)
    }
    return {"arm": arm(entry), "seed": entry["seed"], **measured}


def _table(
    run_rows: list[dict[str, Any]], network_rows: list[dict[str, Any]], all_parameters: bool
) -> pd.DataFrame:
    if not network_rows:
        return pd.DataFrame(columns=[*BEFORE, *AFTER])
    runs, networks = pd.DataFrame(run_rows), pd.DataFrame(network_rows)
    parameters = [name for name in runs if name.startswith(CONFIG)]
    if not all_parameters:  # those that differ between the runs of a notebook
        differ = runs.groupby("notebook")[parameters].nunique(dropna=False).gt(1).any()
        parameters = [
            name
            for name in parameters
            if differ[name] and name.removeprefix(CONFIG) not in SHOWN_ELSEWHERE
        ]
    measured = [name for name in networks if name not in ("run", *BEFORE)]
    return networks.join(runs, on="run")[[*BEFORE, *parameters, *measured, *AFTER]]
