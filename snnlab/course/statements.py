"""Statements of a notebook's text, evaluated on the results of the run that shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable, status_html

# An executed notebook keeps the statements under this type, for the check of `make notebooks`
MIME = "application/vnd.snnlab.claims+json"


@dataclass(frozen=True)
class Claims:
    """Statements and whether each holds in this run; a notebook shows one line about them."""

    holds: dict[str, bool]

    @property
    def false(self) -> list[str]:
        """The statements that do not hold."""
        return [statement for statement, holds in self.holds.items() if not holds]

    def __repr__(self) -> str:
        """Return the line."""
        n, false = len(self.holds), self.false
        if not false:
            return f"{n} statement{'s' * (n != 1)} above hold{'s' * (n == 1)} in this run."
        listing = "; ".join(f"'{printable(statement)}'" for statement in false)
        return (
            f"{len(false)} of {n} statements above {'does' if len(false) == 1 else 'do'} not hold "
            f"in this run: {listing}. The text describes the course profile without changes."
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
            is true of this run.

    Returns:
        The statements; the last line of a cell shows them.
    """
    for statement, holds in statements.items():
        if getattr(holds, "ndim", 0) or type(holds).__name__ not in ("bool", "bool_", "Tensor"):
            raise SnnlabError(
                f"{statement!r}: {holds!r:.60} is neither true nor false; give one truth value, "
                "such as `a > b` or `(a > b).all()`."
            )
    return Claims({statement: bool(holds) for statement, holds in statements.items()})
