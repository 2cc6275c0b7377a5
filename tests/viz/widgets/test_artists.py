"""Moving artists: pixels counted by hand, the static histogram's bars, no trace of old data."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from snnlab._utils.errors import SnnlabError
from snnlab.delays.statistics import delay_shares
from snnlab.viz import plots
from snnlab.viz.widgets import artists as live
from snnlab.viz.widgets.panel import Slider, interact


def pixels(values, width=6, height=4, **options):
    """A raster's ink (black 255, row 0 at the bottom) on axes of `width` x `height` pixels."""
    fig = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(fig)
    ax = fig.add_axes((0, 0, 1, 1))
    steps, neurons = np.shape(values)
    raster = live.Raster(ax, steps=steps, neurons=neurons, dt_ms=2.0)
    raster.set_data(values, **options)
    ax.set_axis_off()
    canvas.draw()
    # Animated: left out of the background
    assert (np.asarray(canvas.buffer_rgba())[..., :3] == 255).all()
    ax.draw_artist(raster)
    return 255 - np.asarray(canvas.buffer_rgba())[::-1, :, 0].astype(int)


def test_each_spike_is_where_its_step_and_its_neuron_are():
    spikes = np.zeros((3, 2), dtype=bool)
    spikes[0, 0] = spikes[2, 1] = True
    assert pixels(spikes).tolist() == [[255, 255, 0, 0, 0, 0]] * 2 + [[0, 0, 0, 0, 255, 255]] * 2
    _, ax = plots.figure()
    live.Raster(ax, steps=3, neurons=2, dt_ms=2.0)
    assert ax.get_xlim() == (0, 6) and ax.get_ylim() == (
        -0.5,
        1.5,
    )  # as `plots.count_raster`: a neuron's row is around it


def test_no_spike_is_lost_where_many_share_a_pixel():
    spikes = np.zeros((600, 400))
    spikes[250, 333] = 1
    ink = pixels(spikes)
    assert ink[3, 2] == 255  # step 250 of 100 a pixel, neuron 333 of 100 a pixel
    assert ink.sum() == 255


def test_a_neuron_that_fires_in_every_wide_step_has_a_mark_for_each():
    ink = pixels(np.ones((3, 1)), width=24, height=1)
    assert ink.tolist() == [[255, 255, 255, 255, 255, 255, 0, 0] * 3]
    assert (pixels(np.ones((3, 1)), width=23, height=1) == 255).all()  # too narrow for gaps


def test_counts_are_shades_up_to_full():
    assert (
        pixels([[0], [1], [2], [9], [-3], [4]], full=4).tolist() == [[0, 63, 127, 255, 0, 255]] * 4
    )
    assert pixels(np.array([[True], [False]] * 3), full=2).tolist() == [[127, 0] * 3] * 4


def test_spikes_stay_inside_the_axes():
    fig, ax = plots.figure(3, 2)
    raster = live.Raster(ax, steps=80, neurons=10, dt_ms=1.0)
    raster.set_data(np.ones((80, 10)))
    ax.set_xlim(40, 80)
    canvas = fig.canvas
    canvas.draw()
    before = np.asarray(canvas.buffer_rgba()).copy()
    ax.draw_artist(raster)
    changed = (np.asarray(canvas.buffer_rgba()) != before).any(-1).nonzero()
    box = ax.bbox
    assert changed[1].min() == pytest.approx(box.x0, abs=2)
    assert changed[1].max() == pytest.approx(box.x1, abs=2)
    assert len(changed[0]) > 0.95 * box.width * box.height


def test_a_raster_of_another_shape_is_refused():
    raster = live.Raster(plots.figure()[1], steps=3, neurons=2, dt_ms=1.0)
    with pytest.raises(SnnlabError, match=r"\(2, 3\).*\(T, N\) = \(3, 2\)"):
        raster.set_data(np.zeros((2, 3)))


