"""Commands that repair an installation, as the doctor prints them."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from snnlab._utils.places import INSTALLED, ROOT

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def pip(command: str, *arguments: str) -> str:
    """Return a command of this environment's pip in backticks; it installs the tested versions."""
    if command == "install":
        arguments = ("-c", str(ROOT / "constraints.txt"), *arguments)
    return f"`{shlex.join([sys.executable, '-m', 'pip', command, *arguments])}`"


def new_environment(torch: str = "") -> str:
    """Say how to create the environment anew.

    Args:
        torch: an index to take torch from.
    """
    if INSTALLED:
        first = f"torch by `pip install torch --index-url {torch}`, then " if torch else ""
        return f"install {first}snnlab in a new virtual environment"
    # never "remove sys.prefix", which may be the system's
    variable = f"TORCH_INDEX={torch}" if torch else ""
    return f"remove .venv in {ROOT} and run `{f'make setup {variable}'.strip()}` there"


def problem_of(requirement: Requirement) -> str:
    """Return what is wrong with a required package and the command that repairs it, or ""."""
    expected = f"{requirement} was expected. Run {pip('install', str(requirement))}."
    try:
        package = distribution(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed in {sys.prefix}; {expected}"
    if requirement.specifier.contains(package.version, prereleases=True):
        return ""
    where = package.locate_file("")
    return f"{requirement.name} {package.version} is installed in {where}; {expected}"
