"""The code of a notebook: its parameters cell, and a checksum of all other code."""

import ast
import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import stamp

PARAMETERS = "parameters"  # the tag of the cell that papermill's parameters follow
INJECTED = "injected-parameters"  # the tag of the cell that papermill writes
# raised by nbformat for files that are no notebook
NO_NOTEBOOK = (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError)
VARIABLE = "SNNLAB_NOTEBOOK"  # environment variable with the notebook that a kernel runs


@dataclass(frozen=True)
class NotebookCode:
    """The notebook that a run executes.

    Attributes:
        name: the stem of its file; "" in JupyterLab, where cells change while they run.
        sha256: checksum of its code cells without parameters, 64 hexadecimal digits; "" in
            JupyterLab.
        edited: whether the code differs from the published code.
    """

    name: str = ""
    sha256: str = ""
    edited: bool = False

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable for a kernel that runs the notebook."""
        return {VARIABLE: json.dumps(asdict(self))}


UNKNOWN = NotebookCode()


def running_notebook() -> NotebookCode:
    """Return the notebook that `snnlab run` executes in this process, or `UNKNOWN`."""
    text = os.environ.get(VARIABLE)
    return NotebookCode(**json.loads(text)) if text else UNKNOWN


def notebook_code(path: Path) -> NotebookCode:
    """Identify the code in a notebook file.

    Raises:
        SnnlabError: the file is not a readable notebook.
    """
    return _read(path, *stamp(path))[0]


def parameter_values(path: Path) -> dict[str, Any]:
    """Return the names and literal values in the parameters cell of a notebook file.

    Raises:
        SnnlabError: the file is not a readable notebook, has no such cell, or has other code in it.
    """
    return _read(path, *stamp(path))[1]


def parameter_helps(path: Path) -> dict[str, str]:
    """Return the comments behind the parameters of a notebook file, as papermill reads them."""
    from papermill.translators import PythonTranslator

    inspected = PythonTranslator.inspect({"source": _read(path, *stamp(path))[2]})
    return {parameter.name: parameter.help for parameter in inspected}


def source_hash(nb: Any) -> str:
    """Return the SHA-256 of a notebook's code cells, without parameters and outputs.

    The parameters are the first cell with that tag, and the cell of papermill right after it; any
    other cell with one of these tags is code.
    """
    index = next(
        (i for i, cell in enumerate(nb.cells) if _is_tagged(cell, PARAMETERS)), len(nb.cells)
    )
    after = nb.cells[index + 1 : index + 2]
    parameters = 1 + bool(after and _is_tagged(after[0], INJECTED))
    code = nb.cells[:index] + nb.cells[index + parameters :]
    sources = [cell.source for cell in code if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def _is_tagged(cell: Any, tag: str) -> bool:
    return cell.cell_type == "code" and tag in cell.metadata.get("tags", ())


@lru_cache(100)  # a sweep asks for each of its runs
def _read(path: Path, size: int, mtime_ns: int) -> tuple[NotebookCode, dict[str, Any], str]:
    """Return the code of a notebook, its parameters, and the source of their cell."""
    nb = read_notebook(path)
    sha256 = source_hash(nb)
    seal = nb.metadata.get("snnlab")
    published = seal.get("code_sha256") if isinstance(seal, dict) else None
    code = NotebookCode(path.stem, sha256, edited=published != sha256)
    cells = [cell for cell in nb.cells if PARAMETERS in cell.metadata.get("tags", ())]
    if not cells or cells[0].cell_type != "code":
        raise SnnlabError(
            f"{path}: has no code cell with the tag 'parameters'; tag the one that holds them."
        )
    return code, _literals(cells[0].source, path), cells[0].source


def _literals(source: str, path: Path) -> dict[str, Any]:
    """Return the values that a parameters cell assigns.

    Raises:
        SnnlabError: it does anything else, as no checksum would cover that code.
    """
    values: dict[str, Any] = {}
    try:
        for statement in ast.parse(source).body:
            targets: list[Any] = getattr(statement, "targets", [getattr(statement, "target", None)])
            if not isinstance(statement, ast.Assign | ast.AnnAssign) or not all(
                isinstance(target, ast.Name) for target in targets
            ):
                raise ValueError(f"line {statement.lineno}: {ast.unparse(statement)[:60]}")
            value = None if statement.value is None else ast.literal_eval(statement.value)
            annotation = getattr(statement, "annotation", None)
            if type(value) is int and annotation and ast.unparse(annotation) == "float":
                value = float(value)
            values |= {target.id: value for target in targets}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        reason = (str(error).split(" at 0x")[0].splitlines() or [type(error).__name__])[0]
        raise SnnlabError(
            f"{path}: the parameters cell holds more than literals ({reason}); expected lines such "
            "as `epochs = 30` or `epochs = None`."
        ) from error
    return values


def read_notebook(path: Path) -> Any:
    """Read a notebook file.

    Returns:
        The notebook, in nbformat's version 4.

    Raises:
        SnnlabError: it cannot be read, or is not a notebook.
    """
    from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

    # isort: split
    import nbformat

    try:
        with warnings.catch_warnings(action="ignore"):  # older notebooks have cells without an id
            nb = nbformat.read(path, as_version=4)
            nbformat.validate(nb)
        json.dumps(nb, ensure_ascii=False).encode()  # a lone surrogate could not be written again
    except (nbformat.ValidationError, *NO_NOTEBOOK) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SnnlabError(
            f"{path}: is not a readable notebook ({lines[0][:200]}); expected JSON as Jupyter "
            "writes it, without conflict markers of git. Restore the file, or choose another one."
        ) from error
    return nb
