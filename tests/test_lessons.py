"""What makes a notebook a lesson: true sentences, folded plumbing, exercises with solutions."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from notebooks import FOLDER, LESSONS, PATHS, checked_name, code_cells, exercises_of, has_tag
from snnlab.course.exercises.judge import EXERCISES
from snnlab.course.statements import MIME as CLAIMS

TAGS = {"parameters", "hide-input", "claims", "exercise", "solution", "nbval-check-output"}
NOTICE = "**What to notice.**"
COMPARISON = re.compile(
    r"\d|\b(more|less|higher|lower|above|below|best|first|most|larger|smaller)\b", re.IGNORECASE
)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def nb(request):
    return nbformat.read(request.param, as_version=4)


def statements_of(cell):
    """Return the dictionary of statements that a cell evaluates, as a syntax tree."""
    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    (call,) = (call for call in calls if ast.unparse(call.func) == "course.claims")
    return call.args[0]


def test_every_statement_stands_in_the_text_above_and_holds(nb):
    text = ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            text = cell.source
        elif has_tag(cell, "claims"):
            for key in statements_of(cell).keys:
                statement = ast.literal_eval(key)
                assert statement in text, f"{cell.id}: {statement!r}"
            if cell.outputs:  # a cell that was changed since `make notebooks` has none
                (output,) = cell.outputs
                stored = output["data"][CLAIMS]
                assert all(stored.values()), output["data"]["text/plain"]
                assert not [statement for statement in stored if statement not in text]


def test_a_statement_about_what_was_not_measured_has_no_default(nb):
    for cell in nb.cells:
        if has_tag(cell, "claims"):
            assert ".get(" not in ast.unparse(statements_of(cell)), cell.id


def compares(text):
    """Whether a "What to notice" in a text has a number or an order."""
    notice = text.partition(NOTICE)[2].partition("\n#")[0]
    notice = re.sub(r"(\[notebook \d+)?\]\([^)]*\)", "", notice)
    return bool(COMPARISON.search(notice))


def test_what_to_notice_with_a_number_or_an_order_is_evaluated(nb):
    for cell, after in pairwise(nb.cells):
        if cell.cell_type == "markdown" and compares(cell.source):
            assert has_tag(after, "claims"), f"{cell.id}: {cell.source.partition(NOTICE)[2]}"


def test_a_number_or_an_order_in_what_to_notice_is_recognised():
    for text in ("Twice 5 is 10.", "It is Higher.", "See [notebook 02](02_x.ipynb): 3 points."):
        assert compares(f"{NOTICE} {text}")
    for text in ("It moves.", "See [notebook 02](02_x.ipynb).", "It moves.\n\n### Exercise 1"):
        assert not compares(f"{NOTICE} {text}")


def test_plumbing_is_folded(nb):
    cells = code_cells(nb)
    for cell in cells:
        plumbing = ("config = course.configure(", "course.claims(")
        if has_tag(cell, "parameters") or cell.source.startswith(plumbing):
            assert has_tag(cell, "hide-input"), cell.source
        lines = len(cell.source.splitlines())
        # A parameter has a line of its own
        assert lines <= 25 or has_tag(cell, "parameters"), f"{cell.id} has {lines} lines"
    assert has_tag(cells[0], "hide-input") and has_tag(cells[1], "hide-input")


def plotting_calls(tree):
    """Return the calls in a syntax tree that could be of a method of Axes or Figure."""
    methods = {*dir(Axes), *dir(Figure)} - {"step"}  # an optimiser has it, too
    return [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in methods
    ]


def test_plotting_of_more_than_five_lines_is_in_the_library(nb):
    for cell in code_cells(nb):
        tree = ast.parse(cell.source)
        calls = [ast.unparse(call) for call in plotting_calls(tree)]
        assert len(calls) <= 5, f"{cell.id}: {calls}"
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                names = {argument.arg for argument in function.args.args}
                lines = function.end_lineno - function.lineno
                assert not names & {"fig", "ax", "axes"} or lines <= 5, (
                    f"{cell.id}: {function.name}"
                )


def test_calls_that_draw_are_recognised():
    source = "ax.plot(x)\nfig.axes[0].set(xlim=1)\nax.legend()\noptimiser.step()\nnet.train()"
    calls = [call.func.attr for call in plotting_calls(ast.parse(source))]
    assert sorted(calls) == ["legend", "plot", "set"]


def test_tags_are_those_that_somebody_reads(nb):
    for cell in nb.cells:
        assert set(cell.metadata.get("tags", ())) <= TAGS, cell.id
        if has_tag(cell, "solution") and cell.cell_type == "code":
            assert has_tag(cell, "hide-input"), cell.id


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_exercises_have_their_solution_and_one_of_each_kind(path):
    nb, kinds = nbformat.read(path, as_version=4), set()
    for heading, stub, solution in exercises_of(nb):
        if stub is None:
            kinds.add("open question")
            continue
        assert has_tag(solution, "solution") and solution.cell_type == "code", heading
        assert checked_name(stub) == checked_name(solution) in EXERCISES, heading
        kinds.add("code" if re.search(r"^(def|class) ", stub.source, re.MULTILINE) else "answer")
        if solution.outputs:  # a cell that was changed since `make notebooks` has none
            assert solution.outputs[-1]["data"]["text/plain"].startswith("Right."), heading
    assert kinds == {"open question", "code", "answer"}
    assert sum(has_tag(cell, "exercise") for cell in nb.cells) == sum(
        stub is not None for _, stub, _ in exercises_of(nb)
    )


def test_a_notebook_ends_with_references_and_where_next(nb):
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    assert re.search(r"^(#|\*\*).*Where next", text, re.MULTILINE)
    _, references = re.split(r"^(?:#+ |\*\*)References", text, flags=re.MULTILINE)
    assert re.search(r"10\.\d{4}/|arXiv", references)


def test_the_bibliography_has_every_reference(nb):
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    bibliography = (FOLDER.parent / "docs" / "bibliography.md").read_text(encoding="utf-8")
    for identifier in re.findall(r"\b10\.\d{4}/[^\s)\]]+[^\s)\].,]|\b\d{4}\.\d{5}\b", text):
        assert identifier in bibliography
