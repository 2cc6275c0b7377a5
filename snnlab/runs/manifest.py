"""`manifest.json`, what a run is and what became of it, and the lock of its folder."""

import dataclasses
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout

import snnlab
from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import now, plain, read_json, whole_file
from snnlab.course.config import Config
from snnlab.runs.notebook_code import NotebookCode, running_notebook

FILE = "manifest.json"
SCHEMA = 1
KINDS = {  # of its entries
    **dict.fromkeys(("notebook", "profile", "status", "error", "finished"), str),
    **dict.fromkeys(("config", "versions", "platform", "process", "data", "identity"), dict),
    "started": list,
}
PACKAGES = ("torch", "spikingjelly", "numba", "numpy")


class Held(SnnlabError):
    """Another process has the run in work."""


def begin(folder: Path, config: Config, code: NotebookCode | None = None) -> None:
    """Write that a run begins, or goes on: then the times of earlier beginnings stay.

    It has `schema`, `notebook` and `notebook_sha256` (name and code of the notebook that runs),
    `identity` (all that decides about the result), `profile`, `config` (every parameter, defaults
    too), `versions`, `platform` (system, processor, device, git commit and whether the tree was
    changed), `process` (host and number), `status` ("running"; "finished" or "failed" with `error`;
    one that was killed stays "running"), `started` (a time each beginning, UTC), `finished`, and,
    from its result on, `data`.

    Args:
        folder: of the run.
        config: its parameters.
        code: of its notebook; by default that of `running_notebook`.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    before, code = read(folder), code or running_notebook()
    goes_on = before.get("status") != "finished" and same(before, config, code)
    _write(
        folder,
        {
            "schema": SCHEMA,
            "notebook": code.name or config.notebook,
            "notebook_sha256": code.sha256,
            "profile": config.profile,
            "config": dataclasses.asdict(config),
            "identity": identity(config, code),
            "versions": versions(),
            "platform": machine(),
            "process": {"host": socket.gethostname(), "pid": os.getpid()},
            "status": "running",
            "error": "",
            "started": [*(before["started"] if goes_on else []), now()],
            "finished": "",
            "data": {},
        },
    )


def end(folder: Path, status: str, **entries: Any) -> None:
    """Write that a run is "finished" or has "failed", and what else is known of it.

    Raises:
        SnnlabError: the disk is full or read-only.
    """
    _write(folder, {**read(folder), "status": status, "finished": now(), **entries})


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a run; empty where there is none that can be read."""
    try:
        content = read_json(folder / FILE, "")
    except SnnlabError:
        return {}
    if (
        not isinstance(content, dict)
        or content.get("schema") != SCHEMA
        or not content.get("started")
    ):
        return {}
    return (
        content if all(isinstance(content.get(name), kind) for name, kind in KINDS.items()) else {}
    )


def same(content: Mapping[str, Any], config: Config, code: NotebookCode) -> bool:
    """Whether a manifest is of this run, up to what does not decide about the result.

    Args:
        content: of the manifest.
        config: the parameters of the run.
        code: of the notebook that runs.
    """
    return content.get("identity") == identity(config, code)


def identity(config: Config, code: NotebookCode) -> dict[str, Any]:
    """Return all that decides about the result of a run, as JSON has it.

    Args:
        config: the parameters of the run.
        code: of the notebook that runs.
    """
    notebook = {"notebook": code.name or config.notebook, "notebook_sha256": code.sha256}
    parts = notebook | config.deciding() | {"seed": config.seed}
    content: dict[str, Any] = json.loads(json.dumps(parts, default=plain))
    return content


def hold(folder: Path, name: str, patience: float) -> AcquireReturnProxy:
    """Keep others from running in a folder; a process that ends, however it does, lets go.

    Args:
        folder: of the run; made by the caller.
        name: of the lock; who starts a notebook and the notebook itself have one each.
        patience: seconds to wait; -1 for as long as it takes.

    Returns:
        What has to be kept, or used in `with`.

    Raises:
        Held: another process has it still.
    """
    try:
        return FileLock(folder / f".{name}.lock").acquire(timeout=patience)
    except Timeout as error:
        held = read(folder)
        process = held.get("process", {})
        who = (
            f"process {process['pid']} on {process['host']}, since {held['started'][-1]}"
            if process
            else "a process"
        )
        raise Held(
            f"{folder}: the same run is going on there ({who}); nobody was expected to hold it. Wait for it "
            "(`snnlab run --wait`), or choose another folder with out."
        ) from error


def versions() -> dict[str, str]:
    """Of Python, of the packages that decide about numbers, and of snnlab."""
    found = {"python": platform.python_version(), "snnlab": snnlab.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Operating system, processor, device, and the git commit with whether the tree was changed."""
    import torch  # here: who only reads a manifest, as the command line does, need not wait for it

    cuda = torch.cuda.is_available()
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        **_git(),
    }


def _git() -> dict[str, Any]:
    """Commit of the checkout that snnlab was imported from, and whether tracked files were changed since."""
    checkout = Path(snnlab.__file__).parents[1]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", checkout, *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    if not (checkout / ".git").exists():
        return {}
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    return {} if commit is None else {"git_commit": commit, "git_changed": bool(changes)}


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    with whole_file(folder / FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1, default=plain) + "\n", encoding="utf-8")
