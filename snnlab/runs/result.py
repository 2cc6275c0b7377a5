"""`result.json`, the record of a run, from which everything later is collected: what it holds, and how it is checked."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json

SCHEMA = 1


class OtherSchema(SnnlabError):
    """A result in a schema that this snnlab does not read."""

    def __init__(self, message: str, schema: int) -> None:
        super().__init__(message)
        self.schema = schema


@dataclass(frozen=True)
class Result:
    """What `result.json` holds.

    Attributes:
        schema: version of this layout.
        notebook, profile: what ran, and in which size.
        config: every parameter, defaults too.
        versions: of Python, of the packages that matter, and of snnlab.
        platform: operating system, processor, device, and the git commit with whether the tree was
            changed.
        data: name, path, sha256, and a note that says in one sentence what this data is; also the
            shape and unit of a batch, the numbers of samples, how they were made from the files,
            and where these came from.
        results: one object a trained network, with its `variant`, its `recipe`, or both, and its
            `seed`; shares such as `test_accuracy` are 0 to 1.
        more: what else was measured, each under its own name: controls, ablations, what a choice
            was made from.
        started, finished: in UTC, as ISO 8601.
    """

    schema: int
    notebook: str
    profile: str
    config: dict[str, Any]
    versions: dict[str, str]
    platform: dict[str, Any]
    data: dict[str, Any]
    results: list[dict[str, Any]]
    more: dict[str, Any]
    started: str
    finished: str


def load_result(path: str | Path) -> Result:
    """Read a `result.json`, or the one in a run's folder.

    Raises:
        SnnlabError: it is not there, damaged, incomplete, or of another schema.
    """
    path = Path(path)
    if path.is_dir():
        path /= "result.json"
    if not os.path.lexists(path):
        raise SnnlabError(
            f"{path}: there is no such result; check the path, or let the run finish."
        )
    content = read_json(path, "run the notebook again.")
    check(content, path)
    return Result(**content)


def check(content: Any, path: Path) -> None:
    """Refuse the content of a `result.json` for the first thing that is wrong with it.

    Raises:
        SnnlabError: it is no result, or one that is incomplete; `OtherSchema` if another snnlab
            wrote it.
    """

    def wrong(where: str, found: Any, expected: str) -> SnnlabError:
        return SnnlabError(
            f"{path}: {where} is {found!r:.200}; expected {expected}. Save it with `run.save_result`."
        )

    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise SnnlabError(f"{path}: holds no snnlab result (no 'schema'); choose another file.")
    if content["schema"] != SCHEMA:
        raise OtherSchema(
            f"{path}: written in schema {content['schema']}, this snnlab reads {SCHEMA}; "
            "use the snnlab that wrote it, or run the notebook again.",
            content["schema"],
        )
    kinds = _kinds()
    if different := sorted(kinds.keys() ^ content.keys()):
        raise SnnlabError(
            f"{path}: {', '.join(different)} missing or unknown; run the notebook again."
        )
    for name, kind in kinds.items():
        if not isinstance(content[name], kind):
            raise wrong(name, content[name], f"a {kind.__name__}")
    if not _finite(content["more"]):
        raise wrong("more", content["more"], "finite numbers")
    for name in ("name", "path", "sha256", "note"):
        if not isinstance(content["data"].get(name), str):
            raise wrong(f"data.{name}", content["data"].get(name), "text")
    networks = {
        "results": content["results"],
        **{
            f"more.{name}": content["more"][name]
            for name in ("controls", "ablation")
            if name in content["more"]
        },
    }
    for group, entries in networks.items():
        if not isinstance(entries, list):
            raise wrong(group, entries, "a list")
    for where, entry in (
        (f"{group}[{i}]", one) for group, some in networks.items() for i, one in enumerate(some)
    ):
        if not isinstance(entry, dict):
            raise wrong(where, entry, "an object")
        if where.startswith("more.ablation"):
            if missing := {"handed_over", "neurons"} - entry.keys():
                raise wrong(f"{where}.{min(missing)}", None, "what the network had")
        elif not isinstance(arm(entry), str):
            raise wrong(f"{where}.variant", arm(entry), "text, there or in 'recipe'")
        if not isinstance(entry.get("seed"), int) or isinstance(entry["seed"], bool):
            raise wrong(f"{where}.seed", entry.get("seed"), "a whole number")
        for name, value in entry.items():
            if not _finite(value):
                raise wrong(f"{where}.{name}", value, "finite numbers")
            if name.endswith("accuracy") and (
                type(value) not in (int, float) or not 0 <= value <= 1
            ):
                raise wrong(f"{where}.{name}", value, "a share from 0 to 1")


def arm(entry: Mapping[str, Any]) -> Any:
    """What an entry of the results is compared as: its variant, or else its recipe."""
    return entry.get("variant", entry.get("recipe"))


def numbers(entry: Mapping[str, Any]) -> list[str]:
    """The names of what was measured as one number each."""
    return [
        name
        for name, value in entry.items()
        if name != "seed" and isinstance(value, int | float) and not isinstance(value, bool)
    ]


@cache
def _kinds() -> dict[str, type]:
    """The type of every field of a result."""
    return {name: get_origin(kind) or kind for name, kind in get_type_hints(Result).items()}


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if not isinstance(value, list | dict):
        return True
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
