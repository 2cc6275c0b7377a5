"""One run of a notebook: its folder, and the files that it leaves there."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import (
    make_folder,
    now,
    parse_json,
    paths_below,
    plain,
    whole_file,
    write_text,
)
from snnlab._utils.places import runs_folder
from snnlab.course.config import Config, configure
from snnlab.runs import manifest, preflight
from snnlab.runs.notebook_code import UNKNOWN, NotebookCode, running_notebook
from snnlab.runs.result import SCHEMA, check
from snnlab.training import log_choice

UNSTATED = {"name": "not stated", "note": "The notebook does not say on which data."}
LOCK_SECONDS = 20.0  # a kernel whose runner was killed ends within some seconds

_locks: dict[Path, Any] = {}  # of the folders in which this process runs


@dataclass(frozen=True)
class Run:
    """A run that has begun.

    Attributes:
        config: its parameters.
        dir: its folder.
        code: of its notebook.
        started: in UTC, as ISO 8601.
    """

    config: Config
    dir: Path
    code: NotebookCode
    started: str = field(default_factory=now)

    @property
    def figure_dir(self) -> Path:
        """Folder of the figures."""
        return self.dir / "figures"

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the checkpoints, from which a killed run is resumed."""
        return self.dir / "checkpoints"

    def save_result(
        self, results: Sequence[Mapping[str, Any]], data: Mapping[str, Any] = UNSTATED, **more: Any
    ) -> Path:
        """Write `result.json`, completely or not at all.

        Args:
            results: one mapping a trained network, with at least `variant` or `recipe`, and `seed`;
                numbers may be those of numpy and torch.
            data: `name` and `note`, or the `source` of a task or of `DataSplits`.
            more: any other measurements.

        Returns:
            The file.

        Raises:
            SnnlabError: an entry lacks something or is not finite, or the disk is full.
        """
        about = manifest.describe(self.config, self.code)
        record = {
            **about,
            "schema": SCHEMA,
            "platform": {
                **about["platform"],
                "notebook_sha256": self.code.sha256,
                "notebook_edited": self.code.edited,
            },
            "data": {"path": "", "sha256": "", **data},
            "results": [dict(entry) for entry in results],
            "more": more,
            "started": self.started,
            "finished": now(),
        }
        path = self.dir / "result.json"
        text = json.dumps(record, indent=1, default=plain)
        try:
            check(parse_json(text), path)
        except SnnlabError:
            raise
        except ValueError as error:
            raise SnnlabError(
                f"{path}: could not be read again ({error}); save smaller numbers."
            ) from error
        self._collect_metrics()
        write_text(path, f"{text}\n")
        manifest.end(self.dir, "finished", data=record["data"])
        if lock := _locks.pop(self.dir, None):
            lock.lock.release()  # the run is over, though its notebook may stay open
        return path

    def _collect_metrics(self) -> None:
        """Write all metrics, a line for each epoch of each network, into one file."""
        with (
            whole_file(self.dir / "metrics.jsonl") as temporary,
            temporary.open("w", encoding="utf-8") as file,
        ):
            for path in paths_below(self.checkpoint_dir, "*.jsonl"):
                name = path.relative_to(self.checkpoint_dir).with_suffix("").as_posix()
                for line in path.read_text(encoding="utf-8").splitlines():
                    file.write(json.dumps({"network": name, **json.loads(line)}) + "\n")


def start(parameters: Config | Mapping[str, Any], code: NotebookCode | None = None) -> Run:
    """Begin a run in its folder, and lock that folder until its result is saved.

    A notebook of one's own says `run = snnlab.runs.start(globals())`.

    A run that was killed there is resumed from its checkpoints. Checkpoints of a finished run, or
    of another configuration or notebook, are removed first.

    Args:
        parameters: the configuration of the notebook, or its variables, all its parameters among
            them; see `course.configure`.
        code: of the notebook; None for the one that runs in this process.

    Returns:
        The run.

    Raises:
        SnnlabError: a parameter is wrong, the data, the disk or the device does not suffice, the
            folder cannot be made, or another process runs there.
    """
    config: Config = parameters if isinstance(parameters, Config) else configure(parameters)
    code = code or running_notebook()
    folder = run_folder(config, code=code)
    preflight.check(config, folder, code)
    make_folder(folder)
    run = Run(config, folder, code)
    if folder not in _locks:  # the cell that starts the run may be executed twice
        _locks[folder] = manifest.hold(folder, "run", LOCK_SECONDS)
    owner = run.checkpoint_dir / "config.json"  # says whose checkpoints these are
    identity = json.dumps(manifest.identity(config, code), indent=1)
    result = folder / "result.json"
    if result.exists() or not owner.is_file() or owner.read_text(encoding="utf-8") != identity:
        result.unlink(missing_ok=True)
        shutil.rmtree(run.checkpoint_dir, ignore_errors=True)
        write_text(owner, identity)
    manifest.begin(folder, config, code)
    os.environ[log_choice.DEFAULT] = "tensorboard" if config.profile == "paper" else "none"
    return run


def run_folder(config: Config, experiment: str = "", code: NotebookCode = UNKNOWN) -> Path:
    """Return the folder of a run: `config.out`, or runs/<experiment>/<hash>/seed=<seed>.

    Args:
        config: the parameters; the hash is over those that change the result, without the seed.
        experiment: a name; empty for that of the notebook.
        code: of the notebook; the hash is over it, too.
    """
    if config.out:
        return Path(config.out).expanduser().resolve()
    identity = manifest.identity(config, code)
    seed = identity.pop("seed")
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return runs_folder() / (experiment or identity["notebook"]) / digest / f"seed={seed}"
