"""What belongs to the notebooks alone: their parameters, exercises and data.

`configure` makes the configuration of a notebook, `delay_config` that of notebook 04 for another
notebook, and `check` judges the answer to an exercise.
"""

from importlib import import_module
from typing import Any

_MODULES = {"check": "exercises", "configure": "config", "delay_config": "config"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
