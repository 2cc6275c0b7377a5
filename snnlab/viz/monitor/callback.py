"""The `on_batch` of a watched training: in the process that trains, it looks at the network, waits, stops, and tells.

Whether that process is the reader's own or the first of several makes no difference here: the
reader's wishes come through shared memory, and `tell` takes the reports, be it to a panel or into a
pipe.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snnlab._utils.errors import SnnlabError
from snnlab.nn.delay_linear import still_pruned
from snnlab.training.callbacks import Moment, Stopped
from snnlab.viz.monitor.view import MonitorSnapshot, delays_of, look_at, step_of

INTERVAL = 0.5  # s; there is at most so often another picture
# Of the time of training, for all pictures; with a last one that is dear it stays below 5 %
BUDGET = 0.045
NAP = 0.02  # s; how often a training that waits asks whether it may go on

GO, PAUSE, STOP = range(3)


class MonitorControl:
    """What a reader wants of a training; in memory that processes share, without a lock, which a kill would leave closed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._said, self._drawn = context.RawValue("b", GO), context.RawValue("d", 0.0)

    def begin(self) -> None:
        """Nothing is wanted but the training."""
        self._said.value, self._drawn.value = GO, 0.0

    def pause(self) -> None:
        if self._said.value == GO:
            self._said.value = PAUSE

    def go_on(self) -> None:
        if self._said.value == PAUSE:
            self._said.value = GO

    def stop(self) -> None:
        self._said.value = STOP

    @property
    def go(self) -> bool:
        return bool(self._said.value == GO)

    @property
    def paused(self) -> bool:
        return bool(self._said.value == PAUSE)

    @property
    def stopped(self) -> bool:
        return bool(self._said.value == STOP)

    @property
    def drawn(self) -> float:
        """Seconds of drawing, as far as they count."""
        return float(self._drawn.value)

    def add(self, seconds: float) -> None:
        """Count these as drawing."""
        self._drawn.value += seconds


@dataclass(frozen=True)
class Report:
    """What there is to tell of a moment; little enough for another process.

    Attributes:
        moment: without network and data.
        stage: how manyth call of `fit` this is, from 1.
        initial: the delays at its start, as `Seen.delays` has them.
        began: for how many seconds it has trained, pauses left out, and after how many epochs that
            began; None before.
        seen: a look at the network, or None.
        last: whether the training is over.
    """

    moment: Moment
    stage: int
    initial: dict[str, NDArray[np.float32]]
    began: tuple[float, float] | None
    seen: MonitorSnapshot | None
    last: bool


