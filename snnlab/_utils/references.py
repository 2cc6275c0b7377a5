"""References to the user's own code: `module:name`, as in `my_module:MyNet`."""

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_reference(text: str) -> bool:
    """Return whether a text is `module:name`."""
    return _REFERENCE.fullmatch(text) is not None


def import_reference(text: str, what: str) -> Any:
    """Import what a reference names; its module may lie in the working folder.

    Args:
        text: `module:name`.
        what: what is expected there, for the message.

    Raises:
        SnnlabError: it cannot be imported.
    """
    module, _, name = text.partition(":")
    _search_working_folder()
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SnnlabError(
            f"{text} cannot be imported ({error}); a module that Python finds, with {what} in it, "
            "was expected. Check both names, the working folder, and PYTHONPATH."
        ) from error


def module_file(text: str, what: str) -> Path:
    """Return the file of the module of a reference, which is not imported.

    Raises:
        SnnlabError: it is no reference, or Python finds no such module.
    """
    module = text.partition(":")[0]
    _search_working_folder()
    try:
        spec = find_spec(module) if is_reference(text) else None
    except ModuleNotFoundError:  # of the package that it is in
        spec = None
    if spec is None or not spec.origin:
        raise SnnlabError(
            f"{text}: expected module:NAME, a module that Python finds in the working folder or on "
            f"PYTHONPATH, and {what} in it; such as my_module:MyNet."
        )
    return Path(spec.origin)


def _search_working_folder() -> None:
    """Let Python find modules in the working folder, where the command `snnlab` does not look."""
    if "" not in sys.path:
        sys.path.append("")
