"""Sliders beside a picture: move one, and the picture and its alt text change.

One off-screen figure lives as long as the panel. It reaches the browser as a PNG inside
`widgets.HTML`, because that carries alt text and needs neither `Output` nor `clear_output`, which
papermill and nbval do not survive.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import ipywidgets
import traitlets
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text
from snnlab.viz.figure_export import RenderedFigure, TableColumns, render_figure, table_html
from snnlab.viz.plots import DPI
from snnlab.viz.widgets.agg_canvas import Canvas

LAYOUT = {"width": "24em"}
# Of a panel, 2 MB each: going back to limits and titles that were there before is cheap
BACKGROUNDS = 8
STYLE = {"description_width": "10em"}
# What is focused can be seen; and while a control is, JupyterLab leaves the keys to it, instead of
# moving to the next cell at an arrow, or making a raw cell of this one at an R. ipywidgets can set
# no attribute, but a style can.
KEYBOARD = """<style onload="this.closest('.snnlab-keys').addEventListener(
    'focusin', event => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'))">
.snnlab-keys :focus-visible { outline: 3px solid var(--jp-ui-font-color0, black) !important }
</style>"""


@dataclass(frozen=True)
class Slider:
    """A number between `low` and `high`; whole numbers when `step` is one. `tip` says what moving it does."""

    value: float
    low: float
    high: float
    step: float
    label: str
    tip: str

    def widget(self) -> ipywidgets.ValueWidget:
        whole = all(
            isinstance(number, int) for number in (self.value, self.low, self.high, self.step)
        )
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(
            value=self.value, min=self.low, max=self.high, step=self.step,
            description=self.label, tooltip=self.tip, layout=LAYOUT, style=STYLE,
        )  # fmt: skip


@dataclass(frozen=True)
class Dropdown:
    """One of `options`."""

    value: Any
    options: tuple[Any, ...]
    label: str
    tip: str

    def widget(self) -> ipywidgets.ValueWidget:
        return ipywidgets.Dropdown(
            value=self.value, options=self.options,
            description=self.label, tooltip=self.tip, layout=LAYOUT, style=STYLE,
        )  # fmt: skip


@dataclass(frozen=True)
class Checkboxes:
    """A row of boxes to tick; the value says which are: a bool for each of `names`."""

    value: tuple[bool, ...]
    names: tuple[str, ...]
    label: str
    tip: str

    def widget(self) -> ipywidgets.DOMWidget:
        return _Row(self)


class _Row(ipywidgets.HBox):
    """`Checkboxes`, with a button for all and one for none; `value` and the boxes follow each other.

    Check boxes, because ipywidgets' toggle buttons do not tell a screen reader whether they are
    pressed.
    """

    value = traitlets.Tuple()

    def __init__(self, control: Checkboxes) -> None:
        self.description = control.label
        self.switches = [
            ipywidgets.Checkbox(
                value=on, description=name, tooltip=f"{control.label} {name}: {control.tip}", indent=False,
                layout={"width": "4em"},
            )
            for name, on in zip(control.names, control.value, strict=True)
        ]  # fmt: skip
        several = [
            ipywidgets.Button(
                description=word,
                tooltip=f"{control.label}: {word} of them",
                layout={"width": "5em"},
            )
            for word in ("all", "none")
        ]
        # the tip is the label's: a box with one cannot be shown, since ipywidgets 8.1 looks for its
        # <input>
        label = ipywidgets.Label(
            control.label, tooltip=control.tip, layout={"width": STYLE["description_width"]}
        )
        super().__init__(
            [label, *self.switches, *several],
            value=control.value,
            layout={"flex_flow": "row wrap", "width": "100%"},
        )
        self._spreading = False
        self.observe(self._spread, names="value")
        for one in self.switches:
            one.observe(self._gather, names="value")
        several[0].on_click(lambda _: self.set_trait("value", (True,) * len(self.switches)))
        several[1].on_click(lambda _: self.set_trait("value", (False,) * len(self.switches)))

    def _gather(self, _change: Any) -> None:
        if not self._spreading:
            self.value = tuple(one.value for one in self.switches)

    def _spread(self, _change: Any) -> None:
        self._spreading = True  # one change for all of them
        for one, on in zip(self.switches, self.value, strict=True):
            one.value = on
        self._spreading = False


def keyboard_box(*parts: ipywidgets.Widget) -> ipywidgets.VBox:
    """Widgets below each other that can be used without a mouse; see `KEYBOARD`."""
    box = ipywidgets.VBox([ipywidgets.HTML(KEYBOARD, layout={"display": "none"}), *parts])
    box.add_class("snnlab-keys")
    return box


class TableToggle:
    """A box to tick, `switch`, and what is shown while it is ticked: the numbers behind a picture, as a `table`."""

    def __init__(self) -> None:
        self.switch = ipywidgets.Checkbox(
            value=False, description="numbers", tooltip="Show the numbers behind the picture as a table", indent=False,
            layout={"width": "8em"},
        )  # fmt: skip
        self.table = ipywidgets.HTML()
        self._numbers: TableColumns | None = None
        self.switch.observe(lambda _: self._list(), names="value")

    def show(self, numbers: TableColumns | None) -> None:
        """These are the numbers now; None for none."""
        self._numbers = numbers
        self._list()

    def _list(self) -> None:
        try:
            self.table.value = (
                table_html(self._numbers) if self._numbers is not None and self.switch.value else ""
            )
        except (
            SnnlabError
        ) as error:  # an exception in a callback would vanish in a log that nobody reads
            self.table.value = _told(error)


def _told(error: SnnlabError) -> str:
    """What is shown in place of something that was refused."""
    return f'<p role="alert">{html_text(error)}</p>'


Control = Slider | Dropdown | Checkboxes
DrawResult = str | tuple[str, TableColumns]


class Panel:
    """What `interact` returns: put it on the last line of a cell to see it. `controls[name].value = ...` moves a control."""

    def __init__(
        self, draw: Callable[..., DrawResult], controls: dict[str, Control], fig: Figure, live: bool
    ) -> None:
        self._draw, self._fig, self._canvas = draw, fig, Canvas(fig)
        self._backgrounds: dict[Hashable, Any] = {}
        self.static = self._picture({name: control.value for name, control in controls.items()})
        self.controls: dict[str, ipywidgets.DOMWidget] = {}
        self.box: ipywidgets.VBox | None = None
        if not live:
            return
        self.controls = {name: control.widget() for name, control in controls.items()}
        self.image, self.numbers = ipywidgets.HTML(), TableToggle()
        self._update(None)
        rows = ipywidgets.HBox([*self.controls.values()], layout={"flex_flow": "row wrap"})
        below = [] if self.static.numbers is None else [self.numbers.switch, self.numbers.table]
        self.box = keyboard_box(rows, self.image, *below)
        self.box.add_class("snnlab-panel")
        for widget in self.controls.values():
            widget.observe(self._update, names="value")

    def _update(self, _change: Any) -> None:
        try:
            picture = self._picture(
                {name: widget.value for name, widget in self.controls.items()}, compress_level=1
            )
        except SnnlabError as error:
            self.image.value = _told(error)
            self.numbers.show(None)
        else:
            self.image.value = picture.to_html()
            self.numbers.show(picture.numbers)

    def _picture(self, values: dict[str, Any], compress_level: int = 3) -> RenderedFigure:
        drawn = self._draw(self._fig, **values)
        alt, numbers = drawn if isinstance(drawn, tuple) else (drawn, None)
        moving = [
            (ax, one) for ax in self._fig.axes for one in ax.get_children() if one.get_animated()
        ]
        if moving:
            self._blit(moving)
        else:
            self._canvas.draw()
        # The first drawing has settled it; solving it anew doubles the cost
        self._fig.set_layout_engine("none")
        return render_figure(self._canvas, alt, numbers, compress_level=compress_level)

    def redraw(self, *, kept: bool = False) -> None:
        """Draw the picture of a panel without controls anew; one that is to be kept takes longer, and fewer bytes."""
        self.static = self._picture({}, compress_level=3 if kept else 1)

    def _blit(self, moving: list[tuple[Axes, Artist]]) -> None:
        frame = tuple(
            (*ax.get_xlim(), *ax.get_ylim(), ax.get_title(), len(ax.get_children()))
            for ax in self._fig.axes
        )
        if frame not in self._backgrounds:
            self._canvas.draw()  # leaves animated artists out
            while len(self._backgrounds) >= BACKGROUNDS:
                del self._backgrounds[next(iter(self._backgrounds))]
            self._backgrounds[frame] = self._canvas.copy_from_bbox(self._fig.bbox)
        self._canvas.restore_region(self._backgrounds[frame])
        for ax, artist in moving:
            ax.draw_artist(artist)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.static._repr_mimebundle_())
        if self.box is not None:
            bundle |= {
                key: value
                for key, value in self.box._repr_mimebundle_().items()
                if key.startswith("application/")
            }
        return bundle


def interact(
    draw: Callable[..., DrawResult],
    /,
    *,
    live: bool = True,
    figsize: tuple[float, float] = (7.0, 2.8),
    **controls: Control,
) -> Panel:
    """A picture with controls.

    `draw(fig, **values)` gets the same figure every time, draws the values of the controls on it,
    and returns the alt
    text: one sentence, with numbers; or that and a table, `{heading: values}`, which a reader can
        ask for. To be cheap, it makes its axes and artists when `fig.axes` is empty, and only sets
    their data afterwards; artists made with `animated=True` are drawn over a kept background.

    Args:
        draw: as above; a `SnnlabError` that it raises is shown in place of the picture.
        live: False leaves only the static picture, for batch runs; no widget is made.
        figsize: width and height of the figure in inches.
        controls: a `Slider`, a `Dropdown` or `Checkboxes` for each argument of `draw`.

    Returns:
        A panel whose one output holds the widget, and the static picture for wherever widgets do
        not live.

    Raises:
        SnnlabError: a control has no label or tip, or `draw` returned no alt text or columns of
            different lengths.
    """
    for name, control in controls.items():
        if not isinstance(control, Control) or not control.label or not control.tip:
            raise SnnlabError(
                f"Control {name!r}: expected a Slider, a Dropdown or Checkboxes with a label and a tip."
            )
    fig = Figure(figsize=figsize, dpi=DPI, layout="constrained", facecolor="white")
    return Panel(draw, controls, fig, live)
