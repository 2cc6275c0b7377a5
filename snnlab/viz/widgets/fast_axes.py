"""Ticks, tick labels and axis labels, drawn several times faster than by matplotlib.

matplotlib makes five artists for a tick and measures each three times, which takes most of the
time of a panel's first image.
"""

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import Bbox, IdentityTransform

TICK_LENGTH, TICK_PAD, TICK_WIDTH = 3.5, 3.5, 0.8  # points, matplotlib's defaults
LABEL_SIZE = 9  # points, of the tick labels, as in `plots.tidy`

# Position (x, y), label, box of the label, and its descent, in pixels
Tick = tuple[tuple[float, float], str, Bbox, float]


class FastTicks(Artist):
    """Draws ticks and labels of linear axes in place of the two `Axis`, which are hidden.

    Set tick positions, tick labels and axis labels as usual: `ax.set_xlabel`,
    `ax.xaxis.set_major_locator`, ...
    """

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        ax.xaxis.set_visible(False)
        ax.yaxis.set_visible(False)
        ax.add_artist(self)
        self.set_clip_on(False)  # so that a layout makes room for it
        self.set_zorder(2.5)
        self._font = FontProperties(size=LABEL_SIZE)

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        """Return the box around axes, ticks and labels in pixels."""
        assert self.axes is not None
        boxes = []
        for axis in (self.axes.xaxis, self.axes.yaxis):
            boxes.append(self._layout(axis, renderer)[1])
            if axis.label.get_text():
                boxes.append(axis.label.get_window_extent(renderer))
        return Bbox.union(boxes)

    def draw(self, renderer: Any) -> None:
        """Draw ticks and labels."""
        if not self.get_visible() or self.axes is None:
            return
        gc = renderer.new_gc()
        gc.set_linewidth(renderer.points_to_pixels(TICK_WIDTH))
        gc.set_snap(True)
        length, height = renderer.points_to_pixels(TICK_LENGTH), self.axes.figure.bbox.height
        ends: list[tuple[float, float]] = []
        for axis in (self.axes.xaxis, self.axes.yaxis):
            for (x, y), text, box, descent in self._layout(axis, renderer)[0]:
                ends += [(x, y), (x, y - length) if axis is self.axes.xaxis else (x - length, y)]
                if text:
                    base = box.y0 + descent
                    base = height - base if renderer.flipy() else base
                    renderer.draw_text(gc, box.x0, base, text, self._font, 0)
            axis.label.draw(renderer)
        if ends:
            lines = Path(ends, [Path.MOVETO, Path.LINETO] * (len(ends) // 2))
            renderer.draw_path(gc, lines, IdentityTransform())
        gc.restore()

    def _layout(self, axis: Axis, renderer: Any) -> tuple[list[Tick], Bbox]:
        """Place the ticks and the label of an axis.

        Returns:
            The ticks, and the box around them and the axes.
        """
        assert self.axes is not None
        is_x, corner = axis is self.axes.xaxis, self.axes.bbox
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        length, offset, label_pad = (
            renderer.points_to_pixels(points)
            for points in (TICK_LENGTH, TICK_LENGTH + TICK_PAD, axis.labelpad)
        )
        size = renderer.get_text_width_height_descent
        # A line of tick labels is as high as one with "l" and "p", whatever is in it
        _, line_height, line_descent = size("lp", self._font, False)
        shown = axis.get_tick_params().get("labelbottom" if is_x else "labelleft", True)
        locations = [float(location) for location in axis.get_majorticklocs()]
        labels = axis.get_major_formatter().format_ticks(locations)
        ticks: list[Tick] = []
        around = [Bbox([[corner.x0 - length, corner.y0 - length], corner.max])]
        for location, label in zip(locations, labels, strict=True):
            if not low - slack <= location <= high + slack:
                continue
            text = label if shown else ""
            width, height, descent = size(text, self._font, False)
            if is_x:
                x, y = self.axes.transData.transform((location, 0))[0], corner.y0
                box = (x - width / 2, y - offset - line_height, width, line_height)
                descent = line_descent
            else:
                x, y = corner.x0, self.axes.transData.transform((0, location))[1]
                box = (x - offset - width, y - (height + descent) / 2, width, height)
            ticks.append(((x, y), text, Bbox.from_bounds(*box), descent))
            if text:
                around.append(ticks[-1][2])
        outer, (x, y) = Bbox.union(around), axis.label.get_position()
        axis.label.set_position((x, outer.y0 - label_pad) if is_x else (outer.x0 - label_pad, y))
        return ticks, outer
