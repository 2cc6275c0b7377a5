"""Names that a package imports at their first use (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from snnlab._utils.garbage import no_collections


def lazy_getattr(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package.

    Args:
        package: name of the package, for the message.
        modules: the module that has each name. Where the module's own last name is the same, the
            name stands for the module.

    Returns:
        A function that imports the module of a name and returns what the name stands for.
    """

    def getattr_(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with no_collections():
            module = import_module(modules[name])
        return module if modules[name].rpartition(".")[2] == name else getattr(module, name)

    return getattr_
