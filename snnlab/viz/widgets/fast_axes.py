"""Ticks, numbers and labels around an axes, drawn several times faster than matplotlib draws them.

matplotlib makes five artists a tick and measures each three times, which is most of a panel's first
picture.
"""

from collections.abc import Iterator
from typing import Any, cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import Bbox, IdentityTransform

LENGTH, PAD, WIDTH = 3.5, 3.5, 0.8  # points, as matplotlib has them
SIZE = 9  # of the numbers, as `plots.tidy` has them


class FastTicks(Artist):
    """What stands left of an axes and below it; it takes the places of the two `Axis`, which are hidden.

    Where numbers stand, what they say, and the labels are set as usual: `ax.set_xlabel`,
    `ax.xaxis.set_major_locator`, ... Only plain linear axes are meant.
    """

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        ax.xaxis.set_visible(False)
        ax.yaxis.set_visible(False)
        ax.add_artist(self)
        self.set_clip_on(False)  # it counts when a layout is made
        self.set_zorder(2.5)
        self._font = FontProperties(size=SIZE)

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        assert self.axes is not None
        if renderer is None:
            fig = self.axes.get_figure(root=True)
            assert fig is not None
            renderer = cast(FigureCanvasAgg, fig.canvas).get_renderer()
        boxes = []
        for axis in (self.axes.xaxis, self.axes.yaxis):
            boxes.append(
                self._place(
                    axis,
                    renderer,
                    [box for _, text, box, _ in self._numbers(axis, renderer) if text],
                )
            )
            if axis.label.get_text():
                boxes.append(axis.label.get_window_extent(renderer))
        return Bbox.union(boxes)

    def draw(self, renderer: Any) -> None:
        if not self.get_visible() or self.axes is None:
            return
        gc = renderer.new_gc()
        gc.set_linewidth(renderer.points_to_pixels(WIDTH))
        gc.set_snap(True)
        long, height = renderer.points_to_pixels(LENGTH), self.axes.figure.bbox.height
        ends: list[tuple[float, float]] = []
        for axis in (self.axes.xaxis, self.axes.yaxis):
            boxes = []
            for (x, y), text, box, descent in self._numbers(axis, renderer):
                ends += [(x, y), (x, y - long) if axis is self.axes.xaxis else (x - long, y)]
                if text:
                    base = box.y0 + descent
                    renderer.draw_text(
                        gc, box.x0, height - base if renderer.flipy() else base, text, self._font, 0
                    )
                    boxes.append(box)
            self._place(axis, renderer, boxes)
            axis.label.draw(renderer)
        if ends:
            renderer.draw_path(
                gc, Path(ends, [Path.MOVETO, Path.LINETO] * (len(ends) // 2)), IdentityTransform()
            )
        gc.restore()

    def _numbers(
        self, axis: Axis, renderer: Any
    ) -> Iterator[tuple[tuple[float, float], str, Bbox, float]]:
        """Where each tick is, its number, the box of that, and how far that reaches below its line; in pixels."""
        assert self.axes is not None
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        across, away = axis is self.axes.xaxis, renderer.points_to_pixels(LENGTH + PAD)
        _, tall, deep = renderer.get_text_width_height_descent("lp", self._font, False)
        places = [float(place) for place in axis.get_majorticklocs()]
        corner = self.axes.bbox
        shown = axis.get_tick_params().get("labelbottom" if across else "labelleft", True)
        for place, text in zip(
            places, axis.get_major_formatter().format_ticks(places), strict=True
        ):
            if not low - slack <= place <= high + slack:
                continue
            x, y = self.axes.transData.transform((place, 0) if across else (0, place))
            x, y = (x, corner.y0) if across else (corner.x0, y)
            text = text if shown else ""
            wide, own, descent = renderer.get_text_width_height_descent(text, self._font, False)
            if across:  # a line is as high as one with "l" and "p", whatever is in it
                base, descent, own = y - away - tall + deep, deep, tall
            else:
                base = y - (own - descent) / 2
            left = x - wide / 2 if across else x - away - wide
            yield (x, y), text, Bbox.from_bounds(left, base - descent, wide, own), descent

    def _place(self, axis: Axis, renderer: Any, numbers: list[Bbox]) -> Bbox:
        """Put the label beside ticks and numbers; returns the box of these and the axes."""
        assert self.axes is not None
        (left, bottom), long = self.axes.bbox.min, renderer.points_to_pixels(LENGTH)
        around = Bbox.union([Bbox([[left - long, bottom - long], self.axes.bbox.max]), *numbers])
        (x, y), away = axis.label.get_position(), renderer.points_to_pixels(axis.labelpad)
        across = axis is self.axes.xaxis
        axis.label.set_position((x, around.y0 - away) if across else (around.x0 - away, y))
        return around
