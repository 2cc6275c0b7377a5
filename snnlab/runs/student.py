"""The course in a folder, its student edition, and nbgrader assignments, from the same source.

The student edition has no solutions and no outputs, and its exercises check themselves.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

# isort: split
import nbformat
from nbformat.v4 import new_markdown_cell

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import write_text
from snnlab._utils.places import course_file
from snnlab._utils.version import __version__
from snnlab.runs import nbgrader
from snnlab.runs.notebook_code import read_notebook
from snnlab.runs.publish import clean

EXERCISE, SOLUTION = "exercise", "solution"  # tags
UNSOLVED = "The notebook runs through with its exercises unsolved."  # not so in an assignment
YOUR_ANSWER = "*Your answer (double-click here to write it):*"


def student_edition(nb: Any) -> Any:
    """Return a copy of a notebook without solutions and outputs; open questions get a cell."""
    nb = _without_outputs(nb)
    cells: list[Any] = []
    for cell in nb.cells:
        tags = cell.metadata.get("tags", ())
        if SOLUTION not in tags:
            cells.append(cell)
        elif cell.cell_type == "markdown" and not (
            cells and EXERCISE in cells[-1].metadata.get("tags", ())
        ):
            cells.append(new_markdown_cell(YOUR_ANSWER, id=cell.id))
    nb.cells = cells
    return nb


def assignment(nb: Any) -> Any:
    """Return a copy of a notebook as the source of an nbgrader assignment.

    A checked exercise becomes a cell with a solution region and an autograded test, of one point;
    an open question becomes an answer that is graded by hand, of one point. An exercise without an
    answer stops "Run All", so a sentence that says otherwise is left out.

    Raises:
        SnnlabError: an exercise has no check or no solution.
    """
    nb = _without_outputs(nb)
    cells: list[Any] = []
    stub = None
    for cell in nb.cells:
        tags = cell.metadata.get("tags", ())
        if stub and (EXERCISE in tags or SOLUTION not in tags):
            break
        if EXERCISE in tags:
            stub = cell
        elif SOLUTION not in tags:
            cell.source = cell.source.replace(UNSOLVED, "").rstrip("\n")
            cells.append(cell)
        elif cell.cell_type == "code":
            cells += nbgrader.checked_exercise(stub, cell)
            stub = None
        elif stub is None:  # else it explains the solution that follows
            cells.append(nbgrader.open_question(cell))
    if stub:
        raise SnnlabError(
            f"exercise in cell {stub.id!r}: no code cell tagged 'solution' follows it; write one, "
            "with the same check as its last line."
        )
    nb.cells = cells
    return nb


def _without_outputs(nb: Any) -> Any:
    nb = clean(nb)
    nb.metadata.pop("snnlab", None)  # it is the checksum of the code with the solutions
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


def _is_another(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8", errors="replace") != text
    except OSError:
        return os.path.lexists(path)  # a folder, or a file that one may not read


def write_course(folder: Path, edition: Callable[[Any], Any] | None = None) -> list[Path]:
    """Write the notebooks of the course.

    Args:
        folder: gets the lessons, and in `real` the pages on recordings. Of assignments it gets
            one for each lesson, `source/LESSON/LESSON.ipynb`, as nbgrader expects.
        edition: `student_edition` or `assignment`; None for the notebooks as they are.

    Returns:
        The files.

    Raises:
        SnnlabError: a file there has another content; then nothing is written.
    """
    notebooks = course_file("notebooks")
    files: dict[Path, str] = {}
    for path in sorted(notebooks.glob("**/[0-9]*.ipynb")):
        if edition is assignment:
            if path.parent != notebooks:
                continue
            target = folder / "source" / path.stem / path.name
        else:
            target = folder / path.relative_to(notebooks)
        nb = read_notebook(path)
        files[target] = nbformat.writes(edition(nb) if edition else nb) + "\n"
    for path, text in files.items():
        if _is_another(path, text):
            raise SnnlabError(
                f"{path}: it differs from the notebook of snnlab {__version__} that would replace "
                "it. Rename it, or choose another folder."
            )
    for path, text in files.items():
        write_text(path, text)
    return [*files]
