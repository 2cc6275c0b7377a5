"""The code of a notebook: its parameters cell, and the checksum that identifies everything else."""

import ast
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from snnlab.data.cache import stamp
from snnlab.errors import SnnlabError

PARAMETERS = "parameters"  # the tag of the cell that papermill's parameters follow
INJECTED = "injected-parameters"  # the tag of the cell that papermill writes
NO_NOTEBOOK = (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError)
VARIABLE = "SNNLAB_NOTEBOOK"  # tells a kernel which notebook it runs


@dataclass(frozen=True)
class NotebookCode:
    """Which notebook a run executes.

    Attributes:
        name: the stem of its file; "" if it is not known, as in JupyterLab, where cells change while they run.
        sha256: checksum of its code cells without parameters, 64 hexadecimal digits; "" if it is not known.
        edited: whether this is other code than the one that the notebook was published with.
    """

    name: str = ""
    sha256: str = ""
    edited: bool = False

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that hands this to a kernel."""
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


def source_hash(nb: Any) -> str:
    """Return the SHA-256 of a notebook's code cells, without parameters and outputs."""
    sources = [
        cell.source
        for cell in nb.cells
        if cell.cell_type == "code" and not {PARAMETERS, INJECTED} & set(cell.metadata.get("tags", ()))
    ]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


@lru_cache(100)  # a sweep asks for each of its runs
def _read(path: Path, size: int, mtime_ns: int) -> tuple[NotebookCode, dict[str, Any]]:
    """Return the code of a notebook, and its parameters."""
    nb = read_notebook(path)
    sha256 = source_hash(nb)
    published = nb.metadata.get("snnlab", {}).get("code_sha256")
    code = NotebookCode(path.stem, sha256, edited=published != sha256)
    cells = [cell for cell in nb.cells if PARAMETERS in cell.metadata.get("tags", ())]
    if not cells:
        raise SnnlabError(f"{path}: has no cell with the tag 'parameters'; tag the one that holds them.")
    return code, _literals(cells[0].source, path)


def _literals(source: str, path: Path) -> dict[str, Any]:
    """Return what a parameters cell assigns."""
    values = {}
    try:
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    values[ast.unparse(target)] = ast.literal_eval(statement.value)
    except (SyntaxError, ValueError) as error:
        reason = str(error).split(" at 0x")[0]
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
    from snnlab import without_iris  # noqa: F401  before all that imports jsonschema

    # isort: split
    import nbformat

    try:
        nb = nbformat.read(path, as_version=4)
        for cell in nb.cells:  # of a file that is some other JSON, an entry is missing here
            cell.metadata.get("tags", ()), cell.cell_type, cell.source + ""
    except (nbformat.ValidationError, *NO_NOTEBOOK) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SnnlabError(
            f"{path}: is not a readable notebook ({lines[0][:200]}); expected the JSON that Jupyter "
            "writes, without conflict markers of git. Restore the file, or choose another one."
        ) from error
    return nb
