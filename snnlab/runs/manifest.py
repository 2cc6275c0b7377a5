"""`manifest.json`, the parameters and state of a run, and the lock of its folder."""

import dataclasses
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from snnlab._utils.cuda import cuda_devices
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import now, plain, read_json, write_text
from snnlab._utils.places import ROOT
from snnlab._utils.version import __version__
from snnlab.course.config import Config
from snnlab.runs.notebook_code import NotebookCode

if TYPE_CHECKING:
    from snnlab.runs.run import Run

FILE = "manifest.json"
SCHEMA = 1
KINDS = {  # of its entries
    **dict.fromkeys(("notebook", "profile", "status", "error", "finished"), str),
    **dict.fromkeys(("config", "versions", "platform", "process", "data", "identity"), dict),
    "started": list,
}
PACKAGES = ("torch", "spikingjelly", "numba", "numpy")


class Held(SnnlabError):
    """Another process has the same run in work."""


def notebook_name(config: Config, code: NotebookCode) -> str:
    """Return the name of a notebook; in a kernel, a configuration of one's own does not know it."""
    return code.name or config.notebook


def describe(run: "Run") -> dict[str, Any]:
    """Describe a run, for its manifest and for its result.

    Returns:
        `notebook`, `profile`, `config` (all parameters), `versions` (of Python and of packages),
        and `platform` (system, processor, device, git commit and whether tracked files differ).
    """
    return {
        "notebook": notebook_name(run.config, run.code),
        "profile": run.config.profile,
        "config": dataclasses.asdict(run.config),
        "versions": versions(),
        "platform": machine(),
    }


def begin(run: "Run") -> None:
    """Write the manifest of a run that begins or is resumed.

    Besides the entries of `describe` it has `schema`, `notebook_sha256`, `identity` (all that
    decides about the result), `process` (host and number), `status` ("running", also of a killed
    run; "finished"; "failed" or "pruned", with `error`), `started` (one time for each start, UTC),
    `finished`, and `data`, once there is a result.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    before = read(run.dir)
    resumed = before.get("status") != "finished" and same(before, run)
    _write(
        run.dir,
        {
            **describe(run),
            "schema": SCHEMA,
            "notebook_sha256": run.code.sha256,
            "identity": identity(run.config, run.code),
            "process": {"host": socket.gethostname(), "pid": os.getpid()},
            "status": "running",
            "error": "",
            "started": [*(before["started"] if resumed else []), now()],
            "finished": "",
            "data": {},
        },
    )


def end(folder: Path, status: str, **entries: Any) -> None:
    """Write the end of a run into its manifest.

    Args:
        folder: of the run.
        status: "finished", "failed" or "pruned".
        entries: other entries that change.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    _write(folder, {**read(folder), "status": status, "finished": now(), **entries})


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; empty where there is none that can be read."""
    try:
        content = read_json(folder / FILE, "")
    except SnnlabError:
        return {}
    valid = (
        isinstance(content, dict)
        and content.get("schema") == SCHEMA
        and content.get("started")
        and all(isinstance(content.get(name), kind) for name, kind in KINDS.items())
    )
    return content if valid else {}


def same(content: Mapping[str, Any], run: "Run") -> bool:
    """Return whether the content of a manifest is of a run with the same `identity`."""
    return content.get("identity") == identity(run.config, run.code)


def identity(config: Config, code: NotebookCode) -> dict[str, Any]:
    """Return all that decides about the result of a run, with values as in JSON.

    Args:
        config: its parameters.
        code: of its notebook.
    """
    notebook = {"notebook": notebook_name(config, code), "notebook_sha256": code.sha256}
    content: dict[str, Any] = json.loads(
        json.dumps(notebook | config.deciding() | {"seed": config.seed}, default=plain)
    )
    return content


def hold(folder: Path, name: str, timeout: float, file: Path | None = None) -> AcquireReturnProxy:
    """Lock the folder of a run; the lock is released when this process ends.

    Args:
        folder: of the run; it has to exist.
        name: of the lock: a notebook and the process that runs it have one each.
        timeout: seconds to wait; -1 waits until the lock is free.
        file: of the lock; None for one in the folder.

    Returns:
        The lock, to be kept or to be used in `with`.

    Raises:
        Held: another process has the lock.
    """
    try:
        return FileLock(file or folder / f".{name}.lock").acquire(timeout=timeout)
    except Timeout as error:
        raise Held(
            f"{folder}: the same run is going on there ({process_of(read(folder))}). Wait for it "
            "(`snnlab run --wait`), or choose another folder with out."
        ) from error


def process_of(content: Mapping[str, Any]) -> str:
    """Return the process that began a run, and since when, from the content of its manifest."""
    if not (process := content.get("process")):
        return "a process"
    return f"process {process['pid']} on {process['host']}, since {content['started'][-1]}"


def versions() -> dict[str, str]:
    """Return the versions of Python, of snnlab, and of packages that change numbers."""
    installed = {"python": platform.python_version(), "snnlab": __version__}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "not installed"
    return installed


def machine() -> dict[str, Any]:
    """Return the operating system, processor, device, and state of the git checkout."""
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "device": next(iter(cuda_devices()), "cpu"),
        **_git(),
    }


def _git() -> dict[str, Any]:
    """Return the commit of snnlab's checkout, and whether tracked files differ from it."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    if not (ROOT / ".git").exists():
        return {}
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    return {} if commit is None else {"git_commit": commit, "git_changed": bool(changes)}


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    write_text(folder / FILE, json.dumps(content, indent=1, default=plain) + "\n")
