"""The parameters of a notebook of the user's own: their types and defaults are its literals."""

import ast
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config

PLAIN = {bool, int, float, str}

Profiles: TypeAlias = Mapping[str, Config]
# a notebook of one's own has these parameters only where its cell assigns them
OPTIONAL = ("seed", "live")


def with_own_parameters(
    profiles: Profiles, notebook: str, values: Mapping[str, Any], helps: Mapping[str, str]
) -> Profiles:
    """Add parameters to those of a notebook.

    Args:
        profiles: of the notebook that it is a copy of, or of `Config` alone.
        notebook: stem of its file.
        values: defaults of all its parameters; one that `profiles` lacks is a number, a text, a
            bool, or a list of one of them, which is its type.
        helps: meaning of parameters.

    Returns:
        The profiles, in which all added parameters have the same defaults.

    Raises:
        SnnlabError: a value shows no type.
    """
    base = type(profiles["course"])
    inherited = {field.name: field for field in dataclasses.fields(base)}
    added = []
    for name, value in values.items():
        if name in inherited:
            continue
        if (kind := kind_of(value)) is None:
            raise SnnlabError(
                f"the parameter {name} = {value!s:.60} shows no type; expected a number, a text, "
                f"true or false, or a list of one of them, such as `{name} = 0.1`."
            )
        default = tuple(value) if isinstance(value, list) else value
        help = helps.get(name) or "see its cell"
        added.append((name, kind, parameter(default, help, empty=True, repeats=True)))
    absent = [name for name in OPTIONAL if base is Config and name not in values]
    hidden: list[Any] = [
        (
            name,
            field.type,
            dataclasses.field(default=field.default, init=False, metadata=field.metadata),
        )
        for name, field in inherited.items()
        if name in absent
    ]
    own: Any = dataclasses.make_dataclass(
        "OwnNotebook",
        [*hidden, *added],
        bases=(base,),
        namespace={"notebook": notebook},
        frozen=True,
    )
    return {
        profile: own(**{name: getattr(config, name) for name in inherited if name not in absent})
        for profile, config in profiles.items()
    }


def open_notebook(variables: Mapping[str, Any]) -> Path:
    """Return the file of the notebook that runs in JupyterLab or VS Code, as they name it.

    Args:
        variables: of the notebook, among which VS Code has the name.

    Returns:
        The file, which may have been renamed since; `notebook` where nobody names one.
    """
    return Path(
        variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "notebook")
    )


def saved_parameters(notebook: Path) -> list[str] | None:
    """Return the names that the parameters cell of a file assigns; None if it cannot be read."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        tagged = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
        tree = ast.parse("".join(next(tagged)["source"]))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, StopIteration):
        return None
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return [node.id for node in names if isinstance(node.ctx, ast.Store)]


def kind_of(value: Any) -> Any:
    """Return the type of a parameter with a value; an empty list is one of numbers.

    Returns:
        The type as that of a field: `float`, `tuple[float, ...]`; None if it can be no parameter.
    """
    many = isinstance(value, list | tuple)
    kinds = ({type(item) for item in value} or {float}) if many else {type(value)}
    kinds = {float} if kinds == {int, float} else kinds
    if len(kinds) > 1 or not kinds <= PLAIN:
        return None
    kind: Any = kinds.pop()
    return tuple[kind, ...] if many else kind