def test_the_histogram_has_the_bars_of_the_static_one():
    rng = np.random.default_rng(0)
    now, before = rng.uniform(-5, 130, 5000), rng.uniform(0, 120, 500)
    static = plots.delay_histogram(now, 120, dt_ms=10, initial_ms=before).patches
    _, ax = plots.figure()
    histogram = live.DelayHistogram(ax, max_delay=120, dt=10)
    for shown in (before, now):  # the second replaces the first
        histogram.set_data(*(delay_shares(delays, 120, 10) for delays in (shown, before)))
    for one, other in zip(ax.patches, static, strict=True):
        assert one.get_animated() and not other.get_animated()
        assert np.array_equal(one.get_data().values, other.get_data().values)
        assert np.array_equal(one.get_data().edges, other.get_data().edges)
        assert (one.get_fill(), one.get_linestyle()) == (other.get_fill(), other.get_linestyle())
    assert ax.get_xlim() == (-5, 125)


def test_the_histogram_says_in_which_unit_and_what_the_outline_is():
    for options, label in (
        ({}, "delay (ms); dashed: at the start"),
        ({"unit": "steps", "outline": "learned"}, "delay (steps); dashed: learned"),
    ):
        _, ax = plots.figure()
        live.DelayHistogram(ax, max_delay=30, dt=10, **options)
        assert ax.get_xlabel() == label


def test_the_histogram_is_as_high_as_its_highest_bar_needs():
    _, ax = plots.figure()
    histogram = live.DelayHistogram(ax, max_delay=30, dt=10)
    flat = [0.04] * 4
    for shares, top in (
        ([0.25] * 4, 50),
        ([1, 0, 0, 0], 101),
        ([0.46, 0.54, 0, 0], 101),
        ([0, 0.45, 0, 0], 50),
        (flat, 5),
    ):
        histogram.set_data(shares, flat)
        assert ax.get_ylim() == (0, top)
    histogram.set_data(flat, [1, 0, 0, 0])
    assert ax.get_ylim() == (0, 101)  # the outline needs it


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_shares_are_counts_of_rounded_steps(dtype):
    # Halves go to the even step
    delays = np.array([[-40, 4, 5, 6], [14, 15, 16, 25], [29, 30, 36, 999]], dtype=dtype)
    assert (12 * delay_shares(delays, 30, 10)).tolist() == pytest.approx([3, 2, 3, 4])
    assert delay_shares([], 30, 10).tolist() == [0, 0, 0, 0]


def test_in_a_panel_a_frame_is_the_same_whatever_came_before():
    spikes = np.random.default_rng(0).random((3, 50, 30)) < 0.1

    def prepare(fig):
        left, right = fig.subplots(1, 2)
        raster = live.Raster(left, steps=50, neurons=30, dt_ms=1.0)
        histogram = live.DelayHistogram(right, max_delay=50, dt=5)

        def draw(*, trial):
            raster.set_data(spikes[trial])
            histogram.set_data(delay_shares(spikes[trial].nonzero()[0], 50, 5), np.full(11, 1 / 11))
            return f"Trial {trial}."

        return draw

    panel = interact(prepare, trial=Slider(0, 0, 2, 1, "trial", "tip"))
    first = panel.image.value
    panel.controls["trial"].value = 2
    assert panel.image.value != first
    panel.controls["trial"].value = 0
    assert panel.image.value == first


def test_bars_have_the_heights_they_were_given_and_one_is_marked():
    ax = Figure().subplots()
    drawn = ax.bar([0.0, 0.5, 1.0], 0, 0.4)
    live.set_bars(ax, [1, 5, 2], marked=2)
    live.set_bars(ax, [3, 1, 2], marked=0)
    assert [bar.get_height() for bar in drawn] == [3, 1, 2]
    assert [to_hex(bar.get_facecolor()) for bar in drawn] == [
        to_hex(plots.BLUE),
        *[to_hex(plots.SKY)] * 2,
    ]
