"""Is everything in place? What has gone wrong on somebody's machine before is looked for, and how to mend it is said.

Nothing that has to be installed is imported at the top: whether it is, is the question.
"""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab.cli.doctor import disk, jupyter, torch
from snnlab.cli.doctor.report import ROOT, Finding, anew, note, pip, problem_of, well, wrong

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def examine() -> Iterator[tuple[str, Finding]]:
    """Look at everything, and give what was looked at and each finding as it comes.

    Nothing is changed, except that the data that ships is unpacked if it was not yet.
    """
    for what, look in LOOKS.items():
        try:
            for finding in look():
                yield what, finding
        except SnnlabError as error:
            yield what, wrong(str(error))
        except Exception as error:  # noqa: BLE001 - a doctor who faints helps nobody
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            yield (
                what,
                wrong(
                    f"could not be looked at ({reason}). Mend what is wrong with packages first; if nothing is, {anew()}."
                ),
            )


def _python() -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    found, expected = platform.python_version(), _project()["requires-python"]
    if SpecifierSet(expected).contains(found, prereleases=True):
        yield well(f"Python {found}, {sys.executable}")
    else:
        yield wrong(
            f"{sys.executable} is Python {found}; {expected} was expected. Install one, {anew('PYTHON=<that one>')}."
        )


def _packages() -> Iterator[Finding]:
    problems = [
        problem for asked in _asked(_project()["dependencies"]) if (problem := problem_of(asked))
    ]
    yield from map(wrong, problems)
    if not problems:
        from snnlab.runs import manifest  # here: it imports packages

        yield well(", ".join(f"{name} {found}" for name, found in manifest.versions().items()))


def _extras() -> Iterator[Finding]:
    """What only some need. Speech has a look of its own; what tests need, tests say."""
    extras = {
        name: _asked(texts)
        for name, texts in _project()["optional-dependencies"].items()
        if name not in ("speech", "test", "browser")
    }
    problems = [
        (name, problem)
        for name, all_asked in extras.items()
        for one in all_asked
        if (problem := problem_of(one))
    ]
    for name, problem in problems:
        yield note(f"only for snnlab[{name}]: {problem}")
    if not problems:
        yield well(f"the packages for {', '.join(extras)} are there")


def _networks() -> Iterator[Finding]:
    importlib.import_module("spikingjelly.activation_based")
    yield well(f"SpikingJelly {version('spikingjelly')} imports")


def _speech() -> Iterator[Finding]:
    (asked,) = _asked(_project()["optional-dependencies"]["speech"])
    try:
        found = version(asked.name)
    except PackageNotFoundError:
        program = shutil.which("espeak-ng")
        absent = (
            f"{program} is there, but snnlab speaks through the wheel {asked.name}, which is not installed in {sys.prefix}"
            if program
            else f"there is no espeak-ng, neither the wheel {asked.name} in {sys.prefix} nor a program on PATH"
        )
        yield note(
            f"{absent}; only `snnlab data make` needs it. For that run {pip('install', str(asked))}."
        )
        return
    if problem := problem_of(asked):
        yield wrong(problem)
        return
    from snnlab.data.datasets.voices import Espeak

    with Espeak():  # loads the library, and says what to do if that fails
        yield well(f"espeak-ng of {asked.name} {found} starts")


def _project() -> dict[str, Any]:
    """What snnlab asks for. Its metadata say so, too, but those of an editable installation are as old as the installation."""
    file = ROOT / "pyproject.toml"
    if not file.is_file():
        raise SnnlabError(
            f"{file} is not there; snnlab was expected in its clone, where its data is. Install it from there with `pip install -e .`."
        )
    return dict(tomllib.loads(file.read_text(encoding="utf-8"))["project"])


def _asked(texts: list[str]) -> list[Requirement]:
    from packaging.requirements import Requirement

    return [
        asked
        for asked in map(Requirement, texts)
        if asked.marker is None or asked.marker.evaluate()
    ]


LOOKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "python": _python,
    "packages": _packages,
    "extras": _extras,
    "torch": torch.build,
    "gpu": torch.gpu,
    "networks": _networks,
    "sliders": jupyter.sliders,
    "kernel": jupyter.kernel,
    "speech": _speech,
    "data": disk.data,
    "cache": disk.cache,
    "runs": disk.runs,
}
