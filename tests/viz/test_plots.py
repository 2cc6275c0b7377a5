"""Pictures: what the artists hold, what a picture carries, and that files repeat byte for byte."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.delays.statistics import delay_shares
from snnlab.nn.delay_net import DelayNet
from snnlab.viz import plots
from snnlab.viz.figure_export import render_figure, save
from snnlab.viz.plots import activity


def shown(monkeypatch, *args, **kwargs):
    outputs = []
    monkeypatch.setattr("IPython.display.display", outputs.append)
    plots.show(*args, **kwargs)
    return outputs


def small_figure():
    fig, ax = plots.figure(3, 2)
    plots.raster(ax, [1.0, 2.0, 2.0], [0, 1, 2])
    return fig


def test_show_displays_one_output_with_alt_text(monkeypatch):
    (picture,) = shown(monkeypatch, small_figure(), "raster", 'Three spikes, "A" < B & C.')
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == 'Three spikes, "A" < B & C.'
    assert 'alt="Three spikes, &quot;A&quot; &lt; B &amp; C."' in bundle["text/html"]
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.size == (300, 200)
    assert min(image.convert("RGBA").getpixel((0, 0))) >= 254  # white and opaque, for dark themes


def test_show_saves_the_same_bytes_twice(monkeypatch, tmp_path):
    for folder in ("a", "b"):
        shown(
            monkeypatch,
            small_figure(),
            "raster",
            "Three spikes.",
            SimpleNamespace(figure_dir=tmp_path / folder),
        )
    for kind in ("png", "svg"):
        first, second = (
            (tmp_path / folder / f"raster.{kind}").read_bytes() for folder in ("a", "b")
        )
        assert first == second
    svg = (tmp_path / "a" / "raster.svg").read_text()
    assert "<dc:date>" not in svg
    assert "Three spikes." in svg
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["raster.png", "raster.svg"]


def test_both_files_share_one_layout_and_the_figure_is_left_as_it_was(tmp_path):
    class Counted(ConstrainedLayoutEngine):
        executed = 0

        def execute(self, fig):
            self.executed += 1
            super().execute(fig)

    fig, layout = small_figure(), Counted()
    fig.set_layout_engine(layout)
    save(fig, tmp_path / "raster", "Three spikes.")
    assert layout.executed == 1
    assert fig.get_layout_engine() is layout and fig.dpi == 100
    assert isinstance(fig.canvas, FigureCanvasAgg)


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_picture_without_alt_text_is_refused(monkeypatch, tmp_path, alt):
    with pytest.raises(SnnlabError, match="alt text"):
        shown(monkeypatch, small_figure(), "raster", alt, SimpleNamespace(figure_dir=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_picture_is_shown_from_its_darkest_to_its_brightest_value():
    _, axes = plots.figure(3, 2, 1, 3)
    grey, colour = np.array([[[-1.0, 0], [1, 3]]]), np.arange(12.0).reshape(3, 2, 2)
    (a,), (b,), (c,) = (
        activity.image(axes[0], grey),
        activity.image(axes[1], colour),
        activity.image(axes[2], 0 * grey),
    )
    assert a.get_array().tolist() == [[0, 0.25], [0.5, 1]] and a.get_cmap().name == "Greys"
    assert b.get_array().shape == (2, 2, 3) and b.get_array()[1, 1].tolist() == [3 / 11, 7 / 11, 1]
    assert not c.get_array().any()
    assert not axes[0].get_xticks().size


def test_nothing_reaches_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    small_figure()
    assert plt.get_fignums() == before


def test_a_dense_raster_is_one_artist_and_a_small_picture():
    rng = np.random.default_rng(0)
    fig, ax = plots.figure()
    dots = plots.raster(ax, rng.uniform(0, 1000, 5000), rng.integers(0, 700, 5000))
    assert list(ax.lines) == [dots]
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    assert len(render_figure(canvas, "5000 spikes.").png) < 80_000


def test_count_raster_puts_time_and_neurons_on_the_right_axes():
    _, ax = plots.figure()
    counts = np.zeros((5, 3))
    counts[4, 2] = 1
    image = plots.count_raster(ax, counts, dt_ms=10)
    assert tuple(image.get_extent()) == (0, 50, -0.5, 2.5)
    assert image.get_array()[2, 4] == 1
    assert ax.get_xlabel() == "time (ms)"
    plots.count_raster(ax, np.zeros((5, 3)), dt_ms=10)  # silence is a picture too


def test_trace_marks_spikes_and_drops_to_the_reset():
    _, ax = plots.figure()
    plots.trace(ax, [0, 1, 2], [0.5, 1.5, 0.2], [0.5, 0.0, 0.2], [0, 1, 0])
    path, threshold, marks = ax.lines
    assert path.get_xdata().tolist() == [0, 0, 1, 1, 2, 2]
    assert path.get_ydata().tolist() == [0.5, 0.5, 1.5, 0.0, 0.2, 0.2]
    assert set(threshold.get_ydata()) == {1.0}
    assert marks.get_xdata().tolist() == [1]
    assert marks.get_ydata()[0] > 1.5


def test_delay_histogram_counts_steps_and_both_ends():
    _, ax = plots.figure()
    plots.delay_histogram([[0, 4], [12, 20]], 20, dt_ms=10, initial_ms=[10.0, 10.0], ax=ax)
    now, before = ax.patches
    assert now.get_data().values.tolist() == [50, 25, 25]  # 0 and 4 ms are step 0, 12 ms is step 1
    assert now.get_data().edges.tolist() == [-5, 5, 15, 25]
    assert before.get_data().values.tolist() == [0, 100, 0]
    assert ax.get_title() == "50.0 % at 0 ms, 25.0 % at 20 ms"
    assert delay_shares([0, 4, 12, 20], 20, 10).tolist() == [0.5, 0.25, 0.25]
    assert delay_shares([-1, 21], 20, 10).tolist() == [0.5, 0, 0.5]


def test_the_delay_histogram_of_a_network_counts_all_of_its_layers(tmp_path):
    net = DelayNet(n_in=3, hidden=[2], n_classes=2, max_delay=4, tau=2.0)
    for layer, delay in zip(net.synapses, (0.0, 4.0), strict=True):
        layer.delay = torch.full_like(layer.delay, delay)
    ax = plots.delay_histogram(net, dt_ms=5)
    assert ax.patches[0].get_data().values.tolist() == [60, 0, 0, 0, 40]
    assert ax.get_title() == "60.0 % at 0 ms, 40.0 % at 20 ms"
    ax.figure.savefig(tmp_path / "delays.png")
    with pytest.raises(SnnlabError, match="dt_ms = 0: expected a time step above 0 ms"):
        plots.delay_histogram(net, dt_ms=0)


def test_kernels_are_a_row_an_input_and_white_is_zero():
    _, ax = plots.figure()
    image = plots.kernels(ax, [[0.0, -2.0, 0.5]], dt_ms=10)
    assert image.get_clim() == (-2, 2) and image.get_extent() == [-5, 25, -0.5, 0.5]
    assert ax.get_xlabel() == "delay (ms)"


def test_learning_curves_show_mean_and_spread_in_percent():
    _, ax = plots.figure()
    plots.learning_curves(ax, {"learned": [[0.2, 0.6], [0.4, 0.8]]})
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata() == pytest.approx([30, 70])
    low, high = (
        getattr(ax.collections[0].get_paths()[0].vertices[:, 1], f)() for f in ("min", "max")
    )
    assert (low, high) == pytest.approx((20, 80))


def test_bars_show_every_seed():
    _, ax = plots.figure()
    plots.bars_with_seeds(ax, {"none": [0.2, 0.4], "learned": [0.9]}, chance=0.05)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([30, 90])
    assert ax.lines[0].get_ydata() == pytest.approx([20, 40])
    assert ax.lines[1].get_xdata() == pytest.approx([1])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["none", "learned"]


def test_variants_differ_in_more_than_color():
    families = [
        ("none", "fixed", "learned"),
        ("scratch", "pipe-S", "one step"),
        ("scratch", "pretrained", "sharpened"),
        ("synaptic", "axonal", "dendritic", "axo-dendritic"),
        ("scratch", "pictures", "edges"),
        ("ReLU network", "spiking, as copied", "spiking, fine-tuned"),
    ]
    assert set(sum(families, ())) == set(plots.VARIANTS)  # a family shares a picture
    for family in families:
        for values in zip(*(plots.VARIANTS[name] for name in family), strict=True):
            assert len(set(values)) == len(family)  # colors, markers, line styles
    control = plots.variant_style("none, long tau")
    assert control["color"] == plots.variant_style("none")["color"]
    assert control["markerfacecolor"] == "white"


def test_a_description_says_mean_and_range():
    words = plots.describe_accuracies({"none": [0.38, 0.42], "learned": [0.9]})
    assert words == "none 40.0 % (38.0 to 42.0), learned 90.0 %"


def test_features_in_db_are_seen_above_silence():
    """Half of the channels are silent for ever; the picture shows where the rest differs."""
    features = np.full((20, 10), -100.0)
    features[:, :5] = np.linspace(-60, 20, 100).reshape(20, 5)
    _, ax = plots.figure()
    image = plots.count_raster(ax, features, dt_ms=10)
    low, high = image.get_clim()
    assert -60 < low < -50 and 10 < high < 20
    plots.count_raster(ax, np.full((3, 2), -100.0), dt_ms=10)


# Whatever a reader has at hand, in every function that draws
# ------------------------------------------------------------

DRAWN = {  # by name: how it draws an array, and the shape of one
    "image": (activity.image, (1, 2, 3)),
    "raster": (lambda ax, v: plots.raster(ax, v, v), (4,)),
    "count_raster": (lambda ax, v: plots.count_raster(ax, v, 10.0), (4, 3)),
    "trace": (lambda ax, v: plots.trace(ax, v, v, v, v), (4,)),
    "delay_shares": (lambda ax, v: delay_shares(v, 20.0, 10.0), (2, 3)),
    "delay_histogram": (
        lambda ax, v: plots.delay_histogram(v, 20.0, dt_ms=10.0, initial_ms=v, ax=ax),
        (2, 3),
    ),
    "kernels": (lambda ax, v: plots.kernels(ax, v, 10.0), (2, 3)),
    "band": (lambda ax, v: plots.band(ax, range(3), v, color="C0"), (2, 3)),
    "learning_curves": (lambda ax, v: plots.learning_curves(ax, {"learned": v}), (2, 3)),
    "bars_with_seeds": (lambda ax, v: plots.bars_with_seeds(ax, {"learned": v}), (3,)),
    "describe_accuracies": (lambda ax, v: plots.describe_accuracies({"learned": v}), (3,)),
}
drawn = pytest.mark.parametrize(("draw", "shape"), DRAWN.values(), ids=DRAWN)


def canvas_of(draw, values):
    fig, ax = plots.figure(3, 2)
    fig.set_layout_engine("none")  # which takes most of the time, as text does
    draw(ax, values)
    ax.set_axis_off()
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@drawn
def test_tensors_lists_and_truth_values_are_drawn_as_arrays_are(draw, shape):
    values = np.arange(np.prod(shape)).reshape(shape) % 2 * 1.0
    expected = canvas_of(draw, values)
    tensor = torch.from_numpy(values)
    rows = [row.clone().requires_grad_() for row in tensor]
    kinds = (
        tensor.clone().requires_grad_(),
        tensor.bool(),
        tensor.bfloat16(),
        values.astype(bool),
        values.tolist(),
        rows,
    )
    for given in kinds:
        assert np.array_equal(canvas_of(draw, given), expected)


@drawn
def test_values_that_are_not_finite_are_refused(draw, shape):
    _, ax = plots.figure(3, 2)
    for value in (np.nan, np.inf, -np.inf):
        values = np.ones(shape)
        for where in ((0,) * len(shape), ...):  # one of them, and all
            values[where] = value
            with pytest.raises(SnnlabError, match="holds NaN or infinite values"):
                draw(ax, values)


@drawn
def test_nothing_is_drawn_as_nothing_or_refused(draw, shape):
    for empty in (np.zeros((0, *shape[1:])), np.zeros((*shape[:-1], 0)), []):
        try:
            canvas_of(draw, empty)
        except SnnlabError as error:
            assert "nothing to draw" in str(error) or "expected" in str(error)


@drawn
def test_what_is_no_number_is_refused(draw, shape):
    _, ax = plots.figure(3, 2)
    for wrong in ("text", None, [[1], [1, 2]], np.ones(shape, complex), {"a": 1}, [None], ["1"]):
        with pytest.raises(SnnlabError):
            draw(ax, wrong)


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.raster(ax, [1, 2], [1]),
        lambda ax: plots.trace(ax, [1, 2], [1], [1, 2], [0, 0]),
        lambda ax: plots.trace(ax, [1, 2], [1, 2], [1, 2], [1, 0, 0]),
        lambda ax: plots.band(ax, [1, 2], [[1, 2, 3]], color="C0"),
    ],
)
def test_what_does_not_belong_together_is_refused(draw):
    with pytest.raises(SnnlabError, match="as many of each were expected"):
        draw(plots.figure(3, 2)[1])


@pytest.mark.parametrize(
    ("longest", "dt"), [(20.0, 0.0), (20.0, -1.0), (20.0, np.nan), (np.nan, 10.0), (np.inf, 10.0)]
)
def test_a_histogram_wants_lengths_of_time(longest, dt):
    with pytest.raises(
        SnnlabError, match="expected a time step above 0, and a largest delay from 0"
    ):
        delay_shares([1.0], longest, dt)


@pytest.mark.parametrize("longest", [1e15, np.finfo(float).max])
def test_a_histogram_has_a_limited_number_of_steps(longest):
    ax = plots.figure(3, 2)[1]
    for draw in (
        delay_shares,
        lambda v, *more: plots.delay_histogram(v, more[0], dt_ms=more[1], ax=ax),
    ):
        with pytest.raises(SnnlabError, match="expected at most 1,000,000 time steps"):
            draw([1.0], longest, 1e-3)


@pytest.mark.parametrize("dt", [0, -1.0, np.nan, np.inf, None, "1"])
def test_a_time_step_is_a_number_above_0(dt):
    ax = plots.figure(3, 2)[1]
    draw = (
        lambda: plots.delay_histogram([1.0], 20.0, dt_ms=dt, ax=ax),
        lambda: plots.kernels(ax, np.ones((2, 3)), dt),
        lambda: plots.count_raster(ax, np.ones((2, 3)), dt),
    )
    for one in draw:
        with pytest.raises(SnnlabError, match="expected a time step above 0"):
            one()


@pytest.mark.parametrize("label", [r"$\frac{1}$", "a_b $ c", "_hidden"])
def test_a_label_is_shown_as_it_is_written(label):
    fig, ax = plots.figure(3, 2)
    plots.band(ax, [0, 1], [0, 1], color="C0", label=label)
    plots.learning_curves(ax, {label: [0, 1]})
    plots.legend(ax)
    fig.canvas.draw()
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [text.strip().replace(r"\$", "$") for text in shown] == [label] * 2


def test_values_have_an_axis_of_seeds_and_one_of_points():
    ax = plots.figure(3, 2)[1]
    values = np.ones((2, 3, 4))
    with pytest.raises(SnnlabError, match=r"^values: of shape \(2, 3, 4\), two axes \(seeds, n\)"):
        plots.band(ax, range(4), values, color="C0")
    with pytest.raises(SnnlabError, match=r"^learned: of shape \(2, 3, 4\), two axes \(seeds, n\)"):
        plots.learning_curves(ax, {"learned": values})


def test_accuracy_over_a_parameter_stands_at_its_values_with_every_seed():
    _, ax = plots.figure()
    accuracies = {
        "none": {6: [0.3, 0.34], 24: [0.3]},
        "learned": {24: [0.6, 0.5], 6: [0.4]},
        "few inputs, fixed": {6: [0.2]},
        "few inputs, learned": {6: [0.1]},
    }
    plots.accuracy_over_parameter(ax, accuracies, xlabel="max_delay (steps)")
    none, none_seeds, learned, _, few_fixed, _, few_learned, _ = ax.lines
    assert np.allclose(none.get_xydata(), [(6, 32), (24, 30)])
    assert np.allclose(none_seeds.get_xydata(), [(6, 30), (6, 34), (24, 30)])
    assert np.allclose(learned.get_xydata(), [(6, 40), (24, 55)])  # in the order of the axis
    looks = [(line.get_color(), line.get_marker()) for line in (few_fixed, few_learned)]
    assert looks[0] != looks[1] and ax.get_xscale() == "linear"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["6", "24"]


@pytest.mark.parametrize(
    ("values", "scale", "ticks"),
    [
        ((0.001, 0.01, 0.1), "log", ["0.001", "0.01", "0.1"]),
        ((0, 0.01, 1), "linear", ["0", "0.01", "1"]),
        (("[16]", "[16, 16]"), "linear", ["[16]", "[16, 16]"]),
    ],
)
def test_the_axis_of_a_parameter_follows_its_values(values, scale, ticks):
    _, ax = plots.figure()
    plots.accuracy_over_parameter(ax, {"none": {x: [0.5] for x in values}}, xlabel="x")
    assert ax.get_xscale() == scale
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks
