"""Figures of notebook 01: what they draw, and that no text leaves the picture."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from snnlab.viz import plots
from snnlab.viz.plots import neurons


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_why_spikes_marks_on_and_off_events_in_their_colours():
    brightness = np.linspace(0.2, 0.8, 50)
    fig = neurons.why_spikes(
        [1, 5], [0.9, 4.5], 4.6, brightness=brightness, events=[(10, 1.0), (20, -1.0)],
        trains={"A first": (10, 30), "B first": (30, 10)},
    )  # fmt: skip
    events = lines(fig.axes[1])
    for label, at, color in (("ON event", 10, plots.BLUE), ("OFF event", 20, plots.ORANGE)):
        assert events[label].get_xdata() == [at]
        assert events[label].get_ydata() == [brightness[at]]
        assert to_hex(events[label].get_color()) == to_hex(color)


@pytest.mark.parametrize("draw", [neurons.neuron_diagram, neurons.unrolled_graph])
def test_texts_of_a_diagram_are_inside_and_apart(draw):
    fig = draw()
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= fig.bbox.width and box.y1 <= fig.bbox.height
        assert not any(box.overlaps(other) for other in boxes[:i]), fig.axes[0].texts[i]


def test_membranes_draw_one_panel_each_with_marks_of_the_spikes():
    spikes, before, after = np.array([0, 1, 0]), np.array([0.5, 1.1, 0.2]), np.array([0.5, 0, 0.2])
    fig = neurons.membranes(dict.fromkeys("abcd", (spikes, before, after)), rows=2)
    assert [ax.get_title() for ax in fig.axes] == ["a", "b", "c", "d"]
    membrane, _, marks = fig.axes[0].lines
    assert membrane.get_ydata().tolist() == [0.5, 0.5, 1.1, 0, 0.2, 0.2]
    assert marks.get_xdata().tolist() == [1]


def test_a_population_has_a_mark_for_each_spike():
    spikes = np.eye(20, 5)
    fig = neurons.population(spikes, rate=[1.0, 2.0], bin_ms=10)
    assert fig.axes[0].lines[0].get_xdata().tolist() == [0, 1, 2, 3, 4]
    assert fig.axes[1].get_xlim() == (0, 20)


def test_output_spikes_are_bands_over_training_steps():
    counts = np.zeros((3, 10, 2))
    counts[..., 0] = np.arange(3)[:, None]
    fig = neurons.output_spikes({"no memory": counts, "tau 5 ms": counts})
    forwards = lines(fig.axes[1])["forwards (target 5)"]
    assert forwards.get_xdata().tolist() == list(range(1, 11))
    assert forwards.get_ydata().tolist() == [1.0] * 10


def test_the_surrogate_slope_stands_at_an_arrow_of_the_gradient():
    fig = neurons.unrolled_graph()
    fig.canvas.draw()
    (ax,) = fig.axes
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    labels = [text for text in ax.texts if text.get_text().startswith("surrogate")]
    assert len(labels) == 2
    for label in labels:
        distances = [
            np.hypot(*(arrow.get_path().vertices - label.get_position()).T).min()
            for arrow in arrows
        ]
        assert arrows[int(np.argmin(distances))].get_linestyle() == "--"
