"""What every run of a notebook leaves, for the tests that run one."""

import nbformat

from notebooks import PATHS, code_cells, has_tag
from snnlab.runs import publish, student
from snnlab.runs.notebook_code import read_notebook
from snnlab.runs.result import load_result


def student_edition(path, folder, *, then_solutions=False):
    """Write the student edition of a notebook below a folder, and return where it is.

    With the code of the solutions at the end, one run shows that neither needs the other.
    """
    target = folder / "student" / path.name
    target.parent.mkdir()
    complete = read_notebook(path)
    edition = student.student_edition(complete)
    if then_solutions:
        edition.cells += [cell for cell in code_cells(complete) if has_tag(cell, "solution")]
    nbformat.write(edition, target)
    return target


def printed(cells):
    """What the cells tagged `nbval-check-output` printed, by their ids."""
    return {
        cell.id: [
            output.get("text") or output.get("data", {}).get("text/plain")
            for output in cell.outputs
        ]
        for cell in cells
        if has_tag(cell, "nbval-check-output")
    }


def checked(folder, path):
    """The result of a run of the notebook `path`; its figures are there twice, all pictures of
    its HTML have words, no exercise is solved, and what is the same in every run is as stored.
    """
    result = load_result(folder)
    assert result.notebook == path.stem and result.results
    figures = {figure.name for figure in (folder / "figures").iterdir()}
    assert (
        any(name.endswith(".png") for name in figures)
        and {name[:-3] + "svg" for name in figures} <= figures
    )
    cells = nbformat.read(folder / path.name, as_version=4).cells
    (stored,) = (nbformat.read(one, as_version=4) for one in PATHS if one.name == path.name)
    assert printed(cells) == printed(stored.cells)
    for cell in cells:
        if has_tag(cell, "exercise"):
            assert cell.outputs[-1]["data"]["text/plain"].startswith(("Your turn", "Not yet")), (
                cell.source
            )
    html = publish.write_html(folder / path.name).read_text(encoding="utf-8")
    assert "<img" in html and "No description has been provided" not in html
    return result
