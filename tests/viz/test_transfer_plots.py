"""Plots of pretraining and transfer: what they draw, and that labels and legends have room."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots import transfer

X = np.linspace(-0.2, 1.2, 50)
RACE = {
    "scratch, 2 epochs": [([1.0, 2.0], [0.2, 0.4])],
    "pipe-S": [([3.0, 3.5], [0.6, 0.7]), ([3.2, 3.6], [0.5, 0.8])],
}
BEFORE = {"pipe-S": [([1.0, 2.0, 3.0], [0.3, 0.5, 0.6]), ([1.5, 3.1], [0.3, 0.6])]}
STAGES = {"pretrained": [0.7, 0.8], "copied": [0.5, 0.6], "fine-tuned": [0.7, 0.9]}
FIGURES = {
    "pictures": lambda: transfer.pictures(np.random.rand(3, 1, 4, 4), ["0", "1", "2"]),
    "step_costs": lambda: transfer.step_costs([1, 2, 4], [3, 5, 9], 2.5),
    "activations": lambda: transfer.activations(X, {"1%": X, "100%": X > 0.5}, X, {"T = 6": X}),
    "twins": lambda: transfer.twins(
        {"left": {"ann": [0.1, 0.2], "one step": [0, 0.1], "spiking": [0, 0.2]}}, 12
    ),
    "race": lambda: transfer.race(RACE, BEFORE),
    "stage_accuracies": lambda: transfer.stage_accuracies({"pipe-S": STAGES, "ReLU": STAGES}),
    "equal_time": lambda: transfer.equal_time(
        {
            "T = 12": {"scratch": ([3, 7], [[0.4, 0.5], [0.6, 0.6]]), "pipe-S": ([6], [[0.8]])},
            "T = 6": {"scratch": ([4, 9], [[0.4, 0.5], [0.6, 0.6]]), "pipe-S": ([5], [[0.8]])},
        }
    ),
    "similarity": lambda: transfer.similarity(
        {"after": [[1, 0.9]], "untrained": [[0, 0.1], [-0.2, 0]]}, {"after": [[1, 0.8]]}
    ),
    "layer_spikes": lambda: transfer.layer_spikes(
        np.random.rand(1, 4, 4), {"layer 1": np.eye(5)}, "digit 3"
    ),
    "accuracy_and_time": lambda: transfer.accuracy_and_time({"soft: a": ([1, 2], [0.5, 0.6])}),
    "energies": lambda: transfer.energies({"ANN": {"add": 3.0, "update": 1.0}}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_have_labels_and_the_legend_is_inside_the_figure(name):
    fig = FIGURES[name]()
    FigureCanvasAgg(fig).draw()
    for ax in fig.axes:
        assert not ax.lines or ax.get_xlabel(), name
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
    for box in (legend.get_window_extent() for legend in legends):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= fig.bbox.width and box.y1 <= fig.bbox.height


def lines_of(ax, color):
    return [line for line in ax.lines if line.get_color() == color and len(line.get_xdata()) > 1]


def test_without_its_pretraining_a_curve_begins_when_the_pretraining_ends():
    left, right = transfer.race(RACE, BEFORE).axes
    counted, shifted = lines_of(left, transfer.BLUE), lines_of(right, transfer.BLUE)
    assert [list(line.get_xdata()) for line in counted[:2]] == [[3.0, 3.5], [3.2, 3.6]]
    assert len(counted) == 4  # the dotted pretraining of both seeds, too
    assert [line.get_xdata()[0] for line in shifted] == pytest.approx([0.0, 0.1])
    assert lines_of(left, transfer.GREY)[0].get_xdata()[0] == 1.0


def test_the_panels_of_equal_time_have_room_for_the_longest_training():
    fig = FIGURES["equal_time"]()
    assert all(ax.get_xlim()[1] > 9 for ax in fig.axes)


def test_the_stages_and_the_energy_are_written_on_the_figure():
    texts = " ".join(text.get_text() for text in transfer.stages(12, 1, 8).axes[0].texts)
    assert "12 epochs" in texts and "1 epoch" in texts and "T = 8" in texts
    (total,) = FIGURES["energies"]().axes[0].texts
    assert total.get_text() == " 4"


def labelled(ax):
    """Return the look of each curve that the legend names."""
    return {
        line.get_label(): (str(line.get_color()), line.get_marker(), line.get_linestyle())
        for line in ax.lines
        if not line.get_label().startswith("_")
    }


MANY = [f"kind {n}" for n in range(9)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: transfer.accuracy_and_time({name: ([1], [0.5]) for name in MANY}),
        lambda: transfer.similarity(*2 * [{name: [[1, 0.5]] for name in MANY}]),
        lambda: transfer.race({name: [([1], [0.5])] for name in MANY}, BEFORE),
        lambda: transfer.race({f"scratch {name}": [([1], [0.5])] for name in MANY}, BEFORE),
        lambda: transfer.activations(X, dict.fromkeys(MANY, X), X, dict.fromkeys(MANY, X)),
    ],
)
def test_every_curve_is_drawn_with_a_look_of_its_own(draw):
    looks = labelled(draw().axes[0])
    looks.pop("its pretraining", None)
    assert [name.removeprefix("scratch ") for name in looks] == MANY
    assert len(set(looks.values())) == len(MANY)


def test_too_many_curves_to_tell_apart_are_refused():
    with pytest.raises(SnnlabError, match="17 curves: expected 16 at most"):
        transfer.similarity(*2 * [{str(n): [[1, 0.5]] for n in range(17)}])


def test_the_neuron_of_section_8_may_be_left_out():
    (text,) = transfer.accuracy_and_time({}).texts
    assert text.get_text() == "Not trained in this run."
