"""Imports of optional packages."""

import importlib
from types import ModuleType

from snnlab._utils.errors import SnnlabError


def import_optional(name: str, purpose: str, extra: str) -> ModuleType:
    """Import a package that only some features need.

    Args:
        name: the package.
        purpose: what it does, for the message, such as "writes shards".
        extra: the extra of snnlab that installs it.

    Raises:
        SnnlabError: it cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SnnlabError(
            f"{name}, which {purpose}, cannot be imported ({error}); it was expected. "
            f'Install it with: pip install "snnlab[{extra}]", or pip install {name}.'
        ) from error
