"""`result.json`, the record of a run: its content, and how it is read and checked."""

import json
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
        """Make the error from its sentence and the schema of the result."""
        super().__init__(message)
        self.schema = schema


@dataclass(frozen=True)
class Result:
    """The content of `result.json`.

    Attributes:
        schema: version of this layout.
        notebook: that was run.
        profile: "tiny", "course" or "paper".
        config: all parameters.
        versions: of Python, of the packages that matter, and of snnlab.
        platform: operating system, processor, device, and the git commit with whether the tree was
            changed.
        data: name, path, sha256, and a note that describes the data in one sentence; also the
            shape and unit of a batch, the numbers of samples, how they were made from the files,
            and where these came from.
        results: one object a trained network, with its `variant`, its `recipe`, or both, and its
            `seed`; shares such as `test_accuracy` are 0 to 1.
        more: other measurements by name: controls, ablations, searches.
        started: in UTC, as ISO 8601.
        finished: in UTC, as ISO 8601.
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
    content = read_json(path, "remove it, and run the notebook again.")
    check(content, path)
    return Result(**content)


def check(content: Any, path: Path) -> None:
    """Refuse the content of a `result.json` that is not a complete result.

    Args:
        content: of the file.
        path: of the file, for the error.

    Raises:
        SnnlabError: it is no result, or something in it is missing or wrong; `OtherSchema` if
            another version of snnlab wrote it.
    """

    def require(valid: bool, where: str, value: Any, expected: str) -> None:
        if not valid:
            raise SnnlabError(
                f"{path}: {where} is {value!r:.200}; expected {expected}. Save it with "
                "`run.save_result`."
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
        require(isinstance(content[name], kind), name, content[name], f"a {kind.__name__}")
    more = content["more"]
    require(_finite(more), "more", more, "finite numbers")
    for name in ("name", "path", "sha256", "note"):
        text = content["data"].get(name)
        require(isinstance(text, str), f"data.{name}", text, "text")
    groups = {"results": content["results"]} | {
        f"more.{name}": more[name] for name in ("controls", "ablation") if name in more
    }
    for group, entries in groups.items():
        require(isinstance(entries, list), group, entries, "a list")
        for i, entry in enumerate(entries):
            where = f"{group}[{i}]"
            require(isinstance(entry, dict), where, entry, "an object")
            if group == "more.ablation":
                for name in ("handed_over", "neurons"):
                    require(name in entry, f"{where}.{name}", None, "what the network had")
            else:
                name = arm(entry)
                require(isinstance(name, str), f"{where}.variant", name, "text, or a 'recipe'")
            seed = entry.get("seed")
            require(type(seed) is int, f"{where}.seed", seed, "a whole number")
            for name, value in entry.items():
                require(_finite(value), f"{where}.{name}", value, "finite numbers")
                if name.endswith("accuracy"):
                    share = type(value) in (int, float) and 0 <= value <= 1
                    require(share, f"{where}.{name}", value, "a share from 0 to 1")


def arm(entry: Mapping[str, Any]) -> Any:
    """Return the name under which an entry is compared: its variant, or else its recipe."""
    return entry.get("variant", entry.get("recipe"))


def numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    """Return what was measured as one number each, by name."""
    return {
        name: value
        for name, value in entry.items()
        if name != "seed" and type(value) in (int, float)
    }


@cache
def _kinds() -> dict[str, type]:
    """Return the type of every field of a result."""
    return {name: get_origin(kind) or kind for name, kind in get_type_hints(Result).items()}


def _finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
