"""Imports of optional packages."""

import importlib
from types import ModuleType

from snnlab._utils.errors import SnnlabError


def import_optional(name: str, purpose: str, extra: str | None = None) -> ModuleType:
    """Import a package that only some features need, or a module of it.

    Args:
        name: the package, or a module of it.
        purpose: what it does, for the message, such as "writes shards".
        extra: the extra of snnlab that installs it; None where snnlab itself does.

    Raises:
        SnnlabError: it cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        ours = "" if extra is None else f'"snnlab[{extra}]", or pip install '
        raise SnnlabError(
            f"{package}, which {purpose}, cannot be imported ({error}); it was expected. "
            f"Install it with: pip install {ours}{package}."
        ) from error
