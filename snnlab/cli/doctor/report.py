"""What `snnlab doctor` finds, and how its sentences name a command."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Finding:
    """`ok` is None for what not everybody needs; `text` says what is there, or what is wrong, where, and what to do."""

    ok: bool | None
    text: str


def well(text: str) -> Finding:
    """It is as it should be."""
    return Finding(True, text)


def wrong(text: str) -> Finding:
    """It has to be mended."""
    return Finding(False, text)


def note(text: str) -> Finding:
    """Whoever needs it has to mend it."""
    return Finding(None, text)


def pip(*words: str) -> str:
    """A command of this environment's pip, between backticks, with the tested versions where it installs."""
    tested = ["-c", str(ROOT / "constraints.txt")] if words[0] == "install" else []
    return f"`{shlex.join([sys.executable, '-m', 'pip', words[0], *tested, *words[1:]])}`"


def anew(words: str = "") -> str:
    """How to make the environment anew: not by removing sys.prefix, which may be the system's."""
    return f"remove .venv in {ROOT} and run `make setup{words and f' {words}'}` there"


def problem_of(asked: Requirement) -> str:
    """What is wrong with a package, where, and how to mend it; empty if nothing is."""
    mend = f"{asked} was expected. Run {pip('install', str(asked))}."
    try:
        found = distribution(asked.name)
    except PackageNotFoundError:
        return f"{asked.name} is not installed in {sys.prefix}; {mend}"
    if asked.specifier.contains(found.version, prereleases=True):
        return ""
    return f"{asked.name} {found.version} is installed in {found.locate_file('')}; {mend}"
