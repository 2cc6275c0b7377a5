"""Interactive figures: move a control, and the image and its alt text change.

One off-screen figure lives as long as the panel. It reaches the browser as a PNG inside
`widgets.HTML`, which carries alt text. `Output` and `clear_output` are not used: papermill and
nbval fail on them.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ipywidgets
import traitlets
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text
from snnlab.viz.figure_export import RenderedFigure, TableColumns, render_figure, table_html
from snnlab.viz.plots.style import empty_figure
from snnlab.viz.widgets.agg_canvas import CachedTextCanvas
from snnlab.viz.widgets.comm_status import publish_missing_idle

LABEL_WIDTH = "10em"
OPTIONS = {"layout": {"width": "24em"}, "style": {"description_width": LABEL_WIDTH}}
# Backgrounds that a panel keeps, 2 MB each: limits and titles that return cost little
BACKGROUNDS = 8
PLAY_MS = 200  # from one value to the next
# The focused control has an outline. While a control has the focus, JupyterLab leaves the keys to
# it: otherwise an arrow moves to the next cell, and R makes a raw cell. The buttons of a `Play` get
# names. ipywidgets can set no attribute, but the `onload` of a style can.
KEYBOARD = """<style onload="this.closest('.snnlab-keys').addEventListener('focusin', event => {
    event.target.setAttribute('data-lm-suppress-shortcuts', 'true');
    event.target.closest('.widget-play')?.querySelectorAll('button').forEach(
        (button, i) => button.setAttribute('aria-label', ['play or pause', 'stop'][i]));
})">
.snnlab-keys :focus-visible { outline: 3px solid var(--jp-ui-font-color0, black) !important }
</style>"""


@dataclass(frozen=True)
class Slider:
    """A number from `min` to `max`, as in ipywidgets; an int if all four numbers are ints.

    With `play`, buttons beside it let a whole number run from `min` to `max`.
    """

    value: float
    min: float
    max: float
    step: float
    description: str
    tooltip: str
    play: bool = False

    def __post_init__(self) -> None:
        """Check that only whole numbers are played."""
        if self.play and not self.is_whole:
            raise SnnlabError(f"Slider {self.description!r}: play=True needs four whole numbers.")

    @property
    def is_whole(self) -> bool:
        """Whether all its values are ints."""
        return all(isinstance(n, int) for n in (self.value, self.min, self.max, self.step))

    def widget(self) -> ipywidgets.DOMWidget:
        """Return the slider as a widget."""
        kind = ipywidgets.IntSlider if self.is_whole else ipywidgets.FloatSlider
        arguments = {name: value for name, value in vars(self).items() if name != "play"}
        return kind(**arguments, **OPTIONS)


@dataclass(frozen=True)
class Dropdown:
    """One of `options`, as in ipywidgets."""

    value: Any
    options: tuple[Any, ...]
    description: str
    tooltip: str

    def widget(self) -> ipywidgets.DOMWidget:
        """Return the menu as a widget."""
        return ipywidgets.Dropdown(**vars(self), **OPTIONS)


@dataclass(frozen=True)
class Checkboxes:
    """A row of checkboxes; `value` has a bool for each of `options`."""

    value: tuple[bool, ...]
    options: tuple[str, ...]
    description: str
    tooltip: str

    def widget(self) -> ipywidgets.DOMWidget:
        """Return the row as a widget, with a button for all and one for none."""
        return _CheckboxRow(self)


class _CheckboxRow(ipywidgets.HBox):
    """`Checkboxes` as a widget: `value` and the boxes follow each other.

    ipywidgets' toggle buttons do not tell a screen reader whether they are pressed.
    """

    value = traitlets.Tuple()

    def __init__(self, control: Checkboxes) -> None:
        name = control.description
        self.checkboxes = [
            ipywidgets.Checkbox(
                value=checked, description=option, tooltip=f"{name} {option}: {control.tooltip}",
                indent=False, layout={"width": "4em"},
            )
            for option, checked in zip(control.options, control.value, strict=True)
        ]  # fmt: skip
        # A box with a tooltip cannot be shown: ipywidgets 8.1 looks for its <input>
        label = ipywidgets.Label(name, tooltip=control.tooltip, layout={"width": LABEL_WIDTH})
        buttons = []
        for word, checked in (("all", True), ("none", False)):
            button = ipywidgets.Button(
                description=word, tooltip=f"{name}: {word} of them", layout={"width": "5em"}
            )
            button.on_click(lambda _, checked=checked: self._set_all(checked))
            buttons.append(button)
        super().__init__(
            [label, *self.checkboxes, *buttons],
            value=control.value,
            layout={"flex_flow": "row wrap", "width": "100%"},
        )
        self.observe(self._update_boxes, names="value")
        for index, box in enumerate(self.checkboxes):
            box.observe(lambda change, index=index: self._toggle(index, change.new), names="value")

    def _set_all(self, checked: bool) -> None:
        self.value = (checked,) * len(self.checkboxes)

    def _toggle(self, index: int, checked: bool) -> None:
        self.value = (*self.value[:index], checked, *self.value[index + 1 :])

    def _update_boxes(self, change: Any) -> None:
        for box, checked in zip(self.checkboxes, change.new, strict=True):
            box.value = checked


def _play(slider: ipywidgets.IntSlider) -> ipywidgets.Play:
    """Return buttons that move a slider."""
    play = ipywidgets.Play(
        min=slider.min, max=slider.max, step=slider.step, interval=PLAY_MS, show_repeat=False
    )
    traitlets.link((slider, "value"), (play, "value"))
    return play


def _same(a: Any, b: Any) -> bool:
    """Return whether two values of a control are the same: of 1.5 a browser makes 1.5 + 2e-16."""
    return math.isclose(a, b) if isinstance(a, float) else bool(a == b)


def keyboard_box(*children: ipywidgets.Widget) -> ipywidgets.VBox:
    """Return a box of widgets that can be used without a mouse, and while a cell awaits.

    See `KEYBOARD` and `publish_missing_idle`.
    """
    publish_missing_idle()
    box = ipywidgets.VBox([ipywidgets.HTML(KEYBOARD, layout={"display": "none"}), *children])
    box.add_class("snnlab-keys")
    return box


def with_widget(page: Mapping[str, Any], box: ipywidgets.Widget | None) -> dict[str, Any]:
    """Return an output that has a widget, if there is one, and else shows `page`.

    Args:
        page: the output for pages without a kernel, by MIME type.
        box: the widget.
    """
    widget = {} if box is None else box._repr_mimebundle_()
    return {**page, **{kind: widget[kind] for kind in widget if kind.startswith("application/")}}


class TableToggle:
    """A checkbox, `switch`, and the `table` of numbers that is shown while it is checked."""

    def __init__(self) -> None:
        self.switch = ipywidgets.Checkbox(
            value=False, description="numbers", indent=False, layout={"width": "8em"},
            tooltip="Show the numbers behind the picture as a table",
        )  # fmt: skip
        self.table = ipywidgets.HTML()
        self._columns: TableColumns | None = None
        self.switch.observe(lambda _: self.show(self._columns), names="value")

    def show(self, columns: TableColumns | None) -> None:
        """Set the columns of the table; None for no table."""
        self._columns = columns
        try:
            self.table.value = table_html(columns) if columns and self.switch.value else ""
        except SnnlabError as error:  # Jupyter hides an exception of a callback in a log
            self.table.value = alert(error)


def alert(error: SnnlabError) -> str:
    """Return the message of an error as HTML that a screen reader reads out at once."""
    return f'<p role="alert">{html_text(error)}</p>'


Control = Slider | Dropdown | Checkboxes
DrawResult = str | tuple[str, TableColumns]
DrawFunction = Callable[..., DrawResult]  # draws the values of the controls, given by name


class Panel:
    """A figure with controls; the last line of a cell shows it.

    Attributes:
        controls: the widgets by name; set `controls[name].value` to move one. Empty if not live.
        static: the figure with the first values, for pages without a kernel.
        box: the whole widget; None if not live.
    """

    def __init__(
        self,
        prepare: Callable[[Figure], DrawFunction],
        controls: dict[str, Control],
        fig: Figure,
        live: bool,
    ) -> None:
        self._fig, self._canvas, self._draw = fig, CachedTextCanvas(fig), prepare(fig)
        if not callable(self._draw):
            raise SnnlabError(
                f"prepare returned {self._draw!r}: expected the function that draws the values of "
                "the controls; end prepare with `return draw`."
            )
        self._background = lru_cache(BACKGROUNDS)(self._draw_background)
        self.static = self._render({name: control.value for name, control in controls.items()})
        self.controls: dict[str, ipywidgets.DOMWidget] = {}
        self.box: ipywidgets.VBox | None = None
        if not live:
            return
        self.controls = {name: control.widget() for name, control in controls.items()}
        self.image, self.numbers = ipywidgets.HTML(), TableToggle()
        self._drawn: dict[str, Any] | None = None  # the values of the controls in the picture
        self._update()
        widgets = [*self.controls.values()]
        for name, control in controls.items():
            if isinstance(control, Slider) and control.play:
                widgets.insert(widgets.index(self.controls[name]) + 1, _play(self.controls[name]))
        row = ipywidgets.HBox(widgets, layout={"flex_flow": "row wrap"})
        below = [] if self.static.numbers is None else [self.numbers.switch, self.numbers.table]
        self.box = keyboard_box(row, self.image, *below)
        self.box.add_class("snnlab-panel")
        for widget in self.controls.values():
            widget.observe(self._update, names="value")

    def _update(self, _change: Any = None) -> None:
        values = {name: widget.value for name, widget in self.controls.items()}
        if self._drawn is not None and all(map(_same, values.values(), self._drawn.values())):
            return
        try:
            image = self._render(values)
        except SnnlabError as error:
            self.image.value = alert(error)
            self.numbers.show(None)
        else:
            self.image.value = image.to_html()
            self.numbers.show(image.numbers)
        self._drawn = values

    def _render(self, values: dict[str, Any]) -> RenderedFigure:
        drawn = self._draw(**values)
        alt, numbers = drawn if isinstance(drawn, tuple) else (drawn, None)
        self._blit()
        return render_figure(self._canvas, alt, numbers)

    def redraw(self) -> None:
        """Draw a panel without controls again."""
        self.static = self._render({})

    def _blit(self) -> None:
        """Draw the animated artists over a background that is kept while the axes are the same."""
        axes = self._fig.axes
        key = tuple(
            (
                *ax.get_xlim(),
                *ax.get_ylim(),
                *(ax.get_title(loc) for loc in ("left", "center", "right")),
                ax.get_ylabel(),
                len(ax.get_children()),
            )
            for ax in axes
        )
        animated = [
            (ax, artist) for ax in axes for artist in ax.get_children() if artist.get_animated()
        ]
        if not animated:
            self._canvas.draw()
            return
        background, places = self._background(key)
        for ax, place in zip(axes, places, strict=True):
            ax.set_position(place)
            ax.set_in_layout(True)  # `set_position` ends it
        self._canvas.restore_region(background)
        for ax, artist in animated:
            ax.draw_artist(artist)

    def _draw_background(self, _key: Hashable) -> tuple[Any, list[Bbox]]:
        """Draw without animated artists; return the pixels, and where the layout put the axes.

        Other limits have longer labels, so each background has a layout of its own.
        """
        self._canvas.draw()
        places = [ax.get_position() for ax in self._fig.axes]
        return self._canvas.copy_from_bbox(self._fig.bbox), places

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return with_widget(self.static._repr_mimebundle_(), self.box)


def interact(
    prepare: Callable[[Figure], DrawFunction],
    /,
    *,
    live: bool = True,
    figsize: tuple[float, float] = (7.0, 2.8),
    **controls: Control,
) -> Panel:
    """Show a figure with controls.

    `prepare(fig)` makes axes and artists once, and returns the function `draw(**values)`, which
    sets their data for the values of the controls. `draw` returns the alt text, one sentence with
    numbers, or the alt text and the columns of a table, `{heading: values}`. Artists with
    `animated=True` are drawn over a kept background.

    Args:
        prepare: as above; the panel shows the message of an `SnnlabError` of `draw` in place of the
            image.
        live: False leaves only the static figure, for batch runs, and makes no widget.
        figsize: width and height of the figure in inches.
        controls: a `Slider`, a `Dropdown` or `Checkboxes` for each argument of `draw`.

    Returns:
        A panel whose output has the widget, and the static figure for pages without widgets.

    Raises:
        SnnlabError: a control has no description or tooltip, `draw` returned no alt text, or the
            columns differ in length.
    """
    for name, control in controls.items():
        if not (isinstance(control, Control) and control.description and control.tooltip):
            raise SnnlabError(
                f"Control {name!r}: expected a Slider, a Dropdown or Checkboxes "
                "with a description and a tooltip."
            )
    return Panel(prepare, controls, empty_figure(*figsize), live)
