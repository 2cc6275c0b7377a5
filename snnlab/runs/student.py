"""The student edition of the notebooks, and nbgrader assignments, from the same source.

`python -m snnlab.runs.student [--out FOLDER] [--nbgrader FOLDER] NOTEBOOK...` writes the student
edition: no solutions, no outputs, and exercises that check themselves. With `--nbgrader`, it writes
one assignment a notebook instead, into the folder `source` of an nbgrader course.
"""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

# isort: split
import nbformat
from nbformat.v4 import new_markdown_cell

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.files import whole_file
from snnlab.runs import nbgrader
from snnlab.runs.notebook_code import read_notebook
from snnlab.runs.publish import clean
from snnlab.runs.run import home

EXERCISE, SOLUTION = "exercise", "solution"  # tags
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
    an open question becomes an answer that is graded by hand, of one point.

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


def write(path: Path, target: Path, edition: Callable[[Any], Any]) -> None:
    """Write an edition of a notebook; its links to files beside the notebooks still lead there.

    Args:
        path: the notebook.
        target: where to write.
        edition: `student_edition` or `assignment`.

    Raises:
        SnnlabError: the notebook cannot be read, or `target` not be written.
    """
    if target.exists() and target.samefile(path):
        raise SnnlabError(
            f"{target}: this is the notebook itself, which the edition without solutions would "
            "replace. Choose another folder."
        )
    nb = edition(read_notebook(path))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"\]\((\.\./[^)#]*)",
                lambda link: f"]({os.path.relpath(path.parent / link[1], target.parent)}",
                cell.source,
            )
    with whole_file(target) as temporary:
        nbformat.write(nb, temporary)


def main() -> None:
    """Write the editions that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m snnlab.runs.student", description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out", type=_folder, metavar="FOLDER", help="of the student edition [build/student]"
    )
    where.add_argument("--nbgrader", type=_folder, metavar="FOLDER", help="of the nbgrader course")
    given = parser.parse_args()
    try:
        folder = given.out or home() / "build" / "student"
        for path in given.notebooks:
            if given.nbgrader:
                write(path, given.nbgrader / "source" / path.stem / path.name, assignment)
            else:
                write(path, folder / path.name, student_edition)
    except SnnlabError as error:
        parser.exit(2, f"snnlab: {printable(error)}\n")


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected the name of a folder, not an empty text.")
    return Path(text)


if __name__ == "__main__":
    main()
