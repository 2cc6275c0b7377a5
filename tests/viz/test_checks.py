"""Every plot refuses arguments without values in one sentence; spike times alone may be missing."""

import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.viz import plots
from snnlab.viz.plots import (
    activity,
    delay_lessons,
    events,
    exploring,
    films,
    handover,
    results,
    sound,
    transfer,
)
from snnlab.viz.plots.style import figure

NO_DATA = ("style", "diagrams", "checks")
# What may not have happened
MAY_BE_EMPTY = {
    (activity.raster, "times_ms"),
    (activity.raster, "neurons"),
    *((activity.trace, name) for name in ("t_ms", "before", "after", "spikes")),
    (delay_lessons.tuning, "rates"),
    (transfer.accuracy_and_time, "marks"),  # where nothing of it was trained
    (delay_lessons.with_ceiling, "test"),
    (delay_lessons.side_by_side, "groups"),
    (results.describe_accuracies, "accuracies"),
    (handover.movements, "moved_ms"),
    (films.accuracy_over_time, "recipes"),
    (films.accuracy_over_time, "levels"),
    (events.accuracy_table, "accuracies"),
    (events.accuracy_table, "rows"),
    (delay_lessons.word_formats, "times_ms"),
    (delay_lessons.word_formats, "channels"),
    (exploring.histograms, "initial_ms"),
    (sound.sound_and_spikes, "times_s"),
    (sound.sound_and_spikes, "channels"),
    (transfer.race, "pretraining"),
}
MODULES = [
    importlib.import_module(f"{plots.__name__}.{module.name}")
    for module in pkgutil.iter_modules(plots.__path__)
    if module.name not in NO_DATA
]
ARGUMENTS = [
    (function, parameter)
    for module in MODULES
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_"
    for parameter in inspect.signature(function).parameters.values()
    if any(kind in str(parameter.annotation) for kind in ("Buffer", "Mapping", "Sequence"))
]


def refuses(function, name, empty, place):
    others = {
        other.name: 1.0
        for other in inspect.signature(function).parameters.values()
        if other.default is inspect.Parameter.empty
    }
    with pytest.raises(SnnlabError, match=f"^{re.escape(place)}: is empty, there is nothing to"):
        function(**(others | {name: empty}))


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        pytest.param(function, parameter, id=f"{function.__name__}-{parameter.name}")
        for function, parameter in ARGUMENTS
        if (function, parameter.name) not in MAY_BE_EMPTY
    ],
)
def test_an_argument_without_values_is_refused(function, parameter):
    name = parameter.name
    refuses(function, name, [], name)
    refuses(function, name, np.zeros((3, 0)), name)
    refuses(function, name, torch.zeros(0), name)
    refuses(function, name, {}, name)
    refuses(function, name, {"pipe-S": [1.0], "scratch": {"ANN": ()}}, f"{name}['scratch']['ANN']")
    refuses(function, name, [(1.0, np.zeros(0))], f"{name}[0][1]")


def test_what_has_not_happened_is_drawn():
    ax = figure()[1]
    assert len(activity.raster(ax, [], []).get_xdata()) == 0
    activity.trace(ax, [], [], [], [])
    assert [len(line.get_xdata()) for line in ax.lines[1:]] == [0, 2, 0]
    lines = transfer.race({"scratch": [([1, 2], [0, 1])]}, {}).axes[0].lines
    assert [1, 2] in [list(line.get_xdata()) for line in lines]
    drawn = exploring.histograms({"layer": [10.0, 20.0]}, 40.0, dt_ms=10.0, initial_ms=[])
    assert len(drawn.axes[0].patches) == 1
    hertz = np.geomspace(50, 8000, 700)
    fig = sound.sound_and_spikes(np.zeros(100), 16000, [], [], hertz)
    assert len(fig.axes[1].lines[0].get_xdata()) == 0


def test_what_was_not_trained_is_drawn_as_such():
    for fig in (
        delay_lessons.tuning({}, [0.0, 0.1]),
        delay_lessons.with_ceiling({}, 0.4, 0.2),
        delay_lessons.side_by_side({}, 0.1),
        handover.movements({}, 10.0),
        films.accuracy_over_time({}, {}),
        events.accuracy_table(np.zeros(0), [], ["LIF"], "x", "y"),
    ):
        assert [text.get_text() for text in fig.texts] == ["Not trained in this run."]
    assert results.describe_accuracies({}) == "not trained in this run"


def test_a_wrong_call_gets_pythons_message():
    with pytest.raises(TypeError, match=r"raster\(\) missing 2 required positional arguments"):
        activity.raster(figure()[1])


def test_every_list_of_exceptions_is_needed():
    assert {(function, parameter.name) for function, parameter in ARGUMENTS} >= MAY_BE_EMPTY
