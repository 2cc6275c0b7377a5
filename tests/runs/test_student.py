"""The student edition and the nbgrader assignments of notebooks."""

import ast
import re

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebooks import LESSONS, PATHS, code_cells, has_tag
from snnlab._utils.errors import SnnlabError
from snnlab.cli.main import app
from snnlab.runs import nbgrader, student


def tagged(make, source, *tags, **more):
    return make(source, metadata={"tags": list(tags)}, **more)


def lesson():
    """Return a notebook with an exercise that asks for a function, one for a number, one open."""
    output = new_output("execute_result", {"text/plain": "Right."})
    check, number = '\ncourse.check("membrane", h)', '\ncourse.check("meeting_ms", answer)'
    explanation = "<details><summary>Solution</summary>\nBecause.\n</details>"
    cells = [
        tagged(new_code_cell, "x = 1", "hide-input", outputs=[output], execution_count=1),
        new_markdown_cell("### Exercise 1\n[terms](../docs/glossary.md#beta) [next](02_x.ipynb)"),
        tagged(new_code_cell, f"def h(v, x):\n    ...  # your code{check}", "exercise"),
        tagged(new_markdown_cell, explanation, "solution"),
        tagged(new_code_cell, f"def h(v, x):\n    return v + x{check}", "solution", "hide-input"),
        new_markdown_cell("### Exercise 2"),
        tagged(new_code_cell, f"answer = None  # your answer, in ms{number}", "exercise"),
        tagged(new_markdown_cell, explanation, "solution"),
        tagged(new_code_cell, f"answer = 20{number}", "solution", "hide-input", outputs=[output]),
        new_markdown_cell("### Exercise 3"),
        tagged(new_markdown_cell, explanation, "solution"),
        new_markdown_cell("## Summary"),
    ]
    return new_notebook(cells=cells, metadata={"snnlab": {"profile": "course"}, "license": "CC"})


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Return a function that gives the command in a clone whose only notebook is the lesson."""
    path = tmp_path / "clone" / "notebooks" / "01_lesson.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(lesson(), path)
    monkeypatch.chdir(path.parents[1])
    (path.parents[1] / "pyproject.toml").touch()
    return lambda *arguments: CliRunner().invoke(app, ["course", *map(str, arguments)])


def read(path):
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    return nb


def test_the_student_edition_has_stubs_but_no_solutions_and_no_outputs(course):
    assert course("build/student", "--student").output == "1 notebooks are in build/student.\n"
    nb = read("build/student/01_lesson.ipynb")
    text = "\n".join(cell.source for cell in nb.cells)
    assert "Because" not in text and "return v + x" not in text and "answer = 20" not in text
    assert text.count("course.check(") == 2 and text.count("### Exercise") == 3
    assert nb.cells[-2].source == student.YOUR_ANSWER and nb.cells[-3].source == "### Exercise 3"
    assert text.count(student.YOUR_ANSWER) == 1
    for cell in code_cells(nb):
        assert cell.outputs == [] and cell.execution_count is None
    assert nb.cells[0].metadata.jupyter.source_hidden
    assert "snnlab" not in nb.metadata and nb.metadata.license == "CC"


def test_the_course_is_the_notebooks_as_they_are(course):
    assert course("build/course").exit_code == 0
    assert read("build/course/01_lesson.ipynb") == read("notebooks/01_lesson.ipynb")


@pytest.mark.parametrize("edition", [(), ("--student",), ("--nbgrader",)])
def test_the_same_notebook_may_be_there_but_a_changed_one_is_never_replaced(
    course, tmp_path, edition
):
    for _ in range(2):
        assert course(tmp_path / "mine", *edition).exit_code == 0
    (path,) = (tmp_path / "mine").rglob("*.ipynb")
    answered = read(path)
    answered.cells[0].source = "x = 2"
    nbformat.write(answered, path)
    before = path.read_bytes()
    nbformat.write(lesson(), "notebooks/00_another.ipynb")
    done = course(tmp_path / "mine", *edition)
    assert done.exit_code == 2 and path.read_bytes() == before
    assert done.output.startswith(f"snnlab: {path}: it differs from the notebook of snnlab")
    assert [*(tmp_path / "mine").rglob("*.ipynb")] == [path]  # nothing was written


def test_notebooks_lead_to_no_file_beside_the_notebooks():
    """`snnlab course` writes these only."""
    for path in PATHS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "markdown":
                continue
            for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+\.\w+)[)#]", cell.source):
                assert (path.parent / link).resolve() in PATHS, f"{path.name}: {link}"


def released(cell):
    """Return the source that nbgrader gives to students."""
    marker = "# YOUR CODE HERE\nraise NotImplementedError()"
    lines, inside = [], False
    for line in cell.source.split("\n"):
        if "BEGIN SOLUTION" in line:
            indent = re.match(" *", line)[0]
            lines += [indent + part for part in marker.split("\n")]
            inside = True
        elif "END SOLUTION" in line:
            inside = False
        elif not inside:
            lines.append(line)
    assert not inside
    return "\n".join(lines)


def valid(nb):
    """Check nbgrader's rules for the metadata of cells, and return the cells that have some."""
    graded = [cell for cell in nb.cells if "nbgrader" in cell.metadata]
    ids = [cell.metadata.nbgrader.grade_id for cell in graded]
    assert len(set(ids)) == len(ids)
    for cell in graded:
        data = cell.metadata.nbgrader
        assert data.schema_version == 3 and re.fullmatch(r"[a-zA-Z0-9_\-]+", data.grade_id)
        assert ("points" in data) == data.grade
        assert data.grade or data.solution or data.locked
        assert cell.cell_type == "code" or (data.grade and data.solution)
    assert nb.metadata.kernelspec.language == "python"
    return graded


def test_the_nbgrader_assignment_keeps_signatures_and_units(course):
    assert course("../course", "--nbgrader").exit_code == 0
    nb = read("../course/source/01_lesson/01_lesson.ipynb")
    membrane, membrane_test, number, number_test, question = valid(nb)
    todo = ["# YOUR CODE HERE", "raise NotImplementedError()"]
    check, indented = 'course.check("membrane", h)', [f"    {line}" for line in todo]
    assert released(membrane).splitlines() == ["def h(v, x):", "    # your code", *indented, check]
    unit, check = "answer = None  # your answer, in ms", 'course.check("meeting_ms", answer)'
    assert released(number).splitlines() == [unit, *todo, check]
    assert "return v + x" in membrane.source and "answer = 20" in number.source
    assert membrane_test.source == 'assert course.check("membrane", h).right'
    assert number_test.source == 'assert course.check("meeting_ms", answer).right'
    for test in (membrane_test, number_test):
        assert test.metadata.nbgrader.locked and test.metadata.nbgrader.points == 1
    assert "Because." in question.source and "Because." not in released(question)
    assert "".join(cell.source for cell in nb.cells).count("Because.") == 1


def test_an_exercise_without_the_same_check_is_an_error():
    nb = lesson()
    nb.cells[4].source = 'course.check("another", h)'
    with pytest.raises(SnnlabError, match="'course.check.*membrane.*and 'course.check.*another"):
        student.assignment(nb)
    del nb.cells[2]
    with pytest.raises(SnnlabError, match="expected before it a cell tagged 'exercise'"):
        student.assignment(nb)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_notebook_is_a_valid_assignment(path):
    original = nbformat.read(path, as_version=4)
    nb = student.assignment(original)
    nbformat.validate(nb)
    stubs = {cell.id: cell.source for cell in original.cells if has_tag(cell, "exercise")}
    graded = valid(nb)
    assert stubs.keys() <= {cell.id for cell in graded}
    for cell in code_cells(nb):
        for source in (cell.source, released(cell)):
            compile(source, cell.id, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        kept = set(released(cell).splitlines())
        for line in stubs.get(cell.id, "").splitlines():
            before, _, comment = line.partition(" ...")
            assert {line, f"{before}{comment}"} & kept, f"{cell.id}: {line!r} is not released"
    text = "\n".join(released(cell) for cell in nb.cells)
    assert "runs through with its exercises unsolved" not in text


TODO = "# YOUR CODE HERE", "raise NotImplementedError()"


def released_lines(stub, solution):
    """Return the lines that students get of an exercise, without the check."""
    check = '\ncourse.check("x", f)'
    cell, _ = nbgrader.checked_exercise(
        new_code_cell(stub + check), new_code_cell(solution + check)
    )
    *lines, last = released(cell).splitlines()
    assert last == check[1:]
    return lines


def test_each_empty_body_of_a_class_is_a_region():
    stub = "class A:\n    def f(self): ...  # one\n\n    def g(self): ...\n\n\na = A()"
    solution = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2"
    region = [f"        {line}" for line in TODO]
    assert released_lines(stub, solution + "\n\n\na = A()") == [
        *("class A:", "    def f(self):  # one", *region),
        *("", "    def g(self):", *region, "", "", "a = A()"),
    ]


@pytest.mark.parametrize(
    ("stub", "solution", "expected"),
    [
        (
            "answer = None  # in ms\nif answer:\n    print(answer)",
            "answer = 5",
            ["answer = None  # in ms", *TODO, "if answer:", "    print(answer)"],
        ),
        (
            'def f(x):\n    """Add."""\n    y = x\n    ...',
            'def f(x):\n    """Add."""\n    y = x\n\n    # the sum\n    return y + 1',
            ["def f(x):", '    """Add."""', "    y = x", *(f"    {line}" for line in TODO)],
        ),
        (
            "def f(x): ...\n\n\nf(1)",
            "import math\n\n\ndef f(x):\n    return math.pi",
            ["def f(x): ...", "", "", "f(1)", *TODO],
        ),
        ("def f(x): ...", "def f(x): return x", ["def f(x): ...", *TODO]),
        ("%time", "%time\nf = 1", ["%time", *TODO]),
    ],
    ids=["number", "begun", "more code", "one line", "magic"],
)
def test_all_of_a_stub_is_released_but_its_empty_places(stub, solution, expected):
    assert released_lines(stub, solution) == expected


def test_an_assignment_does_not_promise_to_run_through():
    nb = lesson()
    nb.cells[1].source = f"# Title\n\nContents\n\n{student.UNSOLVED}"
    assert student.assignment(nb).cells[1].source == "# Title\n\nContents"
    assert student.UNSOLVED in student.student_edition(nb).cells[1].source


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([""], "snnlab: a path is empty"),
        (["a", "--student", "--nbgrader"], "snnlab: --student and --nbgrader are two editions"),
        (["notebooks", "--student"], "01_lesson.ipynb: it differs from"),
        (["folder"], "01_lesson.ipynb: it differs from"),
        (["pyproject.toml"], "pyproject.toml: is a file; a folder was expected. Rename it, or"),
    ],
)
def test_a_wrong_command_line_gets_a_sentence_and_writes_nothing(
    course, tmp_path, arguments, expected
):
    (tmp_path / "clone/folder/01_lesson.ipynb").mkdir(parents=True)
    files = sorted(tmp_path.rglob("*"))
    done = course(*arguments)
    assert done.exit_code == 2 and expected in done.output and done.output.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.parametrize("lost", [4, 8])
def test_an_exercise_without_a_solution_is_an_error(lost):
    nb = lesson()
    del nb.cells[lost]
    with pytest.raises(SnnlabError, match="no code cell tagged 'solution' follows it; write one"):
        student.assignment(nb)
