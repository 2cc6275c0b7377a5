"""What is shown of a sweep while it runs."""

from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from snnlab.runs.progress import SweepProgress, pace

ONE, TWO = SimpleNamespace(name="one"), SimpleNamespace(name="[two]")


def test_a_log_file_gets_a_line_a_change():
    log = StringIO()
    with SweepProgress(Console(file=log, width=300), runs=3, done=1) as overview:
        overview.change(ONE, "begins")
        overview.update(ONE, 1, 7, "Training")
        overview.change(ONE, "failed")
        overview.change(ONE, "tried again")
        overview.refresh()
        overview._started -= 3600
        overview.change(ONE, "finished")
        overview.change(TWO, "begins")
        overview.change(TWO, "failed: [no] such luck")
    lines = [line.split("  ") for line in log.getvalue().splitlines()]
    assert [(line[0], *line[-2:]) for line in lines] == [
        ("1/3 runs", "one", "begins"),
        ("1/3 runs", "one", "failed"),
        ("1/3 runs", "one", "tried again"),
        ("2/3 runs", "one", "finished"),
        ("2/3 runs", "[two]", "begins"),
        ("2/3 runs", "[two]", "failed: [no] such luck"),
    ]
    assert lines[3][1] == "1 runs an hour, 1:00 left"
    # The pace is known when a run is over
    assert [len(line) for line in lines] == [3, 3, 3, 4, 4, 4]


def test_a_terminal_shows_all_runs_and_those_in_work():
    screen = StringIO()
    with SweepProgress(
        Console(file=screen, width=120, force_terminal=True), runs=3, done=1
    ) as overview:
        overview.change(ONE, "begins")
        overview.change(TWO, "begins")
        overview.update(ONE, 2, 7, "Training  3 of 9")
        overview._bars.refresh()
        both = screen.getvalue()
        overview.change(TWO, "held")
    assert "[two]" in both
    last = screen.getvalue()[len(both) :].rsplit("1/3", 1)[-1]
    assert "one" in last and "2/7" in last and "Training  3 of 9" in last and "[two]" not in last


def test_runs_held_elsewhere_and_failed_ones_are_no_pace_and_failed_ones_are_not_left():
    log = StringIO()
    with SweepProgress(Console(file=log, width=300), runs=4, done=0) as overview:
        overview._started -= 3 * 3600
        for run, state in ((ONE, "held"), (ONE, "held"), (TWO, "finished"), (ONE, "failed: no")):
            overview.change(run, "begins")
            overview.change(run, state)
    paces = [line.split("  ")[1] for line in log.getvalue().splitlines() if "begins" not in line]
    assert paces[2:] == ["0.333 runs an hour, 9:00 left", "0.333 runs an hour, 6:00 left"]


@pytest.mark.parametrize(
    ("over", "left", "seconds", "text"),
    [
        (1, 3, 600, "6 runs an hour, 0:30 left  "),
        (4, 2, 5 * 3600, "0.8 runs an hour, 2:30 left  "),
        (2, 0, 60, "120 runs an hour, 0:00 left  "),
    ],
)
def test_pace(over, left, seconds, text):
    assert pace(over, left, seconds) == text
