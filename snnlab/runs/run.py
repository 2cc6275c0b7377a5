"""One run of a notebook: its folder, and the files that it leaves there."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import (
    make_folder,
    now,
    parse_json,
    paths_below,
    plain,
    stamp,
    whole_file,
    write_text,
)
from snnlab._utils.places import runs_folder
from snnlab.course.config import Config, configure
from snnlab.runs import manifest, preflight
from snnlab.runs.notebook_code import UNKNOWN, NotebookCode, running_notebook
from snnlab.runs.result import SCHEMA, check, load_result
from snnlab.training import log_choice

UNSTATED = {"name": "not stated", "note": "The notebook does not say on which data."}
LOCK_SECONDS = 20.0  # a kernel whose runner was killed ends within some seconds

_locks: dict[Path, Any] = {}  # of the folders in which this process runs


@dataclass(frozen=True, eq=False)
class Run:
    """A run, which has begun or is planned.

    Attributes:
        config: its parameters.
        dir: its folder.
        code: of its notebook.
        started: in UTC, as ISO 8601; "" if this process has not begun it.
    """

    config: Config
    dir: Path
    code: NotebookCode
    started: str = field(default="", kw_only=True)

    @property
    def figure_dir(self) -> Path:
        """Folder of the figures."""
        return self.dir / "figures"

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the checkpoints, from which a killed run is resumed."""
        return self.dir / "checkpoints"

    @property
    def earlier_dir(self) -> Path:
        """Folder of what a finished run left here, until this one has its result."""
        return self.dir / ".earlier"

    @property
    def finished(self) -> str | None:
        """Since when the folder has its result, as ISO 8601; None if it does not.

        Raises:
            SnnlabError: the result is damaged.
        """
        content, result = manifest.read(self.dir), self.dir / "result.json"
        if not manifest.same(content, self):
            return None
        try:
            since = _finish_time(result, *stamp(result))
        except FileNotFoundError:
            return None
        if content["status"] == "running":  # it was killed after it had written the result
            manifest.end(self.dir, "finished", data=load_result(result).data)
        return since

    @contextmanager
    def lock(self, *, wait: bool) -> Iterator[bool]:
        """Lock the folder; yield whether another process has finished the run during the wait.

        After the block, unless it raises, what an earlier run left here is removed.

        Args:
            wait: for another process that has the same run in work, instead of refusing.

        Raises:
            manifest.Held: another process has the run in work.
            SnnlabError: the folder cannot be made, its result is damaged, or it has the result of
                another notebook.
        """
        make_folder(self.dir)
        before = manifest.read(self.dir)
        with manifest.hold(self.dir, "runner", -1 if wait else 0):
            content, name = manifest.read(self.dir), manifest.notebook_name(self.config, self.code)
            for there in (content, manifest.read(self.earlier_dir)):
                if there.get("status") == "finished" and there["notebook"] != name:
                    raise SnnlabError(
                        f"{self.dir}: holds a finished run of {there['notebook']}, which a run of "
                        f"{name} would replace; choose another folder with out, or remove this one."
                    )
            yield content != before and self.finished is not None
            self._forget_earlier()

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
        about = manifest.describe(self)
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
        if self.code == UNKNOWN:  # else `lock` does, once all cells have run
            self._forget_earlier()
        if lock := _locks.pop(self.dir, None):
            lock.lock.release()  # the run is over, though its notebook may stay open
        return path

    def _forget_earlier(self) -> None:
        shutil.rmtree(self.earlier_dir, ignore_errors=True)

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


@lru_cache(10_000)  # a sweep asks several times, of every run
def _finish_time(path: Path, size: int, mtime_ns: int) -> str:
    return load_result(path).finished


def start(parameters: Config | Mapping[str, Any], code: NotebookCode | None = None) -> Run:
    """Begin a run in its folder, and lock that folder until its result is saved.

    A notebook of one's own says `run = snnlab.runs.start(globals())`.

    A run that was killed there is resumed from its checkpoints. What a finished run left there is
    kept in the folder `.earlier` until this run has its result. Checkpoints of an unfinished run of
    another configuration or notebook are removed.

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
    if code == UNKNOWN:  # else its runner has checked it
        preflight.check([config], folder)
    make_folder(folder)
    run = Run(config, folder, code, started=now())
    if folder not in _locks:  # the cell that starts the run may be executed twice
        _locks[folder] = manifest.hold(folder, "run", LOCK_SECONDS)
    owner = run.checkpoint_dir / "config.json"  # says whose checkpoints these are
    identity = json.dumps(manifest.identity(config, code), indent=1)
    finished = (folder / "result.json").exists()
    if finished:
        _keep(run)
    if finished or not owner.is_file() or owner.read_text(encoding="utf-8") != identity:
        shutil.rmtree(run.checkpoint_dir, ignore_errors=True)
        write_text(owner, identity)
    manifest.begin(run)
    os.environ[log_choice.DEFAULT] = "tensorboard" if config.profile == "paper" else "none"
    return run


def _keep(run: Run) -> None:
    """Move the result and checkpoints of a finished run aside, and say so in a notebook."""
    shutil.rmtree(run.earlier_dir, ignore_errors=True)
    make_folder(run.earlier_dir)
    # In this order: if it is killed meanwhile, the next process resumes from the checkpoints
    for path in (run.dir / "result.json", run.dir / manifest.FILE, run.checkpoint_dir):
        with suppress(FileNotFoundError):
            path.rename(run.earlier_dir / path.name)
    if run.code == UNKNOWN:
        print(
            f"This run begins anew. The finished one is kept in {run.earlier_dir} until this one "
            "has its result."
        )


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
