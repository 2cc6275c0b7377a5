"""Figures of the page "04 on real voices": what is drawn where."""

import numpy as np
import pytest

from snnlab.viz.plots import voices


def test_speakers_are_sorted_and_counted():
    fig = voices.speakers({"fold 0": [3, 9, 5], "fold 1": [2, 2]})
    heights = [bar.get_height() for bar in fig.axes[0].patches]
    assert heights == [9, 5, 3]
    assert [ax.get_title() for ax in fig.axes] == [
        "fold 0: 3 speakers,\n17 clips",
        "fold 1: 2 speakers,\n4 clips",
    ]


def test_a_pair_has_its_seeds_by_fold_and_its_interval():
    points = np.array([[0.01, 0.03], [-0.02, 0.0]])
    pairs = {"learned minus fixed": points, "learned minus none": points + 0.1}
    intervals = {"learned minus fixed": (0.005, 0.02), "learned minus none": (0.105, None)}
    ax = voices.paired_differences(pairs, intervals).axes[0]
    drawn = {line.get_label(): line.get_xdata() for line in reversed(ax.lines)}  # the first pair
    assert drawn["fold 0"] == pytest.approx([1, 3]) and drawn["fold 1"] == pytest.approx([-2, 0])
    error = ax.containers[0]
    (segment,) = error.lines[2][0].get_segments()
    assert segment[:, 0] == pytest.approx([-1.5, 2.5])
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "learned\nminus fixed",
        "learned\nminus none",
    ]


def test_training_and_test_accuracies_stand_side_by_side():
    curves = {"learned": [[0.2, 0.6], [0.3, 0.7]]}
    fig = voices.train_and_unseen(curves, {"learned": ([0.8, 0.9], [0.6, 0.7])}, chance=0.1)
    drawn = {line.get_label(): line.get_ydata() for line in fig.axes[1].lines}
    assert drawn["training speakers"] == pytest.approx([80, 90])
    assert drawn["test speakers"] == pytest.approx([60, 70])


def test_trials_are_compared_with_the_first():
    ax = voices.trials({"as it is": (0.8, 0.7), "wider": (0.9, 0.75)}).axes[0]
    reference = ax.lines[-1]
    assert reference.get_xdata() == pytest.approx([70, 70])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["as it is", "wider"]


def test_clips_fill_a_grid():
    clips = {f"word {i}": np.eye(4) for i in range(4)}
    fig = voices.voices(clips, dt_ms=20.0, columns=3)
    assert [bool(ax.images) for ax in fig.axes] == [True] * 4 + [False] * 2  # two rows of three
    assert fig.axes[0].images[0].get_extent() == [0, 80, -0.5, 3.5]
