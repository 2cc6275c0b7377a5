"""A canvas of matplotlib's Agg that measures and renders each string once: text is most of what a panel's picture costs.

Ticks of one panel say the same as those of the next, and a new background says nearly all that the
one before said.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

STRINGS = 2000  # that are kept, some 2 kB each
MARGIN = 2  # pixels around a string, for what antialiasing adds


class Canvas(FigureCanvasAgg):
    """Of a figure that is drawn many times, or resembles others. Strings stand on whole pixels."""

    def get_renderer(self) -> RendererAgg:
        key = *self.get_width_height(physical=True), self.figure.dpi
        if self._lastKey != key:
            self.renderer, self._lastKey = _Renderer(*key), key
        return self.renderer


class _Renderer(RendererAgg):
    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        return _measured(s, prop, ismath, self.dpi)

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        special = mtext is not None and (mtext.get_fontfeatures() or mtext.get_language())
        if ismath or special or angle not in (0, 90):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        ink, left, below = _rendered(s, prop, angle, gc.get_rgb(), self.dpi)
        self.draw_image(gc, round(x) - left, round(self.height - y) - below, ink)


@lru_cache(STRINGS)
def _measured(s: str, prop: FontProperties, ismath: Any, dpi: float) -> tuple[float, float, float]:
    """Width, height and descent of a string, pixels."""
    width, height, descent = RendererAgg(1, 1, dpi).get_text_width_height_descent(s, prop, ismath)
    return width, height, descent


@lru_cache(STRINGS)
def _rendered(
    s: str, prop: FontProperties, angle: float, colour: Any, dpi: float
) -> tuple[NDArray[np.uint8], int, int]:
    """A string as pixels `(height, width, 4)`, from below, and how many of them are left of where it begins and below."""
    width, height, descent = (
        int(np.ceil(size)) + MARGIN for size in _measured(s, prop, False, dpi)
    )
    wide, tall = width + MARGIN, height + descent
    if angle:  # it goes up, and what hung below it is to its right
        wide, tall = tall, wide
    left, below = (height, MARGIN) if angle else (MARGIN, descent)
    renderer = RendererAgg(wide, tall, dpi)
    gc = renderer.new_gc()
    gc.set_foreground(colour)
    renderer.draw_text(gc, left, tall - below, s, prop, angle)
    return np.ascontiguousarray(np.asarray(renderer.buffer_rgba())[::-1]), left, below
