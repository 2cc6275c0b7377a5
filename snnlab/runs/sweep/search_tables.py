"""Tables of a search: what it draws, its best trials, and the command of the best one."""

import shlex
from typing import TYPE_CHECKING, Any

from snnlab.runs.sweep.cost import hours_of, measured_runs, remaining_hours
from snnlab.runs.sweep.search_file import Search, short
from snnlab.runs.tables import TextTable

if TYPE_CHECKING:
    from snnlab.runs.sweep.search import Trials

SHOWN = 10  # trials in the table


def plan_table(search: Search, left: int, device: str) -> TextTable:
    """Return what is drawn, and the hours that the trials to do take.

    An epoch is assumed to take as long as in finished runs that differ in drawn parameters only.

    Args:
        search: the search.
        left: trials to do.
        device: name of the device that they will run on.
    """
    measured = measured_runs(search.notebook.stem, device)
    hours = remaining_hours(search.example, measured, but_for=search.drawn)
    total = "" if hours is None else f"{hours * left:.2g} {hours_of(device)} on {device}"
    return TextTable(
        search.path.stem,
        ("parameter", "is drawn from"),
        [[[name, _range(values)] for name, values in search.drawn.items()]],
        f"{left} of {search.trials} trials to do below {search.folder}: {total or 'not measured'}",
    )


def _range(drawn: Any) -> str:
    if isinstance(drawn, list):
        return ", ".join(map(short, drawn))
    step = f", step {short(drawn['step'])}" if drawn.get("step") else ""
    return (
        f"{short(drawn['low'])} to {short(drawn['high'])}{', log' * drawn.get('log', False)}{step}"
    )


def trials_table(trials: "Trials") -> TextTable:
    """Return the best complete trials with their draws, and count all."""
    rows = [
        [trial.number, f"{100 * (trial.value or 0.0):.1f}"]
        + [short(value) for value in trials.search.values(trial.params).values()]
        for trial in trials.best_first[:SHOWN]
    ]
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "in progress"}
    counts = {word: len(trials.of_state(state)) for state, word in words.items()}
    return TextTable(
        trials.search.path.stem,
        ["trial", f"{trials.search.number.replace('_', ' ')} (%)", *trials.search.drawn],
        [rows],
        "Trials: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count) + ".",
    )


def best_command(trials: "Trials") -> str:
    """Return the command that runs the best trial again; empty where none is complete."""
    if not (complete := trials.best_first):
        return ""
    search = trials.search
    values = {**search.shared, **search.values(complete[0].params), **search.overrides}
    values["seed"] = search.seeds[0]
    words = ["snnlab", "run", str(search.content["notebook"])]
    for name, value in values.items():
        if value is not None:
            words += ["-p", name, _text(value)]
    return shlex.join(words)


def _text(value: Any) -> str:
    """Return a parameter as it is typed on a command line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
