"""Runs of notebooks: one run, sweeps of many, and the tables that collect their results.

`start` begins the run of a notebook; `collect` and `summary` make tables of many results.
"""

from importlib import import_module
from typing import Any

_MODULES = {"collect": "collection", "run_folder": "run", "start": "run", "summary": "collection"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