class MonitorCallback:
    """The `on_batch` itself.

    Args:
        wish: whether to go on, to wait or to stop.
        tell: gets the reports.
        live: whether to look while it trains; False for the end alone.
    """

    def __init__(self, wish: MonitorControl, tell: Callable[[Report], object], live: bool) -> None:
        self._wish, self._hand_over, self._live = wish, tell, live
        self._moment: Moment | None = None
        self._stages: list[list[dict[str, float]]] = []  # the history of each call of `fit`
        self._initial: dict[str, NDArray[np.float32]] = {}
        # When its first batch was, and after how many epochs
        self._stage_began: tuple[float, float] | None = None
        self._began: float | None = None  # when the first picture was begun
        self._done = 0.0  # epochs, until then
        self._first = self._latest = 0.0  # s; what these pictures took, or will take
        self._last = self._told = self._looked = 0.0

    def __call__(self, moment: Moment) -> None:
        """Look, wait or stop, if that is wanted.

        Raises:
            Stopped: it is wanted.
            SnnlabError: there is no checkpoint from which the training could go on.
        """
        if moment.checkpoint is None:
            raise SnnlabError(
                "watch: a training that can be stopped needs a checkpoint; give the file that it may write."
            )
        self._moment = moment
        if moment.at_start:
            self._stages.append([])
            self._initial = delays_of(moment.model, step_of(moment.valid)[0])[0]
            self._stage_began = None
            self._tell()
        self._stages[-1] = moment.history
        if moment.tally is None or not self._live:
            return
        now = time.perf_counter()
        if self._stage_began is None:
            self._stage_began = now, moment.done
        if self._due(now) or not self._wish.go:
            with moment.tally.aside():
                if not self._wish.go:
                    self._tell()  # where it waits or stops; a look takes longer
                self._look()
                self._wait()
        elif now - self._told >= INTERVAL:
            self._tell()
        if self._wish.stopped:
            raise Stopped

    def finish(self) -> None:
        """The training is over: look once more. Nothing happens in a process that was never asked to look."""
        if self._moment is not None:
            self._look(last=True)

    def tell_where(self) -> None:
        """Tell of the last moment, which may be a few batches later than what was told of it."""
        if self._moment is not None:
            self._tell()

    def _due(self, now: float) -> bool:
        """Whether it is time for another picture.

        The first, which takes several times as long as others, and the last are paid for evenly,
        over the whole of the first stage.
        """
        assert self._moment is not None
        if self._began is None:
            return True
        if now - self._last < INTERVAL:
            return False
        ahead = self._moment.recipe.epochs - self._done if len(self._stages) == 1 else 0.0
        share = (self._moment.done - self._done) / ahead if ahead else 1.0
        earned = BUDGET * (now - self._began - self._spent) - share * (self._first + self._latest)
        return self._spent - self._first + self._latest <= earned

    @property
    def _spent(self) -> float:
        """Seconds of looking and drawing."""
        return self._looked + self._wish.drawn

    def _wait(self) -> None:
        """Until there is no pause."""
        began = time.perf_counter()
        while self._wish.paused:
            time.sleep(NAP)
        waited = time.perf_counter() - began
        if self._began is not None and self._stage_began is not None:
            self._began += waited
            self._stage_began = self._stage_began[0] + waited, self._stage_began[1]

    def _look(self, *, last: bool = False) -> None:
        """Look at the network, and tell what is to be seen."""
        assert self._moment is not None
        began, before = time.perf_counter(), self._spent
        seen = look_at(self._moment, [line for history in self._stages[:-1] for line in history])
        self._looked += time.perf_counter() - began
        self._tell(seen, last=last)
        self._last = time.perf_counter()
        if self._began is None:
            self._began, self._done, self._first = began, self._moment.done, self._spent
            self._latest = self._first / 4  # as a rule, on axes that are there
        else:
            self._latest = self._spent - before

    def _tell(self, seen: MonitorSnapshot | None = None, *, last: bool = False) -> None:
        assert self._moment is not None
        self._told = now = time.perf_counter()
        began = (
            None
            if self._stage_began is None
            else (now - self._stage_began[0], self._stage_began[1])
        )
        report = Report(
            self._moment.from_afar(), len(self._stages), self._initial, began, seen, last
        )
        self._hand_over(report)


@dataclass(frozen=True)
class MonitoredCall:
    """A training function, and how it is watched.

    Attributes:
        train, arguments, options: `train(*arguments, **options)` is called.
        threads: of torch while it trains; None for as many as there are.
        wish, live: as `MonitorCallback` has them.
    """

    train: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    threads: int | None
    wish: MonitorControl
    live: bool

    def alone(self, tell: Callable[[Report], object]) -> Any:
        """Train in this process."""
        return self._train(self.arguments, tell)

    def as_one_of_several(self, tell: Callable[[Report], object]) -> Any:
        """Train in one of several processes, none of which waits for the one that is told."""
        # tensors that came from another process are shared with it, and with all that it started
        arguments = tuple(
            still_pruned(a) if isinstance(a, nn.Module) else a for a in self.arguments
        )
        with newest(tell) as put:
            return self._train(arguments, put)

    def _train(self, arguments: tuple[Any, ...], tell: Callable[[Report], object]) -> Any:
        lookout, before = MonitorCallback(self.wish, tell, self.live), torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            outcome = self.train(*arguments, **self.options, on_batch=lookout)
            lookout.finish()
            return outcome
        except Exception:
            lookout.tell_where()
            raise
        finally:
            torch.set_num_threads(before)


@contextmanager
def newest(tell: Callable[[Report], object]) -> Iterator[Callable[[Report], None]]:
    """A `tell` that never waits: of reports that come while one is being told, only the newest is told; the last one always.

    A report without a look takes over that of the one it replaces.
    """
    changed, waiting, over = threading.Condition(), list[Report](), False

    def put(report: Report) -> None:
        with changed:
            if waiting and report.seen is None and waiting[0].stage == report.stage:
                report = replace(report, seen=waiting[0].seen)
            waiting[:] = [report]
            changed.notify()

    def hand_on() -> None:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or over)
                if not waiting:
                    return
                report = waiting.pop()
            tell(report)

    thread = threading.Thread(target=hand_on, name="reports", daemon=True)
    thread.start()
    try:
        yield put
    finally:
        with changed:
            over = True
            changed.notify()
        thread.join()
