"""The panel of a watched training: buttons, a line that says where it is, its picture, and the numbers on request."""

import time
from collections.abc import Callable, Mapping
from typing import Literal

import ipywidgets

from snnlab._utils.escape import html_text
from snnlab.training.callbacks import Moment
from snnlab.viz.figure_export import RenderedFigure
from snnlab.viz.widgets.panel import TableToggle, keyboard_box

State = Literal["running", "paused", "stopped", "finished", "failed"]

TIPS = {
    "Pause": "Let the training wait before its next batch",
    "Continue": "Go on where the training waits, or from the checkpoint where it was stopped",
    "Stop": "End the training before its next batch and keep a checkpoint, from which it can go on",
}
POSSIBLE = {
    "Pause": ("running",),
    "Continue": ("paused", "stopped", "failed"),
    "Stop": ("running", "paused"),
}  # in which states of the training


def sentence(
    state: State,
    moment: Moment | None,
    began: tuple[float, float] | None,
    error: BaseException | None,
) -> str:
    """Where a training is; `began` says when it was seen first, and after how many epochs."""
    where = "about to begin" if moment is None else str(moment)
    if state == "failed":
        return f"Failed ({where}): {error}"
    if state == "stopped":
        return f"Stopped: {where}. Its checkpoint is kept; Continue goes on from there."
    if state != "running":
        return f"{state.capitalize()}: {where}."
    if moment is None or began is None or moment.tally is None or moment.done <= began[1]:
        return f"Training: {where}"
    pace = (time.perf_counter() - began[0]) / (moment.done - began[1])  # s an epoch
    seconds = round(pace * (moment.recipe.epochs - moment.done))
    return f"Training: {where}, {seconds // 60}:{seconds % 60:02} left"


class Box:
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

    def tell(self, state: State, where: str) -> None:
        """Say where the training is, and offer what can be done now."""
        role = "alert" if state == "failed" else "status"
        self.status.value = f'<div role="{role}">{html_text(where)}</div>'
        for name, button in self.buttons.items():
            button.disabled = state not in POSSIBLE[name]

    def show(self, picture: RenderedFigure) -> None:
        """Replace the picture."""
        self.image.value = picture.to_html()
        self.numbers.show(picture.numbers)
