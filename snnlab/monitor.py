"""A training that one can watch: it runs in a thread, so that its picture is drawn and its buttons work meanwhile."""

import asyncio
import atexit
import threading
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import torch

from snnlab.errors import SnnlabError
from snnlab.moments import Moment, Stopped
from snnlab.monitor_box import Box, State, sentence
from snnlab.monitor_view import Seen, View, delays_of, look_at, step_of
from snnlab.widgets import Panel, play

INTERVAL = 0.5  # s; there is at most so often another picture
BUDGET = 0.04  # of the time since the first picture, for looking and drawing; with the one that goes beyond, below 5 %

Outcome = TypeVar("Outcome")

_beginning = threading.Lock()
_latest: "Watched[Any] | None" = None  # torch has one random generator a process, so there is one training at a time


class Watched(Generic[Outcome]):
    """What `watch` returns: put it on the last line of a cell to see the training, and `await` it in a later one.

    It lives in the kernel. Closing the page does not end the training; on a page that is opened later, the panel shows
    where it is, and so does a cell with its name. When it is over, its picture stays in the notebook.
    """

    def __init__(self, train: Callable[..., Outcome], live: bool) -> None:
        self._train, self._live = train, live
        self._go, self._stop, self._over = threading.Event(), threading.Event(), threading.Event()
        self._end: State = "running"
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._moment: Moment | None = None
        self._stages: list[list[dict[str, float]]] = []  # the history of each call of `fit`
        self._initial: list[dict[str, Any]] = []  # delays at the start, for each of them
        self._stage_began: tuple[float, float] | None = None  # when its first batch was, and after how many epochs
        self._panel: Panel | None = None
        self._view: View | None = None
        self._seen: Seen | None = None
        self._display = ""  # what it is called in the notebook, once it is shown there
        actions = {"Pause": self.pause, "Continue": self.go_on, "Stop": self.stop}
        self.box = Box(actions) if live else None

    # What a reader does -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """`running`, `paused`, `stopped` with a checkpoint, `finished` or `failed`."""
        if self._end != "running":
            return self._end
        return "running" if self._go.is_set() else "paused"

    def pause(self) -> None:
        """Let the training wait before its next batch."""
        if not self._over.is_set():
            self._go.clear()
            self._tell()

    def stop(self) -> None:
        """End the training before its next batch; returns when its checkpoint is written. `go_on` goes on from there."""
        if not self._over.is_set():
            self._stop.set()
            self._go.set()
            self._over.wait()

    def go_on(self) -> None:
        """Go on after `pause`; and after `stop` or an error, from the checkpoint."""
        if self.state in ("stopped", "failed"):
            self._begin()
        else:
            self._go.set()
            self._tell()

    def result(self) -> Outcome:
        """What the training function returns; waits until it does. In a notebook, `await` the panel instead.

        While this waits, the kernel hears no button; an interrupt stops the training, which keeps its checkpoint.

        Raises:
            SnnlabError: the training is paused, or was stopped: what follows needs a trained network.
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
            raise SnnlabError(f"The training is paused ({self._moment}): press Continue, then run this cell again.")

    def _given(self) -> Outcome:
        if self._live:
            self._publish()  # a notebook without a page takes pictures only from the cell that runs now
        if self._error is not None:
            raise self._error
        if self._end != "finished":
            raise SnnlabError(
                f"The training was stopped ({self._moment}), and what follows needs its end: press Continue or run its "
                "cell again, then this one."
            ) from None
        return self._outcome  # type: ignore[return-value]

    # The training -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        global _latest
        with _beginning:
            if _latest is not None:
                _latest.stop()
            _latest = self
            self._stages, self._outcome, self._error, self._end = [], None, None, "running"
            self._began: float | None = None  # when the first picture was there
            self._last = self._spent = 0.0
            self._stop.clear()
            self._over.clear()
            self._go.set()
        if self._live:
            self._tell()
            threading.Thread(target=self._run, name="watched training", daemon=True).start()
        else:
            self._run()

    def _run(self) -> None:
        try:
            self._outcome = self._train(on_batch=self._look)
            self._draw(last=True)
            self._end = "finished"
        except Stopped:
            self._end = "stopped"
        except BaseException as error:
            self._end, self._error = "failed", error
            if not self._live:
                raise  # of a thread nobody would hear: there the panel says it, and `result` raises it
        finally:
            self._tell()
            self._publish()
            self._over.set()

    def _look(self, moment: Moment) -> None:
        """The `on_batch` of the training."""
        if moment.checkpoint is None:
            raise SnnlabError(
                "watch: a training that can be stopped needs a checkpoint; give the file that it may write."
            )
        self._moment = moment
        if moment.at_start:
            self._stages.append([])
            # after a stop, this is the network that was stopped: its delays have moved
            if len(self._stages) > len(self._initial):
                self._initial.append(delays_of(moment.model, step_of(moment.valid)[0])[0])
            self._stage_began = None
        self._stages[-1] = moment.history
        if moment.tally is None or not self._live:
            return
        if self._stage_began is None:
            self._stage_began = time.perf_counter(), moment.done
        now = time.perf_counter()
        if self._due(now) or self._stop.is_set() or not self._go.is_set():
            with moment.tally.aside():
                self._draw()
                self._wait()
        elif now - self._told >= INTERVAL:
            self._tell()
        if self._stop.is_set():
            raise Stopped

    def _due(self, now: float) -> bool:
        """Whether it is time for another picture, and those since the first have not cost too much."""
        if self._began is None:
            return True
        return now - self._last >= INTERVAL and self._spent <= BUDGET * (now - self._began)

    def _wait(self) -> None:
        """Until there is no pause."""
        began = time.perf_counter()
        self._go.wait()
        waited = time.perf_counter() - began
        if self._began is not None and self._stage_began is not None:
            self._began += waited
            self._stage_began = self._stage_began[0] + waited, self._stage_began[1]

    # What there is to see ---------------------------------------------------------------------------------------------

    def _draw(self, *, last: bool = False) -> None:
        """Look at the network and draw what is there; the last time anew, with no axis still as far as it once had to."""
        assert self._moment is not None
        began = time.perf_counter()
        before = [line for history in self._stages[:-1] for line in history]
        seen = look_at(self._moment, before)
        if last or self._seen is None or seen.kind != self._seen.kind:
            self._panel = self._view = None
        self._seen = seen
        if self._panel is None:
            rows = bool(seen.rasters) + bool(seen.delays) + 1
            self._panel = play(self._paint, live=False, figsize=(9.5, 0.2 + 2.2 * rows))
        else:
            self._panel.static = self._panel.redraw()
        if self.box is not None:
            self.box.show(self._panel.static)
            self._tell()
        self._last = time.perf_counter()
        if self._began is None:
            self._began = self._last
        elif not last:
            self._spent += self._last - began

    def _paint(self, fig: Any) -> Any:
        assert self._seen is not None
        if self._view is None:
            self._view = View(fig, self._seen, self._initial[len(self._stages) - 1])
        return self._view.draw(self._seen)

    def _tell(self) -> None:
        if self.box is not None:
            self.box.tell(self.state, self._where())
            self._told = time.perf_counter()

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

        bundle: dict[str, Any] = {} if self._panel is None else dict(self._panel.static._repr_mimebundle_())
        bundle.setdefault("text/plain", self._where())
        if self.box is not None:
            widget = self.box.widget._repr_mimebundle_().items()
            bundle |= {kind: value for kind, value in widget if kind.startswith("application/")}
        display(bundle, raw=True, display_id=self._display, update=update)


def watch(
    train: Callable[..., Outcome], *arguments: Any, live: bool = True, threads: int | None = None, **options: Any
) -> Watched[Outcome]:
    """Call a training function, and show the training while it runs.

        watched = watch(fit, net, data.train, data.valid, recipe, checkpoint="net.pt")
        watched             # on the last line of a cell
        ...
        trained = await watched  # in a later cell: waits for the end; buttons and sliders work meanwhile

    The training goes on from its checkpoint, if there is one: after a stop, running the cell again does that, too.
    Watching changes nothing of it, and its clocks leave the watching out. But torch has one random generator a process:
    code that draws from it while the training runs changes both, so let it wait. For the same reason
    there is one watched training at a time, and a new one stops the one before.

    Args:
        train: `fit`, `train_job`, `train_plan`, or another function that hands its `on_batch` to `fit`.
        arguments, options: of `train`; for `fit` a `checkpoint` is needed.
        live: False trains here and now, and leaves the picture of the end, for batch runs.
        threads: of torch while it trains, on a CPU; another number rounds otherwise, so that a small difference grows to
            another network. None for as many as there are.

    Raises:
        SnnlabError: where it is not live, as `train`; else the panel says what went wrong, and awaiting it raises that.
    """

    def training(**hook: Any) -> Outcome:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            return train(*arguments, **options, **hook)
        finally:
            torch.set_num_threads(before)

    watched = Watched(training, live)
    watched._begin()
    return watched


@atexit.register
def _leave() -> None:
    """A thread that is in the middle of a step when Python ends would crash: the checkpoint is written first."""
    if _latest is not None:
        _latest.stop()
