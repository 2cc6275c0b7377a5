"""A training that one can watch: it runs beside the notebook, so that its picture is drawn and its buttons work meanwhile.

In a thread, or in processes of its own. `snnlab.viz.monitor.callback` is the part that is there
where it trains; here is what a reader has.
"""

import asyncio
import atexit
import threading
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from snnlab._utils.errors import SnnlabError
from snnlab.training.callbacks import Moment, Stopped
from snnlab.training.launch_ranks import launch_ranks
from snnlab.viz.monitor.box import Box, State, sentence
from snnlab.viz.monitor.callback import MonitorControl, MonitoredCall, Report
from snnlab.viz.monitor.view import MonitorSnapshot, View
from snnlab.viz.widgets.panel import Panel, interact

Outcome = TypeVar("Outcome")

_beginning = threading.Lock()
# Torch has one random generator a process, so there is one training at a time
_latest: "TrainingMonitor[Any] | None" = None


class TrainingMonitor(Generic[Outcome]):
    """What `watch` returns: put it on the last line of a cell to see the training, and `await` it in a later one.

    It lives in the kernel. Closing the page does not end the training; on a page that is opened
    later, the panel shows where it is, and so does a cell with its name. When it is over, its
    picture stays in the notebook.
    """

    def __init__(self, training: MonitoredCall, processes: int) -> None:
        self._training, self._processes, self._wish, self._live = (
            training,
            processes,
            training.wish,
            training.live,
        )
        self._over = threading.Event()
        self._end: State = "running"
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._moment: Moment | None = None
        self._initial: dict[int, dict[str, Any]] = {}  # delays at the start of each call of `fit`
        # When its first batch was, and after how many epochs
        self._stage_began: tuple[float, float] | None = None
        self._panel: Panel | None = None
        self._view: View | None = None
        self._seen: tuple[MonitorSnapshot, dict[str, Any]] | None = (
            None  # what is drawn, and the delays at the start of its stage
        )
        self._display = ""  # what it is called in the notebook, once it is shown there
        actions = {"Pause": self.pause, "Continue": self.go_on, "Stop": self.stop}
        self.box = Box(actions) if self._live else None

    # What a reader does
    # -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """`running`, `paused`, `stopped` with a checkpoint, `finished` or `failed`."""
        if self._end != "running":
            return self._end
        return "paused" if self._wish.paused else "running"

    def pause(self) -> None:
        """Let the training wait before its next batch."""
        if not self._over.is_set():
            self._wish.pause()
            self._tell()

    def stop(self) -> None:
        """End the training before its next batch; returns when its checkpoint is written. `go_on` goes on from there."""
        if not self._over.is_set():
            self._wish.stop()
            self._over.wait()

    def go_on(self) -> None:
        """Go on after `pause`; and after `stop` or an error, from the checkpoint."""
        if self.state in ("stopped", "failed"):
            self._begin()
        else:
            self._wish.go_on()
            self._tell()

    def result(self) -> Outcome:
        """What the training function returns; waits until it does. In a notebook, `await` the panel instead.

        While this waits, the kernel hears no button; an interrupt stops the training, which keeps
        its checkpoint.

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
        return self._given()

    def __await__(self) -> Generator[Any, None, Outcome]:
        """`await` in a cell gives what `result` does, and lets buttons and sliders work while it waits."""
        return self._wait_for_result().__await__()

    async def _wait_for_result(self) -> Outcome:
        self._refuse_pause()
        try:
            while not self._over.is_set():
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:  # that is how an interrupt reaches a cell that awaits
            self.stop()
        return self._given()

    def _refuse_pause(self) -> None:
        if self.state == "paused":
            raise SnnlabError(
                f"The training is paused ({self._moment}): press Continue, then run this cell again."
            )

    def _given(self) -> Outcome:
        if self._live:
            # A notebook without a page takes pictures only from the cell that runs now
            self._publish()
        if self._error is not None:
            raise self._error
        if self._end != "finished":
            raise SnnlabError(
                f"The training was stopped ({self._moment}), and what follows needs its end: press Continue or run its "
                "cell again, then this one."
            ) from None
        return self._outcome  # type: ignore[return-value]

    # The training
    # -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        global _latest
        with _beginning:
            if _latest is not None:
                _latest.stop()
            _latest = self
            self._outcome, self._error, self._end = None, None, "running"
            self._wish.begin()
            self._over.clear()
        if self._live:
            self._tell()
            threading.Thread(target=self._run, name="watched training", daemon=True).start()
        else:
            self._run()

    def _run(self) -> None:
        try:
            if self._processes == 1:
                self._outcome = self._training.alone(self._hear)
            else:
                who = f"One of the {self._processes} processes that train"
                self._outcome = launch_ranks(
                    self._training.as_one_of_several, self._processes, self._hear, who
                )
            self._end = "finished"
        except Stopped:
            self._end = "stopped"
        except BaseException as error:
            self._end, self._error = "failed", error
            if not self._live:
                # Of a thread nobody would hear: there the panel says it, and `result` raises it
                raise
        finally:
            self._tell()
            self._publish()
            self._over.set()

    def _hear(self, report: Report) -> None:
        """The `tell` of the training, wherever that is."""
        self._moment = report.moment
        # after a stop, what begins again may be the network that was stopped: its delays have moved
        self._initial.setdefault(report.stage, report.initial)
        self._stage_began = report.began and (
            time.perf_counter() - report.began[0],
            report.began[1],
        )
        if report.seen is not None:
            self._draw(report.seen, self._initial[report.stage], last=report.last)
        self._tell()

    # What there is to see
    # ---------------------------------------------------------------------------------------------

    def _draw(self, seen: MonitorSnapshot, initial: dict[str, Any], *, last: bool) -> None:
        """Draw what was seen."""
        began = time.perf_counter()
        if self._seen is None or seen.kind != self._seen[0].kind:
            self._panel = self._view = None
        self._seen = seen, initial
        if self._panel is None:
            rows = bool(seen.rasters) + bool(seen.delays) + 1
            self._panel = interact(self._paint, live=False, figsize=(9.5, 0.2 + 2.2 * rows))
        else:
            self._panel.redraw(kept=last)
        if self.box is not None:
            self.box.show(self._panel.static)
        self._wish.add(time.perf_counter() - began)

    def _paint(self, fig: Any) -> Any:
        assert self._seen is not None
        if self._view is None:
            self._view = View(fig, self._seen[0])
        return self._view.draw(*self._seen)

    def _tell(self) -> None:
        if self.box is not None:
            self.box.tell(self.state, self._where())

    def _where(self) -> str:
        return sentence(self.state, self._moment, self._stage_began, self._error)

    def _ipython_display_(self) -> None:
        self._display = self._display or uuid.uuid4().hex
        self._publish(update=False)

    def _publish(self, *, update: bool = True) -> None:
        """Show it in the notebook, or replace what was shown there: a page without a kernel then has the last picture."""
        if not self._display:
            return
        from IPython.display import display  # only a notebook needs it

        bundle: dict[str, Any] = (
            {} if self._panel is None else dict(self._panel.static._repr_mimebundle_())
        )
        bundle.setdefault("text/plain", self._where())
        if self.box is not None:
            widget = self.box.widget._repr_mimebundle_().items()
            bundle |= {kind: value for kind, value in widget if kind.startswith("application/")}
        display(bundle, raw=True, display_id=self._display, update=update)


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
        watched             # on the last line of a cell
        ...
        trained = await watched  # in a later cell: waits for the end; buttons and sliders work meanwhile

    The training goes on from its checkpoint, if there is one: after a stop, running the cell again
    does that, too. Watching changes nothing of it, and its clocks leave the watching out. But torch
    has one random generator a process: code that draws from it while the training runs changes
    both, so let it wait. For the same reason there is one watched training at a time, and a new one
    stops the one before.

    Several processes train as `snnlab.training.train_pool.train_pool` has them do it: what they
    need is copied to them, and a network that `fit` is given stays as it is; the trained one is in
    what `fit` returns.

    Args:
        train: `fit`, `run_experiment`, or another function that hands its `on_batch` to
            `fit`.
        arguments, options: of `train`; for `fit` a `checkpoint` is needed.
        live: False trains here and now, and leaves the picture of the end, for batch runs.
        threads: of torch while it trains, on a CPU; another number rounds otherwise, so that a
            small difference grows to another network. None for as many as there are, which several
            processes share. For a small network say 1: torch keeps threads for the notebook, too,
            and with more of them than cores each step waits for all.
        processes: how many train one network together, on GPUs as many as there are; 1 for none
            besides this one.

    Raises:
        SnnlabError: `processes` is below 1, or above, and `train` is no function of a module; where
            it is not live, as `train`; else the panel says what went wrong, and awaiting it raises
            that.
    """
    if processes < 1:
        raise SnnlabError(f"processes = {processes}: expected a whole number from 1.")
    if processes > 1 and (train.__module__ == "__main__" or "<locals>" in train.__qualname__):
        raise SnnlabError(
            f"{train.__name__}: other processes cannot import it; expected a function of a module, such as `fit`. Move it "
            "to a module, or train with one process."
        )
    watched: TrainingMonitor[Outcome] = TrainingMonitor(
        MonitoredCall(train, arguments, options, threads, MonitorControl(), live), processes
    )
    watched._begin()
    return watched


@atexit.register
def _leave() -> None:
    """A thread that is in the middle of a step when Python ends would crash: the checkpoint is written first."""
    if _latest is not None:
        _latest.stop()
