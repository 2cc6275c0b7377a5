"""The monitor's part in the process that trains: it looks at the network, waits, stops and reports.

That process may be the notebook's own or the first of several: what the reader wants comes through
shared memory, and reports go to a function, which shows them or sends them through a pipe.
"""

import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.any_network import still_pruned
from snnlab.training.callbacks import Callback, StopTraining, TrainingProgress
from snnlab.viz.monitor.snapshot import (
    Arrays,
    MonitorSnapshot,
    StageHistory,
    delays_of,
    step_of,
    take_snapshot,
)

INTERVAL = 0.5  # s between two pictures at least
# Share of the training time for all pictures; an expensive last one keeps it below 5 %
BUDGET = 0.045
POLL_SECONDS = 0.02  # how often a paused training asks whether it may go on

RUN, PAUSE, STOP = range(3)


class MonitorControl:
    """What the reader wants of a training, in memory that processes share.

    It has no lock, which a killed process would leave closed.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._wanted = context.RawValue("b", RUN)
        self.drawing_seconds = context.RawValue("d", 0.0)  # that drawing has taken

    def reset(self) -> None:
        """Want the training to run, and forget the time of drawing."""
        self._wanted.value, self.drawing_seconds.value = RUN, 0.0

    def pause(self) -> None:
        """Want a training that runs to wait."""
        if self._wanted.value == RUN:
            self._wanted.value = PAUSE

    def resume(self) -> None:
        """Want a training that waits to run."""
        if self._wanted.value == PAUSE:
            self._wanted.value = RUN

    def stop(self) -> None:
        """Want the training to stop."""
        self._wanted.value = STOP

    @property
    def paused(self) -> bool:
        """Whether the training is to wait."""
        return bool(self._wanted.value == PAUSE)

    @property
    def stopped(self) -> bool:
        """Whether the training is to stop."""
        return bool(self._wanted.value == STOP)


@dataclass(frozen=True)
class MonitorReport:
    """A report on a training; small enough to be sent to another process.

    Attributes:
        progress: where the training is, detached from network and data.
        stage: the number of this call of `fit`, from 1.
        initial: the delays at its start, as in `MonitorSnapshot.delays`.
        timing: seconds that it has trained, without pauses, and the finished epochs when that
            began; None before the first batch.
        snapshot: what the network does; None without a look at it.
    """

    progress: TrainingProgress
    stage: int
    initial: Arrays
    timing: tuple[float, float] | None
    snapshot: MonitorSnapshot | None


SendReport = Callable[[MonitorReport], object]


class MonitorCallback(Callback):
    """Look at a training at intervals, let it wait or stop, and report on it.

    Args:
        control: what the reader wants.
        send: called with each report.
        live: whether to look while it trains; False looks at the end alone.
    """

    shows_progress = True

    def __init__(self, control: MonitorControl, send: SendReport, live: bool) -> None:
        self._control, self._send, self._live = control, send, live
        self._progress: TrainingProgress | None = None
        self._stages: list[StageHistory] = []  # of each call of `fit`
        self._initial: Arrays = {}
        # Time of this stage's first batch, and the finished epochs then
        self._stage_started: tuple[float, float] | None = None
        self._started: float | None = None  # when the first picture was begun
        self._start_epochs = 0.0  # finished epochs then
        self._first_cost = self._next_cost = 0.0  # s; of the first picture, and of the next one
        self._looked_at = self._reported_at = self._look_seconds = 0.0

    def on_train_start(self, progress: TrainingProgress) -> None:
        """Keep the delays of the start.

        Raises:
            SnnlabError: there is no checkpoint from which the training could be resumed.
        """
        if progress.checkpoint is None:
            raise SnnlabError(
                "watch: a training that can be stopped needs a checkpoint; give the file that it "
                "may write."
            )
        self._progress = progress
        self._stages.append((getattr(progress.recipe, "name", ""), []))
        self._initial = delays_of(progress.model, step_of(progress.valid)[0])[0]
        self._stage_started = None
        self._report(progress)

    def on_batch_start(self, progress: TrainingProgress) -> None:
        """Look, wait or stop, if it is time to.

        Raises:
            StopTraining: the reader wants the training to stop.
        """
        self._update(progress)
        if not self._live or progress.epoch_state is None:
            return
        now = time.perf_counter()
        if self._stage_started is None:
            self._stage_started = now, progress.epochs_done
        interrupted = self._control.paused or self._control.stopped
        if interrupted or self._picture_due(progress, now):
            with progress.epoch_state.paused_timers():
                if interrupted:
                    self._report(progress)  # at once: a look takes longer
                self._look(progress)
                self._wait()
        elif now - self._reported_at >= INTERVAL:
            self._report(progress)
        if self._control.stopped:
            raise StopTraining

    def on_train_end(self, progress: TrainingProgress) -> None:
        """Report where the training has ended, perhaps a few batches after the last report."""
        self._update(progress)
        self._report(progress)

    def finish(self) -> None:
        """Look at the trained network; do nothing in a process whose callbacks are not called."""
        if self._progress is not None:
            self._look(self._progress)

    def _update(self, progress: TrainingProgress) -> None:
        self._progress, self._stages[-1] = progress, (self._stages[-1][0], progress.history)

    def _picture_due(self, progress: TrainingProgress, now: float) -> bool:
        """Return whether the budget has room for another picture.

        The first picture, which takes several times as long as others, and the last one are paid
        for evenly over the first stage.
        """
        if self._started is None:
            return True
        if now - self._looked_at < INTERVAL:
            return False
        first_stage = len(self._stages) == 1
        ahead = progress.recipe.epochs - self._start_epochs if first_stage else 0.0
        share = (progress.epochs_done - self._start_epochs) / ahead if ahead else 1.0
        spent = self._spent
        earned = BUDGET * (now - self._started - spent)
        earned -= share * (self._first_cost + self._next_cost)
        return spent - self._first_cost + self._next_cost <= earned

    @property
    def _spent(self) -> float:
        """Seconds of looking and drawing."""
        return self._look_seconds + self._control.drawing_seconds.value

    def _wait(self) -> None:
        """Wait until there is no pause."""
        began = time.perf_counter()
        while self._control.paused:
            time.sleep(POLL_SECONDS)
        waited = time.perf_counter() - began
        if self._started is not None and self._stage_started is not None:
            self._started += waited
            self._stage_started = self._stage_started[0] + waited, self._stage_started[1]

    def _look(self, progress: TrainingProgress) -> None:
        """Look at the network, and report it."""
        began, spent = time.perf_counter(), self._spent
        snapshot = take_snapshot(progress, self._stages[:-1])
        self._look_seconds += time.perf_counter() - began
        self._report(progress, snapshot)
        self._looked_at = time.perf_counter()
        if self._started is None:
            self._started, self._start_epochs = began, progress.epochs_done
            self._first_cost = self._spent
            self._next_cost = self._first_cost / 4  # as a rule, with axes that are there
        else:
            self._next_cost = self._spent - spent

    def _report(self, progress: TrainingProgress, snapshot: MonitorSnapshot | None = None) -> None:
        self._reported_at = now = time.perf_counter()
        timing = None
        if self._stage_started is not None:
            timing = now - self._stage_started[0], self._stage_started[1]
        stage = len(self._stages)
        self._send(MonitorReport(progress.detached(), stage, self._initial, timing, snapshot))


def train_monitored(
    train: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    control: MonitorControl,
    send: SendReport,
    *,
    live: bool,
    threads: int | None,
    is_rank: bool = False,
) -> Any:
    """Call a training function with a `MonitorCallback`.

    Args:
        train: called as `train(*arguments, **options, callbacks=[...])`.
        arguments: its arguments.
        options: its keyword arguments; `callbacks` among them are called, too.
        control: what the reader wants.
        send: called with each report.
        live: whether to look while it trains.
        threads: of torch while it trains; None for as many as there are.
        is_rank: whether this is one of several processes that train together. Then the training
            does not wait for `send`.

    Returns:
        What `train` returns.
    """
    if is_rank:
        # A tensor that came from another process is shared with it, and with all its processes
        arguments = tuple(still_pruned(a) if isinstance(a, nn.Module) else a for a in arguments)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads or threads_before)
    try:
        with latest_only(send) if is_rank else nullcontext(send) as send_report:
            monitor = MonitorCallback(control, send_report, live)
            callbacks = [*options.get("callbacks", ()), monitor]
            outcome = train(*arguments, **options | {"callbacks": callbacks})
            monitor.finish()
            return outcome
    finally:
        torch.set_num_threads(threads_before)


@contextmanager
def latest_only(send: SendReport) -> Iterator[SendReport]:
    """Non-blocking sender: pending reports are replaced, the last one is always delivered.

    A report without a snapshot takes over that of the report it replaces. An error of `send` is
    printed, and the training goes on.
    """
    lock, pending = threading.Lock(), list[MonitorReport]()

    def put(report: MonitorReport) -> None:
        with lock:
            if pending and report.snapshot is None and pending[0].stage == report.stage:
                report = replace(report, snapshot=pending[0].snapshot)
            pending[:] = [report]
        sender.submit(send_pending).add_done_callback(_print_error)

    def send_pending() -> None:
        with lock:
            reports = [*pending]
            pending.clear()
        for report in reports:
            send(report)

    with ThreadPoolExecutor(1) as sender:
        yield put


def _print_error(sent: Future[None]) -> None:
    if error := sent.exception():
        traceback.print_exception(error)
