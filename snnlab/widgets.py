"""Sliders beside a picture: move one, and the picture and its alt text change.

One off-screen figure lives as long as the panel. It reaches the browser as a PNG inside `widgets.HTML`, because that
carries alt text and needs neither `Output` nor `clear_output`, which papermill and nbval do not survive.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import ipywidgets
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from snnlab.errors import SnnlabError
from snnlab.pictures import Picture, picture_of
from snnlab.plots import DPI

LAYOUT = {"width": "24em"}
STYLE = {"description_width": "10em"}


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
        whole = all(isinstance(number, int) for number in (self.value, self.low, self.high, self.step))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(
            value=self.value, min=self.low, max=self.high, step=self.step,
            description=self.label, tooltip=self.tip, layout=LAYOUT, style=STYLE,
        )  # fmt: skip


@dataclass(frozen=True)
class Choice:
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


class Panel:
    """What `play` returns: put it on the last line of a cell to see it. `controls[name].value = ...` moves a control."""

    def __init__(self, draw: Callable[..., str], controls: dict[str, Slider | Choice], fig: Figure, live: bool) -> None:
        self._draw, self._fig, self._canvas = draw, fig, FigureCanvasAgg(fig)
        self._background: tuple[Hashable, Any] | None = None
        self.static = self._picture({name: control.value for name, control in controls.items()})
        self.controls: dict[str, ipywidgets.ValueWidget] = {}
        self.box: ipywidgets.VBox | None = None
        if not live:
            return
        self.controls = {name: control.widget() for name, control in controls.items()}
        self.image = ipywidgets.HTML()
        self._update(None)
        rows = ipywidgets.HBox([*self.controls.values()], layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([rows, self.image])
        self.box.add_class("snnlab-panel")
        for widget in self.controls.values():
            widget.observe(self._update, names="value")

    def _update(self, _change: Any) -> None:
        try:
            picture = self._picture({name: widget.value for name, widget in self.controls.items()}, compress_level=1)
        except SnnlabError as error:  # an exception in a callback would vanish in a log that nobody reads
            self.image.value = f'<p role="alert">{error}</p>'
        else:
            self.image.value = picture.to_html()

    def _picture(self, values: dict[str, Any], compress_level: int = 3) -> Picture:
        alt = self._draw(self._fig, **values)
        moving = [(ax, one) for ax in self._fig.axes for one in ax.get_children() if one.get_animated()]
        if moving:
            self._blit(moving)
        else:
            self._canvas.draw()
        self._fig.set_layout_engine(
            "none"
        )  # the first drawing has settled the layout; solving it anew doubles the cost
        return picture_of(self._canvas, alt, compress_level=compress_level)

    def _blit(self, moving: list[tuple[Axes, Artist]]) -> None:
        frame = tuple((*ax.get_xlim(), *ax.get_ylim(), ax.get_title()) for ax in self._fig.axes)
        if self._background is None or self._background[0] != frame:
            self._canvas.draw()  # leaves animated artists out
            self._background = frame, self._canvas.copy_from_bbox(self._fig.bbox)
        self._canvas.restore_region(self._background[1])
        for ax, artist in moving:
            ax.draw_artist(artist)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.static._repr_mimebundle_())
        if self.box is not None:
            bundle |= {
                key: value for key, value in self.box._repr_mimebundle_().items() if key.startswith("application/")
            }
        return bundle


def play(
    draw: Callable[..., str],
    /,
    *,
    live: bool = True,
    figsize: tuple[float, float] = (7.0, 2.8),
    **controls: Slider | Choice,
) -> Panel:
    """A picture with controls.

    `draw(fig, **values)` gets the same figure every time, draws the values of the controls on it, and returns the alt
    text: one sentence, with numbers. To be cheap, it makes its axes and artists when `fig.axes` is empty, and only sets
    their data afterwards; artists made with `animated=True` are drawn over a kept background.

    Args:
        draw: as above; a `SnnlabError` that it raises is shown in place of the picture.
        live: False leaves only the static picture, for batch runs; no widget is made.
        figsize: width and height of the figure in inches.
        controls: a `Slider` or a `Choice` for each argument of `draw`.

    Returns:
        A panel whose one output holds the widget, and the static picture for wherever widgets do not live.

    Raises:
        SnnlabError: a control has no label or tip, or `draw` returned no alt text.
    """
    for name, control in controls.items():
        if not isinstance(control, (Slider, Choice)) or not control.label or not control.tip:
            raise SnnlabError(f"Control {name!r}: expected a Slider or a Choice with a label and a tip.")
    fig = Figure(figsize=figsize, dpi=DPI, layout="constrained", facecolor="white")
    return Panel(draw, controls, fig, live)
