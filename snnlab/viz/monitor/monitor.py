"""A training that is watched: it runs beside the notebook, so pictures and buttons work meanwhile.

It runs in a thread, or in processes of its own. `snnlab.viz.monitor.callback` has the part that
runs where it trains; this module has what the reader uses.
"""

import asyncio
import atexit
import threading
import time
import uuid
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab.training.callbacks import StopTraining, TrainingProgress
from snnlab.training.launch import launch_ranks
from snnlab.viz.monitor.box import MonitorBox, State, status_line
from snnlab.viz.monitor.callback import MonitorControl, MonitorReport, SendReport, train_monitored
from snnlab.viz.monitor.snapshot import Arrays, MonitorSnapshot
from snnlab.viz.monitor.view import FIGSIZE, MonitorView
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, interact, with_widget

Outcome = TypeVar("Outcome")

_starting = threading.Lock()
# Torch has one random generator a process, so there is one training at a time
_latest: "TrainingMonitor[Any] | None" = None


class TrainingMonitor(Generic[Outcome]):
    """A training that is watched, as `watch` returns it.

    On the last line of a cell it shows the training; `await` it in a later cell for its result. It
    lives in the kernel: closing the page does not end the training, and a page that is opened later
    shows where it is. When the training is over, its picture stays in the notebook.

    Args:
        work: trains, given a function that takes reports.
        control: how `work` is told to wait or stop.
        live: whether to show the training while it runs.
    """

    def __init__(
        self,
        work: Callable[[SendReport], Outcome],
        control: MonitorControl,
        live: bool,
    ) -> None:
        self._work, self._control, self._live = work, control, live
        self._over = threading.Event()
        self._end: State = "running"
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._progress: TrainingProgress | None = None
        self._initial: dict[int, Arrays] = {}  # delays at the start of each call of `fit`
        # Time of this stage's first batch, and the finished epochs then
        self._stage_started: tuple[float, float] | None = None
        self._panel: Panel | None = None
        # What is drawn, and the delays at the start of its stage
        self._shown: tuple[MonitorSnapshot, Arrays] | None = None
        self._display_id = ""  # of the notebook's output, once it is shown there
        actions = {"Pause": self.pause, "Continue": self.resume, "Stop": self.stop}
        self.box = MonitorBox(actions) if live else None

    # What a reader does
    # ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """`running`, `paused`, `stopped` with a checkpoint, `finished` or `failed`."""
        if self._end != "running":
            return self._end
        return "paused" if self._control.paused else "running"

    def pause(self) -> None:
        """Let the training wait before its next batch."""
        if not self._over.is_set():
            self._control.pause()
            self._show_status()

    def stop(self) -> None:
        """Stop the training before its next batch, and wait until its checkpoint is written."""
        if not self._over.is_set():
            self._control.stop()
            self._over.wait()

    def resume(self) -> None:
        """Resume the training: after `stop` or an error, from its checkpoint."""
        if self.state in ("stopped", "failed"):
            self._start()
        else:
            self._control.resume()
            self._show_status()

    def result(self) -> Outcome:
        """Wait for the end of the training; in a notebook, `await` the monitor instead.

        While this waits, no button works. An interrupt stops the training, which keeps its
        checkpoint.

        Returns:
            What the training function returned.

        Raises:
            SnnlabError: the training is paused, or was stopped: what follows needs a trained
                network.
            Exception: what the training raised.
        """
        self._refuse_pause()
        try:
            while not self._over.wait(0.2):
                pass
        except KeyboardInterrupt:
            self.stop()
        return self._final_outcome()

    def __await__(self) -> Generator[Any, None, Outcome]:
        """Wait as `result` does, while buttons and sliders work."""
        return self._wait_for_result().__await__()

    async def _wait_for_result(self) -> Outcome:
        self._refuse_pause()
        try:
            while not self._over.is_set():
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:  # an interrupt of a cell that awaits
            self.stop()
        return self._final_outcome()

    def _refuse_pause(self) -> None:
        if self.state == "paused":
            raise SnnlabError(
                f"The training is paused ({self._progress}): press Continue, then run this cell "
                "again."
            )

    def _final_outcome(self) -> Outcome:
        if self._live:
            # A notebook without a page takes pictures only from the cell that runs now
            self._publish()
        if self._error is not None:
            raise self._error
        if self._end != "finished":
            raise SnnlabError(
                f"The training was stopped ({self._progress}), and what follows needs its end: "
                "press Continue or run its cell again, then this one."
            ) from None
        return self._outcome  # type: ignore[return-value]

    # The training
    # ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        global _latest
        with _starting:
            if _latest is not None:
                _latest.stop()
            _latest = self
            self._outcome, self._error, self._end = None, None, "running"
            self._control.reset()
            self._over.clear()
        if self._live:
            self._show_status()
            threading.Thread(target=self._run, name="watched training", daemon=True).start()
        else:
            self._run()

    def _run(self) -> None:
        try:
            self._outcome = self._work(self._receive)
            self._end = "finished"
        except StopTraining:
            self._end = "stopped"
        except BaseException as error:
            self._end, self._error = "failed", error
            if not self._live:
                raise  # from a thread, `result` raises it
        finally:
            self._show_status()
            self._publish()
            self._over.set()

    def _receive(self, report: MonitorReport) -> None:
        self._progress = report.progress
        # After a stop, the same network may be trained again: its delays have moved since
        self._initial.setdefault(report.stage, report.initial)
        self._stage_started = None
        if report.timing is not None:
            self._stage_started = time.perf_counter() - report.timing[0], report.timing[1]
        if report.snapshot is not None:
            self._draw(report.snapshot, self._initial[report.stage])
        self._show_status()

    # What it shows
    # ----------------------------------------------------------------------------------------------

    def _draw(self, snapshot: MonitorSnapshot, initial: Arrays) -> None:
        began = time.perf_counter()
        if self._shown is None or snapshot.layout != self._shown[0].layout:
            self._panel = None
        self._shown = snapshot, initial
        if self._panel is None:
            width, height = FIGSIZE
            figsize = width, height if snapshot.rates else height / 2
            self._panel = interact(self._prepare, live=False, figsize=figsize)
        else:
            self._panel.redraw()
        if self.box is not None:
            self.box.show_picture(self._panel.static)
        self._control.drawing_seconds.value += time.perf_counter() - began

    def _prepare(self, fig: Figure) -> DrawFunction:
        assert self._shown is not None
        view = MonitorView(fig, self._shown[0])

        def draw() -> DrawResult:
            assert self._shown is not None
            return view.draw(*self._shown)

        return draw

    def _show_status(self) -> None:
        if self.box is not None:
            self.box.show_status(self.state, self._status())

    def _status(self) -> str:
        return status_line(self.state, self._progress, self._stage_started, self._error)

    def _ipython_display_(self) -> None:
        self._display_id = self._display_id or uuid.uuid4().hex
        self._publish(update=False)

    def _publish(self, *, update: bool = True) -> None:
        """Show or update the output in the notebook; a page without a kernel has its picture."""
        if not self._display_id:
            return
        from IPython.display import display  # only a notebook needs it

        page = {"text/plain": self._status()}
        if self._panel is not None:
            page |= self._panel.static._repr_mimebundle_()
        bundle = with_widget(page, None if self.box is None else self.box.widget)
        display(bundle, raw=True, display_id=self._display_id, update=update)


