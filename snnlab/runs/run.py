"""One run: where it writes, and what it leaves there."""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import now, parse_json, paths_below, plain, whole_file
from snnlab.course.config import Config
from snnlab.runs import manifest
from snnlab.runs.notebook_code import UNKNOWN, NotebookCode, running_notebook
from snnlab.runs.result import SCHEMA, check
from snnlab.training import loggers

PATIENCE = 20.0  # s; when a runner is killed, its kernel finds out within some seconds


@dataclass(frozen=True)
class Run:
    """A run that has begun."""

    config: Config
    dir: Path
    code: NotebookCode
    started: str = field(default_factory=now)

    @property
    def figure_dir(self) -> Path:
        """Where figures go."""
        return self.dir / "figures"

    @property
    def checkpoint_dir(self) -> Path:
        """Where checkpoints go; what was finished before a kill is found there again."""
        return self.dir / "checkpoints"

    def save_result(
        self, results: Sequence[Mapping[str, Any]], data: Mapping[str, Any], **more: Any
    ) -> Path:
        """Write `result.json`, whole or not at all.

        Args:
            results: one mapping a trained network, with at least `variant` or `recipe`, and `seed`;
                numbers of numpy and torch do.
            data: `name` and `note`; the `source` of a task or of `Splits` has them, and more.
            more: anything else that was measured and belongs to the record.

        Raises:
            SnnlabError: an entry lacks something or is not finite, or the disk is full.
        """
        code = self.code
        record = {
            "schema": SCHEMA,
            "notebook": code.name or self.config.notebook,
            "profile": self.config.profile,
            "config": dataclasses.asdict(self.config),
            "versions": manifest.versions(),
            "platform": {
                **manifest.machine(),
                "notebook_sha256": code.sha256,
                "notebook_edited": code.edited,
            },
            "data": {"path": "", "sha256": "", **data},
            "results": [dict(entry) for entry in results],
            "more": more,
            "started": self.started,
            "finished": now(),
        }
        path = self.dir / "result.json"
        text = json.dumps(record, indent=1, default=plain)
        check(_as_read(text, path), path)
        self._gather_metrics()
        with whole_file(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        manifest.end(self.dir, "finished", data=record["data"])
        if held := _held.pop(self.dir, None):
            held.lock.release()  # a notebook that stays open is no run that is going on
        return path

    def _gather_metrics(self) -> None:
        """All lines that the trainings wrote, one an epoch, with `network` before them, in one file."""
        with (
            whole_file(self.dir / "metrics.jsonl") as temporary,
            temporary.open("w", encoding="utf-8") as file,
        ):
            for path in paths_below(self.checkpoint_dir, "*.jsonl"):
                name = str(path.relative_to(self.checkpoint_dir).with_suffix(""))
                for line in path.read_text(encoding="utf-8").splitlines():
                    file.write(json.dumps({"network": name, **json.loads(line)}) + "\n")


def _as_read(text: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise SnnlabError(
            f"{path}: could not be read again ({error}); save smaller numbers."
        ) from error


def start(config: Config) -> Run:
    """Begin a run in its folder, and hold that folder until its result is saved or this process ends.

    A run that was killed there goes on from its checkpoints; those of one that has its result, or
    had another configuration or notebook, are removed first.

    Raises:
        SnnlabError: the folder cannot be made, or another process holds it.
    """
    code = running_notebook()
    where = run_folder(config, code=code)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnnlabError(
            f"out = {str(where)!r}: cannot be made ({error.strerror}); choose another folder."
        ) from error
    run = Run(config, where, code)
    if run.dir not in _held:  # a cell that starts the run may be run twice
        _held[run.dir] = manifest.hold(run.dir, "run", PATIENCE)
    mark = run.checkpoint_dir / "config.json"
    text = json.dumps(manifest.identity(config, code), indent=1)
    unfinished = (
        mark.is_file()
        and mark.read_text(encoding="utf-8") == text
        and not (run.dir / "result.json").exists()
    )
    if not unfinished:
        (run.dir / "result.json").unlink(missing_ok=True)
        shutil.rmtree(run.checkpoint_dir, ignore_errors=True)
        with whole_file(mark) as temporary:
            temporary.write_text(text, encoding="utf-8")
    manifest.begin(run.dir, config, code)
    os.environ[loggers.DEFAULT] = "tensorboard" if config.profile == "paper" else "none"
    return run


def run_folder(config: Config, experiment: str = "", code: NotebookCode = UNKNOWN) -> Path:
    """Where a run goes: `config.out`, or else runs/<experiment>/<hash>/seed=<seed> of the checkout.

    Args:
        config: the run; the hash is over all parameters that decide about its result, but for the
            seed.
        experiment: a name; that of the notebook if there is none.
        code: of the notebook; the hash is over it, too.
    """
    if config.out:
        return Path(config.out).expanduser().resolve()
    identity = manifest.identity(config, code)
    seed = identity.pop("seed")
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return home() / "runs" / (experiment or identity["notebook"]) / digest / f"seed={seed}"


_held: dict[Path, Any] = {}  # by this process


def home() -> Path:
    """The checkout that the working directory lies in, or else the working directory itself."""
    here = Path.cwd()
    return next(
        (folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here
    )
