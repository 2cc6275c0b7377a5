r"""Escaping of text from data for each place where it is displayed.

A class name, a note or a path may hold what a terminal, a web page or matplotlib takes for markup.
One function for each kind of display shows such text as it is; markup of our own goes around it.
Control characters, which move a cursor, and lone surrogates, which no file can hold, appear as
Python writes them, `\x1b` or `\ud800`.
"""

import html as _html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

# Not the tab and the end of a line
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: object) -> str:
    """Write out control characters, other than tabs and ends of lines, and lone surrogates."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(text))


def in_one_line(text: object) -> str:
    """Join the lines of a text by spaces."""
    return " ".join(line.strip() for line in str(text).splitlines())


def is_utf8(text: str) -> bool:
    """Return whether UTF-8 can hold a text; it cannot hold a path with other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def terminal_text(text: object, style: str = "") -> "Text":
    """Make `text` safe for rich, which interprets no `[markup]` and no `:emoji:` in the result."""
    from rich.text import Text  # here: pictures need none

    return Text(printable(text), style=style)


def html_text(text: object) -> str:
    """Make `text` safe for the inside of an HTML element, or of an attribute in quotes."""
    return _html.escape(printable(text), quote=True)


def status_html(text: object, colour: str) -> str:
    """Make a line of HTML that screen readers announce, with a bar of a colour before it."""
    return (
        f'<p role="status" style="border-left: 6px solid {colour}; margin: 0; '
        f'padding: 4px 12px">{html_text(text)}</p>'
    )


def plot_text(text: object) -> str:
    """Make `text` safe for a title, tick or legend of matplotlib: one line, no mathtext."""
    one_line = printable(text).replace("\n", r"\n").replace("$", r"\$")
    # a legend leaves out what begins with `_`
    return f" {one_line}" if one_line.startswith("_") else one_line
