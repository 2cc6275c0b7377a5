"""Cells of nbgrader assignments, with nbgrader's metadata (schema version 3)."""

import re
from itertools import takewhile
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell

from snnlab._utils.errors import SnnlabError

SCHEMA_VERSION = 3
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader replaces what lies between them
_CHECK = re.compile(r'course\.check\("(\w+)", \w+\)')


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

    The lines that stub and solution begin with, such as `def f(x):`, stay in the student's version.
    A stub that shares none with its solution stays before it, because it may state a unit.

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
    pairs = zip(given, answer, strict=False)
    shared = [line for line, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    rest = answer[len(shared) :] if shared else answer
    indent = rest[0][: -len(rest[0].lstrip())] if rest else ""
    lines = [*(shared or given), indent + BEGIN, *rest, indent + END, check]
    name = match[1].replace("_", "-")
    region = new_code_cell("\n".join(lines), id=stub.id, metadata=_metadata(name, solution=True))
    test = new_code_cell(
        f"assert {check}.right",
        id=solution.id,
        metadata=_metadata(f"{name}-test", points=1),
    )
    return [region, test]


def open_question(solution: Any) -> Any:
    """Make the cell for the answer to an open question, which is graded by hand.

    Args:
        solution: the markdown cell with the answer.
    """
    source = f"{BEGIN}\n{solution.source}\n{END}"
    metadata = _metadata(solution.id, points=1, solution=True)
    return new_markdown_cell(source, id=solution.id, metadata=metadata)
