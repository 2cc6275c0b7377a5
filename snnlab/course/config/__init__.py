"""What a notebook can be told, and the three sizes in which it runs.

A notebook's parameters are the fields of a frozen dataclass, each with its type, unit, range and
meaning. A profile is one instance of it. Each notebook has a module here with both. `resolve`
starts from a profile, puts in what was given, and refuses what does not fit.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from snnlab._utils.fields import check_read, from_text, known
from snnlab.course.config.exploring_delays import EXPLORING_DELAYS, ExploringDelays
from snnlab.course.config.learning_delays import LEARNING_DELAYS, LearningDelays
from snnlab.course.config.lif_dynamics import LIF_DYNAMICS, LifDynamics
from snnlab.course.config.paper_results import PAPER_RESULTS, PaperResults
from snnlab.course.config.parameter_file import from_file
from snnlab.course.config.pretrain_and_transfer import PRETRAIN_AND_TRANSFER, PretrainAndTransfer
from snnlab.course.config.pretrained_delays import PRETRAINED_DELAYS, PretrainedDelays
from snnlab.course.config.shared import Config
from snnlab.course.config.transfer_to_event_streams import (
    TRANSFER_TO_EVENT_STREAMS,
    TransferToEvents,
)

__all__ = [
    "DEFAULT_PROFILE",
    "NOTEBOOKS",
    "PROFILES",
    "Config",
    "ExploringDelays",
    "LearningDelays",
    "LifDynamics",
    "PaperResults",
    "PretrainAndTransfer",
    "PretrainedDelays",
    "TransferToEvents",
    "from_file",
    "parse",
    "resolve",
]

DEFAULT_PROFILE = "course"

PROFILES: dict[str, dict[str, Config]] = {
    LifDynamics.notebook: LIF_DYNAMICS,
    PretrainAndTransfer.notebook: PRETRAIN_AND_TRANSFER,
    TransferToEvents.notebook: TRANSFER_TO_EVENT_STREAMS,
    LearningDelays.notebook: LEARNING_DELAYS,
    ExploringDelays.notebook: EXPLORING_DELAYS,
    PretrainedDelays.notebook: PRETRAINED_DELAYS,
    PaperResults.notebook: PAPER_RESULTS,
}

NOTEBOOKS: dict[str, type[Config]] = {
    stem: type(sizes["course"]) for stem, sizes in PROFILES.items()
}


def resolve(notebook: str, /, **parameters: Any) -> Any:
    """The configuration of a run: the profile's values, and over them whatever is given and not None.

    Args:
        notebook: stem of the notebook, such as "04_learning_delays".
        parameters: its parameters by name; `profile` is one of them, and None means SNNLAB_PROFILE,
            or else "course".

    Returns:
        An instance of `NOTEBOOKS[notebook]`.

    Raises:
        SnnlabError: there is no such notebook, profile or parameter; a value has the wrong type or
            range, or differs from the profile's where the other parameters make it meaningless.
    """
    sizes = PROFILES[known(notebook, PROFILES, "notebook")]
    fields = {field.name: field for field in dataclasses.fields(NOTEBOOKS[notebook])}
    for name in parameters:
        known(name, fields, f"parameter of {notebook}")
    given = {name: value for name, value in parameters.items() if value is not None}
    profile = given.pop("profile", None) or os.environ.get("SNNLAB_PROFILE") or DEFAULT_PROFILE
    before = sizes[known(profile, sizes, "profile")]
    config = dataclasses.replace(before, **given)
    values = {name: getattr(config, name) for name in fields}
    for name in given:
        usual = (getattr(size, name) for size in (before, sizes[DEFAULT_PROFILE]))
        if values[name] not in usual:  # else nobody expects it to change anything
            check_read(fields[name], values)
    return config


def parse(notebook: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Parameters typed on a command line, as values of the types that their fields have.

    Raises:
        SnnlabError: there is no such notebook or parameter, or a text cannot be read as its type.
    """
    fields = {
        field.name: field
        for field in dataclasses.fields(NOTEBOOKS[known(notebook, NOTEBOOKS, "notebook")])
    }
    return {
        name: from_text(fields[known(name, fields, f"parameter of {notebook}")], text)
        for name, text in texts.items()
    }
