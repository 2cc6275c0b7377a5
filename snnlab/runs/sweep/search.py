"""The trials of a search: optuna draws them, the workers of a sweep run them.

The trials are in a journal beside the runs, a file that several processes and machines may share.
Each process draws trials until there are enough of all together, and takes over those of processes
that were killed.
"""

import json
import os
import threading
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
from snnlab.runs.result import arm as arm_of
from snnlab.runs.result import load_result
from snnlab.runs.sweep.cost import logged
from snnlab.runs.sweep.executors import HELD_SECONDS, LocalWorkers, in_workers
from snnlab.runs.sweep.search_file import MEASURED, Search, read_search
from snnlab.runs.sweep.worker import RunOutcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from snnlab.runs.progress import SweepProgress

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
        self._own: set[int] = set()  # in work here
        self._thread_lock = threading.Lock()
        self._process_lock = FileLock(search.folder / ".search.lock")
        self._distributions = {
            name: optuna.distributions.CategoricalDistribution([*map(json.dumps, drawn)])
            if isinstance(drawn, list)
            else _distribution(optuna, search.type_of(name), drawn)
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
            The trial, and a lock that says that it is in work; None if there are enough.
        """
        states = self._optuna.trial.TrialState
        with self._thread_lock, self._process_lock:
            for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
                if trial.number in self._own:
                    continue
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

    def finish(
        self, trial: "Trial", lock: AcquireReturnProxy, state: str, value: float | None = None
    ) -> None:
        """Write the end of a trial, unless another process has written it."""
        ended = self._optuna.trial.TrialState[state]
        self.study.tell(trial, value, state=ended, skip_if_finished=True)
        self.release(trial, lock)

    def release(self, trial: "Trial", lock: AcquireReturnProxy) -> None:
        """Leave a trial to another process."""
        self._own.discard(trial.number)
        lock.lock.release()
        Path(lock.lock.lock_file).unlink(missing_ok=True)

    def _lock(self, number: int) -> AcquireReturnProxy | None:
        try:
            lock = FileLock(self.search.folder / f".trial-{number}.lock").acquire(timeout=0)
        except Timeout:
            return None
        self._own.add(number)
        return lock


def _distribution(optuna: Any, kind: type, ends: Mapping[str, Any]) -> Any:
    kinds = optuna.distributions
    with warnings.catch_warnings(action="ignore"):  # that the last step may end below `high`
        if kind is int:
            return kinds.IntDistribution(**{"step": 1} | dict(ends))
        return kinds.FloatDistribution(**ends)


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
    trials: Trials, *, workers: int, retries: int, watcher: "SweepProgress"
) -> list[tuple[str, str]]:
    """Run trials, several at a time, until there are enough.

    Args:
        trials: of the search.
        workers: how many run at a time.
        retries: how often a run is tried again.
        watcher: shows the progress.

    Returns:
        Name and reason of each trial that failed.

    Raises:
        SnnlabError: nothing can be written, or the results lack what is maximised.
        KeyboardInterrupt: somebody interrupted; no worker is left.
    """

    def work(pool: LocalWorkers) -> list[tuple[str, str]]:
        failed = []
        while not pool.stopping.is_set() and (claimed := trials.claim()):
            try:
                failed += _run_trial(trials, *claimed, pool)
            finally:
                trials.release(*claimed)
        return failed

    calls = [work] * min(workers, trials.search.trials)
    parts = in_workers(trials.search, calls, workers=len(calls), retries=retries, watcher=watcher)
    return [failure for part in parts for failure in part]


@dataclass
class SearchTask:
    """Trials of a search, one after another, until there are enough: a job of SLURM.

    Attributes:
        path: the file.
        texts: parameters typed on a command line.
        identity: of the search when it was submitted.
        retries: how often a run is tried again.
        environment: variables to set.
    """

    path: Path
    texts: Mapping[str, str]
    identity: str
    retries: int
    environment: Mapping[str, str]

    def __call__(self) -> None:
        """Run the trials."""
        from rich.console import Console

        from snnlab.runs.progress import SweepProgress

        os.environ.update(self.environment)
        search = read_search(self.path, self.texts)
        if search.identity != self.identity:
            raise SnnlabError(
                f"{self.path}: has changed since the search was submitted; repeat it."
            )
        trials = Trials(search)
        with SweepProgress(Console(), runs=search.trials, done=trials.done) as overview:
            for name, text in run_search(trials, workers=1, retries=self.retries, watcher=overview):
                print(f"{name} failed: {text}", flush=True)

    def checkpoint(self) -> Any:
        """Return what SLURM is to run when it takes the machine away: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _run_trial(
    trials: Trials, trial: "Trial", lock: AcquireReturnProxy, pool: LocalWorkers
) -> list[tuple[str, str]]:
    """Run a trial and write its end; return its name and reason if it failed."""
    search = trials.search
    try:
        run = search.run(trial.number, trial.params)
    except SnnlabError as error:
        trials.finish(trial, lock, "FAIL")
        return [(f"trial {trial.number}", str(error))]
    watch = _Watch(trial, run, search.arm)
    outcome = RunOutcome("finished") if run.finished else pool.run(run, watch)
    while outcome.status == "held" and not pool.stopping.wait(HELD_SECONDS):
        outcome = pool.run(run, watch)
    if run.finished:
        trials.finish(trial, lock, "COMPLETE", _value(search, run))
    elif pool.stopping.is_set():
        pass  # the next process takes it over
    elif outcome.status == "pruned":
        reason = f"its accuracy after {watch.epochs} epochs was below the median of the others."
        manifest.end(run.dir, "pruned", error=reason)
        trials.finish(trial, lock, "PRUNED")
    else:
        trials.finish(trial, lock, "FAIL")
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
