"""The widgets of a watched training: buttons, status line, picture, and numbers on request."""

import time
from collections.abc import Callable, Mapping
from typing import Literal

import ipywidgets

from snnlab._utils.escape import html_text
from snnlab.training.callbacks import TrainingProgress
from snnlab.viz.figure_export import RenderedFigure
from snnlab.viz.widgets.panel import TableToggle, keyboard_box

State = Literal["running", "paused", "stopped", "finished", "failed"]

TIPS = {
    "Pause": "Let the training wait before its next batch",
    "Continue": "Resume the training where it waits, or from the checkpoint where it was stopped",
    "Stop": "Stop the training before its next batch and keep a checkpoint to resume from",
}
POSSIBLE = {
    "Pause": ("running",),
    "Continue": ("paused", "stopped", "failed"),
    "Stop": ("running", "paused"),
}  # the states of the training in which a button works


def status_line(
    state: State,
    progress: TrainingProgress | None,
    started: tuple[float, float] | None,
    error: BaseException | None,
) -> str:
    """Return a sentence that says where a training is.

    Args:
        state: the state of the training.
        progress: its progress; None before it begins.
        started: the time of its first batch, and the finished epochs then.
        error: why it failed.
    """
    where = "about to begin" if progress is None else str(progress)
    if state == "failed":
        return f"Failed ({where}): {error}"
    if state == "stopped":
        return f"Stopped: {where}. Its checkpoint is kept; Continue resumes from there."
    if state != "running":
        return f"{state.capitalize()}: {where}."
    left = ""
    if progress and started and progress.epoch_state and progress.epochs_done > started[1]:
        seconds_per_epoch = (time.perf_counter() - started[0]) / (progress.epochs_done - started[1])
        seconds = round(seconds_per_epoch * (progress.recipe.epochs - progress.epochs_done))
        left = f", {seconds // 60}:{seconds % 60:02} left"
    return f"Training: {where}{left}"


class MonitorBox:
    """The widgets; `widget` holds them all.

    Args:
        actions: what each button does, by its name in `TIPS`.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        self.buttons = {
            name: ipywidgets.Button(description=name, tooltip=tip) for name, tip in TIPS.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: actions[name]())
        self.status, self.image, self.numbers = ipywidgets.HTML(), ipywidgets.HTML(), TableToggle()
        row = ipywidgets.HBox(
            [*self.buttons.values(), self.numbers.switch], layout={"flex_flow": "row wrap"}
        )
        self.widget = keyboard_box(row, self.status, self.image, self.numbers.table)
        self.widget.add_class("snnlab-monitor")

    def show_status(self, state: State, status: str) -> None:
        """Show the status line, and enable the buttons that work in this state."""
        role = "alert" if state == "failed" else "status"
        self.status.value = f'<div role="{role}">{html_text(status)}</div>'
        for name, button in self.buttons.items():
            button.disabled = state not in POSSIBLE[name]

    def show_picture(self, picture: RenderedFigure) -> None:
        """Replace the picture and its numbers."""
        self.image.value = picture.to_html()
        self.numbers.show(picture.numbers)
