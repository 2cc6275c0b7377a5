"""HTML tables that a screen reader reads and that need no kernel."""

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from snnlab._utils.escape import html_text


def html_table(header: Iterable[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Build an HTML table whose first column names the rows.

    Args:
        header: the column names.
        rows: the cells of each row; floats are written with four significant digits.
        caption: a title above the table; empty for none.

    Returns:
        The `<table>` element, with every text escaped.
    """

    def cell(value: Any) -> str:
        number = isinstance(value, Real) and not isinstance(value, Integral)
        return html_text(f"{value:.4g}" if number else value)

    title = f"<caption>{html_text(caption)}</caption>" if caption else ""
    names = "".join(f'<th scope="col">{html_text(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{cell(first)}</th>'
        f"{''.join(f'<td>{cell(value)}</td>' for value in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<table>{title}<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
