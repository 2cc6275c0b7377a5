"""Cells of nbgrader assignments, with nbgrader's metadata (schema version 3)."""

import ast
import re
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell

from snnlab._utils.errors import SnnlabError

SCHEMA_VERSION = 3
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader replaces what lies between them
_CHECK = re.compile(r'course\.check\("(\w+)", \w+\)')
_UNANSWERED = re.compile(r"\w+ = None\b")


def _metadata(grade_id: str, *, points: int = 0, solution: bool = False) -> dict[str, Any]:
    """Return the metadata of a cell that has points, a solution, or both."""
    fields = {
        "schema_version": SCHEMA_VERSION,
        "grade_id": grade_id,
        "grade": points > 0,
        "solution": solution,
        "locked": not solution,
        "task": False,
    }
    return {"nbgrader": fields | ({"points": points} if points else {})}


def checked_exercise(stub: Any, solution: Any) -> list[Any]:
    """Make the two cells of an exercise with a checker.

    The student's version is the stub, with a solution region for each function that is empty, or
    else below its `answer = None`, or else at its end.

    Args:
        stub: the code cell of the exercise, with the check as its last line.
        solution: the code cell of its solution, with the same last line.

    Returns:
        The cell with the solution region, and the autograded test.

    Raises:
        SnnlabError: there is no stub, or the last lines are not the same check.
    """
    *given, check = stub.source.splitlines() if stub else [""]
    *answer, last = solution.source.splitlines()
    match = _CHECK.fullmatch(check)
    if not match or last != check:
        raise SnnlabError(
            f"solution in cell {solution.id!r}: expected before it a cell tagged 'exercise' whose "
            f'last line is `course.check("name", answer)`, and the same last line; got {check!r} '
            f"and {last!r}."
        )
    lines = _with_bodies(given, answer) or _with_answer(given, answer)
    name = match[1].replace("_", "-")
    region = new_code_cell(
        "\n".join([*lines, check]), id=stub.id, metadata=_metadata(name, solution=True)
    )
    test = new_code_cell(
        f"assert {check}.right",
        id=solution.id,
        metadata=_metadata(f"{name}-test", points=1),
    )
    return [region, test]


def _region(lines: list[str]) -> list[str]:
    """Return lines of a solution in a region that is indented as they are."""
    text = "\n".join(lines).strip("\n")
    indent = text[: len(text) - len(text.lstrip())]
    return [indent + BEGIN, *text.splitlines(), indent + END]


def _with_answer(stub: list[str], answer: list[str]) -> list[str]:
    """Return a stub with the whole solution below the line `answer = None`, or at the end."""
    numbers = (number for number, line in enumerate(stub, 1) if _UNANSWERED.match(line))
    place = next(numbers, len(stub))
    return [*stub[:place], *_region(answer), *stub[place:]]


def _with_bodies(stub: list[str], answer: list[str]) -> list[str] | None:
    """Return a stub with the bodies of its empty functions as the solution has them.

    Args:
        stub: its lines, in which some functions end with `...` or have a docstring only.
        answer: the lines of the solution.

    Returns:
        The lines; None where no function is empty, or where the solution has other code, too.
    """
    try:
        ours, theirs = ast.parse("\n".join(stub)), ast.parse("\n".join(answer))
    except SyntaxError:  # such as a magic of IPython
        return None
    lines = [*stub]
    solved = _functions(theirs)
    empty = [(name, node) for name, node in _functions(ours).items() if _is_empty(node.body[-1])]
    for name, node in reversed(empty):  # from the end, so that line numbers before it hold
        if name not in solved:
            return None
        body, last = solved[name].body, node.body[-1]
        kept = node.body if _is_docstring(last) else node.body[:-1]
        if [*map(ast.dump, kept)] != [*map(ast.dump, body[: len(kept)])] or len(body) == len(kept):
            return None
        begin = body[len(kept)].lineno - 1
        if answer[begin][: body[len(kept)].col_offset].strip():  # it begins beside `def f(x):`
            return None
        while answer[begin - 1].lstrip().startswith("#"):
            begin -= 1
        region = _region(answer[begin : body[-1].end_lineno])
        lines[last.lineno - 1 : last.end_lineno] = [*_without_ellipsis(stub, last), *region]
        node.body = body
    return lines if empty and ast.dump(ours) == ast.dump(theirs) else None


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return the functions of a cell and the methods of its classes, by name, in order."""
    return {
        f"{getattr(place, 'name', '')}.{node.name}": node
        for statement in tree.body
        for place in [statement if isinstance(statement, ast.ClassDef) else tree]
        for node in (statement.body if isinstance(statement, ast.ClassDef) else [statement])
        if isinstance(node, ast.FunctionDef)
    }


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


def _is_empty(last: ast.stmt) -> bool:
    """Return whether a function with this last statement waits for a body."""
    ellipsis = isinstance(last, ast.Expr) and getattr(last.value, "value", None) is ...
    return ellipsis or _is_docstring(last)


def _without_ellipsis(lines: list[str], last: ast.stmt) -> list[str]:
    """Return the lines of the last statement of an empty function, without `...`."""
    own = lines[last.lineno - 1 : last.end_lineno]
    if _is_docstring(last):
        return own
    before, comment = own[0][: last.col_offset], own[0][last.end_col_offset :].strip()
    if not before.strip():
        return [before + comment] if comment else []
    return [before.rstrip() + (f"  {comment}" if comment else "")]


def open_question(solution: Any) -> Any:
    """Make the cell for the answer to an open question, which is graded by hand.

    Args:
        solution: the markdown cell with the answer.
    """
    source = f"{BEGIN}\n{solution.source}\n{END}"
    metadata = _metadata(solution.id, points=1, solution=True)
    return new_markdown_cell(source, id=solution.id, metadata=metadata)
