"""The stored notebooks, and what tests ask of their cells."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
PAGES = sorted(FOLDER.glob("real/*.ipynb"))  # on recordings that one has to fetch first
PATHS = LESSONS + PAGES


def has_tag(cell, tag):
    return tag in cell.metadata.get("tags", ())


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def exercises_of(nb):
    """Yield each exercise: its heading, and the code cells of its stub and its solution.

    Both cells are None for an open question. Of a stub and a solution, the last line is the check.
    """
    for i, cell in enumerate(nb.cells):
        heading = re.search(r"^### Exercise.*", cell.source, re.MULTILINE)
        if cell.cell_type != "markdown" or not heading:
            continue
        after = nb.cells[i + 1 : i + 4]
        stub = after.pop(0) if has_tag(after[0], "exercise") else None
        explanation, *rest = after
        assert has_tag(explanation, "solution"), f"{heading[0]}: no solution follows"
        assert "<details><summary>Solution</summary>" in explanation.source, heading[0]
        yield heading[0], stub, rest[0] if stub else None


def checked_name(cell):
    """Return the name of the exercise that a cell checks in its last line."""
    return re.fullmatch(r'course\.check\("(\w+)", \w+\)', cell.source.splitlines()[-1])[1]
