"""The trials of a search: optuna draws them, the workers of a sweep run them.

The trials are in a journal beside the runs, a file that several processes and machines may share.
Each process draws trials until there are enough of all together, and takes over those of processes
that were killed.
"""

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import make_folder, paths_below
from snnlab._utils.optional import import_optional
from snnlab.runs import manifest
from snnlab.runs.execute import NotebookRun
from snnlab.runs.preflight import check
from snnlab.runs.result import arm as arm_of
from snnlab.runs.result import load_result
from snnlab.runs.sweep.cost import logged
from snnlab.runs.sweep.executors import LocalWorker, in_workers
from snnlab.runs.sweep.search_file import MEASURED, Search
from snnlab.runs.sweep.worker import RunOutcome, requeued

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial
    from rich.console import Console

UNPRUNED = 5  # complete trials before the first one is pruned
UNPRUNED_SHARE = 0.25  # of the epochs in which none is pruned, where sigma does not shrink longer
POLL_SECONDS = 1.0  # between two looks at the metrics of a run


class Trials:
    """The trials of a search, in its journal; opens the journal, or begins it.

    Args:
        search: the search.

    Raises:
        SnnlabError: optuna is not installed, the journal is damaged, or nothing can be written.
    """

    def __init__(self, search: Search) -> None:
        optuna: Any = import_optional("optuna", "draws the trials of a search", "search")
        journal: Any = import_optional("optuna.storages.journal", "keeps them", "search")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        make_folder(search.folder)
        self.search, self._optuna = search, optuna
        self._process_lock = FileLock(search.folder / ".search.lock")
        self._distributions = {
            name: _distribution(optuna.distributions, search.type_of(name)[0], drawn)
            for name, drawn in search.drawn.items()
        }
        path = search.folder / "search.journal"
        with _journal_errors(search), self._process_lock:
            lock = journal.JournalFileSymlinkLock(str(path))
            backend = journal.JournalFileBackend(str(path), lock)
            append, read = backend.append_logs, backend.read_logs
            backend.append_logs = _journal_errors(search)(append)
            backend.read_logs = _journal_errors(search)(lambda number: [*read(number)])
            _remove_half_line(path, lock)
            self.study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name=search.identity,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
            )
        self._failed_before = len(self.of_state("FAIL"))

    def of_state(self, *states: str) -> "list[FrozenTrial]":
        """Return the trials in these states, such as "COMPLETE", that were drawn completely."""
        return [
            trial
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state.name in states and len(trial.params) == len(self._distributions)
        ]

    @property
    def best_first(self) -> "list[FrozenTrial]":
        """The complete trials; of equal ones, the earlier stands first."""
        return sorted(self.of_state("COMPLETE"), key=lambda t: (-(t.value or 0.0), t.number))

    @property
    def drawn(self) -> int:
        """Trials that count: all but those that failed before this process began."""
        return len(self.of_state("RUNNING", "COMPLETE", "PRUNED", "FAIL")) - self._failed_before

    @property
    def done(self) -> int:
        """Trials that count and have ended."""
        return self.drawn - len(self.of_state("RUNNING"))

    def claim(self) -> "tuple[Trial, AcquireReturnProxy] | None":
        """Take over a trial of a process that is gone, or draw one.

        Returns:
            The trial, and a lock to be held while it is in work; None if there are enough.
        """
        states = self._optuna.trial.TrialState
        with self._process_lock:  # of threads, too: each opens the file for itself
            for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
                if len(trial.params) < len(self._distributions):  # killed while it was drawn
                    self.study.tell(trial.number, state=states.FAIL)
                elif lock := self._lock(trial.number):
                    return self._optuna.trial.Trial(self.study, trial._trial_id), lock
            if self.drawn >= self.search.trials:
                return None
            # A seed for each draw: the draws are the same after a kill, and differ in processes
            seed = self.search.seed + len(self.study.get_trials(deepcopy=False))
            self.study.sampler = self._optuna.samplers.TPESampler(seed=seed % 2**32)
            new = self.study.ask(self._distributions)
            lock = self._lock(new.number)
            assert lock is not None
            return new, lock

    def finish(self, trial: "Trial", state: str, value: float | None = None) -> None:
        """Write the end of a trial, unless another process has written it."""
        ended = self._optuna.trial.TrialState[state]
        self.study.tell(trial, value, state=ended, skip_if_finished=True)

    def _lock(self, number: int) -> AcquireReturnProxy | None:
        try:
            return FileLock(self.search.folder / f".trial-{number}.lock").acquire(timeout=0)
        except Timeout:
            return None


def _distribution(kinds: Any, kind: type, drawn: list[Any] | dict[str, Any]) -> Any:
    if isinstance(drawn, list):
        return kinds.CategoricalDistribution([*map(json.dumps, drawn)])
    number = kinds.IntDistribution if kind is int else kinds.FloatDistribution
    with warnings.catch_warnings(action="ignore"):  # that the last step may end below `high`
        return number(**drawn)


@contextmanager
def _journal_errors(search: Search) -> Iterator[None]:
    """Turn an error of the journal into a sentence."""
    try:
        yield
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SnnlabError(
            f"{search.folder / 'search.journal'}: cannot be read or written ({error}). Free some "
            "space; if the file is damaged, remove it: the search draws anew and finds its "
            "finished runs."
        ) from error


