"""What every run of a notebook leaves, for the tests that run one."""

import nbformat

from notebooks import has_tag
from snnlab.runs import publish, student
from snnlab.runs.notebook_code import read_notebook
from snnlab.runs.result import load_result


def student_edition(path, folder):
    """Write the student edition of a notebook below a folder, and return where it is."""
    target = folder / "student" / path.name
    target.parent.mkdir()
    nbformat.write(student.student_edition(read_notebook(path)), target)
    return target


def checked(folder, path):
    """The result of a run of the notebook `path`; its figures are there twice, all pictures of
    its HTML have words, and no exercise is solved.
    """
    result = load_result(folder)
    assert result.notebook == path.stem and result.results
    figures = {figure.name for figure in (folder / "figures").iterdir()}
    assert (
        any(name.endswith(".png") for name in figures)
        and {name[:-3] + "svg" for name in figures} <= figures
    )
    for cell in nbformat.read(folder / path.name, as_version=4).cells:
        if has_tag(cell, "exercise"):
            assert cell.outputs[-1]["data"]["text/plain"].startswith(("Your turn", "Not yet")), (
                cell.source
            )
    html = publish.write_html(folder / path.name).read_text(encoding="utf-8")
    assert "<img" in html and "No description has been provided" not in html
    return result
