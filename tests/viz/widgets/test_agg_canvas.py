"""What a canvas that keeps its strings draws is what matplotlib draws."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from snnlab.viz.widgets import agg_canvas
from snnlab.viz.widgets.agg_canvas import CachedTextCanvas


def drawn(
    kind,
    *,
    x=40,
    y=60,
    s="Ägyptj 12",
    angle=0,
    color="#123456",
    alpha=None,
    clip=None,
    dpi=100,
    **font,
):
    """A string on a figure of 160 x 120 pixels, as `draw_text` puts it there."""
    fig = Figure(figsize=(160 / dpi, 120 / dpi), dpi=dpi)
    renderer = kind(fig).get_renderer()
    gc = renderer.new_gc()
    gc.set_foreground(color)
    if alpha is not None:
        gc.set_alpha(alpha)
    if clip is not None:
        gc.set_clip_rectangle(clip)
    renderer.draw_text(gc, x, y, s, FontProperties(**font), angle)
    return np.asarray(renderer.buffer_rgba()).astype(int)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"angle": 90},
        {"angle": 30},
        {"s": "|_/fj", "size": 7},
        {"weight": "bold", "size": 14, "dpi": 72},
        {"style": "italic", "angle": 90, "s": "fjyg|"},
        {"color": "red"},
        {"alpha": 0.5},
        {"color": (1, 0, 0, 0.3)},
        {"color": (1, 0, 0, 0.3), "alpha": 0.6},
        {"x": -4, "y": 3},  # partly outside
        {"x": 150, "y": 119, "angle": 90},
        {"s": ""},
    ],
)
def test_a_string_is_what_agg_draws(options):
    for _ in range(2):  # rendered, then kept
        mine, theirs = drawn(CachedTextCanvas, **options), drawn(FigureCanvasAgg, **options)
        assert theirs[..., 3].any() == bool(options.get("s", True))
        assert np.abs(mine[..., 3] - theirs[..., 3]).max() <= 1
        inked = theirs[..., 3] > 20  # where there is hardly any ink, its color is rounded
        assert np.abs(mine - theirs)[inked].max(initial=0) <= 12
        np.testing.assert_array_equal(mine[..., 3] > 128, theirs[..., 3] > 128)


def test_colours_sizes_and_directions_are_not_taken_for_each_other():
    one = FontProperties(size=9)
    first = drawn(CachedTextCanvas, s="same", size=9)
    for other in (
        {"size": 10},
        {"color": "red"},
        {"angle": 90},
        {"alpha": 0.3},
        {"s": "sane"},
        {"weight": "bold"},
    ):
        assert not np.array_equal(
            first, drawn(CachedTextCanvas, **{"s": "same", "size": 9, **other})
        )
    small = RendererAgg(10, 10, 100).get_text_width_height_descent("same", one, False)
    one.set_size(18)  # a font that is kept must not change with its owner
    renderer = CachedTextCanvas(Figure(dpi=100)).get_renderer()
    large = renderer.get_text_width_height_descent("same", one, False)
    one.set_size(9)
    assert renderer.get_text_width_height_descent("same", one, False) == small != large


def test_what_is_clipped_is_not_drawn():
    from matplotlib.transforms import Bbox

    whole, part = drawn(CachedTextCanvas), drawn(CachedTextCanvas, clip=Bbox([[0, 0], [60, 120]]))
    np.testing.assert_array_equal(part[:, :60], whole[:, :60])
    assert whole[:, 62:, 3].any() and not part[:, 62:, 3].any()


def test_a_figure_looks_as_it_does_elsewhere():
    def picture(kind):
        fig = Figure(figsize=(4, 3), dpi=100, layout="constrained", facecolor="white")
        made = kind(fig)
        ax = fig.subplots()
        ax.plot([0, 1000], [0, 3], label="line")
        ax.set(xlabel="time (ms)", ylabel=r"current $I$ (a.u.)", title="A title")
        ax.text(500, 1, "slanted", rotation=20)
        ax.legend()
        made.draw()
        return np.asarray(made.buffer_rgba())[..., :3].astype(float), ax.get_position().bounds

    (mine, box), (theirs, expected) = picture(CachedTextCanvas), picture(FigureCanvasAgg)
    assert box == expected  # strings are as large
    # a string is moved by half a pixel at most, so that a blurred picture stays nearly the same
    blurred = [
        np.lib.stride_tricks.sliding_window_view(one, (5, 5), (0, 1)).mean((-2, -1))
        for one in (mine, theirs)
    ]
    assert np.abs(blurred[0] - blurred[1]).max() < 40
    assert np.abs(mine - theirs).mean() < 2


def test_a_string_is_rendered_once(monkeypatch):
    calls = []
    render = RendererAgg.draw_text
    monkeypatch.setattr(
        RendererAgg, "draw_text", lambda *a, **k: (calls.append(a[4]), render(*a, **k))
    )
    for _ in range(3):
        fig = Figure(dpi=100)
        CachedTextCanvas(fig)
        fig.text(0.1, 0.1, "seen only here")
        fig.text(0.1, 0.5, "seen only here")
        fig.canvas.draw()
    assert calls == ["seen only here"]
    assert agg_canvas.text_image.cache_info().maxsize == agg_canvas.CACHED_STRINGS


def test_another_size_of_the_figure_has_another_renderer():
    fig = Figure(figsize=(1, 1), dpi=100)
    made = CachedTextCanvas(fig)
    first = made.get_renderer()
    assert made.get_renderer() is first
    fig.set_size_inches(2, 1)
    assert made.get_renderer() is not first and made.get_renderer().width == 200