def _remove_half_line(path: Path, lock: Any) -> None:
    """Remove what a process wrote last if the disk was full or the power failed meanwhile."""
    lock.acquire()
    try:
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    finally:
        lock.release()


def run_search(
    trials: Trials, *, workers: int, retries: int, console: "Console"
) -> list[tuple[str, str]]:
    """Run trials, several at a time, until there are enough.

    Args:
        trials: of the search.
        workers: how many run at a time.
        retries: how often a run is tried again.
        console: shows the progress.

    Returns:
        Name and reason of each trial that failed.

    Raises:
        SnnlabError: nothing can be written, or the results lack what is maximised.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """
    from snnlab.runs.progress import SweepProgress

    def work(worker: LocalWorker) -> list[tuple[str, str]]:
        failed = []
        while not worker.stopping.is_set() and (claimed := trials.claim()):
            trial, lock = claimed
            with lock:
                failed += _run_trial(trials, trial, worker)
        return failed

    search = trials.search
    workers = min(workers, search.trials)
    with SweepProgress(console, runs=search.trials, done=trials.done) as watcher:
        parts = in_workers(search.folder, work, workers=workers, retries=retries, watcher=watcher)
    return [failure for part in parts for failure in part]


@dataclass
class SearchTask:
    """Trials of a search, one after another, until there are enough: a job of SLURM.

    Attributes:
        path: the file.
        texts: parameters typed on a command line.
        identity: of the search when it was submitted.
        retries: how often a run is tried again.
    """

    path: Path
    texts: Mapping[str, str]
    identity: str
    retries: int

    checkpoint = requeued

    def __call__(self) -> None:
        """Run the trials."""
        from rich.console import Console

        search = Search(self.path, self.texts)
        if search.identity != self.identity:
            raise SnnlabError(
                f"{self.path}: has changed since the search was submitted; repeat it."
            )
        failed = run_search(Trials(search), workers=1, retries=self.retries, console=Console())
        for name, text in failed:
            print(f"{name} failed: {text}", flush=True)


def _run_trial(trials: Trials, trial: "Trial", worker: LocalWorker) -> list[tuple[str, str]]:
    """Run a trial and write its end; return its name and reason if it failed."""
    search = trials.search
    try:
        run = search.run(trial.number, trial.params)
    except SnnlabError as error:
        trials.finish(trial, "FAIL")
        return [(f"trial {trial.number}", str(error))]
    watch = _Watch(trial, run, search.arm)
    outcome = RunOutcome("finished") if run.finished else worker.run(run, wait=True, stop=watch)
    if run.finished:
        trials.finish(trial, "COMPLETE", _value(search, run))
    elif worker.stopping.is_set():
        pass  # the next process takes it over
    elif outcome.status == "pruned":
        reason = f"its accuracy after {watch.epochs} epochs was below the median of the others."
        manifest.end(run.dir, "pruned", error=reason)
        trials.finish(trial, "PRUNED")
    else:
        check([run.config], run.dir)  # of a full disk every trial would fail
        trials.finish(trial, "FAIL")
        return [(run.name, outcome.text)]
    return []


class _Watch:
    """Report the validation accuracy of a run to optuna; say whether to prune the trial."""

    def __init__(self, trial: "Trial", run: NotebookRun, arm: str) -> None:
        self._trial, self._run, self._arm = trial, run, arm
        shrinks = getattr(run.config, "anneal_share", 0.0)
        epochs = getattr(run.config, "epochs", 1)
        self._unpruned = int(epochs * max(shrinks, UNPRUNED_SHARE))
        reported = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        self.epochs, self._looked = len(reported), 0.0

    def __call__(self) -> bool:
        if time.monotonic() - self._looked < POLL_SECONDS:
            return False
        self._looked = time.monotonic()
        curve = _curve(self._run.dir, self._arm)
        for epoch in range(self.epochs, len(curve)):
            self._trial.report(curve[epoch], epoch)
        new, self.epochs = len(curve) > self.epochs, max(self.epochs, len(curve))
        return new and self.epochs > self._unpruned and self._trial.should_prune()


def _curve(folder: Path, arm: str) -> list[float]:
    """Return the highest validation accuracy after each epoch, of all networks of an arm."""
    files = (path for path in paths_below(folder / "checkpoints", "*.jsonl") if arm in path.stem)
    curves = [logged(file, MEASURED) for file in files]
    return [max(values) for values in zip_longest(*curves, fillvalue=0.0)]


def _value(search: Search, run: NotebookRun) -> float:
    """Return what is maximised: the mean over the networks of the arm."""
    result = load_result(run.dir)
    entries = [*result.results, *result.more.get("controls", [])]
    arms = [*dict.fromkeys(map(arm_of, entries))]
    chosen = search.arm or (arms[0] if len(arms) == 1 else "")
    own = [entry for entry in entries if arm_of(entry) == chosen]
    values = [entry[search.number] for entry in own if search.number in entry]
    if not values:
        raise SnnlabError(
            f"{search.path}: search, arm is {search.arm!r}; expected one of {', '.join(arms)}, "
            f"with {search.number} in the result."
        )
    return fmean(values)
