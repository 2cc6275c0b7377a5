"""A canvas of matplotlib's Agg that measures and renders each string once.

Text takes most of the time of a panel's image, and the same ticks and labels return in it.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

CACHED_STRINGS = 2000  # some 2 kB each
MARGIN = 2  # pixels around a string, for antialiasing


class CachedTextCanvas(FigureCanvasAgg):
    """The canvas of a figure that is drawn many times; strings are placed at whole pixels."""

    def get_renderer(self) -> RendererAgg:
        """Return the renderer of the figure's present size."""
        key = *self.get_width_height(physical=True), self.figure.dpi
        if self._lastKey != key:
            self.renderer, self._lastKey = _CachedTextRenderer(*key), key
        return self.renderer


class _CachedTextRenderer(RendererAgg):
    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        return text_size(s, prop, ismath, self.dpi)

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: FontProperties, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        # matplotlib has these two from 3.11 on
        getters = (getattr(mtext, f"get_{name}", None) for name in ("fontfeatures", "language"))
        special = any(get() for get in getters if get)
        if ismath or special or angle not in (0, 90):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        pixels, left, below = text_image(s, prop, angle, gc.get_rgb(), self.dpi)
        self.draw_image(gc, round(x) - left, round(self.height - y) - below, pixels)


@lru_cache(CACHED_STRINGS)
def text_size(s: str, prop: FontProperties, ismath: Any, dpi: float) -> tuple[float, float, float]:
    """Return the width, height and descent of a string in pixels."""
    width, height, descent = RendererAgg(1, 1, dpi).get_text_width_height_descent(s, prop, ismath)
    return width, height, descent


@lru_cache(CACHED_STRINGS)
def text_image(
    s: str, prop: FontProperties, angle: float, color: Any, dpi: float
) -> tuple[NDArray[np.uint8], int, int]:
    """Render a string.

    Returns:
        Its RGBA pixels `(height, width, 4)` from the bottom row, and how many of them are left of
        and below the point where the string begins.
    """
    width, height, descent = (
        int(np.ceil(size)) + MARGIN for size in text_size(s, prop, False, dpi)
    )
    columns, rows, left, below = width + MARGIN, height + descent, MARGIN, descent
    if angle:  # upwards: what hung below the line is to its right
        columns, rows, left, below = rows, columns, height, MARGIN
    renderer = RendererAgg(columns, rows, dpi)
    gc = renderer.new_gc()
    gc.set_foreground(color)
    renderer.draw_text(gc, left, rows - below, s, prop, angle)
    return np.ascontiguousarray(np.asarray(renderer.buffer_rgba())[::-1]), left, below
