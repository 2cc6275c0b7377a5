"""Statements of a notebook's text, evaluated on the results of the run that shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable, status_html
from snnlab._utils.words import counted

# An executed notebook keeps the statements under this type, for the check of `make notebooks`
MIME = "application/vnd.snnlab.claims+json"


@dataclass(frozen=True)
class Claims:
    """Statements and whether each holds in this run; a notebook shows one line about them.

    None stands for a statement about networks that this run did not train.
    """

    holds: dict[str, bool | None]

    @property
    def false(self) -> list[str]:
        """The statements that do not hold."""
        return [statement for statement, holds in self.holds.items() if holds is False]

    @property
    def left_out(self) -> list[str]:
        """The statements about networks that this run did not train."""
        return [statement for statement, holds in self.holds.items() if holds is None]

    def __repr__(self) -> str:
        """Return the line."""
        left_out, false = len(self.left_out), self.false
        n = len(self.holds) - left_out
        about = (
            f"{left_out} {'statement above is' if left_out == 1 else 'statements above are'} about "
            "networks that this run did not train."
        )
        if not n:
            return about
        rest = f" {about}" if left_out else ""
        if not false:
            return f"{counted(n, 'statement')} above hold{'s' * (n == 1)} in this run.{rest}"
        listing = "; ".join(f"'{printable(statement)}'" for statement in false)
        return (
            f"{len(false)} of {counted(n, 'statement')} above "
            f"{'does' if len(false) == 1 else 'do'} not hold "
            f"in this run: {listing}. The text describes the course profile without changes."
            f"{rest}"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # green and orange; the text says the same
        colour = "#e69f00" if self.false else "#009e73"
        text = repr(self)
        return {"text/plain": text, "text/html": status_html(text, colour), MIME: self.holds}


def claims(statements: Mapping[str, Any]) -> Claims:
    """Evaluate what the text above a cell says about the results of this run.

    A statement that does not hold is shown and raises nothing, because other profiles and a
    reader's changes give other results. `make notebooks` refuses to store it.

    Args:
        statements: excerpts of the markdown cell above, character by character, and whether each
            is true of this run. A function without arguments is called for the answer; where it
            asks a mapping for a network that was not trained, the statement is left out.

    Returns:
        The statements; the last line of a cell shows them.
    """
    answers: dict[str, bool | None] = {}
    for statement, holds in statements.items():
        if isinstance(holds, FunctionType):
            try:
                holds = holds()
            except KeyError:
                answers[statement] = None
                continue
        if getattr(holds, "ndim", 0) or type(holds).__name__ not in ("bool", "bool_", "Tensor"):
            raise SnnlabError(
                f"{statement!r}: {holds!r:.60} is neither true nor false; give one truth value, "
                "such as `a > b` or `(a > b).all()`."
            )
        answers[statement] = bool(holds)
    return Claims(answers)