def watch(
    train: Callable[..., Outcome],
    *arguments: Any,
    live: bool = True,
    threads: int | None = None,
    processes: int = 1,
    **options: Any,
) -> TrainingMonitor[Outcome]:
    """Call a training function, and show the training while it runs.

        watched = watch(fit, net, data.train, data.valid, recipe, checkpoint="net.pt")
        watched  # on the last line of a cell
        ...
        trained = await watched  # in a later cell, while buttons and sliders work

    The training resumes from its checkpoint, if there is one: after a stop, running the cell again
    resumes it, too. Watching changes nothing of the training, and its clocks leave the watching
    out. But torch has one random generator a process: code that draws from it while the training
    runs changes both. For the same reason there is one watched training at a time, and a new one
    stops the one before.

    Several processes train as with `snnlab.training.launch.train_pool`: what they need is copied to
    them, and a network that `fit` is given stays as it is; the trained one is in the result.

    Args:
        train: `fit`, `run_experiment`, or another function that hands its `callbacks` to `fit`.
        arguments: of `train`.
        live: False trains here and now, and leaves the picture of the end, for batch runs.
        threads: of torch while it trains, on a CPU; None for as many as there are, which several
            processes share. Another number rounds otherwise, so that a small difference grows to
            another network. For a small network choose 1: torch keeps threads for the notebook,
            too, and with more of them than cores each step waits for all.
        processes: how many train one network together, on GPUs as many as there are; 1 for none
            besides this one.
        options: keyword arguments of `train`; for `fit`, a `checkpoint` is needed.

    Returns:
        The monitor of the training.

    Raises:
        SnnlabError: `processes` is below 1, or above 1 where `train` is no function of a module.
            Where it is not live, as `train`; else the panel shows the error, and awaiting the
            monitor raises it.
    """
    if whole_number("processes", processes, 1) > 1 and (
        train.__module__ == "__main__" or "<locals>" in train.__qualname__
    ):
        raise SnnlabError(
            f"{train.__name__}: other processes cannot import it; expected a function of a module, "
            "such as `fit`. Move it to a module, or train with one process."
        )
    control = MonitorControl()
    work: Callable[..., Outcome] = partial(
        train_monitored, train, arguments, options, control, live=live, threads=threads
    )
    if processes > 1:
        who = f"One of the {processes} processes that train"
        in_ranks = partial(work, is_rank=True)
        work = lambda receive: launch_ranks(in_ranks, processes, receive, who)
    watched = TrainingMonitor(work, control, live)
    watched._start()
    return watched


@atexit.register
def _stop_at_exit() -> None:
    """Stop the training: a thread in the middle of a step would crash when Python ends."""
    if _latest is not None:
        _latest.stop()
