"""The checks of `snnlab doctor`.

Third-party packages are imported inside the checks, which report those that are missing.
"""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.places import ROOT
from snnlab._utils.report import Finding, error, info, ok
from snnlab.cli.doctor import disk, jupyter, torch
from snnlab.cli.doctor.repair import new_environment, problem_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def examine() -> Iterator[Finding]:
    """Run all checks and yield their findings as they come.

    Nothing is changed, except that the data set that ships is unpacked if necessary.
    """
    for name, check in CHECKS.items():
        try:
            for finding in check():
                yield Finding(finding.status, f"{name}: {finding.text}")
        except SnnlabError as reason:
            yield error(f"{name}: {reason}")
        except Exception as reason:  # noqa: BLE001 - the other checks still have to run
            text = " ".join(f"{type(reason).__name__}: {reason}".split())
            yield error(
                f"{name}: the check failed ({text}). Repair the packages first; if they are in "
                f"order, {new_environment()}."
            )


def _packages() -> Iterator[Finding]:
    requirements = _requirements(_project()["dependencies"])
    problems = [problem for one in requirements if (problem := problem_of(one))]
    yield from map(error, problems)
    if not problems:
        from snnlab.runs import manifest

        versions = ", ".join(f"{name} {number}" for name, number in manifest.versions().items())
        yield ok(f"{versions}, in {sys.prefix}")


def _extras() -> Iterator[Finding]:
    """Check the packages of optional features; those for tests report themselves."""
    complete = []
    for name, texts in _project()["optional-dependencies"].items():
        if name in ("test", "browser"):
            continue
        problems = [problem for one in _requirements(texts) if (problem := problem_of(one))]
        yield from (info(f"only for snnlab[{name}]: {problem}") for problem in problems)
        if not problems:
            complete.append(name)
    yield ok(f"installed: {', '.join(complete) or 'none'}")


def _spikingjelly() -> Iterator[Finding]:
    importlib.import_module("spikingjelly.activation_based")
    yield ok("spikingjelly.activation_based can be imported")


def _speech() -> Iterator[Finding]:
    if importlib.util.find_spec("espeakng_loader"):
        from snnlab.data.datasets.voices import Espeak

        with Espeak():  # raises an error that says what to do
            yield ok("the library espeak-ng can be loaded")


def _project() -> dict[str, Any]:
    # The metadata of an editable installation are as old as the installation
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


def _requirements(texts: list[str]) -> list[Requirement]:
    from packaging.requirements import Requirement

    parsed = map(Requirement, texts)
    return [one for one in parsed if one.marker is None or one.marker.evaluate()]


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "packages": _packages,
    "extras": _extras,
    "torch": torch.build,
    "gpu": torch.gpu,
    "spikingjelly": _spikingjelly,
    "sliders": jupyter.sliders,
    "kernel": jupyter.kernel,
    "speech": _speech,
    "data": disk.data,
    "cache": disk.cache,
    "runs": disk.runs,
}
